// Package pledge restricts a process to what it promises to do, as OpenBSD's
// pledge(2) does:
//
//	func main() {
//		if err := pledge.Pledge("stdio rpath"); err != nil {
//			log.Fatal(err)
//		}
//		// From here on the process can compute, use its open descriptors and
//		// read files. If any of its threads opens a file to write, connects
//		// to another machine or starts a program, the kernel kills the process
//		// with SIGSYS.
//	}
//
// The names, how they are parsed, that they can only be given up, and what they
// mean are OpenBSD's. The means are Linux's: no_new_privs, one seccomp-bpf
// filter on all threads, and Landlock for files. On OpenBSD the package calls
// pledge(2). On other systems it returns an [*UnsupportedError]; only
// Config.BestEffort turns that into success.
//
// # Using it
//
// Do what needs more first: read the configuration, open the log, listen; then
// pledge. Give up more as the program goes on:
//
//	pledge.Pledge("stdio rpath inet")  // early in main
//	l, err := net.Listen("tcp", addr)
//	pledge.Pledge("stdio inet")        // the files are read, the socket is open
//
// Executed programs live under the same filter, since Linux cannot lift one at
// execve(2): a program that starts others promises what they need, too.
//
// # Finding out what a program needs
//
// Run it with Config{Violation: [Trap]}: the Go runtime then prints the system
// call, the goroutine and the source line of the first violation. [Explain]
// tells which promise allows a call. Config{Violation: [Log]} lets violations
// happen and has the kernel's audit log report them. Package pledgetest
// runs functions in pledged children, for tests of one's own promises.
//
// # What a Go program does behind its back
//
// Every set, "" too, allows what the Go runtime needs: threads, futexes, timers,
// epoll, anonymous memory, signals to itself. Before the filter is there,
// Pledge has the time zone loaded, and similar things read that the standard
// library reads once. What is read again and again, or much later, a program
// must promise or do first: x509.SystemCertPool, time.LoadLocation,
// os.Executable. The resolver reads /etc/resolv.conf every five seconds and needs
// dns, or rpath.
//
// # Files
//
// A filter does not see paths. Some promises mean particular files: dns the
// resolver's, getpw the user database, tty /dev/tty. Landlock lets just those be
// opened. With [Unveil] it hides all but some paths:
//
//	if err := pledge.Unveil("/var/www", "r"); err != nil {
//		log.Fatal(err) // nothing would be hidden
//	}
//	err := pledge.Pledge("stdio rpath inet") // without "unveil": the rest is hidden
//
// # Limits
//
// Pledge restricts this process and what it starts afterwards. Processes that it
// has started before, and descriptors that are open, stay as they are.
//
// A filter sees numbers, not what pointers point to. So on Linux promises
// cannot tell fcntl(F_SETLK) on one's own file from that on another's, or a
// datagram with a passed descriptor from one without. Where
// the meaning differs from OpenBSD's, the README lists it under «Differences
// from OpenBSD». Calls of other ABIs (x32, int 0x80) always kill.
package pledge

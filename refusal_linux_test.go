//go:build amd64 || arm64

package pledge_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/pledgetest"
	"golang.org/x/sys/unix"
)

// The tests of this file prove that what must not happen does not. Almost all
// calls have arguments that an unfiltered kernel refuses too, with an errno of
// its own (EFAULT, EBADF, EINVAL, ENOENT), so that nothing happens to the
// machine when a rule is missing, and the test tells the two refusals apart.

const (
	refusalBad  = uintptr(8)       // a pointer to nothing: EFAULT
	refusalNone = ^uintptr(0)      // no descriptor: EBADF
	refusalHigh = uintptr(1) << 32 // dirt in the half of a register that an int does not have
	refusalNull = refusalHigh      // a pointer whose low half is zero; nothing is mapped there
	refusalPid  = uintptr(1<<22 + 1)
	refusalCwd  = ^uintptr(99) // AT_FDCWD

	refusalFIONREAD, refusalFIONBIO = uintptr(0x541b), uintptr(0x5421) // ioctl_tty(2); not in x/sys

	refusalViolation = syscall.EXDEV // what violations return here; no call of this file fails so by itself
)

// refusalWant is how a row ends: killed, not refused, or with this errno.
type refusalWant int

const (
	refusalOK     refusalWant = 0
	refusalKilled refusalWant = -1
)

// A refusalRow runs f in a child under the promises.
type refusalRow struct {
	name     string
	promises string
	f        func() error
	want     refusalWant
}

// refusalRows runs each row in a child of its own, where violations kill.
func refusalRows(t *testing.T, rows []refusalRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := pledgetest.Child(t, func() error {
				refusalPrepare()
				pledge.SimulateLandlock(0) // with it: TestPathGrants
				if err := (pledge.Config{BestEffort: true}).Pledge(row.promises); err != nil {
					return err
				}
				return row.f()
			})
			if row.want.check(r); row.want != refusalOK && row.want != refusalKilled {
				// An errno proves nothing if the kernel itself answers it.
				bare := pledgetest.Child(t, func() error {
					refusalPrepare()
					return row.f()
				})
				if bare.Errno == unix.ENOSYS && row.want == refusalWant(unix.ENOSYS) {
					t.Skip(refusalLacks)
				}
				if bare.Errno == syscall.Errno(row.want) && refusalSoft[bare.Errno] {
					t.Errorf("without promises the call fails with %v too", bare.Errno)
				}
			}
		})
	}
}

// check asserts how a child ended.
func (w refusalWant) check(r *pledgetest.Result) {
	switch w {
	case refusalOK:
		r.OK()
	case refusalKilled:
		r.Killed()
	default:
		r.Failed(syscall.Errno(w))
	}
}

// refusalLacks is why nothing is to be seen of a call that is refused with
// ENOSYS.
const refusalLacks = "this kernel itself has no such call: its ENOSYS and the filter's look the same"

// refusalSoft has the errnos that a filter answers. Rows that want another one
// want the kernel's own answer.
var refusalSoft = map[syscall.Errno]bool{
	unix.ENOSYS: true, unix.EPERM: true, unix.EACCES: true, unix.EINVAL: true,
	unix.EAFNOSUPPORT: true, unix.ENOTSUP: true, unix.EPROTONOSUPPORT: true, refusalViolation: true,
}

// refusalFix is what rows work with. It is made before Pledge.
var refusalFix struct {
	file, null, dirFD             int // descriptors: a file, /dev/null, a directory
	tcp, udp, tcp6, unix          int // sockets, not connected
	pair                          [2]int
	path, dir, fresh, etc, absent []byte // names, with a NUL at the end
}

// refusalPrepare fills refusalFix. The names are in the child's TMPDIR, which
// the parent removes.
func refusalPrepare() {
	must := func(fd int, err error) int {
		if err != nil {
			panic(err)
		}
		return fd
	}
	x := &refusalFix
	dir, err := os.MkdirTemp("", "refusal")
	must(0, err)
	file := filepath.Join(dir, "file")
	must(0, os.WriteFile(file, []byte("content\n"), 0o600))
	x.file = must(unix.Open(file, unix.O_RDWR, 0))
	x.null = must(unix.Open("/dev/null", unix.O_RDWR, 0))
	x.dirFD = must(unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0))
	x.tcp = must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
	x.udp = must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0))
	x.unix = must(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0))
	x.tcp6, err = unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	if err != nil { // a kernel without IPv6
		x.tcp6 = x.tcp
	}
	x.pair, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(0, err)
	x.path, x.dir, x.fresh = append([]byte(file), 0), append([]byte(dir), 0), append([]byte(filepath.Join(dir, "fresh")), 0)
	x.etc, x.absent = []byte("/etc/passwd\x00"), []byte("/nonexistent-refusal/file\x00")
}

// refusalPtr is the address of the first byte. What it points to must be on
// the heap, as everything in refusalFix and in package variables is.
func refusalPtr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

var refusalNothing = [1]byte{} // ""

// refusalDo makes the call and returns its errno, nil if it succeeded. It asks
// the kernel directly, so that no wrapper comes between.
func refusalDo(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// refusalCall is refusalDo for later.
func refusalCall(nr uintptr, args ...uintptr) func() error {
	return func() error { return refusalDo(nr, args...) }
}

// refusalOpen opens with the flags and the mode 0600.
func refusalOpen(path *[]byte, flags uintptr) func() error {
	return func() error { return refusalDo(unix.SYS_OPENAT, refusalCwd, refusalPtr(&(*path)[0]), flags, 0o600) }
}

// refusalAllPromises is every promise, in OpenBSD's order.
func refusalAllPromises() []string {
	var names []string
	for p := pledge.Promise(0); !strings.HasPrefix(p.String(), "promise("); p++ {
		names = append(names, p.String())
	}
	return names
}

// refusalAllBut is a string with all promises but the given ones.
func refusalAllBut(without ...string) string {
	var names []string
	for _, name := range refusalAllPromises() {
		if !strings.Contains(" "+strings.Join(without, " ")+" ", " "+name+" ") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// refusalStates returns what /proc says of each thread of this process: mode of
// seccomp, number of filters, no_new_privs.
func refusalStates() (map[int]string, error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	states := map[int]string{}
	for _, task := range tasks {
		// The kernel leaves out threads that are about to end: they run no
		// more code of the process. They are so before Pledge returns.
		if stat, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat"); err == nil {
			const exiting = 4 // PF_EXITING of proc_pid_stat(5)
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
			if flags, err := strconv.ParseUint(fields[6], 10, 64); err == nil && flags&exiting != 0 {
				continue
			}
		}
		status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		var fields []string
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Seccomp:") || strings.HasPrefix(line, "NoNewPrivs:") {
				fields = append(fields, strings.Join(strings.Fields(line), " "))
			}
		}
		tid, _ := strconv.Atoi(task.Name())
		states[tid] = strings.Join(fields, ", ")
	}
	return states, nil
}

// refusalFilters is the number of filters that hold this thread (Linux 5.9), or
// "" where the kernel does not tell.
func refusalFilters() string {
	status, _ := os.ReadFile("/proc/thread-self/status")
	for line := range strings.Lines(string(status)) {
		if n, ok := strings.CutPrefix(line, "Seccomp_filters:"); ok {
			return strings.TrimSpace(n)
		}
	}
	return ""
}

const (
	refusalFree     = "NoNewPrivs: 0, Seccomp: 0"
	refusalFiltered = "NoNewPrivs: 1, Seccomp: 2"
)

// refusalEveryThread reports the threads whose state is not want.
func refusalEveryThread(want string, except ...int) error {
	states, err := refusalStates()
	if err != nil {
		return err
	}
	if len(states) < 2 {
		return fmt.Errorf("only %d threads: nothing is proved", len(states))
	}
	for _, tid := range except {
		delete(states, tid)
	}
	var wrong []error
	for tid, state := range states {
		if state != want {
			wrong = append(wrong, fmt.Errorf("thread %d of %d: %s; want %s", tid, len(states), state, want))
		}
	}
	return errors.Join(wrong...)
}

// refusalHandler is an x/sys-less struct sigaction with SIG_IGN.
var refusalHandler = [4]uint64{1}

// refusalMask has every signal set.
var refusalMask = [2]uint64{^uint64(0), ^uint64(0)}

// refusalNumbers are operands of calls that want pointers to numbers.
var refusalNumbers [64]uint64

// TestRefusalCosmopolitan has one subtest for each hole of the strongest prior
// art that concerns a filter.
func TestRefusalCosmopolitan(t *testing.T) {
	t.Run("01 cpath opens nothing that exists", func(t *testing.T) {
		x := &refusalFix
		refusalRows(t, []refusalRow{
			{"read", "stdio cpath", refusalOpen(&x.etc, unix.O_RDONLY), refusalKilled},
			{"write", "stdio cpath", refusalOpen(&x.path, unix.O_WRONLY), refusalKilled},
			{"read and write", "stdio cpath", refusalOpen(&x.path, unix.O_RDWR), refusalKilled},
			{"create for reading", "stdio cpath", refusalOpen(&x.path, unix.O_RDONLY|unix.O_CREAT), refusalKilled},
			{"create for writing", "stdio cpath", refusalOpen(&x.path, unix.O_WRONLY|unix.O_CREAT), refusalKilled},
			{"create for both with wpath", "stdio wpath cpath", refusalOpen(&x.path, unix.O_RDWR|unix.O_CREAT), refusalKilled},
			{"create for both with rpath", "stdio rpath cpath", refusalOpen(&x.path, unix.O_RDWR|unix.O_CREAT), refusalKilled},
			{"create for reading with wpath", "stdio wpath cpath", refusalOpen(&x.path, unix.O_RDONLY|unix.O_CREAT), refusalKilled},
			{"create for writing with rpath", "stdio rpath cpath", refusalOpen(&x.path, unix.O_WRONLY|unix.O_CREAT), refusalKilled},
			{"unnamed file", "stdio cpath", refusalOpen(&x.dir, unix.O_WRONLY|unix.O_TMPFILE), refusalKilled},
			{"directory", "stdio cpath", refusalOpen(&x.dir, unix.O_RDONLY|unix.O_DIRECTORY), refusalKilled},
			{"name only", "stdio cpath", refusalOpen(&x.path, unix.O_PATH), refusalKilled},
			{"truncate", "stdio rpath cpath", func() error { return refusalDo(unix.SYS_TRUNCATE, refusalPtr(&x.path[0]), 0) }, refusalKilled},
		})
	})
	t.Run("02 wpath reads nothing", func(t *testing.T) {
		x := &refusalFix
		refusalRows(t, []refusalRow{
			{"read and write", "stdio wpath", refusalOpen(&x.path, unix.O_RDWR), refusalKilled},
			{"read", "stdio wpath", refusalOpen(&x.path, unix.O_RDONLY), refusalKilled},
			{"mode 3", "stdio wpath", refusalOpen(&x.path, unix.O_ACCMODE), refusalKilled},
			{"unnamed file for both", "stdio wpath cpath", refusalOpen(&x.dir, unix.O_RDWR|unix.O_TMPFILE), refusalKilled},
			{"unnamed file without cpath", "stdio rpath wpath", refusalOpen(&x.dir, unix.O_RDWR|unix.O_TMPFILE), refusalKilled},
			{"create without cpath", "stdio wpath", refusalOpen(&x.path, unix.O_WRONLY|unix.O_CREAT), refusalKilled},
			{"create without cpath for both", "stdio rpath wpath", refusalOpen(&x.path, unix.O_RDWR|unix.O_CREAT), refusalKilled},
			{"write", "stdio wpath", refusalOpen(&x.path, unix.O_WRONLY), refusalOK},
			{"read and write with rpath", "stdio rpath wpath", refusalOpen(&x.path, unix.O_RDWR), refusalOK},
		})
	})
	t.Run("03 dns opens and serves nothing", func(t *testing.T) {
		x := &refusalFix
		refusalRows(t, []refusalRow{
			{"any file", "stdio dns", refusalOpen(&x.etc, unix.O_RDONLY), refusalWant(unix.EACCES)},
			{"writing", "stdio dns", refusalOpen(&x.path, unix.O_WRONLY), refusalKilled},
			{"both", "stdio dns", refusalOpen(&x.path, unix.O_RDWR), refusalKilled},
			{"truncating", "stdio dns", refusalOpen(&x.path, unix.O_RDONLY|unix.O_TRUNC), refusalKilled},
			{"creating", "stdio dns", refusalOpen(&x.fresh, unix.O_RDONLY|unix.O_CREAT), refusalKilled},
			{"raw sockets", "stdio dns", refusalCall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP), refusalKilled},
			{"packet sockets", "stdio dns", refusalCall(unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW, 0), refusalKilled},
			{"listening", "stdio dns", func() error { return refusalDo(unix.SYS_LISTEN, uintptr(x.tcp), 1) }, refusalKilled},
			{"accepting", "stdio dns", func() error { return refusalDo(unix.SYS_ACCEPT4, uintptr(x.tcp), 0, 0, 0) }, refusalKilled},
			{"passing a descriptor", "stdio dns", refusalSendFD, refusalKilled},
			{"receiving a descriptor", "stdio dns", refusalRecvFD, refusalKilled},
		})
	})
	t.Run("04 stdio signals no other process", func(t *testing.T) {
		parent := uintptr(os.Getppid())
		raise := refusalWant(unix.EPERM)
		if pledge.CgoEnabled {
			raise = refusalOK
		}
		call := func(nr uintptr, args ...uintptr) func() error { return refusalCall(nr, args...) }
		refusalRows(t, []refusalRow{
			{"tkill", "stdio", func() error { return refusalDo(unix.SYS_TKILL, uintptr(refusalParent), 0) }, refusalWant(unix.EPERM)},
			{"tkill with dirt", "stdio", func() error { return refusalDo(unix.SYS_TKILL, uintptr(refusalParent)|refusalHigh, 0) }, refusalWant(unix.EPERM)},
			{"tkill to the first thread, raise(3) of musl", "stdio", func() error { return refusalDo(unix.SYS_TKILL, uintptr(os.Getpid()), 0) }, raise},
			{"tgkill", "stdio", call(unix.SYS_TGKILL, parent, parent, 0), refusalKilled},
			{"kill", "stdio", call(unix.SYS_KILL, parent, 0), refusalKilled},
			{"kill everybody", "stdio", call(unix.SYS_KILL, refusalNone, 0), refusalKilled},
			{"kill a group", "stdio", call(unix.SYS_KILL, -parent, 0), refusalKilled},
			{"kill the own group by number", "stdio", func() error { return refusalDo(unix.SYS_KILL, uintptr(-syscall.Getpgrp()), 0) }, refusalKilled},
			{"rt_sigqueueinfo", "stdio", call(unix.SYS_RT_SIGQUEUEINFO, parent, 0, refusalBad), refusalKilled},
			{"rt_tgsigqueueinfo", "stdio", call(unix.SYS_RT_TGSIGQUEUEINFO, parent, parent, 0, refusalBad), refusalKilled},
			{"pidfd_send_signal", "stdio", call(unix.SYS_PIDFD_SEND_SIGNAL, refusalNone, 0, 0, 0), refusalWant(unix.ENOSYS)},
			{"pidfd_open", "stdio", func() error { return refusalDo(unix.SYS_PIDFD_OPEN, uintptr(refusalParent), 0) }, refusalWant(unix.ENOSYS)},
			{"F_SETOWN", "stdio", func() error {
				return refusalDo(unix.SYS_FCNTL, uintptr(refusalFix.pair[0]), unix.F_SETOWN, uintptr(refusalParent))
			}, refusalKilled},
			{"F_SETOWN_EX", "stdio", call(unix.SYS_FCNTL, refusalNone, unix.F_SETOWN_EX, refusalBad), refusalKilled},
			{"F_SETSIG", "stdio", call(unix.SYS_FCNTL, refusalNone, unix.F_SETSIG, 9), refusalKilled},
			{"FIOSETOWN", "stdio", call(unix.SYS_IOCTL, refusalNone, 0x8901, refusalBad), refusalKilled},
			{"SIOCSPGRP", "stdio", call(unix.SYS_IOCTL, refusalNone, 0x8902, refusalBad), refusalKilled},
			{"itself", "stdio", func() error { return refusalDo(unix.SYS_KILL, uintptr(os.Getpid()), 0) }, refusalOK},
			{"itself by thread", "stdio", func() error {
				return refusalDo(unix.SYS_TGKILL, uintptr(os.Getpid()), uintptr(unix.Gettid()), 0)
			}, refusalOK},
			{"its group", "stdio", call(unix.SYS_KILL, 0, 0), refusalOK},
		})
	})
	t.Run("05 sendto does not connect", func(t *testing.T) {
		to := func(fd *int, flags, addr, size uintptr) func() error {
			return func() error { return refusalDo(unix.SYS_SENDTO, uintptr(*fd), refusalBad, 1, flags, addr, size) }
		}
		x := &refusalFix
		refusalRows(t, []refusalRow{
			{"MSG_FASTOPEN", "stdio", to(&x.tcp, unix.MSG_FASTOPEN, refusalPtr(&refusalNumbers[0]), 16), refusalKilled},
			{"MSG_FASTOPEN and no address", "stdio", to(&x.tcp, unix.MSG_FASTOPEN, 0, 0), refusalKilled},
			{"MSG_FASTOPEN with dirt and other flags", "stdio", to(&x.tcp, unix.MSG_FASTOPEN|unix.MSG_DONTWAIT|refusalHigh, 0, 16), refusalKilled},
			{"an address", "stdio", to(&x.udp, 0, refusalPtr(&refusalNumbers[0]), 16), refusalKilled},
			{"an address of no bytes", "stdio", to(&x.udp, 0, refusalPtr(&refusalNumbers[0]), 0), refusalKilled},
			{"connect", "stdio", func() error { return refusalDo(unix.SYS_CONNECT, uintptr(x.tcp), refusalPtr(&refusalNumbers[0]), 16) }, refusalKilled},
			{"sendmsg", "stdio", refusalCall(unix.SYS_SENDMSG, refusalNone, refusalBad, 0), refusalKilled},
			{"sendmmsg", "stdio", refusalCall(unix.SYS_SENDMMSG, refusalNone, refusalBad, 1, 0), refusalKilled},
		})
	})
	t.Run("06 tmppath removes and makes nothing elsewhere", func(t *testing.T) {
		at := func(nr uintptr, args ...uintptr) func() error {
			return func() error {
				return refusalDo(nr, append([]uintptr{refusalCwd, refusalPtr(&refusalFix.absent[0])}, args...)...)
			}
		}
		x := &refusalFix
		refusalRows(t, []refusalRow{
			{"unlink", "stdio tmppath", at(unix.SYS_UNLINKAT, 0), refusalWant(unix.EACCES)},
			{"rmdir", "stdio tmppath", at(unix.SYS_UNLINKAT, unix.AT_REMOVEDIR), refusalWant(unix.EACCES)},
			{"create", "stdio tmppath", refusalOpen(&x.fresh, unix.O_WRONLY|unix.O_CREAT), refusalWant(unix.EACCES)},
			{"create for both", "stdio tmppath", refusalOpen(&x.fresh, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL), refusalWant(unix.EACCES)},
			{"mkdir", "stdio tmppath", at(unix.SYS_MKDIRAT, 0o700), refusalKilled},
			{"symlink", "stdio tmppath", func() error {
				return refusalDo(unix.SYS_SYMLINKAT, refusalPtr(&x.absent[0]), refusalCwd, refusalPtr(&x.absent[0]))
			}, refusalKilled},
			{"link", "stdio tmppath", func() error {
				return refusalDo(unix.SYS_LINKAT, refusalCwd, refusalPtr(&x.absent[0]), refusalCwd, refusalPtr(&x.absent[0]), 0)
			}, refusalKilled},
			{"rename", "stdio tmppath", func() error {
				return refusalDo(unix.SYS_RENAMEAT2, refusalCwd, refusalPtr(&x.absent[0]), refusalCwd, refusalPtr(&x.absent[0]), 0)
			}, refusalKilled},
		})
	})
	t.Run("07 socket options of one level do not pass at another", func(t *testing.T) {
		refusalErrnoMode(t, "stdio rpath inet unix dns mcast", refusalSockopts())
		refusalErrnoMode(t, refusalAllBut("error"), refusalSockopts())
	})
	t.Run("08 proc makes no namespaces", func(t *testing.T) {
		refusalErrnoMode(t, "stdio proc", refusalNamespaces())
		refusalErrnoMode(t, refusalAllBut("error"), refusalNamespaces())
		refusalRows(t, []refusalRow{
			// The same call without the flag gets to the kernel, which cannot
			// store the descriptor: it is the flag that is refused.
			{"control", "stdio proc", refusalCall(unix.SYS_CLONE, uintptr(unix.SIGCHLD)|unix.CLONE_PIDFD, 0, refusalBad), refusalWant(unix.EFAULT)},
		})
	})
	t.Run("09 other processes keep their limits and their place", func(t *testing.T) {
		parent := func(nr uintptr, args ...uintptr) func() error {
			return func() error { return refusalDo(nr, append([]uintptr{uintptr(refusalParent)}, args...)...) }
		}
		refusalRows(t, []refusalRow{
			{"prlimit64 read under proc and id", "stdio proc id exec", parent(unix.SYS_PRLIMIT64, unix.RLIMIT_NOFILE, 0, 0), refusalKilled},
			{"prlimit64 write under proc and id", "stdio proc id exec", parent(unix.SYS_PRLIMIT64, unix.RLIMIT_NOFILE, refusalBad, 0), refusalKilled},
			{"prlimit64 read", "stdio", parent(unix.SYS_PRLIMIT64, unix.RLIMIT_NOFILE, 0, 0), refusalKilled},
			{"sched_setaffinity", "stdio", parent(unix.SYS_SCHED_SETAFFINITY, 8, refusalBad), refusalWant(unix.EPERM)},
			{"sched_setscheduler", "stdio", parent(unix.SYS_SCHED_SETSCHEDULER, 99, refusalBad), refusalWant(unix.EPERM)},
			{"sched_setparam", "stdio", parent(unix.SYS_SCHED_SETPARAM, refusalBad), refusalWant(unix.EPERM)},
			{"sched_setattr", "stdio", parent(unix.SYS_SCHED_SETATTR, refusalBad, 0), refusalWant(unix.EPERM)},
			{"setpriority", "stdio", refusalCall(unix.SYS_SETPRIORITY, 99, 0, 0), refusalWant(unix.EPERM)},
			{"ioprio_set", "stdio", refusalCall(unix.SYS_IOPRIO_SET, 99, 0, 0), refusalKilled},
			{"migrate_pages", refusalAllBut("error"), parent(unix.SYS_MIGRATE_PAGES, 64, refusalBad, refusalBad), refusalKilled},
			{"move_pages", refusalAllBut("error"), parent(unix.SYS_MOVE_PAGES, 1, refusalBad, 0, refusalBad, 0), refusalKilled},
			{"its own limits", "stdio", refusalCall(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, 0, refusalPtr(&refusalNumbers[0])), refusalOK},
		})
	})
	t.Run("13 no handler survives a violation", func(t *testing.T) {
		violate := refusalCall(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
		refusalRows(t, []refusalRow{
			{"signal.Ignore", "stdio", func() error { signal.Ignore(unix.SIGSYS); return violate() }, refusalKilled},
			{"signal.Notify", "stdio", func() error { signal.Notify(make(chan os.Signal, 1), unix.SIGSYS); return violate() }, refusalKilled},
			{"rt_sigaction", "stdio", func() error {
				if err := refusalDo(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSYS), refusalPtr(&refusalHandler), 0, 8); err != nil {
					return err
				}
				return violate()
			}, refusalKilled},
			{"blocked", "stdio", func() error {
				if err := refusalDo(unix.SYS_RT_SIGPROCMASK, 0, refusalPtr(&refusalMask), 0, 8); err != nil {
					return err
				}
				return violate()
			}, refusalKilled},
		})
	})
	t.Run("14 the default is to kill", func(t *testing.T) {
		violate := refusalCall(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
		refusalRows(t, []refusalRow{{"zero Config", "stdio", violate, refusalKilled}})
		pledgetest.Run(t, "stdio", violate).Killed()
		pledgetest.Child(t, func() error {
			if err := pledge.PledgeBoth("stdio", ""); err != nil {
				return err
			}
			if s := pledge.Status(); s.Violation != pledge.Kill || !s.Pledged || !s.Seccomp {
				return fmt.Errorf("status %+v", s)
			}
			return violate()
		}).Killed()
	})
	t.Run("15 every thread is held", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			release, done := make(chan bool), make(chan error)
			go func() {
				runtime.LockOSThread()
				<-release // it was there before Pledge
				done <- refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
			}()
			runtime.LockOSThread()
			if err := pledge.Pledge("stdio"); err != nil {
				return err
			}
			release <- true
			return <-done
		}).Killed()
	})
	t.Run("16 no silent success", func(t *testing.T) {
		// Without seccomp(2) Pledge fails: TestRefusalEarlierFilter. And where
		// a promise means files that nothing can tell from others:
		for _, promise := range []string{"dns", "getpw", "ps", "vminfo", "tmppath"} {
			pledgetest.Child(t, func() error {
				pledge.SimulateLandlock(0)
				var unsupported *pledge.UnsupportedError
				err := pledge.Pledge("stdio " + promise)
				if !errors.As(err, &unsupported) || !errors.Is(err, errors.ErrUnsupported) {
					return fmt.Errorf("%s: %v, not an UnsupportedError", promise, err)
				}
				if s := pledge.Status(); s.Pledged || s.Seccomp {
					return fmt.Errorf("%s: status %+v", promise, s)
				}
				return refusalEveryThread(refusalFree)
			}).OK()
		}
	})
	t.Run("17 widening is an error", func(t *testing.T) {
		pledgetest.Run(t, "stdio rpath", func() error {
			var widen *pledge.WidenError
			if err := pledge.Pledge("stdio rpath wpath"); !errors.As(err, &widen) {
				return fmt.Errorf("wider promises: %v", err)
			}
			if err := pledge.PledgeExec("stdio"); err != nil {
				return err
			}
			if err := pledge.PledgeExec("stdio rpath"); !errors.As(err, &widen) || !widen.Exec {
				return fmt.Errorf("wider exec promises: %v", err)
			}
			return nil
		}).OK()
		pledgetest.Run(t, "stdio rpath proc exec", func() error {
			err := pledge.PledgeExec("stdio")
			if !errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("exec promises that nothing enforces: %v", err)
			}
			return nil
		}).OK()
	})
	t.Run("19 all promises fit", func(t *testing.T) {
		for _, promises := range []string{refusalAllBut(), refusalAllBut("error")} {
			pledgetest.Run(t, promises, func() error {
				if got := pledge.Status().Promises.String(); got != promises {
					return fmt.Errorf("in force: %q", got)
				}
				return refusalEveryThread(refusalFiltered)
			}).OK()
		}
	})
}

// refusalParent is the process that started this one: another process, which
// may be signalled without the filter.
var refusalParent = os.Getppid()

// refusalControl is room for one descriptor in a control message.
var refusalControl [64]byte

var refusalIovec = unix.Iovec{Base: &refusalControl[48], Len: 1}

var refusalMsghdr unix.Msghdr

// refusalSendFD passes a descriptor over a socket pair.
func refusalSendFD() error {
	copy(refusalControl[:], unix.UnixRights(refusalFix.null))
	refusalMsghdr = unix.Msghdr{Iov: &refusalIovec, Control: &refusalControl[0]}
	refusalMsghdr.SetIovlen(1)
	refusalMsghdr.SetControllen(unix.CmsgSpace(4))
	return refusalDo(unix.SYS_SENDMSG, uintptr(refusalFix.pair[0]), refusalPtr(&refusalMsghdr), 0)
}

// refusalRecvFD asks for a message with a descriptor; without one it is EAGAIN.
func refusalRecvFD() error {
	refusalMsghdr = unix.Msghdr{Iov: &refusalIovec, Control: &refusalControl[0]}
	refusalMsghdr.SetIovlen(1)
	refusalMsghdr.SetControllen(unix.CmsgSpace(4))
	return refusalDo(unix.SYS_RECVMSG, uintptr(refusalFix.pair[1]), refusalPtr(&refusalMsghdr), unix.MSG_DONTWAIT)
}

// A refusalItem is a call that is refused: as a violation, or softly with an
// errno whatever Config.Violation says.
type refusalItem struct {
	name string
	nr   uintptr
	args [6]uintptr
	soft syscall.Errno // 0: it is a violation
	grim bool          // it does something without a filter, and is not tried so
}

func (i refusalItem) do() syscall.Errno {
	_, _, errno := unix.RawSyscall6(i.nr, i.args[0], i.args[1], i.args[2], i.args[3], i.args[4], i.args[5])
	return errno
}

// check reports an item that is not refused as it should be.
func (i refusalItem) check(violation syscall.Errno) error {
	want := violation
	if i.soft != 0 {
		want = i.soft
	}
	if got := i.do(); got != want {
		return fmt.Errorf("%s: errno %d (%v), want %d (%v)", i.name, int(got), got, int(want), want)
	}
	return nil
}

// refusalErrnoMode makes all the calls in one child under the promises, where a
// violation returns refusalViolation, or ENOSYS with the promise error.
func refusalErrnoMode(t *testing.T, promises string, items []refusalItem) {
	t.Helper()
	pledgetest.Child(t, func() error {
		refusalPrepare()
		c := pledge.Config{Violation: pledge.Errno, Errno: refusalViolation, BestEffort: true}
		if err := c.Pledge(promises); err != nil {
			return err
		}
		violation := refusalViolation
		if pledge.Status().Promises.Has(pledge.Error) {
			violation = unix.ENOSYS
		}
		var wrong []error
		for _, item := range items {
			wrong = append(wrong, item.check(violation))
		}
		if err := errors.Join(wrong...); err != nil {
			return fmt.Errorf("under %q:\n%w", promises, err)
		}
		return nil
	}).OK()
}

// refusalSockopts are options that no promise grants, and granted numbers at
// levels where they mean something else.
func refusalSockopts() []refusalItem {
	var items []refusalItem
	add := func(name string, level, option int) {
		for _, dirt := range []uintptr{0, refusalHigh} {
			items = append(items, refusalItem{
				name: fmt.Sprintf("setsockopt %s (dirt %#x)", name, dirt), nr: unix.SYS_SETSOCKOPT,
				args: [6]uintptr{refusalNone, uintptr(level) | dirt, uintptr(option) | dirt, refusalBad, 4},
			})
		}
	}
	for _, o := range []struct {
		name          string
		level, option int
	}{
		{"SO_ATTACH_FILTER", unix.SOL_SOCKET, unix.SO_ATTACH_FILTER},
		{"SO_ATTACH_BPF", unix.SOL_SOCKET, unix.SO_ATTACH_BPF},
		{"SO_ATTACH_REUSEPORT_CBPF", unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF},
		{"SO_ATTACH_REUSEPORT_EBPF", unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_EBPF},
		{"SO_DETACH_FILTER", unix.SOL_SOCKET, unix.SO_DETACH_FILTER},
		{"SO_DETACH_REUSEPORT_BPF", unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF},
		{"SO_LOCK_FILTER", unix.SOL_SOCKET, unix.SO_LOCK_FILTER},
		{"SO_BINDTODEVICE", unix.SOL_SOCKET, unix.SO_BINDTODEVICE},
		{"SO_BINDTOIFINDEX", unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX},
		{"SO_MARK", unix.SOL_SOCKET, unix.SO_MARK},
		{"SO_DEBUG", unix.SOL_SOCKET, unix.SO_DEBUG},
		{"IP_HDRINCL", unix.IPPROTO_IP, unix.IP_HDRINCL},
		{"IP_OPTIONS", unix.IPPROTO_IP, unix.IP_OPTIONS},
		{"IP_FREEBIND", unix.IPPROTO_IP, unix.IP_FREEBIND},
		{"IP_TRANSPARENT", unix.IPPROTO_IP, unix.IP_TRANSPARENT},
		{"IP_XFRM_POLICY", unix.IPPROTO_IP, unix.IP_XFRM_POLICY},
		{"IP_IPSEC_POLICY", unix.IPPROTO_IP, unix.IP_IPSEC_POLICY},
		{"IPT_SO_SET_REPLACE", unix.IPPROTO_IP, 64},
		{"IPV6_HDRINCL", unix.IPPROTO_IPV6, 36},
		{"IPV6_TRANSPARENT", unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT},
		{"IPV6_FREEBIND", unix.IPPROTO_IPV6, unix.IPV6_FREEBIND},
		{"IPV6_RTHDR", unix.IPPROTO_IPV6, unix.IPV6_RTHDR},
		{"IPV6_HOPOPTS", unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS},
		{"IPV6_ADDRFORM", unix.IPPROTO_IPV6, 1},
		{"IP6T_SO_SET_REPLACE", unix.IPPROTO_IPV6, 64},
		{"TCP_REPAIR", unix.IPPROTO_TCP, unix.TCP_REPAIR},
		{"TCP_REPAIR_QUEUE", unix.IPPROTO_TCP, unix.TCP_REPAIR_QUEUE},
		{"TCP_QUEUE_SEQ", unix.IPPROTO_TCP, unix.TCP_QUEUE_SEQ},
		{"TCP_REPAIR_OPTIONS", unix.IPPROTO_TCP, unix.TCP_REPAIR_OPTIONS},
		{"TCP_REPAIR_WINDOW", unix.IPPROTO_TCP, unix.TCP_REPAIR_WINDOW},
		{"TCP_ULP", unix.IPPROTO_TCP, unix.TCP_ULP},
		{"SOL_RAW ICMP_FILTER", 255, 1},
		{"SOL_PACKET PACKET_RX_RING", unix.SOL_PACKET, unix.PACKET_RX_RING},
		{"SOL_PACKET PACKET_STATISTICS, writing", unix.SOL_PACKET, unix.PACKET_STATISTICS},
		{"SOL_ALG", unix.SOL_ALG, 1},
		{"SOL_XDP", unix.SOL_XDP, 1},
		{"SOL_BLUETOOTH", unix.SOL_BLUETOOTH, 4},
		// Granted numbers at foreign levels.
		{"SO_REUSEADDR at IPPROTO_IGMP", unix.IPPROTO_IGMP, unix.SO_REUSEADDR},
		{"SO_KEEPALIVE at IPPROTO_RAW", unix.IPPROTO_RAW, unix.SO_KEEPALIVE},
		{"IPV6_V6ONLY at SOL_SOCKET, SO_ATTACH_FILTER", unix.SOL_SOCKET, unix.IPV6_V6ONLY},
		{"IPV6_V6ONLY at IPPROTO_TCP", unix.IPPROTO_TCP, 31},
		{"IP_ADD_MEMBERSHIP at SOL_SOCKET, SO_BINDTODEVICE's neighbour", unix.SOL_SOCKET, 36},
		{"level -1", -1, unix.SO_REUSEADDR},
		{"option -1", unix.SOL_SOCKET, -1},
		{"level SOL_SOCKET + 0x10000", unix.SOL_SOCKET + 0x10000, unix.SO_REUSEADDR},
		{"option SO_REUSEADDR + 0x10000", unix.SOL_SOCKET, unix.SO_REUSEADDR + 0x10000},
	} {
		add(o.name, o.level, o.option)
	}
	return items
}

// refusalNamespaces are the flags of clone that proc must not grant. The bad
// pointer for CLONE_PIDFD makes the kernel take the child back.
func refusalNamespaces() []refusalItem {
	var items []refusalItem
	for _, f := range []struct {
		name string
		flag uintptr
	}{
		{"NEWNS", unix.CLONE_NEWNS}, {"NEWCGROUP", unix.CLONE_NEWCGROUP}, {"NEWUTS", unix.CLONE_NEWUTS}, {"NEWIPC", unix.CLONE_NEWIPC},
		{"NEWUSER", unix.CLONE_NEWUSER}, {"NEWPID", unix.CLONE_NEWPID}, {"NEWNET", unix.CLONE_NEWNET}, {"PTRACE", unix.CLONE_PTRACE},
		{"PARENT", unix.CLONE_PARENT},
		{"IO, VFORK, VM and NEWUSER", unix.CLONE_VFORK | unix.CLONE_VM | unix.CLONE_NEWUSER},
	} {
		for _, dirt := range []uintptr{0, refusalHigh} {
			items = append(items, refusalItem{
				name: fmt.Sprintf("clone CLONE_%s (dirt %#x)", f.name, dirt), nr: unix.SYS_CLONE,
				args: [6]uintptr{uintptr(unix.SIGCHLD) | unix.CLONE_PIDFD | f.flag | dirt, 0, refusalBad},
			})
		}
	}
	// A thread may not have a namespace of its own either.
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD
	for _, flag := range []uintptr{unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNS} {
		items = append(items, refusalItem{name: fmt.Sprintf("clone of a thread with %#x", flag), nr: unix.SYS_CLONE, args: [6]uintptr{thread | flag}})
	}
	return items
}

// refusalNeverArch are the members of the never-list that only this
// architecture has, refusalModesArch its calls that take a mode, with
// refusalModeArg in the place of the mode.
var refusalNeverArch, refusalModesArch []refusalItem

const refusalModeArg = uintptr(0xd0de)

// refusalNever is the never-list of the design: no promise grants these, and
// not all promises together.
func refusalNever() []refusalItem {
	const bad, none = refusalBad, refusalNone
	items := []refusalItem{
		{name: "io_uring_setup", nr: unix.SYS_IO_URING_SETUP, args: [6]uintptr{1, bad}, soft: unix.ENOSYS},
		{name: "io_uring_enter", nr: unix.SYS_IO_URING_ENTER, args: [6]uintptr{none, 0, 0, 0, 0, 0}},
		{name: "io_uring_register", nr: unix.SYS_IO_URING_REGISTER, args: [6]uintptr{none, 0, bad, 1}},
		{name: "ptrace attach", nr: unix.SYS_PTRACE, args: [6]uintptr{unix.PTRACE_ATTACH, refusalPid}},
		{name: "ptrace seize", nr: unix.SYS_PTRACE, args: [6]uintptr{unix.PTRACE_SEIZE, refusalPid}},
		{name: "bpf", nr: unix.SYS_BPF, args: [6]uintptr{0xffff, bad, 8}},
		{name: "perf_event_open", nr: unix.SYS_PERF_EVENT_OPEN, args: [6]uintptr{bad, 0, none, none, 0}},
		{name: "userfaultfd", nr: unix.SYS_USERFAULTFD, args: [6]uintptr{0xffffffff}},
		{name: "keyctl", nr: unix.SYS_KEYCTL, args: [6]uintptr{0xffff}},
		{name: "add_key", nr: unix.SYS_ADD_KEY, args: [6]uintptr{bad, bad, 0, 0, 0}},
		{name: "request_key", nr: unix.SYS_REQUEST_KEY, args: [6]uintptr{bad, bad, bad, 0}},
		{name: "process_vm_readv", nr: unix.SYS_PROCESS_VM_READV, args: [6]uintptr{refusalPid, bad, 0, bad, 0, 1}},
		{name: "process_vm_writev", nr: unix.SYS_PROCESS_VM_WRITEV, args: [6]uintptr{refusalPid, bad, 0, bad, 0, 1}},
		{name: "process_madvise", nr: unix.SYS_PROCESS_MADVISE, args: [6]uintptr{none, bad, 0, 0, 1}},
		{name: "process_mrelease", nr: unix.SYS_PROCESS_MRELEASE, args: [6]uintptr{none, 1}},
		{name: "pidfd_getfd", nr: unix.SYS_PIDFD_GETFD, args: [6]uintptr{none, none, 1}},
		{name: "init_module", nr: unix.SYS_INIT_MODULE, args: [6]uintptr{bad, 0, bad}},
		{name: "finit_module", nr: unix.SYS_FINIT_MODULE, args: [6]uintptr{none, bad, 0xffff}},
		{name: "delete_module", nr: unix.SYS_DELETE_MODULE, args: [6]uintptr{bad, 0}},
		{name: "kexec_load", nr: unix.SYS_KEXEC_LOAD, args: [6]uintptr{0, 0, bad, 0xffff}},
		{name: "kexec_file_load", nr: unix.SYS_KEXEC_FILE_LOAD, args: [6]uintptr{none, none, 0, bad, 0xffff}},
		{name: "mount", nr: unix.SYS_MOUNT, args: [6]uintptr{bad, bad, bad, 0, bad}},
		{name: "umount2", nr: unix.SYS_UMOUNT2, args: [6]uintptr{bad, 0xffff0000}},
		{name: "move_mount", nr: unix.SYS_MOVE_MOUNT, args: [6]uintptr{none, bad, none, bad, 0xffffffff}},
		{name: "open_tree", nr: unix.SYS_OPEN_TREE, args: [6]uintptr{none, bad, 0xfffffffe}},
		{name: "fsopen", nr: unix.SYS_FSOPEN, args: [6]uintptr{bad, 0xff}},
		{name: "fsconfig", nr: unix.SYS_FSCONFIG, args: [6]uintptr{none, 99, bad, bad, 0}},
		{name: "fsmount", nr: unix.SYS_FSMOUNT, args: [6]uintptr{none, 0xfe, 0}},
		{name: "fspick", nr: unix.SYS_FSPICK, args: [6]uintptr{none, bad, 0xffff}},
		{name: "mount_setattr", nr: unix.SYS_MOUNT_SETATTR, args: [6]uintptr{none, bad, 0xffffffff, bad, 1}},
		{name: "pivot_root", nr: unix.SYS_PIVOT_ROOT, args: [6]uintptr{bad, bad}},
		{name: "chroot", nr: unix.SYS_CHROOT, args: [6]uintptr{bad}},
		{name: "setns", nr: unix.SYS_SETNS, args: [6]uintptr{none, 0}},
		{name: "unshare of nothing", nr: unix.SYS_UNSHARE, args: [6]uintptr{0}},
		{name: "unshare CLONE_NEWUSER", nr: unix.SYS_UNSHARE, args: [6]uintptr{unix.CLONE_NEWUSER | 1}},
		{name: "swapon", nr: unix.SYS_SWAPON, args: [6]uintptr{bad, 0xffffffff}},
		{name: "swapoff", nr: unix.SYS_SWAPOFF, args: [6]uintptr{bad}},
		{name: "reboot", nr: unix.SYS_REBOOT, args: [6]uintptr{0, 0, 0, 0}},
		{name: "quotactl", nr: unix.SYS_QUOTACTL, args: [6]uintptr{0xffffffff, bad, 0, bad}},
		{name: "quotactl_fd", nr: unix.SYS_QUOTACTL_FD, args: [6]uintptr{none, 0xffffffff, 0, bad}},
		{name: "acct", nr: unix.SYS_ACCT, args: [6]uintptr{bad}},
		{name: "open_by_handle_at", nr: unix.SYS_OPEN_BY_HANDLE_AT, args: [6]uintptr{none, bad, 0}},
		{name: "fanotify_init", nr: unix.SYS_FANOTIFY_INIT, args: [6]uintptr{0xffffffff, 0}},
		{name: "fanotify_mark", nr: unix.SYS_FANOTIFY_MARK, args: [6]uintptr{none, 0, 0, none, bad}},
		{name: "personality", nr: unix.SYS_PERSONALITY, args: [6]uintptr{0x0040000}}, // ADDR_NO_RANDOMIZE, of the child
		{name: "personality READ_IMPLIES_EXEC", nr: unix.SYS_PERSONALITY, args: [6]uintptr{0x0400000}, grim: true},
		{name: "shmget", nr: unix.SYS_SHMGET, args: [6]uintptr{0, 0, 0}},
		{name: "shmat", nr: unix.SYS_SHMAT, args: [6]uintptr{none, 0, 0}},
		{name: "shmctl", nr: unix.SYS_SHMCTL, args: [6]uintptr{none, 99, bad}},
		{name: "shmdt", nr: unix.SYS_SHMDT, args: [6]uintptr{8}},
		{name: "semget", nr: unix.SYS_SEMGET, args: [6]uintptr{0, none, 0}},
		{name: "semop", nr: unix.SYS_SEMOP, args: [6]uintptr{none, bad, 0}},
		{name: "semtimedop", nr: unix.SYS_SEMTIMEDOP, args: [6]uintptr{none, bad, 0, bad}},
		{name: "semctl", nr: unix.SYS_SEMCTL, args: [6]uintptr{none, 0, 99}},
		{name: "msgget", nr: unix.SYS_MSGGET, args: [6]uintptr{0x7e57, 0}},
		{name: "msgsnd", nr: unix.SYS_MSGSND, args: [6]uintptr{none, bad, 0, 0}},
		{name: "msgrcv", nr: unix.SYS_MSGRCV, args: [6]uintptr{none, bad, 0, 0, 0}},
		{name: "msgctl", nr: unix.SYS_MSGCTL, args: [6]uintptr{none, 99, bad}},
		{name: "ioctl TIOCSTI", nr: unix.SYS_IOCTL, args: [6]uintptr{none, unix.TIOCSTI, bad}},
		{name: "ioctl TIOCSTI with dirt", nr: unix.SYS_IOCTL, args: [6]uintptr{none, unix.TIOCSTI | refusalHigh, bad}},
		{name: "ioctl TIOCLINUX", nr: unix.SYS_IOCTL, args: [6]uintptr{none, unix.TIOCLINUX, bad}},
		{name: "ioctl TIOCLINUX with dirt", nr: unix.SYS_IOCTL, args: [6]uintptr{none, unix.TIOCLINUX | refusalHigh, bad}},
		{name: "ioctl TIOCSETD", nr: unix.SYS_IOCTL, args: [6]uintptr{none, unix.TIOCSETD, bad}},
		{name: "ioctl TIOCCONS", nr: unix.SYS_IOCTL, args: [6]uintptr{none, unix.TIOCCONS, bad}},
		{name: "ioctl SG_IO", nr: unix.SYS_IOCTL, args: [6]uintptr{none, 0x2285, bad}},
		{name: "ioctl FIFREEZE", nr: unix.SYS_IOCTL, args: [6]uintptr{none, 0xc0045877, bad}},
		{name: "ioctl TUNSETIFF", nr: unix.SYS_IOCTL, args: [6]uintptr{none, unix.TUNSETIFF, bad}},
		{name: "ioctl DRM_IOCTL_SET_MASTER", nr: unix.SYS_IOCTL, args: [6]uintptr{none, 0x641e, 0}},
		{name: "ioctl NS_GET_USERNS", nr: unix.SYS_IOCTL, args: [6]uintptr{none, 0xb701, 0}},
		{name: "prctl PR_SET_MM", nr: unix.SYS_PRCTL, args: [6]uintptr{unix.PR_SET_MM, unix.PR_SET_MM_MAP_SIZE, bad, 0, 0}, soft: unix.EINVAL},
		{name: "prctl PR_SET_MM with dirt", nr: unix.SYS_PRCTL, args: [6]uintptr{unix.PR_SET_MM | refusalHigh, unix.PR_SET_MM_MAP_SIZE, bad, 0, 0}, soft: unix.EINVAL},
		{name: "prctl PR_SET_DUMPABLE 1", nr: unix.SYS_PRCTL, args: [6]uintptr{unix.PR_SET_DUMPABLE, 1}, soft: unix.EINVAL},
		{name: "seccomp NEW_LISTENER", nr: unix.SYS_SECCOMP, args: [6]uintptr{1, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, bad}, soft: unix.EINVAL},
		{name: "seccomp NEW_LISTENER with TSYNC", nr: unix.SYS_SECCOMP, args: [6]uintptr{1, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | 0x11, bad}, soft: unix.EINVAL},
		{name: "seccomp NEW_LISTENER with dirt", nr: unix.SYS_SECCOMP, args: [6]uintptr{1 | refusalHigh, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | refusalHigh, bad}, soft: unix.EINVAL},
		{name: "clone3", nr: unix.SYS_CLONE3, args: [6]uintptr{bad, 64}, soft: unix.ENOSYS},
		{name: "openat2", nr: unix.SYS_OPENAT2, args: [6]uintptr{refusalCwd, bad, bad, 24}, soft: unix.ENOSYS},
		{name: "memfd_secret", nr: unix.SYS_MEMFD_SECRET, args: [6]uintptr{0xffff}, soft: unix.ENOSYS},
		{name: "sethostname", nr: unix.SYS_SETHOSTNAME, args: [6]uintptr{bad, none}},
		{name: "setdomainname", nr: unix.SYS_SETDOMAINNAME, args: [6]uintptr{bad, none}},
		{name: "syslog", nr: unix.SYS_SYSLOG, args: [6]uintptr{99, 0, 0}},
		{name: "vhangup", nr: unix.SYS_VHANGUP, grim: true},
		{name: "kcmp", nr: unix.SYS_KCMP, args: [6]uintptr{refusalPid, refusalPid, 99}},
		{name: "migrate_pages", nr: unix.SYS_MIGRATE_PAGES, args: [6]uintptr{refusalPid, 64, bad, bad}},
		{name: "socket AF_PACKET", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_PACKET, unix.SOCK_RAW, 0}},
		{name: "socket AF_PACKET with dirt", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_PACKET | refusalHigh, unix.SOCK_RAW, 0}},
		{name: "socket AF_INET SOCK_PACKET", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_INET, unix.SOCK_PACKET, 0}},
		{name: "socket AF_INET SOCK_RAW", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}},
		{name: "socket AF_INET6 SOCK_RAW", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6}},
		{name: "socket AF_ALG", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET, 0}},
		{name: "socket AF_VSOCK", nr: unix.SYS_SOCKET, args: [6]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM, 0}},
		{name: "socket -1", nr: unix.SYS_SOCKET, args: [6]uintptr{none, unix.SOCK_STREAM, 0}},
		{name: "socketpair AF_TIPC", nr: unix.SYS_SOCKETPAIR, args: [6]uintptr{unix.AF_TIPC, unix.SOCK_SEQPACKET, 0, bad}},
	}
	items = append(items, refusalNamespaces()...)
	for _, option := range []uintptr{unix.SO_ATTACH_FILTER, unix.SO_ATTACH_BPF, unix.SO_ATTACH_REUSEPORT_CBPF, unix.SO_ATTACH_REUSEPORT_EBPF} {
		items = append(items, refusalItem{name: fmt.Sprintf("setsockopt %d", option), nr: unix.SYS_SETSOCKOPT, args: [6]uintptr{none, unix.SOL_SOCKET, option, bad, 16}})
	}
	return append(items, refusalNeverArch...)
}

// TestRefusalNever makes every call of the never-list under every promise by
// itself, under none, and under all.
func TestRefusalNever(t *testing.T) {
	items := refusalNever()
	for _, promise := range append([]string{""}, refusalAllPromises()...) {
		t.Run("under "+promise, func(t *testing.T) { refusalErrnoMode(t, promise, items) })
	}
	t.Run("under all", func(t *testing.T) {
		refusalErrnoMode(t, refusalAllBut("error"), items)
		refusalErrnoMode(t, refusalAllBut(), items)
	})

	// What the tests above prove rests on the kernel answering otherwise.
	t.Run("unfiltered", func(t *testing.T) {
		lacks := func(item refusalItem) bool { return item.soft == unix.ENOSYS && item.do() == unix.ENOSYS }
		pledgetest.Child(t, func() error {
			var vain []error
			for _, item := range items {
				if item.grim {
					continue
				}
				if got := item.do(); got == refusalViolation || item.soft != 0 && got == item.soft && !lacks(item) {
					vain = append(vain, fmt.Errorf("%s: the kernel itself says %v", item.name, got))
				}
			}
			return errors.Join(vain...)
		}).OK()
		for _, item := range items {
			if item.soft != unix.ENOSYS {
				continue
			}
			t.Run(item.name, func(t *testing.T) {
				if pledgetest.Child(t, func() error {
					if lacks(item) {
						return errRefusalSkip
					}
					return nil
				}).Err != "" {
					t.Skip(refusalLacks)
				}
			})
		}
	})

	t.Run("killed", func(t *testing.T) {
		kill := map[string]bool{
			"io_uring_enter": true, "ptrace attach": true, "bpf": true, "process_vm_writev": true, "pidfd_getfd": true, "finit_module": true,
			"mount": true, "setns": true, "unshare CLONE_NEWUSER": true, "open_by_handle_at": true, "ioctl TIOCSTI": true, "shmget": true,
			"setsockopt " + strconv.Itoa(unix.SO_ATTACH_FILTER): true, "clone CLONE_NEWUSER (dirt 0x0)": true, "personality": true,
		}
		var rows []refusalRow
		for _, item := range items {
			if kill[item.name] {
				rows = append(rows, refusalRow{item.name, refusalAllBut("error"), refusalCall(item.nr, item.args[:]...), refusalKilled})
			}
		}
		if len(rows) != len(kill) {
			t.Fatalf("%d rows of %d: a name is wrong", len(rows), len(kill))
		}
		refusalRows(t, rows)
	})

	// Numbers that no kernel has yet, so that libraries fall back.
	t.Run("numbers beyond the table", func(t *testing.T) {
		var beyond []refusalItem
		for _, nr := range []uintptr{600, 1000, 4096, 0x3fffffff, 0x7fffffff &^ 0x40000000} {
			beyond = append(beyond, refusalItem{name: fmt.Sprintf("call %#x", nr), nr: nr, soft: unix.ENOSYS})
		}
		refusalErrnoMode(t, "", beyond)
		refusalErrnoMode(t, refusalAllBut("error"), beyond)
		pledgetest.Run(t, "stdio", refusalCall(1000)).Failed(unix.ENOSYS)
	})

	// What a tracer leaves of a call that it has skipped, and x32's bit is set in it.
	t.Run("number -1", func(t *testing.T) {
		minus := []refusalItem{
			{name: "-1", nr: ^uintptr(0), soft: unix.ENOSYS},
			{name: "-1 of 32 bits", nr: 0xffffffff, soft: unix.ENOSYS},
		}
		for _, promises := range []string{"", "stdio", "stdio error", refusalAllBut("error")} {
			refusalErrnoMode(t, promises, minus)
		}
		for _, violation := range []pledge.Violation{pledge.Kill, pledge.Trap, pledge.Log} {
			pledgetest.Child(t, func() error {
				if err := (pledge.Config{Violation: violation}).Pledge("stdio"); err != nil {
					return err
				}
				return errors.Join(minus[0].check(0), minus[1].check(0))
			}).OK()
		}
	})

	t.Run("Explain", func(t *testing.T) {
		for _, name := range strings.Fields("io_uring_setup io_uring_enter io_uring_register ptrace bpf perf_event_open userfaultfd keyctl add_key request_key " +
			"process_vm_readv process_vm_writev process_madvise pidfd_getfd init_module finit_module delete_module kexec_load kexec_file_load mount umount2 " +
			"move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr pivot_root chroot setns unshare swapon swapoff reboot quotactl quotactl_fd acct " +
			"open_by_handle_at fanotify_init fanotify_mark personality shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl " +
			"clone3 openat2 memfd_secret") {
			for _, grant := range pledge.Explain(name) {
				if grant.Errno == 0 {
					t.Errorf("%s is granted: %v", name, grant)
				}
			}
		}
		if len(pledge.Explain("openat")) == 0 {
			t.Error("openat is not granted: nothing is proved")
		}
	})
}

// TestRefusalArguments makes calls whose arguments are not what a careless
// comparison takes them for.
func TestRefusalArguments(t *testing.T) {
	x := &refusalFix
	const hi = refusalHigh
	on := func(nr uintptr, fd *int, args ...uintptr) func() error {
		return func() error { return refusalDo(nr, append([]uintptr{uintptr(*fd)}, args...)...) }
	}
	self := func(nr uintptr, dirt uintptr, args ...uintptr) func() error {
		return func() error { return refusalDo(nr, append([]uintptr{uintptr(os.Getpid()) | dirt}, args...)...) }
	}
	numbers := refusalPtr(&refusalNumbers[0])
	const exec, read = uintptr(unix.PROT_EXEC), uintptr(unix.PROT_READ)
	const anon = uintptr(unix.MAP_PRIVATE | unix.MAP_ANON)
	page := uintptr(os.Getpagesize())

	t.Run("system calls of the user's own", func(t *testing.T) {
		if err := unix.Prctl(unix.PR_SET_SYSCALL_USER_DISPATCH, unix.PR_SYS_DISPATCH_OFF, 0, 0, 0); err != nil {
			t.Skipf("this kernel has no system call user dispatch: %v", err)
		}
		refusalRows(t, []refusalRow{
			{"prctl PR_SET_SYSCALL_USER_DISPATCH", "stdio", refusalCall(unix.SYS_PRCTL, unix.PR_SET_SYSCALL_USER_DISPATCH, unix.PR_SYS_DISPATCH_ON, 0, 0, refusalPtr(&refusalNothing[0])), refusalWant(unix.EINVAL)},
		})
	})

	t.Run("dirt in ints", func(t *testing.T) {
		refusalRows(t, []refusalRow{
			{"socket AF_INET works", "stdio inet", refusalCall(unix.SYS_SOCKET, unix.AF_INET|hi, unix.SOCK_STREAM|hi, hi), refusalOK},
			{"socket AF_INET6 dgram works or is unknown", "stdio inet", func() error {
				err := refusalDo(unix.SYS_SOCKET, unix.AF_INET6|hi, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|hi, unix.IPPROTO_UDP|hi)
				if err == unix.EAFNOSUPPORT {
					return nil
				}
				return err
			}, refusalOK},
			{"socket AF_PACKET", "stdio inet", refusalCall(unix.SYS_SOCKET, unix.AF_PACKET|hi, unix.SOCK_RAW, 0), refusalKilled},
			{"socket AF_INET SOCK_RAW", "stdio inet", refusalCall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW|hi, unix.IPPROTO_ICMP), refusalKilled},
			{"socket AF_UNIX", "stdio inet", refusalCall(unix.SYS_SOCKET, unix.AF_UNIX|hi, unix.SOCK_STREAM, 0), refusalKilled},
			{"socket AF_INET", "stdio unix", refusalCall(unix.SYS_SOCKET, unix.AF_INET|hi, unix.SOCK_STREAM, 0), refusalKilled},
			{"socket AF_NETLINK", "stdio inet", refusalCall(unix.SYS_SOCKET, unix.AF_NETLINK|hi, unix.SOCK_RAW|hi, hi), refusalWant(unix.EAFNOSUPPORT)},
			{"socket IPPROTO_SCTP", "stdio inet", refusalCall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP|hi), refusalKilled},

			{"openat read works", "stdio rpath", refusalOpen(&x.etc, unix.O_RDONLY|unix.O_CLOEXEC|hi), refusalOK},
			{"openat write", "stdio rpath", refusalOpen(&x.path, unix.O_WRONLY|hi), refusalKilled},
			{"openat both", "stdio rpath", refusalOpen(&x.path, unix.O_RDWR|hi), refusalKilled},
			{"openat create", "stdio rpath wpath", refusalOpen(&x.fresh, unix.O_RDWR|unix.O_CREAT|hi), refusalKilled},
			{"openat truncate", "stdio rpath", refusalOpen(&x.path, unix.O_RDONLY|unix.O_TRUNC|hi), refusalKilled},
			{"openat unnamed", "stdio rpath wpath", refusalOpen(&x.dir, unix.O_RDWR|unix.O_TMPFILE|hi), refusalKilled},
			{"openat write works", "stdio wpath", refusalOpen(&x.path, unix.O_WRONLY|unix.O_TRUNC|hi), refusalOK},
			{"openat AT_FDCWD without sign works", "stdio rpath", func() error {
				return refusalDo(unix.SYS_OPENAT, 0xffffff9c, refusalPtr(&x.etc[0]), unix.O_RDONLY, 0)
			}, refusalOK},
			{"openat all upper bits", "stdio rpath", refusalOpen(&x.path, unix.O_WRONLY|0xffffffff_00000000), refusalKilled},
			{"openat all upper bits works", "stdio rpath", refusalOpen(&x.path, unix.O_RDONLY|0xffffffff_00000000), refusalOK},

			{"ioctl FIONREAD works", "stdio", on(unix.SYS_IOCTL, &x.pair[0], refusalFIONREAD|hi, numbers), refusalOK},
			{"ioctl FIONBIO with the sign of a C int works", "stdio", on(unix.SYS_IOCTL, &x.pair[0], refusalFIONBIO|0xffffffff_00000000, numbers), refusalOK},
			{"ioctl TIOCSTI", "stdio tty proc", on(unix.SYS_IOCTL, &x.null, unix.TIOCSTI|hi, refusalBad), refusalKilled},
			{"ioctl TIOCSPGRP", "stdio tty", on(unix.SYS_IOCTL, &x.null, unix.TIOCSPGRP|hi, refusalBad), refusalKilled},
			{"ioctl TCSETS", "stdio", on(unix.SYS_IOCTL, &x.null, unix.TCSETS|hi, refusalBad), refusalKilled},
			{"ioctl FIOASYNC", "stdio", on(unix.SYS_IOCTL, &x.null, 0x5452|hi, refusalBad), refusalKilled},
			{"ioctl TIOCGWINSZ", "stdio", refusalCall(unix.SYS_IOCTL, refusalNone, unix.TIOCGWINSZ|hi, refusalBad), refusalWant(unix.ENOTTY)},

			{"fcntl F_GETFL works", "stdio", on(unix.SYS_FCNTL, &x.pair[0], unix.F_GETFL|hi), refusalOK},
			{"fcntl F_SETLK", "stdio", on(unix.SYS_FCNTL, &x.file, unix.F_SETLK|hi, numbers), refusalKilled},
			{"fcntl F_OFD_SETLK", "stdio", on(unix.SYS_FCNTL, &x.file, unix.F_OFD_SETLK|hi, numbers), refusalKilled},
			{"fcntl F_SETLEASE", "stdio flock", on(unix.SYS_FCNTL, &x.file, unix.F_SETLEASE|hi, unix.F_RDLCK), refusalKilled},
			{"fcntl F_NOTIFY", "stdio rpath", on(unix.SYS_FCNTL, &x.dirFD, unix.F_NOTIFY|hi, 0), refusalKilled},
			{"fcntl F_SETOWN", "stdio", on(unix.SYS_FCNTL, &x.pair[0], unix.F_SETOWN|hi, 0), refusalKilled},
			{"fcntl F_SETOWN_EX", "stdio", on(unix.SYS_FCNTL, &x.pair[0], unix.F_SETOWN_EX|hi, numbers), refusalKilled},
			{"fcntl F_SETSIG", "stdio", on(unix.SYS_FCNTL, &x.pair[0], unix.F_SETSIG|hi, 0), refusalKilled},
			{"fcntl -1", "stdio", on(unix.SYS_FCNTL, &x.pair[0], refusalNone, 0), refusalKilled},

			{"kill itself works", "stdio", self(unix.SYS_KILL, hi, 0), refusalOK},
			{"kill itself with the sign works", "stdio", self(unix.SYS_KILL, 0xffffffff_00000000, 0), refusalOK},
			{"kill group 0 works", "stdio", refusalCall(unix.SYS_KILL, hi, 0), refusalOK},
			{"kill the parent", "stdio", func() error { return refusalDo(unix.SYS_KILL, uintptr(refusalParent)|hi, 0) }, refusalKilled},
			{"kill everybody without the sign", "stdio", refusalCall(unix.SYS_KILL, 0xffffffff, 0), refusalKilled},
			{"kill everybody with half the sign", "stdio", refusalCall(unix.SYS_KILL, 0x7fffffff_ffffffff, 0), refusalKilled},
			{"tgkill of itself works", "stdio", func() error {
				return refusalDo(unix.SYS_TGKILL, uintptr(os.Getpid())|hi, uintptr(unix.Gettid())|hi, hi)
			}, refusalOK},
			{"tgkill of the parent", "stdio", func() error {
				return refusalDo(unix.SYS_TGKILL, uintptr(refusalParent)|hi, uintptr(refusalParent), 0)
			}, refusalKilled},

			{"prctl PR_GET_DUMPABLE works", "stdio", func() error {
				_, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE|hi, 0, 0, 0, 0, 0)
				if errno != 0 {
					return errno
				}
				return nil
			}, refusalOK},
			{"prctl PR_SET_NO_NEW_PRIVS works", "stdio", refusalCall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS|hi, 1, 0, 0, 0), refusalOK},
			{"prctl PR_SET_DUMPABLE", "stdio", refusalCall(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE|hi, 1, 0, 0, 0), refusalWant(unix.EINVAL)},
			{"prctl PR_SET_KEEPCAPS", "stdio", refusalCall(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS|hi, 1, 0, 0, 0), refusalWant(unix.EINVAL)},
			{"prctl PR_SET_PDEATHSIG", "stdio", refusalCall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG|hi, 0, 0, 0, 0), refusalWant(unix.EINVAL)},

			{"prlimit64 of itself works", "stdio", refusalCall(unix.SYS_PRLIMIT64, hi, unix.RLIMIT_NOFILE|hi, 0, numbers), refusalOK},
			{"prlimit64 of the parent", "stdio", func() error {
				return refusalDo(unix.SYS_PRLIMIT64, uintptr(refusalParent)|hi, unix.RLIMIT_NOFILE, 0, numbers)
			}, refusalKilled},
			{"fchmod set-id bits", "stdio fattr", on(unix.SYS_FCHMOD, &x.file, 0o4700|hi), refusalWant(unix.EPERM)},
			{"fchmod works", "stdio fattr", on(unix.SYS_FCHMOD, &x.file, 0o700|hi), refusalOK},
			{"setsockopt SO_REUSEADDR works", "stdio inet", on(unix.SYS_SETSOCKOPT, &x.tcp, unix.SOL_SOCKET|hi, unix.SO_REUSEADDR|hi, numbers, 4), refusalOK},
			{"setsockopt SO_ATTACH_FILTER", "stdio inet", on(unix.SYS_SETSOCKOPT, &x.tcp, unix.SOL_SOCKET|hi, unix.SO_ATTACH_FILTER|hi, refusalBad, 16), refusalKilled},
			{"setuid to itself works", "stdio rpath exec", refusalCall(unix.SYS_SETUID, uintptr(os.Geteuid())|hi), refusalOK},
			{"setuid to another", "stdio rpath exec", refusalCall(unix.SYS_SETUID, 54321), refusalKilled},
			{"setuid to itself without exec", "stdio rpath proc", refusalCall(unix.SYS_SETUID, uintptr(os.Geteuid())), refusalKilled},
			{"setgid to itself works", "stdio rpath exec", refusalCall(unix.SYS_SETGID, uintptr(os.Getegid())|hi), refusalOK},
			{"setgid to another", "stdio rpath exec", refusalCall(unix.SYS_SETGID, 54321), refusalKilled},
			{"seteuid to itself works", "stdio rpath exec", refusalCall(unix.SYS_SETRESUID, 0xffffffff, uintptr(os.Geteuid()), 0xffffffff|hi), refusalOK},
			{"seteuid to another", "stdio rpath exec", refusalCall(unix.SYS_SETRESUID, 0xffffffff, 54321, 0xffffffff), refusalKilled},
			{"setresuid to itself, the saved one to another", "stdio rpath exec", refusalCall(unix.SYS_SETRESUID, 0xffffffff, uintptr(os.Geteuid()), 54321), refusalKilled},
			{"setegid to itself works", "stdio rpath exec", refusalCall(unix.SYS_SETRESGID, 0xffffffff, uintptr(os.Getegid()), 0xffffffff), refusalOK},
			{"setegid to another", "stdio rpath exec", refusalCall(unix.SYS_SETRESGID, 0xffffffff, 54321, 0xffffffff), refusalKilled},
			{"fchown to another", "stdio fattr", refusalCall(unix.SYS_FCHOWN, refusalNone, 54321|hi, 0xffffffff), refusalWant(unix.EPERM)},
			{"fchown to nobody works", "stdio fattr", on(unix.SYS_FCHOWN, &x.file, 0xffffffff|hi, refusalNone), refusalOK},
			{"fchown to itself works", "stdio fattr", func() error {
				return refusalDo(unix.SYS_FCHOWN, uintptr(x.file), uintptr(os.Geteuid())|hi, uintptr(os.Getegid())|hi)
			}, refusalOK},
		})
	})

	t.Run("pointers with a low half of zero are not NULL", func(t *testing.T) {
		refusalRows(t, []refusalRow{
			{"sendto", "stdio", on(unix.SYS_SENDTO, &x.udp, refusalBad, 0, 0, refusalNull, 16), refusalKilled},
			{"sendto upper bit only", "stdio", on(unix.SYS_SENDTO, &x.udp, refusalBad, 0, 0, 1<<63, 16), refusalKilled},
			{"sendto NULL works", "stdio", on(unix.SYS_SENDTO, &x.pair[0], numbers, 1, 0, 0, 0), refusalOK},
			{"prlimit64", "stdio", refusalCall(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, refusalNull, 0), refusalKilled},
			{"prlimit64 in the empty set", "", refusalCall(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, 1<<63, 0), refusalKilled},
		})
	})

	t.Run("access modes and flags of open", func(t *testing.T) {
		refusalRows(t, []refusalRow{
			{"mode 3 under rpath", "stdio rpath", refusalOpen(&x.path, unix.O_ACCMODE), refusalKilled},
			{"mode 3 under cpath", "stdio cpath", refusalOpen(&x.path, unix.O_ACCMODE), refusalKilled},
			{"mode 3 with O_CREAT under rpath cpath", "stdio rpath cpath", refusalOpen(&x.path, unix.O_ACCMODE|unix.O_CREAT), refusalKilled},
			{"O_TRUNC under rpath", "stdio rpath", refusalOpen(&x.path, unix.O_RDONLY|unix.O_TRUNC), refusalKilled},
			{"O_TRUNC under rpath cpath", "stdio rpath cpath", refusalOpen(&x.path, unix.O_RDONLY|unix.O_TRUNC|unix.O_CREAT), refusalKilled},
			{"O_TMPFILE without O_DIRECTORY under rpath", "stdio rpath", refusalOpen(&x.dir, unix.O_RDONLY|0x400000), refusalKilled},
			{"O_CREAT under rpath", "stdio rpath", refusalOpen(&x.path, unix.O_RDONLY|unix.O_CREAT), refusalKilled},
			{"O_CREAT and O_EXCL under rpath wpath", "stdio rpath wpath", refusalOpen(&x.fresh, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL), refusalKilled},
			{"O_PATH with O_CREAT under rpath", "stdio rpath", refusalOpen(&x.path, unix.O_PATH|unix.O_CREAT), refusalKilled},
			{"read in stdio", "stdio", refusalOpen(&x.etc, unix.O_RDONLY), refusalKilled},
			{"name in stdio", "stdio", refusalOpen(&x.etc, unix.O_PATH), refusalKilled},
			{"read in unveil", "stdio unveil", refusalOpen(&x.etc, unix.O_RDONLY), refusalKilled},
			{"openat2", refusalAllBut("error"), refusalCall(unix.SYS_OPENAT2, refusalCwd, refusalBad, refusalBad, 24), refusalWant(unix.ENOSYS)},
			{"truncate in rpath", "stdio rpath", refusalCall(unix.SYS_TRUNCATE, refusalBad, 0), refusalKilled},
			{"name of a new directory in wpath", "stdio rpath wpath", refusalCall(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0), refusalKilled},
			{"unlink in wpath", "stdio rpath wpath", refusalCall(unix.SYS_UNLINKAT, refusalCwd, refusalBad, 0), refusalKilled},
			{"rename in wpath", "stdio rpath wpath", refusalCall(unix.SYS_RENAMEAT2, refusalCwd, refusalBad, refusalCwd, refusalBad, 0), refusalKilled},
			{"chmod in wpath", "stdio rpath wpath", refusalCall(unix.SYS_FCHMODAT, refusalCwd, refusalBad, 0), refusalKilled},
			{"utimes in wpath", "stdio rpath wpath", refusalCall(unix.SYS_UTIMENSAT, refusalCwd, refusalBad, refusalBad, 0), refusalKilled},
		})
	})

	t.Run("set-id and sticky bits", func(t *testing.T) {
		var items []refusalItem
		for _, bit := range []uintptr{0o4000, 0o2000, 0o1000, 0o7777, 0o4755 | hi, 0o4755 | 0x10000} {
			name := func(call string) string { return fmt.Sprintf("%s %#o", call, bit) }
			add := func(call string, nr uintptr, args ...uintptr) {
				item := refusalItem{name: name(call), nr: nr, soft: unix.EPERM}
				copy(item.args[:], args)
				items = append(items, item)
			}
			add("fchmod", unix.SYS_FCHMOD, refusalNone, bit)
			add("fchmodat", unix.SYS_FCHMODAT, refusalCwd, refusalBad, bit)
			add("fchmodat2", unix.SYS_FCHMODAT2, refusalCwd, refusalBad, bit, 0)
			add("mknodat", unix.SYS_MKNODAT, refusalCwd, refusalBad, bit|unix.S_IFREG, 0)
			add("openat O_CREAT", unix.SYS_OPENAT, refusalCwd, refusalBad, unix.O_WRONLY|unix.O_CREAT, bit)
			add("openat O_CREAT for both", unix.SYS_OPENAT, refusalCwd, refusalBad, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, bit)
			add("openat O_CREAT for reading", unix.SYS_OPENAT, refusalCwd, refusalBad, unix.O_RDONLY|unix.O_CREAT, bit)
			add("openat O_TMPFILE", unix.SYS_OPENAT, refusalCwd, refusalBad, unix.O_RDWR|unix.O_TMPFILE, bit)
			for _, item := range refusalModesArch {
				item.name, item.soft = name(item.name), unix.EPERM
				for i, arg := range item.args {
					if arg == refusalModeArg {
						item.args[i] = bit
					}
				}
				items = append(items, item)
			}
		}
		refusalErrnoMode(t, refusalAllBut("error", "tmppath"), items)
		refusalErrnoMode(t, refusalAllBut("tmppath"), items)
		t.Run("with tmppath", func(t *testing.T) { refusalErrnoMode(t, refusalAllBut("error"), items) })
		pledgetest.Run(t, "stdio fattr", refusalCall(unix.SYS_FCHMOD, refusalNone, 0o4755)).Failed(unix.EPERM)
		pledgetest.Run(t, "stdio", refusalCall(unix.SYS_FCHMOD, refusalNone, 0o4755)).Killed()
	})

	t.Run("PROT_EXEC", func(t *testing.T) {
		mmap := func(prot, flags uintptr, fd *int) func() error {
			return func() error { return refusalDo(unix.SYS_MMAP, 0, page, prot, flags, uintptr(*fd), 0) }
		}
		none := -1
		refusalRows(t, []refusalRow{
			{"mmap alone", "stdio", mmap(exec, anon, &none), refusalKilled},
			{"mmap rwx", "stdio", mmap(exec|read|unix.PROT_WRITE, anon, &none), refusalKilled},
			{"mmap with PROT_GROWSDOWN", "stdio", mmap(exec|read|unix.PROT_GROWSDOWN, anon, &none), refusalKilled},
			{"mmap with PROT_SEM", "stdio", mmap(exec|8, anon, &none), refusalKilled},
			{"mmap with dirt", "stdio", mmap(exec|read|hi, anon, &none), refusalKilled},
			{"mmap with dirt in the flags", "stdio", mmap(exec|read, anon|hi, &none), refusalKilled},
			{"mmap of a file", "stdio rpath", mmap(exec|read, unix.MAP_PRIVATE, &x.file), refusalKilled},
			{"mmap of a shared file", "stdio rpath", mmap(exec|read, unix.MAP_SHARED, &x.file), refusalKilled},
			{"mmap in the empty set", "", mmap(exec|read, anon, &none), refusalKilled},
			{"mmap under exec, anonymous", "stdio rpath exec", mmap(exec|read, anon, &none), refusalKilled},
			{"mmap under exec, writable", "stdio rpath exec", mmap(exec|read|unix.PROT_WRITE, unix.MAP_PRIVATE, &x.file), refusalKilled},
			{"mmap under exec, shared", "stdio rpath exec", mmap(exec|read, unix.MAP_SHARED, &x.file), refusalKilled},
			{"mmap under exec, shared and validated", "stdio rpath exec", mmap(exec|read, unix.MAP_SHARED_VALIDATE, &x.file), refusalKilled},
			{"mmap under exec, a file works", "stdio rpath exec", mmap(exec|read, unix.MAP_PRIVATE, &x.file), refusalOK},
			{"mmap under getpw", "stdio rpath getpw", mmap(exec|read, unix.MAP_PRIVATE, &x.file), refusalWant(unix.EACCES)},
			{"mmap under dns", "stdio rpath dns", mmap(exec|read|hi, unix.MAP_PRIVATE, &x.file), refusalWant(unix.EACCES)},
			{"mprotect alone", "stdio", refusalCall(unix.SYS_MPROTECT, 0, 0, exec), refusalKilled},
			{"mprotect rwx", "stdio", refusalCall(unix.SYS_MPROTECT, 0, 0, 7), refusalKilled},
			{"mprotect with PROT_GROWSDOWN", "stdio", refusalCall(unix.SYS_MPROTECT, 0, 0, exec|unix.PROT_GROWSDOWN), refusalKilled},
			{"mprotect with PROT_GROWSUP", "stdio", refusalCall(unix.SYS_MPROTECT, 0, 0, exec|unix.PROT_GROWSUP), refusalKilled},
			{"mprotect with dirt", "stdio", refusalCall(unix.SYS_MPROTECT, 0, 0, exec|hi), refusalKilled},
			{"mprotect under exec", "stdio rpath exec", refusalCall(unix.SYS_MPROTECT, 0, 0, exec|read), refusalKilled},
			{"pkey_mprotect", "stdio", refusalCall(unix.SYS_PKEY_MPROTECT, 0, 0, exec|read, refusalNone), refusalKilled},
			{"pkey_mprotect under exec", "stdio rpath exec", refusalCall(unix.SYS_PKEY_MPROTECT, 0, 0, exec, refusalNone), refusalKilled},
			{"shmat SHM_EXEC", "stdio prot_exec", refusalCall(unix.SYS_SHMAT, refusalNone, 0, 0o100000), refusalKilled},
			{"mmap under prot_exec works", "stdio prot_exec", mmap(exec|read, anon, &none), refusalOK},
			{"mmap without PROT_EXEC works", "stdio", mmap(read|unix.PROT_WRITE, anon, &none), refusalOK},
		})
	})
}

// TestRefusalThreads has violations on threads of every kind: each must end the
// whole process.
func TestRefusalThreads(t *testing.T) {
	violate := func() error { return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0) }

	t.Run("main", func(t *testing.T) {
		if os.Getenv("PLEDGETEST_CALL") != "" {
			return
		}
		cmd := exec.Command("/proc/self/exe", "-test.run=^$")
		cmd.Env = append(os.Environ(), refusalMainEnv+"=1")
		out, err := cmd.CombinedOutput()
		ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if err == nil || !ok || !ws.Signaled() || ws.Signal() != unix.SIGSYS {
			t.Errorf("%v, %s; want killed by SIGSYS", cmd.ProcessState, out)
		}
	})
	t.Run("one of 64", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			var stop atomic.Bool
			var ready sync.WaitGroup
			release := make(chan bool)
			for i := range 64 {
				ready.Add(1)
				go func() {
					runtime.LockOSThread()
					ready.Done()
					if i == 37 {
						<-release
						violate()
						stop.Store(true)
					}
					for n := 0; !stop.Load(); n++ {
						if n%1000 == 0 {
							unix.Gettid()
						}
					}
				}()
			}
			ready.Wait()
			if err := pledge.Pledge("stdio"); err != nil {
				return err
			}
			close(release)
			for !stop.Load() {
				runtime.Gosched()
			}
			return nil
		}).Killed()
	})
	t.Run("made meanwhile", func(t *testing.T) {
		for range 5 {
			pledgetest.Child(t, func() error {
				var pledged atomic.Bool
				newest := make(chan chan error)
				go func() { // makes threads until Pledge has returned, and hands over the last one
					for {
						orders, born := make(chan error), make(chan bool)
						go func() {
							runtime.LockOSThread()
							born <- true
							if _, ok := <-orders; ok {
								orders <- violate()
							}
						}()
						<-born
						if pledged.Load() {
							newest <- orders
							return
						}
						close(orders) // this one ends
					}
				}()
				err := pledge.Pledge("stdio")
				pledged.Store(true)
				if err != nil {
					return err
				}
				orders := <-newest
				orders <- nil
				return <-orders
			}).Killed()
		}
	})
	t.Run("asleep in a call meanwhile", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			var pipe [2]int
			if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
				return err
			}
			asleep, done := make(chan int), make(chan error)
			go func() {
				runtime.LockOSThread()
				asleep <- unix.Gettid()
				var b [1]byte
				if _, err := unix.Read(pipe[0], b[:]); err != nil {
					done <- err
					return
				}
				done <- violate()
			}()
			tid := <-asleep
			for { // until it is asleep in read(2)
				line, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", tid))
				if err != nil || bytes.HasPrefix(line, []byte(strconv.Itoa(unix.SYS_READ)+" ")) {
					break
				}
				time.Sleep(time.Millisecond)
			}
			if err := pledge.Pledge("stdio"); err != nil {
				return err
			}
			if _, err := unix.Write(pipe[1], []byte("x")); err != nil {
				return err
			}
			return <-done
		}).Killed()
	})
	t.Run("made afterwards", func(t *testing.T) {
		pledgetest.Run(t, "stdio", func() error {
			done := make(chan error)
			for range 12 {
				go func() {
					runtime.LockOSThread()
					time.Sleep(10 * time.Millisecond)
					done <- nil
				}()
			}
			for range 12 {
				<-done
			}
			go func() { runtime.LockOSThread(); done <- violate() }()
			return <-done
		}).Killed()
	})
	t.Run("trap ends it too", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			if err := (pledge.Config{Violation: pledge.Trap}).Pledge("stdio"); err != nil {
				return err
			}
			done := make(chan error)
			go func() { runtime.LockOSThread(); done <- violate() }()
			return <-done
		}).Exited(2).Printed("SIGSYS")
	})

	// Pledge while threads come and go: afterwards none is without the filter.
	t.Run("all are filtered", func(t *testing.T) {
		for range 30 {
			pledgetest.Child(t, func() error {
				var stop atomic.Bool
				var churn sync.WaitGroup
				for range 4 {
					churn.Go(func() {
						for !stop.Load() {
							var batch sync.WaitGroup
							for range 4 {
								batch.Go(func() { runtime.LockOSThread(); unix.Getpid() }) // a thread that ends with it
							}
							batch.Wait()
						}
					})
				}
				runtime.Gosched()
				err := pledge.Pledge("stdio rpath")
				if err == nil {
					err = refusalEveryThread(refusalFiltered)
				}
				stop.Store(true)
				churn.Wait()
				return errors.Join(err, refusalEveryThread(refusalFiltered))
			}).OK()
		}
	})
}

const refusalMainEnv = "REFUSAL_MAIN"

// init violates on the main thread, where tests never run, if it is told to.
func init() {
	if os.Getenv(refusalMainEnv) == "" {
		return
	}
	if unix.Gettid() != os.Getpid() {
		println("not the main thread")
		os.Exit(97)
	}
	if err := pledge.Pledge("stdio"); err != nil {
		println(err.Error())
		os.Exit(98)
	}
	refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
	os.Exit(99)
}

// TestRefusalInput gives Pledge what it must not accept.
func TestRefusalInput(t *testing.T) {
	blanks := func(n int) string { return "stdio" + strings.Repeat(" ", n-len("stdio")) }
	for _, row := range []struct {
		name, promises string
		errno          syscall.Errno
		word           string
	}{
		{"leading blank", " stdio", unix.EINVAL, ""},
		{"only a blank", " ", unix.EINVAL, ""},
		{"only blanks", "   ", unix.EINVAL, ""},
		{"leading tab", "\tstdio", unix.EINVAL, "\tstdio"},
		{"tab", "stdio\trpath", unix.EINVAL, "stdio\trpath"},
		{"trailing tab", "stdio \t", unix.EINVAL, "\t"},
		{"newline", "stdio\nrpath", unix.EINVAL, "stdio\nrpath"},
		{"trailing newline", "stdio rpath\n", unix.EINVAL, "rpath\n"},
		{"carriage return", "stdio\r", unix.EINVAL, "stdio\r"},
		{"comma", "stdio,rpath", unix.EINVAL, "stdio,rpath"},
		{"no-break blank", "stdio\u00a0rpath", unix.EINVAL, "stdio\u00a0rpath"},
		{"unknown word", "stdio nonsense", unix.EINVAL, "nonsense"},
		{"unknown word first", "nonsense stdio", unix.EINVAL, "nonsense"},
		{"prefix of a word", "stdio rpat", unix.EINVAL, "rpat"},
		{"longer than a word", "stdio rpathx", unix.EINVAL, "rpathx"},
		{"removed word", "stdio coredump", unix.EINVAL, "coredump"},
		{"upper case", "STDIO", unix.EINVAL, "STDIO"},
		{"title case", "stdio Rpath", unix.EINVAL, "Rpath"},
		{"capitals of a constant", "stdio TTY", unix.EINVAL, "TTY"},
		{"NUL inside", "stdio\x00rpath", unix.EINVAL, "stdio\x00rpath"},
		{"NUL at the end", "stdio\x00", unix.EINVAL, "stdio\x00"},
		{"NUL alone", "\x00", unix.EINVAL, "\x00"},
		{"no UTF-8", "stdio \xff\xfe", unix.EINVAL, "\xff\xfe"},
		{"cut UTF-8", "stdi\xc3", unix.EINVAL, "stdi\xc3"},
		{"look-alike", "st\u0501io", unix.EINVAL, "st\u0501io"},
		{"empty quotes", `""`, unix.EINVAL, `""`},
		{"negation", "-stdio", unix.EINVAL, "-stdio"},
		{"1023 bytes of nonsense", strings.Repeat("x", 1023), unix.EINVAL, strings.Repeat("x", 1023)},
		{"1024 bytes", blanks(1024), unix.ENAMETOOLONG, ""},
		{"1024 bytes of nonsense", strings.Repeat("x", 1024), unix.ENAMETOOLONG, ""},
		{"a leading blank in 1024 bytes", " " + blanks(1023), unix.ENAMETOOLONG, ""},
		{"a megabyte", strings.Repeat("stdio ", 1<<20/6), unix.ENAMETOOLONG, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			pledgetest.Child(t, func() error {
				for how, err := range map[string]error{
					"Pledge":            pledge.Pledge(row.promises),
					"PledgeExec":        pledge.PledgeExec(row.promises),
					"PledgeBoth first":  pledge.PledgeBoth(row.promises, "stdio"),
					"PledgeBoth second": pledge.PledgeBoth("stdio", row.promises),
					"BestEffort":        pledge.Config{BestEffort: true}.Pledge(row.promises),
				} {
					var promise *pledge.PromiseError
					if !errors.As(err, &promise) {
						return fmt.Errorf("%s: %v, not a PromiseError", how, err)
					}
					if promise.Promises != row.promises || promise.Name != row.word {
						return fmt.Errorf("%s: Promises %q, Name %q", how, promise.Promises, promise.Name)
					}
					for _, errno := range []syscall.Errno{unix.EINVAL, unix.ENAMETOOLONG, unix.EPERM} {
						if errors.Is(err, errno) != (errno == row.errno) {
							return fmt.Errorf("%s: Is %v: %v", how, errno, err)
						}
					}
				}
				if s := pledge.Status(); !reflect.DeepEqual(s, pledge.State{}) {
					return fmt.Errorf("status %+v", s)
				}
				return refusalEveryThread(refusalFree)
			}).OK()
		})
	}

	t.Run("accepted", func(t *testing.T) {
		for _, promises := range []string{"stdio rpath", "rpath   stdio  ", "stdio stdio rpath stdio rpath", "stdio rpath" + strings.Repeat(" ", 1023-11)} {
			pledgetest.Run(t, promises, func() error {
				if got := pledge.Status().Promises.String(); got != "stdio rpath" {
					return fmt.Errorf("in force: %q", got)
				}
				return refusalEveryThread(refusalFiltered)
			}).OK()
		}
	})

	t.Run("Config", func(t *testing.T) {
		for _, c := range []pledge.Config{
			{Violation: 4}, {Violation: 255}, {Violation: 4, BestEffort: true},
			{Errno: unix.EPERM}, {Violation: pledge.Trap, Errno: unix.EPERM}, {Violation: pledge.Log, Errno: 1},
			{Violation: pledge.Errno, Errno: 4096}, {Violation: pledge.Errno, Errno: 1 << 31}, {Violation: pledge.Errno, Errno: ^syscall.Errno(0)},
			{Violation: pledge.Errno, Errno: 1<<32 | 1},
		} {
			pledgetest.Child(t, func() error {
				for how, err := range map[string]error{
					"Pledge": c.Pledge("stdio rpath"), "PledgeExec": c.PledgeExec("stdio"), "PledgeBoth": c.PledgeBoth("stdio", "stdio"),
				} {
					if !errors.Is(err, unix.EINVAL) {
						return fmt.Errorf("%s of %+v: %v", how, c, err)
					}
				}
				if _, err := c.Compile(0); !errors.Is(err, unix.EINVAL) {
					return fmt.Errorf("Compile of %+v: %v", c, err)
				}
				if s := pledge.Status(); !reflect.DeepEqual(s, pledge.State{}) {
					return fmt.Errorf("status %+v", s)
				}
				return refusalEveryThread(refusalFree)
			}).OK()
		}
		for _, errno := range []syscall.Errno{1, 133, 4094} {
			pledgetest.Child(t, func() error {
				if err := (pledge.Config{Violation: pledge.Errno, Errno: errno}).Pledge("stdio"); err != nil {
					return err
				}
				return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
			}).Failed(errno)
		}
		// Package syscall takes the largest errno of the kernel for a result,
		// so that a refused call would look like one that succeeded.
		t.Run("the largest errno", func(t *testing.T) {
			r := pledgetest.Child(t, func() error {
				if err := (pledge.Config{Violation: pledge.Errno, Errno: 4095}).Pledge("stdio"); err != nil {
					return err
				}
				return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
			})
			if r.Errno != 4095 && r.Errno != unix.EINVAL && os.Getenv("PLEDGETEST_CALL") == "" {
				t.Errorf("%v, want the violation to fail, or Pledge", r)
			}
		})
	})

	t.Run("sets beyond the promises", func(t *testing.T) {
		// A Set with bits that no promise has must not grant anything by them.
		f, err := pledge.Config{}.Compile(pledge.Set(1) << 63)
		if err != nil {
			return // as good
		}
		call := pledge.Call{Nr: unix.SYS_MKDIRAT}
		if v := f.Check(call); !v.Killed() {
			t.Errorf("mkdirat: %v", v)
		}
	})
}

// refusalProgram is a filter that refuses one call with an errno when its
// argument 1 has any bit of flags, or always if flags is 0.
func refusalProgram(nr, flags uint32, errno syscall.Errno) unix.SockFprog {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: 0, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16 + 8}, // the low half of argument 1
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: flags, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if flags == 0 {
		program[2] = unix.SockFilter{Code: unix.BPF_LD | unix.BPF_IMM, K: 1}
		program[3].K = 1
	}
	return unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}

// errRefusalSkip is what a child returns that may not install a filter without
// no_new_privs.
var errRefusalSkip = errors.New("skip: needs CAP_SYS_ADMIN, to install a filter without no_new_privs")

// refusalInstall installs a filter without no_new_privs, on all threads with
// the flag TSYNC.
func refusalInstall(program unix.SockFprog, flags uintptr) error {
	refusalFprog = program
	err := refusalDo(unix.SYS_SECCOMP, 1, flags, refusalPtr(&refusalFprog))
	if err == unix.EACCES {
		return errRefusalSkip
	}
	return err
}

var refusalFprog unix.SockFprog

// refusalOrSkip is OK, or skips the test if the child could not do it.
func refusalOrSkip(t *testing.T, r *pledgetest.Result) {
	t.Helper()
	if strings.HasPrefix(r.Err, "skip:") {
		t.Skip(r.Err)
	}
	r.OK()
}

var errRefusalNotMain = errors.New("skip: no goroutine came to the main thread")

// refusalTakeMain takes the main thread, so that no goroutine can come to it,
// and returns a function that gives it back and runs f on it. The only
// processor of the scheduler is there then, and so are goroutines that f
// starts.
func refusalTakeMain() (give func(f func() error) error, err error) {
	runtime.GOMAXPROCS(1)
	orders, done, release := make(chan func() error), make(chan error), make(chan bool)
	defer close(release)
	for range 200 {
		found := make(chan bool)
		go func() {
			runtime.LockOSThread()
			onMain := unix.Gettid() == os.Getpid()
			found <- onMain
			if !onMain {
				<-release
				return
			}
			f := <-orders
			runtime.UnlockOSThread()
			done <- f()
		}()
		if <-found {
			return func(f func() error) error { orders <- f; return <-done }, nil
		}
	}
	return nil, errRefusalNotMain
}

// TestRefusalEarlierFilter pledges where something stands in the way.
func TestRefusalEarlierFilter(t *testing.T) {
	const earlier = "NoNewPrivs: 0, Seccomp: 2"
	for _, row := range []struct {
		name    string
		flags   uint32 // of seccomp(2) that are refused; 0: all of it
		errno   syscall.Errno
		install bool // *InstallError instead of *UnsupportedError will do
	}{
		{"seccomp is EPERM", 0, unix.EPERM, false},
		{"seccomp is ENOSYS", 0, unix.ENOSYS, false},
		{"seccomp is EACCES", 0, unix.EACCES, true},
		{"no TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC, unix.EINVAL, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			refusalOrSkip(t, pledgetest.Child(t, func() error {
				if err := refusalInstall(refusalProgram(unix.SYS_SECCOMP, row.flags, row.errno), unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
					return err
				}
				if err := refusalEveryThread(earlier); err != nil {
					return fmt.Errorf("before: %w", err)
				}
				filters := refusalFilters()
				for _, c := range []pledge.Config{{}, {Violation: pledge.Log}, {Violation: pledge.Trap}} {
					err := c.Pledge("stdio rpath")
					var unsupported *pledge.UnsupportedError
					var install *pledge.InstallError
					switch {
					case errors.As(err, &unsupported) && errors.Is(err, errors.ErrUnsupported):
					case row.install && errors.As(err, &install):
					default:
						return fmt.Errorf("%+v: %v (%T)", c, err, err)
					}
					if s := pledge.Status(); s.Pledged || s.Seccomp {
						return fmt.Errorf("%+v: status %+v", c, s)
					}
					if err := refusalEveryThread(earlier); err != nil {
						return fmt.Errorf("%+v: %w", c, err)
					}
					if now := refusalFilters(); now != filters {
						return fmt.Errorf("%+v: %s filters, were %s", c, now, filters)
					}
				}
				// Best effort may do without, but must say so.
				err := pledge.Config{BestEffort: true}.Pledge("stdio rpath")
				if s := pledge.Status(); s.Seccomp || s.Compiler != "" || s.Pledged != (err == nil) {
					return fmt.Errorf("best effort: %v, status %+v", err, s)
				}
				if err := refusalEveryThread(earlier); err != nil {
					return fmt.Errorf("best effort: %w", err)
				}
				return nil
			}))
		})
	}

	t.Run("no_new_privs is EPERM", func(t *testing.T) {
		refusalOrSkip(t, pledgetest.Child(t, func() error {
			program := refusalProgram(unix.SYS_PRCTL, 0, unix.EPERM)
			if err := refusalInstall(program, unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
				return err
			}
			// Whether it fails or does without is its own affair; it must not
			// claim what is not so.
			err := pledge.Pledge("stdio rpath")
			if s := pledge.Status(); s.Pledged != (err == nil) || s.Seccomp != (err == nil) {
				return fmt.Errorf("%v, and status %+v", err, s)
			}
			return nil
		}))
	})

	// pledgeBeside pledges while another thread has a filter of its own, and
	// checks that nothing came of it.
	pledgeBeside := func(onMain bool) error {
		type thread struct {
			tid int
			err error
		}
		onMainThread, err := refusalTakeMain()
		if err != nil {
			return err
		}
		apart, stay := make(chan thread), make(chan bool)
		defer close(stay)
		go func() {
			runtime.LockOSThread()
			err := refusalInstall(refusalProgram(unix.SYS_ACCT, 0, unix.EPERM), 0)
			apart <- thread{unix.Gettid(), err}
			<-stay
		}()
		other := <-apart
		if other.err != nil {
			return other.err
		}
		for range 2 { // the second attempt is not misled by the first
			var install *pledge.InstallError
			var err error
			if onMain {
				err = onMainThread(func() error { return pledge.Pledge("stdio rpath") })
				onMain = false
			} else {
				err = pledge.Pledge("stdio rpath")
			}
			if !errors.As(err, &install) || install.TID != other.tid {
				return fmt.Errorf("%v (%+v), want an InstallError with thread %d", err, install, other.tid)
			}
			if s := pledge.Status(); s.Pledged || s.Seccomp {
				return fmt.Errorf("status %+v", s)
			}
		}
		// A thread that Pledge gave up may take a moment to end.
		err = refusalEveryThread(refusalFree, other.tid)
		for deadline := time.Now().Add(time.Second); err != nil && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
			err = refusalEveryThread(refusalFree, other.tid)
		}
		return errors.Join(err, os.Mkdir(filepath.Join(os.TempDir(), "not pledged"), 0o700))
	}
	t.Run("a thread has a filter of its own", func(t *testing.T) {
		refusalOrSkip(t, pledgetest.Child(t, func() error {
			return pledgeBeside(false)
		}))
	})
	t.Run("a thread has a filter of its own, from main", func(t *testing.T) {
		// The main thread cannot be thrown away.
		refusalOrSkip(t, pledgetest.Child(t, func() error {
			return pledgeBeside(true)
		}))
	})

	t.Run("an earlier filter on all threads does no harm", func(t *testing.T) {
		r := pledgetest.Child(t, func() error {
			if err := refusalInstall(refusalProgram(unix.SYS_ACCT, 0, unix.EPERM), unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
				return err
			}
			if err := pledge.Pledge("stdio rpath"); err != nil {
				return err
			}
			if err := refusalEveryThread(refusalFiltered); err != nil {
				return err
			}
			return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
		})
		if strings.HasPrefix(r.Err, "skip:") {
			t.Skip(r.Err)
		}
		r.Killed()
	})
}

// TestRefusalWidening asks for more than is held.
func TestRefusalWidening(t *testing.T) {
	for _, row := range []struct{ name, have, want, extra string }{
		{"one more", "stdio rpath", "stdio rpath wpath", "wpath"},
		{"another", "stdio rpath", "wpath", "wpath"},
		{"from little", "stdio rpath proc", "stdio rpath inet dns", "inet dns"},
		{"error is a promise like others", "stdio rpath", "stdio rpath error", "error"},
		{"all", "stdio rpath", refusalAllBut(), refusalAllBut("stdio", "rpath")},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := pledgetest.Run(t, row.have, func() error {
				before, filters := pledge.Status(), refusalFilters()
				for how, err := range map[string]error{
					"Pledge":     pledge.Pledge(row.want),
					"PledgeBoth": pledge.PledgeBoth(row.want, row.want),
					"BestEffort": pledge.Config{BestEffort: true}.Pledge(row.want),
					"Log":        pledge.Config{Violation: pledge.Log}.Pledge(row.want),
				} {
					var widen *pledge.WidenError
					if !errors.As(err, &widen) || !errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) {
						return fmt.Errorf("%s: %v (%T)", how, err, err)
					}
					if widen.Have.String() != before.Promises.String() || widen.Extra.String() != row.extra || widen.Exec {
						return fmt.Errorf("%s: %+v", how, *widen)
					}
				}
				if after := pledge.Status(); !reflect.DeepEqual(after, before) {
					return fmt.Errorf("status %+v, was %+v", after, before)
				}
				if now := refusalFilters(); now != filters {
					return fmt.Errorf("%s filters, were %s", now, filters)
				}
				if err := refusalEveryThread(refusalFiltered); err != nil {
					return err
				}
				return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
			})
			r.Killed()
		})
	}

	t.Run("narrowing holds on all threads", func(t *testing.T) {
		pledgetest.Run(t, "stdio rpath cpath", func() error {
			release, done := make(chan bool), make(chan error)
			go func() {
				runtime.LockOSThread()
				<-release
				done <- refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
			}()
			if err := refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0); err != unix.EFAULT {
				return fmt.Errorf("before: %v", err)
			}
			if err := pledge.Pledge("stdio rpath"); err != nil {
				return err
			}
			release <- true
			return <-done
		}).Killed()
	})
	t.Run("the same again installs nothing", func(t *testing.T) {
		pledgetest.Run(t, "stdio rpath", func() error {
			filters := refusalFilters()
			for range 3 {
				if err := pledge.Pledge("rpath stdio stdio"); err != nil {
					return err
				}
			}
			if now := refusalFilters(); now != filters {
				return fmt.Errorf("%s filters, were %s", now, filters)
			}
			return nil
		}).OK()
	})
	t.Run("error masks an increase", func(t *testing.T) {
		pledgetest.Run(t, "stdio rpath error", func() error {
			if err := pledge.Pledge("stdio rpath cpath error"); err != nil {
				return err
			}
			if got := pledge.Status().Promises.String(); got != "stdio rpath error" {
				return fmt.Errorf("in force: %q", got)
			}
			if err := refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0); err != unix.ENOSYS {
				return fmt.Errorf("mkdirat: %v", err)
			}
			return nil
		}).OK()
	})
	t.Run("error given up cannot come back", func(t *testing.T) {
		pledgetest.Run(t, "stdio rpath error", func() error {
			if err := pledge.Pledge("stdio rpath"); err != nil {
				return err
			}
			var widen *pledge.WidenError
			if err := pledge.Pledge("stdio error"); !errors.As(err, &widen) {
				return fmt.Errorf("error again: %v", err)
			}
			return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
		}).Killed()
	})
	t.Run("a milder Config gives nothing back", func(t *testing.T) {
		for _, c := range []pledge.Config{{Violation: pledge.Log}, {Violation: pledge.Errno}, {Violation: pledge.Trap}} {
			pledgetest.Run(t, "stdio rpath", func() error {
				c.Pledge("stdio") // whether it succeeds is its own affair
				return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
			}).Killed()
			pledgetest.Run(t, "stdio rpath", func() error {
				c.Pledge("stdio rpath")
				return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
			}).Killed()
		}
	})
	t.Run("exec promises", func(t *testing.T) {
		pledgetest.Run(t, "stdio rpath", func() error {
			if err := pledge.PledgeExec("stdio rpath"); err != nil {
				return err
			}
			before := pledge.Status()
			var widen *pledge.WidenError
			if err := pledge.PledgeExec("stdio rpath inet"); !errors.As(err, &widen) || !widen.Exec || widen.Extra.String() != "inet" {
				return fmt.Errorf("PledgeExec: %v", err)
			}
			if err := pledge.PledgeBoth("stdio", "stdio rpath inet"); !errors.As(err, &widen) || !widen.Exec {
				return fmt.Errorf("PledgeBoth: %v", err)
			}
			if after := pledge.Status(); !reflect.DeepEqual(after, before) {
				return fmt.Errorf("status %+v, was %+v", after, before)
			}
			return nil
		}).OK()
	})
	t.Run("a filter without promises cannot be replaced", func(t *testing.T) {
		// An allow-all filter of one's own on top gives nothing back.
		pledgetest.Run(t, "stdio rpath", func() error {
			refusalFprog = refusalProgram(unix.SYS_ACCT, 0, unix.EPERM)
			if err := refusalDo(unix.SYS_SECCOMP, 1, 0, refusalPtr(&refusalFprog)); err != nil {
				return err
			}
			return refusalDo(unix.SYS_MKDIRAT, refusalCwd, refusalBad, 0)
		}).Killed()
	})
}

// refusalGroups sets the groups to too many, which gets to the kernel if it
// fails with its errno: for the number, or for the privilege.
func refusalGroups() error {
	switch err := refusalDo(unix.SYS_SETGROUPS, 65537, refusalBad); err {
	case unix.EINVAL, unix.EPERM:
		return nil
	default:
		return err
	}
}

// TestRefusalPromises has, for each promise, calls that get to the kernel with
// it and are refused without it.
func TestRefusalPromises(t *testing.T) {
	x := &refusalFix
	const cwd, bad, none = refusalCwd, refusalBad, refusalNone
	numbers := refusalPtr(&refusalNumbers[0])
	killed, ok := refusalKilled, refusalOK
	e := func(errno syscall.Errno) refusalWant { return refusalWant(errno) }
	null := func(cmd uintptr) func() error {
		return func() error { return refusalDo(unix.SYS_IOCTL, uintptr(x.null), cmd, bad) }
	}
	on := func(nr uintptr, fd *int, args ...uintptr) func() error {
		return func() error { return refusalDo(nr, append([]uintptr{uintptr(*fd)}, args...)...) }
	}
	at := func(nr uintptr, path *[]byte, args ...uintptr) func() error {
		return func() error { return refusalDo(nr, append([]uintptr{cwd, refusalPtr(&(*path)[0])}, args...)...) }
	}
	seen := map[string]bool{}
	for _, row := range []struct {
		promise       string
		call          string
		with, without string // promises
		f             func() error
		granted       refusalWant // with the promise: the kernel's answer
		refused       refusalWant // without it
	}{
		{"stdio", "dup3", "stdio", "", on(unix.SYS_DUP3, &x.null, none, 0), e(unix.EBADF), killed},
		{"stdio", "writev", "stdio", "", on(unix.SYS_WRITEV, &x.null, bad, 0), ok, killed},
		{"stdio", "lseek", "stdio", "", on(unix.SYS_LSEEK, &x.file, 0, 0), ok, killed},
		{"stdio", "socketpair", "stdio", "", refusalCall(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, numbers), ok, killed},
		{"stdio", "ioctl FIONREAD", "stdio", "", on(unix.SYS_IOCTL, &x.pair[0], refusalFIONREAD, numbers), ok, killed},
		{"stdio", "ftruncate", "stdio", "", on(unix.SYS_FTRUNCATE, &x.file, 0), ok, killed},
		{"rpath", "openat", "stdio rpath", "stdio", refusalOpen(&x.etc, unix.O_RDONLY), ok, killed},
		{"rpath", "statx", "stdio rpath", "stdio", at(unix.SYS_STATX, &x.absent, 0, 0, numbers), e(unix.ENOENT), killed},
		{"rpath", "faccessat", "stdio rpath", "stdio", at(unix.SYS_FACCESSAT, &x.etc, 0), ok, killed},
		{"rpath", "readlinkat", "stdio rpath", "stdio", at(unix.SYS_READLINKAT, &x.absent, numbers, 1), e(unix.ENOENT), killed},
		{"rpath", "getdents64", "stdio rpath", "stdio wpath cpath", on(unix.SYS_GETDENTS64, &x.dirFD, numbers, 512), ok, killed},
		{"rpath", "getcwd", "stdio rpath", "stdio", refusalCall(unix.SYS_GETCWD, bad, 4096), e(unix.EFAULT), killed},
		{"rpath", "chdir", "stdio rpath", "stdio wpath cpath", refusalCall(unix.SYS_CHDIR, bad), e(unix.EFAULT), killed},
		{"rpath", "statfs", "stdio rpath", "stdio", refusalCall(unix.SYS_STATFS, bad, bad), e(unix.EFAULT), killed},
		{"rpath", "inotify_add_watch", "stdio rpath", "stdio", refusalCall(unix.SYS_INOTIFY_ADD_WATCH, none, bad, 1), e(unix.EBADF), killed},
		{"wpath", "openat", "stdio wpath", "stdio rpath", refusalOpen(&x.path, unix.O_WRONLY), ok, killed},
		{"wpath", "truncate", "stdio wpath", "stdio rpath", func() error { return refusalDo(unix.SYS_TRUNCATE, refusalPtr(&x.path[0]), 0) }, ok, killed},
		{"cpath", "mkdirat", "stdio cpath", "stdio rpath wpath", at(unix.SYS_MKDIRAT, &x.absent, 0), e(unix.ENOENT), killed},
		{"cpath", "unlinkat", "stdio cpath", "stdio rpath wpath", at(unix.SYS_UNLINKAT, &x.absent, 0), e(unix.ENOENT), killed},
		{"cpath", "symlinkat", "stdio cpath", "stdio rpath wpath", refusalCall(unix.SYS_SYMLINKAT, bad, cwd, bad), e(unix.EFAULT), killed},
		{"cpath", "linkat", "stdio rpath cpath", "stdio rpath wpath", refusalCall(unix.SYS_LINKAT, cwd, bad, cwd, bad, 0), e(unix.EFAULT), killed},
		{"cpath", "renameat2", "stdio rpath cpath", "stdio rpath wpath", refusalCall(unix.SYS_RENAMEAT2, cwd, bad, cwd, bad, 0), e(unix.EFAULT), killed},
		{"cpath", "openat O_CREAT", "stdio wpath cpath", "stdio rpath wpath", refusalOpen(&x.fresh, unix.O_WRONLY|unix.O_CREAT), ok, killed},
		{"dpath", "mknodat", "stdio dpath", "stdio rpath wpath cpath", at(unix.SYS_MKNODAT, &x.absent, unix.S_IFIFO|0o600, 0), e(unix.ENOENT), killed},
		{"tmppath", "openat O_CREAT, best effort", "stdio tmppath", "stdio", refusalOpen(&x.fresh, unix.O_WRONLY|unix.O_CREAT), e(unix.EACCES), killed},
		{"inet", "socket", "stdio inet", "stdio rpath unix", refusalCall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0), ok, killed},
		{"inet", "bind", "stdio inet", "stdio rpath", on(unix.SYS_BIND, &x.tcp, bad, 16), e(unix.EFAULT), killed},
		{"inet", "connect", "stdio inet", "stdio rpath", on(unix.SYS_CONNECT, &x.tcp, bad, 16), e(unix.EFAULT), killed},
		{"inet", "listen", "stdio inet", "stdio rpath dns", refusalCall(unix.SYS_LISTEN, none, 1), e(unix.EBADF), killed},
		{"inet", "accept4", "stdio inet", "stdio rpath dns", refusalCall(unix.SYS_ACCEPT4, none, 0, 0, 0), e(unix.EBADF), killed},
		{"inet", "sendto an address", "stdio inet", "stdio", refusalCall(unix.SYS_SENDTO, none, bad, 0, 0, bad, 16), e(unix.EBADF), killed},
		{"inet", "setsockopt IP_TTL", "stdio inet", "stdio unix", on(unix.SYS_SETSOCKOPT, &x.tcp, unix.IPPROTO_IP, unix.IP_TTL, bad, 4), e(unix.EFAULT), killed},
		{"mcast", "setsockopt IP_ADD_MEMBERSHIP", "stdio inet mcast", "stdio inet", on(unix.SYS_SETSOCKOPT, &x.udp, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, bad, 8), e(unix.EFAULT), killed},
		{"mcast", "setsockopt IP_MULTICAST_TTL", "stdio inet mcast", "stdio inet unix dns rpath", on(unix.SYS_SETSOCKOPT, &x.udp, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, bad, 4), e(unix.EFAULT), killed},
		{"fattr", "fchmod", "stdio fattr", "stdio rpath wpath cpath chown", on(unix.SYS_FCHMOD, &x.file, 0o600), ok, killed},
		{"fattr", "fchmodat", "stdio rpath fattr", "stdio rpath wpath cpath chown", at(unix.SYS_FCHMODAT, &x.absent, 0o600), e(unix.ENOENT), killed},
		{"fattr", "utimensat", "stdio rpath fattr", "stdio rpath wpath cpath", refusalCall(unix.SYS_UTIMENSAT, none, 0, 0, 0), e(unix.EBADF), killed},
		{"chown", "fchown to another", "stdio chown", "stdio fattr", refusalCall(unix.SYS_FCHOWN, none, 54321, 54321), e(unix.EBADF), e(unix.EPERM)},
		{"chown", "fchown", "stdio chown", "stdio rpath wpath cpath", refusalCall(unix.SYS_FCHOWN, none, 54321, 54321), e(unix.EBADF), killed},
		{"flock", "flock", "stdio flock", "stdio rpath wpath", on(unix.SYS_FLOCK, &x.file, unix.LOCK_SH), ok, killed},
		{"flock", "fcntl F_SETLK", "stdio flock", "stdio", refusalCall(unix.SYS_FCNTL, none, unix.F_SETLK, bad), e(unix.EBADF), killed},
		{"flock", "fcntl F_OFD_SETLKW", "stdio flock", "stdio", refusalCall(unix.SYS_FCNTL, none, unix.F_OFD_SETLKW, bad), e(unix.EBADF), killed},
		{"flock", "fcntl F_GETLK", "stdio flock", "stdio", refusalCall(unix.SYS_FCNTL, none, unix.F_GETLK, bad), e(unix.EBADF), killed},
		{"unix", "socket", "stdio unix", "stdio rpath inet", refusalCall(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0), ok, killed},
		{"unix", "connect", "stdio unix", "stdio", on(unix.SYS_CONNECT, &x.unix, bad, 16), e(unix.EFAULT), killed},
		{"dns", "socket", "stdio rpath dns", "stdio rpath", refusalCall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0), ok, killed},
		{"dns", "openat, best effort", "stdio dns", "stdio", refusalOpen(&x.etc, unix.O_RDONLY), e(unix.EACCES), killed},
		{"getpw", "mmap PROT_EXEC of a file", "stdio rpath getpw", "stdio rpath", func() error {
			return refusalDo(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE, uintptr(x.file), 0)
		}, e(unix.EACCES), killed},
		{"getpw", "openat, best effort", "stdio getpw", "stdio", refusalOpen(&x.etc, unix.O_RDONLY), e(unix.EACCES), killed},
		{"sendfd", "sendmsg", "stdio sendfd", "stdio unix", refusalSendFD, ok, killed},
		{"recvfd", "recvmsg", "stdio recvfd", "stdio unix", refusalRecvFD, e(unix.EAGAIN), killed},
		{"tape", "ioctl MTIOCGET", "stdio tape", "stdio", null(0x80306d02), e(unix.ENOTTY), killed},
		{"tty", "ioctl TCSETS", "stdio tty", "stdio", null(unix.TCSETS), e(unix.ENOTTY), killed},
		{"tty", "ioctl TCFLSH", "stdio tty", "stdio", null(unix.TCFLSH), e(unix.ENOTTY), killed},
		{"tty", "ioctl TIOCSPGRP", "stdio tty proc", "stdio tty", null(unix.TIOCSPGRP), e(unix.ENOTTY), killed},
		{"proc", "clone", "stdio proc", "stdio exec", refusalCall(unix.SYS_CLONE, uintptr(unix.SIGCHLD)|unix.CLONE_PIDFD, 0, bad), e(unix.EFAULT), killed},
		{"proc", "kill", "stdio proc", "stdio", refusalCall(unix.SYS_KILL, refusalPid, 0), e(unix.ESRCH), killed},
		{"proc", "setpgid", "stdio proc", "stdio id", refusalCall(unix.SYS_SETPGID, 0, none), e(unix.EINVAL), killed},
		{"proc", "setsid", "stdio proc", "stdio id", refusalCall(unix.SYS_SETSID), ok, killed},
		{"proc", "fcntl F_SETOWN", "stdio proc", "stdio", refusalCall(unix.SYS_FCNTL, none, unix.F_SETOWN, 0), e(unix.EBADF), killed},
		{"exec", "execve", "stdio exec", "stdio rpath proc", refusalCall(unix.SYS_EXECVE, bad, 0, 0), e(unix.EFAULT), killed},
		{"exec", "execveat", "stdio exec", "stdio rpath proc", refusalCall(unix.SYS_EXECVEAT, none, bad, 0, 0, 0), e(unix.EFAULT), killed},
		{"prot_exec", "mmap", "stdio prot_exec", "stdio", refusalCall(unix.SYS_MMAP, 0, 4096, unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, none, 0), ok, killed},
		{"prot_exec", "mprotect", "stdio prot_exec", "stdio exec", refusalCall(unix.SYS_MPROTECT, 0, 0, unix.PROT_EXEC), ok, killed},
		{"settime", "clock_settime", "stdio settime", "stdio", refusalCall(unix.SYS_CLOCK_SETTIME, unix.CLOCK_REALTIME, bad), e(unix.EFAULT), killed},
		{"settime", "settimeofday", "stdio settime", "stdio", refusalCall(unix.SYS_SETTIMEOFDAY, bad, 0), e(unix.EFAULT), killed},
		{"ps", "openat, best effort", "stdio ps", "stdio", refusalOpen(&x.etc, unix.O_RDONLY), e(unix.EACCES), killed},
		{"vminfo", "openat, best effort", "stdio vminfo", "stdio", refusalOpen(&x.etc, unix.O_RDONLY), e(unix.EACCES), killed},
		{"id", "setresuid", "stdio id", "stdio proc", refusalCall(unix.SYS_SETRESUID, none, none, none), ok, killed},
		{"id", "setgroups", "stdio id", "stdio proc", refusalGroups, ok, killed},
		{"id", "prlimit64", "stdio id", "stdio", refusalCall(unix.SYS_PRLIMIT64, 0, 7, bad, 0), e(unix.EFAULT), killed},
		{"pf", "socket", "stdio pf", "stdio route wroute", refusalCall(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER), ok, e(unix.EAFNOSUPPORT)},
		{"route", "socket", "stdio route", "stdio inet pf", refusalCall(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE), ok, e(unix.EAFNOSUPPORT)},
		{"route", "ioctl SIOCGIFFLAGS", "stdio route", "stdio inet", on(unix.SYS_IOCTL, &x.udp, unix.SIOCGIFFLAGS, bad), e(unix.EFAULT), killed},
		{"wroute", "ioctl SIOCSIFMTU", "stdio wroute", "stdio inet route", on(unix.SYS_IOCTL, &x.udp, unix.SIOCSIFMTU, bad), e(unix.EFAULT), killed},
		{"audio", "ioctl SNDRV_PCM_IOCTL_INFO", "stdio audio", "stdio video", null(0x81204101), e(unix.ENOTTY), killed},
		{"video", "ioctl VIDIOC_QUERYCAP", "stdio video", "stdio audio", null(0x80685600), e(unix.ENOTTY), killed},
		{"bpf", "getsockopt PACKET_STATISTICS", "stdio bpf", "stdio inet", refusalCall(unix.SYS_GETSOCKOPT, none, unix.SOL_PACKET, unix.PACKET_STATISTICS, bad, bad), e(unix.EBADF), killed},
		{"unveil", "landlock_create_ruleset", "stdio unveil", "stdio rpath", refusalCall(unix.SYS_LANDLOCK_CREATE_RULESET, bad, 8, 0), e(unix.EFAULT), e(unix.ENOSYS)},
		{"unveil", "openat O_PATH", "stdio unveil", "stdio", refusalOpen(&x.path, unix.O_PATH), ok, killed},
		{"error", "violation", "stdio error", "stdio", refusalCall(unix.SYS_MKDIRAT, cwd, bad, 0), e(unix.ENOSYS), killed},
		{"disklabel", "ioctl BLKGETSIZE64", "stdio disklabel", "stdio tape", null(unix.BLKGETSIZE64), e(unix.ENOTTY), killed},
		{"drm", "ioctl DRM_IOCTL_VERSION", "stdio drm", "stdio video", null(0xc0406400), e(unix.ENOTTY), killed},
		{"vmm", "ioctl KVM_RUN", "stdio vmm", "stdio drm", null(0xae80), e(unix.ENOTTY), killed},
		{"vmm", "ioctl KVM_CREATE_VM", "stdio vmm proc", "stdio vmm", null(0xae01), e(unix.ENOTTY), killed},
	} {
		seen[row.promise] = true
		t.Run(row.promise+" "+row.call, func(t *testing.T) {
			refusalRows(t, []refusalRow{{"refused", row.without, row.f, row.refused}})
			r := pledgetest.Child(t, func() error {
				refusalPrepare()
				pledge.SimulateLandlock(0)
				if err := (pledge.Config{BestEffort: true}).Pledge(row.with); err != nil {
					return err
				}
				return row.f()
			})
			if row.promise == "pf" || row.promise == "unveil" { // a kernel can be built without
				bare := pledgetest.Child(t, func() error {
					refusalPrepare()
					return row.f()
				})
				if bare.Err != "" && bare.Errno != syscall.Errno(row.granted) && bare.Errno == r.Errno {
					t.Skipf("this kernel does not have it: without promises it says %q", bare.Errno.Error())
				}
			}
			if row.granted == refusalOK {
				r.OK()
			} else {
				r.Failed(syscall.Errno(row.granted))
			}
		})
	}
	for _, promise := range refusalAllPromises() {
		if !seen[promise] {
			t.Errorf("no call for %q", promise)
		}
	}

	// Promises that mean files: with those that open files they are plain,
	// without them they cannot be kept.
	for _, promise := range []string{"dns", "getpw", "ps", "vminfo", "tmppath"} {
		t.Run(promise+" means files", func(t *testing.T) {
			pledgetest.Run(t, "stdio rpath wpath cpath "+promise, func() error {
				if _, err := os.ReadFile("/proc/self/stat"); err != nil {
					return err
				}
				name := filepath.Join(os.TempDir(), "file")
				return errors.Join(os.WriteFile(name, []byte("x"), 0o600), os.Remove(name))
			}).OK()
			pledgetest.Child(t, func() error {
				pledge.SimulateLandlock(0)
				for _, promises := range []string{promise, "stdio " + promise, "stdio wpath cpath inet " + promise} {
					var unsupported *pledge.UnsupportedError
					err := pledge.Pledge(promises)
					if !errors.As(err, &unsupported) || !errors.Is(err, errors.ErrUnsupported) {
						return fmt.Errorf("%q: %v, not an UnsupportedError", promises, err)
					}
					if err := refusalEveryThread(refusalFree); err != nil {
						return err
					}
				}
				return os.Mkdir(filepath.Join(os.TempDir(), "not pledged"), 0o700)
			}).OK()
			flags := uintptr(unix.O_RDONLY)
			path, write := &x.etc, killed
			if promise == "tmppath" {
				flags, path, write = unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, &x.fresh, e(unix.EACCES)
			}
			refusalRows(t, []refusalRow{
				{"open with best effort", "stdio " + promise, refusalOpen(path, flags), e(unix.EACCES)},
				{"write with best effort", "stdio " + promise, refusalOpen(&x.path, unix.O_WRONLY), write},
			})
		})
	}
}

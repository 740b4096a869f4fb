//go:build amd64 || arm64

package pledge

import (
	"net"
	"time"

	"github.com/gopledge/pledge/internal/libc"
)

// primed remembers what prime has done. It is guarded by inForce.
var primed struct{ zone, threads, inet, unix bool }

// prime does now what the runtime, the standard library or the C library would
// otherwise do later, when the filter stands in the way: they read a file at
// the first use of something and remember the answer. A set with rpath needs
// none of it, until rpath is given up, which is when prime runs again, or those
// files are hidden by an unveil.
//
// Netpoll, timers and crypto/rand are set up late too, but by calls that every
// set allows.
func prime(s Set, hidden bool) {
	if s.Has(Rpath) && !hidden {
		return
	}
	once := func(done *bool, f func()) {
		if !*done {
			*done = true
			f()
		}
	}
	once(&primed.zone, primeZone)
	if cgoEnabled || iscgo {
		once(&primed.threads, primeThreads)
	}
	switch {
	case !s.Has(Stdio): // no listener gets far without; nor would this one
	case s.Has(Inet):
		once(&primed.inet, func() { primeListen("tcp", "127.0.0.1:0") })
	case s.Has(Unix):
		once(&primed.unix, func() { primeListen("unix", "") })
	}
}

// primeZone loads the local time zone, which the first local time that is
// printed would: without it log prints UTC.
func primeZone() { _ = time.Now().String() }

// primeThreads makes more threads at once than the C library has seen, and one
// of them gives memory back. When glibc needs its ninth malloc arena, in the
// middle of a thread's creation, it counts the processors, and on many versions
// that means opening /sys/devices/system/cpu/online; when it first returns
// memory from such an arena, it reads /proc/sys/vm/overcommit_memory. Both it
// does once.
func primeThreads() { libc.Threads() }

// primeListen makes a listener and closes it. The first one in a process reads
// the longest backlog from /proc/sys/net/core/somaxconn. The address is one
// that harms nobody: a free port of the loopback interface, or a name that the
// kernel makes up.
func primeListen(network, address string) {
	if l, err := net.Listen(network, address); err == nil {
		l.Close()
	}
}

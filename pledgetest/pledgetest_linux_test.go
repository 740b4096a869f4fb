package pledgetest_test

import (
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/pledgetest"
)

// forbidExit has the kernel kill this process with SIGSYS when it exits.
func forbidExit() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_EXIT_GROUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // no_new_privs is the thread's
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return errno
	}
	return nil
}

// TestKilledAfterReturn: a child that is killed when the function has returned
// was not killed by what the function does.
func TestKilledAfterReturn(t *testing.T) {
	supported(t)
	for _, c := range []struct {
		name string
		err  error
	}{
		{"nil", nil},
		{"an error", unix.EXDEV},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &recorder{TB: t}
			r := pledgetest.Child(rec, func() error {
				if err := forbidExit(); err != nil {
					return err
				}
				return c.err
			})
			if inChild() {
				return
			}
			if r.Signal != unix.SIGSYS {
				t.Fatalf("%v, want killed", r)
			}
			for name, assert := range map[string]func(){
				"OK":     func() { r.OK() },
				"Killed": func() { r.Killed() },
				"Failed": func() { r.Failed(unix.EXDEV) },
			} {
				rec.failed = false
				if assert(); !rec.failed {
					t.Errorf("%s accepts it", name)
				}
			}
		})
	}
}

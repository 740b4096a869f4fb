//go:build amd64 || arm64

package pledge_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/pledgetest"
	"golang.org/x/sys/unix"
)

// TestHoles has the ways round a promise that were found by reviewing the
// table, each closed since.
func TestHoles(t *testing.T) {
	call := func(nr uintptr, args ...uintptr) func() error {
		return func() error {
			var a [6]uintptr
			copy(a[:], args)
			if _, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
				return e
			}
			return nil
		}
	}
	none := ^uintptr(0)
	var pair [2]int32
	pairs := uintptr(unsafe.Pointer(&pair))
	name := []byte("/nonexistent/x\x00")
	path := uintptr(unsafe.Pointer(&name[0]))
	cwd := uintptr(0xffffff9c)
	killed := func(r *pledgetest.Result) { r.Killed() }
	ok := func(r *pledgetest.Result) { r.OK() }
	failed := func(e syscall.Errno) func(*pledgetest.Result) {
		return func(r *pledgetest.Result) { r.Failed(e) }
	}
	for _, c := range []struct {
		name     string // the way round, or what must still work
		promises string
		f        func() error
		want     func(*pledgetest.Result)
	}{
		{"a datagram pair could be sent to any local socket", "stdio inet", call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0, pairs), killed},
		{"so could a raw one, which is the same", "stdio inet", call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_RAW, 0, pairs), killed},
		{"with unix that is no secret", "stdio unix", call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_DGRAM, 0, pairs), ok},
		{"a stream pair stays", "stdio", call(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, pairs), ok},
		{"advice could take memory out of service", "stdio", call(unix.SYS_MADVISE, 0, 0, unix.MADV_HWPOISON), killed},
		{"and so could MADV_SOFT_OFFLINE", "stdio", call(unix.SYS_MADVISE, 0, 0, 101), killed},
		{"O_ASYNC on a terminal signals others", "stdio", call(unix.SYS_FCNTL, none, unix.F_SETFL, unix.O_ASYNC), killed},
		{"O_NONBLOCK does not", "stdio", call(unix.SYS_FCNTL, none, unix.F_SETFL, unix.O_NONBLOCK), failed(unix.EBADF)},
		{"mknod makes regular files", "stdio dpath", call(unix.SYS_MKNODAT, cwd, path, unix.S_IFREG|0o600, 0), failed(unix.EPERM)},
		{"also where the type is left out", "stdio dpath", call(unix.SYS_MKNODAT, cwd, path, 0o600, 0), failed(unix.EPERM)},
		{"and sockets", "stdio dpath", call(unix.SYS_MKNODAT, cwd, path, unix.S_IFSOCK|0o600, 0), failed(unix.EPERM)},
		{"but pipes are what it is for", "stdio dpath", call(unix.SYS_MKNODAT, cwd, path, unix.S_IFIFO|0o600, 0), failed(unix.ENOENT)},
		{"a terminal could be taken from its session", "stdio tty", call(unix.SYS_IOCTL, none, unix.TIOCSCTTY, 1), killed},
		{"a free one may be had", "stdio tty", call(unix.SYS_IOCTL, none, unix.TIOCSCTTY, 0), failed(unix.EBADF)},
		{"a child that shares memory and goes on by itself keeps promises that are given up", "stdio proc", call(unix.SYS_CLONE, unix.CLONE_VM|uintptr(unix.SIGCHLD)), killed},
		{"a child that shares descriptors", "stdio proc", call(unix.SYS_CLONE, unix.CLONE_FILES|uintptr(unix.SIGCHLD)), killed},
		{"a congestion control could be loaded as a module", "stdio inet", call(unix.SYS_SETSOCKOPT, none, unix.IPPROTO_TCP, unix.TCP_CONGESTION, 0, 0), killed},
		{"asking for it cannot", "stdio inet", call(unix.SYS_GETSOCKOPT, none, unix.IPPROTO_TCP, unix.TCP_CONGESTION, 0, 0), failed(unix.EBADF)},
	} {
		t.Run(c.name, func(t *testing.T) { c.want(pledgetest.Run(t, c.promises, c.f)) })
	}
}

// TestNarrowingNeedsNothing: a later Pledge works under every earlier one.
func TestNarrowingNeedsNothing(t *testing.T) {
	for _, c := range [][]string{
		{"rpath", ""}, {"rpath wpath", "rpath"}, {"rpath inet", "inet"}, {"rpath unix", "unix"}, {"inet unix", "inet"},
		{"error fattr", "fattr"}, {"rpath inet dns", "inet", ""}, {"", ""}, {"exec", ""}, {"rpath exec", "rpath"}, {"unveil", ""},
		{"exec", "", ""}, {"unveil exec", "exec", "", ""}, {"tty", "", ""},
	} {
		t.Run(fmt.Sprintf("%q", c), func(t *testing.T) {
			pledgetest.Child(t, func() error {
				for _, promises := range c {
					if err := pledge.Pledge(promises); err != nil {
						return err
					}
					want, _ := pledge.Parse(promises)
					if got := pledge.Status(); got.Promises != want || !got.Seccomp {
						return fmt.Errorf("after Pledge(%q): %+v", promises, got)
					}
				}
				return nil
			}).OK()
		})
	}
}

// TestBestEffortIsNotTakenForAFilter: where BestEffort did without a filter, a
// strict call for the same promises must not believe that there is one.
func TestBestEffortIsNotTakenForAFilter(t *testing.T) {
	pledgetest.Child(t, func() error {
		if err := pledge.Pledge("stdio rpath"); err != nil {
			return err
		}
		// From here on seccomp(2) fails, as in a container that refuses it.
		const ldNr, jeq, ret = 0x20, 0x15, 0x06
		refuse := []bpf.Insn{
			{Code: ldNr, K: 0},
			{Code: jeq, K: unix.SYS_SECCOMP, Jf: 1},
			{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
			{Code: ret, K: unix.SECCOMP_RET_ALLOW},
		}
		if err := kernel.InstallFilter(refuse, false); err != nil {
			return err
		}
		if err := pledge.Pledge("stdio"); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("a strict call: %v", err)
		}
		if err := (pledge.Config{BestEffort: true}).Pledge("stdio"); err != nil {
			return fmt.Errorf("best effort: %w", err)
		}
		if st := pledge.Status(); st.Seccomp || st.Promises.String() != "stdio" {
			return fmt.Errorf("best effort: %+v", st)
		}
		if err := pledge.Pledge("stdio"); !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("a strict call after best effort: %v", err)
		}
		return nil
	}).OK()
}

// TestChownKnowsTheNewUser: the filter is made for the ids at the time of the
// call, also if one for other ids was compiled before.
func TestChownKnowsTheNewUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	pledgetest.Child(t, func() error {
		set, err := pledge.Parse("stdio rpath wpath cpath fattr")
		if err != nil {
			return err
		}
		if _, err := (pledge.Config{}).Compile(set); err != nil {
			return err
		}
		if err := os.Chdir(dir); err != nil {
			return err
		}
		if err := syscall.Setuid(1000); err != nil {
			return err
		}
		if err := pledge.Pledge(set.String()); err != nil {
			return err
		}
		f, err := os.Create("f")
		if err != nil {
			return err
		}
		if err := f.Chown(1000, -1); err != nil {
			return fmt.Errorf("to itself: %w", err)
		}
		if err := f.Chown(0, -1); !errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("to root: %v", err)
		}
		return nil
	}).OK()
}

//go:build linux

package pledge_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/pledgetest"
	"golang.org/x/sys/unix"
)

func init() {
	refusalModesArch = []refusalItem{
		{name: "open O_CREAT", nr: unix.SYS_OPEN, args: [6]uintptr{refusalBad, unix.O_WRONLY | unix.O_CREAT, refusalModeArg}},
		{name: "creat", nr: unix.SYS_CREAT, args: [6]uintptr{refusalBad, refusalModeArg}},
		{name: "chmod", nr: unix.SYS_CHMOD, args: [6]uintptr{refusalBad, refusalModeArg}},
		{name: "mknod", nr: unix.SYS_MKNOD, args: [6]uintptr{refusalBad, refusalModeArg, 0}},
	}
	refusalNeverArch = []refusalItem{
		{name: "iopl", nr: unix.SYS_IOPL, args: [6]uintptr{99}},
		{name: "ioperm", nr: unix.SYS_IOPERM, args: [6]uintptr{refusalNone, 2, 1}},
		{name: "modify_ldt", nr: unix.SYS_MODIFY_LDT, args: [6]uintptr{1, refusalBad, 16}},
	}
}

// TestRefusalLegacy has the calls that only amd64 still has: they must be held
// to the rules of their successors.
func TestRefusalLegacy(t *testing.T) {
	x := &refusalFix
	open := func(path *[]byte, flags uintptr) func() error {
		return func() error { return refusalDo(unix.SYS_OPEN, refusalPtr(&(*path)[0]), flags, 0o600) }
	}
	of := func(nr uintptr, path *[]byte, args ...uintptr) func() error {
		return func() error { return refusalDo(nr, append([]uintptr{refusalPtr(&(*path)[0])}, args...)...) }
	}
	const bad, hi = refusalBad, refusalHigh
	refusalRows(t, []refusalRow{
		{"open read", "stdio", open(&x.etc, unix.O_RDONLY), refusalKilled},
		{"open read works", "stdio rpath", open(&x.etc, unix.O_RDONLY|hi), refusalOK},
		{"open write in rpath", "stdio rpath", open(&x.path, unix.O_WRONLY), refusalKilled},
		{"open write with dirt in rpath", "stdio rpath", open(&x.path, unix.O_WRONLY|hi), refusalKilled},
		{"open both in rpath", "stdio rpath", open(&x.path, unix.O_RDWR), refusalKilled},
		{"open both in wpath", "stdio wpath", open(&x.path, unix.O_RDWR), refusalKilled},
		{"open mode 3 in rpath", "stdio rpath", open(&x.path, unix.O_ACCMODE), refusalKilled},
		{"open truncate in rpath", "stdio rpath", open(&x.path, unix.O_TRUNC), refusalKilled},
		{"open create in wpath", "stdio wpath", open(&x.fresh, unix.O_WRONLY|unix.O_CREAT), refusalKilled},
		{"open create in cpath", "stdio cpath", open(&x.fresh, unix.O_WRONLY|unix.O_CREAT), refusalKilled},
		{"open what exists in cpath", "stdio cpath", open(&x.path, unix.O_RDONLY), refusalKilled},
		{"open create works", "stdio wpath cpath", open(&x.fresh, unix.O_WRONLY|unix.O_CREAT), refusalOK},
		{"open best effort of dns", "stdio dns", open(&x.etc, unix.O_RDONLY), refusalWant(unix.EACCES)},
		{"creat in cpath", "stdio cpath", of(unix.SYS_CREAT, &x.fresh, 0o600), refusalKilled},
		{"creat in wpath", "stdio wpath", of(unix.SYS_CREAT, &x.fresh, 0o600), refusalKilled},
		{"creat in rpath cpath", "stdio rpath cpath", of(unix.SYS_CREAT, &x.fresh, 0o600), refusalKilled},
		{"creat works", "stdio wpath cpath", of(unix.SYS_CREAT, &x.fresh, 0o600|hi), refusalOK},
		{"chmod", "stdio rpath wpath cpath", of(unix.SYS_CHMOD, &x.absent, 0o600), refusalKilled},
		{"chmod set-id", "stdio rpath fattr", of(unix.SYS_CHMOD, &x.absent, 0o4755|hi), refusalWant(unix.EPERM)},
		{"chmod works", "stdio rpath fattr", of(unix.SYS_CHMOD, &x.path, 0o600), refusalOK},
		{"chown to another in fattr", "stdio rpath fattr", of(unix.SYS_CHOWN, &x.absent, 54321, 54321), refusalWant(unix.EPERM)},
		{"lchown to another in fattr", "stdio rpath fattr", of(unix.SYS_LCHOWN, &x.absent, 54321, 54321), refusalWant(unix.EPERM)},
		{"chown", "stdio rpath wpath cpath", of(unix.SYS_CHOWN, &x.absent, 54321, 54321), refusalKilled},
		{"mkdir", "stdio rpath wpath", of(unix.SYS_MKDIR, &x.absent, 0o700), refusalKilled},
		{"rmdir", "stdio rpath wpath", of(unix.SYS_RMDIR, &x.absent), refusalKilled},
		{"rmdir in tmppath", "stdio tmppath", of(unix.SYS_UNLINK, &x.absent), refusalWant(unix.EACCES)},
		{"unlink", "stdio rpath wpath", of(unix.SYS_UNLINK, &x.absent), refusalKilled},
		{"link", "stdio rpath wpath", refusalCall(unix.SYS_LINK, bad, bad), refusalKilled},
		{"symlink", "stdio rpath wpath", refusalCall(unix.SYS_SYMLINK, bad, bad), refusalKilled},
		{"rename", "stdio rpath wpath", refusalCall(unix.SYS_RENAME, bad, bad), refusalKilled},
		{"mknod", "stdio rpath wpath cpath", of(unix.SYS_MKNOD, &x.absent, unix.S_IFIFO|0o600, 0), refusalKilled},
		{"stat", "stdio", refusalCall(unix.SYS_STAT, bad, bad), refusalKilled},
		{"lstat", "stdio", refusalCall(unix.SYS_LSTAT, bad, bad), refusalKilled},
		{"access", "stdio", refusalCall(unix.SYS_ACCESS, bad, 0), refusalKilled},
		{"readlink", "stdio", refusalCall(unix.SYS_READLINK, bad, bad, 1), refusalKilled},
		{"getdents", "stdio wpath", refusalCall(unix.SYS_GETDENTS, refusalNone, bad, 1), refusalKilled},
		{"utime", "stdio rpath wpath", refusalCall(unix.SYS_UTIME, bad, bad), refusalKilled},
		{"utimes", "stdio rpath wpath", refusalCall(unix.SYS_UTIMES, bad, bad), refusalKilled},
		{"futimesat", "stdio rpath wpath", refusalCall(unix.SYS_FUTIMESAT, refusalNone, 0, bad), refusalKilled},
		{"accept", "stdio", refusalCall(unix.SYS_ACCEPT, refusalNone, 0, 0), refusalKilled},
		{"setrlimit", "stdio", refusalCall(unix.SYS_SETRLIMIT, 7, bad), refusalKilled},
		{"inotify_init", "stdio", refusalCall(unix.SYS_INOTIFY_INIT), refusalKilled},
		{"renameat in wpath", "stdio rpath wpath", refusalCall(unix.SYS_RENAMEAT, refusalCwd, bad, refusalCwd, bad), refusalKilled},
		{"arch_prctl ARCH_SET_CPUID", "stdio", refusalCall(unix.SYS_ARCH_PRCTL, 0x1012, 1), refusalKilled},
	})

	// TLS that the kernel refuses makes it take the thread back.
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD | unix.CLONE_SETTLS
	clone := func(flag uintptr, soft syscall.Errno) refusalItem {
		return refusalItem{name: fmt.Sprintf("clone of a thread with %#x", flag), nr: unix.SYS_CLONE, args: [6]uintptr{thread | flag, 0, 0, 0, refusalNone}, soft: soft}
	}
	refusalErrnoMode(t, "stdio proc", []refusalItem{
		clone(0, unix.EPERM), // the kernel's
		clone(hi, unix.EPERM),
		clone(unix.CLONE_NEWNET, 0), clone(unix.CLONE_NEWUTS, 0), clone(unix.CLONE_NEWIPC, 0), clone(unix.CLONE_NEWCGROUP, 0), clone(unix.CLONE_PTRACE, 0),
	})
}

// refusalInt80 returns a function that makes a call by int 0x80, the way of
// 32-bit programs: EAX is the number, EBX and ECX are arguments. These are the
// registers in which Go passes the first three arguments and returns the first
// result, so the code is the instruction and a return. The page is mapped here,
// before Pledge.
func refusalInt80() (func(nr, a, b uintptr) uintptr, error) {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	copy(page, []byte{0xcd, 0x80, 0xc3}) // int $0x80; ret
	if err := unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return nil, err
	}
	code := &page[0]
	function := &code // what a Go func value points to
	return *(*func(nr, a, b uintptr) uintptr)(unsafe.Pointer(&function)), nil
}

// errRefusalDone says that a call was carried out.
var errRefusalDone = errors.New("carried out")

// refusalForeign are calls by other ABIs. They are carried out if they return
// errRefusalDone.
func refusalForeign() (map[string]func() error, error) {
	int80, err := refusalInt80()
	if err != nil {
		return nil, err
	}
	pid := uintptr(os.Getpid())
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	low, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_32BIT)
	if err != nil {
		return nil, err
	}
	const x32 = 0x40000000
	by32 := func(nr, a, b, want uintptr) func() error {
		return func() error {
			r := int80(nr, a, b)
			if r == want {
				return errRefusalDone
			}
			return syscall.Errno(-int32(r))
		}
	}
	byX32 := func(nr uintptr, args ...uintptr) func() error {
		return func() error {
			if err := refusalDo(nr|x32, args...); err != nil {
				return err
			}
			return errRefusalDone
		}
	}
	return map[string]func() error{
		"x32 getpid":      byX32(unix.SYS_GETPID),
		"x32 read":        byX32(unix.SYS_READ, uintptr(pipe[0]), refusalPtr(&low[0]), 0),
		"x32 mkdir":       byX32(unix.SYS_MKDIR, refusalPtr(&refusalNothing[0]), 0),
		"x32 execve":      byX32(520, refusalBad, 0, 0),
		"x32 with dirt":   byX32(unix.SYS_GETPID | refusalHigh),
		"x32 exit_group":  byX32(unix.SYS_EXIT_GROUP),                    // a status of 0 if carried out
		"int 0x80 getpid": by32(20, 0, 0, pid),                           // writev of amd64
		"int 0x80 getuid": by32(24, 0, 0, uintptr(os.Getuid())),          // sched_yield of amd64
		"int 0x80 mkdir":  by32(39, refusalPtr(&low[0]), 0, ^uintptr(1)), // getpid of amd64; ENOENT from the kernel
		"int 0x80 execve": by32(11, refusalBad, 0, ^uintptr(13)),         // munmap of amd64; EFAULT from the kernel
	}, nil
}

// TestRefusalForeign makes calls by the ABIs of x32 and i386. A filter that
// compares numbers only would mistake them for others.
func TestRefusalForeign(t *testing.T) {
	configs := []struct {
		name     string
		config   pledge.Config
		promises string
	}{
		{"kill", pledge.Config{}, "stdio"},
		{"kill with all promises", pledge.Config{}, refusalAllBut("error")},
		{"kill with none", pledge.Config{}, ""},
		{"trap", pledge.Config{Violation: pledge.Trap}, "stdio rpath cpath"},
		{"errno", pledge.Config{Violation: pledge.Errno, Errno: refusalViolation}, "stdio rpath cpath"},
		{"log", pledge.Config{Violation: pledge.Log}, "stdio rpath cpath"},
		{"log with none", pledge.Config{Violation: pledge.Log}, ""},
		{"error", pledge.Config{}, "stdio rpath cpath error"},
		{"error in log", pledge.Config{Violation: pledge.Log}, "stdio error"},
	}
	for _, name := range []string{"x32 getpid", "x32 read", "x32 mkdir", "x32 execve", "x32 with dirt", "x32 exit_group", "int 0x80 getpid", "int 0x80 getuid", "int 0x80 mkdir", "int 0x80 execve"} {
		t.Run(name, func(t *testing.T) {
			foreign := func() (func() error, error) {
				all, err := refusalForeign()
				return all[name], err
			}
			if name != "x32 exit_group" { // there is nothing to be heard of a child that does that
				bare := pledgetest.Child(t, func() error {
					f, err := foreign()
					if err != nil {
						return err
					}
					return f()
				})
				t.Logf("%s without a pledge: %v", name, bare)
				if os.Getenv("PLEDGETEST_CALL") == "" && strings.HasPrefix(name, "int 0x80") && bare.Err != errRefusalDone.Error() {
					t.Skipf("this kernel has no i386 calls: %v", bare)
				}
			}
			for _, c := range configs {
				t.Run(c.name, func(t *testing.T) {
					pledgetest.Child(t, func() error {
						f, err := foreign()
						if err != nil {
							return err
						}
						if err := c.config.Pledge(c.promises); err != nil {
							return fmt.Errorf("cannot pledge: %w", err)
						}
						return f()
					}).Killed()
				})
			}
		})
	}
}

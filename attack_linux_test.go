//go:build amd64 || arm64

package pledge_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/pledgetest"
)

// attackCall makes a system call with bad pointers and no descriptor, so that
// all it shows is whether the filter lets it through.
func attackCall(nr uintptr, args ...uintptr) func() error {
	return func() error {
		var a [6]uintptr
		copy(a[:], args)
		if _, _, e := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
			return e
		}
		return nil
	}
}

// attackOpen opens a file that every system has and returns why it cannot.
func attackOpen(path string, flags int) func() error {
	return func() error {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

// attackFilter puts a filter of a length in force that allows everything.
func attackFilter(length int) error {
	prog := make([]unix.SockFilter, length)
	for i := range prog {
		prog[i] = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000} // SECCOMP_RET_ALLOW
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(length), Filter: &prog[0]}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return errno
	}
	return nil
}

// attackUnopened is an error if the file can be opened to read.
func attackUnopened(path string) error {
	if err := attackOpen(path, unix.O_RDONLY)(); err != unix.EACCES {
		return fmt.Errorf("opening %s: %v, want %v", path, err, unix.EACCES)
	}
	return nil
}

// TestAttackedPromises has calls that went past what a promise means.
func TestAttackedPromises(t *testing.T) {
	landlock := pledge.Supported().Landlock
	none, bad := ^uintptr(0), uintptr(1)
	const fast = unix.MSG_FASTOPEN
	killed := func(r *pledgetest.Result) { r.Killed() }
	failed := func(e syscall.Errno) func(*pledgetest.Result) { return func(r *pledgetest.Result) { r.Failed(e) } }
	bestEffort := pledge.Config{BestEffort: true}
	for _, c := range []struct {
		name     string // the way past it, or what must still work
		config   pledge.Config
		promises string
		f        func() error
		want     func(*pledgetest.Result)
	}{
		{"tmppath without reading, which exec takes away, could open any file with O_CREAT", bestEffort, "stdio tmppath exec", attackOpen("/etc/passwd", unix.O_RDONLY|unix.O_CREAT), failed(unix.EACCES)},
		{"and with wpath to read and write", bestEffort, "stdio tmppath wpath exec", attackOpen("/etc/passwd", unix.O_RDWR|unix.O_CREAT), failed(unix.EACCES)},
		{"MSG_FASTOPEN connects to ports that dns does not have", pledge.Config{}, "stdio dns", attackCall(unix.SYS_SENDTO, none, bad, 1, fast, bad, 16), killed},
		{"also where dns is not alone", pledge.Config{}, "stdio dns unix", attackCall(unix.SYS_SENDTO, none, bad, 1, fast, bad, 16), killed},
		{"with netlink's sendto", pledge.Config{}, "stdio dns route", attackCall(unix.SYS_SENDTO, none, bad, 1, fast, bad, 16), killed},
		{"with netlink's sendmsg", pledge.Config{}, "stdio dns route", attackCall(unix.SYS_SENDMSG, none, bad, fast), killed},
		{"with sendfd's sendmsg", pledge.Config{}, "stdio dns sendfd", attackCall(unix.SYS_SENDMSG, none, bad, fast), killed},
		{"with sendfd's sendmmsg", pledge.Config{}, "stdio dns sendfd", attackCall(unix.SYS_SENDMMSG, none, bad, 1, fast), killed},
		{"with glibc's sendmmsg", pledge.Config{}, "stdio rpath dns exec", attackCall(unix.SYS_SENDMMSG, none, bad, 1, fast), killed},
		{"inet has it", pledge.Config{}, "stdio inet", attackCall(unix.SYS_SENDTO, none, bad, 1, fast, bad, 16), failed(unix.EBADF)},
		{"questions go out without it", pledge.Config{}, "stdio dns", attackCall(unix.SYS_SENDTO, none, bad, 1, unix.MSG_NOSIGNAL, bad, 16), failed(unix.EBADF)},
		{"O_PATH ignores the access mode, and fstat then tells what rpath would", pledge.Config{}, "stdio wpath", attackOpen("/etc/passwd", unix.O_WRONLY|unix.O_PATH), killed},
		{"O_CREAT does not help", pledge.Config{}, "stdio wpath cpath", attackOpen("/etc/passwd", unix.O_WRONLY|unix.O_CREAT|unix.O_PATH), killed},
		{"with rpath O_PATH is allowed", pledge.Config{}, "stdio rpath", attackOpen("/etc/passwd", unix.O_RDONLY|unix.O_PATH), func(r *pledgetest.Result) { r.OK() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if landlock == 0 && strings.Contains(c.promises, "dns") && !c.config.BestEffort {
				t.Skip("dns needs Landlock, which this kernel lacks")
			}
			c.want(pledgetest.Child(t, func() error {
				if err := c.config.Pledge(c.promises); err != nil {
					return fmt.Errorf("cannot pledge: %v", err)
				}
				return c.f()
			}))
		})
	}
}

// TestAttackedFastOpen: a promise of dns alone sends nothing to another port.
func TestAttackedFastOpen(t *testing.T) {
	if pledge.Supported().Landlock < 4 {
		t.Skip("Landlock does not know ports before Linux 6.7")
	}
	pledgetest.Child(t, func() error {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
		if err := (pledge.Config{Violation: pledge.Errno, Errno: unix.EPERM}).Pledge("stdio dns"); err != nil {
			return err
		}
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(s, to); err != unix.EACCES {
			return fmt.Errorf("connect: %v", err)
		}
		return unix.Sendto(s, []byte("secret"), unix.MSG_FASTOPEN, to)
	}).Failed(unix.EPERM)
}

// TestAttackedUnveils has ways round an unveil. Each step returns what is wrong.
func TestAttackedUnveils(t *testing.T) {
	if pledge.Supported().Landlock == 0 {
		t.Skip("this kernel has no Landlock")
	}
	for _, c := range []struct {
		name string
		f    func(dir string) error
	}{
		{"a process that can use no path but change its attributes", func(dir string) error {
			for _, err := range []error{pledge.Unveil("/usr", "r"), pledge.Pledge("stdio fattr")} {
				if err != nil {
					return err
				}
			}
			if err := unix.Fchmodat(unix.AT_FDCWD, dir+"/file", 0o644, 0); err != unix.EACCES {
				return fmt.Errorf("chmod of a hidden file: %v", err)
			}
			return nil
		}},
		{"or its owner", func(dir string) error {
			for _, err := range []error{pledge.Unveil("/usr", "r"), pledge.Pledge("stdio chown")} {
				if err != nil {
					return err
				}
			}
			if err := unix.Fchownat(unix.AT_FDCWD, dir+"/file", -1, -1, 0); err != unix.EACCES {
				return fmt.Errorf("chown of a hidden file: %v", err)
			}
			return nil
		}},
		{"a link before .. leads elsewhere than the path says", func(dir string) error {
			err := errors.Join(os.MkdirAll(dir+"/a/b", 0o700), os.Symlink("a/b", dir+"/link"), pledge.Pledge("stdio wpath unveil"))
			if err != nil {
				return err
			}
			if err := pledge.Unveil(dir+"/link/../sub", "rw"); !errors.Is(err, unix.EACCES) {
				return fmt.Errorf("%v; unveiled: %v", err, pledge.Status().Unveiled)
			}
			return nil
		}},
		{"standard input is closed, and the directory replaced by a link", func(dir string) error {
			unix.Close(0)
			err := errors.Join(os.Mkdir(dir+"/seen", 0o700), pledge.Unveil(dir+"/seen", "r"),
				os.Remove(dir+"/seen"), os.Symlink("/etc", dir+"/seen"), pledge.Pledge("stdio rpath"))
			if err != nil {
				return err
			}
			return attackUnopened("/etc/passwd")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			pledgetest.Child(t, func() error {
				if err := veilFixture(dir); err != nil {
					return err
				}
				return c.f(dir)
			}).OK()
		})
	}
}

// TestRenamePromised: what Landlock restricts for other promises leaves cpath
// whole. It denies moving between directories to every process that has a
// ruleset, unless a rule allows it.
func TestRenamePromised(t *testing.T) {
	for _, promises := range []string{
		"stdio cpath", "stdio rpath cpath exec", "stdio rpath cpath tty", "stdio wpath cpath getpw", "stdio cpath dns", "stdio cpath tmppath", "stdio rpath cpath tmppath",
	} {
		t.Run(promises, func(t *testing.T) {
			if abi := pledge.Supported().Landlock; abi == 1 || abi == 0 && strings.ContainsAny(promises, "gd") {
				t.Skip("Landlock cannot do this before Linux 5.19")
			}
			dir := t.TempDir()
			pledgetest.Child(t, func() error {
				if err := veilFixture(dir); err != nil {
					return err
				}
				if err := pledge.Pledge(promises); err != nil {
					return err
				}
				return errors.Join(unix.Renameat(unix.AT_FDCWD, dir+"/file", unix.AT_FDCWD, dir+"/sub/file"),
					unix.Linkat(unix.AT_FDCWD, dir+"/old", unix.AT_FDCWD, dir+"/sub/old", 0))
			}).OK()
		})
	}
}

// TestRenameGainsNothing: a file that may not be read cannot be moved to where
// it could be.
func TestRenameGainsNothing(t *testing.T) {
	if pledge.Supported().Landlock == 0 {
		t.Skip("tmppath needs Landlock, which this kernel lacks")
	}
	dir, err := os.MkdirTemp("/var/tmp", "pledge")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(dir+"/secret", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	to := fmt.Sprintf("/tmp/pledge-%d", os.Getpid())
	defer os.Remove(to)
	pledgetest.Run(t, "stdio cpath tmppath", func() error {
		return unix.Linkat(unix.AT_FDCWD, dir+"/secret", unix.AT_FDCWD, to, 0)
	}).Failed(unix.EXDEV)
}

// TestUnveilIsPrimed: what a program with rpath would read when it needs it is
// read before unveil hides it.
func TestUnveilIsPrimed(t *testing.T) {
	if pledge.Supported().Landlock == 0 {
		t.Skip("this kernel has no Landlock")
	}
	zone := "/usr/share/zoneinfo/Asia/Tokyo"
	if _, err := os.Stat(zone); err != nil {
		t.Skip(err)
	}
	t.Setenv("TZ", zone)
	dir := t.TempDir()
	pledgetest.Child(t, func() error {
		for _, err := range []error{pledge.Unveil(dir, "r"), pledge.Pledge("stdio rpath")} {
			if err != nil {
				return err
			}
		}
		if _, offset := time.Now().Zone(); offset != 9*60*60 {
			return fmt.Errorf("the local time zone is %d seconds from UTC", offset)
		}
		return nil
	}).OK()
}

// TestDescriptorsRunOut: a Pledge that could not name the files of its promises
// does not return nil.
func TestDescriptorsRunOut(t *testing.T) {
	if pledge.Supported().Landlock == 0 {
		t.Skip("this kernel has no Landlock")
	}
	for free := range 4 {
		t.Run(fmt.Sprint(free), func(t *testing.T) {
			pledgetest.Child(t, func() error {
				time.Sleep(time.Millisecond) // the runtime's own descriptors
				if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}); err != nil {
					return err
				}
				var fds []int
				for {
					fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
					if err != nil {
						break
					}
					fds = append(fds, fd)
				}
				for _, fd := range fds[:free] {
					unix.Close(fd)
				}
				err := pledge.Pledge("stdio getpw")
				for _, fd := range fds[free:] {
					unix.Close(fd)
				}
				if err != nil {
					return attackOpen("/etc/hostname", unix.O_RDONLY)() // nothing has changed
				}
				return attackOpen("/etc/passwd", unix.O_RDONLY)()
			}).OK()
		})
	}
}

// TestAttackedStates has states in which Pledge said one thing and did another.
func TestAttackedStates(t *testing.T) {
	if pledge.Supported().Landlock == 0 {
		t.Skip("this kernel has no Landlock")
	}
	threadwise := pledge.Supported().Landlock < 8 // each thread has to restrict itself
	watch := func(f func() error) error {
		done := make(chan error, 1)
		go func() { done <- f() }()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			return errors.New("it hangs")
		}
	}
	for _, c := range []struct {
		name string
		skip string
		f    func(dir string) error
	}{
		{"a hidden directory stays hidden when it is renamed before the rest is", "", func(dir string) error {
			err := errors.Join(os.WriteFile(dir+"/sub/file", nil, 0o600), pledge.Unveil(dir, "r"), pledge.Unveil(dir+"/sub", ""),
				os.Rename(dir+"/sub", dir+"/elsewhere"), pledge.Pledge("stdio rpath"))
			if err != nil {
				return err
			}
			return attackUnopened(dir + "/elsewhere/file")
		}},
		{"a missing name behind a symbolic link and .. is where the kernel looks for it", "", func(dir string) error {
			err := errors.Join(os.MkdirAll(dir+"/other/there", 0o700), os.Symlink("other/there", dir+"/link"),
				os.WriteFile(dir+"/secret", nil, 0o600), pledge.Unveil(dir+"/link/../secret", "r"), pledge.Pledge("stdio rpath"))
			if err != nil {
				return err
			}
			return attackUnopened(dir + "/secret")
		}},
		{"a link to nothing stands for what it leads to", "", func(dir string) error {
			err := errors.Join(os.Symlink("target", dir+"/link"), pledge.Unveil(dir+"/link", "r"),
				os.WriteFile(dir+"/target", nil, 0o600), pledge.Pledge("stdio rpath"))
			if err != nil {
				return err
			}
			_, err = os.ReadFile(dir + "/link")
			return err
		}},
		{"a filter for which there is no room leaves everything as it was", "", func(string) error {
			for length := 4096; length > 0; {
				switch err := attackFilter(length); err {
				case nil:
				case unix.ENOMEM:
					length /= 2
				default:
					return err
				}
			}
			if err := pledge.Pledge("stdio dns"); !errors.Is(err, unix.ENOMEM) {
				return fmt.Errorf("Pledge: %v", err)
			}
			if s := pledge.Status(); s.Pledged || s.Landlock != 0 {
				return fmt.Errorf("status %+v", s)
			}
			return attackOpen("/etc/passwd", unix.O_RDONLY)()
		}},
		{"a descriptor that stands for a path and was closed by others does not stand for what it is now", "", func(dir string) error {
			if err := pledge.Unveil(dir, "r"); err != nil {
				return err
			}
			if err := attackReplace("/etc"); err != nil {
				return err
			}
			if err := pledge.Pledge("stdio rpath"); err != nil {
				return nil
			}
			return attackUnopened("/etc/passwd")
		}},
		{"the descriptor of the list of threads was closed by others", attackWithout(pledge.CgoEnabled && threadwise, "only processes with C code keep it"), func(string) error {
			if err := pledge.Pledge("stdio dns getpw"); err != nil {
				return err
			}
			attackClose()
			if err := pledge.Pledge("stdio dns"); err == nil {
				return attackUnopened("/etc/passwd")
			}
			return nil
		}},
		{"and now is another directory", attackWithout(pledge.CgoEnabled && threadwise, "only processes with C code keep it"), func(string) error {
			if err := pledge.Pledge("stdio getpw ps"); err != nil {
				return err
			}
			ask, answer := make(chan bool), make(chan error)
			go func() {
				runtime.LockOSThread()
				<-ask
				answer <- attackUnopened("/proc/self/status")
			}()
			if err := attackReplace("/proc/sys/abi"); err != nil {
				return err
			}
			if err := pledge.Pledge("stdio getpw"); err != nil {
				return nil
			}
			ask <- true
			return <-answer
		}},
		{"a thread that blocks all signals does not make Pledge wait for ever", attackWithout(pledge.CgoEnabled && threadwise, "the Go runtime waits itself"), func(string) error {
			ready := make(chan bool)
			go func() {
				runtime.LockOSThread()
				var all unix.Sigset_t
				for i := range all.Val {
					all.Val[i] = ^all.Val[i]
				}
				unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil)
				ready <- true
				select {}
			}()
			<-ready
			err := watch(func() error { return pledge.Pledge("stdio getpw") })
			if err != nil && err.Error() == "it hangs" {
				return err
			}
			return nil
		}},
		{"giving up proc leaves exec its /dev/null", "", func(string) error {
			for _, promises := range []string{"stdio rpath exec proc", "stdio exec proc", "stdio exec"} {
				if err := pledge.Pledge(promises); err != nil {
					return err
				}
			}
			return attackOpen("/dev/null", unix.O_WRONLY)()
		}},
		{"log tells of opens that a promise of files does not mean", "", func(string) error {
			set, _ := pledge.Parse("stdio getpw")
			f, err := pledge.Config{Violation: pledge.Log}.Compile(set)
			if err != nil {
				return err
			}
			at := ^uint64(99)
			if v := f.Check(pledge.Call{Nr: unix.SYS_OPENAT, Args: [6]uint64{at, 0, unix.O_RDONLY}}); v.String() == "allow" {
				return fmt.Errorf("any file can be opened, and nobody hears of it: %v", v)
			}
			return nil
		}},
		{"nothing is in force where nothing can be hidden", "", func(dir string) error {
			pledge.SimulateLandlock(0)
			c := pledge.Config{BestEffort: true}
			if err := errors.Join(c.Unveil(dir, "r"), c.Pledge("stdio rpath")); err != nil {
				return err
			}
			if u := pledge.Status().Unveil; u == pledge.UnveilInForce {
				return fmt.Errorf("unveil is said to be %v", u)
			}
			return nil
		}},
		{"promises can be given up one by one, up to a limit of the kernel's", "", func(string) error {
			names := strings.Fields("stdio rpath wpath cpath dpath tmppath inet mcast fattr chown flock unix dns getpw sendfd recvfd tape tty proc exec prot_exec settime ps vminfo id pf route wroute audio video bpf unveil drm vmm disklabel")
			for n := len(names); n >= 0; n-- {
				var install *pledge.InstallError
				if err := pledge.Pledge(strings.Join(names[:n], " ")); errors.As(err, &install) && errors.Is(err, unix.ENOMEM) {
					if left := pledge.Status().Promises.String(); n > 12 || len(strings.Fields(left)) != n+1 {
						return fmt.Errorf("with %q left: %w", left, err)
					}
					return nil // there is a limit, which is told of, and far away
				} else if err != nil {
					return fmt.Errorf("%d promises left: %w", n, err)
				}
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.skip != "" {
				t.Skip(c.skip)
			}
			dir := t.TempDir()
			pledgetest.Child(t, func() error {
				if err := veilFixture(dir); err != nil {
					return err
				}
				return c.f(dir)
			}).OK()
		})
	}
}

// attackWithout is why a case is skipped if a condition is not met.
func attackWithout(met bool, why string) string {
	if met {
		return ""
	}
	return why
}

// attackDirs are the open descriptors of directories, which are the library's.
func attackDirs() (fds []int) {
	for fd := 4; fd < 256; fd++ {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			fds = append(fds, fd)
		}
	}
	return fds
}

func attackClose() {
	for _, fd := range attackDirs() {
		unix.Close(fd)
	}
}

// attackReplace makes them another directory.
func attackReplace(path string) error {
	for _, fd := range attackDirs() {
		now, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Dup3(now, fd, unix.O_CLOEXEC); err != nil {
			return err
		}
		unix.Close(now)
	}
	return nil
}

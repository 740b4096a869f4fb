//go:build linux

// Vminit is the first process of a test machine: see package vmtest.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/vmtest"
)

var mark = "VMINIT"

func say(format string, args ...any) { fmt.Printf(mark+" "+format+"\n", args...) }

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "vminit: this is the first process of a test machine; it does nothing elsewhere")
		os.Exit(2)
	}
	if err := work(); err != nil {
		say("error %v", err)
	}
	unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) // QEMU ends at that too
	select {}
}

func work() (err error) {
	// A panic of the first process is one of the kernel, which says less.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	orders, err := os.ReadFile(vmtest.ConfigFile)
	if err != nil {
		return err
	}
	var config vmtest.Config
	if err := json.Unmarshal(orders, &config); err != nil {
		return err
	}
	mark = config.Mark
	if err := rawConsole(); err != nil {
		return fmt.Errorf("console: %w", err)
	}
	if err := switchRoot(); err != nil {
		return fmt.Errorf("a root of its own: %w", err)
	}
	if err := furnish(); err != nil {
		return err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	say("up %s %d", unix.ByteSliceToString(name.Release[:]), landlockABI())
	for i, c := range config.Commands {
		say("start %d", i)
		status, message := run(c)
		say("exit %d %d %s", i, status, message)
	}
	say("done")
	return nil
}

// landlockABI asks the kernel itself, not the code that is to be tested.
func landlockABI() int {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

// rawConsole keeps the terminal from changing what goes through it.
func rawConsole() error {
	t, err := unix.IoctlGetTermios(1, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Oflag &^= unix.OPOST
	return unix.IoctlSetTermios(1, unix.TCSETS, t)
}

// switchRoot moves all files to a tmpfs and makes that the root. The kernel's
// own rootfs is not like other file systems: pivot_root(2) fails on it, and all
// may write in its root.
func switchRoot() error {
	const root = "/newroot"
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("root", root, "tmpfs", 0, "mode=0755,size=80%"); err != nil {
		return err
	}
	err := filepath.WalkDir("/", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		to := root + name
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			switch name {
			case "/":
				return nil
			case root:
				return fs.SkipDir
			}
			if err := os.Mkdir(to, 0o755); err != nil {
				return err
			}
			return unix.Chmod(to, st.Mode&0o7777)
		case unix.S_IFLNK:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		case unix.S_IFREG:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if err := os.WriteFile(to, data, 0o600); err != nil {
				return err
			}
			if err := os.Remove(name); err != nil { // its memory is needed
				return err
			}
			return unix.Chmod(to, st.Mode&0o7777)
		}
		return nil // devtmpfs has the devices
	})
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	return os.Chdir("/")
}

// furnish makes of the root what a program expects of a system.
func furnish() error {
	const noSuid, noDev, noExec = unix.MS_NOSUID, unix.MS_NODEV, unix.MS_NOEXEC
	for _, m := range []struct {
		dir, fstype string
		flags       uintptr
		data        string
		optional    bool
	}{
		{dir: "/proc", fstype: "proc", flags: noSuid | noDev | noExec},
		{dir: "/sys", fstype: "sysfs", flags: noSuid | noDev | noExec},
		{dir: "/dev", fstype: "devtmpfs", flags: noSuid, data: "mode=0755"},
		{dir: "/dev/pts", fstype: "devpts", flags: noSuid | noExec, data: "ptmxmode=0666,mode=0620,gid=5"},
		{dir: "/dev/shm", fstype: "tmpfs", flags: noSuid | noDev, data: "mode=1777"},
		{dir: "/run", fstype: "tmpfs", flags: noSuid | noDev, data: "mode=0755"},
		{dir: "/sys/kernel/security", fstype: "securityfs", optional: true},
		{dir: "/sys/fs/cgroup", fstype: "cgroup2", optional: true},
	} {
		err := os.MkdirAll(m.dir, 0o755)
		if err == nil {
			err = unix.Mount(m.fstype, m.dir, m.fstype, m.flags, m.data)
		}
		if err != nil && !m.optional {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	// Not a mount: what is to be tested may lie below it.
	if err := errors.Join(os.MkdirAll("/tmp", 0o777), unix.Chmod("/tmp", 0o1777)); err != nil {
		return err
	}
	for name, target := range map[string]string{"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink("/proc/self/"+target, "/dev/"+name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// The kernel's own lines would tear those of the tests.
	if err := os.WriteFile("/proc/sys/kernel/printk", []byte("1"), 0); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("vmtest")); err != nil {
		return err
	}
	if err := loopback(); err != nil {
		return fmt.Errorf("loopback interface: %w", err)
	}
	return nil
}

func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ifr)
}

// run runs a command and returns its status as a shell has it. The command's
// output is a pipe, as it is in go test, and no terminal.
func run(c vmtest.Command) (status int, message string) {
	r, w, err := os.Pipe()
	if err != nil {
		return 127, err.Error()
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		w.Close()
		return 127, err.Error()
	}
	defer null.Close()
	attr := &syscall.ProcAttr{
		Dir:   c.Dir,
		Env:   append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "TERM=dumb", "LANG=C.UTF-8", "PWD=" + c.Dir}, c.Env...),
		Files: []uintptr{null.Fd(), w.Fd(), w.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	if c.UID != 0 {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(c.UID), Gid: uint32(c.UID)}
	}
	began := time.Now()
	pid, err := syscall.ForkExec(c.Argv[0], c.Argv, attr)
	w.Close()
	if err != nil {
		return 127, fmt.Sprintf("%s cannot be started: %v", c.Argv[0], err)
	}
	limit := time.AfterFunc(c.Limit, func() { syscall.Kill(-1, syscall.SIGKILL) })
	copied := make(chan byte)
	go func() {
		last := &lastByte{w: os.Stdout, last: '\n'}
		io.Copy(last, r)
		copied <- last.last
	}()
	ws := wait(pid)
	expired := !limit.Stop()
	// What it left behind would hold the pipe, and disturb the next one.
	syscall.Kill(-1, syscall.SIGKILL)
	wait(-1)
	if <-copied != '\n' {
		fmt.Println()
	}
	status, message = ws.ExitStatus(), fmt.Sprintf("exit status %d", ws.ExitStatus())
	if ws.Signaled() {
		status, message = 128+int(ws.Signal()), "killed by "+strings.ToUpper(unix.SignalName(ws.Signal()))
	}
	if expired {
		message = fmt.Sprintf("it took longer than %v", c.Limit)
	}
	return status, fmt.Sprintf("%s after %.1fs", message, time.Since(began).Seconds())
}

// wait reaps all children that end, as the first process has to, until pid has
// or, if pid is -1, until there is none left.
func wait(pid int) (ws syscall.WaitStatus) {
	for {
		got, err := syscall.Wait4(-1, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || got == pid {
			return ws
		}
	}
}

// lastByte remembers the last byte written.
type lastByte struct {
	w    io.Writer
	last byte
}

func (l *lastByte) Write(b []byte) (int, error) {
	if len(b) > 0 {
		l.last = b[len(b)-1]
	}
	return l.w.Write(b)
}

//go:build amd64 || arm64

package pledge_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/pledgetest"
)

// A veilOp is something that a program does with a path in a directory.
type veilOp struct {
	name    string
	openbsd string // the permissions that OpenBSD wants to see on the directory
	linux   string // those that it takes here; "-" for never, "" for none
	why     string // if the two differ
	do      func(dir string) error
}

// veilOps are the rows of the table in docs/unveil.md, and are tried under every
// permission.
var veilOps = []veilOp{
	{"open to read", "r", "r or x", "the kernel reads what it executes, and asks Landlock for that", func(d string) error { return veilOpen(d+"/file", unix.O_RDONLY) }},
	{"open to write", "w", "w", "", func(d string) error { return veilOpen(d+"/file", unix.O_WRONLY) }},
	{"open to read and write", "rw", "rw", "", func(d string) error { return veilOpen(d+"/file", unix.O_RDWR) }},
	{"open with O_TRUNC", "w", "w", "", func(d string) error { return veilOpen(d+"/file", unix.O_WRONLY|unix.O_TRUNC) }},
	{"create a file", "wc", "wc", "", func(d string) error { return veilOpen(d+"/new", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL) }},
	{"open with O_CREAT what exists", "wc", "w", "nothing is created", func(d string) error { return veilOpen(d+"/file", unix.O_WRONLY|unix.O_CREAT) }},
	{"make a file without a name (O_TMPFILE)", "not there", "w", "it has no name, and a name needs c", func(d string) error { return veilOpen(d, unix.O_WRONLY|unix.O_TMPFILE) }},
	{"list a directory", "r", "r", "", func(d string) error { _, err := os.ReadDir(d); return err }},
	{"truncate by path", "w", "w since ABI 3", "before, it is refused", func(d string) error { return unix.Truncate(d+"/file", 1) }},
	{"execute", "x", "x", "", func(d string) error {
		if err := unix.Exec(d+"/script", []string{"script"}, nil); err != unix.ENOEXEC { // it is none
			return err
		}
		return nil
	}},
	{"mkdir", "c", "c", "", func(d string) error { return unix.Mkdir(d+"/newdir", 0o700) }},
	{"rmdir", "c", "c", "", func(d string) error { return unix.Rmdir(d + "/olddir") }},
	{"unlink", "c", "c", "", func(d string) error { return unix.Unlink(d + "/old") }},
	{"rename in the directory", "rc", "c", "contents are not read", func(d string) error { return unix.Rename(d+"/moved", d+"/moved2") }},
	{"rename to another directory of the same permissions", "rc", "c", "contents are not read", func(d string) error { return unix.Rename(d+"/mover", d+"/sub/mover") }},
	{"link in the directory", "rc", "c", "contents are not read", func(d string) error { return unix.Link(d+"/file", d+"/newlink") }},
	{"symlink", "c", "c", "", func(d string) error { return unix.Symlink("file", d+"/newsymlink") }},
	{"mkfifo", "c", "c", "", func(d string) error { return unix.Mkfifo(d+"/fifo", 0o600) }},
	{"bind a local socket", "c", "c", "", func(d string) error {
		s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(s)
		return unix.Bind(s, &unix.SockaddrUnix{Name: d + "/newsocket"})
	}},
	{"chmod by path", "w", "-", veilByFile, func(d string) error { return unix.Chmod(d+"/file", 0o600) }},
	{"chown by path", "w", "-", veilByFile, func(d string) error { return unix.Lchown(d+"/file", -1, -1) }},
	{"utimes by path", "w", "-", veilByFile, func(d string) error { return unix.UtimesNanoAt(unix.AT_FDCWD, d+"/file", make([]unix.Timespec, 2), 0) }},
	{"read extended attributes by path", "not there", "-", "as on a file system without", func(d string) error {
		if _, err := unix.Listxattr(d+"/file", nil); err != unix.EOPNOTSUPP {
			return err
		}
		return unix.EACCES
	}},
	{"watch with inotify", "not there", "-", "events have names", func(d string) error {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			return err
		}
		_, err = unix.InotifyAddWatch(fd, d, unix.IN_CREATE)
		return err
	}},
	{"stat, access, readlink, chdir", "r", "", "not possible on Linux: Landlock does not know them", func(d string) error {
		_, err := os.Readlink(d + "/symlink")
		return errors.Join(unix.Stat(d+"/file", new(unix.Stat_t)), unix.Access(d+"/file", unix.R_OK), err, veilChdir(d))
	}},
	{"open with O_PATH", "not there", "", "not possible on Linux; it leads to stat only", func(d string) error { return veilOpen(d+"/file", unix.O_PATH) }},
}

const veilByFile = "Landlock does not know it, so the filter refuses it; the same works on an open file"

func veilOpen(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func veilChdir(dir string) error {
	here, err := os.Open(".")
	if err != nil {
		return nil // the place that the test began at is hidden, but it was left by others before
	}
	defer here.Close()
	return errors.Join(os.Chdir(dir), here.Chdir())
}

// veilFixture makes what the operations need in a directory.
func veilFixture(dir string) error {
	err := errors.Join(os.MkdirAll(dir+"/olddir", 0o700), os.MkdirAll(dir+"/sub", 0o700), os.Symlink("file", dir+"/symlink"))
	for _, name := range []string{"file", "old", "moved", "mover"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte("content"), 0o600))
	}
	return errors.Join(err, os.WriteFile(dir+"/script", []byte("no program"), 0o700))
}

// granted reports whether the operation is possible in a directory that has the
// permissions.
func (op veilOp) granted(may string) bool {
	needs, since, _ := strings.Cut(op.linux, " since ABI ")
	if since, _ := strconv.Atoi(since); needs == "-" || pledge.Status().Landlock < since {
		return false
	}
	for _, alternative := range strings.Split(needs, " or ") {
		if strings.Trim(alternative, may) == "" {
			return true
		}
	}
	return false
}

// veilPromises are all that the operations need, so that it is unveil that
// refuses.
const veilPromises = "stdio rpath wpath cpath dpath fattr unix exec"

var errUnexpected = errors.New("not as expected")

// veilTry tries all operations in a directory that may be used with may, and
// returns what is not as the table says.
func veilTry(dir, may string) error {
	var wrong []error
	for _, op := range veilOps {
		err := op.do(dir)
		granted := op.granted(may)
		switch {
		case granted && err != nil, !granted && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EXDEV):
			wrong = append(wrong, fmt.Errorf("%s in %s with %q: %w, and granted is %v (%w)", op.name, dir, may, err, granted, errUnexpected))
		}
	}
	return errors.Join(wrong...)
}

// veilABIs are the versions of Landlock that a test can have on this kernel, the
// kernel's own last; no others where tests are to be short.
func veilABIs(t *testing.T) []int {
	have := pledge.Supported().Landlock
	if have == 0 {
		t.Skip("this kernel has no Landlock")
	}
	var abis []int
	for abi := 2; abi < have && !testing.Short(); abi++ {
		abis = append(abis, abi)
	}
	return append(abis, have)
}

// TestUnveil tries every operation under every combination of permissions, in
// four places: a directory that is unveiled, one that is not, one that is
// hidden below an unveiled one, and the parent.
func TestUnveil(t *testing.T) {
	for _, abi := range veilABIs(t) {
		for _, may := range []string{"", "r", "w", "x", "c", "rw", "rc", "wc", "rwc", "rx", "rwxc"} {
			if abi != veilABIs(t)[len(veilABIs(t))-1] && len(may) != 2 {
				continue // of older ABIs a few will do
			}
			t.Run(fmt.Sprintf("ABI %d/%s", abi, may), func(t *testing.T) {
				pledgetest.Child(t, func() error {
					pledge.SimulateLandlock(abi)
					if err := os.Chdir(os.TempDir()); err != nil {
						return err
					}
					var err error
					for _, dir := range []string{"parent", "parent/covered", "outside", "above", "above/open", "above/hidden"} {
						err = errors.Join(err, veilFixture(dir))
					}
					config := pledge.Config{BestEffort: true} // for unix before ABI 9
					err = errors.Join(err,
						config.Unveil("parent/covered", may), config.Unveil("above", may), config.Unveil("above/hidden", ""),
						config.Pledge(veilPromises))
					if err != nil {
						return err
					}
					if s := pledge.Status(); s.Unveil != pledge.UnveilInForce || s.Landlock != abi {
						return fmt.Errorf("status %+v", s)
					}
					return errors.Join(
						veilTry("parent/covered", may), veilTry("outside", ""), veilTry("above/open", may),
						veilTry("above/hidden", ""), veilTry("parent", ""))
				}).OK()
			})
		}
	}
}

// TestUnveilOrder proves that the longest path decides, whatever the order and
// however often a path is named.
func TestUnveilOrder(t *testing.T) {
	veilABIs(t)
	for _, c := range []struct {
		name   string
		unveil [][2]string
		may    map[string]string // where what is possible then
	}{
		{"a wider one below", [][2]string{{"a", "r"}, {"a/b", "rwc"}}, map[string]string{"a": "r", "a/b": "rwc", "a/b/c": "rwc"}},
		{"a narrower one below", [][2]string{{"a", "rwc"}, {"a/b", "r"}}, map[string]string{"a/d": "rwc", "a/b": "r", "a/b/c": "r"}},
		{"the narrower one first", [][2]string{{"a/b", "r"}, {"a", "rwc"}}, map[string]string{"a/d": "rwc", "a/b": "r"}},
		{"three deep", [][2]string{{"a", "rwc"}, {"a/b", ""}, {"a/b/c", "rw"}}, map[string]string{"a/d": "rwc", "a/b": "", "a/b/c": "rw"}},
		{"different letters", [][2]string{{"a", "rw"}, {"a/b", "rx"}}, map[string]string{"a/d": "rw", "a/b": "rx"}},
		{"a path again", [][2]string{{"a", "rwxc"}, {"a", "r"}}, map[string]string{"a": "r", "a/b": "r"}},
		{"a path again, wider", [][2]string{{"a", ""}, {"a", "rwc"}}, map[string]string{"a": "rwc"}},
		{"through a symbolic link", [][2]string{{"link", "rwc"}}, map[string]string{"a/b": "rwc", "a": ""}},
		{"everything but one", [][2]string{{"/", "rwxc"}, {"a/b", ""}}, map[string]string{"a/b": "", "a/d": "rwxc", "z": "rwxc"}},
		{"a file below a directory", [][2]string{{"a", "r"}, {"a/file", "rw"}}, map[string]string{"a/b": "r"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pledgetest.Child(t, func() error {
				if err := os.Chdir(os.TempDir()); err != nil {
					return err
				}
				err := os.MkdirAll("a/b/c", 0o700)
				for _, dir := range []string{"a", "a/b", "a/b/c", "a/d", "z"} {
					err = errors.Join(err, veilFixture(dir))
				}
				err = errors.Join(err, os.Symlink("a/b", "link"))
				config := pledge.Config{BestEffort: true}
				for _, u := range c.unveil {
					err = errors.Join(err, config.Unveil(u[0], u[1]))
				}
				if err = errors.Join(err, config.Pledge(veilPromises)); err != nil {
					return err
				}
				for dir, may := range c.may {
					err = errors.Join(err, veilTry(dir, may))
				}
				return err
			}).OK()
		})
	}
}

// TestUnveilThreads is the program of sixteen threads that works inside and
// fails outside.
func TestUnveilThreads(t *testing.T) {
	for _, abi := range veilABIs(t) {
		t.Run(fmt.Sprintf("ABI %d", abi), func(t *testing.T) {
			pledgetest.Child(t, func() error {
				pledge.SimulateLandlock(abi)
				const threads = 16
				if err := os.Chdir(os.TempDir()); err != nil {
					return err
				}
				var begin, ready, end sync.WaitGroup
				begin.Add(1)
				errs := make([]error, threads)
				for i := range threads {
					in, out := fmt.Sprintf("in/%d", i), fmt.Sprintf("out/%d", i)
					if err := errors.Join(veilFixture(in), veilFixture(out)); err != nil {
						return err
					}
					ready.Add(1)
					end.Go(func() {
						runtime.LockOSThread()
						ready.Done()
						begin.Wait()
						errs[i] = errors.Join(veilTen(in, 0), veilTen(out, unix.EACCES))
					})
				}
				ready.Wait()
				stop := veilChurn() // threads are made and end meanwhile
				err := errors.Join(pledge.Pledge("stdio unveil rpath wpath cpath"), pledge.Unveil("in", "rwc"), pledge.UnveilBlock())
				stop()
				if err != nil {
					return err
				}
				begin.Done()
				end.Wait()
				return errors.Join(errs...)
			}).OK()
		})
	}
}

// veilChurn makes threads all the time, until it is told to stop.
func veilChurn() (stop func()) {
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			var g sync.WaitGroup
			for range 4 {
				g.Go(func() { runtime.LockOSThread() }) // and never unlock: the thread ends
			}
			g.Wait()
			select {
			case <-quit:
				return
			default:
			}
		}
	}()
	return func() { close(quit); <-done }
}

// veilTen does ten things in a directory, which must all end with the errno.
func veilTen(dir string, want syscall.Errno) error {
	var wrong []error
	for i, f := range []func() error{
		func() error { _, err := os.ReadFile(dir + "/file"); return err },
		func() error { return os.WriteFile(dir+"/file", []byte("x"), 0o600) },
		func() error { return os.WriteFile(dir+"/new", []byte("x"), 0o600) },
		func() error { _, err := os.ReadDir(dir); return err },
		func() error { return os.Mkdir(dir+"/newdir", 0o700) },
		func() error { return unix.Rmdir(dir + "/olddir") },
		func() error { return unix.Unlink(dir + "/old") },
		func() error { return unix.Rename(dir+"/moved", dir+"/moved2") },
		func() error { return os.Symlink("file", dir+"/newsymlink") },
		func() error { return os.Link(dir+"/file", dir+"/newlink") },
	} {
		err := f()
		if want == 0 && err != nil || want != 0 && !errors.Is(err, want) {
			wrong = append(wrong, fmt.Errorf("operation %d in %s: %v, want %v", i, dir, err, want))
		}
	}
	return errors.Join(wrong...)
}

// TestUnveilStates proves when an unveil comes into force and what Status says.
func TestUnveilStates(t *testing.T) {
	veilABIs(t)
	hidden := func() error {
		if _, err := os.ReadFile("/etc/passwd"); !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("reading a hidden file: %v", err)
		}
		return nil
	}
	open := func() error { _, err := os.ReadFile("/etc/passwd"); return err }
	pledged := func(promises string) func() error { return func() error { return pledge.Pledge(promises) } }
	unveiled := func() error { return pledge.Unveil(os.TempDir(), "rwc") }
	refused := func() error {
		var path *fs.PathError
		if err := pledge.Unveil("/", "r"); !errors.As(err, &path) || !errors.Is(err, unix.EPERM) || path.Op != "unveil" || path.Path != "/" {
			return fmt.Errorf("Unveil afterwards: %v", err)
		}
		return nil
	}
	state := func(want pledge.UnveilState) func() error {
		return func() error {
			if s := pledge.Status(); s.Unveil != want {
				return fmt.Errorf("status %v, want %v", s.Unveil, want)
			}
			return nil
		}
	}
	for _, c := range []struct {
		name  string
		steps []func() error
	}{
		{"pending hides nothing", []func() error{unveiled, state(pledge.UnveilPending), open}},
		{"UnveilBlock hides", []func() error{unveiled, pledge.UnveilBlock, state(pledge.UnveilInForce), hidden, refused}},
		{"UnveilBlock again is fine", []func() error{unveiled, pledge.UnveilBlock, pledge.UnveilBlock, hidden}},
		{"UnveilBlock of nothing hides nothing", []func() error{pledge.UnveilBlock, state(pledge.UnveilClosed), open, refused}},
		{"a Pledge without unveil hides", []func() error{unveiled, pledged("stdio rpath"), state(pledge.UnveilInForce), hidden, refused}},
		{"a Pledge with unveil does not", []func() error{unveiled, pledged("stdio rpath unveil"), state(pledge.UnveilPending), open}},
		{"a Pledge that drops unveil hides", []func() error{pledged("stdio rpath unveil"), unveiled, open, pledged("stdio rpath"), hidden, refused}},
		{"UnveilBlock under unveil", []func() error{pledged("stdio rpath unveil"), unveiled, pledge.UnveilBlock, hidden, refused, pledged("stdio rpath"), hidden}},
		{"a Pledge without unveil closes it", []func() error{pledged("stdio rpath"), state(pledge.UnveilClosed), refused, open}},
		{"a Pledge after UnveilBlock", []func() error{unveiled, pledge.UnveilBlock, pledged("stdio rpath"), state(pledge.UnveilInForce), hidden}},
		{"the files of a promise are seen through it", []func() error{unveiled, pledged("stdio rpath getpw"), open, func() error {
			if _, err := os.ReadFile("/etc/hostname"); !errors.Is(err, unix.EACCES) {
				return fmt.Errorf("reading a hidden file: %v", err)
			}
			return nil
		}}},
		{"without stdio, too", []func() error{unveiled, pledged("rpath wpath"), pledged("rpath"), hidden}},
		{"no promise to use paths: nothing to hide", []func() error{unveiled, pledged("stdio"), state(pledge.UnveilInForce)}},
		{"UnveilBlock leaves the verdict as it was", []func() error{
			func() error {
				return pledge.Config{Violation: pledge.Errno, Errno: unix.EPERM}.Pledge("stdio rpath unveil")
			},
			unveiled, pledge.UnveilBlock, func() error {
				if err := unix.Mkdir("/tmp/never", 0o700); err != unix.EPERM {
					return fmt.Errorf("mkdir: %v", err)
				}
				return nil
			},
		}},
		{"executed programs see no more", []func() error{unveiled, func() error { return pledge.Unveil("/usr", "rx") }, func() error { return pledge.Unveil("/lib", "rx") },
			func() error { return pledge.Unveil("/lib64", "rx") }, func() error { return pledge.Unveil("/dev/null", "rw") }, pledge.UnveilBlock, func() error {
				out, err := exec.Command("/usr/bin/cat", "/etc/passwd").CombinedOutput()
				if err == nil || !strings.Contains(string(out), "Permission denied") {
					return fmt.Errorf("cat: %v, %s", err, out)
				}
				return nil
			}}},
		{"a hidden file that another one has replaced is hidden", []func() error{
			func() error { return os.WriteFile(os.TempDir()+"/secret", []byte("old"), 0o600) },
			func() error { return pledge.Unveil(os.TempDir(), "r") },
			func() error { return pledge.Unveil(os.TempDir()+"/secret", "") },
			func() error { return os.WriteFile(os.TempDir()+"/new", []byte("new"), 0o600) },
			func() error { return os.Rename(os.TempDir()+"/new", os.TempDir()+"/secret") },
			pledge.UnveilBlock,
			func() error {
				if _, err := os.ReadFile(os.TempDir() + "/secret"); !errors.Is(err, unix.EACCES) {
					return fmt.Errorf("reading it: %v", err)
				}
				return nil
			}}},
		{"a hidden directory that was made anew is an error", []func() error{
			func() error { return os.Mkdir(os.TempDir()+"/secret", 0o700) },
			func() error { return pledge.Unveil(os.TempDir(), "r") },
			func() error { return pledge.Unveil(os.TempDir()+"/secret", "") },
			func() error { return os.Remove(os.TempDir() + "/secret") },
			func() error { return os.Mkdir(os.TempDir()+"/secret", 0o700) },
			func() error {
				if err := pledge.UnveilBlock(); !errors.Is(err, unix.ENOENT) {
					return fmt.Errorf("UnveilBlock: %v", err)
				}
				return nil
			}}},
		{"where nothing but Landlock keeps files, it does", []func() error{unveiled,
			func() error { return pledge.Config{Violation: pledge.Log}.Pledge("stdio") }, hidden}},
		{"inet makes no socket in a hidden directory", []func() error{
			func() error { return pledge.Unveil("/usr", "r") },
			func() error {
				pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
				if err != nil {
					return err
				}
				name := os.TempDir() + "/socket"
				if err := pledge.Pledge("stdio inet"); err != nil {
					return err
				}
				if err := unix.Bind(pair[0], &unix.SockaddrUnix{Name: name}); err != unix.EACCES {
					return fmt.Errorf("bind: %v", err)
				}
				return nil
			}}},
		{"files of /proc are not forgotten when memory is scarce", []func() error{func() error {
			drop, err := os.OpenFile("/proc/sys/vm/drop_caches", os.O_WRONLY, 0)
			if err != nil {
				return nil // only root can ask for that
			}
			if err := pledge.Unveil("/proc/cpuinfo", "r"); err != nil {
				return err
			}
			var read error
			for _, promises := range []string{"stdio vminfo dns", "stdio vminfo"} {
				err = pledge.Pledge(promises)
				drop.WriteString("2")
				_, meminfo := os.ReadFile("/proc/meminfo")
				_, cpuinfo := os.ReadFile("/proc/cpuinfo")
				read = errors.Join(read, err, meminfo, cpuinfo)
			}
			return read
		}}},
		{"promises of files after UnveilBlock", []func() error{
			func() error { return pledge.Unveil("/etc", "r") }, pledge.UnveilBlock, pledged("stdio getpw"), open,
		}},
		{"the files of a promise that is given up are hidden again", []func() error{
			func() error { return os.Mkdir(os.TempDir()+"/open", 0o700) },
			func() error { return os.WriteFile(os.TempDir()+"/open/file", nil, 0o600) },
			func() error { return pledge.Unveil(os.TempDir()+"/open", "rw") },
			pledged("stdio rpath wpath getpw exec"), open,
			pledged("stdio rpath wpath exec"), hidden,
			func() error { _, err := os.ReadFile(os.TempDir() + "/open/file"); return err },
			pledged("stdio rpath wpath"), hidden,
			func() error { _, err := os.OpenFile(os.TempDir()+"/open/file", os.O_WRONLY, 0); return err },
		}},
		{"files of /proc are not left open when their promise is given up", []func() error{
			pledged("stdio vminfo dns"), pledged("stdio vminfo"), pledged("stdio"), func() error {
				text := make([]byte, 64)
				for fd := 3; fd < 64; fd++ {
					if n, _ := unix.Pread(fd, text, 0); strings.Contains(string(text[:max(n, 0)]), "MemTotal") {
						return fmt.Errorf("descriptor %d", fd)
					}
				}
				return nil
			}}},
		{"without a pledge, too, chmod by path is refused", []func() error{unveiled, pledge.UnveilBlock, func() error {
			if err := os.Chmod("/etc/passwd", 0o644); !errors.Is(err, unix.EACCES) {
				return fmt.Errorf("chmod: %v", err)
			}
			return nil
		}}},
		{"without a pledge, too, a hidden file is not opened neither to read nor to write", []func() error{unveiled, pledge.UnveilBlock, func() error {
			const neither = unix.O_ACCMODE
			path, _ := unix.BytePtrFromString("/etc/passwd")
			_, err := unix.Open("/etc/passwd", neither, 0)
			_, err2 := unix.Openat2(unix.AT_FDCWD, "/etc/passwd", &unix.OpenHow{Flags: neither})
			e := legacyOpen(path, neither)
			if err != unix.EACCES || e != unix.EACCES || err2 != unix.ENOSYS {
				return fmt.Errorf("openat: %v, open: %v, openat2: %v", err, e, err2)
			}
			return nil
		}}},
		{"without a pledge, too, what can be read is not emptied before ABI 3", []func() error{func() error {
			pledge.SimulateLandlock(2)
			return errors.Join(os.WriteFile(os.TempDir()+"/file", []byte("text"), 0o600), pledge.Unveil(os.TempDir(), "r"))
		}, pledge.UnveilBlock, func() error {
			file := os.TempDir() + "/file"
			path, _ := unix.BytePtrFromString(file)
			_, err := unix.Open(file, unix.O_RDONLY|unix.O_TRUNC, 0)
			e := legacyOpen(path, unix.O_RDONLY|unix.O_TRUNC)
			if text, _ := os.ReadFile(file); err != unix.EACCES || e != unix.EACCES || string(text) != "text" {
				return fmt.Errorf("openat: %v, open: %v, %q is left", err, e, text)
			}
			return nil
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pledgetest.Child(t, func() error {
				for i, step := range c.steps {
					if err := step(); err != nil {
						return fmt.Errorf("step %d: %w", i, err)
					}
				}
				return nil
			}).OK()
		})
	}
}

// legacyOpen is open(2), where there is one.
func legacyOpen(path *byte, flags uintptr) syscall.Errno {
	cwd := unix.AT_FDCWD
	nr, args := uintptr(unix.SYS_OPENAT), []uintptr{uintptr(cwd), uintptr(unsafe.Pointer(path)), flags}
	if runtime.GOARCH == "amd64" {
		nr, args = 2, append(args[1:], 0)
	}
	_, _, e := unix.Syscall(nr, args[0], args[1], args[2])
	return e
}

// TestUnveilErrors proves that bad input is an error and changes nothing.
func TestUnveilErrors(t *testing.T) {
	veilABIs(t)
	for _, c := range []struct {
		name, path, may string
		want            syscall.Errno
	}{
		{"unknown permission", "/tmp", "rz", unix.EINVAL},
		{"upper case", "/tmp", "R", unix.EINVAL},
		{"too many permissions", "/tmp", "rwxcr", unix.ENAMETOOLONG},
		{"no path", "", "r", unix.EINVAL},
		{"a NUL byte", "/tmp\x00/x", "r", unix.EINVAL},
		{"no directory", "/nonexistent/file", "r", unix.ENOENT},
		{"a file as a directory", "/etc/passwd/x", "r", unix.ENOTDIR},
		{"a name that is too long", "/" + strings.Repeat("x", 300), "r", unix.ENAMETOOLONG},
	} {
		t.Run(c.name, func(t *testing.T) {
			pledgetest.Child(t, func() error {
				err := pledge.Unveil(c.path, c.may)
				var path *fs.PathError
				if !errors.As(err, &path) || !errors.Is(err, c.want) || path.Path != c.path {
					return fmt.Errorf("%v (%T)", err, err)
				}
				if s := pledge.Status(); s.Unveil != pledge.UnveilNone || len(s.Unveiled) != 0 {
					return fmt.Errorf("status %+v", s)
				}
				return nil
			}).OK()
		})
	}

	t.Run("a new file without its directory", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			if err := os.Chdir(os.TempDir()); err != nil {
				return err
			}
			if err := pledge.Unveil("new", "rwc"); err != nil {
				return err
			}
			var path *fs.PathError
			if err := pledge.UnveilBlock(); !errors.As(err, &path) || !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("UnveilBlock: %v", err)
			}
			if err := pledge.Pledge("stdio rpath wpath cpath"); !errors.Is(err, unix.ENOENT) || pledge.Status().Pledged {
				return fmt.Errorf("Pledge: %v, %+v", err, pledge.Status())
			}
			if err := os.WriteFile("new", nil, 0o600); err != nil { // nothing is in force; and now it exists
				return err
			}
			if err := pledge.UnveilBlock(); err != nil {
				return err
			}
			return os.WriteFile("new", []byte("x"), 0o600)
		}).OK()
	})
	t.Run("a new file in a directory that has it", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			dir := os.TempDir()
			return errors.Join(pledge.Unveil(dir, "rwc"), pledge.Unveil(dir+"/new", "rwc"), pledge.UnveilBlock(),
				os.WriteFile(dir+"/new", []byte("x"), 0o600), os.Remove(dir+"/new"))
		}).OK()
	})
	t.Run("a file to read that may be missing", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			return errors.Join(pledge.Unveil("/etc/nonexistent.conf", "r"), pledge.UnveilBlock())
		}).OK()
	})
	t.Run("what is to be hidden must exist", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			dir := os.TempDir()
			return errors.Join(pledge.Unveil(dir, "rwc"), pledge.Unveil(dir+"/secret", ""), pledge.UnveilBlock())
		}).Failed(unix.ENOENT)
	})
	t.Run("more than sixteen rulesets", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			if err := veilLayers(16); err != nil {
				return err
			}
			if err := pledge.Unveil("/", "r"); err != nil {
				return err
			}
			var install *pledge.InstallError
			if err := pledge.UnveilBlock(); !errors.As(err, &install) || !errors.Is(err, unix.E2BIG) {
				return fmt.Errorf("%v", err)
			}
			return os.WriteFile(os.TempDir()+"/x", nil, 0o600) // on whatever thread
		}).OK()
	})
	t.Run("without Landlock", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			pledge.SimulateLandlock(0)
			var unsupported *pledge.UnsupportedError
			if err := pledge.Unveil("/", "r"); !errors.As(err, &unsupported) || !errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("Unveil: %v", err)
			}
			lax := pledge.Config{BestEffort: true}
			if err := errors.Join(lax.Unveil("/tmp", "r"), lax.UnveilBlock(), lax.Pledge("stdio rpath")); err != nil {
				return err
			}
			if s := pledge.Status(); s.Landlock != 0 || !s.Seccomp {
				return fmt.Errorf("status %+v", s)
			}
			_, err := os.ReadFile("/etc/passwd")
			return err
		}).OK()
	})
	t.Run("local sockets before ABI 9", func(t *testing.T) {
		pledgetest.Child(t, func() error {
			pledge.SimulateLandlock(8)
			if err := pledge.Unveil(os.TempDir(), "rw"); err != nil {
				return err
			}
			var unsupported *pledge.UnsupportedError
			if err := pledge.Pledge("stdio rpath unix"); !errors.As(err, &unsupported) || pledge.Status().Pledged {
				return fmt.Errorf("%v", err)
			}
			return (pledge.Config{BestEffort: true}).Pledge("stdio rpath unix")
		}).OK()
	})
}

// veilLayers puts the process under Landlock rulesets of somebody else, which
// restrict nothing that matters.
func veilLayers(n int) error {
	for range n {
		attr := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK}
		if err := pledge.RestrictAllThreads(&attr); err != nil {
			return err
		}
	}
	return nil
}

// TestUnveilSockets proves that "w" on a local socket lets it be connected to,
// where the kernel knows how to keep others from it.
func TestUnveilSockets(t *testing.T) {
	if abi := pledge.Supported().Landlock; abi < 9 {
		t.Skipf("Landlock restricts connecting to local sockets since ABI 9, this kernel has %d", abi)
	}
	for _, c := range []struct {
		may  string
		want refusalWant
	}{{"rw", refusalOK}, {"w", refusalOK}, {"r", refusalWant(unix.EACCES)}, {"", refusalWant(unix.EACCES)}} {
		t.Run(c.may, func(t *testing.T) {
			c.want.check(pledgetest.Child(t, func() error {
				if err := os.Chdir(os.TempDir()); err != nil {
					return err
				}
				l, err := net.Listen("unix", "socket")
				if err != nil {
					return err
				}
				defer l.Close()
				l.(*net.UnixListener).SetUnlinkOnClose(false) // which takes cpath
				if err := errors.Join(pledge.Unveil("socket", c.may), pledge.Pledge("stdio rpath unix")); err != nil {
					return err
				}
				conn, err := net.Dial("unix", "socket")
				if err == nil {
					conn.Close()
				}
				return err
			}))
		})
	}
}

// TestUnveilDocs compares the table in docs/unveil.md with the one above.
func TestUnveilDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("| operation | OpenBSD | here | if they differ |\n| --- | --- | --- | --- |\n")
	for _, op := range veilOps {
		here := map[string]string{"-": "refused", "": "always possible"}[op.linux]
		if here == "" {
			here = op.linux
		}
		why := op.why
		switch {
		case op.openbsd == "not there" || why == "":
		case op.linux == "-" || strings.Contains(op.linux, "since"):
			why = "stricter: " + why
		default:
			why = "looser: " + why
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", op.name, op.openbsd, here, why)
	}
	const name, begin, end = "docs/unveil.md", "<!-- table -->\n", "<!-- end -->\n"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the table", name)
	}
	want := before + begin + b.String() + end + after
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("the table in %s is not the one in the test; run: go generate", name)
	}
}

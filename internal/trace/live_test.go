//go:build linux && (amd64 || arm64)

package trace

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
)

const helperVariable = "PLEDGE_TRACE_HELPER"

// helpers are what the test binary does when it is the traced program.
var helpers = map[string]func(){
	"clone3": func() {
		_, _, e := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
		fmt.Println(e == unix.ENOSYS) // of itself the kernel would say EINVAL
	},
	"openat2": func() {
		_, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_RDONLY})
		fmt.Println(err == unix.ENOSYS)
	},
	"netlink": func() {
		_, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0)
		fmt.Println(err)
	},
	"exec from a thread": func() {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			if unix.Gettid() == unix.Getpid() {
				go func() { runtime.LockOSThread(); done <- syscall.Exec("/bin/cat", []string{"cat", "/dev/null"}, nil) }()
				<-done
			}
			done <- syscall.Exec("/bin/cat", []string{"cat", "/dev/null"}, nil)
		}()
		fmt.Println(<-done)
	},
	"exec from memory": func() {
		fd, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC)
		if err == nil {
			var b []byte
			if b, err = os.ReadFile("/bin/true"); err == nil {
				_, err = unix.Write(fd, b)
			}
		}
		if err == nil {
			empty, argv := []byte{0}, []*byte{nil}
			_, _, err = unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
				uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&argv[0])), unix.AT_EMPTY_PATH, 0)
		}
		fmt.Println(err)
	},
	"ptrace": func() {
		_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1<<30, 0, 0, 0, 0)
		fmt.Println(e == unix.ESRCH || e == unix.EPERM)
	},
	"unused socket": func() {
		unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	},
	"local addresses": func() {
		there, err := os.Getwd()
		to := func(name string) *unix.SockaddrUnix { return &unix.SockaddrUnix{Name: name} }
		server := func(kind int, name string) {
			fd, e := unix.Socket(unix.AF_UNIX, kind, 0)
			err = cmp.Or(err, e, unix.Bind(fd, to(name)))
			if kind == unix.SOCK_STREAM {
				err = cmp.Or(err, unix.Listen(fd, 1))
			}
		}
		client := func(kind int, f func(fd int) error) {
			fd, e := unix.Socket(unix.AF_UNIX, kind, 0)
			err = cmp.Or(err, e, f(fd))
		}
		server(unix.SOCK_STREAM, "a")
		server(unix.SOCK_STREAM, "b")
		server(unix.SOCK_DGRAM, "c")
		server(unix.SOCK_STREAM, "@pledge-trace-addresses")
		client(unix.SOCK_STREAM, func(fd int) error { return unix.Connect(fd, to(there+"/a")) })
		client(unix.SOCK_STREAM, func(fd int) error { return unix.Connect(fd, to("b")) })
		client(unix.SOCK_DGRAM, func(fd int) error { return unix.Sendto(fd, []byte{0}, 0, to(there+"/c")) })
		client(unix.SOCK_STREAM, func(fd int) error { return unix.Connect(fd, to("@pledge-trace-addresses")) })
		client(unix.SOCK_STREAM, func(fd int) error {
			if unix.Connect(fd, to(there+"/nobody")) != unix.ENOENT {
				return unix.EEXIST
			}
			return nil
		})
		fmt.Println(err)
	},
	"used socket": func() {
		fd, _ := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		fmt.Println(unix.Bind(fd, &unix.SockaddrUnix{Name: "@pledge-trace-test"}))
	},
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		helpers[name]()
		os.Exit(0)
	}
	code := m.Run()
	removeBuilt()
	os.Exit(code)
}

// traced runs a program in an empty directory and returns the report and what
// it printed.
func traced(t *testing.T, extra pledge.Set, env string, args ...string) (*Report, string) {
	t.Helper()
	dir := t.TempDir()
	out := newFile(t, dir, "out")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "LC_ALL=C", helperVariable+"="+env)
	rep, err := Run(cmd, extra)
	if err != nil {
		t.Fatal(err)
	}
	return rep, content(t, out)
}

func help(t *testing.T, extra pledge.Set, name string) (*Report, string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return traced(t, extra, name, exe)
}

func shell(t *testing.T, script string) (*Report, string) {
	t.Helper()
	return traced(t, 0, "", "sh", "-c", script)
}

func refusedCalls(r *Report) (out []string) {
	for _, u := range r.Refused {
		out = append(out, u.Call+" "+u.Errno)
	}
	return out
}

// TestRefusesSoftly checks that calls that every filter refuses fail for the
// traced program, too.
func TestRefusesSoftly(t *testing.T) {
	for name, call := range map[string]string{"clone3": "clone3 ENOSYS", "openat2": "openat2 ENOSYS"} {
		rep, out := help(t, 0, name)
		if out != "true\n" || !slices.Contains(refusedCalls(rep), call) {
			t.Errorf("%s: %q, refused %v", name, out, refusedCalls(rep))
		}
	}
	rep, out := help(t, 0, "netlink")
	if out != unix.EAFNOSUPPORT.Error()+"\n" || rep.Set.Has(pledge.Route) {
		t.Errorf("netlink: %q, promises %q", out, rep.Promises)
	}
	rep, out = help(t, pledge.Set(0).With(pledge.Route), "netlink")
	if out != "<nil>\n" || !rep.Set.Has(pledge.Route) {
		t.Errorf("netlink with route: %q, promises %q", out, rep.Promises)
	}
}

func TestNever(t *testing.T) {
	rep, out := help(t, 0, "ptrace")
	if len(rep.Never) != 1 || rep.Never[0].Example != "ptrace(PTRACE_ATTACH, 0x40000000, NULL, NULL)" || out != "true\n" {
		t.Errorf("%+v, output %q", rep.Never, out)
	}
}

// TestLocalSockets checks that a local socket counts when it is used: C
// libraries make one in vain.
func TestLocalSockets(t *testing.T) {
	if rep, _ := help(t, 0, "unused socket"); rep.Set.Has(pledge.Unix) {
		t.Errorf("unused: %q", rep.Promises)
	}
	if rep, out := help(t, 0, "used socket"); !rep.Set.Has(pledge.Unix) || rep.Set.Has(pledge.Inet) || rep.Set.Has(pledge.DNS) {
		t.Errorf("used: %q\n%s", rep.Promises, out)
	}
}

// TestLocalAddresses checks that sockets are among the paths: the directory of
// one that is made, and one that something is sent to.
func TestLocalAddresses(t *testing.T) {
	rep, out := help(t, 0, "local addresses")
	if out != "<nil>\n" {
		t.Fatalf("output %q", out)
	}
	var got []string
	dir := ""
	for _, r := range rep.Paths {
		if at := strings.Index(r.Path, "/"+t.Name()); at >= 0 {
			if dir == "" {
				dir = r.Path
			}
			got = append(got, r.Permissions+":"+strings.TrimPrefix(r.Path, dir))
		}
	}
	if want := words("c: w:/a w:/b w:/c"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLoader checks from where on calls count: behind the dynamic loader in the
// program itself, from the beginning in what it executes.
func TestLoader(t *testing.T) {
	rep, _ := traced(t, 0, "", "true")
	if rep.Set.Has(pledge.Rpath) || rep.Set.Has(pledge.Exec) {
		t.Errorf("true needs %q: %+v", rep.Promises, rep.Needs)
	}
	rep, _ = shell(t, "true; /bin/true; :")
	for _, p := range []pledge.Promise{pledge.Rpath, pledge.Exec, pledge.Proc} {
		if !rep.Set.Has(p) {
			t.Errorf("a shell with a child needs only %q", rep.Promises)
		}
	}
}

func TestStatus(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": 128 + 9, "kill -SEGV $$": 128 + 11, "(exit 3); exit 4": 4} {
		if rep, _ := shell(t, script); rep.Status != want {
			t.Errorf("%s: status %d, want %d", script, rep.Status, want)
		}
	}
}

// TestSignals checks that signals arrive as if nobody was watching, and that the
// one that wakes the program at its start does not.
func TestSignals(t *testing.T) {
	if rep, out := shell(t, "trap 'echo got' USR1; trap 'echo woken' CONT; kill -USR1 $$; kill -USR1 $$; echo end"); out != "got\ngot\nend\n" || rep.Status != 0 {
		t.Errorf("status %d, output %q", rep.Status, out)
	}
	if _, out := shell(t, "trap 'echo woken' CONT; kill -CONT $$; :"); out != "woken\n" {
		t.Errorf("output %q", out)
	}
}

// TestStops stops a program: it must stay stopped until somebody wakes it. A
// process group without a shell that cares for it is not stopped by SIGTSTP, so
// what happens without a tracer is what must happen.
func TestStops(t *testing.T) {
	for _, sig := range []string{"STOP", "TSTP"} {
		t.Run(sig, func(t *testing.T) {
			script := `
			(sleep 1.5; [ -e after ] && echo it went on; until [ -e after ]; do kill -CONT $$; sleep 0.02; done) &
			kill -` + sig + ` $$
			touch after
			wait
			echo end`
			bare := exec.Command("sh", "-c", script)
			bare.Dir = t.TempDir()
			want, err := bare.CombinedOutput()
			if err != nil || sig == "STOP" && string(want) != "end\n" {
				t.Fatalf("without a tracer: %v, output %q", err, want)
			}
			if _, out := shell(t, script); out != string(want) {
				t.Errorf("output %q, want %q", out, want)
			}
		})
	}
}

// TestExecFromThread checks that a process is followed where another than its
// first thread executes a program, which takes the first one's id.
func TestExecFromThread(t *testing.T) {
	rep, out := help(t, 0, "exec from a thread")
	uses := map[string]string{}
	for _, n := range rep.Needs {
		for _, u := range n.Uses {
			uses[u.Call+" "+u.Program] = u.Example
		}
	}
	if rep.Status != 0 || out != "" || uses["openat cat"] == "" && uses["fadvise64 cat"] == "" {
		t.Errorf("status %d, output %q, uses %v", rep.Status, out, uses)
	}
}

// TestExecFromMemory checks that no rule is proposed for an executable that is
// no file, least of all one for everything.
func TestExecFromMemory(t *testing.T) {
	rep, out := help(t, 0, "exec from memory")
	if rep.Status != 0 || out != "" || !rep.Set.Has(pledge.Exec) {
		t.Errorf("status %d, promises %q, output %q", rep.Status, rep.Promises, out)
	}
	for _, r := range rep.Paths {
		if r.Path == "/" || strings.Contains(r.Path, "deleted") {
			t.Errorf("-v %s:%s", r.Permissions, r.Path)
		}
	}
}

// TestSurvivors checks that a trace lasts until the last descendant has ended.
func TestSurvivors(t *testing.T) {
	rep, _ := shell(t, "(sleep 0.2; mkdir late) & exit 5")
	if rep.Status != 5 || !rep.Set.Has(pledge.Cpath) {
		t.Errorf("status %d, promises %q", rep.Status, rep.Promises)
	}
}

// TestEnd checks that a trace can be ended when its program has ended and what
// it left behind goes on.
func TestEnd(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			cmd := exec.Command("sh", "-c", `(mkdir made; trap "" INT QUIT TERM HUP; sleep 40 & touch daemon; wait) & exit 5`)
			cmd.Dir = t.TempDir()
			tr := newTracer(assumed)
			var rep *Report
			done := make(chan error, 1)
			go func() {
				var err error
				rep, err = tr.run(cmd)
				done <- err
			}()
			daemon := filepath.Join(cmd.Dir, "daemon")
			for begin := time.Now(); !exists(daemon) || !tr.rootEnded.Load(); time.Sleep(time.Millisecond) {
				if time.Since(begin) > time.Minute {
					t.Fatal("the program does not end")
				}
			}
			if err := unix.Kill(os.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if time.Since(begin) > 30*time.Second {
				t.Error("what it left behind was not killed")
			}
			if rep.Status != 5 || !rep.Set.Has(pledge.Cpath) {
				t.Errorf("status %d, promises %q", rep.Status, rep.Promises)
			}
		})
	}
}

// TestHostileName checks that a program's name cannot do anything to a terminal.
func TestHostileName(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "\x1b[31m")
	if out, err := exec.Command("cp", "/bin/cat", name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rep, _ := traced(t, 0, "", "sh", "-c", `"$0"/*; :`, dir)
	for _, n := range rep.Needs {
		for _, u := range n.Uses {
			if strings.ContainsRune(u.Program+u.Example, '\x1b') {
				t.Errorf("%+q", u.Program+u.Example)
			}
		}
	}
}

// TestOwnFiles checks that names that mean the program's own files are not taken
// for the tracer's.
func TestOwnFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "in")
	if err := os.WriteFile(file, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, out := traced(t, 0, "", "sh", "-c", `exec 7<"$0"; cat /dev/fd/7`, file)
	if !slices.Contains(rep.Paths, PathRule{"r", file}) || out != "x\n" {
		t.Errorf("%v, output %q", rep.Paths, out)
	}
}

func TestStartErrors(t *testing.T) {
	for _, args := range [][]string{{"/nonexistent"}, {"/etc/passwd"}, {"/"}} {
		if rep, err := Run(exec.Command(args[0]), 0); err == nil {
			t.Errorf("%v: %+v", args, rep)
		}
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "in")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, _ := traced(t, 0, "", "sh", "-c", `cd "$0"; read x <in; echo y >>in; mkdir sub; cd sub; echo z >new`, dir)
	got := slices.DeleteFunc(rep.Paths, func(r PathRule) bool { return !strings.HasPrefix(r.Path, dir) })
	// What is there has a rule of its own; what is new needs the directory's.
	if want := []PathRule{{"c", dir}, {"rw", file}, {"wc", filepath.Join(dir, "sub")}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

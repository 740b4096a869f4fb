//go:build amd64 || arm64

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests run the command as a user does. The test binary is the command
// where it is called by that name.
// Orphans of a test become children of the test, which looks for them.
func init() {
	if filepath.Base(os.Args[0]) != "pledge" {
		unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
}

// command is the path of the command, which TestMain has put in PATH.
var command = sync.OnceValue(func() string {
	path, err := exec.LookPath("pledge")
	if err != nil {
		panic(err)
	}
	return path
})

// build compiles a C program from testdata, with arguments that a compiler takes.
// The test is skipped if there is no such compiler, or none that can link an
// empty program so.
var builds struct {
	sync.Mutex
	made map[string]string
}

func build(t *testing.T, compiler, source string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skipf("no %s here", compiler)
	}
	builds.Lock()
	defer builds.Unlock()
	key := fmt.Sprint(compiler, source, args)
	if out := builds.made[key]; out != "" {
		return out
	}
	out := filepath.Join(filepath.Dir(command()), fmt.Sprintf("%s-%d", strings.TrimSuffix(source, ".c"), len(builds.made)))
	compile := func(source, text string) ([]byte, error) {
		cmd := exec.Command(compiler, append([]string{"-O1", "-w", "-o", out, "-x", "c", source, "-x", "none"}, args...)...)
		cmd.Stdin = strings.NewReader(text)
		return cmd.CombinedOutput()
	}
	if msg, err := compile(filepath.Join("testdata", source), ""); err != nil {
		if msg, err := compile("-", "int main(void) { return 0; }"); err != nil {
			t.Skipf("%s %q does not work here: %v\n%s", compiler, args, err, msg)
		}
		t.Fatalf("%s %q: %v\n%s", compiler, args, err, msg)
	}
	if builds.made == nil {
		builds.made = map[string]string{}
	}
	builds.made[key] = out
	return out
}

// program is the C program of testdata, linked dynamically.
func program(t *testing.T) string { return build(t, "gcc", "program.c", "-pthread") }

// A result is how a run ended.
type result struct {
	stdout, stderr string
	status         int            // the exit status, -1 if a signal ended it
	signal         syscall.Signal // that signal
}

// run runs «pledge run» with arguments, and sees to it that nothing is left of
// it.
func run(t *testing.T, args ...string) result {
	t.Helper()
	return end(t, start(t, args...))
}

func start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(command(), append([]string{"run"}, args...)...)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
	return cmd
}

// limit is how long a run may take before it counts as hanging. Machines are
// slow at times.
const limit = 3 * time.Minute

func end(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	if cmd.Process == nil {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	timer := time.AfterFunc(limit, func() {
		t.Errorf("%q hangs", cmd.Args)
		cmd.Process.Kill()
	})
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	r := result{status: ws.ExitStatus()}
	if ws.Signaled() {
		r.signal = ws.Signal()
	}
	if b, ok := cmd.Stdout.(*bytes.Buffer); ok {
		r.stdout = b.String()
	}
	if b, ok := cmd.Stderr.(*bytes.Buffer); ok {
		r.stderr = b.String()
	}
	return r
}

func (r result) want(t *testing.T, status int, stdout, stderr string) {
	t.Helper()
	if r.status != status || !regexp.MustCompile(`\A(?:`+stdout+`)\z`).MatchString(r.stdout) || !regexp.MustCompile(`\A(?:`+stderr+`)\z`).MatchString(r.stderr) {
		t.Errorf("status %d, signal %v, stdout %q, stderr %q; want status %d, stdout like %q, stderr like %q",
			r.status, r.signal, r.stdout, r.stderr, status, stdout, stderr)
	}
}

const confined = `hello seccomp=2 no_new_privs=1\n`

// TestKinds runs every kind of program, both ways of starting one.
func TestKinds(t *testing.T) {
	kinds := map[string]func(t *testing.T) string{
		"dynamic":         program,
		"static":          func(t *testing.T) string { return build(t, "gcc", "program.c", "-pthread", "-static") },
		"static-pie":      func(t *testing.T) string { return build(t, "gcc", "program.c", "-pthread", "-static-pie") },
		"not PIE":         func(t *testing.T) string { return build(t, "gcc", "program.c", "-pthread", "-no-pie") },
		"bind now":        func(t *testing.T) string { return build(t, "gcc", "program.c", "-pthread", "-Wl,-z,now") },
		"musl, static":    func(t *testing.T) string { return build(t, "musl-gcc", "program.c", "-static") },
		"musl, dynamic":   func(t *testing.T) string { return build(t, "musl-gcc", "program.c") },
		"script":          script,
		"script's script": func(t *testing.T) string { return scriptOf(t, script(t)) },
	}
	for name, kind := range kinds {
		for _, how := range [][]string{nil, {"--at-exec"}} {
			t.Run(strings.TrimSpace(name+" "+strings.Join(how, "")), func(t *testing.T) {
				promises := "stdio"
				if strings.HasPrefix(name, "script") {
					promises = "stdio rpath" // the interpreter reads it
				}
				path := kind(t)
				run(t, append(how, "-p", promises, "--", path)...).want(t, 0, confined, ``)
				run(t, append(how, "-p", promises, "--", path, "mkdir", "/tmp/never")...).
					want(t, 159, ``, `pledge: \S+\[\d+\]: mkdir(at)?\(.*\) needs promise "cpath"\n`)
			})
		}
	}
}

// script makes one whose interpreter is the C program.
func script(t *testing.T) string {
	// The arguments of the script come behind its name, which is no mode.
	return scriptOf(t, build(t, "gcc", "interpreted.c"))
}

func scriptOf(t *testing.T, interpreter string) string {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!"+interpreter+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestGoPrograms runs pure Go and cgo.
func TestGoPrograms(t *testing.T) {
	for _, cgo := range []string{"0", "1"} {
		t.Run("CGO_ENABLED="+cgo, func(t *testing.T) {
			path := goProgram(t, "go", cgo, slices.Clip(os.Environ()))
			for _, how := range [][]string{nil, {"--at-exec"}} {
				run(t, append(how, "-p", "stdio rpath", "--", path)...).want(t, 0, `hello\n`, ``)
				run(t, append(how, "-p", "stdio rpath", "--", path, "/tmp/never")...).
					want(t, 159, ``, `pledge: goprogram\S*\[\d+\]: mkdirat\(.*\) needs promise "cpath"\n`)
			}
		})
	}
}

// TestStatus checks that a run ends as its program does.
func TestStatus(t *testing.T) {
	p := program(t)
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, []byte("text\n"), 0o644)
	plain := filepath.Join(t.TempDir(), "plain")
	os.WriteFile(plain, []byte("text\n"), 0o755)
	orphan := filepath.Join(t.TempDir(), "orphan")
	os.WriteFile(orphan, []byte("#!/nonexistent\n"), 0o755)
	for _, c := range []struct {
		name   string
		args   []string
		status int
		stderr string
	}{
		{"its exit status", []string{"-p", "stdio", "--", p, "exit", "42"}, 42, ``},
		{"unknown promise", []string{"-p", "stdio rpaht", "--", p}, 125, `pledge: unknown promise "rpaht" in "stdio rpaht"; did you mean "rpath"\?\n`},
		{"bad --violation", []string{"-p", "stdio", "--violation", "x", "--", p}, 125, `pledge: --violation "x" is none of .*\n`},
		{"bad -v", []string{"-p", "stdio rpath", "-v", "/usr", "--", p}, 125, `pledge: -v "/usr" is not PERMISSIONS:PATH.*\n`},
		{"no such command", []string{"-p", "stdio", "--", "no-such-command"}, 127, `pledge: no command no-such-command in PATH\n`},
		{"no such file", []string{"-p", "stdio", "--", "/no/such/file"}, 127, `pledge: cannot execute /no/such/file: no such file or directory\n`},
		{"not executable", []string{"-p", "stdio", "--", file}, 126, `pledge: cannot execute \S+: permission denied\n`},
		{"no program", []string{"-p", "stdio", "--", plain}, 126, `pledge: cannot execute \S+: it is no program .*\n`},
		{"no interpreter", []string{"-p", "stdio", "--", orphan}, 126, `pledge: cannot execute \S+: its interpreter does not exist\n`},
		{"a directory", []string{"-p", "stdio", "--", "/tmp"}, 126, `pledge: cannot execute /tmp: permission denied\n`},
	} {
		for _, how := range [][]string{nil, {"--at-exec"}} {
			t.Run(strings.TrimSpace(c.name+" "+strings.Join(how, "")), func(t *testing.T) {
				run(t, append(how, c.args...)...).want(t, c.status, ``, c.stderr)
			})
		}
	}
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGKILL, unix.SIGSEGV, unix.SIGABRT, unix.SIGPIPE, unix.SIGTERM, unix.SIGTRAP, 40} {
		t.Run(sig.String(), func(t *testing.T) {
			if r := run(t, "-p", "stdio", "--", p, "signal", strconv.Itoa(int(sig))); r.signal != sig || r.stderr != "" {
				t.Errorf("died of %v, status %d, stderr %q; want a death of %v", r.signal, r.status, r.stderr, sig)
			}
		})
	}
}

// TestViolations checks what is told, and that nothing happens.
func TestViolations(t *testing.T) {
	p := program(t)
	mkdir := func(name string) string {
		return `pledge: ` + name + `\[\d+\]: mkdir(at)?\(.*\) needs promise "cpath"\n`
	}
	base := regexp.QuoteMeta(filepath.Base(p))
	for _, c := range []struct {
		mode, promises string
		status         int
		stderr         string
	}{
		{"mkdir", "stdio", 159, mkdir(base)},
		{"threads", "stdio", 159, mkdir(base)},
		{"closes", "stdio", 159, mkdir(base)},
		{"renames", "stdio", 159, mkdir(`\\x1b\[2J\\x0a\\xff\\xc2\\x9bevil`)},
		{"flips", "stdio", 159, mkdir(base)},
		{"forks", "stdio proc", 0, `(` + mkdir(base) + `|pledge: \d+ more violations?\n)+`},
		{"exec", "stdio", 159, `pledge: ` + base + `\[\d+\]: execve\(.*\) needs promise "exec"\n`},
		{"whiteout", "stdio cpath", 159, `pledge: ` + base + `\[\d+\]: renameat2\(.*\) needs promise "dpath"\n`},
		{"int80", "stdio", 159, `pledge: ` + base + `: died of SIGSYS, .*\n`},
	} {
		t.Run(c.mode, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "made")
			run(t, "-p", c.promises, "--", p, c.mode, path).want(t, c.status, ``, c.stderr)
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s was made", path)
			}
		})
	}
	t.Run("lines are few", func(t *testing.T) {
		r := run(t, "-p", "stdio proc", "--", p, "forks", "/tmp/never")
		if n := strings.Count(r.stderr, "\n"); n >= 300 {
			t.Errorf("%d lines", n)
		}
	})
	t.Run("the promise error", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "made")
		for _, how := range []string{"--violation=kill", "--violation=log", "--at-exec"} {
			run(t, how, "-p", "stdio error", "--", p, "mkdir", path).want(t, int(unix.ENOSYS), ``, ``)
		}
		needsLandlock(t, true, "files of promises cannot be told from others")
		run(t, "-p", "stdio getpw error", "--", "getent", "passwd", "root").want(t, 0, `root:.*\n`, ``)
	})
	t.Run("errno", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "made")
		run(t, "-p", "stdio", "--violation", "errno", "--", p, "mkdir", path).want(t, int(unix.ENOSYS), ``, mkdir(base))
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made", path)
		}
	})
	t.Run("log", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "made")
		run(t, "-p", "stdio", "--violation", "log", "--", p, "mkdir", path).want(t, 3, ``, mkdir(base))
	})
	t.Run("of a child", func(t *testing.T) {
		// The program sees its child die, and goes on.
		run(t, "-p", "stdio rpath proc exec", "--", "sh", "-c", p+" mkdir /tmp/never; echo $?").want(t, 0, `137\n`, `(?s).*`+mkdir(base)+`.*`)
	})
}

// TestLibc has the C library do what OpenBSD's does under the same promises.
func TestLibc(t *testing.T) {
	p := program(t)
	for _, c := range []struct {
		function, promises string
		landlock           bool
	}{
		{"getpass", "stdio tty", true},
		{"tmpfile", "stdio tmppath", true},
		{"if_nametoindex", "stdio inet", false},
		{"if_nametoindex", "stdio rpath inet", false},
		{"getlogin", "stdio", false},
		{"fpathconf", "stdio", false},
		{"adjtime", "stdio", false},
		{"getspnam", "stdio getpw", true},
	} {
		t.Run(c.function+" "+c.promises, func(t *testing.T) {
			needsLandlock(t, c.landlock, "the promise means files")
			run(t, "-p", c.promises, "--", p, c.function).want(t, 0, ``, ``)
		})
	}
}

// TestConstructors has a library do things before the program's entry point.
func TestConstructors(t *testing.T) {
	// Not LD_PRELOAD, which a launcher with cgo would be loaded with as well.
	library := build(t, "gcc", "constructor.c", "-pthread", "-shared", "-fPIC")
	p := build(t, "gcc", "program.c", "-pthread", "-Wl,--no-as-needed", library)
	base := regexp.QuoteMeta(filepath.Base(p))
	violation := func(call string) string {
		return `pledge: ` + base + `\[\d+\]: ` + call + `\(.*\) (needs .*|is a violation before the program begins)\n(pledge: hint: .*\n)?`
	}
	foreign := `pledge: ` + base + `\[\d+\]: system call 0x[0-9a-f]+ of another architecture is a violation: no promise allows it\n`
	const threads = "stdio rpath wpath" // no files that Landlock would have to tell apart
	for _, c := range []struct {
		mode, promises string
		status         int
		stdout, stderr string
	}{
		{"mkdir", "stdio", 159, ``, violation(`mkdir(at)?`)},
		{"fork", "stdio proc", 159, ``, violation(`(clone|fork)`)},
		{"vfork", "stdio proc", 159, ``, violation(`clone`)},
		{"exec", "stdio exec", 159, ``, violation(`execve`)},
		{"x32", "stdio", 159, ``, foreign},
		{"int80", "stdio", 159, ``, foreign},
		{"seccomp", "stdio", 0, confined, ``},
		{"exit", "stdio", 42, ``, ``},
		{"working", threads, 0, confined, ``},
		{"spinning", threads, 0, confined, ``},
		{"spawning", threads, 0, confined, ``},
		{"ending", threads, 0, confined, ``},
		{"swapping", "stdio", 0, confined, ``},
		{"processors", threads, 0, confined, ``},
		{"violating", threads, 159, `(ready\n)?`, violation(`mkdir(at)?`)},
		{"spinning", "stdio", 125, ``, `pledge: a library has started threads before the program begins.*\n`},
	} {
		t.Run(c.mode+" "+c.promises, func(t *testing.T) {
			switch {
			case (c.mode == "x32" || c.mode == "int80") && runtime.GOARCH != "amd64":
				t.Skip("only amd64 has these")
			}
			needsLandlock(t, c.status == 125, "there is no ruleset that threads would need")
			path := filepath.Join(t.TempDir(), "made")
			args := []string{"-p", c.promises, "--", p}
			if c.mode == "violating" {
				args = append(args, "sleep")
			}
			cmd := start(t, args...)
			cmd.Env = append(os.Environ(), "CONSTRUCTOR="+c.mode, "VIOLATION="+path)
			end(t, cmd).want(t, c.status, c.stdout, c.stderr)
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%s was made", path)
			}
		})
	}
}

// TestInterpreter has an ELF interpreter of its own making in the place of the
// dynamic loader.
func TestInterpreter(t *testing.T) {
	interpreter := build(t, "gcc", "interpreter.c", "-nostdlib", "-shared", "-fPIC", "-fno-stack-protector", "-Wl,-e,_start")
	p := build(t, "gcc", "program.c", "-pthread", "-Wl,--dynamic-linker="+interpreter)
	violation := `pledge: \S+\[\d+\]: mkdirat\(.*\) needs promise "cpath"\n`
	const made = "/tmp/pledge-test-interpreter-violation"
	os.Remove(made)
	for _, c := range []struct {
		name, mode     string
		status         int
		stdout, stderr string
	}{
		{"violates", "v", 159, ``, violation},
		{"never gets to the entry point", "e", 7, `interpreted\n`, ``},
		{"removes the breakpoint", "m", 159, ``, violation},
		{"goes on without having been there", "x", 3, ``, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, "-p", "stdio", "--", p, c.mode).want(t, c.status, c.stdout, c.stderr)
			if os.Remove(made) == nil {
				t.Errorf("%s was made", made)
			}
		})
	}
	t.Run("unmaps the entry point", func(t *testing.T) {
		if r := run(t, "-p", "stdio", "--", p, "u"); r.signal != unix.SIGSEGV {
			t.Errorf("status %d, signal %v, stderr %q; want a death of SIGSEGV", r.status, r.signal, r.stderr)
		}
	})
}

// TestAsIfDirect checks that a program finds what it finds without a launcher.
func TestAsIfDirect(t *testing.T) {
	for _, c := range []struct{ name, shell string }{
		{"limits, mask, dispositions, ids, umask", `trap '' HUP USR1; umask 027; ulimit -Sn 300; RUN grep -E 'SigBlk|SigIgn|Umask|Groups|Uid|Gid|NoNewPrivsX|Max open' /proc/self/status /proc/self/limits | sed '/SigIgn/d'`},
		{"nice", `nice -n 5 RUN nice`},
		{"descriptors", `RUN ls /proc/self/fd 7</etc/passwd`},
		{"an inherited file", `RUN cat /dev/fd/7 7</etc/hostname`},
		{"group and session", `RUN sh -c 'cut -d" " -f5,6,7 /proc/self/stat' | sed s/^[0-9]*/G/`},
		{"environment", `env -i A=1 PATH="$PATH" RUN env`},
		{"directory", `cd /usr && RUN pwd`},
		{"arguments", `RUN printf '%s|' a '' 'b c' -x --`},
		{"name", `RUN sh -c 'cat /proc/self/comm'`},
		{"ignored SIGHUP and SIGINT", `trap '' HUP INT; RUN sh -c 'kill -HUP $$; kill -INT $$; echo alive'`},
	} {
		for _, how := range []string{"", "--at-exec"} {
			t.Run(strings.TrimSpace(c.name+" "+how), func(t *testing.T) {
				direct := shell(t, strings.ReplaceAll(c.shell, "RUN", ""))
				launched := shell(t, strings.ReplaceAll(c.shell, "RUN", command()+` run `+how+` -p "stdio rpath wpath proc exec" -- `))
				if launched != direct {
					t.Errorf("launched:\n%s\ndirect:\n%s", launched, direct)
				}
			})
		}
	}
}

// TestSignalMask checks that the program blocks the signals that the launcher
// was started with, which the Go runtime does not keep for itself.
func TestSignalMask(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.Sigset_t
	mask := unix.Sigset_t{Val: [16]uint64{1<<(unix.SIGTERM-1) | 1<<(unix.SIGTRAP-1) | 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGCHLD-1)}}
	for _, how := range []string{"", "--at-exec"} {
		args := []string{"-p", "stdio rpath", "--", "grep", "SigBlk", "/proc/self/status"}
		if how != "" {
			args = append([]string{how}, args...)
		}
		cmd := start(t, args...)
		if err := unix.PthreadSigmask(unix.SIG_SETMASK, &mask, &old); err != nil {
			t.Fatal(err)
		}
		err := cmd.Start()
		unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
		if err != nil {
			t.Fatal(err)
		}
		end(t, cmd).want(t, 0, fmt.Sprintf("SigBlk:\t%016x\n", mask.Val[0]), "")
	}
}

func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("bash", "-c", script).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
	return string(out)
}

// TestForward sends signals to the launcher.
func TestForward(t *testing.T) {
	p := program(t)
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, 40} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := start(t, "-p", "stdio", "--", p, "sleep")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
			ready := waitReady(t, cmd)
			<-ready
			// What is not lethal to a Go program may not be caught yet.
			for range 200 {
				cmd.Process.Signal(sig)
				if ended(cmd, 50*time.Millisecond) {
					break
				}
			}
			if r := end(t, cmd); r.signal != sig {
				t.Errorf("died of %v, status %d, stderr %q; want a death of %v", r.signal, r.status, r.stderr, sig)
			}
		})
	}
}

// TestUnreadReport has nobody read what the launcher says of a violation.
func TestUnreadReport(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // when it is full
	w.Write(make([]byte, 1<<20))
	cmd := start(t, "-p", "stdio", "--", program(t), "mkdir", "/tmp/never")
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	until(t, "the program has ended", func() bool { return child(cmd.Process.Pid) == 0 })
	if state(cmd.Process.Pid) == "Z" {
		t.Skip("the report fitted in")
	}
	cmd.Process.Signal(unix.SIGTERM)
	if r := end(t, cmd); r.signal != unix.SIGTERM {
		t.Errorf("status %d, signal %v; want a death of SIGTERM", r.status, r.signal)
	}
}

// ended reports whether a process is a zombie within some time.
func ended(cmd *exec.Cmd, d time.Duration) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if state(cmd.Process.Pid) == "Z" {
			return true
		}
	}
	return false
}

// state returns the state of a process as ps(1) does, "" if there is none.
func state(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if i := bytes.LastIndexByte(stat, ')'); i >= 0 {
		return string(stat[i+2 : i+3])
	}
	return ""
}

// waitReady starts a run of the program's mode sleep, and returns what is closed
// when the program is there.
func waitReady(t *testing.T, cmd *exec.Cmd) <-chan struct{} {
	t.Helper()
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		io.ReadFull(out, make([]byte, len("ready\n")))
		close(ready)
	}()
	return ready
}

// TestStop stops the program, and looks whether the launcher stops, for a shell
// to see, and both go on when one of them is told to.
func TestStop(t *testing.T) {
	p := program(t)
	for _, c := range []struct {
		name  string
		alone bool // who continues the program does not know of the launcher
	}{
		{"the launcher is continued", false},
		{"the program is continued", true},
	} {
		for _, how := range []string{"", "--at-exec"} {
			t.Run(strings.TrimSpace(c.name+" "+how), func(t *testing.T) {
				cmd := start(t, append(strings.Fields(how), "-p", "stdio", "--", p, "sleep")...)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				<-waitReady(t, cmd)
				pid := child(cmd.Process.Pid)
				continued := cmd.Process.Pid
				if c.alone {
					continued = pid
				}
				for range 3 {
					unix.Kill(pid, unix.SIGSTOP)
					until(t, "the launcher stops", func() bool { return state(cmd.Process.Pid) == "T" })
					unix.Kill(continued, unix.SIGCONT)
					until(t, "both go on", func() bool { return state(cmd.Process.Pid) != "T" && state(pid) != "T" })
				}
				unix.Kill(pid, unix.SIGSTOP) // and the end of it ends the launcher
				until(t, "the launcher stops", func() bool { return state(cmd.Process.Pid) == "T" })
				unix.Kill(pid, unix.SIGKILL)
				if r := end(t, cmd); r.signal != unix.SIGKILL {
					t.Errorf("status %d, signal %v", r.status, r.signal)
				}
			})
		}
	}
	t.Run("before the program begins", func(t *testing.T) {
		library := build(t, "gcc", "constructor.c", "-pthread", "-shared", "-fPIC")
		cmd := start(t, "-p", "stdio", "--", build(t, "gcc", "program.c", "-pthread", "-Wl,--no-as-needed", library))
		cmd.Env = append(os.Environ(), "CONSTRUCTOR=stopping")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "the launcher stops", func() bool { return state(cmd.Process.Pid) == "T" })
		unix.Kill(child(cmd.Process.Pid), unix.SIGCONT)
		end(t, cmd).want(t, 0, confined, ``)
	})
	t.Run("the launcher is init and buries orphans", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("needs root, for a pid namespace")
		}
		for _, how := range []string{"", "--at-exec"} {
			cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "exec "+command()+" run "+how+
				` -p "stdio rpath proc exec" -- sh -c '(true &); sleep 0.3; cat /proc/[0-9]*/stat | grep -c ") Z "'`)
			if out, err := cmd.CombinedOutput(); string(out) != "0\n" {
				t.Errorf("%s: %q, %v; want no zombies", how, out, err)
			}
		}
	})
	t.Run("the launcher is init", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("needs root, for a pid namespace")
		}
		cmd := exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "exec "+command()+` run -p stdio -- "$0" stop`, p)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid := 0
		until(t, "the program stops", func() bool {
			pid = child(child(cmd.Process.Pid))
			return state(pid) == "T" || state(cmd.Process.Pid) == "Z"
		})
		time.Sleep(50 * time.Millisecond) // nobody continues it
		if s := state(pid); s != "T" {
			t.Errorf("the program does not stay stopped: its state is %q", s)
		}
		unix.Kill(pid, unix.SIGCONT)
		end(t, cmd).want(t, 3, ``, ``)
	})
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting until %s: in vain", what)
		}
	}
}

// child returns the one child of a process, 0 if there is none.
func child(pid int) int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		list, _ := os.ReadFile(path)
		if fields := strings.Fields(string(list)); len(fields) > 0 {
			c, _ := strconv.Atoi(fields[0])
			return c
		}
	}
	return 0
}

// TestKilled kills or stops the launcher or its child at any moment.
func TestKilled(t *testing.T) {
	p := program(t)
	dir := t.TempDir()
	// The moments are those until the program runs: on a slow machine these are
	// more. What is least of some trials had no other delay.
	moment := limit
	for range 5 {
		cmd := start(t, "-p", "stdio", "--violation", "errno", "--", p, "sleep")
		began := time.Now()
		<-waitReady(t, cmd)
		moment = min(moment, time.Since(began))
		cmd.Process.Kill()
		end(t, cmd)
	}
	moment += moment / 2
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for _, c := range []struct {
		name     string
		launcher bool
		sig      syscall.Signal
	}{
		{"the launcher is killed", true, unix.SIGKILL},
		{"the launcher is terminated", true, unix.SIGTERM},
		{"the child is killed", false, unix.SIGKILL},
		{"the child is terminated", false, unix.SIGTERM},
		{"the child is stopped", false, unix.SIGSTOP},
		{"the launcher is terminated, --at-exec", true, unix.SIGTERM},
		{"the child is terminated, --at-exec", false, unix.SIGTERM},
		{"the child is stopped, --at-exec", false, unix.SIGSTOP},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[string]int{}
			for n := 0; n < rounds; {
				path := filepath.Join(dir, "made")
				cmd := start(t, "-p", "stdio", "--violation", "errno", "--", p, "loop", path)
				if strings.HasSuffix(c.name, "--at-exec") {
					cmd = start(t, "--at-exec", "-p", "stdio", "--violation", "errno", "--", p, "loop", path)
				}
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				var err error
				if cmd.Stderr, err = os.Create(filepath.Join(dir, "stderr")); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				launcher := cmd.Process.Pid
				time.Sleep(rand.N(moment))
				pid := child(launcher)
				target := launcher
				if !c.launcher {
					if target = pid; pid == 0 {
						cmd.Process.Kill()
						end(t, cmd)
						continue
					}
				}
				n++
				unix.Kill(target, c.sig)
				if c.sig == unix.SIGSTOP {
					time.Sleep(rand.N(moment / 4))
					continued := []int{-launcher, pid}[n%2]
					until(t, "it goes on", func() bool {
						unix.Kill(continued, unix.SIGCONT)
						return state(pid) != "T" && state(pid) != "t" && state(launcher) != "T"
					})
					unix.Kill(pid, unix.SIGKILL)
				}
				r := end(t, cmd)
				seen[fmt.Sprint(r.status, r.signal)]++
				if pid != 0 {
					until(t, "the child is gone", func() bool {
						unix.Wait4(pid, nil, unix.WNOHANG, nil)
						return state(pid) == ""
					})
				}
				if _, err := os.Lstat(path); err == nil {
					t.Fatalf("%s was made", path)
				}
				want := c.sig
				if want == unix.SIGSTOP {
					want = unix.SIGKILL
				}
				if r.signal != want {
					stderr, _ := os.ReadFile(filepath.Join(dir, "stderr"))
					t.Fatalf("status %d, signal %v, stderr %q; want a death of %v", r.status, r.signal, stderr, want)
				}
			}
			t.Log(seen)
		})
	}
}

// TestStage has the second stage of --at-exec collect its garbage all the time.
// The program is to end with the launcher.
func TestStage(t *testing.T) {
	p := program(t)
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		cmd := start(t, "--at-exec", "-p", "stdio", "--", p, "parent's end")
		cmd.Env = append(os.Environ(), "GOMEMLIMIT=4MiB")
		end(t, cmd).want(t, int(unix.SIGKILL), ``, ``)
	}
}

// TestStageSignals ends the stage by a signal while one of its threads is about
// to execute the program, and another handles the signal, which strace draws
// out: it makes the call slow by which the Go runtime dies of a signal.
func TestStageSignals(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes many rounds; this is no matter of kernels")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("no strace here")
	}
	const moment = 12 * time.Millisecond // the stage is there
	for range 80 {
		cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=tgkill", "-e", "inject=tgkill:delay_enter=30000",
			command(), "run", "--at-exec", "-p", "stdio", "--", "sleep", "200")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stage := 0
		until(t, "there is a stage", func() bool {
			stage = child(child(cmd.Process.Pid))
			return stage != 0
		})
		time.Sleep(rand.N(moment))
		unix.Kill(stage, unix.SIGTERM)
		if !ended(cmd, 20*time.Second) {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", stage))
			t.Errorf("a SIGTERM is lost; the process is %q now", strings.TrimSpace(string(name)))
			unix.Kill(stage, unix.SIGKILL)
		}
		cmd.Wait()
		if t.Failed() {
			break
		}
	}
}

// TestDaemon lets a descendant outlive the launcher: its violations fail.
func TestDaemon(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "made")
	cmd := start(t, "-p", "stdio proc", "--", program(t), "daemon", path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, outW, nil // whoever waits for the end of a pipe waits for the descendant
	end(t, cmd).want(t, 0, ``, ``)
	outW.Close()
	w.Write([]byte("x"))
	w.Close()
	got, _ := io.ReadAll(out)
	if string(got) != "Function not implemented" {
		t.Errorf("the descendant got %q; want ENOSYS", got)
	}
}

// TestNested checks that what cannot work says so and starts nothing.
func TestNested(t *testing.T) {
	p := program(t)
	all := "stdio rpath wpath cpath proc exec inet unix recvfd sendfd id prot_exec unveil"
	for _, how := range []string{"", "--at-exec"} {
		t.Run("run in run "+how, func(t *testing.T) {
			args := []string{"-p", all, "--", command(), "run", "-p", "stdio", "--", p}
			if how != "" {
				args = slices.Insert(args, 5, how)
			}
			r := run(t, args...)
			if r.status == 0 || strings.Contains(r.stdout, "hello") || !strings.HasPrefix(r.stderr, "pledge: ") {
				t.Errorf("status %d, stdout %q, stderr %q; want an error", r.status, r.stdout, r.stderr)
			}
			t.Logf("status %d: %s", r.status, r.stderr)
		})
	}
	t.Run("strace", func(t *testing.T) {
		if _, err := exec.LookPath("strace"); err != nil {
			t.Skip("no strace here")
		}
		out, err := exec.Command("strace", "-f", "-o", "/dev/null", command(), "run", "-p", "stdio", "--", p).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "cannot trace") || !strings.Contains(string(out), "--at-exec") {
			t.Errorf("%v: %s", err, out)
		}
		out, err = exec.Command("strace", "-f", "-o", "/dev/null", command(), "run", "--at-exec", "-p", "stdio", "--", p).CombinedOutput()
		if err != nil || !regexp.MustCompile(`\A`+confined+`\z`).Match(out) {
			t.Errorf("%v: %s", err, out)
		}
	})
}

//go:build amd64 || arm64

package launch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	_ "github.com/gopledge/pledge" // which knows what calls need
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":              "plain",
		"Grüße":              "Grüße",
		"\x1b[2J":            `\x1b[2J`,
		"line\nline\r\t\x7f": `line\x0aline\x0d\x09\x7f`,
		"\xff\xc2":           `\xff\xc2`,
		"\u009b":             `\xc2\x9b`,     // CSI in one character
		"\u202e":             `\xe2\x80\xae`, // from right to left
		"":                   "",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func call(name string, args ...uint64) *policy.Data {
	nr, _ := sysnum.Number(name)
	d := &policy.Data{Nr: nr, Arch: kernel.NativeArch}
	copy(d.Args[:], args)
	return d
}

func TestReplaces(t *testing.T) {
	const fd = 50
	for _, c := range []struct {
		call *policy.Data
		want bool
	}{
		{call("close", fd), true},
		{call("close", fd+1<<32), true}, // the kernel sees an int
		{call("close", fd+1), false},
		{call("dup3", 1, fd), true},
		{call("dup3", fd, 1), false},
		{call("dup", fd), false},
		{call("close_range", 3, ^uint64(0)), true},
		{call("close_range", fd, fd), true},
		{call("close_range", fd+1, ^uint64(0)), false},
		{call("close_range", 0, fd-1), false},
		{call("read", fd), false},
	} {
		if got := replaces(c.call, fd); got != c.want {
			t.Errorf("replaces(%s %#x) = %v", sysnum.Name(c.call.Nr), c.call.Args, got)
		}
	}
}

// names stands for the names of promises.
func names(promises uint64) string { return fmt.Sprintf("%#x", promises) }

func TestDescribe(t *testing.T) {
	r := &reporter{call: func(int, policy.Data) string { return "call()" }, name: names}
	prefix := fmt.Sprintf("pledge: %s[%d]: ", printable(processName(os.Getpid())), os.Getpid())
	foreign := call("read")
	foreign.Arch = unix.AUDIT_ARCH_ARM
	const rpath, wpath, cpath = 1 << 1, 1 << 2, 1 << 3
	for _, c := range []struct {
		name     string
		promises uint64
		call     *policy.Data
		want     string
	}{
		{"one promise", 0, call("mkdirat"), `call() needs promise "0x8"` + "\n"},
		{"two, all missing", 0, call("openat", 0, 0, unix.O_WRONLY|unix.O_CREAT), `call() needs promises "0xc"` + "\n"},
		{"two, one missing", wpath, call("openat", 0, 0, unix.O_WRONLY|unix.O_CREAT), `call() needs promise "0x8"` + "\n"},
		{"none", 0, call("ptrace"), "call() is a violation: no promise allows it\n"},
		{"promised, but too early", cpath, call("mkdirat"), "call() is a violation before the program begins\n"},
		{"another architecture", rpath, foreign, fmt.Sprintf("system call %#x of another architecture is a violation: no promise allows it\n", foreign.Nr)},
	} {
		r.promises = c.promises
		if got := r.describe(os.Getpid(), c.call, ""); got != prefix+c.want {
			t.Errorf("%s: %q, want %q", c.name, got, prefix+c.want)
		}
	}
	r.promises = 0
	if got := r.describe(os.Getpid(), call("listen"), ""); !strings.Contains(got, "\npledge: hint: promise ") {
		t.Errorf("several ways: %q", got)
	}
}

func TestReportsAreFew(t *testing.T) {
	var out bytes.Buffer
	r := &reporter{out: &out}
	for range 1000 {
		r.print("line\n")
	}
	if n := strings.Count(out.String(), "\n"); n != maxAhead {
		t.Errorf("%d lines, want %d", n, maxAhead)
	}
	out.Reset()
	r.last = r.last.Add(-2 * time.Second) // time goes by
	r.print("line\n")
	r.print("line\n")
	r.print("line\n")
	if got, want := out.String(), fmt.Sprintf("pledge: %d more violations\nline\nline\n", 1000-maxAhead); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	out.Reset()
	r.close()
	if got, want := out.String(), "pledge: 1 more violation\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOpenedPath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	f, err := os.Open("/usr")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := func(s string) uint64 { return stringAt(t, s) }
	cwd, fdcwd := dir, uint64(unix.AT_FDCWD&0xffffffff)
	for _, c := range []struct {
		call *policy.Data
		want string
	}{
		{call("openat", fdcwd, path("/etc/passwd")), "/etc/passwd"},
		{call("openat", fdcwd, path("/etc/../etc//./passwd")), "/etc/passwd"},
		{call("openat", fdcwd, path("x")), filepath.Join(cwd, "x")},
		{call("openat", uint64(f.Fd()), path("lib")), "/usr/lib"},
		{call("openat", uint64(f.Fd()), path("/lib")), "/lib"},
		{call("openat", 9999, path("lib")), ""},
		{call("openat", fdcwd, 0), ""},
		{call("openat", fdcwd, ^uint64(0)), ""},
		{call("mkdirat", fdcwd, path("x")), ""},
	} {
		if got := openedPath(os.Getpid(), c.call); got != c.want {
			t.Errorf("openedPath(%#x) = %q, want %q", c.call.Args, got, c.want)
		}
	}
}

// stringAt puts a string where it stays, at the end of a page that nothing
// follows, and returns the address.
func stringAt(t *testing.T, s string) uint64 {
	t.Helper()
	const page = 4096
	mem, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mprotect(mem[page:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	at := page - len(s) - 1
	copy(mem[at:], s)
	return uint64(uintptr(unsafe.Pointer(&mem[at])))
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/tool": 0o755, "b/tool": 0o755, "a/data": 0o644, "b/only": 0o755, "a/only": 0o644} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, nil, mode)
	}
	os.MkdirAll(filepath.Join(dir, "a/folder"), 0o755)
	t.Chdir(filepath.Join(dir, "b"))
	t.Setenv("PATH", filepath.Join(dir, "a")+":"+filepath.Join(dir, "b"))
	for _, c := range []struct {
		name, path string
		status     int
	}{
		{"tool", filepath.Join(dir, "a/tool"), 0},
		{"only", filepath.Join(dir, "b/only"), 0},
		{"./only", "./only", 0},
		{"data", "", StatusNotExecutable},
		{"folder", "", StatusNotFound},
		{"nothing", "", StatusNotFound},
		{"", "", StatusNotFound},
	} {
		path, err := Find(c.name)
		var e *Error
		errors.As(err, &e)
		if path != c.path || (e == nil) != (c.status == 0) || e != nil && e.Status != c.status {
			t.Errorf("Find(%q) = %q, %v", c.name, path, err)
		}
	}
	t.Setenv("PATH", ":/usr/bin")
	if path, err := Find("only"); path != "./only" || err != nil {
		t.Errorf("an empty element of PATH: %q, %v", path, err)
	}
}

//go:build linux && (amd64 || arm64)

package trace

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysargs"
)

// TestPrograms finds the promises of programs, and then holds them to these:
// with the filter in force the programs must do what they did without it. Two
// ways of holding them are tried: the tracer, which asks the compiled filter
// what becomes of each call, and pledge run.
func TestPrograms(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello from", r.URL.Path) }))
	defer server.Close()
	for _, c := range []struct {
		name   string
		args   []string
		want   string // the promises, where they are worth a thought
		varies bool   // the output is another each time
		status int
		needs  string // another program that must be there
		null   bool   // it opens /dev/null to write
	}{
		{name: "cat", args: words("cat a.txt"), want: "stdio rpath"},
		{name: "cat without files", args: words("cat"), want: "stdio"},
		{name: "ls -l", args: words("ls -l --full-time ."), want: "stdio rpath"},
		{name: "sort", args: words("sort -r a.txt"), want: "stdio rpath"},
		{name: "sort -o", args: words("sort -o sorted a.txt"), want: "stdio rpath wpath cpath"},
		{name: "grep", args: words("grep -r three ."), want: "stdio rpath"},
		{name: "grep finds nothing", args: words("grep -r nothing-of-that-kind ."), status: 1, want: "stdio rpath"},
		{name: "tar c", args: words("tar cf out.tar dir a.txt")},
		{name: "tar x", args: words("tar xf given.tar -C dir")},
		{name: "tar xz", args: words("tar xzf given.tgz -C dir"), needs: "gzip"},
		{name: "gzip", args: words("gzip -k a.txt")},
		{name: "sed", args: []string{"sed", "s/one/1/", "a.txt"}},
		{name: "sed -i", args: []string{"sed", "-i", "s/one/1/", "a.txt"}},
		{name: "cp", args: words("cp a.txt copy.txt")},
		{name: "cp -a", args: words("cp -a dir copy")},
		{name: "mv", args: words("mv a.txt moved.txt")},
		{name: "mkdir and rm", args: []string{"sh", "-c", "mkdir -p x/y && touch x/y/z && rm -r x"}},
		{name: "diff", args: words("diff a.txt b.txt"), status: 1, want: "stdio rpath"},
		{name: "find -exec", args: words("find . -name b* -exec wc -l {} ;"), want: "stdio rpath proc exec"},
		{name: "pipes", args: []string{"sh", "-c", "cat a.txt b.txt | sort | uniq -c | head -n 2"}, want: "stdio rpath proc exec"},
		{name: "awk", args: []string{"awk", "{ n += length($0) } END { print n }", "a.txt"}, want: "stdio rpath"},
		{name: "bc", args: []string{"sh", "-c", "echo 2^64 | bc"}, needs: "bc"},
		{name: "git log", args: []string{"git", "-C", "repo", "log", "--oneline"}, null: true},
		{name: "git commit", args: []string{"git", "-C", "repo", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"}},
		{name: "python3", args: []string{"/usr/bin/python3", "-c", "import os, socket; print(len(os.listdir('.')) > 0)"}},
		{name: "python3 with a child", args: []string{"/usr/bin/python3", "-c", "import subprocess; print(subprocess.check_output(['echo', 'x']))"}},
		{name: "perl", args: []string{"perl", "-e", "open F, 'a.txt'; print scalar <F>"}, want: "stdio rpath"},
		{name: "openssl", args: words("openssl dgst -sha256 a.txt")},
		{name: "openssl genrsa", args: words("openssl genrsa -out key.pem 1024")},
		{name: "curl", args: []string{"curl", "-sS", server.URL + "/curl"}},
		{name: "curl -o", args: []string{"curl", "-sS", "-o", "page", server.URL + "/curl"}},
		{name: "ps", args: words("ps ax"), varies: true},
		{name: "id", args: words("id")},
		{name: "date", args: words("date +%Y")},
		{name: "busybox", args: words("busybox ls -l a.txt")},
		{name: "busybox sh", args: []string{"busybox", "sh", "-c", "busybox sha1sum a.txt | busybox cut -c 1-4"}},
		{name: "make", args: words("make -s")},
		{name: "a Go program", args: []string{goProgram(t, "goroutines", "./testdata/goroutines")}},
		{name: "killed", args: []string{"sh", "-c", "kill -TERM $$"}, status: 128 + 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, program := range []string{c.args[0], cmp.Or(c.needs, "sh")} {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("%s is not installed", program)
				}
			}
			if c.null && pledge.Supported().Landlock == 0 {
				t.Skip("this kernel has no Landlock, which tells /dev/null from other files")
			}
			bare := inFiles(t, c.args, func(cmd *exec.Cmd) int {
				cmd.Run()
				return status(cmd.ProcessState.Sys().(syscall.WaitStatus))
			})
			if bare.status != c.status {
				t.Fatalf("without tracer: status %d\n%s", bare.status, bare.err)
			}
			var report *Report
			traced := inFiles(t, c.args, func(cmd *exec.Cmd) int {
				var err error
				if report, err = Run(cmd, 0); err != nil {
					t.Fatal(err)
				}
				return report.Status
			})
			t.Logf("promises %q", report.Promises)
			if len(report.Never) > 0 {
				t.Fatalf("no promise allows %v", report.Never)
			}
			if c.want != "" && report.Promises != c.want {
				t.Errorf("promises %q, want %q: %+v", report.Promises, c.want, report.Needs)
			}
			compare(t, "traced", bare, traced, c.varies)

			var violations []string
			held := inFiles(t, c.args, func(cmd *exec.Cmd) int {
				var s int
				s, violations = hold(t, cmd, report.Set)
				return s
			})
			for _, v := range violations {
				t.Errorf("under %q: %s", report.Promises, v)
			}
			compare(t, fmt.Sprintf("under %q", report.Promises), bare, held, c.varies)

			t.Run("run", func(t *testing.T) {
				command := pledgeCommand(t)
				run := inFiles(t, append([]string{command, "run", "-p", report.Promises, "--"}, c.args...), func(cmd *exec.Cmd) int {
					cmd.Run()
					return status(cmd.ProcessState.Sys().(syscall.WaitStatus))
				})
				compare(t, fmt.Sprintf("pledge run -p %q", report.Promises), bare, run, c.varies)
			})
		})
	}
}

// hold runs a program as if the filter for a set were installed in it, and
// returns its status and its violations.
func hold(t *testing.T, cmd *exec.Cmd, set pledge.Set) (status int, violations []string) {
	tr := newTracer(0)
	var held *bridge.Confinement
	var filter []bpf.Insn
	tr.decide = func(th *thread, d *policy.Data) syscall.Errno {
		if held == nil {
			var err error
			if held, err = bridge.Confine(bridge.Target{Promises: uint64(set), Violation: policy.Notify}); err == nil {
				filter, err = held.Compile(tr.root)
			}
			if err != nil {
				t.Error(err)
				return unix.EPERM
			}
		}
		v := bpf.Run(filter, d)
		if file := th.call.file(); v == policy.Notify && file != "" {
			v = held.Open(d, file)
		}
		if e, ok := v.Errno(); ok {
			return syscall.Errno(e)
		}
		if v != policy.Allow {
			violations = append(violations, sysargs.Format(*d, th.memory()))
			return unix.EPERM
		}
		return 0
	}
	rep, err := tr.run(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return rep.Status, violations
}

type outcome struct {
	status   int
	out, err string
}

func compare(t *testing.T, how string, want, got outcome, varies bool) {
	t.Helper()
	if got.status != want.status || got.out != want.out && !varies {
		t.Errorf("%s: status %d, want %d; output\n%swant\n%serrors\n%s", how, got.status, want.status, got.out, want.out, got.err)
	}
}

func status(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// inFiles runs a program in a directory with some files.
func inFiles(t *testing.T, args []string, run func(*exec.Cmd) int) outcome {
	// Not in /tmp, where tmppath would be an alternative.
	dir, err := os.MkdirTemp("/var/tmp", "pledge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	work := filepath.Join(dir, "work")
	for _, f := range []struct{ name, content string }{ // in one order, which directories may keep
		{"a.txt", "one\ntwo\nthree\n"}, {"b.txt", "one\n2\nthree\n"}, {"dir/c.txt", "c\n"}, {"dir/d/e.txt", "e\n"},
		{"Makefile", "all:\n\t@cat a.txt | wc -l\n"},
	} {
		name := filepath.Join(work, f.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(f.content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A listing is to be the same the next minute.
	for _, name := range words("a.txt b.txt dir/c.txt dir/d/e.txt dir/d dir Makefile .") {
		then := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		if err := os.Chtimes(filepath.Join(work, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	for program, script := range map[string]string{
		"tar": "tar cf given.tar a.txt b.txt; ! command -v gzip >&2 || tar czf given.tgz a.txt b.txt",
		"git": "git init -q repo && cd repo && echo x >f && git add f && git -c user.name=a -c user.email=a@b commit -q -m first --date 2020-01-01T00:00:00Z",
	} {
		if !slices.Contains(args, program) {
			continue
		}
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir, cmd.Env = work, append(os.Environ(), "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	stdout, stderr := newFile(t, dir, "stdout"), newFile(t, dir, "stderr")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = work, stdout, stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	o := outcome{status: run(cmd)}
	o.out, o.err = content(t, stdout), content(t, stderr)
	return o
}

func newFile(t *testing.T, dir, name string) *os.File {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func content(t *testing.T, f *os.File) string {
	defer f.Close()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func words(s string) []string { return strings.Fields(s) }

// programs are built only once, and not at all where $PLEDGE_PROGRAMS names a
// folder that has them: there need be no go command then.
var programs struct {
	sync.Mutex
	dir   string
	built map[string]error
}

// goProgram builds a Go program with the name. Without a go command its file is
// not there.
func goProgram(t *testing.T, name, path string) string {
	if dir := os.Getenv("PLEDGE_PROGRAMS"); dir != "" {
		return filepath.Join(dir, name)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "the go command, to build " + name + ","
	}
	programs.Lock()
	defer programs.Unlock()
	if programs.dir == "" {
		var err error
		if programs.dir, err = os.MkdirTemp("", "pledge"); err != nil {
			t.Fatal(err)
		}
		programs.built = map[string]error{}
	}
	file := filepath.Join(programs.dir, name)
	err, ok := programs.built[name]
	if !ok {
		var out []byte
		if out, err = exec.Command("go", "build", "-o", file, path).CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		programs.built[name] = err
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// removeBuilt removes what was built.
func removeBuilt() {
	if programs.dir != "" {
		os.RemoveAll(programs.dir)
	}
}

// pledgeCommand is the command.
func pledgeCommand(t *testing.T) string {
	name := goProgram(t, "pledge", "../../cmd/pledge")
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, _ := exec.Command(name, "run", "-p", "stdio", "--", "true").CombinedOutput(); bytes.Contains(out, []byte("not part of this build")) {
		t.Skip("pledge run is not part of this build")
	}
	return name
}

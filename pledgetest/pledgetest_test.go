//go:build unix

package pledgetest_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/pledgetest"
)

// supported skips a test on systems that cannot enforce promises.
func supported(t *testing.T) {
	if !pledge.Supported().Seccomp {
		t.Skip("this system has no seccomp filters")
	}
}

// inChild says whether this process is a child, which comes by what stands
// before the call, too.
func inChild() bool { return os.Getenv("PLEDGETEST_CALL") != "" }

func TestEndings(t *testing.T) {
	supported(t)
	for _, c := range []struct {
		name string
		f    func() error
		want func(r *pledgetest.Result)
	}{
		{"nil is ok", func() error { fmt.Println("here"); return nil }, func(r *pledgetest.Result) { r.OK().Printed("here") }},
		{"a violation kills", func() error { return os.Mkdir("/nonexistent/x", 0o700) }, func(r *pledgetest.Result) { r.Killed() }},
		{"an errno is handed on", func() error { return &os.PathError{Op: "x", Path: "y", Err: syscall.EXDEV} }, func(r *pledgetest.Result) { r.Failed(syscall.EXDEV) }},
		{"os.Exit is an exit", func() error { os.Exit(7); return nil }, func(r *pledgetest.Result) { r.Exited(7) }},
		{"a panic is exit 2", func() error { panic("no") }, func(r *pledgetest.Result) { r.Exited(2).Printed("panic: no") }},
		{"another signal", func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }, func(r *pledgetest.Result) { r.KilledBy(syscall.SIGKILL) }},
	} {
		t.Run(c.name, func(t *testing.T) { c.want(pledgetest.Run(t, "stdio", c.f)) })
	}
}

// TestSeveralCalls: each call of a test is told from the others.
func TestSeveralCalls(t *testing.T) {
	supported(t)
	dir := t.TempDir()
	for i := range 3 {
		r := pledgetest.Run(t, "stdio rpath", func() error { fmt.Print("call ", i); _, err := os.Stat(dir); return err }).OK()
		if want := fmt.Sprint("call ", i); !inChild() && r.Stdout != want {
			t.Errorf("call %d printed %q", i, r.Stdout)
		}
	}
}

// TestOtherOrder: a child that makes the calls in another order than its parent,
// or not all of them, still runs the one that it is for.
func TestOtherOrder(t *testing.T) {
	supported(t)
	prints := func(t *testing.T, promises, text string, f func() error) {
		r := pledgetest.Run(t, promises, f).OK()
		if !inChild() && r.Stdout != text {
			t.Errorf("the call that prints %q printed %q", text, r.Stdout)
		}
	}
	// order is that of ranging over a map, as bad as it can be.
	order := func(these ...string) []string {
		if inChild() {
			slices.Reverse(these)
		}
		return these
	}
	t.Run("promises", func(t *testing.T) {
		for _, promises := range order("stdio", "stdio rpath", "stdio wpath") {
			prints(t, promises, promises, func() error { fmt.Print(promises); return nil })
		}
	})
	t.Run("functions", func(t *testing.T) {
		functions := map[string]func() error{
			"a": func() error { fmt.Print("a"); return nil },
			"b": func() error { fmt.Print("b"); return nil },
		}
		for _, name := range order("a", "b") {
			prints(t, "stdio", name, functions[name])
		}
	})
	t.Run("lines", func(t *testing.T) {
		for _, name := range order("a", "b") {
			print := func() error { fmt.Print(name); return nil }
			var r *pledgetest.Result
			if name == "a" {
				r = pledgetest.Run(t, "stdio", print).OK()
			} else {
				r = pledgetest.Run(t, "stdio", print).OK()
			}
			if !inChild() && r.Stdout != name {
				t.Errorf("the call that prints %q printed %q", name, r.Stdout)
			}
		}
	})
	t.Run("a call that only the parent makes", func(t *testing.T) {
		rec := &recorder{TB: t}
		if !inChild() {
			rec.run(func() { pledgetest.Run(rec, "stdio", func() error { return nil }) })
			if !strings.Contains(rec.fatal, "never reached") {
				t.Errorf("the test ended with %q, want that the call was never reached", rec.fatal)
			}
		}
		pledgetest.Run(t, "stdio", func() error { return nil }).OK()
	})
}

// again names the test that runTest has started a test binary for.
const again = "PLEDGETEST_AGAIN"

// runTest returns a command that runs a test that does nothing otherwise.
func runTest(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"-test.run=^" + name + "$"}, args...)...)
	cmd.Env = append(os.Environ(), again+"="+name)
	return cmd
}

var (
	word  = flag.String("word", "", "a flag of this test")
	yes   = flag.Bool("yes", false, "another")
	words []string
)

func init() {
	flag.Func("add", "one that is given several times", func(s string) error { words = append(words, s); return nil })
}

// TestFlags: a child has the flags of its parent that tests look at.
func TestFlags(t *testing.T) {
	supported(t)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"none", nil, `short=false word="" yes=false add=[] args=[]`},
		{"-test.short", []string{"-test.short"}, `short=true word="" yes=false add=[] args=[]`},
		{"the test's own", []string{"-word", "-yes", "-yes", "--add=1", "-test.v", "-test.skip", "-word", "-add", "2"}, `short=false word="-yes" yes=true add=["1" "2"] args=[]`},
		{"arguments", []string{"-yes=true", "a", "-test.short"}, `short=false word="" yes=true add=[] args=["a" "-test.short"]`},
		{"arguments after --", []string{"--", "-yes"}, `short=false word="" yes=false add=[] args=["-yes"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := runTest(t, "TestPrintFlags", c.args...)
			out, err := cmd.CombinedOutput()
			if want := "child: " + c.want + "\n"; err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v, %s; want %q", err, out, want)
			}
		})
	}
}

// TestPrintFlags is what TestFlags starts.
func TestPrintFlags(t *testing.T) {
	if os.Getenv(again) != t.Name() {
		t.Skip("for TestFlags")
	}
	r := pledgetest.Run(t, "stdio", func() error {
		_, err := fmt.Printf("short=%v word=%q yes=%v add=%q args=%q\n", testing.Short(), *word, *yes, words, flag.Args())
		return err
	}).OK()
	fmt.Print("child: ", r.Stdout)
}

// TestLeftOver: a variable that names a call makes a child only of a process that
// pledgetest has started.
func TestLeftOver(t *testing.T) {
	supported(t)
	for _, c := range []struct {
		name string
		env  []string
	}{
		{"in what a child starts", nil},
		{"of another process", []string{"PLEDGETEST_CALL=1 TestFails"}},
		{"of no process", []string{"PLEDGETEST_CALL=TestFails#2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pledgetest.Child(t, func() error {
				cmd := runTest(t, "TestFails")
				cmd.Env = append(cmd.Env, c.env...)
				out, err := cmd.CombinedOutput()
				if err == nil || !strings.Contains(string(out), "error: this fails") {
					return fmt.Errorf("%v, %s; want that the test fails", err, out)
				}
				return nil
			}).OK()
		})
	}
}

// TestFails is what TestLeftOver starts.
func TestFails(t *testing.T) {
	if os.Getenv(again) != t.Name() {
		t.Skip("for TestLeftOver")
	}
	pledgetest.Run(t, "stdio", func() error { return errors.New("this fails") }).OK()
}

// recorder is a testing.TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	failed bool
	fatal  string
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run runs f, which may end by Fatalf. In a child it is the test's own goroutine
// that runs it, for the sake of what f does there.
func (r *recorder) run(f func()) {
	if inChild() {
		f()
		return
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// TestAssertionsCanFail: each assertion says no to what it is not about.
func TestAssertionsCanFail(t *testing.T) {
	supported(t)
	endings := map[string]func() error{
		"ok":     func() error { return nil },
		"killed": func() error { return os.Mkdir("/nonexistent/x", 0o700) },
		"failed": func() error { return syscall.EXDEV },
		"exited": func() error { os.Exit(7); return nil },
	}
	for _, ending := range []string{"ok", "killed", "failed", "exited"} {
		rec := &recorder{TB: t}
		r := pledgetest.Run(rec, "stdio", endings[ending])
		if inChild() {
			continue
		}
		for name, assert := range map[string]func(){
			"ok":     func() { r.OK() },
			"killed": func() { r.Killed() },
			"failed": func() { r.Failed(syscall.EXDEV) },
			"exited": func() { r.Exited(7) },
		} {
			rec.failed = false
			assert()
			if rec.failed == (name == ending) {
				t.Errorf("a child that %s: the assertion that it %s said %v", ending, name, !rec.failed)
			}
		}
	}
}

func TestPledgeErrorsAreReported(t *testing.T) {
	supported(t)
	rec := &recorder{TB: t}
	r := pledgetest.Run(rec, "stdio nonsense", func() error { return errors.New("not reached") })
	if inChild() {
		return
	}
	if want := `cannot pledge: pledge: unknown promise "nonsense"`; !strings.Contains(r.Err, want) {
		t.Errorf("the error is %q, want one with %q", r.Err, want)
	}
	refuse(t, rec, map[string]func(){
		"OK":     func() { r.OK() },
		"Killed": func() { r.Killed() },
		"Failed": func() { r.Failed(r.Errno) }, // the function has not failed: it did not run
		"Exited": func() { r.Exited(r.ExitCode) },
	})
}

// refuse checks that none of the assertions accepts a result.
func refuse(t *testing.T, rec *recorder, assertions map[string]func()) {
	t.Helper()
	for name, assert := range assertions {
		rec.failed = false
		if assert(); !rec.failed {
			t.Errorf("%s accepts it", name)
		}
	}
}

// TestNeverReached: a child that ends before the call says nothing about the
// function, however it ends.
func TestNeverReached(t *testing.T) {
	supported(t)
	for _, c := range []struct {
		name  string
		setUp func(t *testing.T) // in the child
		says  string
	}{
		{"t.Fatal, which is exit 1", func(t *testing.T) { t.Fatal("no set-up") }, "exit status 1"},
		{"a panic, which is exit 2", func(*testing.T) { panic("no set-up") }, "exit status 2"},
		{"t.Skip, which is exit 0", func(t *testing.T) { t.Skip("no set-up") }, "never reached"},
		{"a violation in a child that has pledged before", func(t *testing.T) {
			if err := pledge.Pledge("stdio"); err != nil {
				t.Fatal(err)
			}
			os.Mkdir("/nonexistent/x", 0o700)
		}, "killed by signal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if inChild() {
				c.setUp(t)
			}
			rec := &recorder{TB: t}
			rec.run(func() { pledgetest.Run(rec, "stdio", func() error { return nil }) })
			if !strings.Contains(rec.fatal, "never reached") || !strings.Contains(rec.fatal, c.says) {
				t.Errorf("the test ended with %q, want that the call was never reached, and %q", rec.fatal, c.says)
			}
		})
	}
}

// TestFailuresInside: a test that f fails in the child is an error of f.
func TestFailuresInside(t *testing.T) {
	supported(t)
	const says = "t.Error, t.Fail"
	for _, c := range []struct {
		name string
		f    func(t *testing.T) error
		ok   bool // OK holds
		says string
	}{
		{"t.Error and nil", func(t *testing.T) error { t.Error("no"); return nil }, false, says},
		{"t.Fail and nil", func(t *testing.T) error { t.Fail(); return nil }, false, says},
		{"t.Error and an errno, which is not the one that was wanted", func(t *testing.T) error { t.Error("no"); return syscall.EXDEV }, false, says},
		{"t.Log is no failure", func(t *testing.T) error { t.Log("yes"); return nil }, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &recorder{TB: t}
			r := pledgetest.Run(rec, "stdio", func() error { return c.f(t) })
			if inChild() {
				return
			}
			if r.OK(); rec.failed == c.ok {
				t.Errorf("%v: OK failed: %v", r, rec.failed)
			}
			rec.failed = false
			if r.Failed(syscall.EXDEV); !rec.failed {
				t.Errorf("%v: the errno is taken for what the function should return", r)
			}
			if !strings.Contains(r.Err, c.says) {
				t.Errorf("the error is %q, want one with %q", r.Err, c.says)
			}
		})
	}
	t.Run("what had failed before is not the function's", func(t *testing.T) {
		if inChild() {
			t.Error("before")
		}
		pledgetest.Run(t, "stdio", func() error { return nil }).OK()
	})
}

// TestChild: a child begins where its parent did, and writes no coverage under
// its promises.
func TestChild(t *testing.T) {
	supported(t)
	if !inChild() {
		t.Setenv("GOCOVERDIR", t.TempDir())
		t.Chdir("/")
	}
	pledgetest.Run(t, "stdio", func() error {
		if dir := os.Getenv("GOCOVERDIR"); dir != "" {
			return fmt.Errorf("coverage goes to %s", dir)
		}
		return nil
	}).OK()
}

// TestNothingInherited: what a child starts does not keep the parent waiting.
func TestNothingInherited(t *testing.T) {
	supported(t)
	began := time.Now()
	r := pledgetest.Child(t, func() error { return exec.Command("sleep", "60").Start() })
	if r.OK(); time.Since(began) > 30*time.Second {
		t.Error("a program that the child left running was waited for")
	}
}

// Package pledgetest runs functions in pledged child processes and says how
// they ended. Promises cannot be taken back, so a test must not pledge its own
// process:
//
//	func TestLoadNeedsOnlyRpath(t *testing.T) {
//		pledgetest.Run(t, "stdio rpath", func() error {
//			_, err := config.Load("testdata/good.conf")
//			return err
//		}).OK()
//
//		pledgetest.Run(t, "stdio", func() error {
//			_, err := config.Load("testdata/good.conf")
//			return err
//		}).Killed()
//	}
//
// The child is the test binary itself, started anew with -test.run set to the
// running test: it executes the test from its beginning up to the same call,
// runs the function there and exits. So what stands before the call runs in
// the child too, unpledged; other calls of this package return there without
// doing anything. It gets -test.short and the test's own flags and arguments.
// Tests that call t.Parallel or are subtests work; the names of subtests must be
// the same in each run. Calls are told apart by their lines, promises and
// functions: where these are the same, as in a loop, their order must be, too, so
// do not range over a map there.
//
// Benchmarks cannot use the package, nor fuzz targets while they fuzz: -test.run
// does not select what they run. The seeds of a fuzz target in a usual test can.
package pledgetest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gopledge/pledge"
)

// env tells a child its parent's process id and, after a blank, the call that it
// is to run, as start puts it together.
const env = "PLEDGETEST_CALL"

// wanted is the call that this process is to run, "" if it is no child. What a
// child starts inherits the variable, but has another parent.
var wanted string

// Timeout is how long a child may take before it is killed and the test fails.
const Timeout = 2 * time.Minute

// dir is where the test binary was started.
var dir, _ = os.Getwd()

// calls counts the calls of this package by what tells them apart but for the
// number: a child may come by other calls first, or in another order.
var calls struct {
	sync.Mutex
	of map[string]int
}

// A Result is how a child ended. Its methods assert; each returns the Result,
// so that they can be chained.
type Result struct {
	ExitCode int            // the exit status, -1 if a signal ended the child
	Signal   syscall.Signal // the signal that ended it, 0 if it exited
	Err      string         // what the function returned, as text; "" for nil
	Errno    syscall.Errno  // the errno in that error's tree, 0 if there is none
	Stdout   string         // all that it wrote
	Stderr   string

	t        testing.TB
	what     string
	inChild  bool
	finished bool // the function returned, or did not run
	bare     bool // it did not run: the child could not be pledged
}

// errBare is in the tree of the error of a child that could not be pledged.
var errBare = errors.New("pledgetest: cannot pledge")

// Run pledges a child to promises and runs f in it, in a goroutine of its own: f
// must not call methods of t that end the test. It should return what is wrong:
// what it says by t.Error is not seen, and counts as an error only if f returns.
// If the child cannot be pledged, f does not run, and the error is the Result's,
// which none of its assertions but Printed accepts. A child that cannot be
// started, ends before it comes to f, or takes longer than [Timeout] ends the
// test (t.Fatal). TMPDIR is a directory of the test there, the working directory
// that of the test binary's start.
func Run(t testing.TB, promises string, f func() error) *Result {
	t.Helper()
	return start(t, fmt.Sprintf("under %q", promises), f, func() error {
		if err := pledge.Pledge(promises); err != nil {
			return fmt.Errorf("%w: %w", errBare, err)
		}
		return f()
	})
}

// Child runs f in a child that is not pledged; f does that itself.
func Child(t testing.TB, f func() error) *Result {
	t.Helper()
	return start(t, "in a child", f, f)
}

// start has a child run do, for the caller of its caller, who gave f.
func start(t testing.TB, what string, f, do func() error) *Result {
	t.Helper()
	_, file, line, _ := runtime.Caller(2)
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	id := fmt.Sprintf("%s, %s:%d, %s %s", t.Name(), filepath.Base(file), line, name, what)
	calls.Lock()
	if calls.of == nil {
		calls.of = map[string]int{}
	}
	if calls.of[id] == 0 { // with -count the same test begins again
		kind := id
		t.Cleanup(func() {
			calls.Lock()
			delete(calls.of, kind)
			calls.Unlock()
		})
	}
	calls.of[id]++
	id += " #" + strconv.Itoa(calls.of[id])
	calls.Unlock()

	if wanted == id {
		runChild(t, do)
	} else if wanted != "" {
		return &Result{t: t, what: what, inChild: true}
	}
	return runParent(t, id, what)
}

// report is the descriptor on which a child tells that it has begun and, after
// that, what f returned: "began", then "returned" or "bare", the errno and the
// text. What the child starts must not have it: the parent reads until it is
// closed.
const report = 3

// began is written before the pledge, after which writing may be forbidden.
const began = "began "

func init() {
	parent, call, ok := strings.Cut(os.Getenv(env), " ")
	if !ok || parent != strconv.Itoa(os.Getppid()) {
		os.Unsetenv(env)
		return
	}
	wanted = call
	syscall.CloseOnExec(report)
}

// runChild runs f, tells the parent what it returned, and exits.
func runChild(t testing.TB, f func() error) {
	out := os.NewFile(report, "report")
	if _, err := out.WriteString(began); err != nil {
		t.Fatalf("pledgetest: %v", err)
	}
	failed := t.Failed()
	err := inGoroutine(f)
	if !failed && t.Failed() {
		// The parent's t knows nothing of it. Nor is the message to be had: package
		// testing prints it after the test's cleanups, which are not to run here.
		const text = "pledgetest: the function failed the test by t.Error, t.Fail or a data race; have it return an error, which the parent prints"
		if err == nil {
			err = errors.New(text)
		} else {
			err = fmt.Errorf("%s; its error was: %v", text, err) // with no errno for Failed
		}
	}
	var errno syscall.Errno
	errors.As(err, &errno)
	msg := ""
	if err != nil {
		msg = err.Error()
		if msg == "" {
			msg = "(an error without text)"
		}
	}
	how := "returned"
	if errors.Is(err, errBare) {
		how = "bare"
	}
	fmt.Fprintf(out, "%s %d %s", how, int(errno), msg)
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// inGoroutine runs f in a goroutine of its own, not in the test's: if f panics,
// the child ends there, and the test's cleanups, which may break promises, do
// not run.
func inGoroutine(f func() error) error {
	result := make(chan error)
	go func() {
		returned := false
		defer func() {
			if returned {
				return
			}
			if p := recover(); p != nil {
				panic(p)
			}
			result <- errors.New("pledgetest: the function did not return; t.FailNow and t.Skip cannot be used in it")
		}()
		err := f()
		returned = true
		result <- err
	}()
	return <-result
}

func runParent(t testing.TB, id, what string) *Result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("pledgetest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("pledgetest: %v", err)
	}
	defer r.Close()

	var stdout, stderr bytes.Buffer
	args := []string{"-test.run=" + pattern(t.Name()), "-test.count=1", "-test.parallel=1", "-test.cpu=" + strconv.Itoa(runtime.GOMAXPROCS(0))}
	cmd := exec.CommandContext(ctx, self, append(args, ownArgs(os.Args[1:])...)...)
	// A child that is killed, or may not remove files, leaves its t.TempDir
	// behind: have it inside one of ours.
	cmd.Env = append(os.Environ(), env+"="+strconv.Itoa(os.Getpid())+" "+id, "TMPDIR="+t.TempDir(),
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0", // the race detector waits a second at exit
		"GOCOVERDIR=") // where coverage would be written at exit, under the promises
	cmd.Dir = dir // a test that has changed it does so again in the child
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.WaitDelay = 5 * time.Second
	// So that a parent that go test's -timeout ends does not leave it running. It
	// dies with the thread that started it, which therefore must not end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dieWithParent(cmd)
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatalf("pledgetest: cannot start the child: %v", err)
	}
	told, _ := io.ReadAll(r)
	waitErr := cmd.Wait()
	if ctx.Err() != nil {
		t.Fatalf("%s: the child did not end within %v\nstdout: %s\nstderr: %s", what, Timeout, stdout.String(), stderr.String())
	}
	var exit *exec.ExitError
	if waitErr != nil && !errors.As(waitErr, &exit) {
		t.Fatalf("pledgetest: waiting for the child: %v", waitErr)
	}

	res := &Result{t: t, what: what, Stdout: stdout.String(), Stderr: stderr.String()}
	res.ExitCode = cmd.ProcessState.ExitCode()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		res.Signal = ws.Signal()
	}
	tale, ok := strings.CutPrefix(string(told), began)
	if !ok { // how it ended says nothing about the function then
		t.Fatalf("pledgetest: the child never reached the call (%s): %s\nstdout: %s\nstderr: %s", id, res, res.Stdout, res.Stderr)
	}
	if part := strings.SplitN(tale, " ", 3); len(part) == 3 {
		res.finished, res.bare = true, part[0] == "bare"
		n, _ := strconv.Atoi(part[1])
		res.Errno, res.Err = syscall.Errno(n), part[2]
	}
	return res
}

// ownArgs returns those of a test binary's arguments that tests may look at:
// -test.short, the flags that are not package testing's, and what follows the
// flags. They are handed on as they are, since the value of a flag need not have
// a text that sets it again.
func ownArgs(args []string) []string {
	var own []string
	flags := max(0, len(args)-flag.NArg())
	rest := args[flags:]
	for args = args[:flags]; len(args) > 0; {
		n := 1
		name, _, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(args[0], "-"), "-"), "=")
		if f := flag.Lookup(name); f != nil && !hasValue {
			if b, ok := f.Value.(interface{ IsBoolFlag() bool }); !ok || !b.IsBoolFlag() {
				n = min(2, len(args))
			}
		}
		if !strings.HasPrefix(name, "test.") || name == "test.short" {
			own = append(own, args[:n]...)
		}
		args = args[n:]
	}
	return append(own, rest...)
}

// pattern returns the -test.run argument that selects the named test alone.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

func (r *Result) fail(want string) {
	r.t.Helper()
	r.t.Errorf("%s: %s, want %s\nstdout: %s\nstderr: %s", r.what, r, want, r.Stdout, r.Stderr)
}

// String says how the child ended.
func (r *Result) String() string {
	switch {
	case r.Signal != 0 && r.finished:
		return "killed by signal " + r.Signal.String() + " after the function had returned"
	case r.Signal != 0:
		return "killed by signal " + r.Signal.String()
	case r.finished && r.Err == "" && r.ExitCode == 0:
		return "ok"
	case r.finished && r.Err != "":
		return "error: " + r.Err
	}
	return fmt.Sprintf("exit status %d", r.ExitCode)
}

// OK asserts that the function returned nil.
func (r *Result) OK() *Result {
	r.t.Helper()
	if !r.inChild && (!r.finished || r.Err != "" || r.Signal != 0 || r.ExitCode != 0) {
		r.fail("ok")
	}
	return r
}

// Killed asserts that the child was killed for a violation: by SIGSYS on Linux,
// by SIGABRT on OpenBSD.
func (r *Result) Killed() *Result {
	r.t.Helper()
	return r.KilledBy(violation)
}

// KilledBy asserts that the child was killed by the signal, before the function
// returned.
func (r *Result) KilledBy(s syscall.Signal) *Result {
	r.t.Helper()
	if !r.inChild && (r.finished || r.Signal != s) {
		r.fail("killed by signal " + s.String())
	}
	return r
}

// Failed asserts that the function returned an error with the errno in its
// tree.
func (r *Result) Failed(errno syscall.Errno) *Result {
	r.t.Helper()
	if !r.inChild && (!r.finished || r.bare || r.Signal != 0 || r.Err == "" || r.Errno != errno) {
		r.fail("error: " + errno.Error())
	}
	return r
}

// Exited asserts that the child exited with the status by itself, without the
// function returning: by os.Exit or a panic.
func (r *Result) Exited(status int) *Result {
	r.t.Helper()
	if !r.inChild && (r.finished || r.Signal != 0 || r.ExitCode != status) {
		r.fail("exit status " + strconv.Itoa(status))
	}
	return r
}

// Printed asserts that the child's standard output or error contains text.
func (r *Result) Printed(text string) *Result {
	r.t.Helper()
	if !r.inChild && !strings.Contains(r.Stdout, text) && !strings.Contains(r.Stderr, text) {
		r.fail("output with " + strconv.Quote(text))
	}
	return r
}

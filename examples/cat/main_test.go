//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain makes the test binary the program itself when the tests start it
// anew, so that they need no go command.
func TestMain(m *testing.M) {
	if os.Getenv("CAT_TEST_MAIN") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "CAT_TEST_MAIN=1")
	return cmd
}

// run runs cmd and returns what it printed and how it ended.
func run(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, status syscall.WaitStatus) {
	t.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &errs
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// write makes a file of the test and returns its name.
func write(t *testing.T, content string) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

var long = strings.Repeat("a line that is one of many\n", 100_000)

func TestFiles(t *testing.T) {
	cmd := command(t, write(t, "one\n"), "-", write(t, long))
	cmd.Stdin = strings.NewReader("two\n")
	stdout, stderr, status := run(t, cmd)
	if stdout != "one\ntwo\n"+long || stderr != "" || status != 0 {
		t.Errorf("printed %d bytes and %q, status %#x; want %d bytes and nothing, status 0", len(stdout), stderr, status, len("one\ntwo\n"+long))
	}
}

func TestStdin(t *testing.T) {
	for name, stdin := range map[string]io.Reader{
		"pipe":  strings.NewReader(long), // os/exec makes a pipe of it
		"file":  open(t, write(t, long)),
		"empty": nil, // /dev/null
	} {
		t.Run(name, func(t *testing.T) {
			want := long
			if stdin == nil {
				want = ""
			}
			cmd := command(t)
			cmd.Stdin = stdin
			stdout, stderr, status := run(t, cmd)
			if stdout != want || stderr != "" || status != 0 {
				t.Errorf("printed %d bytes and %q, status %#x; want %d bytes and nothing, status 0", len(stdout), stderr, status, len(want))
			}
		})
	}
}

// Each kind of descriptor has its own fast path in io.Copy.
func TestStdout(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "out")
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd := command(t, write(t, long))
		cmd.Stdout = f
		if _, stderr, status := run(t, cmd); stderr != "" || status != 0 {
			t.Errorf("status %#x, %q", status, stderr)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != long {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(long))
		}
	})
	t.Run("closed pipe", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		r.Close()
		cmd := command(t, write(t, long))
		cmd.Stdout = w
		if _, stderr, status := run(t, cmd); status.Signal() != syscall.SIGPIPE {
			t.Errorf("status %#x, %q; want SIGPIPE", status, stderr)
		}
	})
}

func TestMissingFile(t *testing.T) {
	stdout, stderr, status := run(t, command(t, filepath.Join(t.TempDir(), "nosuchfile"), write(t, "after\n")))
	if stdout != "after\n" || !strings.HasPrefix(stderr, "cat: open ") || !strings.Contains(stderr, "nosuchfile: no such file") || status.ExitStatus() != 1 {
		t.Errorf("printed %q and %q, status %#x; want the other file, a message and exit status 1", stdout, stderr, status)
	}
}

func TestViolation(t *testing.T) {
	file := write(t, "printed before\n")
	for _, test := range []struct {
		name, promises string
		args           []string
	}{
		{"file", "stdio rpath", []string{file}},
		{"stdin", "stdio", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := command(t, append([]string{"-violate"}, test.args...)...)
			cmd.Stdin = open(t, file)
			stdout, stderr, status := run(t, cmd)
			if stdout != "printed before\n" {
				t.Errorf("printed %q before the violation", stdout)
			}
			if want := "cat: opening a socket, which \"" + test.promises + "\" does not promise\n"; stderr != want {
				t.Errorf("printed %q, want %q", stderr, want)
			}
			if status.Signal() != syscall.SIGSYS {
				t.Errorf("status %#x, want SIGSYS", status)
			}
		})
	}
}

//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain makes the test binary the program itself when the tests start it
// anew, so that they need no go command.
func TestMain(m *testing.M) {
	if os.Getenv("SHELL_TEST_MAIN") == "1" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestShell(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const sigsys = 128 + 31
	for _, test := range []struct {
		name   string
		args   []string
		stdin  string
		status int
		stdout string
		stderr string // part of it
	}{
		{name: "usage", status: 2, stderr: "usage: shell COMMAND"},
		{name: "file", args: []string{"/bin/cat", "file"}, stdout: "content\n"},
		{name: "by PATH", args: []string{"cat", "file"}, stdout: "content\n"},
		{name: "stdin", args: []string{"cat"}, stdin: "from outside\n", stdout: "from outside\n"},
		{name: "pipe", args: []string{"sh", "-c", "echo a | cat"}, stdout: "a\n"},
		{name: "list", args: []string{"ls"}, stdout: "file\n"},
		{name: "a shell in a shell", args: []string{self, "cat", "file"}, stdout: "content\n"},
		{name: "status", args: []string{"sh", "-c", "exit 7"}, status: 7},
		{name: "message", args: []string{"cat", "nosuchfile"}, status: 1, stderr: "nosuchfile: No such file"},
		{name: "signal", args: []string{"sh", "-c", "kill -TERM $$"}, status: 128 + 15},
		{name: "no such command", args: []string{"nosuchcommand"}, status: 1, stderr: "shell: exec: \"nosuchcommand\": "},

		{name: "create", args: []string{"touch", "new"}, status: sigsys, stderr: `shell: touch: did what "stdio rpath proc exec" does not promise`},
		{name: "write", args: []string{"sh", "-c", "echo changed > file"}, status: sigsys},
		{name: "remove", args: []string{"rm", "-f", "file"}, status: sigsys},
		{name: "a grandchild", args: []string{"sh", "-c", "touch new; exit $?"}, status: sigsys},
		{name: "a shell in a shell that creates", args: []string{self, "touch", "new"}, status: sigsys},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), self, test.args...)
			cmd.Env = append(os.Environ(), "SHELL_TEST_MAIN=1", "LC_ALL=C")
			cmd.Dir = dir
			cmd.Stdin = strings.NewReader(test.stdin)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != test.status {
				t.Errorf("exit status %d, want %d", got, test.status)
			}
			if got := stdout.String(); got != test.stdout {
				t.Errorf("stdout %q, want %q", got, test.stdout)
			}
			if got := stderr.String(); !strings.Contains(got, test.stderr) || test.stderr == "" && test.status < 128 && got != "" {
				t.Errorf("stderr %q, want %q", got, test.stderr)
			}
		})
	}

	// None of those that were killed did anything.
	if content, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(content) != "content\n" {
		t.Errorf("file has %q, %v", content, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
		t.Error("the file new is there")
	}
}

//go:build amd64 || arm64

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/gopledge/pledge/internal/trace"
)

// TestTraceConstructors has a library do things before the program's entry
// point, and checks that trace reports what run would not allow there, and
// nothing of the dynamic loader.
func TestTraceConstructors(t *testing.T) {
	library := build(t, "gcc", "constructor.c", "-pthread", "-shared", "-fPIC")
	p := build(t, "gcc", "program.c", "-pthread", "-Wl,--no-as-needed", library)
	for _, c := range []struct {
		mode     string
		promises string // that the program needs beside stdio, which it may not
		never    string // the calls that no promise allows, a regular expression
		programs int    // that come to main
	}{
		{"nothing", ``, ``, 1},
		{"mkdir", `cpath`, ``, 1},
		{"working", ``, ``, 1},
		{"fork", ``, `(clone|fork) early`, 2},
		{"exec", `rpath prot_exec`, `execve early`, 0},
		{"x32", ``, `syscall \d+`, 1},
	} {
		t.Run(c.mode, func(t *testing.T) {
			if c.mode == "x32" && runtime.GOARCH != "amd64" {
				t.Skip("only amd64 has it")
			}
			dir := t.TempDir()
			cmd := exec.Command(command(), "trace", "--json", "-o", filepath.Join(dir, "report"), "--", p)
			cmd.Env = append(os.Environ(), "CONSTRUCTOR="+c.mode, "VIOLATION="+filepath.Join(dir, "made"))
			out, err := cmd.CombinedOutput()
			if n := strings.Count(string(out), "hello"); err != nil || n != c.programs {
				t.Errorf("%v, %d programs, want %d, output %q", err, n, c.programs, out)
			}
			b, err := os.ReadFile(filepath.Join(dir, "report"))
			if err != nil {
				t.Fatal(err)
			}
			var r trace.Report
			if err := json.Unmarshal(b, &r); err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			var never []string
			for _, u := range r.Never {
				call := u.Call
				if u.Early {
					call += " early"
				}
				never = append(never, call)
			}
			if got := strings.Join(never, ", "); !regexp.MustCompile(`^(` + c.never + `)$`).MatchString(got) {
				t.Errorf("never allowed: %q, want %q", got, c.never)
			}
			if got := strings.TrimSpace(strings.TrimPrefix(r.Promises, "stdio")); got != c.promises {
				t.Errorf("promises %q, want %q: %+v", r.Promises, c.promises, r.Needs)
			}
		})
	}
}

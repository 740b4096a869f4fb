//go:build cgo && (amd64 || arm64)

package pledge_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopledge/pledge"
)

// TestLibrary pledges a C program by a Go library, whose runtime does not begin
// on the main thread: each promise of files, from then on and after the main
// thread's end.
func TestLibrary(t *testing.T) {
	for _, tool := range []string{"go", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	if pledge.Supported().Landlock == 0 {
		t.Skip("this kernel has no Landlock, which is to restrict all threads")
	}
	dir := t.TempDir()
	archive, program := filepath.Join(dir, "library.a"), filepath.Join(dir, "program")
	for _, command := range [][]string{
		{"go", "build", "-tags", "purego", "-buildmode", "c-archive", "-o", archive, "./testdata/library"},
		{"gcc", "-pthread", "-I", dir, "-o", program, "testdata/library/c/main.c", archive},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", command, err, out)
		}
	}
	for name, args := range map[string][]string{"main thread": nil, "main thread ended": {"end"}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
			if err != nil || string(out) != "pledged\n" {
				t.Errorf("%v: %q", err, out)
			}
		})
	}
}

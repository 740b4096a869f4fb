//go:build amd64 || arm64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkRun is the time of a program that does nothing, by itself and under
// promises: the median of alternating starts. The command is built as the README
// says, without cgo, and copied, as packages and install(1) do: a file that comes
// right from the linker, which writes it through a mapping, page by page, takes a
// tenth longer to start until the cache has read it anew.
func BenchmarkRun(b *testing.B) {
	linked, command := filepath.Join(b.TempDir(), "linked"), filepath.Join(b.TempDir(), "pledge")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", linked, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	binary, err := os.ReadFile(linked)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(command, binary, 0o755); err != nil {
		b.Fatal(err)
	}
	const program = "/bin/true"
	var bare, run []time.Duration
	for b.Loop() {
		bare = append(bare, took(b, program))
		run = append(run, took(b, command, "run", "-p", "stdio rpath", "--", program))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(milliseconds(bare), "bare-ms")
	b.ReportMetric(milliseconds(run), "run-ms")
	b.ReportMetric(milliseconds(run)-milliseconds(bare), "more-ms")
}

func took(b *testing.B, command string, args ...string) time.Duration {
	start := time.Now()
	if err := exec.Command(command, args...).Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// milliseconds returns the median.
func milliseconds(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds() * 1000
}

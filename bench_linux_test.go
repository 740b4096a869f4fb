//go:build amd64 || arm64

package pledge

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
)

// Filters cannot be taken back, so each measurement has a process of its own:
// the test binary, started with its task in the environment.
const benchEnv = "PLEDGE_BENCH"

func TestMain(m *testing.M) {
	task := os.Getenv(benchEnv)
	if task == "" {
		os.Exit(m.Run())
	}
	name, rest, _ := strings.Cut(task, "|")
	f, ok := map[string]func(args []string) (time.Duration, error){
		"call":    benchCall,
		"install": benchInstall,
		"path":    benchPath,
	}[name]
	if !ok {
		panic("no task " + name)
	}
	elapsed, err := f(strings.Split(rest, "|"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(elapsed.Nanoseconds())
}

// inProcess runs a task in a process of its own and returns what it measured.
func inProcess(b *testing.B, task ...string) time.Duration {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), benchEnv+"="+strings.Join(task, "|"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v: %v", task, err)
	}
	ns, err := strconv.ParseInt(string(out), 10, 64)
	if err != nil {
		b.Fatalf("%v: %v", task, err)
	}
	return time.Duration(ns)
}

// benchFilters are what the cost of a call is compared under.
var benchFilters = map[string]func(Set) ([]bpf.Insn, error){
	"none": nil,
	// A filter that the kernel need not run, since it looks at nothing.
	"allow-all": func(Set) ([]bpf.Insn, error) { return []bpf.Insn{{Code: 6, K: uint32(policy.Allow)}}, nil },
	// The shortest one that it has to run: what looking at an argument costs
	// whoever does it.
	"look-at-argument": func(Set) ([]bpf.Insn, error) {
		const argument0 = 16
		return []bpf.Insn{{Code: 0x20, K: argument0}, {Code: 6, K: uint32(policy.Allow)}}, nil
	},
	"bpf": func(s Set) ([]bpf.Insn, error) {
		return bpf.Compile(thisProcess().policy(s, policy.KillProcess).Simplify())
	},
}

// filterNames returns the keys in an order that puts the baselines first.
func filterNames() []string {
	order := []string{"none", "allow-all", "look-at-argument", "bpf", "libseccomp-tree", "libseccomp-linear"}
	return slices.DeleteFunc(order, func(name string) bool { _, ok := benchFilters[name]; return !ok })
}

var benchCalls = []struct {
	name string
	f    func()
}{
	{"getppid", func() { unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0) }},
	{"fcntl-getfd", func() { unix.RawSyscall(unix.SYS_FCNTL, 1, unix.F_GETFD, 0) }},
	{"openat-missing", func() { unix.Open("/nonexistent", unix.O_RDONLY|unix.O_CLOEXEC, 0) }},
	{"mmap-munmap", func() {
		p, _, _ := unix.RawSyscall6(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
		unix.RawSyscall(unix.SYS_MUNMAP, p, 4096, 0)
	}},
	{"ioctl-tcgets", func() { unix.RawSyscall(unix.SYS_IOCTL, 1, unix.TCGETS, 0) }},
	{"futex-wake", func() {
		var word uint32
		const wake = 1 | 128 // FUTEX_WAKE | FUTEX_PRIVATE_FLAG
		unix.RawSyscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), wake, 1)
	}},
}

// benchCall measures one call under one filter; with narrowings, under that
// many of them.
func benchCall(args []string) (time.Duration, error) {
	filter, name := args[0], args[1]
	n, _ := strconv.Atoi(args[2])
	layers, _ := strconv.Atoi(args[3])
	runtime.LockOSThread()
	if compile := benchFilters[filter]; compile != nil {
		prog, err := compile(setOf(Stdio, Rpath))
		if err != nil {
			return 0, err
		}
		for range layers {
			if err := kernel.InstallFilter(prog, false); err != nil {
				return 0, err
			}
		}
	}
	for _, c := range benchCalls {
		if c.name == name {
			for range n / 10 {
				c.f()
			}
			start := time.Now()
			for range n {
				c.f()
			}
			return time.Since(start), nil
		}
	}
	return 0, fmt.Errorf("no call %q", name)
}

// BenchmarkCall is the time of a call under "stdio rpath", beside no filter and
// the cheapest possible one.
func BenchmarkCall(b *testing.B) {
	for _, c := range benchCalls {
		for _, filter := range filterNames() {
			b.Run(c.name+"/"+filter, func(b *testing.B) { reportCall(b, filter, c.name, 1) })
		}
	}
}

// BenchmarkNarrowed is the same after several narrowings: every one adds a
// filter.
func BenchmarkNarrowed(b *testing.B) {
	for _, layers := range []int{1, 4, 16} {
		for _, name := range []string{"getppid", "fcntl-getfd"} {
			b.Run(fmt.Sprintf("%s/%d", name, layers), func(b *testing.B) { reportCall(b, "bpf", name, layers) })
		}
	}
}

// reportCall measures in a process of its own and reports the fastest of
// several runs: what disturbs a run only ever makes it slower.
func reportCall(b *testing.B, filter, call string, layers int) {
	const runs = 5
	n := min(max(b.N, 1000), 2_000_000)
	best := time.Duration(1<<63 - 1)
	for range runs {
		best = min(best, inProcess(b, "call", filter, call, strconv.Itoa(n), strconv.Itoa(layers)))
	}
	b.ReportMetric(float64(best)/float64(n), "ns/op")
}

// benchInstall measures one installation in a process with some threads.
func benchInstall(args []string) (time.Duration, error) {
	how, promises := args[0], args[1]
	threads, _ := strconv.Atoi(args[2])
	for range threads {
		started := make(chan bool)
		go func() {
			runtime.LockOSThread()
			started <- true
			select {}
		}()
		<-started
	}
	s, err := Parse(promises)
	if err != nil {
		return 0, err
	}
	config := Config{BestEffort: true}
	switch how {
	case "pledge":
		start := time.Now()
		err := config.Pledge(promises)
		return time.Since(start), err
	case "prime":
		start := time.Now()
		prime(s, false)
		return time.Since(start), nil
	case "compile":
		start := time.Now()
		_, err := config.Compile(s)
		return time.Since(start), err
	case "seccomp": // the bare system call, with the same program
		f, err := config.Compile(s)
		if err != nil {
			return 0, err
		}
		start := time.Now()
		err = kernel.InstallFilter(f.prog, false)
		return time.Since(start), err
	case "bytes": // bytes allocated by a Pledge, as if they were nanoseconds
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := config.Pledge(promises)
		runtime.ReadMemStats(&after)
		return time.Duration(after.TotalAlloc - before.TotalAlloc), err
	}
	return 0, fmt.Errorf("no way %q to install", how)
}

// BenchmarkInstall is the time of the first Pledge in a process, and what it
// is made of. The numbers are medians over processes.
func BenchmarkInstall(b *testing.B) {
	for _, promises := range []string{"stdio", "stdio rpath", "stdio dns", all.Without(Error).String()} {
		name := promises
		if strings.Count(promises, " ") > 3 {
			name = "all"
		}
		for _, threads := range []string{"0", "64"} {
			for _, how := range []string{"pledge", "compile", "prime", "seccomp"} {
				b.Run(fmt.Sprintf("%s/threads=%s/%s", strings.ReplaceAll(name, " ", "+"), threads, how), func(b *testing.B) {
					b.ReportMetric(median(b, "install", how, promises, threads), "ns/op")
				})
			}
		}
		b.Run(strings.ReplaceAll(name, " ", "+")+"/garbage", func(b *testing.B) {
			b.ReportMetric(median(b, "install", "bytes", promises, "0"), "bytes/op")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(b *testing.B, task ...string) float64 {
	b.Helper()
	var runs []time.Duration
	for range 21 {
		runs = append(runs, inProcess(b, task...))
	}
	slices.Sort(runs)
	return float64(runs[len(runs)/2])
}

// benchPath measures something that is done with a path, with an unveil in
// force or without.
func benchPath(args []string) (time.Duration, error) {
	what := args[1]
	n, _ := strconv.Atoi(args[2])
	runtime.LockOSThread()
	dir, err := os.MkdirTemp("", "pledge")
	if err != nil {
		return 0, err
	}
	file := dir + "/file"
	if err := os.WriteFile(file, make([]byte, 4096), 0o600); err != nil {
		return 0, err
	}
	if args[0] == "unveil" {
		if err := Unveil(dir, "rwc"); err != nil {
			return 0, err
		}
	}
	if err := Pledge("stdio rpath wpath cpath"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	var st unix.Stat_t
	buf := make([]byte, 4096)
	f := map[string]func() error{
		"open": func() error {
			fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err == nil {
				unix.Close(fd)
			}
			return err
		},
		"stat": func() error { return unix.Stat(file, &st) },
		"read": func() error { _, err := unix.Pread(fd, buf, 0); return err },
	}[what]
	start := time.Now()
	for range n {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// BenchmarkUnveil is the time of what is done with paths under "stdio rpath
// wpath cpath", with an unveil in force and without.
func BenchmarkUnveil(b *testing.B) {
	for _, what := range []string{"open", "stat", "read"} {
		for _, how := range []string{"none", "unveil"} {
			b.Run(what+"/"+how, func(b *testing.B) {
				n := min(max(b.N, 1000), 500_000)
				best := time.Duration(1<<63 - 1)
				for range 5 {
					best = min(best, inProcess(b, "path", how, what, strconv.Itoa(n)))
				}
				b.ReportMetric(float64(best)/float64(n), "ns/op")
			})
		}
	}
}

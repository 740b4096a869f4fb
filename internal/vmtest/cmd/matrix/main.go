//go:build linux

// Matrix runs the tests of this module on real kernels, in QEMU machines, and
// prints a table of what became of them. It is run in the module's root:
//
//	go run ./internal/vmtest/cmd/matrix [-quick] [-only REGEXP] [-write docs/matrix.md]
//
// It builds the tests once for each architecture and way to build, and boots
// one machine for each of these and kernel. It exits with status 1 if a test
// failed or does not build, and 3 if there was nothing that could be run. What
// could not be fetched is "not run", which is told loudly but is no failure:
// archives drop what is old.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gopledge/pledge/internal/vmtest"
)

func main() {
	m := &matrix{began: time.Now()}
	quick := flag.Bool("quick", false, "only what fits into a quarter of an hour")
	only := flag.String("only", "", "run only the cells whose name, such as arm64-6.1-go, matches the regular expression")
	write := flag.String("write", "", "write the report to this file too")
	list := flag.Bool("list", false, "print the names of the cells and do nothing")
	dir := flag.String("store", "", "folder for kernels and all else that is kept (default: pledge-vmtest in the user's cache)")
	refresh := flag.Bool("refresh", false, "fetch kernels and root trees anew")
	flag.BoolVar(&m.fresh, "fresh", false, "run also what passed before and has not changed since")
	flag.StringVar(&m.run, "run", "", "run only the tests that match the regular expression, as with go test")
	flag.IntVar(&m.machines, "machines", 2, "how many machines run at a time")
	flag.DurationVar(&m.time, "time", 0, "start no more machines after this time; another run goes on where this one ended")
	flag.StringVar(&m.logs, "logs", "", "folder to write the whole output of each cell to")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	store, err := vmtest.OpenStore(*dir)
	if err != nil {
		fatal(err)
	}
	store.Log, store.Refresh = os.Stderr, *refresh
	m.store = store
	cells, err := choose(*quick, *only)
	if err != nil {
		fatal(err)
	}
	if *list {
		for _, c := range cells {
			fmt.Println(c.name())
		}
		return
	}
	if m.work, err = os.MkdirTemp("", "matrix-"); err != nil {
		fatal(err)
	}
	var stop func()
	m.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = m.prepare(cells)
	if err == nil {
		m.runAll(cells)
		err = context.Cause(m.ctx)
	}
	if err == nil {
		m.report(os.Stdout, cells, false)
		if *write != "" {
			var b bytes.Buffer
			m.report(&b, cells, true)
			err = os.WriteFile(*write, b.Bytes(), 0o644)
		}
	}
	os.RemoveAll(m.work)
	if err != nil {
		fatal(err)
	}
	if n := len(filter(cells, func(c *cell) bool { return c.notRun != "" })); n > 0 {
		fmt.Fprintf(os.Stderr, "matrix: NOT RUN: %d of %d cells, see above\n", n, len(cells))
	}
	os.Exit(status(cells))
}

// errNothing is in the tree of what keeps all cells from being run.
var errNothing = errors.New("NOT RUN: nothing can be run here")

func fatal(err error) {
	fmt.Fprintf(os.Stderr, "matrix: %v\n", err)
	if errors.Is(err, errNothing) {
		os.Exit(3)
	}
	os.Exit(1)
}

// choose returns the cells to run.
func choose(quick bool, only string) ([]*cell, error) {
	re, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	var chosen []*cell
	for _, c := range allCells() {
		if (!quick || c.quick) && re.MatchString(c.name()) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no cell matches %q", only)
	}
	return chosen, nil
}

func status(cells []*cell) int {
	if slices.ContainsFunc(cells, func(c *cell) bool { return len(c.Tally.Failures) > 0 }) {
		return 1
	}
	if !slices.ContainsFunc(cells, func(c *cell) bool { return c.notRun == "" }) {
		return 3
	}
	return 0
}

type matrix struct {
	ctx      context.Context // ends when the user wants that
	store    *vmtest.Store
	work     string // folder of this run
	fresh    bool
	run      string
	logs     string
	machines int
	time     time.Duration
	began    time.Time

	suite    string            // Debian's, of this system
	versions map[string]string // of what took part, by name
	inits    map[string]string // vminit by architecture
}

// prepare makes what all cells need.
func (m *matrix) prepare(cells []*cell) error {
	needs := []string{"dpkg-deb=dpkg"}
	archs := map[string]bool{}
	for _, c := range cells {
		archs[c.arch] = true
	}
	if archs["amd64"] {
		needs = append(needs, "qemu-system-x86_64=qemu-system-x86")
	}
	if archs["arm64"] {
		needs = append(needs, "qemu-system-aarch64=qemu-system-arm")
	}
	for _, c := range cells {
		needs = append(needs, c.build.needs(c.arch)...)
	}
	slices.Sort(needs)
	if err := vmtest.Install(os.Stderr, slices.Compact(needs)...); err != nil {
		return fmt.Errorf("%w: %w", errNothing, err)
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return err
	}
	codename := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)`).FindSubmatch(release)
	if codename == nil {
		return errors.New("/etc/os-release does not say which release of Debian this is")
	}
	m.suite = string(codename[1])
	m.versions, m.inits = map[string]string{}, map[string]string{}
	m.versions["Go"] = output("go", "env", "GOVERSION")
	m.versions["QEMU"], _, _ = strings.Cut(output("qemu-system-x86_64", "--version"), "\n")
	for arch := range archs {
		m.inits[arch] = filepath.Join(m.work, "vminit-"+arch)
		if err := goCommand([]string{"CGO_ENABLED=0", "GOARCH=" + arch}, "build", "-ldflags=-s -w", "-o", m.inits[arch], "./internal/vmtest/cmd/vminit"); err != nil {
			return err
		}
	}
	return nil
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// goCommand runs a go command under an environment.
func goCommand(env []string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s go %s: %w\n%s", strings.Join(env, " "), strings.Join(args, " "), err, out)
	}
	return nil
}

// basePackages are what the machines have besides the tests and the programs
// that these run: what every system of Debian has, and a C compiler.
var basePackages = []string{"base-files", "bash", "coreutils", "dash", "diffutils", "findutils", "gcc", "grep", "gzip", "hostname", "libc-bin", "libc6-dev",
	"libseccomp2", "mawk", "ncurses-base", "netbase", "procps", "sed", "tar", "tzdata", "util-linux"}

// rootPackages returns all packages of the machines, with those of the list
// that scripts/setup has too.
func rootPackages() ([]string, error) {
	list, err := os.ReadFile("scripts/programs")
	if err != nil {
		return nil, err
	}
	packages := slices.Clone(basePackages)
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] != "#" {
			packages = append(packages, f[1])
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

// A testSet is the tests of this module, built in one way.
type testSet struct {
	archive  string // with the binaries and the module's files
	packages []testPackage
	notRun   error // something could not be fetched
	err      error // it does not build
}

type testPackage struct {
	path, dir, binary string
	programs          bool   // its tests ask for the Go programs that are brought along
	hash              string // of all that its tests can see: a change has the machines run them anew
}

// moduleDir is where the module is in the machine. There is no Go in it, so what
// tests build with Go is brought along, in the folder programsDir, of which they
// are told by $PLEDGE_PROGRAMS.
const (
	moduleDir   = "/pledge"
	programsDir = "/programs"
)

// addPrograms builds the Go programs that tests run.
func (m *matrix) addPrograms(a *vmtest.Archive, arch string, b *build, env []string) (hash string, err error) {
	// The programs are plain ones, whatever the tests are linked with.
	plain := func(cgo string) []string {
		return append(slices.Clip(env), "CGO_ENABLED="+cgo, "CC="+compilers[arch], "CGO_CFLAGS=")
	}
	for _, p := range []struct {
		name, path string
		env, flags []string
	}{
		{"pledge", "./cmd/pledge", env, slices.Concat(b.flags, []string{"-ldflags=-w -buildid= " + b.ldflags})},
		{"goprogram-0", "./cmd/pledge/testdata/goprogram", plain("0"), nil},
		{"goprogram-1", "./cmd/pledge/testdata/goprogram", plain("1"), nil},
		{"goroutines", "./internal/trace/testdata/goroutines", plain("0"), nil},
	} {
		file := filepath.Join(m.work, arch+"-"+b.name+"-"+p.name)
		if err := goCommand(p.env, slices.Concat([]string{"build", "-trimpath", "-buildvcs=false", "-o", file}, p.flags, []string{p.path})...); err != nil {
			return "", err
		}
		one, err := hashFiles(file, nil)
		if err != nil {
			return "", err
		}
		hash += one
		if err := a.Tree(programsDir+"/"+p.name, file, nil); err != nil {
			return "", err
		}
		os.Remove(file)
	}
	return hash, nil
}

// buildTests builds the tests for an architecture in one way. What comes of it
// does not depend on the folder that the module is in, nor on code that is not
// part of it, so that what passed is known in every clone, and as long as nothing
// has changed.
func (m *matrix) buildTests(arch string, b *build) *testSet {
	set := &testSet{archive: filepath.Join(m.work, arch+"-"+b.name+".cpio")}
	env, err := b.prepare(m, arch)
	if err != nil {
		set.notRun = err
		return set
	}
	set.err = func() error {
		env = append(env, "GOOS=linux", "GOARCH="+arch)
		list := exec.Command("go", append(append([]string{"list"}, b.flags...), "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}", "./...")...)
		list.Env = append(os.Environ(), env...)
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		root, err := os.Getwd()
		if err != nil {
			return err
		}
		f, err := os.Create(set.archive)
		if err != nil {
			return err
		}
		defer f.Close()
		a := vmtest.NewArchive(f)
		for line := range strings.Lines(string(out)) {
			path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t")
			if !ok || strings.Contains(path, "/internal/vmtest") {
				continue
			}
			rel, err := filepath.Rel(root, dir)
			if err != nil {
				return err
			}
			name := strings.ReplaceAll(rel, "/", "-") + ".test"
			if rel == "." {
				name = "pledge.test"
			}
			p := testPackage{path: path, dir: filepath.Join(moduleDir, rel), binary: "/tests/" + name}
			file := filepath.Join(m.work, arch+"-"+b.name+"-"+name)
			args := slices.Concat([]string{"test", "-c", "-trimpath", "-o", file}, b.flags, []string{"-ldflags=-w -buildid= " + b.ldflags, path})
			if err := goCommand(env, args...); err != nil {
				return err
			}
			tests, err := testsOf(dir)
			if err != nil {
				return err
			}
			p.programs = bytes.Contains(tests, []byte("PLEDGE_PROGRAMS"))
			code, err := hashFiles(file, nil)
			if err != nil {
				return err
			}
			files, err := hashFiles(root, func(name string) bool { return noTestOf(dir, tests, name) })
			if err != nil {
				return err
			}
			p.hash = code + files
			if err := a.Tree(p.binary, file, nil); err != nil {
				return err
			}
			os.Remove(file)
			set.packages = append(set.packages, p)
		}
		programs, err := m.addPrograms(a, arch, b, env)
		if err != nil {
			return err
		}
		for i := range set.packages {
			if set.packages[i].programs {
				set.packages[i].hash += programs
			}
		}
		return errors.Join(a.Tree(moduleDir, root, noTestReads), a.Close(), f.Close())
	}()
	return set
}

// testsOf returns the source of the tests of the package in dir.
func testsOf(dir string) ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	var all []byte
	for _, name := range names {
		data, readErr := os.ReadFile(name)
		err = errors.Join(err, readErr)
		all = append(all, data...)
	}
	return all, err
}

// noTestOf reports whether a file of the module has nothing to do with what the
// tests of the package in dir, whose source is tests, do: the code is in their
// binary, a folder testdata belongs to the package that it is beside, and a page
// of the documentation to those who name it.
func noTestOf(dir string, tests []byte, name string) bool {
	base := filepath.Base(name)
	switch own := filepath.Join(dir, "testdata"); {
	case name == own || strings.HasPrefix(name, own+"/"):
		return false
	case noTestReads(name), strings.HasSuffix(name, ".go"), base == "testdata", strings.HasSuffix(name, "/internal/vmtest"):
		return true
	case filepath.Base(filepath.Dir(name)) == "docs":
		return !bytes.Contains(tests, []byte("docs/"+base))
	}
	return false
}

// noTestReads reports whether a file of the module has nothing to do with any
// test.
func noTestReads(name string) bool {
	base := filepath.Base(name)
	return strings.HasPrefix(base, ".") || base == "README.md" || base == "Makefile" || strings.HasSuffix(name, "docs/matrix.md")
}

// hashFiles returns a hash of a file, or of a tree without what is to be left
// out.
func hashFiles(root string, leaveOut func(name string) bool) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != root && leaveOut != nil && leaveOut(name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n", strings.TrimPrefix(name, root), len(data))
		h.Write(data)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// runAll runs the cells.
func (m *matrix) runAll(cells []*cell) {
	var wg sync.WaitGroup
	free := make(chan bool, m.machines)
	sets := map[string]*testSet{}
	quickFirst := func(a, b *cell) int {
		switch {
		case a.quick == b.quick:
			return 0
		case a.quick:
			return -1
		}
		return 1
	}
	for _, c := range slices.SortedStableFunc(slices.Values(cells), quickFirst) {
		if m.ctx.Err() != nil {
			break
		}
		// Building and fetching is done while machines run, one at a time.
		key := c.arch + "-" + c.build.name
		set := sets[key]
		if set == nil {
			began := time.Now()
			set = m.buildTests(c.arch, c.build)
			sets[key] = set
			fmt.Fprintf(os.Stderr, "%s: built in %.0fs\n", key, time.Since(began).Seconds())
		}
		if set.err != nil {
			fmt.Fprintf(os.Stderr, "%s: FAILED: %v\n", c.name(), set.err)
			c.Tally.Failures = []vmtest.Verdict{{Package: "the build", Text: set.err.Error()}}
			continue
		}
		kernel, root, err := m.fetch(c)
		if err = errors.Join(set.notRun, err); err != nil {
			c.notRun = err.Error()
			fmt.Fprintf(os.Stderr, "%s: NOT RUN: %v\n", c.name(), err)
			continue
		}
		free <- true
		wg.Go(func() {
			defer func() { <-free }()
			m.runCell(c, set, kernel, root)
		})
	}
	wg.Wait()
}

func (m *matrix) fetch(c *cell) (kernel *vmtest.Kernel, root string, err error) {
	kernel, err = m.store.Kernel(c.arch, c.kernel.version, c.kernel.flavour, c.kernel.suites...)
	if err != nil {
		return nil, "", err
	}
	c.Kernel = kernel.Package
	packages, err := rootPackages()
	if err != nil {
		return nil, "", err
	}
	root, err = m.store.Root(c.arch, m.suite, packages...)
	return kernel, root, err
}

// testTime is how long the tests of one package may take.
const testTime = 30 * time.Minute

// command returns how the tests of a package are started in a cell.
func (m *matrix) command(c *cell, p testPackage) vmtest.Command {
	args := []string{p.binary, "-test.v=test2json", "-test.paniconexit0", "-test.timeout=" + testTime.String()}
	if !c.long {
		args = append(args, "-test.short")
	}
	if m.run != "" {
		args = append(args, "-test.run="+m.run)
	}
	if elsewhere := c.elsewhere(); len(elsewhere) > 0 {
		args = append(args, "-test.skip=^("+strings.Join(elsewhere, "|")+")$")
	}
	command := vmtest.Command{Argv: args, Dir: p.dir, UID: c.uid, Limit: testTime + time.Minute}
	if p.programs {
		command.Env = []string{"PLEDGE_PROGRAMS=" + programsDir}
	}
	return command
}

func (m *matrix) runCell(c *cell, set *testSet, kernel *vmtest.Kernel, root string) {
	// As with go test: a package that passed and has not changed since is not run
	// anew.
	var packages []testPackage
	for _, p := range set.packages {
		if c.leavesOut(p.path) {
			c.Tally.Skips = append(c.Tally.Skips, vmtest.Verdict{Package: p.path, Test: "all of " + p.path, Text: "made in other machines, see above"})
		} else {
			packages = append(packages, p)
		}
	}
	results := make([]result, len(packages))
	memories := make([]string, len(packages))
	var commands []vmtest.Command
	var todo []int
	for i, p := range packages {
		command := m.command(c, p)
		facts, _ := json.Marshal([]any{p.hash, kernel.Package, filepath.Base(root), c.append, command, m.versions["QEMU"]})
		memories[i] = filepath.Join(m.store.Dir, "passed", fmt.Sprintf("%x.json", sha256.Sum256(facts)))
		if b, err := os.ReadFile(memories[i]); err == nil && !m.fresh && json.Unmarshal(b, &results[i]) == nil {
			continue
		}
		todo, commands = append(todo, i), append(commands, command)
	}

	if len(todo) > 0 && m.time > 0 && time.Since(m.began) > m.time {
		c.notRun = fmt.Sprintf("the time limit, %v, was reached", m.time)
		fmt.Fprintf(os.Stderr, "%s: NOT RUN: %s\n", c.name(), c.notRun)
		return
	}

	began := time.Now()
	var took string
	if len(todo) == 0 {
		took = "all of it before, unchanged"
	} else {
		outputs := make([]bytes.Buffer, len(todo))
		machine := &vmtest.Machine{
			Arch:     c.arch,
			Kernel:   kernel.File,
			Init:     m.inits[c.arch],
			Archives: []string{root, set.archive},
			Append:   c.append,
			Commands: commands,
			Limit:    time.Duration(len(todo)) * testTime,
			Output:   func(i int) io.Writer { return &outputs[i] },
		}
		run, err := machine.Run(m.ctx)
		if m.ctx.Err() != nil {
			return
		}
		if run == nil {
			run = &vmtest.Run{}
		}
		took = fmt.Sprintf("%.0fs, %.0fs of CPU time", time.Since(began).Seconds(), run.CPU.Seconds())
		if len(todo) < len(packages) {
			took += fmt.Sprintf("; %d packages before, unchanged", len(packages)-len(todo))
		}
		var all bytes.Buffer
		for n, i := range todo {
			exit := vmtest.Exit{Status: -1, Message: "the machine failed"}
			if n < len(run.Exits) {
				exit = run.Exits[n]
			}
			path, output := packages[i].path, outputs[n].Bytes()
			fmt.Fprintf(&all, "==== %s\n%s==== %s\n", path, output, exit.Message)
			r := &results[i]
			r.Date, r.Release, r.Landlock = began.UTC().Format(time.DateOnly), run.Release, run.Landlock
			r.Proved = c.proof != "" && bytes.Contains(output, []byte(c.proof))
			if n > len(run.Exits) {
				continue // the machine failed before this, which is told below
			}
			t, err := vmtest.ReadOutput(path, output, exit)
			if err != nil {
				t = &vmtest.Tally{Failures: []vmtest.Verdict{{Package: path, Text: err.Error()}}}
			}
			r.Tally = *t
		}
		if m.logs != "" {
			err := errors.Join(os.MkdirAll(m.logs, 0o777), os.WriteFile(filepath.Join(m.logs, c.name()+".txt"), all.Bytes(), 0o666))
			if err != nil {
				fmt.Fprintf(os.Stderr, "matrix: %v\n", err)
			}
		}
		if err != nil {
			c.Tally.Failures = append(c.Tally.Failures, vmtest.Verdict{Package: "the machine", Text: err.Error()})
		}
	}

	for i, r := range results {
		c.Date, c.Release, c.Landlock = max(c.Date, r.Date), r.Release, r.Landlock
		c.Proved = c.Proved || r.Proved
		c.Tally.Add(&r.Tally)
		if b, err := json.Marshal(r); err == nil && len(r.Tally.Failures) == 0 && len(c.Tally.Failures) == 0 && os.MkdirAll(filepath.Dir(memories[i]), 0o777) == nil {
			os.WriteFile(memories[i], b, 0o666)
		}
	}
	for _, test := range c.elsewhere() {
		c.Tally.Skips = append(c.Tally.Skips, vmtest.Verdict{Test: test, Text: "made in other machines, see above"})
	}
	if m.run == "" {
		// A row that is not what it is called would prove nothing.
		wrong := func(format string, args ...any) {
			c.Tally.Failures = append(c.Tally.Failures, vmtest.Verdict{Package: "the machine", Text: fmt.Sprintf(format, args...)})
		}
		if want := c.wantLandlock(); c.Landlock != want {
			wrong("this kernel has Landlock ABI %d, want %d", c.Landlock, want)
		}
		if c.proof != "" && !c.Proved {
			wrong("no test printed %q", c.proof)
		}
		if c.Tally.Passed == 0 {
			wrong("no test passed")
		}
	}
	fmt.Fprintf(os.Stderr, "%s: %s (%s)\n", c.name(), c.summary(), took)
	for _, f := range c.Tally.Failures {
		fmt.Fprintf(os.Stderr, "%s: FAILED: %s %s\n\t%s\n", c.name(), f.Package, f.Test, strings.ReplaceAll(f.Text, "\n", "\n\t"))
	}
}

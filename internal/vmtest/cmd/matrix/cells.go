//go:build linux

package main

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gopledge/pledge/internal/vmtest"
)

// A kernel is a row of the table.
type kernel struct {
	version  string
	flavour  string   // Debian's
	suites   []string // of Debian that have it, best first
	landlock int      // the ABI that it is to have, 0 for none
}

// There is no older one to be had from Debian, nor one with the Landlock ABIs
// 1, 3, 4 and 5.
var kernels = []*kernel{
	{"5.10", "cloud", []string{"bullseye"}, 0},
	{"6.1", "cloud", []string{"bookworm"}, 2},
	{"6.12", "cloud", []string{"trixie", "bookworm"}, 6},
	{"6.18", "cloud", []string{"trixie-backports"}, 7},
	{"7.3", "cloud", []string{"trixie-backports", "forky", "sid"}, 11},
}

// general61 has x32, which the cloud kernels lack.
var general61 = &kernel{"6.1", "", []string{"bookworm"}, 2}

func byVersion(version string) *kernel {
	return kernels[slices.IndexFunc(kernels, func(k *kernel) bool { return k.version == version })]
}

// A build is a column of the table: a way to build the tests.
type build struct {
	name, about string
	cgo         bool
	flags       []string // of go list and go test
	ldflags     string
	suite       string // of Debian that libseccomp is from; "" is that of this system
	toolchain   string // the minor release of Go, "" for the one at hand
	musl        bool
}

var static = []string{"-tags=netgo,osusergo"}

const staticLink = "-linkmode=external -extldflags=-static"

var (
	buildGo     = &build{name: "go", about: "without cgo"}
	buildCgo    = &build{name: "cgo", about: "cgo, libseccomp", cgo: true}
	buildRace   = &build{name: "race", about: "cgo, libseccomp, race detector", cgo: true, flags: []string{"-race"}}
	build251    = &build{name: "libseccomp-2.5.1", about: "libseccomp 2.5.1, static", cgo: true, flags: static, ldflags: staticLink, suite: "bullseye"}
	build260    = &build{name: "libseccomp-2.6.0", about: "libseccomp 2.6.0, static", cgo: true, flags: static, ldflags: staticLink, suite: "trixie"}
	buildMusl   = &build{name: "musl", about: "musl, libseccomp, static", cgo: true, flags: []string{"-tags=netgo,osusergo,musl"}, ldflags: staticLink, musl: true}
	buildGo127  = &build{name: "go1.27", about: "Go 1.27, without cgo", toolchain: "1.27"}
	buildCgo127 = &build{name: "go1.27-cgo", about: "Go 1.27, cgo, libseccomp", cgo: true, toolchain: "1.27"}
)

var builds = []*build{buildGo, buildCgo, buildRace, build251, build260, buildMusl, buildGo127, buildCgo127}

// libseccompDev are the packages that a build against libseccomp needs.
var libseccompDev = []string{"libseccomp-dev", "libseccomp2"}

var triplets = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

var compilers = map[string]string{"amd64": "gcc", "arm64": "aarch64-linux-gnu-gcc"}

// needs returns the commands that the build starts, with their packages. One of
// the programs that tests run is built with cgo, however the tests are.
func (b *build) needs(arch string) []string {
	needs := []string{"gcc=gcc", "/usr/include/stdlib.h=libc6-dev"}
	if arch == "arm64" {
		needs = append(needs, "aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu", "/usr/aarch64-linux-gnu/include/stdlib.h=libc6-dev-arm64-cross")
	}
	if !b.cgo {
		return needs
	}
	needs = append(needs, "pkg-config=pkg-config")
	if arch == "amd64" && b.suite == "" {
		needs = append(needs, "/usr/include/seccomp.h=libseccomp-dev")
	}
	if b.musl {
		needs = append(needs, "musl-gcc=musl-tools", "ar=binutils", "/usr/include/linux/seccomp.h=linux-libc-dev")
	}
	return needs
}

// prepare fetches what the build needs and returns its environment.
func (b *build) prepare(m *matrix, arch string) ([]string, error) {
	var env []string
	if b.toolchain != "" {
		v, err := toolchain(b.toolchain)
		if err != nil {
			return nil, err
		}
		m.versions["Go "+b.toolchain] = v
		env = append(env, "GOTOOLCHAIN="+v)
	}
	if !b.cgo {
		return append(env, "CGO_ENABLED=0"), nil
	}
	if b.musl {
		return m.prepareMusl()
	}
	if arch == "amd64" && b.suite == "" {
		// This system's own libseccomp.
		m.versions["libseccomp of "+m.suite] = output("dpkg-query", "-W", "-f", "${Version}", "libseccomp-dev")
		return append(env, "CGO_ENABLED=1"), nil
	}
	suite := cmp.Or(b.suite, m.suite)
	sysroot, packages, err := m.store.Sysroot(arch, suite, libseccompDev...)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		if v, ok := strings.CutPrefix(p, "libseccomp2 "); ok {
			m.versions["libseccomp of "+suite] = v
		}
	}
	return append(env, "CGO_ENABLED=1", "CC="+compilers[arch],
		"CGO_CFLAGS=-O2 -g -I"+filepath.Join(sysroot, "usr/include"),
		"PKG_CONFIG_SYSROOT_DIR="+sysroot,
		"PKG_CONFIG_LIBDIR="+filepath.Join(sysroot, "usr/lib", triplets[arch], "pkgconfig"),
		// Go's build cache does not see that a C library has changed.
		"GOCACHE="+filepath.Join(m.store.Dir, "gocache", suite+"-"+arch)), nil
}

// toolchain returns the newest patch release of a minor release of Go that the
// module proxy has, once the go command has fetched it.
func toolchain(minor string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-versions", "go").Output()
	if err != nil {
		return "", fmt.Errorf("asking for the releases of Go: %w", err)
	}
	newest := ""
	for _, v := range strings.Fields(string(out)) { // in order
		if strings.HasPrefix(v, minor+".") {
			newest = "go" + v
		}
	}
	if newest == "" {
		return "", fmt.Errorf("there is no Go %s yet", minor)
	}
	return newest, goCommand([]string{"GOTOOLCHAIN=" + newest}, "version")
}

// A cell is one machine: a kernel and a build.
type cell struct {
	arch   string
	kernel *kernel
	build  *build
	uid    int
	append string // to the kernel's command line
	long   bool   // the tests are not told to be short
	what   string // what is special about the row, or ""
	proof  string // what a test must print if the machine is what it should be
	quick  bool

	notRun string // why the cell was not run, or ""
	result
}

type result struct {
	Date     string
	Kernel   string // the package
	Release  string
	Landlock int
	Tally    vmtest.Tally
	Proved   bool // the proof was printed
}

// row names the cell's row.
func (c *cell) row() string {
	row := c.arch + " " + c.kernel.version
	if c.what != "" {
		row += ", " + c.what
	}
	return row
}

func (c *cell) name() string {
	name := c.arch + "-" + c.kernel.version
	if c.what != "" {
		name += "-" + strings.ReplaceAll(strings.ReplaceAll(c.what, ",", ""), " ", "-")
	}
	return name + "-" + c.build.name
}

func (c *cell) wantLandlock() int {
	if strings.Contains(c.append, "lsm=") {
		return 0
	}
	return c.kernel.landlock
}

const noLandlock = "lsm=lockdown,yama"

// quickCells are what fits into a quarter of an hour.
var quickCells = []string{"amd64-5.10-cgo", "amd64-7.3-go", "arm64-6.1-go"}

// programTests run the programs of other people, for which it is all the same
// who has compiled the filter. They take minutes.
var programTests = []string{"TestUtilities", "TestPrograms"}

// computations are tests that ask nothing of the kernel.
var computations = []string{"TestProof", "TestProofCatchesBrokenRules", "TestProofCatchesBrokenPrograms", "TestCompile"}

// programKernels are those on which the programs are run.
var programKernels = []string{"5.10", "6.1", "7.3"}

// launcherPackages are those of the pledge command, which always has the filters
// of the project's own compiler.
var launcherPackages = []string{"/cmd/pledge", "/internal/launch", "/internal/trace"}

// leavesOut reports whether the tests of a package are not made in this cell,
// since others have made them: with cgo, the launcher is the same on each kernel
// as without, so one is enough; the whole proof is one of the module's root.
func (c *cell) leavesOut(path string) bool {
	if c.long {
		return strings.Contains(path, "/internal/") || strings.Contains(path, "/cmd/")
	}
	return c.build.cgo && !c.quick && (c.kernel.version != "6.1" || c.what != "" || c.build != buildCgo && c.build != buildRace) &&
		slices.ContainsFunc(launcherPackages, func(p string) bool { return strings.HasSuffix(path, p) })
}

// elsewhere returns the tests that are not made in this cell, since another has
// made them: programs are run on some kernels without cgo, and what is computed
// is computed in each build on one kernel.
func (c *cell) elsewhere() []string {
	if c.what != "" {
		if c.long {
			return programTests
		}
		return slices.Concat(programTests, computations)
	}
	var tests []string
	if c.build != buildGo || !slices.Contains(programKernels, c.kernel.version) {
		tests = append(tests, programTests...)
	}
	if c.kernel.version != "6.1" {
		tests = append(tests, computations...)
	}
	return tests
}

func allCells() []*cell {
	var cells []*cell
	for _, k := range kernels {
		for _, arch := range []string{"amd64", "arm64"} {
			for _, b := range []*build{buildGo, buildCgo} {
				cells = append(cells, &cell{arch: arch, kernel: k, build: b, quick: slices.Contains(quickCells, arch+"-"+k.version+"-"+b.name)})
			}
		}
	}
	six1 := byVersion("6.1")
	cells = append(cells,
		&cell{arch: "amd64", kernel: general61, build: buildGo, append: "syscall.x32=y", what: "x32 calls switched on", proof: "x32 getpid without a pledge: error: carried out"},
		&cell{arch: "amd64", kernel: general61, build: buildCgo, append: "syscall.x32=y", what: "x32 calls switched on", proof: "x32 getpid without a pledge: error: carried out"},
		&cell{arch: "arm64", kernel: six1, build: buildGo, long: true, what: "the whole proof"},
	)
	for _, arch := range []string{"amd64", "arm64"} {
		for _, b := range []*build{buildGo, buildCgo} {
			cells = append(cells, &cell{arch: arch, kernel: byVersion("7.3"), build: b, uid: 1000, what: "an ordinary user"})
		}
		// With cgo, the difference is how Landlock gets to all threads.
		cells = append(cells, &cell{arch: arch, kernel: six1, build: buildGo, append: noLandlock, what: "Landlock switched off"})
		cells = append(cells, &cell{arch: arch, kernel: six1, build: buildGo127})
	}
	// What else differs in how the tests are built does so on each architecture in
	// the same way. Debian has musl's compiler for this system only.
	for _, b := range []*build{buildRace, build251, build260, buildCgo127, buildMusl} {
		cells = append(cells, &cell{arch: "amd64", kernel: six1, build: b})
	}
	return cells
}

// summary says in a few words what became of the cell.
func (c *cell) summary() string {
	if c.notRun != "" {
		return "not run"
	}
	s := fmt.Sprintf("%d passed, %d skipped", c.Tally.Passed, len(c.Tally.Skips))
	if n := len(c.Tally.Failures); n > 0 {
		s = fmt.Sprintf("%d FAILED, %s", n, s)
	}
	return s
}

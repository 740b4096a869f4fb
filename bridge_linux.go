//go:build amd64 || arm64

package pledge

import (
	"cmp"
	"fmt"
	"io/fs"
	"math/bits"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

func init() {
	bridge.Confine = confine
	bridge.Needs = func(pid int, call *policy.Data, path string) []uint64 {
		var out []uint64
		for _, s := range launchedProcess(pid).needs(call, path) {
			out = append(out, uint64(s))
		}
		return out
	}
	bridge.Refusals = func(pid int, call *policy.Data) []bridge.Refusal { return launchedProcess(pid).refusals(call) }
}

// launchedProcess is a process of C code, for all that is known of it, with a
// supervisor.
func launchedProcess(pid int) process {
	pr := thisProcess()
	pr.pid, pr.libc, pr.supervised = pid, true, true
	return pr
}

// launchRows are what programs do when they start, which a launched one has to
// do under its promises. They are not part of the table, as a program that calls
// Pledge has that behind it.
var launchRows = []row{
	{needs: always(), calls: []uint32{unix.SYS_PRLIMIT64}, when: conds{is(0, 0), is(1, unix.RLIMIT_NOFILE)},
		note: "Go raises its own limit of descriptors"},
	{needs: always(), calls: []uint32{unix.SYS_SETUID}, when: conds{onlyUser(0)}, note: givesUp},
	{needs: always(), calls: []uint32{unix.SYS_SETGID}, when: conds{onlyGroup(0)}, note: givesUp},
	{needs: always(), errno: unix.EACCES, calls: []uint32{unix.SYS_READLINKAT},
		note: "static programs ask for their own path, /proc/self/exe, and can do without"},
}

// loadRows are what the dynamic loader does, for a program whose filter is there
// before it: what exec grants but execve.
var loadRows = []row{
	{needs: always(), calls: []uint32{unix.SYS_MMAP}, when: conds{
		masked(2, unix.PROT_EXEC|unix.PROT_WRITE, unix.PROT_EXEC),
		masked(3, unix.MAP_TYPE|unix.MAP_ANONYMOUS, unix.MAP_PRIVATE),
	}, note: "the dynamic loader maps programs and libraries: files, private, not writable"},
}

// triedFiles are those that runtimes try to open, or look for, and can do
// without. A filter does not see names; a supervisor does, and has these calls
// fail with EACCES where the promises do not allow them.
var triedFiles = []struct{ pattern, note string }{
	{"/etc/busybox.conf", "says which applets of busybox may have privileges"},
	{"/proc/self/cgroup", "the Go runtime looks for a limit of processors"},
	{"/proc/self/mountinfo", "the same"},
	{"/proc/self/loginuid", "getlogin(3) asks who logged in"},
	{"/proc/self/maps", "pthread_getattr_np(3) looks for the stack of the main thread: Go programs with cgo, and libsigsegv"},
	{"/proc/self/task/*/comm", "names of other threads, which pthread_setname_np(3) writes: dig"},
}

func tried(file string) bool {
	for _, f := range triedFiles {
		if ok, _ := path.Match(f.pattern, file); ok {
			return true
		}
	}
	return false
}

// table returns the table for the process.
func (pr process) table() rows {
	switch {
	case pr.loads:
		return append(table(), launchArchRows, launchRows, loadRows)
	case pr.supervised:
		return append(table(), launchArchRows, launchRows)
	}
	return table()
}

// confine makes what holds a launched program to promises.
func confine(t bridge.Target) (*bridge.Confinement, error) {
	s := Set(t.Promises)
	pr := launchedProcess(0)
	if t.AtExec {
		s = s.With(Stdio, Rpath)
		pr.loads = true
	}
	if err := checkFiles(s, pr.abi); err != nil {
		return nil, err
	}
	c := &bridge.Confinement{}
	if !s.Has(Rpath) && !t.Lax {
		c.Reads = func(path string) bool { return pr.means(s, path, reading) }
	}
	if len(t.Unveil) > 0 {
		if err := pr.unveilFor(c, t.Unveil, s); err != nil {
			c.Close()
			return nil, err
		}
	} else if !t.Lax {
		c.Ruleset = restriction(pr.held(s)).Trim(pr.abi)
	}

	if !t.Lax || len(t.Unveil) > 0 {
		c.Fence = fence(c.Ruleset, pr.abi)
		switch {
		case !t.AtExec && c.Ruleset != nil && c.Ruleset.FS&loading == 0:
			c.Ruleset = nil // the fence is all of it
		case t.AtExec:
			if c.Ruleset.Empty() {
				c.Ruleset = c.Fence
			}
			c.Fence = nil
		}
	}

	violation := t.Violation
	c.Compile = func(pid int) ([]bpf.Insn, error) {
		prog, err := bpf.Compile(pr.of(pid).policy(s, violation).Simplify())
		if err != nil {
			return nil, fmt.Errorf("pledge: compiling %q: %w", s, err)
		}
		return prog, nil
	}
	c.Loading = func(pid int) *policy.Policy { return pr.of(pid).loading(s, violation) }

	wide := sync.OnceValue(func() *policy.Policy {
		held := pr.held(s).With(alone)
		return pr.rules(table(), held|filesOf(held).circumstances(), violation) // also where Landlock cannot tell files apart
	})
	c.Open = func(call *policy.Data, path string) policy.Verdict { return pr.open(wide(), s, call, path) }
	return c, nil
}

// loading are the Landlock rights that it takes to load a program.
const loading = landlock.Read | landlock.Execute

// fence returns what of a ruleset can be in force while a program is loaded. It
// is not empty even if the ruleset is, from Linux 5.19 on: before, there is no
// way to make a ruleset of files that takes nothing.
func fence(r *landlock.Ruleset, abi landlock.ABI) *landlock.Ruleset {
	f := &landlock.Ruleset{}
	if !r.Empty() {
		f.FS, f.Net, f.Scoped, f.Ports = r.FS&^loading, r.Net, r.Scoped, r.Ports
		f.Paths = slices.Clone(r.Paths)
	}
	const refer = unix.LANDLOCK_ACCESS_FS_REFER
	if f.FS&refer == 0 && abi.FS()&refer != 0 {
		f.FS |= refer
		f.Paths = append(f.Paths, landlock.PathRule{Path: "/", Access: refer})
	}
	return f.Trim(abi)
}

// of is the same process by another id.
func (pr process) of(pid int) process {
	pr.pid = pid
	return pr
}

// loading makes the policy of a process before its entry point. What would keep
// the filter out, or get something away from whoever is to install it, is not
// part of it: a filter, a Landlock ruleset, another program, another process.
func (pr process) loading(s Set, violation policy.Verdict) *policy.Policy {
	p := pr.policy(s.With(Stdio, Rpath, ProtExec).Without(Proc, Exec), violation)
	p.Grants = slices.DeleteFunc(p.Grants, func(r policy.Rule) bool { return slices.Contains(bridge.Withheld, r.Nr) })
	return p
}

// unveilFor adds to a confinement what unveil asks for.
func (pr *process) unveilFor(c *bridge.Confinement, paths []bridge.Path, s Set) error {
	if err := (Config{}).checkLandlock(pr.abi); err != nil {
		return err
	}
	var nodes []*veilNode
	c.OnClose(func() {
		for _, n := range nodes {
			unix.Close(n.fd)
		}
	})
	for _, u := range paths {
		may, errno := parsePermissions(u.Permissions)
		if errno != 0 {
			return &fs.PathError{Op: "unveil", Path: u.Path, Err: fmt.Errorf("%w: permissions are letters of %q, not %q", errno, permissionLetters, u.Permissions)}
		}
		n, err := resolve(u.Path, true)
		if err != nil {
			return &fs.PathError{Op: "unveil", Path: u.Path, Err: err}
		}
		n.may = may
		nodes = addNode(nodes, n)
	}
	if c.Reads == nil {
		c.Reads = func(path string) bool {
			if pr.means(s, path, reading) {
				return true
			}
			var may permissions
			for _, n := range nodes { // sorted: the longest is last
				if n.path == path || (&veilNode{path: path}).below(n.path) {
					may = n.may
				}
			}
			return may&(mayRead|mayExecute) != 0
		}
	}
	pr.unveiled = true
	if err := checkUnix(s, pr.abi); err != nil {
		return err
	}
	_, rules, opened, err := new(State).veil(nodes)
	c.OnClose(func() {
		for _, fd := range opened {
			unix.Close(fd)
		}
	})
	if err != nil {
		return err
	}
	c.Ruleset = pr.veilRuleset(rules, true, pr.held(s))
	return nil
}

// open decides of a call that the filter asked a supervisor about: an open, or
// looking at a file, which nothing here allows. The policy
// is the one without a supervisor, where Landlock alone tells files apart.
func (pr process) open(wide *policy.Policy, s Set, call *policy.Data, path string) policy.Verdict {
	if tried(path) {
		return policy.Errno(uint16(unix.EACCES))
	}
	switch {
	case s.Has(TTY) && path == "/dev/tty" && wide.Evaluate(call) != policy.Allow: // getpass(3) of glibc says O_CREAT, and can do without
		return policy.Errno(uint16(unix.EACCES))
	case s.Has(Getpw) && path == "/etc/shadow" && !s.Has(Rpath): // as OpenBSD's spwd.db
		return policy.Errno(uint16(unix.EACCES))
	case wide.Evaluate(call) != policy.Allow:
		return policy.KillProcess
	}
	if pr.means(s, path, 0) {
		if pr.abi.Version == 0 {
			return policy.Errno(uint16(unix.EACCES))
		}
		return policy.Allow
	}
	if (s.Has(DNS) || s.Has(Getpw)) && (path == "/etc/ld.so.cache" || strings.Contains(filepath.Base(path), ".so")) {
		return policy.Errno(uint16(unix.EACCES)) // modules that nsswitch.conf names
	}
	return policy.KillProcess
}

// means reports whether a set of promises means a path for an access.
func (pr process) means(s Set, path string, a access) bool {
	return slices.ContainsFunc(filesOf(pr.held(s)).rows, func(r pathRow) bool { return r.may&a == a && r.covers(path) })
}

// refusals returns the rows that refuse a call, in the table's order.
func (pr process) refusals(call *policy.Data) []bridge.Refusal {
	var out []bridge.Refusal
	for r := range pr.table().all {
		if r.errno == 0 || !slices.Contains(r.calls, call.Nr) || !pr.meets(r.when, call) {
			continue
		}
		for _, needs := range r.needs.alternatives() {
			// Left are those that only stand where no supervisor, or an unveil, is.
			if needs &^= setOf(goFloor, cFloor, anyPath, supervised); needs.SubsetOf(all) {
				out = append(out, bridge.Refusal{Promises: uint64(needs), Errno: r.errno})
			}
		}
	}
	foreign := x32 && call.Nr >= 1<<30 && call.Nr != 1<<32-1 // which kills; the last is that of no call
	if call.Nr >= sysnum.Limit && !foreign {
		out = append(out, bridge.Refusal{Errno: unix.ENOSYS})
	}
	return out
}

// needs returns the smallest sets of promises that allow a call, the fewest
// promises first; tmppath, which OpenBSD has given up, last. Of as many, those
// that mean the file come before those that mean any.
func (pr process) needs(call *policy.Data, path string) []Set {
	files := setOf(readable, writable, makable)
	given := setOf(goFloor, cFloor, anyPath, alone, supervised)
	var out []Set
	for r := range pr.table().all {
		if r.errno != 0 || !slices.Contains(r.calls, call.Nr) || !pr.meets(r.when, call) {
			continue
		}
		for _, needs := range r.needs.alternatives() {
			if needs &^= given; needs&files != 0 {
				if !slices.ContainsFunc(pathTable, func(p pathRow) bool { return p.gives(needs, path) }) {
					continue
				}
				needs &^= files
			}
			if !needs.SubsetOf(all) {
				continue // only where an unveil is in force
			}
			if !slices.ContainsFunc(out, func(s Set) bool { return s.SubsetOf(needs) }) {
				out = slices.DeleteFunc(out, needs.SubsetOf)
				out = append(out, needs)
			}
		}
	}
	rank := func(s Set) int {
		n := bits.OnesCount64(uint64(s))
		if s.Has(Tmppath) {
			n += 64
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b Set) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

// meets reports whether the arguments of a call meet all conditions.
func (pr process) meets(when conds, call *policy.Data) bool {
	for _, c := range when {
		got := call.Args[c.arg] & c.mask
		if !slices.ContainsFunc(pr.values(c), func(v uint32) bool { return uint64(v) == got }) {
			return false
		}
	}
	return true
}

//go:build amd64 || arm64

package pledge

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/argname"
	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

// A Filter is a seccomp program that holds a process to a set of promises. It
// is not installed.
type Filter struct {
	promises Set
	prog     []bpf.Insn
	compiler string
}

// Compile makes the filter that Pledge would install for the set in this
// process, were no unveil in force, without installing it. The errors are
// [*UnsupportedError], and EINVAL for a Config or a Set that means nothing.
func (c Config) Compile(s Set) (*Filter, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if !s.SubsetOf(all) {
		return nil, fmt.Errorf("pledge: the set %#x has bits that are no promises: %w", uint64(s), syscall.EINVAL)
	}
	pr := thisProcess()
	if !c.BestEffort {
		if err := checkFiles(s, pr.abi); err != nil {
			return nil, err
		}
	}
	violation := c.violation(s)
	pr.logs = violation == policy.Log
	return compiled(pr, s, violation)
}

// violation returns what a filter for s answers to what no row mentions.
func (c Config) violation(s Set) policy.Verdict {
	switch {
	case s.Has(Error):
		return policy.Errno(uint16(unix.ENOSYS))
	case c.Violation == Trap:
		return policy.Trap
	case c.Violation == Log:
		return policy.Log
	case c.Violation == Errno:
		return policy.Errno(uint16(cmp.Or(c.Errno, unix.ENOSYS)))
	}
	return policy.KillProcess
}

// programs remembers what was compiled.
var programs struct {
	sync.Mutex
	known map[programKey]*Filter
}

type programKey struct {
	promises  Set // and circumstances
	violation policy.Verdict
	ids       string // the table's fattr rows know the process's own
}

// compiled returns the filter for a set, which is made once per process.
func compiled(pr process, s Set, violation policy.Verdict) (*Filter, error) {
	key := programKey{pr.held(s), violation, fmt.Sprint(pr.uid, pr.gids, pr.onlyUID, pr.onlyGID)}
	programs.Lock()
	defer programs.Unlock()
	if f := programs.known[key]; f != nil {
		return f, nil
	}
	p := pr.policy(s, violation).Simplify()
	prog, compiler, err := compile(p)
	if err != nil {
		return nil, fmt.Errorf("pledge: compiling %q: %w", s, err)
	}
	if programs.known == nil {
		programs.known = map[programKey]*Filter{}
	}
	f := &Filter{promises: s, prog: prog, compiler: compiler}
	programs.known[key] = f
	return f, nil
}

// compileBPF compiles with the project's own compiler.
func compileBPF(p *policy.Policy) ([]bpf.Insn, string, error) {
	prog, err := bpf.Compile(p)
	return prog, "bpf", err
}

// A process is what the table's own conditions are about.
type process struct {
	pid, uid int
	gids     []int // the effective one and the supplementary ones
	libc     bool  // C code may run in it

	onlyUID, onlyGID int // the real, effective and saved one; -1 if there are several

	abi        landlock.ABI
	unveiled   bool // an unveil is, or is about to be, in force
	supervised bool // somebody else decides of violations
	logs       bool // violations are only logged, and so are opens of files that promises do not mean
	loads      bool // it is yet to be loaded
}

// maxGroups is how many of a process's groups a filter knows. Each costs rules,
// and a process may be in 65536.
const maxGroups = 32

func thisProcess() process {
	gids, _ := os.Getgroups()
	gids = slices.Insert(gids, 0, os.Getegid())
	return process{
		pid:  os.Getpid(),
		uid:  os.Geteuid(),
		gids: gids[:min(len(gids), maxGroups)],
		libc: cgoEnabled || iscgo,

		onlyUID: only(unix.Getresuid()),
		onlyGID: only(unix.Getresgid()),

		abi: usableABI(),
	}
}

// only returns the id if it is the only one, else -1.
func only(real, effective, saved int) int {
	if real == effective && effective == saved {
		return effective
	}
	return -1
}

// held adds to a set of promises the circumstances under which the process
// makes them.
func (pr process) held(s Set) Set {
	held := s.With(goFloor)
	switch {
	case pr.supervised:
		held = held.With(supervised)
	case !pr.logs:
		held = held.With(alone)
	}
	if pr.libc || s.Has(Exec) {
		held = held.With(cFloor)
	}
	if pr.abi.Version > 0 {
		held |= filesOf(held).circumstances()
	}
	switch {
	case !pr.unveiled:
		held = held.With(anyPath)
	case pr.abi.FS()&unix.LANDLOCK_ACCESS_FS_TRUNCATE != 0:
		held = held.With(veiled, truncates)
	default:
		held = held.With(veiled)
	}
	return held
}

// policy turns a set of promises into rules: the rows of the table whose needs
// are met.
func (pr process) policy(s Set, violation policy.Verdict) *policy.Policy {
	return pr.rules(pr.table(), pr.held(s), violation)
}

func (pr process) rules(rows rows, held Set, violation policy.Verdict) *policy.Policy {
	p := &policy.Policy{
		Arch:    auditArch,
		X32:     x32,
		Limit:   sysnum.Limit,
		NoSys:   uint16(unix.ENOSYS),
		Grants:  make([]policy.Rule, 0, 512),
		Default: violation,
		Hot:     hot,
	}
	for r := range rows.all {
		if !r.needs.metBy(held) {
			continue
		}
		for _, when := range pr.alternatives(r.when) {
			for _, nr := range r.calls {
				rule := policy.Rule{Nr: nr, When: when}
				if r.errno == 0 {
					p.Grants = append(p.Grants, rule)
				} else {
					p.Refusals = append(p.Refusals, policy.Refusal{Rule: rule, Errno: uint16(r.errno)})
				}
			}
		}
	}
	return p
}

// alternatives expands conditions with several values into conjunctions of
// conditions with one.
func (pr process) alternatives(when conds) [][]policy.Cond {
	if len(when) == 0 {
		return unconditional
	}
	out := unconditional
	for _, c := range when {
		values := pr.values(c)
		longer := make([][]policy.Cond, 0, len(values)*len(out))
		slab := make([]policy.Cond, 0, cap(longer)*(len(out[0])+1))
		for _, v := range values {
			for _, prefix := range out {
				start := len(slab)
				slab = append(append(slab, prefix...), policy.Cond{Arg: c.arg, Mask: c.mask, Value: uint64(v)})
				longer = append(longer, slab[start:len(slab):len(slab)])
			}
		}
		out = longer
	}
	return out
}

// unconditional is the one alternative of no conditions.
var unconditional = [][]policy.Cond{nil}

// values returns the values of a condition, those that stand for the process
// included.
func (pr process) values(c cond) []uint32 {
	if c.own == ownNothing {
		return c.values
	}
	values := slices.Clone(c.values)
	switch c.own {
	case ownPID:
		values = append(values, uint32(pr.pid))
	case ownUID:
		values = append(values, uint32(pr.uid))
	case ownGID:
		for _, gid := range pr.gids {
			values = append(values, uint32(gid))
		}
	case onlyUID:
		values = append(values, uint32(pr.onlyUID))
	case onlyGID:
		values = append(values, uint32(pr.onlyGID))
	case ownEGID:
		for _, gid := range pr.gids[:min(1, len(pr.gids))] {
			values = append(values, uint32(gid))
		}
	}
	return values
}

// Instructions returns the program as seccomp(2) takes it.
func (f *Filter) Instructions() []unix.SockFilter {
	out := make([]unix.SockFilter, len(f.prog))
	for i, in := range f.prog {
		out[i] = unix.SockFilter{Code: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return out
}

// Check returns what the filter says of a call, by running it.
func (f *Filter) Check(call Call) Verdict {
	return Verdict(bpf.Run(f.prog, &policy.Data{
		Nr:   call.Nr,
		Arch: cmp.Or(call.Arch, auditArch),
		Args: call.Args,
	}))
}

// String returns the program in the notation of the kernel's bpf_asm, with the
// names of system calls, of the promises that grant them, and of constants.
func (f *Filter) String() string {
	return fmt.Sprintf("; pledge %q: %d instructions by %s\n", f.promises, len(f.prog), f.compiler) +
		bpf.Disassemble(f.prog, names{f.promises})
}

// names is what a disassembly of the filter for a set has beside the numbers.
type names struct{ held Set }

// Call names a call and the promises of the set that have a grant of it.
func (n names) Call(nr uint32) string {
	held := n.held | ^all
	var by Set
	for r := range table().all {
		if r.errno == 0 && r.needs.metBy(held) && slices.Contains(r.calls, nr) {
			for _, needs := range r.needs.alternatives() {
				if needs.SubsetOf(held) {
					by |= needs
				}
			}
		}
	}
	switch {
	case by&all != 0:
		return fmt.Sprintf("%s (%s)", sysnum.Name(nr), by&all)
	case by != 0:
		return sysnum.Name(nr) + " (always)"
	}
	return sysnum.Name(nr)
}

// Arg puts a condition on an argument into words.
func (n names) Arg(nr uint32, arg int, context, mask, value uint64) string {
	return argname.Masked(sysnum.Name(nr), arg, context, mask, value)
}

// Explain returns the ways in which the named system call is allowed, or
// refused with an errno; none if it is always a violation or unknown. Grants
// come first.
func Explain(name string) []Grant {
	nr, ok := sysnum.Number(name)
	if !ok {
		return nil
	}
	var out []Grant
	for r := range table().all {
		if !slices.Contains(r.calls, nr) {
			continue
		}
		for _, needs := range r.needs.alternatives() {
			g := Grant{
				Needs: needs & all,
				LibC:  needs.Has(cFloor),
				Errno: r.errno,
				Note:  r.note,
			}
			g.When = append(r.conditions(name), circumstancesIn(needs)...)
			out = append(out, g)
		}
	}
	slices.SortStableFunc(out, func(a, b Grant) int { return cmp.Compare(a.Errno, b.Errno) })
	return out
}

// circumstancesIn puts the circumstances that a row asks for into words.
func circumstancesIn(needs Set) (out []string) {
	for p := goFloor; p > lastCircumstance; p-- {
		if text := circumstances[p]; text != "" && needs.Has(p) {
			out = append(out, text)
		}
	}
	return out
}

// conditions puts the conditions of a row on one of its calls into words.
func (r *row) conditions(call string) []string {
	var out []string
	for _, c := range r.when {
		out = append(out, c.describe(call, r.context(c.arg)))
	}
	return out
}

// context returns the argument in front of arg that says how to read it: the
// level of a socket option, the domain of a protocol, the option of prctl.
func (r *row) context(arg uint8) uint64 {
	for _, c := range r.when {
		if before := arg - 1; (c.arg == before || c.arg == 0) && c.arg < arg && len(c.values) > 0 {
			return uint64(c.values[0])
		}
	}
	return 0
}

func (c cond) describe(call string, context uint64) string {
	arg := int(c.arg)
	whole := c.mask == int32Mask || c.mask == pointerMask
	var values []string
	for _, v := range c.values {
		v := uint64(v)
		if !whole || len(c.values)+int(c.own) == 1 {
			values = append(values, argname.Masked(call, arg, context, c.mask, v))
			continue
		}
		name := argname.Value(call, arg, context, v)
		if name == "" {
			name = fmt.Sprint(int32(v))
		}
		values = append(values, name)
	}
	switch c.own {
	case ownPID:
		values = append(values, "its own pid")
	case ownUID:
		values = append(values, "its own uid")
	case ownGID:
		values = append(values, "its own gids")
	case ownEGID:
		values = append(values, "its own gid")
	case onlyUID:
		values = append(values, "its only uid")
	case onlyGID:
		values = append(values, "its only gid")
	}
	switch {
	case !whole:
		return strings.Join(values, " or ")
	case len(values) == 1 && c.own == ownNothing:
		return values[0]
	case len(values) == 1:
		return argname.Arg(call, arg) + " = " + values[0]
	}
	return argname.Arg(call, arg) + " in {" + strings.Join(values, " ") + "}"
}

// errnoName returns the name of an errno, as "ENOSYS".
func errnoName(e syscall.Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprint(uint(e))
}

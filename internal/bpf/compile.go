package bpf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/gopledge/pledge/internal/policy"
)

// Compile turns a policy into a program that does what the policy says.
//
// The program looks at the architecture, then at the policy's hot numbers one by
// one, and finds all others by binary search: a number whose fate does not depend on arguments ends in a
// return without anything but number and architecture having been read, which
// is what lets the kernel (5.11 and later) remember the answer and not run the
// program at all. A number with conditions leads to a small decision tree over
// the 32-bit halves of its arguments.
func Compile(p *policy.Policy) ([]Insn, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	b := builder{rev: make([]Insn, 0, 512)}
	body := b.decide(p, p.Grants, b.ret(p.Default))
	b.frame(p, body)
	return b.program()
}

// Wrap completes a program that another compiler made from the grants of a
// policy alone, with [Placeholder] as the verdict on everything else: in front
// of it the same frame as Compile's, behind it the refusals and the default.
func Wrap(p *policy.Policy, grants []Insn) ([]Insn, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := Validate(grants); err != nil {
		return nil, err
	}
	var b builder
	rest := b.then(Insn{Code: ldAbs, K: offNr}, b.decide(p, nil, b.ret(p.Default)))
	start := len(b.rev)
	for i, in := range slices.Backward(grants) {
		if in.Code == retK && policy.Verdict(in.K) == Placeholder {
			in = b.jump(rest)
		}
		b.rev = append(b.rev, in)
		if len(b.rev) != start+len(grants)-i {
			return nil, fmt.Errorf("bpf: internal error: instruction %d of the grants moved", i)
		}
	}
	b.frame(p, len(b.rev)-1)
	return b.program()
}

// Placeholder is the verdict that [Wrap] replaces. Should one be left over, it
// fails closed.
const Placeholder policy.Verdict = 0x00050ffe

// A builder writes a program from its end to its beginning: jumps go forward
// only, so that whatever is jumped to is there already and its distance known.
type builder struct {
	rev   []Insn // the program, last instruction first
	rets  map[policy.Verdict]addr
	trees map[string]addr // what tree has emitted, by what was asked of it
	key   []byte          // of the last question

	tests []test // where paths are cut from
	paths []path // those of the last number
}

// An addr is an instruction's index in builder.rev.
type addr = int

// program returns what was built, in order.
func (b *builder) program() ([]Insn, error) {
	prog := slices.Clone(b.rev)
	slices.Reverse(prog)
	if err := Validate(prog); err != nil {
		return nil, err
	}
	return prune(prog), nil
}

// prune leaves out the instructions of a valid program that are never reached:
// returns that were repeated wherever they were wanted.
func prune(prog []Insn) []Insn {
	reached := make([]bool, len(prog)+1)
	reached[0] = true
	for i, in := range prog {
		switch {
		case !reached[i] || in.Code&0x07 == retK:
		case in.Code == ja:
			reached[i+1+int(in.K)] = true
		case in.Code&0x07 == jmp:
			reached[i+1+int(in.Jt)] = true
			reached[i+1+int(in.Jf)] = true
		default:
			reached[i+1] = true
		}
	}
	before := make([]int, len(prog)+1) // how many are left in front of each
	for i := range prog {
		before[i+1] = before[i]
		if reached[i] {
			before[i+1]++
		}
	}
	out := make([]Insn, 0, before[len(prog)])
	for i, in := range prog {
		if !reached[i] {
			continue
		}
		distance := func(offset int) int { return before[i+1+offset] - before[i+1] }
		if in.Code == ja {
			in.K = uint32(distance(int(in.K)))
		} else if in.Code&0x07 == jmp {
			in.Jt, in.Jf = uint8(distance(int(in.Jt))), uint8(distance(int(in.Jf)))
		}
		out = append(out, in)
	}
	return out
}

// ret returns the address of a return of v.
func (b *builder) ret(v policy.Verdict) addr {
	if a, ok := b.rets[v]; ok {
		return a
	}
	if b.rets == nil {
		b.rets = map[policy.Verdict]addr{}
	}
	b.rev = append(b.rev, Insn{Code: retK, K: uint32(v)})
	b.rets[v] = len(b.rev) - 1
	return b.rets[v]
}

// jump returns the instruction that, put next in front, continues at target. A
// return needs no jump, it is repeated.
func (b *builder) jump(target addr) Insn {
	if in := b.rev[target]; in.Code == retK {
		return in
	}
	return Insn{Code: ja, K: uint32(len(b.rev) - target - 1)}
}

// then emits an instruction after which execution continues at target.
func (b *builder) then(in Insn, target addr) addr {
	if target != len(b.rev)-1 {
		b.rev = append(b.rev, b.jump(target))
	}
	b.rev = append(b.rev, in)
	return len(b.rev) - 1
}

// branch emits a conditional jump: to yes if A code k holds, else to no.
func (b *builder) branch(code uint16, k uint32, yes, no addr) addr {
	if yes == no {
		return yes
	}
	const reach = math.MaxUint8
	// An intermediate jump moves the other target one further away.
	if len(b.rev)-yes-1 > reach-1 {
		b.rev = append(b.rev, b.jump(yes))
		yes = len(b.rev) - 1
	}
	if len(b.rev)-no-1 > reach {
		b.rev = append(b.rev, b.jump(no))
		no = len(b.rev) - 1
	}
	b.rev = append(b.rev, Insn{Code: code, K: k, Jt: uint8(len(b.rev) - yes - 1), Jf: uint8(len(b.rev) - no - 1)})
	return len(b.rev) - 1
}

// frame emits the beginning of every program: other architectures, x32 and
// numbers beyond the table never get to the body, which begins with the number
// in A.
func (b *builder) frame(p *policy.Policy, body addr) {
	beyond := b.ret(policy.Errno(p.NoSys))
	kill := b.ret(policy.KillProcess)
	if p.X32 {
		beyond = b.branch(jeq, noCall, beyond, b.branch(jge, x32Bit, kill, beyond))
	}
	a := b.branch(jge, p.Limit, beyond, body)
	a = b.then(Insn{Code: ldAbs, K: offNr}, a)
	a = b.branch(jeq, p.Arch, a, b.ret(policy.KillProcess))
	b.then(Insn{Code: ldAbs, K: offArch}, a)
}

const (
	x32Bit = 0x40000000 // the calls of x32 have AUDIT_ARCH_X86_64 too
	noCall = 0xffffffff // «no system call», which the kernel answers with ENOSYS
)

// decide emits the search for the call's number, which it expects in A: the
// calls of grants are allowed, refused ones fail, and with all others execution
// continues at otherwise.
func (b *builder) decide(p *policy.Policy, grants []policy.Rule, otherwise addr) addr {
	byNr := sorted(grants, func(x, y policy.Rule) int { return cmp.Compare(x.Nr, y.Nr) })
	refusals := sorted(p.Refusals, func(x, y policy.Refusal) int { return cmp.Compare(x.Nr, y.Nr) })

	// Numbers in descending order, so that the trees of low numbers, which are
	// old and much used calls, stand first in the program.
	type fate struct {
		nr uint32
		at addr
	}
	var fates []fate
	allow := b.ret(policy.Allow)
	for len(byNr) > 0 || len(refusals) > 0 {
		var nr uint32
		if n := len(byNr); n > 0 {
			nr = byNr[n-1].Nr
		}
		if n := len(refusals); n > 0 {
			nr = max(nr, refusals[n-1].Nr)
		}
		paths := b.paths[:0]
		for n := len(byNr); n > 0 && byNr[n-1].Nr == nr; n-- {
			paths = append(paths, b.path(byNr[n-1].When))
			byNr = byNr[:n-1]
		}
		b.paths = paths
		a := otherwise
		for n := len(refusals); n > 0 && refusals[n-1].Nr == nr; {
			// Neighbours with the same errno are looked for together.
			errno := refusals[n-1].Errno
			var refused []path
			for ; n > 0 && refusals[n-1].Nr == nr && refusals[n-1].Errno == errno; n-- {
				refused = append(refused, b.path(refusals[n-1].When))
			}
			refusals = refusals[:n]
			if !unconditional(paths) {
				a = b.tree(refused, b.ret(policy.Errno(errno)), a)
			}
		}
		fates = append(fates, fate{nr, b.tree(paths, allow, a)})
	}

	// What is called often and depends on arguments is asked for first. What
	// does not can wait: the kernel does not run the program for it.
	hot := make([]addr, len(p.Hot)) // or -1
	for i, nr := range p.Hot {
		hot[i] = slices.IndexFunc(fates, func(f fate) bool { return f.nr == nr })
		if hot[i] >= 0 {
			hot[i] = fates[hot[i]].at
		}
	}

	var segs []segment
	put := func(from uint32, to addr) {
		if n := len(segs); n == 0 || !b.same(segs[n-1].to, to) {
			segs = append(segs, segment{from, to})
		}
	}
	next := uint32(0) // the first number that segs do not have yet
	for _, f := range slices.Backward(fates) {
		if next < f.nr {
			put(next, otherwise)
		}
		if !slices.Contains(p.Hot, f.nr) { // else the search never sees it
			put(f.nr, f.at)
		}
		next = f.nr + 1
	}
	if next < p.Limit { // the frame lets no larger number get here
		put(next, otherwise)
	}
	a := otherwise
	if len(segs) > 0 {
		segs[0].from = 0
		a = b.search(segs, uint64(p.Limit))
	}
	for i, nr := range slices.Backward(p.Hot) {
		if hot[i] >= 0 {
			a = b.branch(jeq, nr, hot[i], a)
		}
	}
	return a
}

// sorted returns rules in order. Those of a simplified policy are already.
func sorted[T any](rules []T, compare func(x, y T) int) []T {
	if slices.IsSortedFunc(rules, compare) {
		return rules
	}
	return slices.SortedStableFunc(slices.Values(rules), compare)
}

// same reports whether it makes no difference which of two addresses is
// continued at.
func (b *builder) same(x, y addr) bool {
	return x == y || b.rev[x].Code == retK && b.rev[x] == b.rev[y]
}

// A segment says where to continue for the values of A from from up to the
// next segment's.
type segment struct {
	from uint32
	to   addr
}

// search emits a balanced binary search for the segment that A, which is below
// end, is in.
func (b *builder) search(segs []segment, end uint64) addr {
	if a, ok := b.chain(segs, end); ok {
		return a
	}
	mid := len(segs) / 2
	at := segs[mid].from
	high := b.search(segs[mid:], end)
	low := b.search(segs[:mid], uint64(at))
	return b.branch(jge, at, high, low)
}

// chain emits what needs no search: a few single values that are singled out
// from a common rest.
func (b *builder) chain(segs []segment, end uint64) (addr, bool) {
	const most = 4
	if len(segs) == 1 {
		return segs[0].to, true
	}
	if len(segs) > 2*most+1 {
		return 0, false
	}
	for _, rest := range [...]addr{segs[0].to, segs[1].to} {
		var single [most]segment
		n, ok := 0, true
		for i, s := range segs {
			if b.same(s.to, rest) {
				continue
			}
			next := end
			if i+1 < len(segs) {
				next = uint64(segs[i+1].from)
			}
			if ok = n < most && next == uint64(s.from)+1; !ok {
				break
			}
			single[n] = s
			n++
		}
		if ok {
			a := rest
			for _, s := range slices.Backward(single[:n]) {
				a = b.branch(jeq, s.from, s.to, a)
			}
			return a, true
		}
	}
	return 0, false
}

// domain is the end of all words.
const domain = 1 << 32

// A test is a condition on one 32-bit word of an argument.
type test struct {
	word  // what is compared
	value uint32
}

// A word is 32 bits of an argument, some of them masked out.
type word struct{ off, mask uint32 }

// A path is a conjunction of tests.
type path []test

// path splits conditions into their halves.
func (b *builder) path(conds []policy.Cond) path {
	if len(conds) == 0 {
		return nil
	}
	if cap(b.tests)-len(b.tests) < 2*len(conds) {
		b.tests = make([]test, 0, 256)
	}
	start := len(b.tests)
	for _, c := range conds {
		if m := uint32(c.Mask); m != 0 {
			b.tests = append(b.tests, test{word{offArg(c.Arg, false), m}, uint32(c.Value)})
		}
		if m := uint32(c.Mask >> 32); m != 0 {
			b.tests = append(b.tests, test{word{offArg(c.Arg, true), m}, uint32(c.Value >> 32)})
		}
	}
	return b.tests[start:len(b.tests):len(b.tests)]
}

// tree emits tests such that yes is continued at if one of the paths holds,
// and no otherwise. The word that most paths test is looked at first, once for
// all of them.
//
// Calls often share their conditions, getsockopt and setsockopt all of them:
// what was emitted once is used again.
func (b *builder) tree(paths []path, yes, no addr) addr {
	switch {
	case len(paths) == 0:
		return no
	case unconditional(paths):
		return yes
	}
	b.key = appendKey(b.key[:0], paths, yes, no)
	a, ok := b.trees[string(b.key)]
	if !ok {
		key := string(b.key)
		a = b.grow(paths, yes, no)
		if b.trees == nil {
			b.trees = map[string]addr{}
		}
		b.trees[key] = a
	}
	return a
}

// appendKey appends what tells one question to tree from another.
func appendKey(key []byte, paths []path, yes, no addr) []byte {
	key = binary.LittleEndian.AppendUint32(key, uint32(yes))
	key = binary.LittleEndian.AppendUint32(key, uint32(no))
	for _, p := range paths {
		key = append(key, byte(len(p)))
		for _, t := range p {
			key = append(key, byte(t.off))
			key = binary.LittleEndian.AppendUint32(key, t.mask)
			key = binary.LittleEndian.AppendUint32(key, t.value)
		}
	}
	return key
}

func (b *builder) grow(paths []path, yes, no addr) addr {
	first := mostTested(paths)

	// A branch is a value of that word with the paths that need it.
	type branch struct {
		value uint32
		paths []path
		to    addr
	}
	branches := make([]branch, 0, len(paths))
	var others []path
	for _, p := range paths {
		i := slices.IndexFunc(p, func(t test) bool { return t.word == first })
		if i < 0 {
			others = append(others, p)
			continue
		}
		at, found := slices.BinarySearchFunc(branches, p[i].value, func(br branch, v uint32) int { return cmp.Compare(br.value, v) })
		if !found {
			branches = slices.Insert(branches, at, branch{value: p[i].value})
		}
		if len(p) == 1 {
			branches[at].paths = done
			continue
		}
		// Another test of the same word stays: the path can still fail there.
		branches[at].paths = append(slices.Clip(branches[at].paths), slices.Delete(slices.Clone(p), i, i+1))
	}
	rest := b.tree(others, yes, no)
	for i, br := range slices.Backward(branches) {
		branches[i].to = b.tree(br.paths, yes, rest)
	}
	if first.mask == math.MaxUint32 { // none of the values: A is still what it was loaded with
		rest = b.loaded(rest, first.off)
	}

	load := Insn{Code: ldAbs, K: first.off}
	if len(branches) == 1 && first.mask != math.MaxUint32 {
		switch br := branches[0]; {
		case br.value == 0: // no bit of the mask is set
			return b.then(load, b.branch(jset, first.mask, rest, br.to))
		case first.mask&(first.mask-1) == 0: // the mask's one bit is set
			return b.then(load, b.branch(jset, first.mask, br.to, rest))
		}
	}
	segs := []segment{{0, rest}}
	for _, br := range branches {
		if n := len(segs); segs[n-1].from == br.value {
			segs = segs[:n-1]
		}
		if n := len(segs); n == 0 || !b.same(segs[n-1].to, br.to) {
			segs = append(segs, segment{br.value, br.to})
		}
		if br.value != math.MaxUint32 && !b.same(br.to, rest) {
			segs = append(segs, segment{br.value + 1, rest})
		}
	}
	a := b.search(segs, domain)
	if first.mask != math.MaxUint32 {
		a = b.then(Insn{Code: aluAnd, K: first.mask}, a)
	}
	return b.then(load, a)
}

// loaded returns where to continue instead of at an address where A is loaded
// with a word that it has already.
func (b *builder) loaded(at addr, off uint32) addr {
	if in := b.rev[at]; in.Code == ldAbs && in.K == off && at > 0 {
		return at - 1
	}
	return at
}

// done is what is left of paths when one of them has come to its end.
var done = []path{nil}

// unconditional reports whether one of the paths holds anyway.
func unconditional(paths []path) bool {
	return slices.ContainsFunc(paths, func(p path) bool { return len(p) == 0 })
}

// mostTested returns the word that most paths test.
func mostTested(paths []path) word {
	type count struct {
		word
		n int
	}
	var counts []count
	for _, p := range paths {
		for _, t := range p {
			i := slices.IndexFunc(counts, func(c count) bool { return c.word == t.word })
			if i < 0 {
				i = len(counts)
				counts = append(counts, count{word: t.word})
			}
			counts[i].n++
		}
	}
	best := counts[0]
	for _, c := range counts[1:] {
		if c.n > best.n || c.n == best.n && less(c.word, best.word) {
			best = c
		}
	}
	return best.word
}

func less(x, y word) bool {
	if x.off != y.off {
		return x.off < y.off
	}
	return x.mask < y.mask
}

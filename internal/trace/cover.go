//go:build linux && (amd64 || arm64)

package trace

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/gopledge/pledge"
)

// alternatives are sets of promises of which one suffices.
type alternatives []pledge.Set

// minimal sorts out repetitions and sets that include another one. The empty set
// suffices alone.
func (a alternatives) minimal() alternatives {
	var out alternatives
	for i, s := range a {
		if !slices.ContainsFunc(a, func(t pledge.Set) bool { return t != s && t.SubsetOf(s) }) && !slices.Contains(a[:i], s) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(x, y pledge.Set) int { return cmp.Or(cmp.Compare(size(x), size(y)), cmp.Compare(x, y)) })
	return out
}

// free reports whether nothing has to be promised.
func (a alternatives) free() bool { return slices.Contains(a, 0) }

// metBy returns the first set that is part of s.
func (a alternatives) metBy(s pledge.Set) (pledge.Set, bool) {
	i := slices.IndexFunc(a, func(t pledge.Set) bool { return t.SubsetOf(s) })
	if i < 0 {
		return 0, false
	}
	return a[i], true
}

func size(s pledge.Set) int { return bits.OnesCount64(uint64(s)) }

// cover returns the smallest set that meets all needs: of the fewest promises,
// and of those sets the narrowest. There are few needs with a choice, so it
// tries all.
func cover(needs []alternatives) pledge.Set {
	var forced pledge.Set
	for _, n := range needs {
		if len(n) == 1 {
			forced |= n[0]
		}
	}
	best, found := pledge.Set(0), false
	var try func(s pledge.Set)
	try = func(s pledge.Set) {
		if found && size(s) > size(best) {
			return
		}
		i := slices.IndexFunc(needs, func(n alternatives) bool { _, ok := n.metBy(s); return !ok })
		if i < 0 {
			if !found || size(s) < size(best) || breadth(s) < breadth(best) {
				best, found = s, true
			}
			return
		}
		for _, a := range needs[i] {
			try(s | a)
		}
	}
	try(forced)
	return best
}

// breadth says how much a set allows, to choose between sets of one size.
func breadth(s pledge.Set) (sum int) {
	for p := range s.All() {
		i := slices.Index(narrowestFirst, p)
		if i < 0 {
			i = len(narrowestFirst)
		}
		sum += i
	}
	return sum
}

// narrowestFirst is the order of preference where promises are alternatives. It
// is a judgement: what gives away least. Promises that have no alternatives
// anywhere are not in it.
var narrowestFirst = []pledge.Promise{
	pledge.Stdio, pledge.Getpw, pledge.TTY, pledge.DNS, pledge.Rpath, pledge.Flock, pledge.Recvfd, pledge.Sendfd,
	pledge.Route, pledge.Unix, pledge.Inet, pledge.Tmppath, pledge.Wpath, pledge.Fattr, pledge.Cpath, pledge.Dpath,
	pledge.ProtExec, pledge.Exec, pledge.Proc, pledge.Chown, pledge.ID, pledge.Wroute, pledge.PF,
}

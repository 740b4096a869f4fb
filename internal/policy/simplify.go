package policy

import (
	"cmp"
	"slices"
)

// Simplify returns a policy with the same meaning and fewer rules: conditions
// on one argument are merged, and a rule is left out if it contradicts itself
// or if a single other one of its kind matches all that it matches.
//
// The rules of a number then stand together, in ascending order of numbers, and
// in the order that they had.
func (p *Policy) Simplify() *Policy {
	q := *p
	q.Grants = make([]Rule, 0, len(p.Grants))
	for _, r := range p.Grants {
		if r, ok := r.merge(); ok {
			q.Grants = append(q.Grants, r)
		}
	}
	rules := byNumber(q.Grants, func(r Rule) uint32 { return r.Nr })
	q.Grants = q.Grants[:0]
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && rules[n].Nr == rules[0].Nr {
			n++
		}
		for i, r := range rules[:n] {
			if !covered(rules[:n], i) {
				q.Grants = append(q.Grants, r)
			}
		}
		rules = rules[n:]
	}

	// The order of refusals counts: only one that an earlier one covers goes.
	refusals := byNumber(p.Refusals, func(r Refusal) uint32 { return r.Nr })
	q.Refusals = make([]Refusal, 0, len(refusals))
	first := 0 // of the number's
refusals:
	for _, r := range refusals {
		m, ok := r.Rule.merge()
		if !ok {
			continue
		}
		if len(q.Refusals) > first && q.Refusals[first].Nr != m.Nr {
			first = len(q.Refusals)
		}
		for _, earlier := range q.Refusals[first:] {
			if earlier.covers(m) {
				continue refusals
			}
		}
		q.Refusals = append(q.Refusals, Refusal{m, r.Errno})
	}
	return &q
}

// byNumber returns what it is given in ascending order of call numbers, stably.
// There are some hundreds of rules and of numbers, so counting is the fastest.
func byNumber[T any](rules []T, number func(T) uint32) []T {
	limit := uint32(0)
	for _, r := range rules {
		limit = max(limit, number(r)+1)
	}
	if limit > 1<<12 {
		return slices.SortedStableFunc(slices.Values(rules), func(x, y T) int { return cmp.Compare(number(x), number(y)) })
	}
	at := make([]int, limit+1) // where the next one of a number goes
	for _, r := range rules {
		at[number(r)+1]++
	}
	for i := range limit {
		at[i+1] += at[i]
	}
	out := make([]T, len(rules))
	for _, r := range rules {
		out[at[number(r)]] = r
		at[number(r)]++
	}
	return out
}

// covered reports whether another of the rules makes rules[i] superfluous. Of
// two equal ones the first stays.
func covered(rules []Rule, i int) bool {
	for j, other := range rules {
		if j != i && other.covers(rules[i]) && (j < i || !rules[i].covers(other)) {
			return true
		}
	}
	return false
}

// merge joins the conditions on each argument into one. It reports false if
// they contradict each other.
func (r Rule) merge() (Rule, bool) {
	if !r.repeats() {
		return r, true
	}
	m := Rule{Nr: r.Nr, When: make([]Cond, 0, len(r.When))}
conds:
	for _, c := range r.When {
		for i := range m.When {
			have := &m.When[i]
			if have.Arg != c.Arg {
				continue
			}
			if both := have.Mask & c.Mask; have.Value&both != c.Value&both {
				return Rule{}, false
			}
			have.Mask |= c.Mask
			have.Value |= c.Value
			continue conds
		}
		m.When = append(m.When, c)
	}
	return m, true
}

// repeats reports whether an argument has more than one condition.
func (r Rule) repeats() bool {
	var seen uint8
	for _, c := range r.When {
		if seen&(1<<c.Arg) != 0 {
			return true
		}
		seen |= 1 << c.Arg
	}
	return false
}

// covers reports whether r matches all that s matches: each condition of r
// follows from one of s.
func (r Rule) covers(s Rule) bool {
	if r.Nr != s.Nr {
		return false
	}
conds:
	for _, c := range r.When {
		for _, d := range s.When {
			if d.Arg == c.Arg && c.Mask&^d.Mask == 0 && d.Value&c.Mask == c.Value {
				continue conds
			}
		}
		return false
	}
	return true
}

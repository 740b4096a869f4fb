package policy

import (
	"cmp"
	"slices"
)

// Simplify returns a policy with the same meaning and fewer rules: conditions
// on one argument are merged, and a rule is left out if it contradicts itself
// or if a single other one of its kind matches all that it matches.
func (p *Policy) Simplify() *Policy {
	q := *p
	rules := make([]Rule, 0, len(p.Grants))
	for _, r := range p.Grants {
		if r, ok := r.merge(); ok {
			rules = append(rules, r)
		}
	}
	slices.SortStableFunc(rules, func(x, y Rule) int { return cmp.Compare(x.Nr, y.Nr) })
	q.Grants = make([]Rule, 0, len(rules))
	for len(rules) > 0 {
		n := slices.IndexFunc(rules, func(r Rule) bool { return r.Nr != rules[0].Nr })
		if n < 0 {
			n = len(rules)
		}
		for i, r := range rules[:n] {
			if !covered(rules[:n], i) {
				q.Grants = append(q.Grants, r)
			}
		}
		rules = rules[n:]
	}

	// The order of refusals counts: only one that an earlier one covers goes.
	q.Refusals = nil
refusals:
	for _, r := range p.Refusals {
		m, ok := r.Rule.merge()
		if !ok {
			continue
		}
		for _, earlier := range q.Refusals {
			if earlier.covers(m) {
				continue refusals
			}
		}
		q.Refusals = append(q.Refusals, Refusal{m, r.Errno})
	}
	return &q
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

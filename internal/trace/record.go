//go:build linux && (amd64 || arm64)

package trace

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/gopledge/pledge"
)

// A Report is what a program asked for.
type Report struct {
	Promises string     `json:"promises"` // the smallest set that suffices
	Needs    []Need     `json:"needs"`    // what each promise is for
	Optional []Need     `json:"optional"` // what would be refused softly
	Refused  []Use      `json:"refused"`  // what was refused softly, as under every set of promises
	Never    []Use      `json:"never"`    // what no promise allows
	Paths    []PathRule `json:"paths"`    // where files were used, as rules for unveil
	Status   int        `json:"status"`   // the exit status, 128 and the signal if there was one

	Set pledge.Set `json:"-"`
}

// A Need is a promise and what asked for it.
type Need struct {
	Promise string `json:"promise"`
	Uses    []Use  `json:"uses"`
}

// A Use is calls of one kind.
type Use struct {
	Call    string `json:"call"`    // the name
	Count   int    `json:"count"`   // how often
	Example string `json:"example"` // the first of them, with its arguments
	Program string `json:"program"` // who made it
	Errno   string `json:"errno,omitempty"`
	With    string `json:"with,omitempty"`  // the promises that would allow it
	Early   bool   `json:"early,omitempty"` // no promise allows it before the program begins, while libraries are loaded
}

// A record collects what calls ask for. Calls of one name that ask for the same
// are counted together.
type record struct {
	uses  map[useKey]*Use
	order []useKey
	paths map[string]perm
}

type useKey struct {
	needs    string // the alternatives, printed
	optional bool
	never    bool
	refused  string
	with     string // what allows it although it was refused
	call     string
	early    bool
}

func newRecord() *record { return &record{uses: map[useKey]*Use{}, paths: map[string]perm{}} }

// add counts a call that asks for something.
func (r *record) add(j judgement, refused, with, name, program, example string, early bool) {
	key := useKey{optional: j.optional, never: j.never, refused: refused, with: with, call: name, early: early}
	for _, s := range j.needs {
		key.needs += s.String() + "|"
	}
	u := r.uses[key]
	if u == nil {
		u = &Use{Call: name, Example: example, Program: program, Errno: refused, Early: early}
		r.uses[key] = u
		r.order = append(r.order, key)
	}
	u.Count++
}

// alternatives are those of a key.
func (k useKey) alternatives() alternatives {
	var out alternatives
	for _, s := range strings.Split(strings.TrimSuffix(k.needs, "|"), "|") {
		set, _ := pledge.Parse(s)
		out = append(out, set)
	}
	return out
}

// report works out the promises.
func (r *record) report() *Report {
	var needs []alternatives
	for _, k := range r.order {
		if k.needs != "" && !k.optional {
			needs = append(needs, k.alternatives())
		}
	}
	rep := &Report{Set: compilable(cover(needs)), Needs: []Need{}, Optional: []Need{}, Refused: []Use{}, Never: []Use{}}
	rep.Promises = rep.Set.String()
	for _, k := range r.order {
		u := *r.uses[k]
		a := k.alternatives()
		met, ok := a.metBy(rep.Set)
		switch {
		case k.never:
			rep.Never = append(rep.Never, u)
		case k.needs == "":
			u.With = k.with
			rep.Refused = append(rep.Refused, u)
		case k.optional && ok: // it is promised anyway
		case k.optional:
			rep.Optional = file(rep.Optional, strings.ReplaceAll(strings.TrimSuffix(k.needs, "|"), "|", " or "), u)
		default:
			for p := range met.All() {
				rep.Needs = file(rep.Needs, p.String(), u)
			}
		}
	}
	rank := func(n Need) int { s, _ := pledge.Parse(n.Promise); return int(s & -s) }
	slices.SortStableFunc(rep.Needs, func(a, b Need) int { return cmp.Compare(rank(a), rank(b)) })
	rep.Paths = fold(r.paths, exists)
	return rep
}

// compilable adds what promises that mean certain files go with where the
// library cannot tell those from others.
func compilable(s pledge.Set) pledge.Set {
	if _, err := (pledge.Config{}).Compile(s); err != nil {
		if more := s.With(pledge.Rpath); more != s {
			return more
		}
	}
	return s
}

func file(needs []Need, promise string, u Use) []Need {
	i := slices.IndexFunc(needs, func(n Need) bool { return n.Promise == promise })
	if i < 0 {
		return append(needs, Need{promise, []Use{u}})
	}
	needs[i].Uses = append(needs[i].Uses, u)
	return needs
}

// use notes what was done to a path. The directory instead of the name counts
// if parent says so. A file without a name, as of memfd_create(2), needs no rule;
// the kernel makes one up for it.
func (r *record) use(name string, p perm, parent bool) {
	if !path.IsAbs(name) || p == 0 || !parent && strings.HasSuffix(name, " (deleted)") && !exists(name) {
		return
	}
	if parent {
		name = path.Dir(name)
	}
	r.paths[path.Clean(name)] |= p
}

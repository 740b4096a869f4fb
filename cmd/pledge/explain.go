//go:build linux && (amd64 || arm64)

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/argname"
	"github.com/gopledge/pledge/internal/nearest"
	"github.com/gopledge/pledge/internal/sysnum"
)

func explainCommand() *cobra.Command {
	var asJSON, asBPF bool
	cmd := &cobra.Command{
		Use:   "explain PROMISES | CALL",
		Short: "Say what promises allow, or which promises allow a system call",
		Long: `explain says which system calls a set of promises allows, for which arguments
and what for; or, given the name of a system call, which promises allow it. Where
a word is both, as flock is, it says both.

What is neither allowed nor refused with an errno is a violation.`,
		Example: `  pledge explain "stdio rpath"
  pledge explain openat
  pledge explain --bpf "stdio"
  pledge explain --json "stdio inet" | jq -r '.grants[].calls[]'`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return hintError{errors.New("explain needs promises or a system call"), `for instance: pledge explain "stdio rpath"`}
			case len(args) > 1:
				return hintError{fmt.Errorf("explain takes one argument, not %d", len(args)),
					fmt.Sprintf("quote promises: pledge explain %q", strings.Join(args, " "))}
			}
			return nil
		},
		ValidArgsFunction: completePromisesAndCalls,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := explain(args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			switch {
			case asBPF && e.Promises == nil:
				return hintError{fmt.Errorf("--bpf is for promises, and %q is a system call", args[0]), "pledge explain --bpf \"stdio\""}
			case asBPF:
				return writeBPF(w, e.set)
			case asJSON:
				return writeJSON(w, e)
			}
			return e.write(w, styleOf(w))
		},
	}
	cmd.Flags().BoolVar(&asBPF, "bpf", false, "print the seccomp program that the library would install in this very process")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("bpf", "json")
	return cmd
}

// An explanation is of promises, of a call, or of both.
type explanation struct {
	Promises *string `json:"promises,omitempty"`
	Call     string  `json:"call,omitempty"`
	Grants   []grant `json:"grants"`

	set pledge.Set
}

// A grant is a way in which calls are allowed or refused.
type grant struct {
	Calls    []string `json:"calls"`
	Promises []string `json:"promises"`       // each is a set that suffices, "" where none is needed
	LibC     bool     `json:"libc,omitempty"` // where C code runs only
	When     []string `json:"when,omitempty"` // conditions on the arguments, which must all hold
	Errno    string   `json:"errno,omitempty"`
	Note     string   `json:"note"`

	needs pledge.Set
}

// explain finds out what the argument is.
func explain(arg string) (*explanation, error) {
	var e explanation
	set, err := pledge.Parse(arg)
	if err == nil {
		e.Promises, e.set = &arg, set
		e.Grants = grantsOf(set)
	}
	if _, ok := sysnum.Number(arg); ok {
		e.Call = arg
		if err != nil {
			e.Grants = grantsFor(arg)
		}
		return &e, nil
	}
	if err == nil {
		return &e, nil
	}
	var unknown *pledge.PromiseError
	if errors.As(err, &unknown) && unknown.Name == arg && !strings.ContainsAny(arg, " ,;|\t\n") {
		failure := fmt.Errorf("%q is neither a promise nor a system call of Linux on %s", arg, runtime.GOARCH)
		return nil, hintError{failure, suggest(arg)}
	}
	return nil, err
}

// grantsOf returns what a set allows, and what it is refused
// with an errno, one grant for each line of the table.
func grantsOf(set pledge.Set) []grant {
	var out []grant
	for nr := range uint32(sysnum.Limit) {
		name := sysnum.Name(nr)
		allowed := false // whatever the arguments are
		for _, g := range pledge.Explain(name) {
			if !g.Needs.SubsetOf(set) || allowed && g.Errno != 0 {
				continue
			}
			allowed = allowed || len(g.When) == 0
			n := newGrant(name, g)
			i := slices.IndexFunc(out, func(o grant) bool {
				return o.needs == n.needs && o.LibC == n.LibC && o.Errno == n.Errno && o.Note == n.Note && slices.Equal(o.When, n.When)
			})
			if i < 0 {
				out = append(out, n)
			} else if !slices.Contains(out[i].Calls, name) {
				out[i].Calls = append(out[i].Calls, name)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b grant) int {
		return cmp.Or(
			cmp.Compare(a.Errno, b.Errno), // none first
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(bits.Reverse64(uint64(b.needs)), bits.Reverse64(uint64(a.needs))), // in OpenBSD's order
		)
	})
	return out
}

// rank puts what is always allowed behind what was promised, of which single
// promises come first.
func rank(g grant) int {
	switch {
	case g.Errno != "":
		return 0
	case g.needs == 0 && g.LibC:
		return 101
	case g.needs == 0:
		return 100
	}
	return bits.OnesCount64(uint64(g.needs))
}

// grantsFor returns the ways in which a call is allowed; those that differ in
// promises alone are one.
func grantsFor(call string) []grant {
	out := []grant{}
	for _, g := range pledge.Explain(call) {
		n := newGrant(call, g)
		i := slices.IndexFunc(out, func(o grant) bool {
			return o.LibC == n.LibC && o.Errno == n.Errno && o.Note == n.Note && slices.Equal(o.When, n.When)
		})
		if i < 0 {
			out = append(out, n)
		} else {
			out[i].Promises = append(out[i].Promises, n.Promises...)
		}
	}
	return out
}

func newGrant(call string, g pledge.Grant) grant {
	n := grant{Calls: []string{call}, Promises: []string{g.Needs.String()}, LibC: g.LibC, When: g.When, Note: g.Note, needs: g.Needs}
	if g.Errno != 0 {
		n.Errno = unix.ErrnoName(g.Errno)
	}
	return n
}

func (e *explanation) write(w io.Writer, s style) error {
	var b strings.Builder
	if e.Promises != nil {
		e.writePromises(&b, s)
	}
	if e.Promises != nil && e.Call != "" {
		fmt.Fprintf(&b, "\nThere is also a system call of that name.\n\n")
	}
	if e.Call != "" {
		writeCall(&b, s, e.Call)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *explanation) writePromises(b *strings.Builder, s style) {
	last := ""
	for i, g := range e.Grants {
		heading := title(g)
		if heading != last {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(s.bold(heading) + "\n")
			last = heading
		}
		b.WriteString(s.wrap("  ", strings.Join(g.Calls, " ")))
		writeConditions(b, s, g)
	}
	b.WriteString("\n" + s.bold("Everything else is a violation.") + "\n")
}

func writeConditions(b *strings.Builder, s style, g grant) {
	for i, c := range g.When {
		word := "if "
		if i > 0 {
			word = "and "
		}
		b.WriteString(s.wrap("      ", word+c))
	}
	b.WriteString(s.wrap("      ", "("+g.Note+")"))
}

// title is the heading of a group of grants.
func title(g grant) string {
	t := "With " + strings.ReplaceAll(g.needs.String(), " ", " and ")
	switch {
	case g.Errno != "":
		return "Refused with " + g.Errno
	case g.needs == 0:
		t = "Whatever is promised"
	}
	if g.LibC {
		t += ", where C code runs"
	}
	return t
}

func writeCall(b *strings.Builder, s style, call string) {
	args, _ := argname.Args(call)
	b.WriteString(s.bold(call) + "(" + strings.Join(args, ", ") + ")\n")
	grants := grantsFor(call)
	always := false
	for _, g := range grants {
		who := "whatever is promised"
		if g.needs != 0 {
			var sets []string
			for _, p := range g.Promises {
				sets = append(sets, strings.ReplaceAll(p, " ", " and "))
			}
			who = "with " + strings.Join(sets, ", or with ")
		}
		if g.LibC {
			who += ", where C code runs"
		}
		verb := "allowed "
		if g.Errno != "" {
			verb = "refused (" + g.Errno + ") "
		}
		always = always || g.needs == 0 && len(g.When) == 0 && !g.LibC
		b.WriteByte('\n')
		b.WriteString(s.bold(strings.TrimSuffix(s.wrap("  ", verb+who), "\n")) + "\n")
		writeConditions(b, s, g)
	}
	switch {
	case len(grants) == 0:
		fmt.Fprintf(b, "\n  No promise allows it: it is a violation under every set of promises.\n")
	case !always:
		fmt.Fprintf(b, "\n  Otherwise it is a violation.\n")
	}
}

func writeBPF(w io.Writer, set pledge.Set) error {
	f, err := pledge.Config{}.Compile(set)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, f.String())
	return err
}

// suggest says what a word that is neither a promise nor a call could have been.
func suggest(word string) string {
	if near := nearest.Word(word, slices.Concat(promiseNames(), callNames())); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return `promises and calls are completed by the shell; see also docs/promises.md`
}

// completePromisesAndCalls completes the argument of explain.
func completePromisesAndCalls(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	out := promiseCompletions(typed)
	if !strings.Contains(typed, " ") {
		for _, name := range callNames() {
			if strings.HasPrefix(name, typed) {
				out = append(out, name+"\tsystem call")
			}
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func callNames() []string {
	var out []string
	for nr := range uint32(sysnum.Limit) {
		if name := sysnum.Name(nr); name != "" {
			out = append(out, name)
		}
	}
	return out
}

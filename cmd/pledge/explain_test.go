//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		arg      string
		promises bool // it is taken for promises
		call     string
		err      string
		hint     string
	}{
		{arg: "stdio rpath", promises: true},
		{arg: "", promises: true},
		{arg: "openat", call: "openat"},
		{arg: "flock", promises: true, call: "flock"},
		{arg: "bpf", promises: true, call: "bpf"},
		{arg: "flock stdio", promises: true},
		{arg: "opnat", err: "neither a promise nor a system call", hint: `did you mean "openat"?`},
		{arg: "rpaht", err: "neither a promise nor a system call", hint: `did you mean "rpath"?`},
		{arg: "qqqqqqq", err: "neither a promise nor a system call", hint: "completed by the shell"},
		{arg: "stdio rpaht", err: `did you mean "rpath"?`},
		{arg: "stdio,rpath", err: "separated by blanks"},
		{arg: " stdio", err: "begin with a blank"},
	} {
		e, err := explain(c.arg)
		if c.err != "" {
			var h hintError
			if err == nil || !strings.Contains(err.Error(), c.err) || c.hint != "" && (!errors.As(err, &h) || !strings.Contains(h.hint, c.hint)) {
				t.Errorf("%q: %v", c.arg, err)
			}
			continue
		}
		if err != nil || (e.Promises != nil) != c.promises || e.Call != c.call || len(e.Grants) == 0 {
			t.Errorf("%q: %+v, %v", c.arg, e, err)
		}
	}
}

// TestGrantsOf holds what explain says of a set against the library: each call
// that the set's filter lets through whatever its arguments are must be listed
// without conditions.
func TestGrantsOf(t *testing.T) {
	for _, promises := range []string{"", "stdio", "stdio rpath", "stdio rpath wpath cpath inet proc exec"} {
		s, err := pledge.Parse(promises)
		if err != nil {
			t.Fatal(err)
		}
		grants := grantsOf(s)
		for _, name := range callNames() {
			listed := slices.ContainsFunc(grants, func(g grant) bool { return g.Errno == "" && slices.Contains(g.Calls, name) })
			expected := slices.ContainsFunc(pledge.Explain(name), func(g pledge.Grant) bool { return g.Errno == 0 && g.Needs.SubsetOf(s) })
			if listed != expected {
				t.Errorf("%q: %s is listed: %v", promises, name, listed)
			}
		}
		for _, g := range grants {
			for i, call := range g.Calls {
				if slices.Contains(g.Calls[:i], call) {
					t.Errorf("%q: %s is listed twice", promises, call)
				}
			}
		}
	}
}

func TestCheck(t *testing.T) {
	all := pledge.Features{Seccomp: true, ThreadSync: true, KillProcess: true, Log: true, UserNotify: true, Landlock: 7}
	without := func(change func(*pledge.Features)) pledge.Features {
		f := all
		change(&f)
		return f
	}
	for _, c := range []struct {
		name          string
		features      pledge.Features
		ptrace, pidfd error
		ok            bool
	}{
		{"everything", all, nil, nil, true},
		{"no seccomp", without(func(f *pledge.Features) { f.Seccomp = false }), nil, nil, false},
		{"no TSYNC", without(func(f *pledge.Features) { f.ThreadSync = false }), nil, nil, false},
		{"no kill", without(func(f *pledge.Features) { f.KillProcess = false }), nil, nil, false},
		{"no notification", without(func(f *pledge.Features) { f.UserNotify = false }), nil, nil, false},
		{"no log", without(func(f *pledge.Features) { f.Log = false }), nil, nil, true},
		{"no Landlock", without(func(f *pledge.Features) { f.Landlock = 0 }), nil, nil, true},
		{"no ptrace", all, unix.EPERM, nil, false},
		{"no pidfd", all, nil, unix.ENOSYS, false},
	} {
		r := check(c.features, c.ptrace, c.pidfd)
		if r.OK != c.ok {
			t.Errorf("%s: ok is %v", c.name, r.OK)
		}
		var out strings.Builder
		if err := r.write(&out, style{width: 80}); err != nil || strings.Contains(out.String(), "MISSING") == c.ok {
			t.Errorf("%s: %v\n%s", c.name, err, out.String())
		}
	}
}

func TestShellQuote(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash to ask")
	}
	for _, word := range []string{"", "a", "a b", "it's", `"x"`, `"`, "$HOME", "a\nb", "\x1b[31m'", "\xff", "-l", "*", "ö", `\`} {
		out, err := exec.Command("bash", "-c", "printf %s "+shellQuote(word)).Output()
		if err != nil {
			t.Errorf("%q is quoted as %s: %v", word, shellQuote(word), err)
		}
		if string(out) != word {
			t.Errorf("%q is quoted as %s, which is %q", word, shellQuote(word), out)
		}
		if strings.ContainsAny(shellQuote(word), "\x1b\n") {
			t.Errorf("%q is not printable", shellQuote(word))
		}
	}
}

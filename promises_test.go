package pledge_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gopledge/pledge"
)

// openBSDNames are the names in the order of OpenBSD 7.8's kernel, tmppath
// included.
const openBSDNames = "stdio rpath wpath cpath dpath tmppath inet mcast fattr chown flock unix dns getpw sendfd recvfd tape tty " +
	"proc exec prot_exec settime ps vminfo id pf route wroute audio video bpf unveil error disklabel drm vmm"

func TestAllNamesParse(t *testing.T) {
	names := strings.Fields(openBSDNames)
	if len(names) != 36 {
		t.Fatalf("%d names, want 36", len(names))
	}
	for i, name := range names {
		s, err := pledge.Parse(name)
		if err != nil {
			t.Errorf("Parse(%q): %v", name, err)
			continue
		}
		p := pledge.Promise(i)
		if !s.Has(p) || s.String() != name || p.String() != name {
			t.Errorf("Parse(%q) = %q; promise %d is %q", name, s, i, p)
		}
	}
	s, err := pledge.Parse(openBSDNames)
	if err != nil || s.String() != openBSDNames {
		t.Errorf("all names: %q, %v", s, err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name string // what it proves
		in   string
		want string // the set, if err is 0
		err  syscall.Errno
		bad  string // PromiseError.Name
	}{
		{name: "nothing is a valid promise", in: "", want: ""},
		{name: "order does not matter", in: "wpath stdio rpath", want: "stdio rpath wpath"},
		{name: "repeated blanks are fine", in: "stdio   rpath", want: "stdio rpath"},
		{name: "trailing blanks are fine", in: "stdio  ", want: "stdio"},
		{name: "duplicates are fine", in: "stdio stdio stdio", want: "stdio"},
		{name: "a leading blank is not", in: " stdio", err: syscall.EINVAL},
		{name: "a blank alone is not", in: " ", err: syscall.EINVAL},
		{name: "case matters", in: "STDIO", err: syscall.EINVAL, bad: "STDIO"},
		{name: "a tab is part of a word", in: "stdio\trpath", err: syscall.EINVAL, bad: "stdio\trpath"},
		{name: "a newline is part of a word", in: "stdio\n", err: syscall.EINVAL, bad: "stdio\n"},
		{name: "a comma is part of a word", in: "stdio,rpath", err: syscall.EINVAL, bad: "stdio,rpath"},
		{name: "an unknown word", in: "stdio rpaht", err: syscall.EINVAL, bad: "rpaht"},
		{name: "a name with NUL", in: "stdio\x00", err: syscall.EINVAL, bad: "stdio\x00"},
		{name: "not UTF-8", in: "std\xffio", err: syscall.EINVAL, bad: "std\xffio"},
		{name: "a name is not a prefix", in: "std", err: syscall.EINVAL, bad: "std"},
		{name: "1023 bytes are allowed", in: "stdio" + strings.Repeat(" ", 1018), want: "stdio"},
		{name: "1024 bytes are too many", in: "stdio" + strings.Repeat(" ", 1019), err: syscall.ENAMETOOLONG},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := pledge.Parse(c.in)
			if c.err == 0 {
				if err != nil || s.String() != c.want {
					t.Errorf("Parse(%q) = %q, %v, want %q", c.in, s, err, c.want)
				}
				return
			}
			var pe *pledge.PromiseError
			if !errors.Is(err, c.err) || !errors.As(err, &pe) || pe.Name != c.bad || pe.Promises != c.in {
				t.Errorf("Parse(%q) = %q, %#v, want %v about %q", c.in, s, err, c.err, c.bad)
			}
		})
	}
}

func TestPromiseErrorHelps(t *testing.T) {
	for in, want := range map[string]string{
		"stdoi":        `did you mean "stdio"?`,
		"Stdio":        `did you mean "stdio"?`,
		"protexec":     `did you mean "prot_exec"?`,
		"stdio, rpath": "separated by blanks",
		"xyzzy":        `unknown promise "xyzzy"`,
		" stdio":       "begin with a blank",
	} {
		_, err := pledge.Parse(in)
		if err == nil || !strings.HasPrefix(err.Error(), "pledge: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want a message with %q", in, err, want)
		}
	}
	if _, err := pledge.Parse("xyzzy"); strings.Contains(err.Error(), "did you mean") {
		t.Errorf("a far-fetched suggestion: %v", err)
	}
}

func TestSet(t *testing.T) {
	s, _ := pledge.Parse("stdio rpath")
	if got := s.With(pledge.Inet, pledge.Rpath).Without(pledge.Stdio).String(); got != "rpath inet" {
		t.Errorf("With, Without: %q", got)
	}
	if s.String() != "stdio rpath" {
		t.Errorf("With or Without changed the set: %q", s)
	}
	if !s.Has(pledge.Rpath) || s.Has(pledge.Wpath) {
		t.Error("Has is wrong")
	}
	if !s.SubsetOf(s.With(pledge.Exec)) || s.With(pledge.Exec).SubsetOf(s) || !s.SubsetOf(s) || !pledge.Set(0).SubsetOf(s) {
		t.Error("SubsetOf is wrong")
	}
	if got := slices.Collect(s.All()); !slices.Equal(got, []pledge.Promise{pledge.Stdio, pledge.Rpath}) {
		t.Errorf("All: %v", got)
	}
	if got := pledge.Set(0).String(); got != "" {
		t.Errorf("the empty set prints %q", got)
	}
	for p := range s.All() {
		if p != pledge.Stdio {
			t.Errorf("All did not begin with stdio")
		}
		break
	}
	if got := pledge.Promise(77).String(); got != "promise(77)" {
		t.Errorf("an unknown promise prints %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", " ", "stdio", openBSDNames, "stdio\trpath", "stdio  rpath ", strings.Repeat("vmm ", 256)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := pledge.Parse(in)
		if err != nil {
			var pe *pledge.PromiseError
			if !errors.As(err, &pe) || s != 0 {
				t.Fatalf("Parse(%q) = %q, %v", in, s, err)
			}
			return
		}
		again, err := pledge.Parse(s.String())
		if err != nil || again != s {
			t.Fatalf("Parse(%q) = %q, which parses as %q, %v", in, s, again, err)
		}
		for _, word := range strings.Split(in, " ") {
			if word != "" && !strings.Contains(" "+s.String()+" ", " "+word+" ") {
				t.Fatalf("Parse(%q) = %q forgets %q", in, s, word)
			}
		}
	})
}

func TestErrorsSayWhatTheyAre(t *testing.T) {
	widen := &pledge.WidenError{Have: 1, Want: 3, Extra: 2}
	if !errors.Is(widen, syscall.EPERM) || !errors.Is(widen, fs.ErrPermission) || errors.Is(widen, syscall.EINVAL) {
		t.Error("WidenError is not EPERM")
	}
	if want := `"rpath"`; !strings.Contains(widen.Error(), want) {
		t.Errorf("WidenError: %v, want it to name %s", widen, want)
	}
	unsupported := &pledge.UnsupportedError{Missing: "x", Err: syscall.ENOSYS}
	if !errors.Is(unsupported, errors.ErrUnsupported) || !errors.Is(unsupported, syscall.ENOSYS) {
		t.Error("UnsupportedError is not ErrUnsupported, or hides its cause")
	}
	if install := (&pledge.InstallError{Op: "seccomp", Err: syscall.EBUSY, TID: 12}); !errors.Is(install, syscall.EBUSY) || !strings.Contains(install.Error(), "12") {
		t.Errorf("InstallError: %v", install)
	}
}

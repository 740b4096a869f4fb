package pledge

import (
	"errors"
	"reflect"
	"testing"
)

// TestNext is OpenBSD's sys_pledge as a table: what is in force, what is asked
// for, what is in force then.
func TestNext(t *testing.T) {
	const unset = "-" // a string that was not given; nothing in force
	state := func(promises, exec string) State {
		var st State
		if promises != unset {
			p, err := Parse(promises)
			if err != nil {
				t.Fatal(err)
			}
			st.Pledged, st.Promises = true, p
		}
		if exec != unset {
			e, err := Parse(exec)
			if err != nil {
				t.Fatal(err)
			}
			st.ExecPledged, st.ExecPromises = true, e
		}
		return st
	}
	type outcome int
	const (
		ok outcome = iota
		widen
		widenExec
		unsupported
	)
	for _, c := range []struct {
		name           string // what it proves
		have, haveExec string
		ask, askExec   string
		want, wantExec string
		err            outcome
	}{
		{"the first call may name anything", unset, unset, "stdio rpath exec", unset, "stdio rpath exec", unset, ok},
		{"the empty promise pledges", unset, unset, "", unset, "", unset, ok},
		{"no string changes nothing", "stdio", "stdio", unset, unset, "stdio", "stdio", ok},
		{"a subset narrows", "stdio rpath", unset, "stdio", unset, "stdio", unset, ok},
		{"the same again is fine", "stdio rpath", unset, "rpath stdio", unset, "stdio rpath", unset, ok},
		{"nothing can be had again", "stdio", unset, "stdio rpath", unset, "", "", widen},
		{"from nothing, nothing", "", unset, "stdio", unset, "", "", widen},
		{"a swap is an increase", "stdio rpath", unset, "stdio wpath", unset, "", "", widen},
		{"error leaves an increase out", "stdio error", unset, "stdio rpath error", unset, "stdio error", unset, ok},
		{"error leaves an increase out and can go in the same call", "stdio error", unset, "stdio rpath", unset, "stdio", unset, ok},
		{"once gone, error is an increase", "stdio", unset, "stdio error", unset, "", "", widen},
		{"exec promises without exec are moot", unset, unset, "stdio", "", "stdio", "", ok},
		{"more exec promises than promises", unset, unset, "stdio exec", "stdio rpath exec", "stdio exec", "stdio rpath exec", ok},
		{"the same exec promises", unset, unset, "stdio exec", "stdio exec", "stdio exec", "stdio exec", ok},
		{"fewer exec promises cannot be enforced", unset, unset, "stdio rpath exec", "stdio", "", "", unsupported},
		{"exec promises of an unpledged process cannot be enforced", unset, unset, unset, "stdio", "", "", unsupported},
		{"exec promises can be narrowed when they are moot", "stdio", "stdio rpath", unset, "stdio", "stdio", "stdio", ok},
		{"exec promises cannot be widened", "stdio", "stdio", unset, "stdio rpath", "", "", widenExec},
		{"error does not leave an increase of exec promises out", "stdio error", "stdio", unset, "stdio rpath", "", "", widenExec},
		{"both or neither: promises fail", "stdio", "stdio", "stdio rpath", "", "", "", widen},
		{"both or neither: exec promises fail", "stdio rpath", "stdio", "stdio", "rpath", "", "", widenExec},
		{"exec promises are measured against what error left", "stdio exec error", unset, "stdio rpath exec error", "stdio exec error", "stdio exec error", "stdio exec error", ok},
		{"exec promises without error are stricter than children would be", unset, unset, "stdio exec error", "stdio exec", "", "", unsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := state(c.have, c.haveExec)
			arg := func(s string) *Set {
				if s == unset {
					return nil
				}
				v, err := Parse(s)
				if err != nil {
					t.Fatal(err)
				}
				return &v
			}
			got, err := have.next(arg(c.ask), arg(c.askExec))

			var w *WidenError
			var u *UnsupportedError
			is := ok
			switch {
			case errors.As(err, &w) && w.Exec:
				is = widenExec
			case errors.As(err, &w):
				is = widen
			case errors.As(err, &u):
				is = unsupported
			case err != nil:
				t.Fatal(err)
			}
			if is != c.err {
				t.Fatalf("error %v, want outcome %d", err, c.err)
			}
			want := have // nothing changes with an error
			if c.err == ok {
				want = state(c.want, c.wantExec)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

package pledge

// next returns the state that a call with the given sets leads to; nil leaves
// promises or exec promises as they are. It is a pure function of what is in
// force: nothing is changed.
func (st State) next(promises, execpromises *Set) (State, error) {
	n := st
	if promises != nil {
		want := *promises
		if st.Pledged {
			if st.Promises.Has(Error) {
				want &= st.Promises // OpenBSD leaves an increase out silently
			}
			if !want.SubsetOf(st.Promises) {
				return st, &WidenError{Have: st.Promises, Want: want, Extra: want &^ st.Promises}
			}
		}
		n.Pledged, n.Promises = true, want
	}
	if execpromises != nil {
		want := *execpromises
		if st.ExecPledged && !want.SubsetOf(st.ExecPromises) {
			return st, &WidenError{Have: st.ExecPromises, Want: want, Extra: want &^ st.ExecPromises, Exec: true}
		}
		n.ExecPledged, n.ExecPromises = true, want
	}

	// Whatever is executed has the promises of this process. Exec promises are
	// kept if that is no more than they say, or if nothing can be executed.
	canExec := !n.Pledged || n.Promises.Has(Exec)
	if n.ExecPledged && canExec && !(n.Pledged && n.Promises.SubsetOf(n.ExecPromises)) {
		return st, &UnsupportedError{
			Missing: "exec promises that are fewer than the promises of the process cannot be enforced on Linux",
			Remedy:  `give up "exec" in the same call, as PledgeBoth("stdio rpath", "") does, or let the exec promises include all promises`,
		}
	}
	return n, nil
}

// parse reads a promise string that may be absent.
func parse(promises *string) (*Set, error) {
	if promises == nil {
		return nil, nil
	}
	s, err := Parse(*promises)
	return &s, err
}

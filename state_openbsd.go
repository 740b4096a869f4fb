package pledge

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// On OpenBSD the kernel does it all; what is kept here is for Status and for
// errors.
var inForce struct {
	sync.Mutex
	state State
}

func status() State {
	inForce.Lock()
	defer inForce.Unlock()
	return inForce.state
}

func (c Config) pledge(promises, execpromises *string) error {
	if err := c.validate(); err != nil {
		return err
	}
	if c.Violation != Kill {
		return &UnsupportedError{
			Missing: "OpenBSD cannot answer a violation with " + c.Violation.String(),
			Remedy:  `promise "error" to have violations return ENOSYS`,
		}
	}
	inForce.Lock()
	defer inForce.Unlock()
	var err error
	switch {
	case execpromises == nil:
		err = unix.PledgePromises(*promises)
	case promises == nil:
		err = unix.PledgeExecpromises(*execpromises)
	default:
		err = unix.Pledge(*promises, *execpromises)
	}
	st := inForce.state
	if err != nil {
		return explain(err, st, promises, execpromises)
	}
	// The kernel may know promises that this package does not: then Status
	// shows the others.
	if p, err := parse(promises); err == nil && p != nil {
		if st.Pledged && st.Promises.Has(Error) {
			*p &= st.Promises
		}
		st.Pledged, st.Promises = true, *p
	}
	if e, err := parse(execpromises); err == nil && e != nil {
		st.ExecPledged, st.ExecPromises = true, *e
	}
	inForce.state = st
	return nil
}

// explain puts an error of the kernel into this package's types.
func explain(err error, st State, promises, execpromises *string) error {
	p, perr := parse(promises)
	e, eerr := parse(execpromises)
	switch {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENAMETOOLONG):
		if perr != nil {
			return perr
		}
		if eerr != nil {
			return eerr
		}
	case errors.Is(err, unix.EPERM):
		if p != nil && st.Pledged && !p.SubsetOf(st.Promises) {
			return &WidenError{Have: st.Promises, Want: *p, Extra: *p &^ st.Promises}
		}
		if e != nil && st.ExecPledged && !e.SubsetOf(st.ExecPromises) {
			return &WidenError{Have: st.ExecPromises, Want: *e, Extra: *e &^ st.ExecPromises, Exec: true}
		}
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &InstallError{Op: "pledge(2)", Err: errno}
	}
	// x/sys says so in words when the release is too old.
	return &UnsupportedError{Missing: "pledge(2)", Err: err}
}

// unveil hides all that has not been unveiled at once, which unveilBlock only
// makes final.
func (c Config) unveil(path string, may permissions) error {
	inForce.Lock()
	defer inForce.Unlock()
	if err := unix.Unveil(path, may.String()); err != nil {
		return unveilError(path, err)
	}
	inForce.state.Unveil = UnveilPending
	inForce.state.Unveiled = append(inForce.state.Unveiled, UnveiledPath{path, may.String()})
	return nil
}

func (c Config) unveilBlock() error {
	inForce.Lock()
	defer inForce.Unlock()
	if err := unix.UnveilBlock(); err != nil {
		return unveilError("", err)
	}
	inForce.state.Unveil = inForce.state.Unveil.closed()
	return nil
}

func unveilError(path string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &fs.PathError{Op: "unveil", Path: path, Err: errno}
	}
	return &UnsupportedError{Missing: "unveil(2)", Err: err}
}

func supported() Features { return Features{} }

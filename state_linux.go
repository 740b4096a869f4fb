//go:build amd64 || arm64

package pledge

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/libc"
	"github.com/gopledge/pledge/internal/policy"
)

// inForce is what this process has pledged.
var inForce = struct {
	sync.Mutex
	state State

	// What the newest filter holds the process to, which is not what state
	// says where BestEffort did without a filter.
	filtered  bool
	promises  Set // and circumstances
	violation policy.Verdict

	nodes []*veilNode       // what has been unveiled, sorted by path, until it is in force
	files *landlock.Ruleset // what the newest Landlock ruleset does for promises
	seen  []seen            // what has been unveiled, while promises of files can be given up
	pins  []openFile        // what that ruleset's rules on /proc are to stay for
	tasks int               // /proc/self/task, or -1: for a later ruleset, when it cannot be opened
	task  fileID            // what tasks is open for
}{tasks: -1}

// landlockABI is a variable for tests of what older kernels have.
var landlockABI = kernel.LandlockABI

// usableABI returns what Landlock can do for this process.
func usableABI() landlock.ABI { return usable(landlockABI(), iscgo, libc.Broadcasts) }

// usable returns what is left of an ABI where not all threads can be reached.
// Before Landlock did that itself (Linux 7.0), our C code does, or package
// syscall, which panics where C code may run: where something stands in for cgo,
// nothing does.
func usable(abi landlock.ABI, iscgo, broadcasts bool) landlock.ABI {
	if iscgo && !broadcasts && !abi.ThreadSync() {
		return landlock.ABI{}
	}
	return abi
}

func status() State {
	inForce.Lock()
	defer inForce.Unlock()
	st := inForce.state
	st.Unveiled = slices.Clone(st.Unveiled)
	return st
}

// pledge brings the process to the given promises and exec promises.
func (c Config) pledge(promises, execpromises *string) error {
	if err := c.validate(); err != nil {
		return err
	}
	p, err := parse(promises)
	if err != nil {
		return err
	}
	e, err := parse(execpromises)
	if err != nil {
		return err
	}

	inForce.Lock()
	defer inForce.Unlock()
	next, err := inForce.state.next(p, e)
	if err != nil {
		return err
	}
	if p == nil {
		inForce.state = next
		return nil
	}
	return c.enforce(next)
}

func (c Config) unveilBlock() error {
	inForce.Lock()
	defer inForce.Unlock()
	next := inForce.state
	next.Unveil = next.Unveil.closed()
	if c.Violation == Kill {
		c.Violation, c.Errno = next.Violation, next.Errno // those of the promises in force
	}
	return c.enforce(next)
}

// enforce brings the process from the state in force to the next one. It first
// decides, then makes sure that what it needs is there, and only then acts: of
// the two acts that can fail, each fails as a whole, and what could make the
// second fail is looked for before the first.
func (c Config) enforce(next State) error {
	if inForce.tasks >= 0 && idOf(inForce.tasks) != inForce.task {
		inForce.tasks = -1 // another part of the program closed it
	}
	pr := thisProcess()
	p, err := pr.plan(c, inForce.state, next)
	if err != nil {
		return err
	}
	defer p.close()
	if p.filter != nil {
		switch err := checkSeccomp(p.violation); {
		case err == nil:
		case !c.BestEffort:
			return err
		default:
			p.filter = nil
			p.next.Seccomp, p.next.Compiler = false, "" // not for these promises
			if p.apart {
				p.ruleset = nil // by itself it is good for nothing
			}
		}
	}

	ruleset := -1
	var pins, unpinned []int
	defer func() {
		for _, fd := range slices.Concat(pins, unpinned) {
			unix.Close(fd)
		}
	}()
	if p.ruleset != nil {
		pins = kernel.Pin(p.ruleset, pathFlags(&inForce.state))
		if ruleset, err = kernel.CreateRuleset(p.ruleset, pathFlags(&inForce.state)); err != nil {
			return landlockError(err)
		}
		defer unix.Close(ruleset)
	}
	if p.filter != nil || p.ruleset != nil {
		promises := p.next.Promises
		if !p.next.Pledged {
			promises = all
		}
		prime(promises, p.next.hidden)
	}
	tasks, fresh := inForce.tasks, -1
	defer func() {
		if fresh >= 0 {
			unix.Close(fresh)
		}
	}()
	if tasks < 0 && p.filter != nil && inForce.state.mayRead() && pr.needsTasks(p.next) {
		if tasks, err = kernel.OpenTasks(); err != nil {
			tasks = -1 // it is missed when it is needed
		}
		fresh = tasks
	}
	if p.ruleset != nil {
		if p.filter != nil {
			if err := kernel.TryFilter(p.filter.prog); err != nil {
				return installError(err)
			}
		}
		if p.filter != nil && inForce.state.mayRead() {
			if err := kernel.CheckThreads(libc.Broadcasts && !pr.abi.ThreadSync()); err != nil {
				return landlockError(installError(err))
			}
		}
		if err := kernel.RestrictAllThreads(ruleset, tasks, pr.abi); err != nil {
			return landlockError(err)
		}
		p.next.Landlock = pr.abi.Version
		inForce.files, inForce.state.Landlock = p.files, pr.abi.Version
	}
	if p.ruleset != nil || p.files.Empty() { // the new pins are of the same files, or no promise means any
		for _, pin := range inForce.pins {
			if idOf(pin.fd) == pin.id {
				unpinned = append(unpinned, pin.fd)
			}
		}
		inForce.pins, pins = openFiles(pins), nil
	}
	// What looks at descriptors does so now: the filter may not let it.
	task, keep := inForce.task, pr.needsTasks(p.next)
	if tasks != inForce.tasks {
		task = idOf(tasks)
	}
	var done []int
	if p.next.Promises&meansFiles == 0 {
		for _, s := range inForce.seen {
			if idOf(s.fd) == s.id {
				done = append(done, s.fd)
			}
		}
	}
	if p.next.Unveil != UnveilPending {
		for _, n := range inForce.nodes {
			if idOf(n.fd) == n.id && (p.ruleset == nil || n.missing || !kernel.Forgets(n.path)) {
				done = append(done, n.fd)
			}
		}
	}
	if p.filter != nil {
		if err := kernel.InstallFilter(p.filter.prog, wantsLog(p.violation)); err != nil {
			return installError(err)
		}
		inForce.filtered, inForce.promises, inForce.violation = true, p.held, p.violation
	}
	fresh = -1
	if inForce.tasks, inForce.task = tasks, task; tasks >= 0 && !keep {
		unix.Close(tasks)
		inForce.tasks = -1
	}
	for _, fd := range done {
		unix.Close(fd)
	}
	if inForce.seen = append(inForce.seen, p.seen...); p.next.Promises&meansFiles == 0 {
		inForce.seen = nil
	}
	p.seen = nil
	if p.next.Unveil != UnveilPending {
		inForce.nodes = nil
	}
	inForce.state = p.next
	return nil
}

// An openFile is a descriptor and what it was opened for.
type openFile struct {
	fd int
	id fileID
}

func openFiles(fds []int) (files []openFile) {
	for _, fd := range fds {
		files = append(files, openFile{fd, idOf(fd)})
	}
	return files
}

// needsTasks reports whether a process in that state can need the list of its
// threads for a later ruleset, and could not open it then.
func (pr process) needsTasks(next State) bool {
	const later = meansFiles | 1<<UnveilPromise
	return libc.Broadcasts && pr.abi.Version > 0 && !pr.abi.ThreadSync() &&
		(!next.Pledged || next.Promises&later != 0) && (!next.mayRead() || next.hidden)
}

// meansFiles are the promises that mean files.
const meansFiles = 1<<DNS | 1<<Getpw | 1<<PS | 1<<Vminfo | 1<<Tmppath | 1<<TTY | 1<<Exec

// A seen is a path that has been unveiled, after the rest was hidden.
type seen struct {
	openFile
	may permissions
}

// veilRulesAgain returns rules for what has been unveiled, where a ruleset that
// is in force keeps from it what it does not have.
func veilRulesAgain() []landlock.PathRule {
	var nodes []*veilNode
	var rules []landlock.PathRule
	for _, s := range inForce.seen {
		if idOf(s.fd) == s.id { // else another part of the program closed it
			rules = append(rules, landlock.PathRule{Opened: true, FD: s.fd, Access: s.may.rights()})
			nodes = append(nodes, &veilNode{may: s.may})
		}
	}
	return append(rules, loaderRules(nodes)...)
}

// A plan is what has to be done to get to a state.
type plan struct {
	next      State
	ruleset   *landlock.Ruleset // nil: nothing more for Landlock to take away
	files     *landlock.Ruleset // what of it is for promises
	apart     bool              // the ruleset takes nothing away
	filter    *Filter           // nil: the one in force does
	held      Set
	violation policy.Verdict
	seen      []seen // what is unveiled by it, if promises of files can be given up later
	opened    []int
}

func (p *plan) close() {
	for _, fd := range p.opened {
		unix.Close(fd)
	}
	for _, s := range p.seen {
		unix.Close(s.fd)
	}
}

// plan decides what has to be done.
func (pr process) plan(c Config, now, next State) (*plan, error) {
	p := &plan{next: next}
	promises := next.Promises
	if !next.Pledged {
		promises = all
	}

	// Without "unveil" there is no further Unveil; and who cannot use a path
	// any more needs none to be hidden.
	// (Those who may bind sockets could make a file by binding a local one.)
	const paths = 1<<Rpath | 1<<Wpath | 1<<Cpath | 1<<Dpath | 1<<Fattr | 1<<Chown | 1<<Exec | 1<<Unix | 1<<UnveilPromise |
		1<<Inet | 1<<DNS | 1<<Route | 1<<Wroute | 1<<PF
	if next.Pledged && !promises.Has(UnveilPromise) {
		p.next.Unveil = next.Unveil.closed()
	}
	hiding := p.next.Unveil == UnveilInForce && now.Unveil != UnveilInForce &&
		(promises&paths != 0 || c.BestEffort || c.violation(promises) == policy.Log) // there may be no filter that keeps it from paths
	if hiding {
		if err := c.checkLandlock(pr.abi); err != nil {
			return nil, err
		}
		if hiding = pr.abi.Version > 0; !hiding {
			p.next.Unveil = UnveilClosed // BestEffort does without
		}
	}
	pr.unveiled = hiding || now.hidden
	p.next.hidden = pr.unveiled

	if next.Pledged && !c.BestEffort {
		if err := checkFiles(promises, pr.abi); err != nil {
			return nil, err
		}
		if pr.unveiled {
			if err := checkUnix(promises, pr.abi); err != nil {
				return nil, err
			}
		}
	}

	// Landlock.
	p.violation = c.violation(promises)
	pr.logs = p.violation == policy.Log
	p.files = &landlock.Ruleset{}
	if next.Pledged && p.violation != policy.Log && pr.abi.Version > 0 {
		p.files = restriction(pr.held(promises)).Trim(pr.abi)
	}
	switch {
	case hiding:
		present, rules, opened, err := now.veil(inForce.nodes)
		p.opened = opened
		for _, n := range present {
			if err != nil || !next.Pledged || promises&meansFiles == 0 {
				break
			}
			var fd int
			if fd, err = unix.FcntlInt(uintptr(n.fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
				err = &fs.PathError{Op: "unveil", Path: n.path, Err: err}
			} else {
				p.seen = append(p.seen, seen{openFile{fd, idOf(fd)}, n.may})
			}
		}
		if err != nil {
			p.close()
			return nil, err
		}
		p.ruleset = pr.veilRuleset(rules, next.Pledged, pr.held(promises))
	case now.hidden && now.Pledged && promises&meansFiles != now.Promises&meansFiles && promises&paths != 0:
		// The files of a promise that is given up were seen through the veil.
		p.ruleset = pr.veilRuleset(veilRulesAgain(), true, pr.held(promises))
	case !p.files.Empty() && !p.files.SameFiles(inForce.files):
		p.ruleset = p.files
	case p.files.Empty() && next.Pledged && p.violation != policy.Log && now.Landlock == 0 && pr.abi.ThreadSync():
		// Where one call reaches all threads, it is worth it.
		if r := apart(promises, pr.abi); !r.Empty() {
			p.ruleset, p.apart = r, true
		}
	}
	if p.ruleset != nil && libc.Broadcasts && !pr.abi.ThreadSync() && inForce.filtered && !now.mayRead() && inForce.tasks < 0 {
		p.close()
		return nil, &UnsupportedError{
			Missing: "before Linux 7.0, Landlock restricts a process with C code thread by thread, and this one may not list its threads any more",
			Remedy:  `keep "rpath" until then, or set CGO_ENABLED=0`,
		}
	}

	// The filter.
	switch {
	case next.Pledged:
		if p.held = pr.held(promises); inForce.filtered && p.held == inForce.promises && !stricter(p.violation, inForce.violation) {
			p.next.Seccomp = true
			return p, nil // it is in force already
		}
		f, err := compiled(pr, promises, p.violation)
		if err != nil {
			p.close()
			return nil, err
		}
		p.filter = f
		p.next.Seccomp, p.next.Compiler = true, f.compiler
		p.next.Violation, p.next.Errno = c.Violation, 0
		if n, ok := p.violation.Errno(); ok {
			p.next.Violation, p.next.Errno = Errno, syscall.Errno(n)
		}
	case hiding:
		p.violation = policy.Allow
		prog, err := bpf.Compile(pr.veilPolicy())
		if err != nil {
			p.close()
			return nil, fmt.Errorf("pledge: compiling unveil's filter: %w", err)
		}
		p.filter = &Filter{prog: prog, compiler: "bpf"}
	}
	return p, nil
}

// veilRuleset returns what Landlock has to take from the process so that it
// sees only what rules let it see, and has the files of its promises. Those
// rights that the filter lets through just for these files are not for others.
func (pr process) veilRuleset(rules []landlock.PathRule, pledged bool, held Set) *landlock.Ruleset {
	r := &landlock.Ruleset{FS: pr.abi.FS(), Paths: rules}
	if pledged {
		f, files := filesOf(held), restriction(held)
		if pr.logs { // what is only promised to be left alone is not kept from it
			r.Paths = append(r.Paths, f.rules()...)
			return r.Trim(pr.abi)
		}
		for i := range r.Paths {
			r.Paths[i].Access &^= f.may.rights()
		}
		r.Paths = append(r.Paths, f.rules()...)
		r.Net, r.Ports = files.Net, files.Ports
		if !held.Has(Proc) {
			r.Scoped = unix.LANDLOCK_SCOPE_SIGNAL
		}
		if pr.abi.ThreadSync() {
			// Before, each thread has a domain of its own, and could not connect
			// to a socket of another one.
			r.Scoped |= unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		}
	}
	return r.Trim(pr.abi)
}

// pathFlags are the open flags with which the process can name a path to
// Landlock.
func pathFlags(st *State) int {
	if st.mayRead() || st.Promises.Has(UnveilPromise) {
		return unix.O_PATH
	}
	return unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
}

func landlockError(err error) error {
	var e *kernel.LandlockError
	if errors.As(err, &e) {
		return &InstallError{Op: e.Op, Path: e.Path, Err: e.Err}
	}
	return err
}

// stricter reports whether the kernel lets verdict a win over b, when two
// filters have different opinions (seccomp_run_filters: the lower action as a
// signed number).
func stricter(a, b policy.Verdict) bool {
	const action = 0xffff0000
	return int32(a&action) < int32(b&action)
}

// wantsLog reports whether the filter is to have the kernel's audit log report
// what it refuses. A kill and RET_LOG are reported without that flag; errnos
// would be with it, also soft refusals, one of which every new thread of a cgo
// process meets (clone3).
func wantsLog(violation policy.Verdict) bool {
	if cgoEnabled {
		return false
	}
	_, isErrno := violation.Errno()
	return isErrno || violation == policy.Trap
}

// checkSeccomp reports what the kernel lacks to enforce a filter with the given
// verdict for violations.
func checkSeccomp(violation policy.Verdict) error {
	const remedy = "Linux 4.14 or later is needed, with CONFIG_SECCOMP_FILTER, and a container that does not refuse seccomp(2)"
	for _, action := range []policy.Verdict{policy.KillProcess, violation} {
		switch ok, err := kernel.ActionAvailable(uint32(action) & unix.SECCOMP_RET_ACTION_FULL); {
		case err != nil:
			return &UnsupportedError{Missing: "seccomp(2) is not available", Remedy: remedy, Err: err}
		case !ok:
			return &UnsupportedError{Missing: "the kernel does not know the seccomp action " + Verdict(action).String(), Remedy: remedy}
		}
	}
	if err := kernel.FlagAvailable(unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
		return &UnsupportedError{Missing: "a seccomp filter cannot be installed on all threads", Remedy: remedy, Err: err}
	}
	return nil
}

func installError(err error) error {
	var e *kernel.InstallError
	if errors.As(err, &e) {
		return &InstallError{Op: e.Op, TID: e.TID, Err: e.Err}
	}
	return err
}

func supported() Features {
	has := func(action uint32) bool {
		ok, _ := kernel.ActionAvailable(action)
		return ok
	}
	tsync := kernel.FlagAvailable(unix.SECCOMP_FILTER_FLAG_TSYNC) == nil
	return Features{
		Seccomp:     kernel.FlagAvailable(0) == nil,
		ThreadSync:  tsync,
		KillProcess: has(unix.SECCOMP_RET_KILL_PROCESS),
		Log:         has(unix.SECCOMP_RET_LOG),
		UserNotify:  has(unix.SECCOMP_RET_USER_NOTIF),
		Landlock:    kernel.LandlockABI().Version,
	}
}

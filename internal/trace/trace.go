//go:build linux && (amd64 || arm64)

// Package trace watches a program with ptrace(2) and works out the smallest set
// of promises that would have sufficed.
//
// The program runs unrestricted, but for what every filter refuses with an
// errno: that it is refused here too, so that it does what it would do under a
// filter. Its descendants are watched as well. The first program's calls count
// from its ELF entry point on, since that is where the launcher confines it; what
// it executes itself lives under the filter from the first instruction.
package trace

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysargs"
	"github.com/gopledge/pledge/internal/sysnum"
)

// A tracer watches a process and its descendants. All of it happens on one
// thread, the only one that may trace them.
type tracer struct {
	root      int
	rootEnded atomic.Bool // its id may be another process's

	loading bool   // the root has not reached its ELF entry point
	entry   uint64 // that, with a breakpoint, or 0
	instead []byte // what the breakpoint there replaced
	waking  bool   // SIGCONT is on its way, which is ours
	status  unix.WaitStatus
	alive   processes

	assumed pledge.Set                                // what is not refused softly
	extra   pledge.Set                                // what is wanted even where callers could do without
	decide  func(*thread, *policy.Data) syscall.Errno // instead of assumed, in tests: 0 lets a call take place
	threads map[int]*thread
	sockets map[descriptor]*socket
	unused  map[*socket]bool // local ones that nobody has used
	record  *record
	execs   bool // somebody executed a program
}

type thread struct {
	tid, pid int
	program  string
	executed bool     // the program
	mem      *os.File // its memory, opened at the first need
	call     *call    // the one it is in, if that counts
}

type descriptor struct{ pid, fd int }

// A call is one that has not returned yet, or a socket's that has no use yet.
type call struct {
	data    policy.Data
	name    string
	ruling  ruling
	program string
	refused syscall.Errno // what the tracer makes it fail with
	example string
	address sysargs.Sockaddr
	socket  *socket // whose descriptor is the first argument
	paths   []string
	perms   []perm
	early   bool // it is made before the entry point, and might be allowed later
	parent  bool // they are about the directories of the paths
}

// Run runs a program to its end, and that of its descendants. Promises in extra
// are ones that it is meant to have: what needs them is not refused softly. The
// error is that of starting it, or of tracing it.
func Run(cmd *exec.Cmd, extra pledge.Set) (*Report, error) {
	t := newTracer(assumed | extra)
	t.extra = extra
	return t.run(cmd)
}

func newTracer(assumed pledge.Set) *tracer {
	return &tracer{
		assumed: assumed,
		threads: map[int]*thread{},
		sockets: map[descriptor]*socket{},
		unused:  map[*socket]bool{},
		record:  newRecord(),
	}
}

func (t *tracer) run(cmd *exec.Cmd) (*Report, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := t.start(cmd); err != nil {
		return nil, err
	}
	defer t.passSignals()()
	err := t.loop()
	for _, th := range t.threads {
		th.forget()
	}
	for s := range t.unused { // which may as well have been refused
		t.add(s.opened, true)
	}
	rep := t.record.report()
	rep.Status = t.status.ExitStatus()
	if t.status.Signaled() {
		rep.Status = 128 + int(t.status.Signal())
	}
	return rep, err
}

// assumed are the promises whose calls go through while nobody knows whether
// they are needed. Netlink is not among them: C libraries ask it when they look
// up names and do without, and what they would ask of the socket would count.
// And "error" is none that allows anything.
const assumed = pledge.Set(1<<64-1) &^ (1<<pledge.Route | 1<<pledge.Wroute | 1<<pledge.PF | 1<<pledge.Error)

// start runs the program up to its first instruction and takes hold of it.
//
// exec.Cmd makes it a tracee of the old kind (PTRACE_TRACEME), in which a tracer
// cannot tell a stopped process from a signal. So it is let go at its first
// stop, with SIGSTOP waiting for it, and seized where that has stopped it.
func (t *tracer) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	t.root = cmd.Process.Pid
	give := func(op string, err error) error {
		unix.Kill(t.root, unix.SIGKILL)
		unix.Wait4(t.root, nil, unix.WALL, nil)
		return fmt.Errorf("pledge: cannot trace %s: %s: %w", cmd.Path, op, err)
	}
	wait := func(options int) error {
		for {
			_, err := unix.Wait4(t.root, &t.status, unix.WALL|options, nil)
			switch {
			case err == unix.EINTR:
			case err != nil:
				return err
			case !t.status.Stopped():
				return errors.New("it ended")
			default:
				return nil
			}
		}
	}
	if err := wait(0); err != nil {
		return give("waiting for its start", err)
	}
	t.setBreakpoint()
	if err := unix.Kill(t.root, unix.SIGSTOP); err != nil {
		return give("stopping it", err)
	}
	if err := unix.PtraceDetach(t.root); err != nil {
		return give("PTRACE_DETACH", err)
	}
	if err := wait(unix.WUNTRACED); err != nil {
		return give("waiting for its stop", err)
	}
	if err := unix.PtraceSeize(t.root); err != nil {
		return give("PTRACE_SEIZE", err)
	}
	if err := wait(0); err != nil {
		return give("waiting for its stop", err)
	}
	err := unix.PtraceSetOptions(t.root, unix.PTRACE_O_EXITKILL|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACEEXEC|
		unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_TRACEVFORK|unix.PTRACE_O_TRACECLONE)
	if err != nil {
		return give("PTRACE_SETOPTIONS", err)
	}
	if _, err := kernel.PtraceSyscallInfo(t.root); err != nil {
		return give("PTRACE_GET_SYSCALL_INFO (Linux 5.3)", err)
	}
	t.threads[t.root] = &thread{tid: t.root, pid: t.root, program: printable(path.Base(cmd.Path))}
	t.waking = true
	if err := unix.Kill(t.root, unix.SIGCONT); err != nil {
		return give("waking it", err)
	}
	return t.resume(t.root, 0)
}

// passSignals passes on what asks the tracer to end. What a terminal sends
// reaches the program anyway. Once that has ended, nobody is left to pass it on
// to, and all that it has left behind ends. The function that it returns ends it.
func (t *tracer) passSignals() func() {
	c := make(chan os.Signal, 8)
	signal.Notify(c, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		for s := range c {
			switch {
			case t.rootEnded.Load():
				t.alive.end()
			case s == unix.SIGTERM || s == unix.SIGHUP:
				unix.Kill(t.root, s.(syscall.Signal))
			}
		}
	}()
	return func() {
		signal.Stop(c)
		close(c)
	}
}

// processes are those that are traced, by their ids.
type processes struct {
	sync.Mutex
	ids    map[int]bool
	ending bool // they are killed, and so are those that they still make
}

func (p *processes) add(pid int) {
	p.Lock()
	defer p.Unlock()
	if p.ids == nil {
		p.ids = map[int]bool{}
	}
	p.ids[pid] = true
	if p.ending {
		unix.Kill(pid, unix.SIGKILL)
	}
}

func (p *processes) remove(pid int) {
	p.Lock()
	defer p.Unlock()
	delete(p.ids, pid)
}

// end kills them.
func (p *processes) end() {
	p.Lock()
	defer p.Unlock()
	p.ending = true
	for pid := range p.ids {
		unix.Kill(pid, unix.SIGKILL)
	}
}

// loop handles what happens until nobody is left.
func (t *tracer) loop() error {
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECHILD:
			return nil
		case err != nil:
			return fmt.Errorf("pledge: waiting for the traced program: %w", err)
		}
		if err := t.handle(tid, ws); err != nil && !errors.Is(err, unix.ESRCH) { // killed meanwhile
			return err
		}
	}
}

func (t *tracer) handle(tid int, ws unix.WaitStatus) error {
	th := t.threads[tid]
	if !ws.Stopped() {
		t.alive.remove(tid)
		if tid == t.root {
			t.rootEnded.Store(true)
			t.status = ws
		}
		if th != nil {
			if th.call != nil { // from which it did not return
				t.leave(th, 0)
			}
			th.forget()
			delete(t.threads, tid)
			maps.DeleteFunc(t.sockets, func(d descriptor, _ *socket) bool { return d.pid == tid })
		}
		return nil
	}
	if th == nil {
		th = t.adopt(tid, nil)
	}
	sig := ws.StopSignal()
	switch event := int(uint32(ws) >> 16); event {
	case 0:
	case unix.PTRACE_EVENT_STOP:
		switch sig {
		case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			return kernel.PtraceListen(tid)
		}
		return t.resume(tid, 0)
	case unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_VFORK, unix.PTRACE_EVENT_CLONE:
		if child, err := unix.PtraceGetEventMsg(tid); err == nil {
			t.adopt(int(child), th)
		}
		return t.resume(tid, 0)
	case unix.PTRACE_EVENT_EXEC:
		t.executed(tid)
		return t.resume(tid, 0)
	default:
		return t.resume(tid, 0)
	}
	switch {
	case sig == unix.SIGTRAP|0x80:
		if err := t.syscallStop(th); err != nil {
			return err
		}
		return t.resume(tid, 0)
	case sig == unix.SIGTRAP && t.atEntry(th):
		return t.resume(tid, 0)
	case sig == unix.SIGCONT && t.waking && tid == t.root:
		t.waking = false
		return t.resume(tid, 0)
	}
	return t.resume(tid, sig)
}

// resume lets a thread run to its next call. One that was killed is not there
// any more.
func (t *tracer) resume(tid int, sig syscall.Signal) error {
	if err := unix.PtraceSyscall(tid, int(sig)); err != nil && err != unix.ESRCH {
		return fmt.Errorf("pledge: PTRACE_SYSCALL: %w", err)
	}
	return nil
}

// adopt begins to know a thread, whose first stop may come before or after that
// of the call that made it.
func (t *tracer) adopt(tid int, parent *thread) *thread {
	th := t.threads[tid]
	if th == nil {
		th = &thread{tid: tid, pid: tid}
		if s, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid)); err == nil {
			_, rest, _ := strings.Cut(string(s), "\nTgid:")
			line, _, _ := strings.Cut(rest, "\n")
			if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
				th.pid = pid
			}
		}
		th.program = comm(tid)
		t.threads[tid] = th
		t.alive.add(th.pid)
	}
	if parent != nil {
		if !th.executed { // which it may have done before its parent's stop
			th.program = parent.program
		}
		if th.pid != parent.pid { // a new process has its parent's descriptors
			for d, s := range t.sockets {
				if d.pid == parent.pid {
					t.sockets[descriptor{th.pid, d.fd}] = s
				}
			}
		}
	}
	return th
}

// executed turns the thread that executed a program into the one thread of its
// process.
func (t *tracer) executed(tid int) {
	th := t.threads[tid]
	if former, err := unix.PtraceGetEventMsg(tid); err == nil && int(former) != tid {
		if old := t.threads[int(former)]; old != nil {
			th.call = old.call
			old.forget()
			delete(t.threads, int(former))
		}
	}
	th.forget()
	th.program, th.executed = comm(tid), true
	if tid == t.root {
		t.loading = false // a constructor did that: the program has no entry point to wait for
	}
	t.execs = true
	// The kernel opened the interpreters of the program, too.
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", tid)); err == nil {
		t.record.use(exe, execute, false)
		if f, err := elf.Open(fmt.Sprintf("/proc/%d/exe", tid)); err == nil {
			for _, p := range f.Progs {
				if p.Type == elf.PT_INTERP && p.Filesz < unix.PathMax {
					b := make([]byte, p.Filesz)
					if _, err := p.ReadAt(b, 0); err == nil {
						t.record.use(resolve(string(bytes.TrimRight(b, "\x00"))), execute, false)
					}
				}
			}
			f.Close()
		}
	}
}

func comm(tid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", tid))
	return printable(strings.TrimSuffix(string(b), "\n"))
}

// printable quotes a name that could do something to a terminal.
func printable(name string) string {
	if q := strconv.Quote(name); q[1:len(q)-1] != name {
		return q
	}
	return name
}

// setBreakpoint puts a breakpoint at the entry point of the root, which has just
// been executed. Without one, all that it does counts.
func (t *tracer) setBreakpoint() {
	const entryPoint = 9 // AT_ENTRY of linux/auxvec.h
	auxv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", t.root))
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.NativeEndian.Uint64(auxv) == entryPoint {
			t.entry = binary.NativeEndian.Uint64(auxv[8:])
		}
	}
	t.instead = make([]byte, len(breakpoint))
	if _, err := unix.PtracePeekText(t.root, uintptr(t.entry), t.instead); err != nil {
		t.entry = 0
	} else if _, err := unix.PtracePokeText(t.root, uintptr(t.entry), breakpoint); err != nil {
		t.entry = 0
	}
	t.loading = t.entry != 0
}

// atEntry reports whether a thread has reached the breakpoint, which it then
// takes away: from its own process, as one that a constructor has forked has a
// copy.
func (t *tracer) atEntry(th *thread) bool {
	if t.entry == 0 || th.executed {
		return false
	}
	info, err := kernel.PtraceSyscallInfo(th.tid)
	if err != nil || info.IP != t.entry+behindBreakpoint {
		return false
	}
	there := make([]byte, len(breakpoint))
	if _, err := unix.PtracePeekText(th.tid, uintptr(t.entry), there); err != nil || !bytes.Equal(there, breakpoint) {
		return false
	}
	if _, err := unix.PtracePokeText(th.tid, uintptr(t.entry), t.instead); err != nil {
		return false
	}
	if err := jump(th.tid, t.entry); err != nil {
		return false
	}
	if th.pid == t.root {
		t.loading = false
	}
	return true
}

// syscallStop handles the beginning or the end of a call.
func (t *tracer) syscallStop(th *thread) error {
	info, err := kernel.PtraceSyscallInfo(th.tid)
	if err != nil {
		return err
	}
	switch info.Op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY:
		nr, args := info.Call()
		return t.enter(th, policy.Data{Nr: uint32(nr), Arch: info.Arch, IP: info.IP, Args: args})
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		if th.call == nil {
			return nil
		}
		result := info.Result()
		if e := th.call.refused; e != 0 {
			result = -int64(e)
			if err := setResult(th.tid, result); err != nil {
				return err
			}
		}
		t.leave(th, result)
	}
	return nil
}

// enter looks at a call before it takes place.
func (t *tracer) enter(th *thread, d policy.Data) error {
	c := &call{data: d, name: sysnum.Name(d.Nr), program: th.program}
	if c.name == "" || d.Arch != arch {
		c.name = "syscall " + strconv.Itoa(int(d.Nr))
	}
	if d.Arch == arch {
		c.findPaths(th)
	}
	c.ruling = rule(t.root, &d, c.file())
	if t.loading && th.pid == t.root {
		later := len(c.ruling.grants)
		c.ruling = c.ruling.loading(d.Nr)
		if _, ok := c.ruling.grants.metBy(whileLoading); ok {
			return nil // as of the dynamic loader
		}
		c.early = later > 0 && len(c.ruling.grants) == 0
	}
	th.call = c
	if d.Arch == arch {
		t.look(th, c)
	}
	if !c.ruling.grants.free() {
		c.example = sysargs.Format(d, th.memory())
	}
	switch {
	case t.decide != nil:
		c.refused = t.decide(th, &d)
	case c.refused == 0:
		c.refused = c.ruling.refused(t.assumed)
	}
	if c.refused != 0 {
		return skipCall(th.tid)
	}
	return nil
}

// look finds out what a call is about beyond what a filter sees: paths, sockets,
// and what is tried in vain.
func (t *tracer) look(th *thread, c *call) {
	d := &c.data
	switch d.Nr {
	case unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_SENDTO, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_SENDMSG:
		c.socket = t.sockets[descriptor{th.pid, int(int32(d.Args[0]))}]
		c.address, _ = sysargs.Address(*d, th.memory())
		c.ruling = c.ruling.narrow(d.Nr, c.socket, c.address)
		if c.address.Path != "" && !c.address.Abstract {
			c.paths = []string{th.absolute(sysargs.Path{Dirfd: unix.AT_FDCWD, Name: c.address.Path})}
		}
		for _, service := range nameService {
			if d.Nr == unix.SYS_CONNECT && strings.HasPrefix(c.address.Path, service) {
				c.refused = unix.ECONNREFUSED
			}
		}
	case unix.SYS_MMAP:
		// A module of nsswitch.conf: a program that needs no other executable
		// files does without.
		fd := int(int32(d.Args[4]))
		if c.ruling.grants.free() || t.execs || len(c.ruling.refusals) == 0 || fd < 0 {
			break
		}
		if name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", th.tid, fd)); err == nil && strings.HasPrefix(path.Base(name), "libnss_") {
			c.refused = c.ruling.refusals[0].Errno
		}
	}
}

// findPaths finds the paths that a call uses, and what for.
func (c *call) findPaths(th *thread) {
	if c.perms, c.parent = permsOf(c.name, c.data.Args); c.perms == nil {
		return
	}
	for _, p := range sysargs.Paths(c.data, th.memory()) {
		c.paths = append(c.paths, th.absolute(p))
	}
	// O_CREAT does not create what is there.
	if c.parent && len(c.paths) == 1 && (strings.HasPrefix(c.name, "open") || c.name == "creat") && exists(c.paths[0]) {
		c.perms[0], c.parent = c.perms[0]&^create, false
	}
}

// file returns the path of a call that opens or removes a file, which may be one
// that a promise means.
func (c *call) file() string {
	switch c.name {
	case "open", "openat", "creat", "unlink", "unlinkat":
		if len(c.paths) == 1 && c.paths[0] != "" {
			return path.Clean(c.paths[0])
		}
	}
	return ""
}

// leave judges a call that has returned.
func (t *tracer) leave(th *thread, result int64) {
	c := th.call
	th.call = nil
	bad := c.refused != 0 || failed(result)
	if !bad {
		for i, p := range c.paths[:min(len(c.paths), len(c.perms))] {
			t.record.use(resolveParent(p), c.perms[i], c.parent)
		}
	}
	at := descriptor{th.pid, int(result)}
	switch c.name {
	case "socket":
		if bad {
			break
		}
		s := &socket{domain: int(int32(c.data.Args[0])), kind: int(c.data.Args[1] & 0xf), opened: c}
		t.sockets[at] = s
		if s.domain == unix.AF_UNIX {
			t.unused[s] = true
			return // it counts when it is used
		}
	case "connect", "bind", "listen", "sendto", "sendmsg":
		if s := c.socket; s != nil && s.domain == unix.AF_UNIX {
			if bad && t.unused[s] {
				return // had the socket been refused, it would not have got so far
			}
			if t.unused[s] {
				delete(t.unused, s)
				t.add(s.opened, false)
			}
		}
	}
	t.add(c, bad)
}

func (t *tracer) add(c *call, failed bool) {
	j := c.ruling.judge(failed)
	if _, wanted := j.needs.metBy(t.extra); wanted {
		j.optional = false
	}
	refused, with := "", ""
	if c.refused != 0 {
		refused = sysargs.Result(-int64(c.refused))
		for i, s := range c.ruling.grants {
			with += " or "[:4*min(i, 1)] + s.String()
		}
	}
	if refused == "" && !j.never && j.needs == nil {
		return
	}
	t.record.add(j, refused, with, c.name, c.program, c.example, c.early)
}

// memory returns a reader of the thread's memory.
func (th *thread) memory() sysargs.Memory {
	if th.mem == nil {
		f, err := os.Open(fmt.Sprintf("/proc/%d/mem", th.tid))
		if err != nil {
			return nil
		}
		th.mem = f
	}
	return th.mem
}

// forget closes the memory of what is no more.
func (th *thread) forget() {
	if th.mem != nil {
		th.mem.Close()
		th.mem = nil
	}
}

// absolute turns a path of the thread into one of the file system, as far as
// that is possible.
func (th *thread) absolute(p sysargs.Path) string {
	if path.IsAbs(p.Name) {
		return ofProcess(path.Clean(p.Name), th.tid)
	}
	start := fmt.Sprintf("/proc/%d/cwd", th.tid)
	if p.Dirfd != unix.AT_FDCWD {
		start = fmt.Sprintf("/proc/%d/fd/%d", th.tid, p.Dirfd)
	}
	dir, err := os.Readlink(start)
	if err != nil || !path.IsAbs(dir) {
		return ""
	}
	return ofProcess(path.Join(dir, p.Name), th.tid)
}

// ofProcess turns a path that is another one for each process into that of a
// certain one.
func ofProcess(p string, tid int) string {
	for from, to := range map[string]string{
		"/proc/self": "", "/proc/thread-self": "", "/dev/fd": "/fd", "/dev/stdin": "/fd/0", "/dev/stdout": "/fd/1", "/dev/stderr": "/fd/2",
	} {
		if rest, ok := strings.CutPrefix(p, from); ok && (rest == "" || rest[0] == '/') {
			return fmt.Sprintf("/proc/%d%s%s", tid, to, rest)
		}
	}
	return p
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// resolve follows symbolic links, which Landlock does before it looks at rules.
func resolve(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return p
}

// resolveParent follows the links of a path; if the name is not there, those of
// its directory.
func resolveParent(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return path.Join(resolve(path.Dir(p)), path.Base(p))
}

// Probe reports why a child of this process cannot be traced, by tracing one.
func Probe() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = Run(exec.Command(exe, "--version"), 0)
	return err
}

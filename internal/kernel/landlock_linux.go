package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/libc"
)

// LandlockABI returns what the kernel's Landlock can do.
func LandlockABI() landlock.ABI {
	version, e := createRuleset(nil, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return landlock.ABI{}
	}
	errata, e := createRuleset(nil, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	return landlock.ABI{Version: version, SignalsFixed: e == 0 && errata&2 != 0}
}

// createRuleset is landlock_create_ruleset(2).
func createRuleset(attr *unix.LandlockRulesetAttr, flags uintptr) (int, syscall.Errno) {
	var size uintptr
	if attr != nil {
		size = unsafe.Sizeof(*attr)
	}
	r, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attr)), size, flags)
	return int(r), e
}

// A LandlockError says which step of restricting the process failed.
type LandlockError struct {
	Op   string
	Path string // of the rule, "" if it was none
	Err  syscall.Errno
}

func (e *LandlockError) Error() string {
	if e.Path != "" {
		return fmt.Sprintf("%s: %s: %v", e.Op, e.Path, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Op, e.Err)
}

// Unwrap returns the errno.
func (e *LandlockError) Unwrap() error { return e.Err }

// CreateRuleset makes a descriptor of a ruleset, which is not in force. Paths
// are opened with flags: O_PATH, or O_RDONLY if a filter is in force that has no
// O_PATH.
func CreateRuleset(r *landlock.Ruleset, flags int) (int, error) {
	fd, e := createRuleset(&unix.LandlockRulesetAttr{Handled_access_fs: r.FS, Handled_access_net: r.Net, Scoped: r.Scoped}, 0)
	if e != 0 {
		return -1, &LandlockError{Op: "landlock_create_ruleset", Err: e}
	}
	for _, p := range r.Paths {
		if err := addPath(fd, p, flags); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	for _, p := range r.Ports {
		rule := netPort{access: p.Access, port: uint64(p.Port)}
		if e := addRule(fd, ruleNetPort, unsafe.Pointer(&rule)); e != 0 {
			unix.Close(fd)
			return -1, &LandlockError{Op: "landlock_add_rule", Path: fmt.Sprintf("port %d", p.Port), Err: e}
		}
	}
	return fd, nil
}

// netPort is struct landlock_net_port_attr.
type netPort struct{ access, port uint64 }

const ruleNetPort = 2 // LANDLOCK_RULE_NET_PORT

func addRule(ruleset int, kind uintptr, attr unsafe.Pointer) syscall.Errno {
	_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), kind, uintptr(attr), 0, 0, 0)
	return e
}

// addPath adds a rule on a path. What does not exist grants nothing.
func addPath(ruleset int, p landlock.PathRule, flags int) error {
	fd := p.FD
	if !p.Opened {
		var err error
		switch fd, err = unix.Open(p.Path, flags|unix.O_CLOEXEC, 0); err {
		case nil:
			defer unix.Close(fd)
		case unix.EMFILE, unix.ENFILE, unix.ENOMEM:
			return &LandlockError{Op: "open", Path: p.Path, Err: errno(err)}
		default:
			return nil
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &LandlockError{Op: "fstat", Path: p.Path, Err: errno(err)}
	}
	access := p.Access
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= landlock.OnFile
	}
	if access == 0 {
		return nil
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if e := addRule(ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule)); e != 0 {
		return &LandlockError{Op: "landlock_add_rule", Path: p.Path, Err: e}
	}
	return nil
}

// Forgets reports whether the kernel forgets which file is at a path, and with
// it a rule on the file, when memory is scarce: in /proc it makes another one
// then. A file that is open stays.
func Forgets(path string) bool { return strings.HasPrefix(path, "/proc/") }

// Pin opens those files of a ruleset that would be forgotten. It is to be called
// before CreateRuleset, so that the rules are on these.
func Pin(r *landlock.Ruleset, flags int) (fds []int) {
	for _, p := range r.Paths {
		if p.Opened || !Forgets(p.Path) {
			continue
		}
		if fd, err := unix.Open(p.Path, flags|unix.O_CLOEXEC, 0); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}

// RestrictAllThreads puts a ruleset in force on all threads of the process,
// with no_new_privs: on all of them, or on none. The descriptor tasks is of the
// directory /proc/self/task, or -1 to have it opened; only processes with C
// code, on kernels before Landlock's ABI 8, look at it.
func RestrictAllThreads(ruleset, tasks int, abi landlock.ABI) error {
	if abi.ThreadSync() {
		return onThrowawayThread(func() error {
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				return &LandlockError{Op: "prctl(PR_SET_NO_NEW_PRIVS)", Err: errno(err)}
			}
			return restrictSelf(ruleset, unix.LANDLOCK_RESTRICT_SELF_TSYNC)
		})
	}

	// One thread tries it, and is thrown away, so that what can be known to fail
	// does so before others have changed.
	if err := tryRestrict(ruleset); err != nil {
		return err
	}
	if !libc.Broadcasts {
		if _, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
			return &LandlockError{Op: "prctl(PR_SET_NO_NEW_PRIVS)", Err: e}
		}
		if _, _, e := syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0); e != 0 {
			return &LandlockError{Op: "landlock_restrict_self", Err: e}
		}
		return nil
	}
	if tasks < 0 {
		fd, err := OpenTasks()
		if err != nil {
			return &LandlockError{Op: "open", Path: taskDir, Err: errno(err)}
		}
		defer unix.Close(fd)
		tasks = fd
	}
	if e := libc.RestrictAllThreads(ruleset, tasks); e != 0 {
		return &LandlockError{Op: "landlock_restrict_self", Err: e}
	}
	return nil
}

const taskDir = "/proc/self/task"

// OpenTasks opens the directory of the process's threads. It is ESRCH if /proc
// is of another PID namespace, where they have other ids.
func OpenTasks() (int, error) {
	fd, err := unix.Open(taskDir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Faccessat(fd, strconv.Itoa(unix.Getpid()), unix.F_OK, 0); err != nil {
		unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

func restrictSelf(ruleset int, flags uintptr) error {
	if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), flags, 0); e != 0 {
		return &LandlockError{Op: "landlock_restrict_self", Err: e}
	}
	return nil
}

// tryRestrict restricts one thread, which is gone when it returns: it must not
// be there any more when all others are restricted, or it would be so twice.
func tryRestrict(ruleset int) error {
	return onDyingThread(func() error {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return &LandlockError{Op: "prctl(PR_SET_NO_NEW_PRIVS)", Err: errno(err)}
		}
		return restrictSelf(ruleset, 0)
	})
}

// onDyingThread runs f on one thread, which is gone when it returns.
func onDyingThread(f func() error) error {
	tid, worked := 0, errors.New("it worked, and the thread is to end nevertheless")
	err := onThrowawayThread(func() error {
		tid = unix.Gettid()
		return cmp.Or(f(), worked)
	})
	for unix.Tgkill(unix.Getpid(), tid, 0) == nil {
		time.Sleep(20 * time.Microsecond)
	}
	if err == worked {
		return nil
	}
	return err
}

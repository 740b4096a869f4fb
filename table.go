//go:build linux && (amd64 || arm64)

package pledge

import (
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/sysnum"
)

// The promise table says what each promise means on Linux, and it is all there
// is to say: the filter, Explain, docs/promises.md and the tests derive from it.
// This file has what both architectures have, table_amd64.go and table_arm64.go
// the rest.
//
// A row grants its calls to a set that has the promises it needs, if the
// arguments meet all conditions; a row with an errno refuses them softly, where
// no other row grants them and no earlier one refuses them. What no row mentions
// is a violation.

// A row is one line of the table.
type row struct {
	needs needs
	calls []uint32
	when  conds
	errno syscall.Errno // 0: granted
	note  string        // what it is for, and what the conditions mean
}

// hot are the calls whose arguments are looked at and that programs make most,
// most frequent first.
var hot = []uint32{unix.SYS_OPENAT, unix.SYS_FCNTL, unix.SYS_IOCTL, unix.SYS_MMAP}

// needs is what a row asks of a set: all of some promises, or one of others; and
// in either case what is asked for in addition.
//
// The functions that make needs and conds are such that the compiler evaluates
// them: most of the table is data, and costs a program nothing that never
// pledges.
type needs struct{ all, any, plus []Promise }

// need asks for all the promises.
func need(promises ...Promise) needs { return needs{all: promises} }

// either asks for one of the promises.
func either(promises ...Promise) needs { return needs{any: promises} }

// with asks for more in addition, for circumstances mostly.
func (n needs) with(more ...Promise) needs { return needs{n.all, n.any, slices.Concat(n.plus, more)} }

// alternatives returns the sets that suffice.
func (n needs) alternatives() (sets []Set) {
	plus := setOf(n.plus...)
	if len(n.all) > 0 {
		sets = append(sets, plus.With(n.all...))
	}
	for _, p := range n.any {
		sets = append(sets, plus.With(p))
	}
	return sets
}

// metBy reports whether a set is one of the alternatives, or more.
func (n needs) metBy(s Set) bool {
	has := func(p Promise) bool { return s&(1<<p) != 0 }
	if slices.ContainsFunc(n.plus, func(p Promise) bool { return !has(p) }) {
		return false
	}
	return len(n.all) > 0 && !slices.ContainsFunc(n.all, func(p Promise) bool { return !has(p) }) || slices.ContainsFunc(n.any, has)
}

// Beside the promises there are circumstances, which rows ask for like promises
// that nobody can name.
const (
	goFloor    Promise = 63 - iota // always: what the Go runtime does behind a program's back
	cFloor                         // where C code runs: what a libc does
	readable                       // Landlock lets only those files be read that promises mean
	writable                       // the same of writing
	makable                        // the same of creating and removing regular files
	anyPath                        // no unveil is in force
	veiled                         // an unveil is in force
	truncates                      // it restricts truncate(2) too: Landlock ABI 3, Linux 6.2
	alone                          // no supervisor decides of violations
	supervised                     // one does: the process was launched by pledge run

	lastCircumstance
)

// circumstances says what a row that asks for one adds to its conditions.
var circumstances = map[Promise]string{
	readable:   "of the promise's files, which Landlock tells from others",
	writable:   "of files that a promise means and that may be written, which Landlock tells from others",
	makable:    "of the promise's files, which Landlock tells from others",
	anyPath:    "no unveil is in force",
	veiled:     "an unveil is in force",
	truncates:  "an unveil is in force that knows of it",
	supervised: "in a program that pledge run launched",
}

// always asks for nothing that is not there.
func always() needs { return need(goFloor) }

// fileful are the promises that mean particular files; see pathTable.
var fileful = needs{
	all: []Promise{Stdio, supervised},
	any: []Promise{DNS, Getpw, Vminfo, PS, Tmppath, TTY, Exec},
}

// conds are conditions that must all be met.
type conds []cond

// A cond is a condition on one argument: under the mask it has one of the
// values.
type cond struct {
	arg    uint8
	mask   uint64
	values []uint32
	own    own // values that only the process itself knows, in addition
}

// own is a kind of values that stand for the process.
type own uint8

const (
	ownNothing own = iota
	ownPID
	ownUID  // the effective one
	ownGID  // the effective one and the supplementary ones
	ownEGID // the effective one
	onlyUID // the one that is the real, the effective and the saved one
	onlyGID
)

const (
	int32Mask   = 0xffffffff // a C int or unsigned int: the kernel ignores the upper half
	pointerMask = 0xffffffffffffffff
)

// is asks for an int argument to have one of the values.
func is(arg uint8, values ...uint32) cond { return masked(arg, int32Mask, values...) }

// masked asks for the bits of an int argument that are in the mask.
func masked(arg uint8, mask uint32, values ...uint32) cond {
	return cond{arg: arg, mask: uint64(mask), values: values}
}

// no asks for an argument that has none of the bits.
func no(arg uint8, bits uint32) cond { return masked(arg, bits, 0) }

// null asks for a null pointer, or for a long that is zero.
func null(arg uint8) cond { return cond{arg: arg, mask: pointerMask, values: []uint32{0}} }

// self asks for the process's own id.
func self(arg uint8) cond { return cond{arg: arg, mask: int32Mask, own: ownPID} }

// ownUser and ownGroup ask for an id that is the process's, or for -1, which
// leaves the file's as it is.
func ownUser(arg uint8) cond {
	return cond{arg: arg, mask: int32Mask, values: []uint32{int32Mask}, own: ownUID}
}
func ownGroup(arg uint8) cond {
	return cond{arg: arg, mask: int32Mask, values: []uint32{int32Mask}, own: ownGID}
}

// ownPrimaryGroup asks for the effective group alone, or for -1.
func ownPrimaryGroup(arg uint8) cond {
	return cond{arg: arg, mask: int32Mask, values: []uint32{int32Mask}, own: ownEGID}
}

// onlyUser and onlyGroup ask for the id that is the process's real, effective
// and saved one, or, where these differ, for -1, which no id is.
func onlyUser(arg uint8) cond  { return cond{arg: arg, mask: int32Mask, own: onlyUID} }
func onlyGroup(arg uint8) cond { return cond{arg: arg, mask: int32Mask, own: onlyGID} }

// descriptor asks for an argument that can be a file descriptor: not AT_FDCWD.
func descriptor(arg uint8) cond { return no(arg, 1<<31) }

// rows are lines of the table, in groups.
type rows [][]row

func (rs rows) all(yield func(*row) bool) {
	for _, group := range rs {
		for i := range group {
			if !yield(&group[i]) {
				return
			}
		}
	}
}

// table is the whole table of this architecture.
func table() rows {
	return rows{
		floorRows,
		stdioRows,
		openRows, pathRows, attributeRows,
		networkRows, descriptorRows,
		ttyRows, processRows, systemRows, deviceRows,
		archOpenRows(), archRows,
		probeRows,
	}
}

// archOpenRows are the rows of open(2), if the architecture has it.
var archOpenRows = sync.OnceValue(func() []row { return openOf(openRows) })

// floorRows let every process live, whatever it has promised.
var floorRows = []row{
	{needs: always(), calls: []uint32{
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RESTART_SYSCALL,
	}, note: "ending; what the kernel itself repeats after SIGCONT"},
	{needs: always(), calls: []uint32{
		unix.SYS_READ, unix.SYS_PREAD64, unix.SYS_WRITE, unix.SYS_CLOSE,
	}, note: "open descriptors: the runtime's own, and its last words"},
	{needs: always(), calls: []uint32{
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_MEMBARRIER,
	}, note: "the scheduler's waiting and waking"},
	{needs: always(), calls: []uint32{
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2,
	}, note: "netpoll and timers, set up at first use"},
	{needs: always(), calls: []uint32{
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_GETCPU,
	}, note: "the clock where the vDSO cannot tell it"},
	{needs: always(), calls: []uint32{unix.SYS_MMAP}, when: conds{
		no(2, unix.PROT_EXEC),
		masked(3, unix.MAP_TYPE|unix.MAP_ANONYMOUS, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, unix.MAP_DROPPABLE|unix.MAP_ANONYMOUS),
	}, note: "the heap, stacks, crypto/rand's page: private anonymous memory that cannot be executed"},
	{needs: always(), calls: []uint32{unix.SYS_MPROTECT}, when: conds{no(2, unix.PROT_EXEC)},
		note: "protection, never to executable"},
	{needs: always(), calls: []uint32{
		unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_BRK,
	}, note: "giving memory back, growing it"},
	{needs: always(), calls: []uint32{unix.SYS_MADVISE}, when: conds{no(2, int32Mask&^0x1f)},
		note: "advice about the process's own pages: 0 to 31; never MADV_HWPOISON and MADV_SOFT_OFFLINE, which are about the machine's"},
	{needs: need(cFloor), calls: []uint32{unix.SYS_MADVISE}, when: conds{is(2, unix.MADV_GUARD_INSTALL, unix.MADV_GUARD_REMOVE)},
		note: "the guard pages of stacks since glibc 2.42"},
	{needs: always(), calls: []uint32{unix.SYS_CLONE}, when: conds{masked(0,
		int32Mask&^threadFlags|threadMust, threadMust)},
		note: "threads: CLONE_THREAD with CLONE_VM and CLONE_SIGHAND, no flag that threads do not use"},
	{needs: always(), calls: []uint32{
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	}, note: "signal handling of the process's own threads"},
	{needs: always(), calls: []uint32{unix.SYS_TGKILL, unix.SYS_KILL}, when: conds{self(0)},
		note: "preemption, setuid on all threads, raise, crash reports: signals to the process itself"},
	{needs: need(cFloor), calls: []uint32{unix.SYS_TKILL}, when: conds{self(0)},
		note: "raise(3) of musl in the first thread, whose id is the process's"},
	{needs: always(), calls: []uint32{unix.SYS_SCHED_GETAFFINITY},
		note: "GOMAXPROCS, once a second since Go 1.25; refused, it would drop to 1"},
	{needs: always(), calls: []uint32{unix.SYS_GETRANDOM}, note: "crypto/rand where the vDSO cannot"},
	{needs: always(), calls: []uint32{
		unix.SYS_SETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_GETTIME, unix.SYS_TIMER_GETOVERRUN, unix.SYS_TIMER_DELETE,
	}, note: "the CPU profiler's timers"},
	{needs: always(), calls: []uint32{unix.SYS_UNAME, unix.SYS_GETRUSAGE, unix.SYS_SYSINFO},
		note: "what io.Copy, qsort(3) and the profiler look at"},
	{needs: always(), calls: []uint32{unix.SYS_PRLIMIT64}, when: conds{is(0, 0), null(2)},
		note: "reading the process's own limits: pid 0, no new limit"},
	{needs: always(), calls: []uint32{unix.SYS_PRCTL}, when: conds{is(0,
		unix.PR_SET_NAME, unix.PR_GET_NAME, unix.PR_SET_NO_NEW_PRIVS, unix.PR_GET_NO_NEW_PRIVS,
		unix.PR_GET_DUMPABLE, unix.PR_GET_PDEATHSIG, unix.PR_GET_SECCOMP, unix.PR_GET_TIMERSLACK, unix.PR_SET_TIMERSLACK, unix.PR_CAPBSET_READ,
	)}, note: "names of threads, no_new_privs for a later Pledge, and asking"},
	{needs: always(), calls: []uint32{unix.SYS_PRCTL}, when: conds{is(0, unix.PR_SET_VMA), null(1)},
		note: "PR_SET_VMA_ANON_NAME: the runtime names its mappings since Go 1.25"},
	{needs: always(), calls: []uint32{unix.SYS_PRCTL}, when: conds{is(0, unix.PR_SET_DUMPABLE), null(1)},
		note: "PR_SET_DUMPABLE 0, which gives something up"},
	{needs: always(), calls: []uint32{unix.SYS_SECCOMP}, when: conds{
		is(0, unix.SECCOMP_SET_MODE_FILTER),
		no(1, int32Mask&^(unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_LOG|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH)),
	}, note: "a later Pledge: more filters can only refuse more; never NEW_LISTENER, whose holder could let calls through"},
	{needs: always(), calls: []uint32{unix.SYS_SECCOMP}, when: conds{is(0, unix.SECCOMP_GET_ACTION_AVAIL)},
		note: "what a later Pledge asks the kernel"},
	{needs: always(), calls: []uint32{unix.SYS_GETEUID, unix.SYS_GETEGID, unix.SYS_GETGROUPS, unix.SYS_GETRESUID, unix.SYS_GETRESGID},
		note: "whose process it is, which a later Pledge asks for fattr and exec"},
	{needs: always(), calls: []uint32{unix.SYS_PIPE2}, note: "through which a later Pledge gets its program from libseccomp"},
	{needs: always(), calls: []uint32{unix.SYS_FCNTL}, when: conds{is(1, unix.F_GETFL, unix.F_GETPIPE_SZ)},
		note: "what os.NewFile and that Pledge ask about the pipe"},

	{needs: need(cFloor), calls: []uint32{unix.SYS_RSEQ, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS},
		note: "what libc does in each new thread; glibc aborts if rseq fails"},
	{needs: need(cFloor), calls: []uint32{unix.SYS_NEWFSTATAT}, when: conds{descriptor(0), masked(3, unix.AT_EMPTY_PATH, unix.AT_EMPTY_PATH)},
		note: "fstat(3) of glibc 2.33 to 2.40. The flag does not keep the path from being one: this allows stat"},
}

const (
	threadMust  = unix.CLONE_THREAD | unix.CLONE_VM | unix.CLONE_SIGHAND
	threadFlags = threadMust | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SYSVSEM | unix.CLONE_SETTLS |
		unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID | unix.CLONE_CHILD_SETTID | unix.CLONE_DETACHED
)

// opening asks for openat's flags to be one of the access modes, and for none
// of those flags that create or truncate.
func opening(arg uint8, modes ...uint32) cond {
	return masked(arg, unix.O_ACCMODE|unix.O_CREAT|unix.O_TRUNC|tmpfile, modes...)
}

// tmpfile is the bit of O_TMPFILE that is not O_DIRECTORY.
const tmpfile = unix.O_TMPFILE &^ unix.O_DIRECTORY

// stdioRows are for programs that compute with what they were given.
var stdioRows = []row{
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_PWRITE64,
		unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FADVISE64,
		unix.SYS_READAHEAD, unix.SYS_SYNC_FILE_RANGE,
	}, note: "reading and writing open descriptors"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_TEE, unix.SYS_VMSPLICE, unix.SYS_COPY_FILE_RANGE,
	}, note: "the fast paths of io.Copy between open descriptors"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_CLOSE_RANGE, unix.SYS_FCHDIR, unix.SYS_UMASK,
	}, note: "the descriptor table"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_FCNTL}, when: conds{is(1,
		unix.F_GETFL, unix.F_GETFD, unix.F_SETFD, unix.F_DUPFD_CLOEXEC, unix.F_DUPFD,
		unix.F_GETOWN, unix.F_GETOWN_EX, unix.F_GETSIG, unix.F_DUPFD_QUERY, unix.F_CREATED_QUERY,
		unix.F_SETPIPE_SZ, unix.F_GETPIPE_SZ, unix.F_ADD_SEALS, unix.F_GET_SEALS,
		unix.F_GET_RW_HINT, unix.F_SET_RW_HINT, unix.F_GET_FILE_RW_HINT, unix.F_SET_FILE_RW_HINT,
	)}, note: "all but locks, leases, directory notification, and who gets SIGIO"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_FCNTL}, when: conds{is(1, unix.F_SETFL), no(2, unix.O_ASYNC)},
		note: "never O_ASYNC, with which a terminal sends SIGIO to its foreground processes"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1,
		fionread, fionbio, fioclex, fionclex,
	)}, note: "what every descriptor can be asked"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.TCGETS, unix.TCGETS2)},
		note: "isatty(3), for which OpenBSD has a fcntl"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.FICLONE, unix.FICLONERANGE)},
		note: "copy_file_range's older twins, with which cp(1) begins"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_MMAP, unix.SYS_PKEY_MPROTECT}, when: conds{no(2, unix.PROT_EXEC)},
		note: "memory and mapped files, never executable"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_MSYNC, unix.SYS_MINCORE, unix.SYS_MLOCK, unix.SYS_MLOCK2, unix.SYS_MUNLOCK, unix.SYS_MLOCKALL, unix.SYS_MUNLOCKALL,
		unix.SYS_MSEAL, unix.SYS_PKEY_ALLOC, unix.SYS_PKEY_FREE,
	}, note: "the process's own memory"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME, unix.SYS_SIGNALFD4,
		unix.SYS_GETITIMER, unix.SYS_TIMES,
	}, note: "waiting"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_RT_SIGPENDING, unix.SYS_RT_SIGSUSPEND, unix.SYS_RT_SIGTIMEDWAIT,
	}, note: "signals to the process"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_KILL}, when: conds{is(0, 0)},
		note: "signals to the own process group, as on OpenBSD"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO}, when: conds{self(0)},
		note: "signals to itself, with a value"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_WAIT4, unix.SYS_WAITID}, note: "waiting for children"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_GETUID, unix.SYS_GETGID,
		unix.SYS_GETPPID, unix.SYS_GETPGID, unix.SYS_GETSID, unix.SYS_CAPGET, unix.SYS_GETRLIMIT,
	}, note: "who the process is"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_SCHED_GET_PRIORITY_MAX, unix.SYS_SCHED_GET_PRIORITY_MIN},
		note: "constants"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETATTR, unix.SYS_SCHED_RR_GET_INTERVAL,
	}, when: conds{is(0, 0)}, note: "the caller's own scheduling"},
	{needs: need(Stdio), errno: unix.EPERM, calls: []uint32{
		unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETATTR, unix.SYS_SCHED_RR_GET_INTERVAL,
	}, note: "another's: pthread_getschedparam(3) asks by thread id, which could be any process's"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_SOCKETPAIR}, when: conds{
		is(0, unix.AF_UNIX), masked(1, sockType, unix.SOCK_STREAM, unix.SOCK_SEQPACKET),
	}, note: "a pipe that goes both ways"},
	{needs: need(Stdio, Unix), calls: []uint32{unix.SYS_SOCKETPAIR}, when: conds{is(0, unix.AF_UNIX), masked(1, sockType, unix.SOCK_DGRAM)},
		note: "a pair that can be connected anew, to any local socket"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_RECVFROM, unix.SYS_SHUTDOWN, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME,
	}, note: "connected sockets"},
	{needs: need(Stdio), calls: []uint32{unix.SYS_SENDTO}, when: conds{slow(3), null(4)},
		note: "sending on connected sockets: no address, no MSG_FASTOPEN"},
	{needs: need(Stdio), calls: sockopts, when: conds{is(1, unix.SOL_SOCKET), is(2, unix.SO_RCVBUF, unix.SO_ERROR)},
		note: "OpenBSD's list for every process"},
	{needs: need(Stdio), calls: sockopts, when: conds{is(1, unix.SOL_SOCKET), is(2, unix.SO_TYPE, unix.SO_DOMAIN, unix.SO_PROTOCOL)},
		note: "what a socket is, which cannot be set: net.FileConn asks of one that was inherited"},
	{needs: need(Stdio), calls: sockopts, when: conds{is(1, unix.IPPROTO_TCP), is(2, unix.TCP_NODELAY)},
		note: "OpenBSD's list for every process"},
	{needs: need(Stdio), calls: sockopts, when: conds{is(1, unix.IPPROTO_IP), is(2, unix.IP_TOS)},
		note: "OpenBSD's list for every process"},
	{needs: need(Stdio), calls: sockopts, when: conds{is(1, unix.IPPROTO_IPV6), is(2, unix.IPV6_TCLASS)},
		note: "OpenBSD's list for every process"},
}

var sockopts = []uint32{unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT}

// openRows are openat(2)'s, whose argument 2 are the flags and whose next one is
// the mode. The access mode needs rpath, wpath or both; creating needs cpath in
// addition.
var openRows = []row{
	{needs: fileful.with(readable, alone), calls: openat, when: conds{masked(2, opened|unix.O_TRUNC, unix.O_RDONLY)},
		note: "opening the promise's files to read"},
	{needs: fileful.with(writable, alone), calls: openat, when: conds{masked(2, opened|unix.O_TRUNC, unix.O_WRONLY, unix.O_RDWR)},
		note: "opening the promise's files to write"},
	{needs: fileful.with(Wpath, readable, alone), calls: openat, when: conds{masked(2, opened|unix.O_TRUNC, unix.O_RDWR)},
		note: "opening the promise's files to read, others only to write"},
	{needs: need(Rpath), calls: openat, when: conds{opening(2, unix.O_RDONLY)},
		note: "opening to read: no O_CREAT, O_TRUNC, O_TMPFILE"},
	{needs: need(Wpath), calls: openat, when: conds{masked(2, opened, unix.O_WRONLY)},
		note: "opening to write what exists"},
	{needs: need(Rpath, Wpath), calls: openat, when: conds{masked(2, opened, unix.O_RDWR)},
		note: "opening to read and write what exists"},
	{needs: need(Rpath, Cpath), calls: openat, when: conds{masked(2, opened|unix.O_TRUNC, unix.O_CREAT|unix.O_RDONLY), plainMode(3)},
		note: "creating, then reading; no setuid, setgid, sticky bit"},
	{needs: need(Wpath, Cpath), calls: openat, when: conds{masked(2, opened, unix.O_CREAT|unix.O_WRONLY, tmpfile|unix.O_WRONLY), plainMode(3)},
		note: "creating and writing; no setuid, setgid, sticky bit"},
	{needs: need(Rpath, Wpath, Cpath), calls: openat, when: conds{masked(2, opened, unix.O_CREAT|unix.O_RDWR, tmpfile|unix.O_RDWR), plainMode(3)},
		note: "creating, reading and writing; no setuid, setgid, sticky bit"},
	{needs: need(Tmppath, makable, alone), calls: openat, when: conds{masked(2, opened, unix.O_CREAT|unix.O_WRONLY), plainMode(3)},
		note: "files in /tmp"},
	{needs: either(readable, Rpath).with(Tmppath, makable, writable, alone), calls: openat, when: conds{masked(2, opened, tmpfile|unix.O_RDWR), plainMode(3)},
		note: "files without a name in /tmp, tmpfile(3), where it is decided what may be read and written"},
	{needs: either(readable, Rpath).with(Tmppath, makable, alone), calls: openat, when: conds{masked(2, opened|unix.O_TRUNC, unix.O_CREAT|unix.O_RDONLY), plainMode(3)},
		note: "files in /tmp, where it is decided what may be read"},
	{needs: either(readable, Rpath).with(Tmppath, makable, alone), calls: openat, when: conds{masked(2, opened, unix.O_CREAT|unix.O_RDWR), plainMode(3)},
		note: "files in /tmp, where it is decided what may be read"},
	{needs: need(Rpath, Cpath), errno: unix.EPERM, calls: openat, when: conds{masked(2, opened|unix.O_TRUNC, unix.O_CREAT|unix.O_RDONLY)}, note: specialBits},
	{needs: need(Wpath, Cpath), errno: unix.EPERM, calls: openat, when: conds{masked(2, opened, unix.O_CREAT|unix.O_WRONLY, tmpfile|unix.O_WRONLY)}, note: specialBits},
	{needs: need(Rpath, Wpath, Cpath), errno: unix.EPERM, calls: openat, when: conds{masked(2, opened, unix.O_CREAT|unix.O_RDWR, tmpfile|unix.O_RDWR)}, note: specialBits},
	{needs: either(DNS, Getpw, PS, Vminfo).with(alone), errno: unix.EACCES, calls: openat, when: conds{opening(2, unix.O_RDONLY)}, note: indistinct},
	{needs: either(Exec, TTY, Tmppath).with(alone), errno: unix.EACCES, calls: openat, when: conds{opening(2, unix.O_RDONLY, unix.O_WRONLY, unix.O_RDWR)}, note: indistinct},
	{needs: need(Tmppath, alone), errno: unix.EACCES, calls: openat, when: conds{masked(2, unix.O_CREAT, unix.O_CREAT)}, note: indistinct},
}

var openat = []uint32{unix.SYS_OPENAT}

// opened are the bits of flags that decide which promises an open needs, but
// O_TRUNC. O_PATH makes the kernel ignore the access mode, and O_CREAT: such a
// descriptor is for looking at the file, which is rpath's.
const opened = unix.O_ACCMODE | unix.O_CREAT | tmpfile | unix.O_PATH

// plainMode asks for a mode without setuid, setgid and sticky bit.
func plainMode(arg uint8) cond { return no(arg, 0o7000) }

const indistinct = "the promise's files, where Landlock cannot tell them from others"

const specialBits = "setuid, setgid and sticky bits, which OpenBSD drops"

// pathRows are about names in the file system.
var pathRows = []row{
	{needs: need(Rpath), calls: []uint32{
		unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_STATFS, unix.SYS_FSTATFS,
	}, note: "looking at files"},
	{needs: need(Rpath), calls: []uint32{unix.SYS_GETDENTS64, unix.SYS_CHDIR, unix.SYS_GETCWD}, note: "directories"},
	{needs: need(Rpath), calls: []uint32{unix.SYS_FGETXATTR, unix.SYS_FLISTXATTR}, note: "extended attributes"},
	{needs: need(Rpath, anyPath), calls: []uint32{unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR},
		note: "extended attributes: ls -l asks for them"},
	{needs: need(Rpath, veiled), errno: unix.EOPNOTSUPP, calls: []uint32{unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR},
		note: "Landlock does not keep unveil's secrets here; as on a file system without"},
	{needs: need(Rpath), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.FS_IOC_GETFLAGS)}, note: "file flags, as stat(2) shows them on OpenBSD"},
	{needs: need(Rpath), calls: []uint32{unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_RM_WATCH}, note: "watching files, as kqueue does"},
	{needs: need(Rpath, anyPath), calls: []uint32{unix.SYS_INOTIFY_ADD_WATCH}, note: "watching files, as kqueue does"},
	{needs: need(Rpath, veiled), errno: unix.EACCES, calls: []uint32{unix.SYS_INOTIFY_ADD_WATCH}, note: "Landlock does not keep unveil's secrets here: events have names"},
	{needs: either(anyPath, truncates).with(Wpath), calls: []uint32{unix.SYS_TRUNCATE}, note: "as opening to write and ftruncate"},
	{needs: need(Wpath, veiled), errno: unix.EACCES, calls: []uint32{unix.SYS_TRUNCATE}, note: byPath},
	{needs: need(Tmppath, makable), calls: []uint32{unix.SYS_UNLINKAT}, when: conds{is(2, 0)}, note: "files in /tmp"},
	{needs: either(PS, Vminfo).with(readable), calls: []uint32{unix.SYS_GETDENTS64}, note: "directories of the promise's files"},
	{needs: need(Cpath), calls: []uint32{
		unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_RENAMEAT,
	}, note: "making and removing names"},
	{needs: need(Cpath), calls: []uint32{unix.SYS_RENAMEAT2}, when: conds{no(4, unix.RENAME_WHITEOUT)}, note: "renaming"},
	{needs: need(Cpath, Dpath), calls: []uint32{unix.SYS_RENAMEAT2}, note: "renaming that leaves a device node, a whiteout"},
	{needs: need(Dpath), calls: []uint32{unix.SYS_MKNODAT}, when: conds{node(2)}, note: "pipes and device nodes"},
	{needs: need(Dpath), errno: unix.EPERM, calls: []uint32{unix.SYS_MKNODAT}, note: specialNodes},
}

// node asks for the type and mode of a pipe or device node.
func node(arg uint8) cond {
	return masked(arg, unix.S_IFMT|0o7000, unix.S_IFIFO, unix.S_IFCHR, unix.S_IFBLK)
}

const specialNodes = "regular files and sockets, which mknod(2) of OpenBSD does not make; " + specialBits

// byPath is why some calls that take a path fail where an unveil is in force.
const byPath = "Landlock does not keep unveil's promise here; on an open file it works: fchmod(2), fchown(2), futimens(3), ftruncate(2)"

// pathAttributes are the calls that change such attributes of a path.
var pathAttributes = append([]uint32{unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT}, archPathAttributes...)

// attributeRows are about what is known of files beside their contents.
var attributeRows = []row{
	{needs: need(Fattr), calls: []uint32{unix.SYS_FCHMOD}, when: conds{no(1, 0o7000)}, note: "permissions"},
	{needs: need(Fattr, anyPath), calls: []uint32{unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2}, when: conds{no(2, 0o7000)}, note: "permissions"},
	{needs: either(Fattr, Chown).with(veiled), errno: unix.EACCES, calls: pathAttributes, note: byPath},
	{needs: need(Fattr), errno: unix.EPERM, calls: []uint32{unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2}, note: specialBits},
	{needs: need(Fattr, anyPath), calls: []uint32{unix.SYS_UTIMENSAT}, note: "times"},
	{needs: need(Fattr), calls: []uint32{unix.SYS_UTIMENSAT}, when: conds{null(1)}, note: "times of an open file, futimens(3)"},
	{needs: need(Fattr), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.FS_IOC_SETFLAGS)}, note: "file flags, chflags(2)"},
	{needs: need(Fattr), calls: []uint32{unix.SYS_FCHOWN}, when: conds{ownUser(1), ownGroup(2)}, note: "giving a file to the process's own user and groups"},
	{needs: need(Fattr, anyPath), calls: []uint32{unix.SYS_FCHOWNAT}, when: conds{ownUser(2), ownGroup(3)}, note: "giving a file to the process's own user and groups"},
	{needs: need(Fattr), errno: unix.EPERM, calls: []uint32{unix.SYS_FCHOWN, unix.SYS_FCHOWNAT}, note: "to others: OpenBSD's errno"},
	{needs: need(Chown), calls: []uint32{unix.SYS_FCHOWN}, note: "giving a file to anybody"},
	{needs: need(Chown, anyPath), calls: []uint32{unix.SYS_FCHOWNAT}, note: "giving a file to anybody"},
	{needs: need(Flock), calls: []uint32{unix.SYS_FLOCK}, note: "locks"},
	{needs: need(Flock), calls: []uint32{unix.SYS_FCNTL}, when: conds{is(1,
		unix.F_SETLK, unix.F_SETLKW, unix.F_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_OFD_GETLK,
	)}, note: "locks on parts of files"},
}

// slow asks for flags of a sending call without MSG_FASTOPEN.
func slow(arg uint8) cond { return no(arg, unix.MSG_FASTOPEN) }

const slowly = "never MSG_FASTOPEN, which connects past Landlock to any port"

const sockType = int32Mask &^ (unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK)

// networkRows are about sockets.
var networkRows = []row{
	{needs: need(Inet), calls: []uint32{unix.SYS_SOCKET}, when: conds{
		is(0, unix.AF_INET, unix.AF_INET6),
		masked(1, sockType, unix.SOCK_STREAM, unix.SOCK_DGRAM),
		is(2, 0, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_MPTCP, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6),
	}, note: "TCP, MPTCP (Go's default for listeners), UDP, ping; never raw"},
	{needs: need(Unix), calls: []uint32{unix.SYS_SOCKET}, when: conds{
		is(0, unix.AF_UNIX),
		masked(1, sockType, unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET),
		is(2, 0),
	}, note: "local sockets"},
	{needs: need(DNS), calls: []uint32{unix.SYS_SOCKET}, when: conds{
		is(0, unix.AF_INET, unix.AF_INET6),
		masked(1, sockType, unix.SOCK_STREAM, unix.SOCK_DGRAM),
		is(2, 0, unix.IPPROTO_TCP, unix.IPPROTO_UDP),
	}, note: "questions to name servers"},
	{needs: either(Inet, Unix, DNS), calls: []uint32{unix.SYS_CONNECT, unix.SYS_BIND}, note: "addresses of sockets"},
	{needs: either(Inet, Unix), calls: []uint32{unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4}, note: "servers"},
	{needs: either(Inet, Unix, DNS), calls: []uint32{unix.SYS_GETSOCKNAME}, note: "what package net asks of each socket, also without stdio"},
	{needs: need(Inet), calls: []uint32{unix.SYS_SENDTO}, note: "datagrams to an address"},
	{needs: either(Unix, DNS), calls: []uint32{unix.SYS_SENDTO}, when: conds{slow(3)}, note: "datagrams to an address; " + slowly},
	{needs: need(Inet), calls: []uint32{unix.SYS_SENDMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMSG, unix.SYS_RECVMMSG}, note: "datagrams with control data"},
	{needs: need(DNS, cFloor), calls: []uint32{unix.SYS_SENDMMSG}, when: conds{slow(3)}, note: "glibc asks for A and AAAA with one call"},
	{needs: either(Inet, Unix), calls: sockopts, when: conds{is(1, unix.SOL_SOCKET), is(2,
		unix.SO_REUSEADDR, unix.SO_TYPE, unix.SO_ERROR, unix.SO_DONTROUTE, unix.SO_BROADCAST, unix.SO_SNDBUF, unix.SO_RCVBUF,
		unix.SO_KEEPALIVE, unix.SO_OOBINLINE, unix.SO_PRIORITY, unix.SO_LINGER, unix.SO_REUSEPORT, unix.SO_PASSCRED, unix.SO_PEERCRED,
		unix.SO_RCVLOWAT, unix.SO_SNDLOWAT, unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_PEERSEC, unix.SO_PEERGROUPS,
		unix.SO_ACCEPTCONN, unix.SO_PROTOCOL, unix.SO_DOMAIN, unix.SO_TIMESTAMP, unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPING,
		unix.SO_RXQ_OVFL, unix.SO_PEEK_OFF, unix.SO_INCOMING_CPU, unix.SO_COOKIE, unix.SO_ZEROCOPY, unix.SO_BUSY_POLL, unix.SO_MAX_PACING_RATE, unix.SO_MEMINFO,
	)}, note: "of every socket; never filters, marks, devices, forced buffers"},
	{needs: need(Inet), calls: sockopts, when: conds{is(1, unix.IPPROTO_TCP), is(2,
		unix.TCP_NODELAY, unix.TCP_MAXSEG, unix.TCP_CORK, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_SYNCNT,
		unix.TCP_LINGER2, unix.TCP_DEFER_ACCEPT, unix.TCP_WINDOW_CLAMP, unix.TCP_INFO, unix.TCP_QUICKACK, unix.TCP_MD5SIG,
		unix.TCP_USER_TIMEOUT, unix.TCP_FASTOPEN, unix.TCP_FASTOPEN_CONNECT, unix.TCP_TIMESTAMP, unix.TCP_NOTSENT_LOWAT, unix.TCP_CC_INFO,
		unix.TCP_SAVE_SYN, unix.TCP_SAVED_SYN, unix.TCP_INQ, unix.TCP_TX_DELAY,
	)}, note: "of TCP; never TCP_REPAIR and TCP_ULP"},
	{needs: need(Inet), calls: sockopts, when: conds{is(1, unix.IPPROTO_IP), is(2,
		unix.IP_TOS, unix.IP_TTL, unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_MINTTL, unix.IP_PKTINFO, unix.IP_MTU_DISCOVER, unix.IP_MTU,
		unix.IP_RECVERR, unix.IP_RECVORIGDSTADDR, unix.IP_BIND_ADDRESS_NO_PORT, unix.IP_LOCAL_PORT_RANGE,
	)}, note: "of IPv4; never IP_HDRINCL, IP_FREEBIND, IP_TRANSPARENT"},
	{needs: need(Inet), calls: []uint32{unix.SYS_GETSOCKOPT}, when: conds{is(1, unix.IPPROTO_TCP), is(2, unix.TCP_CONGESTION)},
		note: "asking; setting could load a module"},
	{needs: need(Inet), calls: []uint32{unix.SYS_GETSOCKOPT}, when: conds{is(1, unix.IPPROTO_IP), is(2, unix.IP_OPTIONS)}, note: "reading IP options, as on OpenBSD"},
	{needs: need(Inet), calls: sockopts, when: conds{is(1, unix.IPPROTO_IPV6), is(2,
		unix.IPV6_V6ONLY, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVHOPLIMIT, unix.IPV6_TCLASS, unix.IPV6_RECVTCLASS, unix.IPV6_RECVPKTINFO,
		unix.IPV6_MTU_DISCOVER, unix.IPV6_MTU, unix.IPV6_RECVERR, unix.IPV6_DONTFRAG, unix.IPV6_MINHOPCOUNT, unix.IPV6_RECVORIGDSTADDR,
		unix.IPV6_RECVPATHMTU, unix.IPV6_AUTOFLOWLABEL, unix.IPV6_ADDR_PREFERENCES,
	)}, note: "of IPv6"},
	{needs: need(Inet), calls: sockopts, when: conds{is(1, unix.IPPROTO_UDP), is(2, unix.UDP_CORK, unix.UDP_SEGMENT, unix.UDP_GRO)},
		note: "of UDP: segmentation, which QUIC uses"},
	{needs: need(Inet), calls: []uint32{unix.SYS_GETSOCKOPT}, when: conds{is(1, unix.SOL_MPTCP), is(2, 1)}, note: "MPTCP_INFO, for TCPConn.MultipathTCP"},
	{needs: need(Inet), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.SIOCATMARK, unix.SIOCOUTQ)}, note: "urgent data, unsent data"},
	{needs: either(Inet, Unix, DNS).with(cFloor), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.SIOCGIFNAME, unix.SIOCGIFINDEX)},
		note: "if_nametoindex(3), which getaddrinfo(3) and getnameinfo(3) need for link-local addresses; OpenBSD's stdio has it"},
	{needs: need(Inet, Mcast), calls: sockopts, when: conds{is(1, unix.IPPROTO_IP), is(2,
		unix.IP_MULTICAST_IF, unix.IP_MULTICAST_TTL, unix.IP_MULTICAST_LOOP, unix.IP_MULTICAST_ALL, unix.IP_ADD_MEMBERSHIP, unix.IP_DROP_MEMBERSHIP,
		unix.IP_ADD_SOURCE_MEMBERSHIP, unix.IP_DROP_SOURCE_MEMBERSHIP, unix.IP_BLOCK_SOURCE, unix.IP_UNBLOCK_SOURCE,
		unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP, unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, unix.MCAST_BLOCK_SOURCE, unix.MCAST_UNBLOCK_SOURCE,
	)}, note: "multicast"},
	{needs: need(Inet, Mcast), calls: sockopts, when: conds{is(1, unix.IPPROTO_IPV6), is(2,
		unix.IPV6_MULTICAST_IF, unix.IPV6_MULTICAST_HOPS, unix.IPV6_MULTICAST_LOOP, unix.IPV6_MULTICAST_ALL, unix.IPV6_JOIN_GROUP, unix.IPV6_LEAVE_GROUP,
		unix.MCAST_JOIN_GROUP, unix.MCAST_LEAVE_GROUP, unix.MCAST_JOIN_SOURCE_GROUP, unix.MCAST_LEAVE_SOURCE_GROUP, unix.MCAST_BLOCK_SOURCE, unix.MCAST_UNBLOCK_SOURCE,
	)}, note: "multicast"},
	{needs: need(DNS), calls: sockopts, when: conds{is(1, unix.SOL_SOCKET), is(2,
		unix.SO_TIMESTAMP, unix.SO_BROADCAST, unix.SO_KEEPALIVE, unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_REUSEADDR,
	)}, note: "what resolvers set: package net's Dial, libasr, musl"},
	{needs: need(DNS), calls: sockopts, when: conds{is(1, unix.IPPROTO_TCP), is(2, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_FASTOPEN_CONNECT)},
		note: "what resolvers set on TCP"},
	{needs: need(DNS), calls: sockopts, when: conds{is(1, unix.IPPROTO_IP), is(2, unix.IP_RECVERR, unix.IP_MTU_DISCOVER)},
		note: "what glibc's resolver sets"},
	{needs: need(DNS), calls: sockopts, when: conds{is(1, unix.IPPROTO_IPV6), is(2, unix.IPV6_V6ONLY, unix.IPV6_RECVPKTINFO, unix.IPV6_RECVERR, unix.IPV6_MTU_DISCOVER)},
		note: "what resolvers set on IPv6"},

	{needs: either(Route, Wroute), calls: []uint32{unix.SYS_SOCKET}, when: conds{
		is(0, unix.AF_NETLINK), masked(1, sockType, unix.SOCK_RAW, unix.SOCK_DGRAM), is(2, unix.NETLINK_ROUTE),
	}, note: "interfaces, addresses and routes: rtnetlink(7)"},
	{needs: need(PF), calls: []uint32{unix.SYS_SOCKET}, when: conds{
		is(0, unix.AF_NETLINK), masked(1, sockType, unix.SOCK_RAW, unix.SOCK_DGRAM), is(2, unix.NETLINK_NETFILTER),
	}, note: "the packet filter: nftables"},
	{needs: either(Route, Wroute, PF), calls: []uint32{unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_RECVMSG}, note: "netlink's questions and answers"},
	{needs: either(Route, Wroute, PF), calls: []uint32{unix.SYS_SENDTO}, when: conds{slow(3)}, note: "netlink's questions"},
	{needs: either(Route, Wroute, PF), calls: []uint32{unix.SYS_SENDMSG}, when: conds{slow(2)}, note: "netlink's questions"},
	{needs: either(Route, Wroute, PF), calls: sockopts, when: conds{is(1, unix.SOL_SOCKET), is(2, unix.SO_SNDBUF, unix.SO_RCVTIMEO, unix.SO_SNDTIMEO)},
		note: "what netlink libraries set"},
	{needs: either(Route, Wroute, PF), calls: sockopts, when: conds{is(1, unix.SOL_NETLINK), is(2,
		unix.NETLINK_EXT_ACK, unix.NETLINK_GET_STRICT_CHK, unix.NETLINK_CAP_ACK, unix.NETLINK_ADD_MEMBERSHIP, unix.NETLINK_DROP_MEMBERSHIP,
	)}, note: "what netlink libraries set"},
	{needs: need(Route), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1,
		unix.SIOCGIFNAME, unix.SIOCGIFCONF, unix.SIOCGIFFLAGS, unix.SIOCGIFADDR, unix.SIOCGIFDSTADDR, unix.SIOCGIFBRDADDR, unix.SIOCGIFNETMASK,
		unix.SIOCGIFMETRIC, unix.SIOCGIFMTU, unix.SIOCGIFHWADDR, unix.SIOCGIFINDEX, unix.SIOCGIFTXQLEN, unix.SIOCGIFMAP,
	)}, note: "reading the state of interfaces"},
	{needs: need(Wroute), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1,
		unix.SIOCSIFADDR, unix.SIOCDIFADDR, unix.SIOCSIFDSTADDR, unix.SIOCSIFBRDADDR, unix.SIOCSIFNETMASK, unix.SIOCSIFMTU, unix.SIOCADDRT, unix.SIOCDELRT,
	)}, note: "addresses of interfaces, their MTU, routes"},
	{needs: need(BPF), calls: []uint32{unix.SYS_GETSOCKOPT}, when: conds{is(1, unix.SOL_PACKET), is(2, unix.PACKET_STATISTICS)},
		note: "the statistics of a packet socket, BIOCGSTATS"},
}

// descriptorRows are about passing descriptors on.
var descriptorRows = []row{
	{needs: need(Sendfd), calls: []uint32{unix.SYS_SENDMSG}, when: conds{slow(2)}, note: "SCM_RIGHTS, out; " + slowly},
	{needs: need(Sendfd), calls: []uint32{unix.SYS_SENDMMSG}, when: conds{slow(3)}, note: "SCM_RIGHTS, out; " + slowly},
	{needs: need(Recvfd), calls: []uint32{unix.SYS_RECVMSG, unix.SYS_RECVMMSG}, note: "SCM_RIGHTS, in"},
}

// ttyRows are about terminals.
var ttyRows = []row{
	{needs: need(TTY), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1,
		unix.TCGETS, unix.TCGETS2, tcgeta, unix.TIOCGWINSZ, unix.TIOCGPGRP, unix.TIOCGSID, unix.TCFLSH, unix.TCXONC,
	)}, note: "asking; flushing, stopping and starting"},
	{needs: need(TTY), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1,
		unix.TCSETS, unix.TCSETSW, unix.TCSETSF, unix.TCSETS2, unix.TCSETSW2, unix.TCSETSF2, tcseta, tcsetaw, tcsetaf,
		unix.TIOCSWINSZ, unix.TCSBRK, unix.TCSBRKP, unix.TIOCSBRK, unix.TIOCCBRK, unix.TIOCMGET, unix.TIOCMBIS, unix.TIOCMBIC,
		unix.TIOCEXCL, unix.TIOCNXCL,
	)}, note: "setting; never TIOCSTI, TIOCLINUX, TIOCSETD"},
	{needs: need(TTY), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.TIOCSCTTY), null(2)}, note: "a controlling terminal, if it is nobody's"},
	{needs: need(TTY, Proc), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.TIOCSCTTY)}, note: "the same, as SysProcAttr.Setctty asks: root takes it from others"},
	{needs: need(TTY, Proc), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.TIOCSPGRP)}, note: "which process group is in the foreground"},
	{needs: need(TTY, Rpath, Wpath), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.TIOCGPTN, unix.TIOCSPTLCK, unix.TIOCGPTPEER)},
		note: "making pseudo-terminals, PTMGET"},
}

// The flags that a fork may have beside the signal of its end.
const (
	forkFlags  = unix.CLONE_SETTLS | unix.CLONE_PIDFD | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID | unix.CLONE_CHILD_SETTID
	vforkFlags = unix.CLONE_VM | unix.CLONE_VFORK // both or none: memory is shared only while the parent waits
	sigchld    = uint32(unix.SIGCHLD)
)

// processRows are about other processes and programs.
var processRows = []row{
	{needs: need(Proc), calls: []uint32{unix.SYS_CLONE}, when: conds{masked(0, int32Mask&^forkFlags, sigchld, vforkFlags|sigchld, vforkFlags)},
		note: "fork(2), vfork(2), os/exec and its probe: no CLONE_NEW*, CLONE_PTRACE, CLONE_UNTRACED, CLONE_PARENT; SIGCHLD or nothing at the end"},
	{needs: need(Proc), calls: []uint32{
		unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL,
	}, note: "signals to anybody"},
	{needs: need(Proc), calls: []uint32{unix.SYS_SETPGID, unix.SYS_SETSID}, note: "process groups and sessions"},
	{needs: need(Proc), calls: []uint32{
		unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETATTR,
		unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_GETPARAM, unix.SYS_SCHED_GETATTR, unix.SYS_SCHED_RR_GET_INTERVAL,
		unix.SYS_IOPRIO_GET, unix.SYS_IOPRIO_SET,
	}, note: "scheduling"},
	{needs: either(Proc, ID), calls: []uint32{unix.SYS_GETPRIORITY, unix.SYS_SETPRIORITY}, note: "priorities"},
	{needs: either(Proc, ID), calls: []uint32{unix.SYS_PRLIMIT64}, when: conds{is(0, 0)}, note: "the process's own limits: pid 0"},
	{needs: either(Proc, ID), calls: []uint32{unix.SYS_SETRLIMIT}, note: "the process's own limits"},
	{needs: need(Proc), calls: []uint32{unix.SYS_FCNTL}, when: conds{is(1, unix.F_SETOWN, unix.F_SETOWN_EX, unix.F_SETSIG)}, note: "who gets SIGIO"},
	{needs: need(Proc), calls: []uint32{unix.SYS_PRCTL}, when: conds{is(0, unix.PR_SET_PDEATHSIG, unix.PR_SET_CHILD_SUBREAPER)},
		note: "SysProcAttr.Pdeathsig; adopting orphans"},

	{needs: need(ProtExec), calls: []uint32{unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT}, note: "executable memory"},
	{needs: need(Exec), calls: []uint32{unix.SYS_EXECVE, unix.SYS_EXECVEAT}, note: "programs, which live under the same promises"},
	{needs: need(Exec), calls: []uint32{unix.SYS_SETUID}, when: conds{onlyUser(0)}, note: givesUp},
	{needs: need(Exec), calls: []uint32{unix.SYS_SETGID}, when: conds{onlyGroup(0)}, note: givesUp},
	{needs: need(Exec), calls: []uint32{unix.SYS_MMAP}, when: conds{
		masked(2, unix.PROT_EXEC|unix.PROT_WRITE, unix.PROT_EXEC),
		masked(3, unix.MAP_TYPE|unix.MAP_ANONYMOUS, unix.MAP_PRIVATE),
	}, note: "the dynamic loader maps programs and libraries: files, private, not writable"},
	{needs: need(Exec), calls: []uint32{unix.SYS_PRLIMIT64}, when: conds{is(0, 0), is(1, unix.RLIMIT_NOFILE)},
		note: "Go raises its own limit of descriptors at start, and puts it back before it executes a program"},
	{needs: need(Exec), calls: []uint32{unix.SYS_SETRESUID}, when: conds{is(0, int32Mask), ownUser(1), is(2, int32Mask)},
		note: "seteuid(2) to what it is, which changes nothing: make(1), in case it was set-uid"},
	{needs: need(Exec), calls: []uint32{unix.SYS_SETRESGID}, when: conds{is(0, int32Mask), ownPrimaryGroup(1), is(2, int32Mask)},
		note: "setegid(2) to what it is, which changes nothing: make(1), in case it was set-gid"},
	{needs: need(ID), calls: []uint32{
		unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
		unix.SYS_SETGROUPS, unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_CAPSET,
	}, note: "changing who the process is"},
	{needs: need(ID), calls: []uint32{unix.SYS_PRCTL}, when: conds{is(0, unix.PR_SET_KEEPCAPS, unix.PR_CAPBSET_DROP, unix.PR_CAP_AMBIENT)},
		note: "capabilities that go with it"},
	{needs: need(UnveilPromise), calls: restricting, note: "Unveil: Landlock can only restrict"},
	{needs: fileful, calls: restricting, note: "a later Pledge that means fewer files"},
	{needs: need(UnveilPromise, cFloor), calls: []uint32{unix.SYS_GETDENTS64, unix.SYS_LSEEK},
		note: "the list of the process's own threads, each of which has to restrict itself before Linux 7.0"},
	{needs: fileful.with(cFloor), calls: []uint32{unix.SYS_GETDENTS64, unix.SYS_LSEEK},
		note: "the list of the process's own threads, each of which has to restrict itself before Linux 7.0"},
	{needs: need(UnveilPromise), calls: []uint32{unix.SYS_OPENAT}, when: conds{masked(2, unix.O_PATH|unix.O_ACCMODE|unix.O_CREAT|unix.O_TRUNC|tmpfile, unix.O_PATH)},
		note: "naming a path to Landlock: O_PATH"},
}

var restricting = []uint32{unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF, unix.SYS_FSTAT}

const givesUp = "giving up the privileges of a set-id program, which it does not have: busybox of all users but root; changes nothing"

// systemRows are about the machine.
var systemRows = []row{
	{needs: need(Settime), calls: []uint32{unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME},
		note: "the clock"},
}

// deviceRows answer to OpenBSD's lists of ioctls. The kernel finds the driver
// by the descriptor, which must have been opened before or by rpath and wpath.
var deviceRows = []row{
	{needs: need(Tape), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, mtioctop, mtiocget)}, note: "SCSI tapes: st(4)"},
	{needs: need(Audio), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, alsaPCM...)}, note: "ALSA: parameters, positions, starting and stopping"},
	{needs: need(Audio), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, alsaControl...)}, note: "ALSA: the mixer"},
	{needs: need(Video), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, v4l2...)}, note: "V4L2: OpenBSD's thirty"},
	{needs: need(DRM), calls: []uint32{unix.SYS_IOCTL}, when: conds{masked(1, 0xffff, drmCore...)}, note: "DRM: what render nodes allow, GET_MAGIC, GEM_OPEN, GET_CLIENT; never modesetting"},
	{needs: need(DRM), calls: []uint32{unix.SYS_IOCTL}, when: conds{masked(1, 0xffc0, 0x6440)}, note: "DRM: the drivers' own calls, 0x40 to 0x7f"},
	{needs: need(DRM), calls: []uint32{unix.SYS_IOCTL}, when: conds{masked(1, 0xffe0, 0x6480)}, note: "DRM: the drivers' own calls, 0x80 to 0x9f"},
	{needs: need(Disklabel), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1,
		unix.BLKROGET, unix.BLKRRPART, unix.BLKGETSIZE, unix.BLKGETSIZE64, unix.BLKFLSBUF, unix.BLKSSZGET, unix.BLKPBSZGET, unix.BLKBSZGET,
		unix.BLKIOMIN, unix.BLKIOOPT, unix.BLKALIGNOFF, unix.BLKDISCARD, blkpg, unix.HDIO_GETGEO,
	)}, note: "block devices: sizes, partitions, discard"},
	{needs: need(VMM), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, kvmRun...)}, note: "KVM: running machines that exist"},
	{needs: need(VMM, Proc), calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, kvmCreate...)}, note: "KVM: making machines and giving them memory"},
}

// probeRows refuse with an errno what libraries only try: the errno is the one
// that makes them do without, and to kill for it would break programs that kept
// their promises.
var probeRows = []row{
	{needs: always(), errno: unix.ENOSYS, calls: []uint32{unix.SYS_CLONE3, unix.SYS_OPENAT2},
		note: "their flags are behind a pointer; callers fall back to clone and openat"},
	{needs: always(), errno: unix.ENOSYS, calls: []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_MEMFD_SECRET},
		note: "tried by libraries that can do without"},
	{needs: always(), errno: unix.ENOSYS, calls: since(unix.SYS_FUTEX_WAITV),
		note: "that came with Linux 5.16 or later, as if they were not there yet: whoever tries them can do without"},
	{needs: always(), errno: unix.ENOSYS, calls: []uint32{unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL},
		note: "os.FindProcess and os/exec try them first; they fall back to process ids"},
	{needs: always(), errno: unix.ENOSYS, calls: []uint32{unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF},
		note: "as on a kernel without Landlock"},
	{needs: always(), errno: unix.EINVAL, calls: []uint32{unix.SYS_PRCTL},
		note: "an option that the kernel does not know; it stops the runtime's PR_SET_VMA for good"},
	{needs: always(), errno: unix.EINVAL, calls: []uint32{unix.SYS_SECCOMP},
		note: "libseccomp tries every flag when a program that uses it starts"},
	{needs: always(), errno: unix.EPERM, calls: []uint32{
		unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_SETATTR, unix.SYS_SETPRIORITY,
	}, note: "thread libraries try to; without privilege they often fail"},
	{needs: need(Stdio, cFloor), errno: unix.ENOSYS, calls: []uint32{unix.SYS_FSTATFS},
		note: "fpathconf(3), which OpenBSD's stdio has, and posix_fallocate(3)"},
	{needs: need(Stdio, cFloor), errno: unix.EPERM, calls: []uint32{unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME},
		note: "adjtime(3): OpenBSD's errno"},
	{needs: always(), errno: unix.EPERM, calls: []uint32{unix.SYS_TKILL},
		note: "raise(3) of musl; its thread id could be any process's"},
	{needs: always(), errno: unix.ENOTTY, calls: []uint32{unix.SYS_IOCTL}, when: conds{is(1, unix.TIOCGWINSZ, unix.TIOCGPGRP)},
		note: "asking for the width of a terminal, or whether the shell is in its foreground: there is none"},
	{needs: always(), errno: unix.ENOSYS, calls: []uint32{unix.SYS_GET_MEMPOLICY},
		note: "libnuma asks when a program that uses it starts: ps(1)"},
	{needs: always(), errno: unix.EAFNOSUPPORT, calls: []uint32{unix.SYS_SOCKET}, when: conds{is(0, unix.AF_NETLINK)},
		note: "getaddrinfo(3) and package net ask for interfaces, and can do without"},
	{needs: need(cFloor), errno: unix.ENOSYS, calls: []uint32{unix.SYS_STATX}, when: conds{masked(2, unix.AT_EMPTY_PATH, unix.AT_EMPTY_PATH)},
		note: "fstat of Rust's std, which falls back to fstat(2)"},

	{needs: either(Wpath, Cpath, Dpath, Fattr, Chown, Unix, Exec, Getpw, DNS, Tmppath, PS, Vminfo), errno: unix.EACCES, calls: []uint32{
		unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_GETCWD,
	}, note: "os.Rename, os/exec, the resolver and the dynamic loader look before they act; without rpath they see nothing"},
	{needs: need(Tmppath, alone), errno: unix.EACCES, calls: []uint32{unix.SYS_UNLINKAT}, note: "files in /tmp, where Landlock cannot tell them from others"},
	{needs: either(Getpw, DNS), errno: unix.EAFNOSUPPORT, calls: []uint32{unix.SYS_SOCKET}, when: conds{is(0, unix.AF_UNIX)},
		note: "glibc asks nscd and systemd first, and can do without; dig looks which kinds of sockets there are"},
	{needs: need(Rpath), errno: unix.EAFNOSUPPORT, calls: []uint32{unix.SYS_SOCKET},
		when: conds{is(0, unix.AF_UNIX), is(1, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK), is(2, 0)},
		note: "glibc asks nscd before it reads /etc/passwd, which rpath allows: bash does so when HOME or SHELL is not set"},
	{needs: need(Inet, cFloor), errno: unix.EAFNOSUPPORT, calls: []uint32{unix.SYS_SOCKET},
		when: conds{is(0, unix.AF_UNIX), is(1, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), is(2, 0)},
		note: "if_nametoindex(3) tries AF_UNIX first"},
	{needs: need(Inet), errno: unix.EPERM, calls: []uint32{unix.SYS_SETSOCKOPT}, when: conds{is(1, unix.SOL_SOCKET), is(2, unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE)},
		note: "QUIC libraries try it; without privilege it fails"},
	{needs: either(Getpw, DNS), errno: unix.EACCES, calls: []uint32{unix.SYS_MMAP}, when: conds{masked(2, unix.PROT_EXEC, unix.PROT_EXEC), no(3, unix.MAP_ANONYMOUS)},
		note: "glibc loads modules named in nsswitch.conf, and can do without"},
	{needs: need(Exec), errno: unix.EACCES, calls: []uint32{unix.SYS_CHDIR},
		note: "exec.Cmd.Dir without rpath"},
	{needs: need(Fattr), errno: unix.EOPNOTSUPP, calls: []uint32{
		unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
	}, note: "tools that copy attributes try to copy extended ones; as on a file system without"},
}

// veilRows are for a process that has unveiled paths and not pledged: it may do
// anything but what Landlock would not keep from it.
var veilRows = []row{
	{needs: always(), calls: []uint32{unix.SYS_UTIMENSAT}, when: conds{null(1)}, note: "times of an open file"},
	{needs: always(), errno: unix.EACCES, calls: pathAttributes, note: byPath},
	{needs: need(truncates), calls: []uint32{unix.SYS_TRUNCATE}, note: "Landlock keeps it"},
	{needs: always(), errno: unix.EACCES, calls: []uint32{unix.SYS_TRUNCATE}, note: byPath},
	{needs: always(), errno: unix.EOPNOTSUPP, calls: []uint32{
		unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR,
		unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR,
	}, note: "extended attributes, as on a file system without"},
	{needs: always(), errno: unix.EACCES, calls: []uint32{unix.SYS_INOTIFY_ADD_WATCH}, note: "events have names"},
	{needs: always(), errno: unix.EPERM, calls: []uint32{unix.SYS_FANOTIFY_INIT, unix.SYS_OPEN_BY_HANDLE_AT}, note: "as without privilege"},
	{needs: always(), errno: unix.ENOSYS, calls: append(since(unix.SYS_FUTEX_WAITV), unix.SYS_IO_URING_SETUP, unix.SYS_OPENAT2),
		note: "io_uring, setxattrat, file_setattr and whatever is to come do these things too"},
}

// veilOpenRows are veilRows of openat(2).
var veilOpenRows = []row{
	{needs: always(), errno: unix.EACCES, calls: []uint32{unix.SYS_OPENAT}, when: conds{masked(2, unix.O_ACCMODE|unix.O_PATH, unix.O_ACCMODE)},
		note: "to open neither to read nor to write Landlock asks for nothing, and fchmod(2) and its like work on what is open"},
	{needs: need(truncates), calls: []uint32{unix.SYS_OPENAT}, when: conds{truncatesUnread}, note: "Landlock keeps it"},
	{needs: always(), errno: unix.EACCES, calls: []uint32{unix.SYS_OPENAT}, when: conds{truncatesUnread},
		note: "Landlock asks for the right to read only, and the file is empty then"},
}

// truncatesUnread are the flags of an open that empties a file to read it.
var truncatesUnread = masked(2, unix.O_ACCMODE|unix.O_PATH|unix.O_TRUNC, unix.O_RDONLY|unix.O_TRUNC)

// since returns a call and all that came later, which have higher numbers on
// every architecture.
func since(first uint32) []uint32 {
	var calls []uint32
	for nr := first; nr < sysnum.Limit; nr++ {
		calls = append(calls, nr)
	}
	return calls
}

//go:build linux && (amd64 || arm64)

package sysargs

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/argname"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

// memory is what a program has at some addresses. Reads must lie in one piece,
// as in real memory what is between two pieces is not there.
type memory map[uint64]string

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	for at, s := range m {
		if addr := uint64(off); addr >= at && addr < at+uint64(len(s)) {
			n := copy(p, s[addr-at:])
			if n < len(p) {
				return n, io.ErrUnexpectedEOF
			}
			return n, nil
		}
	}
	return 0, io.ErrUnexpectedEOF
}

func words(v ...uint64) string {
	var b []byte
	for _, w := range v {
		b = binary.NativeEndian.AppendUint64(b, w)
	}
	return string(b)
}

func family(f uint16) string { return string(binary.NativeEndian.AppendUint16(nil, f)) }

const page = 0x10000 // an address that begins a page

func TestFormat(t *testing.T) {
	const dot = 0xffffff9c // AT_FDCWD
	path := memory{page: "/etc/shadow\x00"}
	inet := memory{page: family(unix.AF_INET) + "\x00\x50\x7f\x00\x00\x01" + strings.Repeat("\x00", 8)}
	for _, c := range []struct {
		name string
		nr   uint32
		args [6]uint64
		mem  Memory
		want string
	}{
		{"the working directory is left out", unix.SYS_OPENAT, [6]uint64{dot, page, unix.O_CLOEXEC}, path, `openat("/etc/shadow", O_RDONLY|O_CLOEXEC)`},
		{"a sign-extended one too", unix.SYS_OPENAT, [6]uint64{0xffffffffffffff9c, page, 0}, path, `openat("/etc/shadow", O_RDONLY)`},
		{"a directory is not", unix.SYS_OPENAT, [6]uint64{7, page, unix.O_RDWR}, path, `openat(7, "/etc/shadow", O_RDWR)`},
		{"the mode of a new file", unix.SYS_OPENAT, [6]uint64{dot, page, unix.O_CREAT | unix.O_WRONLY, 0o644}, path, `openat("/etc/shadow", O_WRONLY|O_CREAT, 0644)`},
		{"special bits of it", unix.SYS_OPENAT, [6]uint64{dot, page, unix.O_CREAT | unix.O_WRONLY, 0o4755}, path, `openat("/etc/shadow", O_WRONLY|O_CREAT, S_ISUID|0755)`},
		{"a pointer to nothing", unix.SYS_OPENAT, [6]uint64{dot, 0xdead, 0}, path, `openat(0xdead, O_RDONLY)`},
		{"a null pointer", unix.SYS_OPENAT, [6]uint64{dot, 0, 0}, path, `openat(AT_FDCWD, NULL, O_RDONLY)`},
		{"a pointer into the kernel", unix.SYS_OPENAT, [6]uint64{dot, 0xffffffff81000000, 0}, path, `openat(0xffffffff81000000, O_RDONLY)`},
		{"no memory", unix.SYS_OPENAT, [6]uint64{dot, page, 0}, nil, `openat(0x10000, O_RDONLY)`},
		{"an empty path", unix.SYS_NEWFSTATAT, [6]uint64{3, page, 9, unix.AT_EMPTY_PATH}, memory{page: "\x00"}, `newfstatat(3, "", AT_EMPTY_PATH)`},
		{"two paths", unix.SYS_RENAMEAT2, [6]uint64{dot, page, dot, page + 100, unix.RENAME_NOREPLACE}, memory{page: "a\x00", page + 100: "b\x00"}, `renameat2("a", "b", RENAME_NOREPLACE)`},
		{"removing a directory", unix.SYS_UNLINKAT, [6]uint64{dot, page, unix.AT_REMOVEDIR}, path, `unlinkat("/etc/shadow", AT_REMOVEDIR)`},
		{"a mode", unix.SYS_FCHMODAT, [6]uint64{dot, page, 0o600}, path, `fchmodat("/etc/shadow", 0600)`},
		{"what access is asked for", unix.SYS_FACCESSAT, [6]uint64{dot, page, 4}, path, `faccessat("/etc/shadow", R_OK)`},
		{"openat2's flags are in memory", unix.SYS_OPENAT2, [6]uint64{dot, page, page + 64, 24}, memory{page: "f\x00", page + 64: words(unix.O_RDWR, 0, 0)}, `openat2("f", {O_RDWR}, 24)`},

		{"a socket", unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, 0}, nil, `socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0)`},
		{"its protocol", unix.SYS_SOCKET, [6]uint64{unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP}, nil, `socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP)`},
		{"netlink's protocol", unix.SYS_SOCKET, [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, 0}, nil, `socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)`},
		{"an IPv4 address", unix.SYS_CONNECT, [6]uint64{3, page, 16}, inet, `connect(3, {AF_INET 127.0.0.1:80})`},
		{"an IPv6 address", unix.SYS_BIND, [6]uint64{3, page, 28}, memory{page: family(unix.AF_INET6) + "\x01\xbb\x00\x00\x00\x00" + strings.Repeat("\x00", 15) + "\x01" + "\x00\x00\x00\x00"}, `bind(3, {AF_INET6 [::1]:443})`},
		{"a local socket", unix.SYS_CONNECT, [6]uint64{3, page, 110}, memory{page: family(unix.AF_UNIX) + "/run/x" + strings.Repeat("\x00", 102)}, `connect(3, {AF_UNIX "/run/x"})`},
		{"an abstract one", unix.SYS_CONNECT, [6]uint64{3, page, 5}, memory{page: family(unix.AF_UNIX) + "\x00ab"}, `connect(3, {AF_UNIX "@ab"})`},
		{"one without a name", unix.SYS_BIND, [6]uint64{3, page, 2}, memory{page: family(unix.AF_UNIX)}, `bind(3, {AF_UNIX})`},
		{"a family that is none", unix.SYS_CONNECT, [6]uint64{3, page, 16}, memory{page: strings.Repeat("\xee", 16)}, `connect(3, {AF_61166})`},
		{"too short an address", unix.SYS_CONNECT, [6]uint64{3, page, 4}, inet, `connect(3, {AF_INET})`},
		{"an address without length", unix.SYS_CONNECT, [6]uint64{3, page, 0}, inet, `connect(3, 0x10000)`},
		{"a negative length", unix.SYS_CONNECT, [6]uint64{3, page, 1<<64 - 1}, inet, `connect(3, 0x10000)`},
		{"an absurd length", unix.SYS_CONNECT, [6]uint64{3, page, 1<<31 - 1}, inet, `connect(3, 0x10000)`},
		{"a datagram's address", unix.SYS_SENDTO, [6]uint64{3, 0x5000, 9, unix.MSG_NOSIGNAL, page, 16}, inet, `sendto(3, 0x5000, 9, MSG_NOSIGNAL, {AF_INET 127.0.0.1:80})`},
		{"no address", unix.SYS_SENDTO, [6]uint64{3, 0x5000, 9, 0, 0, 0}, inet, `sendto(3, 0x5000, 9, 0, NULL)`},
		{"a passed descriptor", unix.SYS_SENDMSG, [6]uint64{3, page, 0}, memory{page: words(0, 0, 0, 0, page+64, 24, 0), page + 64: words(20, unix.SOL_SOCKET|unix.SCM_RIGHTS<<32, 5)}, `sendmsg(3, {SCM_RIGHTS}, 0)`},
		{"a socket option", unix.SYS_SETSOCKOPT, [6]uint64{3, unix.SOL_SOCKET, unix.SO_MARK, page, 4}, nil, `setsockopt(3, SOL_SOCKET, SO_MARK)`},
		{"one that is none", unix.SYS_SETSOCKOPT, [6]uint64{3, unix.SOL_SOCKET, 999, page, 4}, nil, `setsockopt(3, SOL_SOCKET, 999)`},

		{"an ioctl", unix.SYS_IOCTL, [6]uint64{1, unix.TIOCSTI, page}, nil, `ioctl(1, TIOCSTI)`},
		{"an unknown ioctl", unix.SYS_IOCTL, [6]uint64{1, 0x1234, page}, nil, `ioctl(1, 0x1234)`},
		{"a lock", unix.SYS_FCNTL, [6]uint64{3, unix.F_SETLK, page}, nil, `fcntl(3, F_SETLK)`},
		{"file status flags", unix.SYS_FCNTL, [6]uint64{3, unix.F_SETFL, unix.O_WRONLY | unix.O_NONBLOCK}, nil, `fcntl(3, F_SETFL, O_WRONLY|O_NONBLOCK)`},
		{"a lowest descriptor", unix.SYS_FCNTL, [6]uint64{3, unix.F_DUPFD, 10}, nil, `fcntl(3, F_DUPFD, 10)`},
		{"a signal", unix.SYS_KILL, [6]uint64{1, 15}, nil, `kill(1, SIGTERM)`},
		{"a process group", unix.SYS_KILL, [6]uint64{0xffffffff, 9}, nil, `kill(-1, SIGKILL)`},
		{"a new process", unix.SYS_CLONE, [6]uint64{unix.CLONE_NEWUSER | unix.CLONE_NEWPID | 17}, nil, `clone(CLONE_NEWUSER|CLONE_NEWPID|SIGCHLD, NULL, NULL)`},
		{"clone3's flags are in memory", unix.SYS_CLONE3, [6]uint64{page, 88}, memory{page: words(unix.CLONE_VM, 0, 0, 0, 17)}, `clone3({CLONE_VM|SIGCHLD}, 88)`},
		{"namespaces", unix.SYS_UNSHARE, [6]uint64{unix.CLONE_NEWNS}, nil, `unshare(CLONE_NEWNS)`},
		{"memory", unix.SYS_MMAP, [6]uint64{0, 4096, 5, 0x22, 0xffffffff, 0}, nil, `mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)`},
		{"protection", unix.SYS_MPROTECT, [6]uint64{0x7000, 4096, 7}, nil, `mprotect(0x7000, 4096, PROT_READ|PROT_WRITE|PROT_EXEC)`},
		{"a thread's name", unix.SYS_PRCTL, [6]uint64{unix.PR_SET_NAME, page}, memory{page: "worker\x00"}, `prctl(PR_SET_NAME, "worker")`},
		{"an option", unix.SYS_PRCTL, [6]uint64{unix.PR_SET_PDEATHSIG, 9}, nil, `prctl(PR_SET_PDEATHSIG, 9)`},
		{"a tracer", unix.SYS_PTRACE, [6]uint64{16, 1}, nil, `ptrace(PTRACE_ATTACH, 1, NULL, NULL)`},
		{"a mount", unix.SYS_MOUNT, [6]uint64{0, page, 0, unix.MS_BIND | unix.MS_REC}, memory{page: "/mnt\x00"}, `mount(NULL, "/mnt", NULL, MS_BIND|MS_REC, NULL)`},
		{"no arguments", unix.SYS_GETPID, [6]uint64{1, 2, 3}, nil, `getpid()`},
		{"limits", unix.SYS_PRLIMIT64, [6]uint64{0, unix.RLIMIT_NOFILE, page, 0}, nil, `prlimit64(0, RLIMIT_NOFILE, 0x10000, NULL)`},
		{"an owner that stays", unix.SYS_FCHOWN, [6]uint64{3, 1000, 0xffffffff}, nil, `fchown(3, 1000, -1)`},

		{"a program", unix.SYS_EXECVE, [6]uint64{page, page + 64, 0}, memory{page: "/bin/ls\x00", page + 64: words(page+128, page+192, 0), page + 128: "ls\x00", page + 192: "-l\x00"}, `execve("/bin/ls", ["ls", "-l"])`},
		{"an argument that is not there", unix.SYS_EXECVE, [6]uint64{page, page + 64, 0}, memory{page: "x\x00", page + 64: words(0xbad, 0)}, `execve("x", [0xbad])`},
		{"a list that does not end", unix.SYS_EXECVE, [6]uint64{page, page + 64, 0}, memory{page: "x\x00", page + 64: words(0xbad)}, `execve("x", [0xbad, ...])`},
		{"too many arguments", unix.SYS_EXECVE, [6]uint64{page, page + 64, 0}, memory{page: "x\x00", page + 64: words(1, 1, 1, 1, 1, 1, 1, 1, 1, 0)}, `execve("x", [0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, 0x1, ...])`},

		{"a number beyond the table", 100000, [6]uint64{1, 2}, nil, `syscall 100000(0x1, 0x2, 0x0, 0x0, 0x0, 0x0)`},
	} {
		if got := Format(policy.Data{Nr: c.nr, Arch: arch, Args: c.args}, c.mem); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestFormatOtherABI(t *testing.T) {
	if got, want := Format(policy.Data{Nr: 5, Arch: unix.AUDIT_ARCH_I386}, nil), "syscall 5 of i386(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if x32 {
		if got, want := Format(policy.Data{Nr: 1<<30 + 1, Arch: arch}, nil), "syscall 1 of x32(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestHostileStrings holds strings of a program against what they could do to
// the terminal that they end up on.
func TestHostileStrings(t *testing.T) {
	for _, c := range []struct{ name, path, want string }{
		{"a newline and a forged message", "a\npledge: all is fine", `"a\npledge: all is fine"`},
		{"an escape sequence", "\x1b]0;title\x07", `"\x1b]0;title\a"`},
		{"quotes", `a", O_RDONLY) "`, `"a\", O_RDONLY) \""`},
		{"C1 controls", "\u009b31m", `"\u009b31m"`},
		{"a change of direction", "\u202egnp.exe", `"\u202egnp.exe"`},
		{"no UTF-8", "\xff\xfe", `"\xff\xfe"`},
		{"letters stay", "/home/jörg/日本", `"/home/jörg/日本"`},
		{"long ones are cut", strings.Repeat("x", 4096), `"` + strings.Repeat("x", maxPath) + `"...`},
		{"between characters", strings.Repeat("x", maxPath-1) + "ö", `"` + strings.Repeat("x", maxPath-1) + `"...`},
		{"the longest is whole", strings.Repeat("x", maxPath), `"` + strings.Repeat("x", maxPath) + `"`},
	} {
		d := policy.Data{Nr: unix.SYS_CHDIR, Args: [6]uint64{page - 3}}
		got := Format(d, memory{page - 3: c.path + "\x00" + strings.Repeat("\x00", 4096)})
		if want := "chdir(" + c.want + ")"; got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
}

// TestEndOfMemory reads strings that end where their page does, with nothing
// behind it, and one that does not end.
func TestEndOfMemory(t *testing.T) {
	d := policy.Data{Nr: unix.SYS_CHDIR, Args: [6]uint64{page - 4}}
	if got, want := Format(d, memory{page - 4: "abc\x00"}), `chdir("abc")`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Format(d, memory{page - 4: "abcd"}), `chdir("abcd"...)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPaths(t *testing.T) {
	mem := memory{page: "a\x00", page + 64: "b\x00", page + 128: strings.Repeat("x", 5000)}
	for _, c := range []struct {
		name string
		nr   uint32
		args [6]uint64
		want []Path
	}{
		{"the working directory", unix.SYS_OPENAT, [6]uint64{0xffffff9c, page}, []Path{{unix.AT_FDCWD, "a"}}},
		{"a directory", unix.SYS_OPENAT, [6]uint64{5, page}, []Path{{5, "a"}}},
		{"two", unix.SYS_RENAMEAT, [6]uint64{5, page, 6, page + 64}, []Path{{5, "a"}, {6, "b"}}},
		{"without a directory", unix.SYS_CHDIR, [6]uint64{page}, []Path{{unix.AT_FDCWD, "a"}}},
		{"only where the link is", unix.SYS_SYMLINKAT, [6]uint64{page, 6, page + 64}, []Path{{6, "b"}}},
		{"unreadable", unix.SYS_CHDIR, [6]uint64{0xbad}, nil},
		{"too long for the kernel", unix.SYS_CHDIR, [6]uint64{page + 128}, nil},
		{"none", unix.SYS_READ, [6]uint64{3, page, 1}, nil},
	} {
		if got := Paths(policy.Data{Nr: c.nr, Args: c.args}, mem); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestDescribe reads this process's memory, and that of one that is not there.
func TestDescribe(t *testing.T) {
	path := []byte("/etc/motd\x00")
	addr, err := strconv.ParseUint(fmt.Sprintf("%p", path)[2:], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	d := policy.Data{Nr: unix.SYS_CHDIR, Args: [6]uint64{addr}}
	if got, want := Describe(os.Getpid(), d), `chdir("/etc/motd")`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Describe(1<<30, d), fmt.Sprintf("chdir(%#x)", addr); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	runtime.KeepAlive(path)
}

func TestResult(t *testing.T) {
	for r, want := range map[int64]string{0: "0", 3: "3", -2: "ENOENT", -38: "ENOSYS", -4095: "-4095", -1 << 40: "-1099511627776"} {
		if got := Result(r); got != want {
			t.Errorf("Result(%d) = %q, want %q", r, got, want)
		}
	}
}

// TestEveryCallIsKnown checks that each call has a signature.
func TestEveryCallIsKnown(t *testing.T) {
	for nr := range uint32(sysnum.Limit) {
		if name := sysnum.Name(nr); name != "" {
			if _, ok := argname.Args(name); !ok && !obsolete[name] {
				t.Errorf("%s has no signature", name)
			}
		}
	}
}

// obsolete are calls that no kernel has any more.
var obsolete = map[string]bool{}

func init() {
	for _, name := range strings.Fields(`uselib sysfs _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg
		afs_syscall tuxcall security lookup_dcookie epoll_ctl_old epoll_wait_old vserver arch_specific_syscall
		uretprobe uprobe rseq_slice_yield`) {
		obsolete[name] = true
	}
}

// FuzzFormat gives calls memory of any content.
func FuzzFormat(f *testing.F) {
	f.Add(uint32(unix.SYS_EXECVE), uint64(page), uint64(page+8), uint64(page), uint64(0), []byte("\x00\x00\x01\x00\x00\x00\x00\x00"))
	f.Add(uint32(unix.SYS_CONNECT), uint64(3), uint64(page), uint64(16), uint64(0), []byte("\x01\x00abc"))
	f.Fuzz(func(t *testing.T, nr uint32, a, b, c, d uint64, content []byte) {
		s := Format(policy.Data{Nr: nr % sysnum.Limit, Args: [6]uint64{a, b, c, d, a, b}}, memory{page: string(content)})
		if len(s) > 1<<14 {
			t.Errorf("%d bytes", len(s))
		}
		if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", s)
		}
	})
}

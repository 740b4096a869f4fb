//go:build linux && (amd64 || arm64)

package argname

import (
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// on returns the value for the architecture that the test runs on.
func on[T any](amd64, arm64 T) T {
	if runtime.GOARCH == "arm64" {
		return arm64
	}
	return amd64
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		call  string
		arg   int
		level uint64
		v     uint64
		want  string
	}{
		{"fcntl", 1, 0, 3, "F_GETFL"},
		{"fcntl", 1, 0, 0x404, "F_CREATED_QUERY"},
		{"fcntl", 1, 0, 0x7777, ""},
		{"fcntl", 2, 0, 3, ""},
		{"nothing", 1, 0, 3, ""},
		{"openat", 0, 0, 0xffffff9c, "AT_FDCWD"},
		{"openat", 0, 0, 0xffffffffffffff9c, "AT_FDCWD"},
		{"openat", 2, 0, 0, "O_RDONLY"},
		{"openat", 2, 0, 0x80000000, ""},
		{"openat", 2, 0, on[uint64](0x10000, 0x4000), "O_RDONLY|O_DIRECTORY"},
		{"openat", -1, 0, 0, ""},
		{"openat", 6, 0, 0, ""},
		{"fchownat", 2, 0, 0xffffffff, "-1"},
		{"ioctl", 1, 0, 0x5401, "TCGETS"},
		{"ioctl", 1, 0, 0x5411, "SIOCOUTQ"},
		{"ioctl", 1, 0, 0x541b, "FIONREAD"},
		{"ioctl", 1, 0, 0x80086601, "FS_IOC_GETFLAGS"},
		{"ioctl", 1, 0, 0xc0406400, "DRM_IOCTL_VERSION"},
		{"ioctl", 1, 0, 0xc0406440, ""},
		{"prctl", 0, 0, 0x53564d41, "PR_SET_VMA"},
		{"prctl", 0, 0, 2, "PR_GET_PDEATHSIG"},
		{"prctl", 1, 0x53564d41, 0, "PR_SET_VMA_ANON_NAME"},
		{"prctl", 1, 4, 0, ""},
		{"arch_prctl", 0, 0, 0x1002, "ARCH_SET_FS"},
		{"seccomp", 0, 0, 1, "SECCOMP_SET_MODE_FILTER"},
		{"socket", 0, 0, 1, "AF_UNIX"},
		{"socket", 0, 0, 16, "AF_NETLINK"},
		{"socket", 1, 0, 0x80801, "SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC"},
		{"socket", 2, 0, 6, "IPPROTO_TCP"},
		{"socket", 2, 10, 0x106, "IPPROTO_MPTCP"},
		{"socket", 2, 2, 0, ""},
		{"socket", 2, 16, 0, "NETLINK_ROUTE"},
		{"socket", 2, 16, 12, "NETLINK_NETFILTER"},
		{"socket", 2, 1, 6, ""},
		{"setsockopt", 1, 0, 0, "IPPROTO_IP"},
		{"setsockopt", 1, 0, 1, "SOL_SOCKET"},
		{"setsockopt", 1, 0, 6, "IPPROTO_TCP"},
		{"setsockopt", 2, 1, 2, "SO_REUSEADDR"},
		{"setsockopt", 2, 6, 1, "TCP_NODELAY"},
		{"setsockopt", 2, 0, 1, "IP_TOS"},
		{"setsockopt", 2, 41, 20, "IPV6_JOIN_GROUP"},
		{"setsockopt", 2, 41, 42, "MCAST_JOIN_GROUP"},
		{"setsockopt", 2, 17, 103, "UDP_SEGMENT"},
		{"getsockopt", 2, 284, 1, "MPTCP_INFO"},
		{"getsockopt", 2, 270, 11, "NETLINK_EXT_ACK"},
		{"getsockopt", 2, 263, 6, "PACKET_STATISTICS"},
		{"getsockopt", 2, 999, 1, ""},
		{"prlimit64", 1, 0, 7, "RLIMIT_NOFILE"},
		{"prlimit64", 2, 0, 0, "NULL"},
		{"kill", 1, 0, 17, "SIGCHLD"},
		{"tgkill", 2, 0, 6, "SIGABRT"},
		{"madvise", 2, 0, 4, "MADV_DONTNEED"},
		{"waitid", 0, 0, 3, "P_PIDFD"},
		{"waitid", 3, 0, 6, "WSTOPPED|WEXITED"},
		{"futex", 1, 0, 0x80, "FUTEX_WAIT|FUTEX_PRIVATE_FLAG"},
		{"clock_gettime", 0, 0, 1, "CLOCK_MONOTONIC"},
		{"epoll_ctl", 1, 0, 3, "EPOLL_CTL_MOD"},
		{"mprotect", 2, 0, 0, "PROT_NONE"},
		{"unlinkat", 2, 0, 0x200, "AT_REMOVEDIR"},
		{"faccessat2", 3, 0, 0x200, "AT_EACCESS"},
		{"newfstatat", 3, 0, 0x200, ""},
	} {
		if got := Value(c.call, c.arg, c.level, c.v); got != c.want {
			t.Errorf("Value(%s, %d, %d, %#x) = %q, want %q", c.call, c.arg, c.level, c.v, got, c.want)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		call string
		arg  int
		v    uint64
		want string
	}{
		{"openat", 2, 0x241, "O_WRONLY|O_CREAT|O_TRUNC"},
		{"open", 1, 0x101002, "O_RDWR|O_SYNC"},
		{"open", 1, 0x1002, "O_RDWR|O_DSYNC"},
		{"open", 1, on[uint64](0x410002, 0x404002), "O_RDWR|O_TMPFILE"},
		{"open", 1, 0x400002, "O_RDWR|O_TMPFILE"},
		{"open", 1, 0x8000, on("O_RDONLY|O_LARGEFILE", "O_RDONLY|O_NOFOLLOW")},
		{"open", 1, 0x20000, on("O_RDONLY|O_NOFOLLOW", "O_RDONLY|O_LARGEFILE")},
		{"open", 1, 0x4000, on("O_RDONLY|O_DIRECT", "O_RDONLY|O_DIRECTORY")},
		{"open", 1, 0x90000043, "O_ACCMODE|O_CREAT|0x90000000"},
		{"openat", 3, 0o4755, "S_ISUID|0755"},
		{"mkdir", 1, 0o7755, "S_ISUID|S_ISGID|S_ISVTX|0755"},
		{"mknodat", 2, 0o10600, "S_IFIFO|0600"},
		{"chmod", 1, 0, "0"},
		{"mmap", 2, 3, "PROT_READ|PROT_WRITE"},
		{"mprotect", 2, 0x10, on("0x10", "PROT_BTI")},
		{"mmap", 3, 0x22, "MAP_PRIVATE|MAP_ANONYMOUS"},
		{"mmap", 3, 0x43, on("MAP_SHARED_VALIDATE|MAP_32BIT", "MAP_SHARED_VALIDATE|0x40")},
		{"mmap", 3, 0x54040022, "MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB|MAP_HUGE_2MB"},
		{"clone", 0, 0x1200011, "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"},
		{"clone", 0, 0, "0"},
		{"sendto", 3, 0x20004000, "MSG_NOSIGNAL|MSG_FASTOPEN"},
		{"linkat", 4, 0x1400, "AT_SYMLINK_FOLLOW|AT_EMPTY_PATH"},
		{"seccomp", 1, 0x100000001, "SECCOMP_FILTER_FLAG_TSYNC|0x100000000"},
		{"futex", 1, 0x189, "FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG|FUTEX_CLOCK_REALTIME"},
		{"wait4", 2, 0x40000003, "WNOHANG|WUNTRACED|__WALL"},
	} {
		if got, ok := Flags(c.call, c.arg, c.v); got != c.want || !ok {
			t.Errorf("Flags(%s, %d, %#x) = %q, %v; want %q", c.call, c.arg, c.v, got, ok, c.want)
		}
	}
	for _, c := range []string{"fcntl", "ioctl", "nothing"} {
		if got, ok := Flags(c, 1, 3); got != "" || ok {
			t.Errorf("Flags(%s, 1, 3) = %q, %v", c, got, ok)
		}
	}
}

func TestMasked(t *testing.T) {
	const i32 = 0xffffffff
	for _, c := range []struct {
		call               string
		arg                int
		level, mask, value uint64
		want               string
	}{
		{"openat", 2, 0, 0x400243, 0, "flags & (O_ACCMODE|O_CREAT|O_TRUNC|O_TMPFILE) = O_RDONLY"},
		{"openat", 2, 0, 0x400043, 0x400001, "flags & (O_ACCMODE|O_CREAT|O_TMPFILE) = O_WRONLY|O_TMPFILE"},
		{"openat", 2, 0, 0x600243, 0x200000, "flags & (O_ACCMODE|O_CREAT|O_TRUNC|O_PATH|O_TMPFILE) = O_RDONLY|O_PATH"},
		{"openat", 2, 0, 0x40, 0x40, "flags with O_CREAT"},
		{"open", 1, 0, 3, 2, "flags & O_ACCMODE = O_RDWR"},
		{"open", 1, 0, 1, 1, "flags & 1 = 1"},
		{"openat", 3, 0, 0o7000, 0, "mode without S_ISUID|S_ISGID|S_ISVTX"},
		{"openat", 3, 0, 0o777, 0o644, "mode & 0777 = 0644"},
		{"mmap", 2, 0, 4, 0, "prot without PROT_EXEC"},
		{"mmap", 2, 0, 6, 4, "prot & (PROT_WRITE|PROT_EXEC) = PROT_EXEC"},
		{"mmap", 3, 0, 0x2f, 0x28, "flags & (MAP_TYPE|MAP_ANONYMOUS) = MAP_DROPPABLE|MAP_ANONYMOUS"},
		{"fcntl", 1, 0, i32, 3, "cmd = F_GETFL"},
		{"fcntl", 1, 0, i32, 0x999, "cmd = 0x999"},
		{"newfstatat", 3, 0, 0x1000, 0x1000, "flags with AT_EMPTY_PATH"},
		{"newfstatat", 0, 0, 1 << 31, 0, "dirfd >= 0"},
		{"newfstatat", 0, 0, 1 << 31, 1 << 31, "dirfd < 0"},
		{"openat", 0, 0, i32, 0xffffff9c, "dirfd = AT_FDCWD"},
		{"sendto", 3, 0, 0x20000000, 0, "flags without MSG_FASTOPEN"},
		{"sendto", 4, 0, all, 0, "dest_addr = NULL"},
		{"socket", 1, 0, i32 &^ 0x80800, 1, "type = SOCK_STREAM plus any of SOCK_NONBLOCK|SOCK_CLOEXEC"},
		{"socket", 2, 2, i32, 0, "protocol = 0"},
		{"seccomp", 1, 0, i32 &^ 3, 0, "flags at most SECCOMP_FILTER_FLAG_TSYNC|SECCOMP_FILTER_FLAG_LOG"},
		{"clone", 0, 0, i32 &^ 0x4100, 0x11, "flags = SIGCHLD plus any of CLONE_VM|CLONE_VFORK"},
		{"clone", 0, 0, i32 &^ 0x4100, 0, "flags at most CLONE_VM|CLONE_VFORK"},
		{"clone", 0, 0, 0xff, 0x11, "flags & CSIGNAL = SIGCHLD"},
		{"ioctl", 1, 0, i32, 0x80046d02, "request = 0x80046d02"},
		{"ioctl", 1, 0, i32, 0xae80, "request = KVM_RUN"},
		{"ioctl", 1, 0, 0xffff, 0x640b, "request & 0xffff = DRM_IOCTL_GEM_OPEN"},
		{"ioctl", 1, 0, 0xffc0, 0x6440, "request & 0xffc0 = 0x6440"},
		{"setsockopt", 2, 6, i32, 23, "optname = TCP_FASTOPEN"},
		{"prctl", 1, 0x53564d41, all, 0, "arg1 = PR_SET_VMA_ANON_NAME"},
		{"prctl", 1, 4, all, 0, "arg1 = 0"},
		{"kill", 0, 0, i32, 0, "pid = 0"},
		{"fchown", 1, 0, i32, i32, "owner = -1"},
		{"frobnicate", 5, 0, 0xf0, 0x20, "arg5 & 0xf0 = 0x20"},
		{"frobnicate", 0, 0, all, 9, "arg0 = 9"},
	} {
		if got := Masked(c.call, c.arg, c.level, c.mask, c.value); got != c.want {
			t.Errorf("Masked(%s, %d, %d, %#x, %#x) =\n\t%q, want\n\t%q", c.call, c.arg, c.level, c.mask, c.value, got, c.want)
		}
	}
}

func TestArg(t *testing.T) {
	for _, c := range []struct {
		call string
		arg  int
		want string
	}{
		{"openat", 2, "flags"}, {"chmod", 1, "mode"}, {"ioctl", 1, "request"}, {"prctl", 0, "option"}, {"prctl", 2, "arg2"},
		{"clone", 4, "arg4"}, {"unknown", 2, "arg2"}, {"", 0, "arg0"},
	} {
		if got := Arg(c.call, c.arg); got != c.want {
			t.Errorf("Arg(%s, %d) = %q, want %q", c.call, c.arg, got, c.want)
		}
	}
}

// TestTableOfDevices looks up the ioctls that the promise table has numbers for.
func TestTableOfDevices(t *testing.T) {
	src, err := os.ReadFile("../../table_ioctl.go")
	if err != nil {
		t.Skip(err)
	}
	found := regexp.MustCompile(`(?m)^\t+(?:(\w+) += )?(0x[0-9a-f]+)(?:, // (\w+).*)?$`).FindAllStringSubmatch(string(src), -1)
	if len(found) < 100 {
		t.Fatalf("found only %d", len(found))
	}
	for _, m := range found {
		v, _ := strconv.ParseUint(m[2], 0, 32)
		if got, want := Value("ioctl", 1, 0, v), strings.ToUpper(m[1])+m[3]; got != want {
			t.Errorf("%#x is %q, want %q", v, got, want)
		}
	}
}

// TestSets checks that all sets that are referred to exist, in ascending order.
func TestSets(t *testing.T) {
	used := map[string]bool{}
	for _, k := range append(mixed, drm) {
		used[k.head.set], used[k.tail.set], used[k.flags] = true, true, true
	}
	for _, m := range regexp.MustCompile(`[:|](\w+)`).FindAllStringSubmatch(signatures, -1) {
		used[m[1]] = true
	}
	for _, of := range []string{"", "optname", "option", "protocol"} {
		delete(used, of)
	}
	for set := range used {
		n, last := 0, uint64(all)
		for v := range each(set) {
			if n++; v >= last && set != "ioctl" {
				t.Errorf("%s: %#x is out of order", set, v)
			}
			last = v
		}
		if n == 0 {
			t.Errorf("no set %s", set)
		}
	}
}

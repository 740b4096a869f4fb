//go:build ignore

// gen writes the sets of constants from those of x/sys/unix.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sets says what is in each set: the constants that match the first expression
// and not the second.
var sets = [][3]string{
	{"access", `O_(RDONLY|WRONLY|RDWR)`, ``},
	{"open", `O_\w+`, `O_(ACCMODE|RDONLY|WRONLY|RDWR)`},
	{"filetype", `S_IF\w+`, `S_IFMT`},
	{"mode", `S_IS(UID|GID|VTX)`, ``},
	{"dirfd", `AT_FDCWD`, ``},
	{"at", `AT_\w+`, `AT_(FDCWD|REMOVEDIR|EACCESS|STATX_SYNC_AS_STAT)`},
	{"unlinkat", `AT_REMOVEDIR`, ``},
	{"faccessat", `AT_(EACCESS|SYMLINK_NOFOLLOW|EMPTY_PATH)`, ``},
	{"rename", `RENAME_\w+`, ``},
	{"statx", `STATX_\w+`, `STATX_(ATTR_\w+|BASIC_STATS|ALL|_RESERVED)`},
	{"fcntl", `F_(DUPFD\w*|[GS]ET\w+|OFD_\w+|NOTIFY|ADD_SEALS|CREATED_QUERY)`, `\w+64`},
	{"ioctl", `TIOC\w+|TC[GS]ET\w+|TC(FLSH|XONC|SBRKP?)|SIOC\w+|BLK[A-Z0-9]+|HDIO_\w+|FICLONE\w*|FIDEDUPERANGE|FS_IOC_\w+|TUN[GSAD]\w+|LOOP_\w+|RND[A-Z]+|NS_GET_\w+|SECCOMP_IOCTL_\w+`,
		`TIOC(M|PKT|SER)_\w+|[ST]IOCINQ|\w+(_OLD|_HDR_SIZE|ABLE_FLAGS)|SIOC(KCM|GPPP|GETLINK|GETNODE)\w+|HDIO_DRIVE_CMD_AEB`},
	{"prctl", `PR_(GET|SET)_\w+|PR_(CAPBSET_(READ|DROP)|CAP_AMBIENT|FUTEX_HASH|LOCK_SHADOW_STACK_STATUS|MCE_KILL|MCE_KILL_GET|MPX_\w+|PAC_(RESET|SET|GET)_\w+|PPC_[GS]ET_DEXCR|RISCV_V_[GS]ET_CONTROL|RISCV_SET_ICACHE_FLUSH_CTX|RSEQ_SLICE_EXTENSION|SCHED_CORE|S[VM]E_[GS]ET_VL|TASK_PERF_EVENTS_\w+|TIMER_CREATE_RESTORE_IDS)`,
		`PR_SET_(MM|VMA|PTRACER)_\w+`},
	{"PR_SET_VMA", `PR_SET_VMA_\w+`, ``},
	{"seccomp", `SECCOMP_(SET_MODE|GET)_\w+`, ``},
	{"filter", `SECCOMP_FILTER_FLAG_\w+`, ``},
	{"domain", `AF_\w+`, `AF_MAX`},
	{"socktype", `SOCK_(STREAM|DGRAM|RAW|RDM|SEQPACKET|DCCP|PACKET)`, ``},
	{"type", `SOCK_(CLOEXEC|NONBLOCK)`, ``},
	{"AF_INET", `IPPROTO_\w+`, `IPPROTO_(IP|HOPOPTS)`}, // 0 is the family's own
	{"AF_NETLINK", `NETLINK_\w+`, netlinkOptions},
	{"level", `SOL_\w+|IPPROTO_(IP|IPV6|TCP|UDP)`, ``},
	{"SOL_SOCKET", `SO_\w+`, `SO_(EE|VM_SOCKETS)_\w+|\w+_OLD`},
	{"IPPROTO_IP", `IP_\w+|MCAST_\w+`, `IP_(DEFAULT_\w+|DF|MF|RF|MAX\w+|MAX_\w+|MSS|OFFMASK|PMTUDISC\w*|USER_FLOW)|MCAST_(IN|EX)CLUDE`},
	{"IPPROTO_IPV6", `IPV6_\w+|MCAST_\w+`, `IPV6_(PMTUDISC_\w+|RTHDR_\w+|VERSION\w*|\w*FLOW|FLOW\w+_MASK)|MCAST_(IN|EX)CLUDE`},
	{"IPPROTO_TCP", `TCP_\w+`, `TCP_(ACCECN|AO|BPF|V4|V6|COOKIE_(IN|OUT)|S_DATA|MD5SIG_FLAG)_\w+|TCP_(CM_INQ|COOKIE_M\w+|COOKIE_PAIR_SIZE|MAXWIN|MAX_WINSHIFT|MSS\w*|MD5SIG_MAXKEYLEN|REPAIR_O[NF]\w*)`},
	{"IPPROTO_UDP", `UDP_\w+`, `UDP_(ENCAP|V4|V6)_\w+`},
	{"SOL_NETLINK", netlinkOptions, ``},
	{"SOL_PACKET", `PACKET_\w+`, `PACKET_(MR_\w+|FANOUT_([^D]|DEF)\w+|HOST|BROADCAST|MULTICAST|OTHERHOST|OUTGOING|LOOPBACK|USER|KERNEL|FASTROUTE)`},
	{"msg", `MSG_\w+`, ``},
	{"prot", `PROT_\w+`, ``},
	{"maptype", `MAP_(SHARED|PRIVATE|SHARED_VALIDATE|DROPPABLE)`, ``},
	{"map", `MAP_\w+`, `MAP_(TYPE|SHARED|PRIVATE|SHARED_VALIDATE|DROPPABLE|FILE|HUGE_\w+)`},
	{"hugepage", `MAP_HUGE_\d+[KMG]B`, ``},
	{"clone", `CLONE_\w+`, `CLONE_(ARGS_\w+|NEWTIME)`}, // NEWTIME is in the signal's byte
	{"rlimit", `RLIMIT_\w+`, ``},
	{"signal", `SIG[A-Z0-9]+`, ``},
	{"advice", `MADV_\w+`, ``},
	{"idtype", `P_(ALL|PID|PGID|PIDFD)`, ``},
	{"waitid", waitOptions, `WUNTRACED`},
	{"wait4", waitOptions, `WSTOPPED|WEXITED|WNOWAIT`},
	{"clock", `CLOCK_\w+`, `CLOCK_(DEFAULT|EXT|INT|TXINT|TXFROMRX)`},
	{"epoll", `EPOLL_CTL_\w+`, ``},
	{"fdflags", `O_(CLOEXEC|NONBLOCK|DIRECT)`, ``},
	{"accept", `SOCK_(CLOEXEC|NONBLOCK)`, ``},
	{"inotify", `IN_\w+`, `IN_(CLASS[A-D]\w*|LOOPBACK\w*|CLOEXEC|NONBLOCK|ALL_EVENTS|CLOSE|MOVE)`},
	{"whence", `SEEK_(SET|CUR|END|DATA|HOLE)`, ``},
	{"shutdown", `SHUT_\w+`, ``},
	{"close_range", `CLOSE_RANGE_\w+`, ``},
	{"fallocate", `FALLOC_FL_\w+`, ``},
	{"splice", `SPLICE_F_\w+`, ``},
	{"flock", `LOCK_\w+`, ``},
	{"memfd", `MFD_\w+`, `MFD_HUGE_\w+`},
	{"mremap", `MREMAP_\w+`, ``},
	{"msync", `MS_(ASYNC|INVALIDATE|SYNC)`, ``},
	{"mlock2", `MLOCK_\w+`, ``},
	{"mlockall", `MCL_\w+`, ``},
	{"ptrace", `PTRACE_\w+`, `PTRACE_(EVENT|O|SYSCALL_INFO|EVENTMSG)_\w+|PTRACE_(OLDSETOPTIONS|PEEKSIGINFO_SHARED|SINGLEBLOCK|SYSEMU\w*)`},
	{"timerfd", `TFD_TIMER_\w+`, ``},
	{"getrandom", `GRND_\w+`, ``},
	{"mount", `MS_\w+`, `MS_(ASYNC|INVALIDATE|SYNC|MGC_\w+|RMT_MASK|ACTIVE|BORN|VERBOSE|NOUSER|SUBMOUNT|NOREMOTELOCK|NOSEC|I_VERSION|KERNMOUNT|POSIXACL)`},
	{"umount", `MNT_(FORCE|DETACH|EXPIRE)|UMOUNT_NOFOLLOW`, ``},
	{"reboot", `LINUX_REBOOT_CMD_\w+`, ``},
	{"keyctl", `KEYCTL_\w+`, `KEYCTL_(CAPS\d|SUPPORTS|CAPABILITIES|MOVE|WATCH)_?\w*`},
}

const (
	waitOptions    = `W(NOHANG|EXITED|STOPPED|UNTRACED|CONTINUED|NOWAIT)|__W(NOTHREAD|ALL|CLONE)`
	netlinkOptions = `NETLINK_(ADD_MEMBERSHIP|DROP_MEMBERSHIP|PKTINFO|BROADCAST_ERROR|NO_ENOBUFS|RX_RING|TX_RING|LISTEN_ALL_NSID|LIST_MEMBERSHIPS|CAP_ACK|EXT_ACK|GET_STRICT_CHK)`
)

// canonical are the names to use where a set has several for one value.
var canonical = strings.Fields(`O_NONBLOCK O_SYNC AF_UNIX AF_NETLINK IPPROTO_IP IPPROTO_IPV6 IPPROTO_TCP IPPROTO_UDP
	SO_ATTACH_FILTER SO_DETACH_FILTER IP_RETOPTS IP_RECVORIGDSTADDR IPV6_JOIN_GROUP IPV6_LEAVE_GROUP IPV6_HOPOPTS
	IPV6_DSTOPTS IPV6_RECVORIGDSTADDR NETLINK_SOCK_DIAG MSG_DONTROUTE MAP_ANONYMOUS SIGABRT SIGCHLD SIGIO SIOCOUTQ
	SIOCPROTOPRIVATE SIOCDEVPRIVATE`)

func main() {
	log.SetFlags(0)
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", "golang.org/x/sys").Output()
	if err != nil {
		log.Fatal(err)
	}
	dir, version, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	for arch, largeFile := range map[string]uint32{"amd64": 0x8000, "arm64": 0x20000} {
		constants := read(filepath.Join(dir, "unix"), arch)
		constants["O_LARGEFILE"] = largeFile // libc's is 0
		var b bytes.Buffer
		fmt.Fprintf(&b, "// Code generated by gen.go from golang.org/x/sys %s; DO NOT EDIT.\n\npackage argname\n\nvar generated = []set{\n", version)
		for _, set := range sets {
			names := pick(constants, set)
			if set[0] == "open" { // the bit of O_TMPFILE that is not O_DIRECTORY
				names[constants["O_TMPFILE"]&^constants["O_DIRECTORY"]] = "O_TMPFILE"
			}
			fmt.Fprintf(&b, "{%q, `", set[0])
			for i, v := range slices.Sorted(maps.Keys(names)) {
				fmt.Fprintf(&b, "%s%#x=%s", "\n"[:min(i, 1)], v, names[v])
			}
			fmt.Fprintf(&b, "`},\n")
		}
		fmt.Fprintf(&b, "}\n")
		text, err := format.Source(b.Bytes())
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile("zargname_linux_"+arch+".go", text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// read returns the integer constants that fit into 32 bits.
func read(dir, arch string) map[string]uint32 {
	constant := regexp.MustCompile(`(?m)^\s+(\w+)\s+= (?:syscall\.Signal\()?(-?(?:0x)?[0-9a-f]+)\)?$`)
	constants := map[string]uint32{}
	for _, file := range []string{"zerrors_linux.go", "zerrors_linux_" + arch + ".go", "ztypes_linux.go"} {
		src, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			log.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(src), -1) {
			v, err := strconv.ParseInt(m[2], 0, 64)
			if err != nil || v < math.MinInt32 || v > math.MaxUint32 {
				continue
			}
			name := m[1]
			if slices.Contains([]string{"WNOTHREAD", "WALL", "WCLONE"}, name) {
				name = "__" + name
			}
			constants[name] = uint32(v)
		}
	}
	return constants
}

// pick returns a set, with one name for each value.
func pick(constants map[string]uint32, set [3]string) map[uint32]string {
	with := regexp.MustCompile(`^(` + set[1] + `)$`)
	without := regexp.MustCompile(`^(` + set[2] + `)$`)
	names := map[uint32]string{}
	for _, name := range append(canonical, slices.Sorted(maps.Keys(constants))...) {
		v, ok := constants[name]
		old := names[v]
		switch {
		case !ok || !with.MatchString(name) || without.MatchString(name) || slices.Contains(canonical, old):
		case old != "":
			log.Fatalf("%s: %s or %s? Name one in canonical.", set[0], old, name)
		default:
			names[v] = name
		}
	}
	if len(names) == 0 {
		log.Fatalf("%s is empty", set[0])
	}
	return names
}

//go:build linux && (amd64 || arm64)

// Package sysargs renders system calls with their arguments, as strace does:
//
//	openat("/etc/shadow", O_RDONLY|O_CLOEXEC)
//	connect(3, {AF_INET 127.0.0.1:80})
//	execve("/bin/ls", ["ls", "-l"])
//
// It shows what a call is about, not all of it: no buffers, no addresses of
// results, no environment. The memory behind pointers is the program's, which
// may be hostile: reads are bounded, and what comes from there cannot do anything
// to a terminal.
package sysargs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/argname"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

// Memory reads the memory of the process that makes the call. An offset is an
// address; /proc/PID/mem is such a reader. Without one, nil, pointers are shown
// as numbers.
type Memory = io.ReaderAt

// Format renders a call of this architecture. Calls of another one, and numbers
// that no call has, are shown as such, with all arguments in hex.
func Format(d policy.Data, mem Memory) string {
	name := sysnum.Name(d.Nr)
	names, known := argname.Args(name)
	switch {
	case d.Arch != 0 && d.Arch != arch:
		return fmt.Sprintf("syscall %d of %s", d.Nr, archName(d.Arch)) + raw(d)
	case x32 && d.Nr&x32Bit != 0:
		return fmt.Sprintf("syscall %d of x32", d.Nr&^x32Bit) + raw(d)
	case name == "":
		return fmt.Sprintf("syscall %d", d.Nr) + raw(d)
	case !known:
		return name + raw(d)
	}
	c := call{d, mem, name, names}
	return name + "(" + strings.Join(c.args(), ", ") + ")"
}

// Describe renders a call of a process that waits for somebody to decide of it.
func Describe(pid int, d policy.Data) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return Format(d, nil)
	}
	defer f.Close()
	return Format(d, f)
}

// Result renders what a call returned: a number, or the name of an errno.
func Result(r int64) string {
	if r < 0 && r >= -4095 {
		if name := unix.ErrnoName(unix.Errno(-r)); name != "" {
			return name
		}
	}
	return strconv.FormatInt(r, 10)
}

// A Path is a path in the arguments of a call.
type Path struct {
	Dirfd int    // where it starts if it is relative; unix.AT_FDCWD: the working directory
	Name  string // "" with a flag like AT_EMPTY_PATH, which means Dirfd itself
}

// Paths returns the paths of a call of this architecture, in the order of its
// arguments. What cannot be read is left out, and so is what symlink(2) stores,
// which is only text.
func Paths(d policy.Data, mem Memory) []Path {
	name := sysnum.Name(d.Nr)
	names, _ := argname.Args(name)
	c := call{d, mem, name, names}
	var out []Path
	for i := range names {
		if !c.isPath(i) || strings.HasPrefix(name, "symlink") && i == 0 {
			continue
		}
		s, whole, ok := readString(mem, d.Args[i], unix.PathMax)
		if !ok || !whole {
			continue
		}
		p := Path{Dirfd: unix.AT_FDCWD, Name: s}
		if i > 0 && strings.HasSuffix(names[i-1], "dirfd") {
			p.Dirfd = int(int32(d.Args[i-1]))
		}
		out = append(out, p)
	}
	return out
}

func raw(d policy.Data) string {
	var args []string
	for _, v := range d.Args {
		args = append(args, fmt.Sprintf("%#x", v))
	}
	return "(" + strings.Join(args, ", ") + ")"
}

// x32Bit marks the calls of x32, which are amd64's to the kernel's audit.
const x32Bit = 1 << 30

func archName(a uint32) string {
	switch a {
	case unix.AUDIT_ARCH_I386:
		return "i386"
	case unix.AUDIT_ARCH_X86_64:
		return "x86_64"
	case unix.AUDIT_ARCH_ARM:
		return "arm"
	case unix.AUDIT_ARCH_AARCH64:
		return "aarch64"
	}
	return fmt.Sprintf("architecture %#x", a)
}

// A call is one whose arguments have names.
type call struct {
	d     policy.Data
	mem   Memory
	name  string
	names []string
}

// args renders the arguments that are worth it.
func (c call) args() []string {
	var out []string
	for i, name := range c.names {
		if c.omits(i, name) {
			continue
		}
		out = append(out, c.arg(i, name))
	}
	return out
}

// omits says which arguments say nothing.
func (c call) omits(i int, name string) bool {
	v := c.d.Args[i]
	switch {
	case strings.HasSuffix(name, "dirfd"):
		return int32(v) == unix.AT_FDCWD && i+1 < len(c.names) && c.isPath(i+1) && c.d.Args[i+1] != 0
	case name == "mode" && strings.HasPrefix(c.name, "open"):
		return c.d.Args[i-1]&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) == 0
	}
	switch name {
	case "argp", "envp", "optval", "addrlen", "statbuf", "statxbuf": // results, sizes, secrets
		return true
	case "arg":
		return !slices.Contains([]uint64{unix.F_SETFL, unix.F_SETFD, unix.F_DUPFD, unix.F_DUPFD_CLOEXEC,
			unix.F_SETOWN, unix.F_SETSIG, unix.F_SETPIPE_SZ}, uint64(uint32(c.d.Args[1])))
	case "optlen":
		return true
	}
	return false
}

// The names of arguments that are no pointers, and of those that point to
// strings.
var (
	ints = strings.Fields(`dirfd olddirfd newdirfd from_dirfd to_dirfd fd newfd out_fd in_fd fd_in fd_out sockfd epfd pidfd
		targetfd group_fd kernel_fd initrd_fd mqdes pid pid2 tid tgid pgid wd owner group uid gid ruid euid suid rgid egid sgid
		sig how option cmd op code operation request domain type protocol level optname optlen backlog status who which prio
		ioprio policy id idtype whence advice resource clockid timeout_ms maxevents timerid_value pkey magic magic2 persona
		key shmid semid semnum msqid rule_type attr_id turn_on func iovcnt nr_segs vlen nfds cpu`)
	numbers = strings.Fields(`length len size count offset old_size new_size bufsiz seconds initval first last nr_events
		entries nr_segments min_nr to_submit min_complete opcode nr_futexes val val3 flags mode mask mountflags prot
		nsems nsops arg liovcnt riovcnt dev pgoff from num futex_op at_flags nstype options oflag event_f_flags mount
		access_rights shmflg semflg msgflg`)
	paths = strings.Fields(`pathname oldpath newpath target linkpath source new_root put_old from_pathname to_pathname`)
	strs  = strings.Fields(`name fsname filesystemtype type_name description params`)
)

func (c call) isPath(i int) bool { return slices.Contains(paths, c.names[i]) }

// arg renders one argument.
func (c call) arg(i int, name string) string {
	v := c.d.Args[i]
	var level uint64
	switch {
	case name == "optname" || name == "protocol":
		level = c.d.Args[1]
		if name == "protocol" {
			level = c.d.Args[0]
		}
	case name == "arg1":
		level = c.d.Args[0]
	}
	switch {
	case c.name == "fcntl" && name == "arg":
		return c.fcntlArg(v)
	case c.name == "prctl" && name == "arg1" && uint32(level) == unix.PR_SET_NAME:
		return c.text(v, maxString)
	case c.isPath(i):
		return c.text(v, maxPath)
	case slices.Contains(strs, name):
		return c.text(v, maxString)
	case name == "argv":
		return c.list(v)
	case name == "dest_addr" || name == "addr" && (c.name == "bind" || c.name == "connect"):
		return c.sockaddr(v, c.d.Args[i+1])
	case name == "msg" && c.name == "sendmsg":
		return c.message(v)
	case name == "how" && c.name == "openat2":
		return c.openHow(v)
	case name == "cl_args":
		return c.cloneArgs(v)
	}
	if s := argname.Value(c.name, i, level, v); s != "" {
		return s
	}
	if s, ok := argname.Flags(c.name, i, v); ok {
		return s
	}
	switch {
	case name == "request":
		return fmt.Sprintf("%#x", uint32(v))
	case slices.Contains(ints, name):
		if u := uint32(v); u > 1<<16 && u < 0xffff0000 {
			return fmt.Sprintf("%#x", u)
		}
		return strconv.Itoa(int(int32(v)))
	case slices.Contains(numbers, name):
		if u := int64(v); u < 0 && u > -4096 {
			return strconv.FormatInt(u, 10)
		}
		return strconv.FormatUint(v, 10)
	}
	if name == "arg1" && v < 1<<16 {
		return strconv.FormatUint(v, 10)
	}
	return pointer(v)
}

func pointer(v uint64) string {
	if v == 0 {
		return "NULL"
	}
	return fmt.Sprintf("%#x", v)
}

func (c call) fcntlArg(v uint64) string {
	switch uint32(c.d.Args[1]) {
	case unix.F_SETFL:
		s, _ := argname.Flags("openat", 2, v)
		return s
	case unix.F_SETFD:
		if v == unix.FD_CLOEXEC {
			return "FD_CLOEXEC"
		}
	}
	return strconv.Itoa(int(int32(v)))
}

// The limits of what is read and shown of a program's memory.
const (
	maxPath   = 512 // bytes of a path
	maxString = 64  // bytes of another string
	maxList   = 8   // strings of a list
)

// text renders the string at an address, or the address if it cannot be read.
func (c call) text(addr uint64, limit int) string {
	s, whole, ok := readString(c.mem, addr, limit)
	switch {
	case !ok:
		return pointer(addr)
	case whole:
		return strconv.Quote(s)
	}
	return strconv.Quote(trimRune(s)) + "..."
}

// trimRune cuts off a character of which the limit left only a part.
func trimRune(s string) string {
	for i := 1; i < utf8.UTFMax && i <= len(s); i++ {
		if b := s[len(s)-i]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.ValidString(s[len(s)-i:]) {
				return s[:len(s)-i]
			}
			break
		}
	}
	return s
}

// list renders the strings of a list that ends with a null pointer.
func (c call) list(addr uint64) string {
	var out []string
	for i := uint64(0); ; i++ {
		p, ok := c.word(addr + 8*i)
		switch {
		case !ok && i == 0:
			return pointer(addr)
		case !ok || i == maxList && p != 0:
			return "[" + strings.Join(append(out, "..."), ", ") + "]"
		case p == 0:
			return "[" + strings.Join(out, ", ") + "]"
		}
		out = append(out, c.text(p, maxString))
	}
}

func (c call) read(addr uint64, n int) ([]byte, bool) {
	b := make([]byte, n)
	return b, read(c.mem, b, addr) == n
}

// word reads eight bytes.
func (c call) word(addr uint64) (uint64, bool) {
	b, ok := c.read(addr, 8)
	return native.Uint64(b), ok
}

// sockaddr renders an address of a socket, whose length the program says.
func (c call) sockaddr(addr, length uint64) string {
	if addr == 0 {
		return "NULL"
	}
	a, ok := c.address(addr, length)
	if !ok {
		return pointer(addr)
	}
	name := argname.Value("socket", 0, 0, uint64(a.Family))
	if name == "" {
		name = "AF_" + strconv.Itoa(int(a.Family))
	}
	switch {
	case a.Inet.IsValid():
		return "{" + name + " " + a.Inet.String() + "}"
	case a.Path != "":
		return "{" + name + " " + strconv.Quote(a.Path) + "}"
	}
	return "{" + name + "}"
}

// A Sockaddr is an address of a socket.
type Sockaddr struct {
	Family uint16         // AF_*
	Inet   netip.AddrPort // of AF_INET and AF_INET6
	Path   string         // of AF_UNIX; "@name" for an abstract one

	Abstract bool // it is no path of a file
}

// Address returns the address in the arguments of bind, connect and sendto of
// this architecture.
func Address(d policy.Data, mem Memory) (Sockaddr, bool) {
	c := call{d: d, mem: mem}
	switch d.Nr {
	case unix.SYS_BIND, unix.SYS_CONNECT:
		return c.address(d.Args[1], d.Args[2])
	case unix.SYS_SENDTO:
		return c.address(d.Args[4], d.Args[5])
	}
	return Sockaddr{}, false
}

func (c call) address(addr, length uint64) (Sockaddr, bool) {
	n := min(int(int32(length)), unix.SizeofSockaddrUnix) // the kernel refuses more
	if addr == 0 || n < 2 {
		return Sockaddr{}, false
	}
	b, ok := c.read(addr, n)
	if !ok {
		return Sockaddr{}, false
	}
	a := Sockaddr{Family: native.Uint16(b)}
	switch {
	case a.Family == unix.AF_INET && n >= 8:
		a.Inet = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))
	case a.Family == unix.AF_INET6 && n >= 24:
		a.Inet = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), binary.BigEndian.Uint16(b[2:]))
	case a.Family == unix.AF_UNIX && n > 2 && b[2] == 0: // abstract, as ss(8) shows it
		a.Path, a.Abstract = "@"+string(b[3:]), true
	case a.Family == unix.AF_UNIX && n > 2:
		path, _, _ := bytes.Cut(b[2:], []byte{0})
		a.Path = string(path)
	}
	return a, true
}

// message renders where a struct msghdr goes, and whether it takes descriptors
// or credentials along.
func (c call) message(addr uint64) string {
	b, ok := c.read(addr, 48)
	if !ok {
		return pointer(addr)
	}
	var parts []string
	if name := native.Uint64(b); name != 0 {
		parts = append(parts, c.sockaddr(name, uint64(native.Uint32(b[8:]))))
	}
	if control, size := native.Uint64(b[32:]), native.Uint64(b[40:]); control != 0 && size >= 16 {
		if b, ok := c.read(control, 16); ok && native.Uint32(b[8:]) == unix.SOL_SOCKET {
			switch native.Uint32(b[12:]) {
			case unix.SCM_RIGHTS:
				parts = append(parts, "SCM_RIGHTS")
			case unix.SCM_CREDENTIALS:
				parts = append(parts, "SCM_CREDENTIALS")
			}
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// openHow renders struct open_how.
func (c call) openHow(addr uint64) string {
	flags, ok := c.word(addr)
	if !ok {
		return pointer(addr)
	}
	s, _ := argname.Flags("openat", 2, flags)
	return "{" + s + "}"
}

// cloneArgs renders the flags and the signal of struct clone_args.
func (c call) cloneArgs(addr uint64) string {
	b, ok := c.read(addr, 40)
	if !ok {
		return pointer(addr)
	}
	s, _ := argname.Flags("unshare", 0, native.Uint64(b)|native.Uint64(b[32:])&0xff)
	return "{" + s + "}"
}

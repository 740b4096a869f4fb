//go:build linux && (amd64 || arm64)

package pledge

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/landlock"
)

// Some promises mean particular files. A filter does not see paths, Landlock
// does: the filter lets such opens through, as if all files were meant, and a
// Landlock ruleset takes the same right away everywhere else. What a set
// promises as a whole, rpath's reading say, is not taken away, so that Landlock
// costs nothing where nothing is to be told apart.

// A pathRow is one line of the table of files.
type pathRow struct {
	needs needs
	may   access
	point bool // the promise is for this; without it, it would be a convenience
	paths []string
	note  string
}

// access is what may be done to files.
type access uint8

const (
	reading access = 1 << iota
	writing
	making // regular files, and removing them
)

// rights are the Landlock rights of an access.
func (a access) rights() (r uint64) {
	if a&reading != 0 {
		r |= landlock.Read
	}
	if a&writing != 0 {
		r |= landlock.Write
	}
	if a&making != 0 {
		r |= unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
	}
	return r
}

func (a access) String() string {
	s := ""
	for i, name := range []string{"read", "write", "create and remove"} {
		if a>>i&1 == 1 {
			if s != "" {
				s += ", "
			}
			s += name
		}
	}
	return s
}

// pathTable is the whole table of files. A path that is a symbolic link stands
// for what it leads to when the process pledges; one that does not exist then
// stands for nothing.
var pathTable = []pathRow{
	{needs: need(DNS), may: reading, point: true, paths: []string{
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols", "/etc/host.conf", "/etc/gai.conf",
		"/run/systemd/resolve",
	}, note: "what resolvers read; the last is a directory, whose files systemd-resolved replaces"},
	{needs: need(Getpw), may: reading, point: true, paths: []string{"/etc/passwd", "/etc/group", "/etc/nsswitch.conf"},
		note: "users and groups; never shadow"},
	{needs: need(PS), may: reading, point: true, paths: []string{"/proc"}, note: "processes, but not the memory of those outside; since Linux 6.16 those with CAP_PERFMON (root) see environments"},
	{needs: need(Vminfo), may: reading, point: true, paths: []string{
		"/proc/meminfo", "/proc/stat", "/proc/vmstat", "/proc/loadavg", "/proc/uptime", "/proc/cpuinfo", "/proc/swaps", "/proc/zoneinfo",
		"/proc/buddyinfo", "/proc/diskstats", "/proc/pressure", "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/devices/system/memory",
	}, note: "memory, processors and load"},
	{needs: need(Tmppath), may: reading | writing | making, point: true, paths: []string{"/tmp"}, note: "regular files in /tmp"},
	{needs: need(TTY), may: reading | writing, paths: []string{"/dev/tty"}, note: "the controlling terminal"},
	{needs: need(Exec), may: reading | writing, paths: []string{"/dev/null"}, note: "what os/exec gives a program for a nil Stdin, Stdout and Stderr"},

	// What C programs read without being asked to. A Go program has its time
	// zone primed and needs none of the rest.
	{needs: need(Stdio, supervised), may: reading, paths: []string{
		"/etc/localtime", "/usr/share/zoneinfo", "/usr/lib/locale", "/usr/share/locale", "/usr/share/locale-langpack", "/usr/share/i18n",
		"/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache", "/usr/lib/aarch64-linux-gnu/gconv/gconv-modules.cache",
	}, note: "time zones and locales"},
	{needs: need(Stdio, supervised), may: reading, paths: []string{
		"/proc/sys/kernel/ngroups_max", "/proc/loadavg", "/sys/devices/system/cpu/online", "/sys/devices/system/cpu/possible",
	}, note: "what sysconf(3) and getloadavg(3) look up; sysctls that OpenBSD's stdio has"},
	{needs: need(Stdio, supervised), may: reading, paths: []string{
		"/proc/sys/vm/overcommit_memory", "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
	}, note: "what glibc's malloc looks up before it gives memory back, and the Go runtime when it starts"},
	{needs: need(Stdio, Inet, supervised), may: reading, paths: []string{"/proc/sys/net/core/somaxconn"}, note: "the longest backlog of listeners; OpenBSD's kern.somaxconn"},
	{needs: need(Stdio, Unix, supervised), may: reading, paths: []string{"/proc/sys/net/core/somaxconn"}, note: "the same for local sockets"},
	{needs: need(Stdio, supervised), may: reading | writing, paths: []string{"/dev/null"}, note: "as OpenBSD's stdio has it"},
	{needs: need(TTY, supervised), may: reading, paths: []string{"/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"}, note: "terminfo(5)"},
}

// files is what the rows of the table of files come to for a set of promises.
type files struct {
	may  access // what a row decides of: the set does not promise it of all files
	rows []pathRow
	lost Set // promises whose point exec takes away
}

// filesOf returns what the set means of particular files.
//
// To Landlock, executing a file includes reading it, and the two cannot be told
// apart. So a set with exec but without rpath has no files to read.
func filesOf(s Set) (f files) {
	for _, r := range pathTable {
		if !r.needs.metBy(s) {
			continue
		}
		if r.may&reading != 0 && s.Has(Exec) && !s.Has(Rpath) {
			r.may &^= reading
			if r.point {
				f.lost |= r.promises()
			}
		}
		f.may |= r.may
		f.rows = append(f.rows, r)
	}
	if s.Has(Rpath) {
		f.may &^= reading
	}
	if s.Has(Wpath) {
		f.may &^= writing
	}
	if s.Has(Cpath) {
		f.may &^= making
	}
	return f
}

// covers reports whether a path, in the form that the process uses, is one of
// the row's or in one of its directories.
func (r pathRow) covers(path string) bool {
	return slices.ContainsFunc(r.paths, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

// gives reports whether the row gives a path to a set of promises, in all the
// ways that the circumstances in the set are about.
func (r pathRow) gives(s Set, path string) bool {
	var wanted access
	for c, a := range map[Promise]access{readable: reading, writable: writing, makable: making} {
		if s.Has(c) {
			wanted |= a
		}
	}
	return r.promises().SubsetOf(s) && r.may&wanted == wanted && r.covers(path)
}

// promises returns those that the row is about.
func (r pathRow) promises() (s Set) {
	for _, n := range r.needs.alternatives() {
		s |= n
	}
	return s & all
}

// circumstances returns those of a set that has these files. Creating is one
// also where cpath is held: it lets a file be opened for which cpath alone
// would not do.
func (f files) circumstances() (c Set) {
	if f.may&reading != 0 {
		c = c.With(readable)
	}
	if f.may&writing != 0 {
		c = c.With(writable)
	}
	for _, r := range f.rows {
		if r.may&making != 0 {
			c = c.With(makable)
		}
	}
	return c
}

// missing returns the promises whose point would be lost without Landlock.
func (f files) missing() (s Set) {
	for _, r := range f.rows {
		if r.point && r.may&f.may != 0 {
			s |= r.promises()
		}
	}
	return s
}

// rules returns the Landlock rules for the files. Each has all rights that its
// rows may give; what is not taken away does not count.
func (f files) rules() (rules []landlock.PathRule) {
	for _, r := range f.rows {
		for _, path := range r.paths {
			rules = append(rules, landlock.PathRule{Path: path, Access: r.may.rights() | landlock.Ioctl})
		}
	}
	return rules
}

// restriction returns what Landlock has to take from a process with these
// promises so that they mean particular files, and dns a particular port. It is
// empty if there is nothing to tell apart.
func restriction(s Set) *landlock.Ruleset {
	f := filesOf(s)
	r := &landlock.Ruleset{FS: f.may.rights()}
	if r.FS != 0 {
		r.Paths = f.rules()
		if s.Has(Cpath) {
			// Whatever else it is about, Landlock refuses to rename and link from one
			// directory to another, unless told otherwise (Linux 5.19), and then only
			// what gains no right by it.
			r.FS |= unix.LANDLOCK_ACCESS_FS_REFER
			r.Paths = append(r.Paths, landlock.PathRule{Path: "/", Access: unix.LANDLOCK_ACCESS_FS_REFER})
		}
	}
	if s.Has(DNS) && !s.Has(Inet) {
		const domain = 53
		r.Net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP
		r.Ports = []landlock.PortRule{{Port: domain, Access: unix.LANDLOCK_ACCESS_NET_CONNECT_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP}}
	}
	if !r.Empty() && !s.Has(Proc) {
		r.Scoped = unix.LANDLOCK_SCOPE_SIGNAL
	}
	return r
}

// apart returns a ruleset that takes nothing away that a set with these promises
// has, and puts the process into a Landlock domain. From there, the memory of
// processes outside cannot be seen: for a set with rpath or wpath, to which
// /proc/PID/mem is a file like others.
func apart(s Set, abi landlock.ABI) *landlock.Ruleset {
	if !s.Has(Rpath) && !s.Has(Wpath) {
		return &landlock.Ruleset{}
	}
	// Something that the set does not use costs nothing.
	if !s.Has(Inet) && !s.Has(DNS) && abi.Net() != 0 {
		return (&landlock.Ruleset{Net: unix.LANDLOCK_ACCESS_NET_BIND_TCP}).Trim(abi)
	}
	if !s.Has(Unix) && abi.Scoped() != 0 {
		return (&landlock.Ruleset{Scoped: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}).Trim(abi)
	}
	const refer = unix.LANDLOCK_ACCESS_FS_REFER
	return (&landlock.Ruleset{FS: refer, Paths: []landlock.PathRule{{Path: "/", Access: refer}}}).Trim(abi)
}

// checkFiles reports a set that cannot mean the files it means.
func checkFiles(s Set, abi landlock.ABI) error {
	f := filesOf(s)
	lost, why := f.lost, `executing is reading, to Landlock, which tells them from others; promise "rpath" too, or give up "exec"`
	if abi.Version == 0 {
		lost |= f.missing()
		why = `and this kernel has no Landlock to tell them from others; Linux 5.13 or later is needed, with landlock among its security modules (lsm=), or promise "rpath" too`
		if lost.Has(Tmppath) {
			why = strings.Replace(why, `"rpath"`, `"rpath wpath cpath"`, 1)
		}
	}
	if lost == 0 {
		return nil
	}
	missing, remedy, _ := strings.Cut(why, "; ")
	return &UnsupportedError{
		Missing: fmt.Sprintf("%q means particular files, %s", lost, missing),
		Remedy:  remedy + ", or set Config.BestEffort to do without those files",
	}
}

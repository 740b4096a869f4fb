// Package landlock says what Landlock is to restrict: which rights, and where
// they are granted. It knows neither promises nor threads; internal/kernel puts
// a Ruleset in force.
package landlock

import (
	"slices"

	"golang.org/x/sys/unix"
)

// A Ruleset takes rights away everywhere but where a rule grants them.
type Ruleset struct {
	FS     uint64 // LANDLOCK_ACCESS_FS_* that are taken away
	Net    uint64 // LANDLOCK_ACCESS_NET_* that are taken away
	Scoped uint64 // LANDLOCK_SCOPE_* of what does not leave the process and its descendants
	Paths  []PathRule
	Ports  []PortRule
}

// A PathRule grants rights on a file, or on a directory and all below it.
type PathRule struct {
	Path   string // followed to the end if it is a symbolic link; left out if it does not exist
	Opened bool   // FD stands for it
	FD     int
	Access uint64 // LANDLOCK_ACCESS_FS_*; what a file cannot have is left out if it is one
}

// A PortRule grants rights on a port.
type PortRule struct {
	Port   uint16
	Access uint64 // LANDLOCK_ACCESS_NET_*
}

// Empty reports whether there is nothing to restrict.
func (r *Ruleset) Empty() bool { return r == nil || r.FS|r.Net|r.Scoped == 0 }

// SameFiles reports whether two rulesets say the same of files and ports. An
// empty one and none are the same.
func (r *Ruleset) SameFiles(s *Ruleset) bool {
	if r.Empty() || s.Empty() {
		return r.Empty() == s.Empty()
	}
	return r.FS == s.FS && r.Net == s.Net && slices.Equal(r.Paths, s.Paths) && slices.Equal(r.Ports, s.Ports)
}

// Groups of rights, by what they are about.
const (
	Read  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	Write = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	Make  = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REFER
	Execute     = unix.LANDLOCK_ACCESS_FS_EXECUTE
	Ioctl       = unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	ResolveUnix = unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX

	// OnFile are the rights that a rule on something else than a directory can
	// have.
	OnFile = Execute | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		Ioctl | ResolveUnix
)

// An ABI is what a kernel's Landlock can do.
type ABI struct {
	Version      int  // 0: no Landlock; 1 is Linux 5.13
	SignalsFixed bool // threads can signal each other whatever their domains (erratum 2)
}

// FS returns the file system rights that the ABI knows.
func (a ABI) FS() uint64 {
	switch {
	case a.Version >= 9: // Linux 7.1
		return 1<<17 - 1 // RESOLVE_UNIX
	case a.Version >= 5: // Linux 6.10
		return 1<<16 - 1 // IOCTL_DEV
	case a.Version >= 3: // Linux 6.2
		return 1<<15 - 1 // TRUNCATE
	case a.Version == 2: // Linux 5.19
		return 1<<14 - 1 // REFER
	case a.Version == 1:
		return 1<<13 - 1
	}
	return 0
}

// Net returns the network rights that the ABI knows.
func (a ABI) Net() uint64 {
	switch {
	case a.Version >= 10: // Linux 7.2
		return 1<<4 - 1 // UDP
	case a.Version >= 4: // Linux 6.7
		return 1<<2 - 1 // TCP
	}
	return 0
}

// Scoped returns the scopes that the ABI knows. A kernel whose scope of signals
// keeps threads of one process apart (Linux 6.12 before its fix) has none.
func (a ABI) Scoped() uint64 {
	if a.Version >= 6 && a.SignalsFixed {
		return unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return 0
}

// ThreadSync reports whether one call restricts all threads of a process
// (Linux 7.0). Before, each thread restricts itself.
func (a ABI) ThreadSync() bool { return a.Version >= 8 }

// Trim leaves out of a ruleset what the ABI does not know.
func (r *Ruleset) Trim(a ABI) *Ruleset {
	t := Ruleset{FS: r.FS & a.FS(), Net: r.Net & a.Net(), Scoped: r.Scoped & a.Scoped()}
	for _, p := range r.Paths {
		if p.Access &= t.FS; p.Access != 0 {
			t.Paths = append(t.Paths, p)
		}
	}
	for _, p := range r.Ports {
		if p.Access &= t.Net; p.Access != 0 {
			t.Ports = append(t.Ports, p)
		}
	}
	return &t
}

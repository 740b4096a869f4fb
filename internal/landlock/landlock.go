// Package landlock says what Landlock is to restrict: which rights, and where
// they are granted. It knows neither promises nor threads; internal/kernel puts
// a Ruleset in force.
package landlock

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
	FD     int    // an open descriptor that stands for it, or 0
	Access uint64 // LANDLOCK_ACCESS_FS_*; what a file cannot have is left out if it is one
}

// A PortRule grants rights on a port.
type PortRule struct {
	Port   uint16
	Access uint64 // LANDLOCK_ACCESS_NET_*
}

// Empty reports whether there is nothing to restrict.
func (r *Ruleset) Empty() bool { return r == nil || r.FS|r.Net|r.Scoped == 0 }

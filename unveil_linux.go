//go:build amd64 || arm64

package pledge

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/policy"
)

// rights are the Landlock rights on a directory that permissions stand for.
//
// The kernel reads what it executes, and asks for that. A device that may be
// read or written answers to ioctl(2), which unveil(2) does not restrict.
func (p permissions) rights() (r uint64) {
	if p&mayRead != 0 {
		r |= landlock.Read | landlock.Ioctl
	}
	if p&mayWrite != 0 {
		r |= landlock.Write | landlock.Ioctl | landlock.ResolveUnix
	}
	if p&mayExecute != 0 {
		r |= landlock.Execute | unix.LANDLOCK_ACCESS_FS_READ_FILE
	}
	if p&mayCreate != 0 {
		r |= landlock.Make
	}
	return r
}

// A veilNode is a path that has been unveiled. Its descriptor, opened with O_PATH,
// stands for it: if a directory is renamed, the node is where it went, as on
// OpenBSD.
type veilNode struct {
	path    string // as the kernel knows it
	fd      int    // if it is missing, its directory's
	id      fileID // of what the descriptor is for
	missing bool
	may     permissions
}

// A fileID says which file it is.
type fileID struct{ dev, ino uint64 }

// idOf returns the file that a descriptor is open for, none if it is closed.
func idOf(fd int) fileID {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return fileID{}
	}
	return fileID{st.Dev, st.Ino}
}

// below reports whether the node is in the directory dir or deeper.
func (n *veilNode) below(dir string) bool {
	return strings.HasPrefix(n.path, strings.TrimSuffix(dir, "/")+"/") && n.path != dir
}

// A tree looks at the file system on behalf of a veil.
type tree interface {
	// list returns the names in a directory.
	list(fd int) ([]string, error)
	// open opens a name in a directory with O_PATH, not following it if it is a
	// symbolic link.
	open(dir int, name string) (int, error)
}

// veilRules returns the Landlock rules that give each node its permissions and
// no others. Landlock knows no exceptions: what is granted to a directory is
// granted to all below it. So a right that a deeper node does not have is not
// granted to the directory but to all else that is in it now.
//
// The nodes are sorted by path and none is missing. The descriptors that were
// opened are returned too, whatever the error.
func veilRules(nodes []*veilNode, t tree) (rules []landlock.PathRule, opened []int, err error) {
	grant := func(fd int, path string, rights uint64) {
		if rights != 0 {
			rules = append(rules, landlock.PathRule{Opened: true, FD: fd, Path: path, Access: rights})
		}
	}
	// spread grants rights to what is in a directory, but not to the deeper
	// nodes, which have their own.
	var spread func(dir int, path string, rights uint64, deeper []*veilNode) error
	spread = func(dir int, path string, rights uint64, deeper []*veilNode) error {
		names, err := t.list(dir)
		if err != nil {
			return &fs.PathError{Op: "unveil", Path: path, Err: err}
		}
		met := make(map[*veilNode]bool)
		for _, name := range names {
			at := filepath.Join(path, name)
			itself := false
			for _, n := range deeper {
				if n.path == at || n.below(at) {
					met[n] = true
				}
				itself = itself || n.path == at
			}
			if itself {
				continue
			}
			fd, err := t.open(dir, name)
			switch err {
			case nil:
				opened = append(opened, fd)
			case unix.ENOENT, unix.EACCES:
				continue // gone again, or not to be reached by anybody of this process
			default:
				return &fs.PathError{Op: "unveil", Path: at, Err: err}
			}
			var inside []*veilNode
			common := rights
			for _, n := range deeper {
				if n.below(at) {
					inside = append(inside, n)
					common &= n.may.rights()
				}
			}
			grant(fd, at, common)
			if rest := rights &^ common; rest != 0 {
				if err := spread(fd, at, rest, inside); err != nil {
					return err
				}
			}
		}
		for _, n := range deeper { // a file system may know it by another name, in capital letters
			if !met[n] && rights&^n.may.rights() != 0 {
				return &fs.PathError{Op: "unveil", Path: n.path, Err: fmt.Errorf("%w: its directory does not list that name, so that it cannot be told from what else is there", unix.ENOENT)}
			}
		}
		return nil
	}
	for _, n := range nodes {
		var deeper []*veilNode
		all := n.may.rights()
		common := all
		for _, m := range nodes {
			if m.below(n.path) {
				deeper = append(deeper, m)
				common &= m.may.rights()
			}
		}
		grant(n.fd, n.path, common)
		if rest := all &^ common; rest != 0 {
			if err := spread(n.fd, n.path, rest, deeper); err != nil {
				return rules, opened, err
			}
		}
	}
	return rules, opened, nil
}

// loaders are dynamic loaders, which the kernel executes beside a program that
// names one.
var loaders = []string{
	"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
	"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1",
}

// loaderRules let the loaders be executed where something may be.
func loaderRules(nodes []*veilNode) (rules []landlock.PathRule) {
	if slices.ContainsFunc(nodes, func(n *veilNode) bool { return n.may&mayExecute != 0 }) {
		for _, path := range loaders {
			rules = append(rules, landlock.PathRule{Path: path, Access: mayExecute.rights()})
		}
	}
	return rules
}

// checkMissing reports a path that does not exist and could not have its
// permissions when it is made: Landlock grants nothing by name, so it will have
// those of the directory it is made in. Nothing that exists is withheld
// silently; a path that only could be read or written, if it were there, may
// be missing.
func checkMissing(missing *veilNode, nodes []*veilNode) error {
	var cover permissions
	for _, n := range nodes { // sorted: the longest is last
		if missing.below(n.path) {
			cover = n.may
		}
	}
	switch {
	case cover&^missing.may != 0:
		return &fs.PathError{Op: "unveil", Path: missing.path, Err: fmt.Errorf(
			"%w: it could not be told from what else is made in its directory, which is unveiled with %q; create it first", unix.ENOENT, cover)}
	case missing.may&mayCreate != 0 && missing.may&^cover != 0:
		return &fs.PathError{Op: "unveil", Path: missing.path, Err: fmt.Errorf(
			"%w: Landlock grants nothing by name; create it first, or unveil its directory with %q", unix.ENOENT, missing.may)}
	}
	return nil
}

// fileSystem is the tree of the kernel.
type fileSystem struct{}

func (fileSystem) list(fd int) ([]string, error) {
	dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(dir), "")
	defer f.Close()
	return f.Readdirnames(-1)
}

func (fileSystem) open(dir int, name string) (fd int, err error) {
	for err = unix.EINTR; err == unix.EINTR; {
		fd, err = unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	return fd, err
}

// resolve opens a path and finds out what the kernel calls it. Where the
// process may not read, and so not ask, a symbolic link in it is an error.
func resolve(path string, canRead bool) (*veilNode, error) {
	open := func(path string) (*veilNode, error) {
		if !canRead {
			return walk(path)
		}
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || !filepath.IsAbs(real) {
			unix.Close(fd)
			if err == nil {
				err = unix.ENOENT // outside of this process's root
			}
			return nil, fmt.Errorf("%w: what the kernel calls it is in /proc/self/fd", cmp.Or(errnoOf(err), unix.ENOENT))
		}
		return &veilNode{fd: fd, path: real}, nil
	}
	n, err := open(path)
	if err != unix.ENOENT || strings.HasSuffix(path, "/") {
		return n, err
	}
	// Not filepath.Dir: where a symbolic link is before "..", the kernel goes
	// elsewhere.
	dir, name := filepath.Split(path)
	if name == "." || name == ".." {
		return nil, err
	}
	if target, err := os.Readlink(path); canRead && err == nil { // a link to nothing
		if !filepath.IsAbs(target) {
			target = dir + target
		}
		return resolve(target, canRead)
	}
	n, err = open(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	n.missing, n.path = true, filepath.Join(n.path, name)
	return n, nil
}

func errnoOf(err error) (e syscall.Errno) {
	errors.As(err, &e)
	return e
}

// walk opens an absolute path name by name.
func walk(path string) (*veilNode, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf(`%w: without promise "rpath" a path must begin with "/"`, unix.EACCES)
	}
	if slices.Contains(strings.Split(path, "/"), "..") {
		return nil, fmt.Errorf(`%w: without promise "rpath" a path must not have "..", which a symbolic link before it would lead elsewhere`, unix.EACCES)
	}
	path = filepath.Clean(path)
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	for _, name := range strings.Split(path, "/") {
		if err != nil || name == "" {
			continue
		}
		dir := fd
		fd, err = fileSystem{}.open(dir, name)
		unix.Close(dir)
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			unix.Close(fd)
			err = fmt.Errorf(`%w: %s is a symbolic link, which promise "rpath" would let be followed`, unix.EACCES, name)
		}
	}
	if err != nil {
		return nil, err
	}
	return &veilNode{fd: fd, path: path}, nil
}

// unveil adds a path to those that are to be seen.
func (c Config) unveil(path string, may permissions) error {
	inForce.Lock()
	defer inForce.Unlock()
	st := &inForce.state
	if st.Unveil == UnveilInForce || st.Unveil == UnveilClosed || st.Pledged && !st.Promises.Has(UnveilPromise) {
		return &fs.PathError{Op: "unveil", Path: path, Err: unix.EPERM}
	}
	if err := c.checkLandlock(usableABI()); err != nil {
		return err
	}
	n, err := resolve(path, st.mayRead())
	if err != nil {
		return &fs.PathError{Op: "unveil", Path: path, Err: err}
	}
	n.may, n.id = may, idOf(n.fd)
	inForce.nodes = addNode(inForce.nodes, n)
	st.Unveil = UnveilPending
	st.Unveiled = nil
	for _, n := range inForce.nodes {
		st.Unveiled = append(st.Unveiled, UnveiledPath{n.path, n.may.String()})
	}
	return nil
}

// addNode adds to nodes that are sorted by path. Of two with one path the later
// counts.
func addNode(nodes []*veilNode, n *veilNode) []*veilNode {
	at, found := slices.BinarySearchFunc(nodes, n.path, func(m *veilNode, path string) int { return cmp.Compare(m.path, path) })
	if !found {
		return slices.Insert(nodes, at, n)
	}
	if nodes[at].id == (fileID{}) || idOf(nodes[at].fd) == nodes[at].id {
		unix.Close(nodes[at].fd)
	}
	nodes[at] = n
	return nodes
}

// checkUnix reports a kernel that cannot hide local sockets from a process that
// may connect to them.
func checkUnix(s Set, abi landlock.ABI) error {
	if !s.Has(Unix) || abi.FS()&landlock.ResolveUnix != 0 {
		return nil
	}
	return &UnsupportedError{
		Missing: fmt.Sprintf("Landlock of this kernel (ABI %d) cannot keep a process with %q from connecting to local sockets that unveil hides", abi.Version, Unix),
		Remedy:  `Linux 7.1 or later is needed (ABI 9); or connect first and give up "unix", or set Config.BestEffort to leave local sockets alone`,
	}
}

// checkLandlock reports a kernel that cannot hide anything.
func (c Config) checkLandlock(abi landlock.ABI) error {
	if abi.Version > 0 || c.BestEffort {
		return nil
	}
	return &UnsupportedError{
		Missing: "this kernel has no Landlock, without which unveil can hide nothing",
		Remedy:  "Linux 5.13 or later is needed, with landlock among its security modules (lsm=), and 7.0 for a program that has something else in place of cgo; or set Config.BestEffort to do without",
	}
}

// mayRead reports whether the process may open files to read, for all that it
// has pledged.
func (st *State) mayRead() bool { return !st.Pledged || st.Promises.Has(Rpath) }

// veil returns the rules for what was unveiled and is there.
func (st *State) veil(nodes []*veilNode) (present []*veilNode, rules []landlock.PathRule, opened []int, err error) {
	var missing []*veilNode
	for _, n := range nodes {
		if n.id != (fileID{}) && idOf(n.fd) != n.id {
			return nil, nil, opened, &fs.PathError{Op: "unveil", Path: n.path, Err: fmt.Errorf("%w: another part of the program closed the descriptor that stands for it", unix.EBADF)}
		}
		if !n.missing && isGone(n.fd) { // removed, or replaced by another file
			if fd, err := (fileSystem{}).open(unix.AT_FDCWD, n.path); err == nil {
				opened = append(opened, fd)
				present = append(present, &veilNode{path: n.path, fd: fd, may: n.may})
			} else {
				missing = append(missing, n)
			}
			continue
		}
		if st.mayRead() && !n.missing { // where it is now
			if real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.fd)); err == nil {
				n = &veilNode{path: real, fd: n.fd, may: n.may}
			}
		}
		if n.missing {
			fd, err := fileSystem{}.open(n.fd, filepath.Base(n.path))
			if err != nil {
				missing = append(missing, n)
				continue
			}
			opened = append(opened, fd)
			n = &veilNode{path: n.path, fd: fd, may: n.may}
		}
		present = append(present, n)
	}
	slices.SortStableFunc(present, func(x, y *veilNode) int { return cmp.Compare(x.path, y.path) })
	for _, n := range missing {
		if err := checkMissing(n, present); err != nil {
			return nil, nil, opened, err
		}
	}
	t := tree(fileSystem{})
	if !st.mayRead() {
		t = unreadable{}
	}
	rules, more, err := veilRules(present, t)
	return present, append(rules, loaderRules(present)...), append(opened, more...), err
}

// isGone reports whether a file has no name any more. Directories may have none
// either, but then there is nothing in them.
func isGone(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink == 0
}

// unreadable is the tree of a process that may not list directories.
type unreadable struct{ fileSystem }

func (unreadable) list(int) ([]string, error) {
	return nil, fmt.Errorf(`%w: to withhold from a path what its directory has, what else is in it must be listed, which needs promise "rpath"`, unix.EACCES)
}

// veilPolicy is for a process that hides files without having pledged: it may
// do everything but what Landlock would not keep from it.
func (pr process) veilPolicy() *policy.Policy {
	return pr.rules(rows{veilRows, veilOpenRows, openOf(veilOpenRows)}, pr.held(0), policy.Allow).Simplify()
}

package pledge

import (
	"io/fs"
	"strings"
	"syscall"
)

// Unveil lets the process go on seeing a path when the file system is hidden
// from it. It is short for Config{}.Unveil(path, permissions).
func Unveil(path, permissions string) error { return Config{}.Unveil(path, permissions) }

// UnveilBlock hides what has not been unveiled. It is short for
// Config{}.UnveilBlock().
func UnveilBlock() error { return Config{}.UnveilBlock() }

// Unveil adds a path to those that the process may use, and how: "r" to read,
// "w" to write, "x" to execute, "c" to create and remove, in any combination;
// "" hides it. A directory stands for all below it, and of several paths that
// lead to a file the longest decides. Naming a path again replaces its
// permissions. A symbolic link is followed.
//
// Nothing is hidden yet. On Linux that happens at [Config.UnveilBlock], at a
// [Config.Pledge] without "unveil", or never: a program that calls neither is
// not restricted; see [State]. On OpenBSD it begins with the first call.
//
// What does not exist may be unveiled if its directory exists; Landlock grants
// nothing by name, though. What is still missing when the rest is hidden has the
// permissions of the directory above it that is unveiled, also if it is made
// later. It is an error then (ENOENT) if they are more than it was to have, or if
// it was to have "c" and they are less; if they lack "r", "w" or "x", it does
// without.
//
// Errors are [*fs.PathError] with the errno of unveil(2): ENOENT, if a directory
// of the path does not exist, or /proc is not mounted; EINVAL, if permissions
// has another letter, or path is empty or has a zero byte; ENAMETOOLONG, for
// more than four letters; EACCES, if finding the path takes "rpath" and the
// process has given that up; EPERM, after UnveilBlock, or if the process has
// pledged without "unveil". Without Landlock (Linux 5.13) it is an
// [*UnsupportedError], unless BestEffort is set.
//
// Check the error: if no Unveil has succeeded, nothing will be hidden.
func (c Config) Unveil(path, permissions string) error {
	if err := c.validate(); err != nil {
		return err
	}
	p, errno := parsePermissions(permissions)
	switch {
	case errno != 0:
		return &fs.PathError{Op: "unveil", Path: path, Err: errno}
	case path == "" || strings.ContainsRune(path, 0):
		return &fs.PathError{Op: "unveil", Path: path, Err: syscall.EINVAL}
	}
	return c.unveil(path, p)
}

// UnveilBlock hides what has not been unveiled, from every thread of the
// process, from now on and for all programs that it starts. If nothing has been
// unveiled, nothing is hidden. Either way there can be no further Unveil.
//
// The errors are [*fs.PathError], [*UnsupportedError] and [*InstallError]; then
// nothing has changed.
func (c Config) UnveilBlock() error {
	if err := c.validate(); err != nil {
		return err
	}
	return c.unveilBlock()
}

// permissions are those of unveil(2).
type permissions uint8

const (
	mayRead permissions = 1 << iota
	mayWrite
	mayExecute
	mayCreate
)

const permissionLetters = "rwxc"

// parsePermissions reads a permission string as unveil(2) does.
func parsePermissions(s string) (p permissions, errno syscall.Errno) {
	if len(s) > len(permissionLetters) {
		return 0, syscall.ENAMETOOLONG
	}
	for _, letter := range []byte(s) {
		i := strings.IndexByte(permissionLetters, letter)
		if i < 0 {
			return 0, syscall.EINVAL
		}
		p |= 1 << i
	}
	return p, 0
}

func (p permissions) String() string {
	var b strings.Builder
	for i := range len(permissionLetters) {
		if p>>i&1 == 1 {
			b.WriteByte(permissionLetters[i])
		}
	}
	return b.String()
}

// An UnveilState says how far the process is with unveil.
type UnveilState uint8

const (
	UnveilNone    UnveilState = iota // nothing has been unveiled
	UnveilPending                    // something has been, and nothing is hidden yet
	UnveilInForce                    // all else is hidden
	UnveilClosed                     // nothing is hidden, and nothing can be any more
)

// closed returns the state after which there is no further Unveil.
func (u UnveilState) closed() UnveilState {
	switch u {
	case UnveilNone:
		return UnveilClosed
	case UnveilPending:
		return UnveilInForce
	}
	return u
}

var unveilStateNames = [...]string{"none", "pending", "in force", "closed"}

// String returns the state in lower case, as "in force".
func (u UnveilState) String() string {
	if int(u) < len(unveilStateNames) {
		return unveilStateNames[u]
	}
	return "unknown"
}

// An UnveiledPath is a path that has been unveiled.
type UnveiledPath struct {
	Path        string // as the kernel knows it, symbolic links resolved
	Permissions string
}

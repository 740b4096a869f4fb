//go:build linux && (amd64 || arm64)

package trace

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A perm is what is done to a path, in the letters of unveil(2).
type perm uint8

const (
	read perm = 1 << iota
	write
	execute
	create
)

func (p perm) String() string {
	var b strings.Builder
	for i, letter := range "rwxc" {
		if p>>i&1 == 1 {
			b.WriteRune(letter)
		}
	}
	return b.String()
}

// A PathRule is a path and what a program does below it.
type PathRule struct {
	Permissions string `json:"permissions"` // as unveil(2) takes them
	Path        string `json:"path"`
}

// permsOf says what a call does to each of its paths, and whether that is about
// the directory that has the name.
func permsOf(name string, args [6]uint64) (perms []perm, parent bool) {
	switch name {
	case "open":
		return openPerms(args[1])
	case "openat":
		return openPerms(args[2])
	case "creat":
		return []perm{write | create}, true
	case "truncate", "connect", "sendto": // to a local socket, from ABI 9 of Landlock on
		return []perm{write}, false
	case "execve", "execveat":
		return []perm{execute}, false
	case "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "mknod", "mknodat", "symlink", "symlinkat", "bind":
		return []perm{create}, true
	case "link", "linkat", "rename", "renameat", "renameat2":
		return []perm{create, create}, true
	}
	return nil, false
}

// openPerms reads the flags of open(2). What does not exist yet can only be
// allowed through its directory.
func openPerms(flags uint64) (perms []perm, parent bool) {
	if flags&unix.O_PATH != 0 {
		return nil, false
	}
	var p perm
	switch flags & unix.O_ACCMODE {
	case unix.O_RDONLY:
		p = read
	case unix.O_WRONLY:
		p = write
	default:
		p = read | write
	}
	if flags&unix.O_TMPFILE == unix.O_TMPFILE {
		return []perm{p | create}, false
	}
	if flags&unix.O_CREAT != 0 {
		return []perm{p | create}, true
	}
	return []perm{p}, false
}

// trees are directories that hold nothing but what is the same for everybody.
var trees = strings.Fields(`/bin /sbin /lib /lib64 /usr /opt /nix/store /proc /sys /etc/ssl /etc/pki /etc/ca-certificates /etc/alternatives
	/usr/lib /usr/lib64 /usr/libexec /usr/share /usr/bin /usr/sbin /usr/include
	/usr/local/lib /usr/local/share /usr/local/bin /usr/local/libexec`)

// foldAt is from how many names on a directory takes their place.
const foldAt = 4

// fold proposes rules for the paths that were used. A path that is not there
// any more is allowed through its nearest directory; many names in one
// directory become the directory, but not one at the top, which would be as
// good as everything.
func fold(used map[string]perm, exists func(string) bool) []PathRule {
	rules := map[string]perm{}
	for p, perms := range used {
		if isProcess(p) {
			p = "/proc"
		}
		for p != "/" && !exists(p) {
			if p = path.Dir(p); p == "/" {
				perms &^= execute // of a file that is no more, which is not worth everything
			}
		}
		if perms != 0 {
			rules[path.Clean(p)] |= perms
		}
	}
	for _, tree := range byDepth(trees) {
		var in []string
		for p, perms := range rules {
			if below(p, tree) && perms&(write|create) == 0 {
				in = append(in, p)
			}
		}
		gather(rules, tree, 2, in)
	}
	for depth := 12; depth >= 2; depth-- {
		type kind struct {
			dir   string
			perms perm
		}
		same := map[kind][]string{}
		for p, perms := range rules {
			if d := path.Dir(p); strings.Count(d, "/") == depth {
				same[kind{d, perms}] = append(same[kind{d, perms}], p)
			}
		}
		for k, names := range same { // whose directories are not among them
			gather(rules, k.dir, foldAt, names)
		}
	}
	out := []PathRule{}
	for p, perms := range rules {
		if !covered(rules, p, perms) {
			out = append(out, PathRule{perms.String(), p})
		}
	}
	slices.SortFunc(out, func(a, b PathRule) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// isProcess reports whether a path is about one process, which will not be there
// the next time.
func isProcess(p string) bool {
	rest, ok := strings.CutPrefix(p, "/proc/")
	name, _, _ := strings.Cut(rest, "/")
	return ok && (name == "self" || name == "thread-self" || name != "" && strings.Trim(name, "0123456789") == "")
}

// gather replaces paths by a directory, if there are enough of them.
func gather(rules map[string]perm, dir string, enough int, from []string) {
	if len(from) < enough {
		return
	}
	for _, p := range from {
		rules[dir] |= rules[p]
		delete(rules, p)
	}
}

// covered reports whether a directory above has all permissions already.
func covered(rules map[string]perm, p string, perms perm) bool {
	for p != "/" {
		p = path.Dir(p)
		if above, ok := rules[p]; ok && perms&^above == 0 {
			return true
		}
	}
	return false
}

func below(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }

// byDepth sorts the deepest first.
func byDepth(dirs []string) []string {
	out := slices.Clone(dirs)
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(strings.Count(b, "/"), strings.Count(a, "/")) })
	return out
}

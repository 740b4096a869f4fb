//go:build linux

package vmtest

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// An Archive is an initramfs in the making: a cpio archive of the newc format
// (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
// All files in it belong to root. Archives can be strung together; where two
// have a file of one name, the later has it.
type Archive struct {
	w     *bufio.Writer
	names map[string]bool
	off   int
	err   error
}

// NewArchive returns an archive that is written to w.
func NewArchive(w io.Writer) *Archive {
	return &Archive{w: bufio.NewWriterSize(w, 1<<20), names: map[string]bool{}}
}

// File types of st_mode.
const (
	typeDir     = 0o040000
	typeChar    = 0o020000
	typeFile    = 0o100000
	typeSymlink = 0o120000
)

func (a *Archive) entry(name string, mode uint32, data []byte, major, minor int) {
	if a.names[name] {
		return // what came first stays
	}
	a.names[name] = true
	a.put(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		len(a.names), mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name)+1, 0))
	a.put([]byte(name + "\x00"))
	a.pad()
	a.put(data)
	a.pad()
}

func (a *Archive) put(b []byte) {
	a.off += len(b)
	if _, err := a.w.Write(b); err != nil && a.err == nil {
		a.err = err
	}
}

func (a *Archive) pad() { a.put(make([]byte, -a.off&3)) }

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func (a *Archive) parents(name string) {
	if dir := path.Dir(name); dir != "." && !a.names[dir] {
		a.parents(dir)
		a.entry(dir, typeDir|0o755, nil, 0, 0)
	}
}

// File adds a file with the permission bits.
func (a *Archive) File(name string, perm fs.FileMode, data []byte) {
	name = clean(name)
	a.parents(name)
	a.entry(name, typeFile|uint32(perm.Perm()), data, 0, 0)
}

// Dir adds a folder with the permission bits.
func (a *Archive) Dir(name string, perm fs.FileMode) {
	name = clean(name)
	a.parents(name)
	a.entry(name, typeDir|uint32(perm.Perm()), nil, 0, 0)
}

// Symlink adds a symbolic link.
func (a *Archive) Symlink(name, target string) {
	name = clean(name)
	a.parents(name)
	a.entry(name, typeSymlink|0o777, []byte(target), 0, 0)
}

// Console adds /dev/console, which the kernel opens for its first process.
func (a *Archive) Console() {
	a.Dir("dev", 0o755)
	a.entry("dev/console", typeChar|0o600, nil, 5, 1)
}

// Tree adds the file or folder src of this system as dst, with all that is
// below it except what skip, if not nil, says.
func (a *Archive) Tree(dst, src string, skip func(name string) bool) error {
	return filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		if rel != "." && skip != nil && skip(filepath.ToSlash(rel)) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		name := clean(path.Join(dst, filepath.ToSlash(rel)))
		info, err := d.Info()
		if err != nil || name == "" {
			return err
		}
		mode := uint32(info.Mode().Perm())
		for bit, m := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
			if info.Mode()&m != 0 {
				mode |= bit
			}
		}
		a.parents(name)
		switch {
		case info.IsDir():
			a.entry(name, typeDir|mode, nil, 0, 0)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			a.entry(name, typeSymlink|0o777, []byte(target), 0, 0)
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			a.entry(name, typeFile|mode, data, 0, 0)
		}
		return a.err
	})
}

// Close writes the archive's end.
func (a *Archive) Close() error {
	a.entry("TRAILER!!!", 0, nil, 0, 0)
	if a.err != nil {
		return a.err
	}
	return a.w.Flush()
}

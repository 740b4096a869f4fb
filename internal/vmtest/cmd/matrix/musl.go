//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// fortify is what Debian's libseccomp wants of glibc that musl lacks.
const fortify = `#include <stdarg.h>
#include <stdio.h>
int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vfprintf(f, format, args);
	va_end(args);
	return n;
}
`

// prepareMusl makes of Debian's static libseccomp, of amd64, one that links
// with musl, and returns the environment to build with it.
func (m *matrix) prepareMusl() ([]string, error) {
	sysroot, _, err := m.store.Sysroot("amd64", m.suite, libseccompDev...)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(m.work, "musl")
	include := filepath.Join(dir, "include")
	lib := filepath.Join(dir, "libseccomp.a")
	if err := os.MkdirAll(include, 0o777); err != nil {
		return nil, err
	}
	for name, target := range map[string]string{
		"linux": "/usr/include/linux", "asm-generic": "/usr/include/asm-generic", "asm": "/usr/include/x86_64-linux-gnu/asm",
		"seccomp.h": sysroot + "/usr/include/seccomp.h", "seccomp-syscalls.h": sysroot + "/usr/include/seccomp-syscalls.h",
	} {
		if err := os.Symlink(target, filepath.Join(include, name)); err != nil {
			return nil, err
		}
	}
	archive, err := os.ReadFile(filepath.Join(sysroot, "usr/lib/x86_64-linux-gnu/libseccomp.a"))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(
		os.WriteFile(lib, archive, 0o666),
		os.WriteFile(filepath.Join(dir, "fortify.c"), []byte(fortify), 0o666),
		os.WriteFile(filepath.Join(dir, "libseccomp.pc"), fmt.Appendf(nil, "Name: libseccomp\nDescription: with musl\nVersion: 2\nLibs: -L%s -lseccomp\n", dir), 0o666),
	); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"musl-gcc", "-O2", "-c", "fortify.c"}, {"ar", "r", lib, "fortify.o"}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
	}
	return []string{"CGO_ENABLED=1", "CC=musl-gcc", "CGO_CFLAGS=-O2 -isystem " + include, "PKG_CONFIG_LIBDIR=" + dir,
		"GOCACHE=" + filepath.Join(m.store.Dir, "gocache", m.suite+"-musl")}, nil
}

//go:build linux

package pledge

import (
	"slices"

	"golang.org/x/sys/unix"
)

// auditArch marks the system calls of amd64 for a filter.
const auditArch = unix.AUDIT_ARCH_X86_64

// x32 says that this architecture has x32, whose calls have the same mark.
const x32 = true

// archPathAttributes are those of pathAttributes that only amd64 has.
var archPathAttributes = []uint32{unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT}

// openOf returns the rows of open(2), which only amd64 has, like those of
// openat(2): without its first argument, the directory.
func openOf(openat []row) []row {
	rows := slices.Clone(openat)
	for i := range rows {
		r := &rows[i]
		r.calls, r.when = []uint32{unix.SYS_OPEN}, slices.Clone(r.when)
		for j := range r.when {
			r.when[j].arg--
		}
	}
	return rows
}

// archRows are the rows that only amd64 has: mostly calls from before the
// *at() forms, which C libraries and old programs still make.
var archRows = []row{
	{needs: always(), calls: []uint32{unix.SYS_TIME}, note: "the clock where the vDSO cannot tell it"},
	{needs: always(), calls: []uint32{unix.SYS_URETPROBE, unix.SYS_UPROBE},
		note: "made by the kernel's own trampolines when somebody traces the process; elsewhere they end in a signal"},
	{needs: need(Stdio), calls: []uint32{
		unix.SYS_DUP2, unix.SYS_PIPE, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_CREATE, unix.SYS_EPOLL_WAIT,
		unix.SYS_EVENTFD, unix.SYS_SIGNALFD, unix.SYS_ALARM, unix.SYS_PAUSE, unix.SYS_GETPGRP,
	}, note: "older forms of dup3, pipe2, ppoll, pselect6, epoll_create1, epoll_pwait, eventfd2, signalfd4, setitimer, rt_sigsuspend, getpgid"},
	{needs: need(Rpath), calls: []uint32{
		unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_GETDENTS, unix.SYS_INOTIFY_INIT,
	}, note: "older forms of newfstatat, faccessat, readlinkat, getdents64, inotify_init1"},
	{needs: either(Wpath, Cpath, Dpath, Fattr, Chown, Unix, Exec, Getpw, DNS, Tmppath, PS, Vminfo), errno: unix.EACCES, calls: []uint32{
		unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK,
	}, note: "looking before acting; without rpath there is nothing to see"},
	{needs: need(Tmppath, makable), calls: []uint32{unix.SYS_UNLINK}, note: "files in /tmp"},
	{needs: need(Tmppath, alone), errno: unix.EACCES, calls: []uint32{unix.SYS_UNLINK}, note: indistinct},
	{needs: need(Wpath, Cpath), calls: []uint32{unix.SYS_CREAT}, when: conds{no(1, 0o7000)}, note: "open with O_CREAT|O_WRONLY|O_TRUNC"},
	{needs: need(Wpath, Cpath), errno: unix.EPERM, calls: []uint32{unix.SYS_CREAT}, note: specialBits},
	{needs: need(Cpath), calls: []uint32{
		unix.SYS_MKDIR, unix.SYS_RMDIR, unix.SYS_UNLINK, unix.SYS_LINK, unix.SYS_SYMLINK, unix.SYS_RENAME,
	}, note: "older forms of mkdirat, unlinkat, linkat, symlinkat, renameat"},
	{needs: need(Dpath), calls: []uint32{unix.SYS_MKNOD}, when: conds{node(1)}, note: "older form of mknodat"},
	{needs: need(Dpath), errno: unix.EPERM, calls: []uint32{unix.SYS_MKNOD}, note: specialNodes},
	{needs: need(Fattr, anyPath), calls: []uint32{unix.SYS_CHMOD}, when: conds{no(1, 0o7000)}, note: "older form of fchmodat"},
	{needs: need(Fattr), errno: unix.EPERM, calls: []uint32{unix.SYS_CHMOD}, note: specialBits},
	{needs: need(Fattr, anyPath), calls: []uint32{unix.SYS_UTIME, unix.SYS_UTIMES, unix.SYS_FUTIMESAT}, note: "older forms of utimensat"},
	{needs: need(Fattr, anyPath), calls: []uint32{unix.SYS_CHOWN, unix.SYS_LCHOWN}, when: conds{ownUser(1), ownGroup(2)}, note: "older forms of fchownat"},
	{needs: need(Fattr), errno: unix.EPERM, calls: []uint32{unix.SYS_CHOWN, unix.SYS_LCHOWN}, note: "to others: OpenBSD's errno"},
	{needs: need(Chown, anyPath), calls: []uint32{unix.SYS_CHOWN, unix.SYS_LCHOWN}, note: "older forms of fchownat"},
	{needs: need(Proc), calls: []uint32{unix.SYS_FORK, unix.SYS_VFORK}, note: "older forms of clone"},
	{needs: need(Exec), calls: []uint32{unix.SYS_ARCH_PRCTL}, when: conds{is(0, archSetFS, archGetFS)}, note: "the new program's thread pointer"},
	{needs: need(Exec), errno: unix.EINVAL, calls: []uint32{unix.SYS_ARCH_PRCTL}, note: "C libraries ask for shadow stacks"},
}

// launchArchRows are the launchRows that only amd64 has.
var launchArchRows = []row{
	{needs: always(), calls: []uint32{unix.SYS_ARCH_PRCTL}, when: conds{is(0, archSetFS, archGetFS)}, note: "the thread pointer"},
	{needs: always(), errno: unix.EINVAL, calls: []uint32{unix.SYS_ARCH_PRCTL}, note: "C libraries ask for shadow stacks"},
	{needs: always(), errno: unix.EACCES, calls: []uint32{unix.SYS_READLINK}, note: "older form of readlinkat"},
}

// asm/prctl.h
const (
	archSetFS = 0x1002
	archGetFS = 0x1003
)

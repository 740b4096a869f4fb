package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// SyscallInfo is what ptrace(2) tells of a stopped thread, the same way on all
// architectures: struct ptrace_syscall_info of Linux 5.3.
type SyscallInfo struct {
	Op   uint8 // PTRACE_SYSCALL_INFO_*: ENTRY, EXIT, or NONE where it is not in a call
	_    [3]byte
	Arch uint32 // AUDIT_ARCH_*
	IP   uint64
	SP   uint64
	data [8]uint64 // by Op: the number and six arguments, or the result
}

// Call returns the number and the arguments of a call that is about to be made.
func (i *SyscallInfo) Call() (nr uint64, args [6]uint64) { return i.data[0], [6]uint64(i.data[1:7]) }

// Result returns what a call returned, an errno as a negative number.
func (i *SyscallInfo) Result() int64 { return int64(i.data[0]) }

// PtraceSyscallInfo asks what a stopped thread is doing.
func PtraceSyscallInfo(tid int) (*SyscallInfo, error) {
	var info SyscallInfo
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if e != 0 {
		return nil, e
	}
	return &info, nil
}

// PtraceListen leaves a thread stopped that was stopped together with its
// process (SIGSTOP and the like), and lets SIGCONT wake it.
func PtraceListen(tid int) error {
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_LISTEN, uintptr(tid), 0, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

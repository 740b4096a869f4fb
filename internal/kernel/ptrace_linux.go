//go:build amd64 || arm64

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/policy"
)

// All functions on a traced thread must be called on the operating system
// thread that traces it, while it is stopped: ptrace(2). ESRCH means that it has
// been killed.

// Seize makes the calling thread trace a process, with options in force from the
// beginning. The process goes on running.
func Seize(pid int, options uintptr) error {
	return request(unix.PTRACE_SEIZE, pid, 0, options)
}

// Listen lets a thread be stopped that has come to a group-stop: it goes on when
// SIGCONT ends it, which is another stop to its tracer.
func Listen(tid int) error { return request(unix.PTRACE_LISTEN, tid, 0, 0) }

// Detach lets a traced thread go, delivering a signal unless it is 0.
func Detach(tid int, sig unix.Signal) error {
	return request(unix.PTRACE_DETACH, tid, 0, uintptr(sig))
}

// CPU returns the processor that the calling thread runs on.
func CPU() (int, error) {
	var cpu uint32
	if _, _, e := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); e != 0 {
		return 0, e
	}
	return int(cpu), nil
}

// A Stop is what PTRACE_GET_SYSCALL_INFO (Linux 5.3) says of a stopped thread.
type Stop struct {
	Entry bool        // it is about to make Call
	Call  policy.Data // at other stops only Arch and IP are set
}

// GetStop says where a traced thread stopped.
func GetStop(tid int) (Stop, error) {
	var info struct { // struct ptrace_syscall_info
		op     uint8
		arch   uint32
		ip, sp uint64
		nr     uint64
		args   [6]uint64
		_      [2]uint64 // what younger kernels know in addition
	}
	if err := ptrace(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(info), unsafe.Pointer(&info)); err != nil {
		return Stop{}, err
	}
	s := Stop{Call: policy.Data{Arch: info.arch, IP: info.ip}}
	if info.op == unix.PTRACE_SYSCALL_INFO_ENTRY {
		s.Entry = true
		s.Call.Nr, s.Call.Args = uint32(info.nr), info.args
	}
	return s, nil
}

// SignalCode returns the si_code of the signal that a traced thread stopped for.
func SignalCode(tid int) (code int32, err error) {
	var info struct { // siginfo_t
		signo, errno, code int32
		_                  [116]byte
	}
	err = ptrace(unix.PTRACE_GETSIGINFO, tid, 0, unsafe.Pointer(&info))
	return info.code, err
}

// SignalMask returns the signals that a traced thread blocks, signal n in bit
// n-1.
func SignalMask(tid int) (mask uint64, err error) {
	err = ptrace(unix.PTRACE_GETSIGMASK, tid, unsafe.Sizeof(mask), unsafe.Pointer(&mask))
	return mask, err
}

// SetSignalMask sets the signals that a traced thread blocks.
func SetSignalMask(tid int, mask uint64) error {
	return ptrace(unix.PTRACE_SETSIGMASK, tid, unsafe.Sizeof(mask), unsafe.Pointer(&mask))
}

// Peek reads a traced thread's memory, whatever the protection of its pages.
func Peek(tid int, addr uint64, out []byte) error {
	_, err := unix.PtracePeekText(tid, uintptr(addr), out)
	return err
}

// Poke writes to a traced thread's memory, whatever the protection of its
// pages: those of a file get a copy.
func Poke(tid int, addr uint64, data []byte) error {
	_, err := unix.PtracePokeText(tid, uintptr(addr), data)
	return err
}

// WriteMemory writes to another process's memory where it may write itself.
func WriteMemory(pid int, addr uint64, data []byte) error {
	local := []unix.Iovec{{Base: unsafe.SliceData(data), Len: uint64(len(data))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(data)}}
	n, err := unix.ProcessVMWritev(pid, local, remote, 0)
	if err == nil && n != len(data) {
		err = unix.EFAULT
	}
	return err
}

func ptrace(req, tid int, addr uintptr, data unsafe.Pointer) error {
	return request(req, tid, addr, uintptr(data))
}

func request(req, tid int, addr, data uintptr) error {
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0); e != 0 {
		return e
	}
	return nil
}

// result turns what a system call left in its register into a value or an
// errno.
func result(r uint64) (uint64, error) {
	const maxErrno = 4095
	if e := -int64(r); e > 0 && e <= maxErrno {
		return 0, syscall.Errno(e)
	}
	return r, nil
}

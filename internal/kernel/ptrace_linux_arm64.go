package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NativeArch marks the calls of this architecture.
const NativeArch = unix.AUDIT_ARCH_AARCH64

// Machine code to stop a program at an address, and to make a system call. A
// thread that a breakpoint stopped is BreakpointLen behind its address.
var (
	Breakpoint      = []byte{0x00, 0x00, 0x20, 0xd4} // brk #0
	CallInstruction = []byte{0x01, 0x00, 0x00, 0xd4} // svc #0
)

const (
	BreakpointLen  = 0
	BreakpointCode = 1 // TRAP_BRKPT
)

// The register sets of ptrace(2): elf.h.
const (
	ntPRStatus      = 0x1
	ntARMSystemCall = 0x404
)

// Regs are the registers of a traced thread.
type Regs struct{ r unix.PtraceRegsArm64 }

// GetRegs reads them.
func GetRegs(tid int) (Regs, error) {
	var regs Regs
	err := unix.PtraceGetRegSetArm64(tid, ntPRStatus, &regs.r)
	return regs, err
}

// Set writes them.
func (regs Regs) Set(tid int) error { return unix.PtraceSetRegSetArm64(tid, ntPRStatus, &regs.r) }

// PC returns the address of the next instruction.
func (regs Regs) PC() uint64 { return regs.r.Pc }

// At returns the registers with another address.
func (regs Regs) At(pc uint64) Regs {
	regs.r.Pc = pc
	return regs
}

// Calling returns the registers with the number and the arguments of a call.
func (regs Regs) Calling(nr uintptr, args [6]uint64) Regs {
	regs.r.Regs[8] = uint64(nr)
	copy(regs.r.Regs[:6], args[:])
	return regs
}

// Result returns the result of a call.
func (regs Regs) Result() (uint64, error) { return result(regs.r.Regs[0]) }

// CancelCall makes the call that a traced thread is about to make fail.
func CancelCall(tid int, e syscall.Errno) error {
	none := int32(-1)
	iov := unix.Iovec{Base: (*byte)(unsafe.Pointer(&none)), Len: 4}
	if err := ptrace(unix.PTRACE_SETREGSET, tid, ntARMSystemCall, unsafe.Pointer(&iov)); err != nil {
		return err
	}
	regs, err := GetRegs(tid)
	if err != nil {
		return err
	}
	regs.r.Regs[0] = -uint64(e)
	return regs.Set(tid)
}

package kernel

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// NativeArch marks the calls of this architecture.
const NativeArch = unix.AUDIT_ARCH_X86_64

// Machine code to stop a program at an address, and to make a system call. A
// thread that a breakpoint stopped is BreakpointLen behind its address.
var (
	Breakpoint      = []byte{0xcc}       // int3
	CallInstruction = []byte{0x0f, 0x05} // syscall
)

const (
	BreakpointLen  = 1
	BreakpointCode = 0x80 // SI_KERNEL
)

// Regs are the registers of a traced thread.
type Regs struct{ r unix.PtraceRegs }

// GetRegs reads them.
func GetRegs(tid int) (Regs, error) {
	var regs Regs
	err := unix.PtraceGetRegs(tid, &regs.r)
	return regs, err
}

// Set writes them.
func (regs Regs) Set(tid int) error { return unix.PtraceSetRegs(tid, &regs.r) }

// PC returns the address of the next instruction.
func (regs Regs) PC() uint64 { return regs.r.Rip }

// At returns the registers with another address.
func (regs Regs) At(pc uint64) Regs {
	regs.r.Rip = pc
	regs.r.Orig_rax = ^uint64(0) // not in a system call that could be restarted
	return regs
}

// Calling returns the registers with the number and the arguments of a call.
func (regs Regs) Calling(nr uintptr, args [6]uint64) Regs {
	r := &regs.r
	r.Rax = uint64(nr)
	r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = args[0], args[1], args[2], args[3], args[4], args[5]
	return regs
}

// Result returns the result of a call.
func (regs Regs) Result() (uint64, error) { return result(regs.r.Rax) }

// CancelCall makes the call that a traced thread is about to make fail.
func CancelCall(tid int, e syscall.Errno) error {
	regs, err := GetRegs(tid)
	if err != nil {
		return err
	}
	regs.r.Orig_rax = ^uint64(0)
	regs.r.Rax = -uint64(e)
	return regs.Set(tid)
}

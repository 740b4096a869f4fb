//go:build linux

package trace

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_X86_64

// breakpoint is int3, behind which it stops.
var breakpoint = []byte{0xcc}

const behindBreakpoint = 1

// skipCall makes a thread that is about to make a call make none.
func skipCall(tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Orig_rax = 1<<64 - 1
	return unix.PtraceSetRegs(tid, &regs)
}

// setResult changes what a call returns.
func setResult(tid int, result int64) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Rax = uint64(result)
	return unix.PtraceSetRegs(tid, &regs)
}

// jump lets a thread go on elsewhere.
func jump(tid int, to uint64) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Rip = to
	return unix.PtraceSetRegs(tid, &regs)
}

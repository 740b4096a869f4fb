//go:build linux

package trace

import "golang.org/x/sys/unix"

const arch = unix.AUDIT_ARCH_AARCH64

// breakpoint is brk #0, at which it stops.
var breakpoint = []byte{0x00, 0x00, 0x20, 0xd4}

const behindBreakpoint = 0

// The register sets of linux/elf.h.
const (
	general    = 1     // NT_PRSTATUS
	systemCall = 0x404 // NT_ARM_SYSTEM_CALL
)

// skipCall makes a thread that is about to make a call make none. The register
// set is one int, the number; the kernel takes no more of what it is given.
func skipCall(tid int) error {
	return unix.PtraceSetRegSetArm64(tid, systemCall, &unix.PtraceRegsArm64{Regs: [31]uint64{1<<64 - 1}})
}

// setResult changes what a call returns.
func setResult(tid int, result int64) error {
	var regs unix.PtraceRegsArm64
	if err := unix.PtraceGetRegSetArm64(tid, general, &regs); err != nil {
		return err
	}
	regs.Regs[0] = uint64(result)
	return unix.PtraceSetRegSetArm64(tid, general, &regs)
}

// jump lets a thread go on elsewhere.
func jump(tid int, to uint64) error {
	var regs unix.PtraceRegsArm64
	if err := unix.PtraceGetRegSetArm64(tid, general, &regs); err != nil {
		return err
	}
	regs.Pc = to
	return unix.PtraceSetRegSetArm64(tid, general, &regs)
}

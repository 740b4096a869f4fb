#include "textflag.h"

// func clone(flags, stack uintptr, pidfd *int32, c *child) int
TEXT ·clone(SB), NOSPLIT, $0-40
	MOVQ flags+0(FP), DI
	MOVQ stack+8(FP), SI
	MOVQ pidfd+16(FP), DX
	MOVQ c+24(FP), R12 // the kernel keeps it
	XORL R10, R10
	XORL R8, R8
	MOVL $56, AX // SYS_clone
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, ret+32(FP)
	RET

child:
	SUBQ $16, SP
	MOVQ R12, 0(SP)
	CALL ·run(SB) // does not return
	INT  $3

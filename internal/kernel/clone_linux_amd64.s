#include "textflag.h"

// func clone(flags, stack uintptr, pidfd *int32, busy *uint32, c *child) int
TEXT ·clone(SB), NOSPLIT, $0-48
	MOVQ flags+0(FP), DI
	MOVQ stack+8(FP), SI
	MOVQ pidfd+16(FP), DX
	MOVQ busy+24(FP), R10
	MOVQ c+32(FP), R12 // the kernel keeps it
	XORL R8, R8
	MOVL $56, AX // SYS_clone
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, ret+40(FP)
	RET

child:
	SUBQ $16, SP
	MOVQ R12, 0(SP)
	CALL ·run(SB) // does not return
	INT  $3

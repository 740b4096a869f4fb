#include "textflag.h"

// func clone(flags, stack uintptr, pidfd *int32, busy *uint32, c *child) int
TEXT ·clone(SB), NOSPLIT, $0-48
	MOVD flags+0(FP), R0
	MOVD stack+8(FP), R1
	MOVD pidfd+16(FP), R2
	MOVD ZR, R3
	MOVD busy+24(FP), R4
	MOVD c+32(FP), R19 // the kernel keeps it
	MOVD $220, R8      // SYS_clone
	SVC
	CBZ  R0, child
	MOVD R0, ret+40(FP)
	RET

child:
	SUB  $32, RSP
	MOVD R19, 8(RSP)
	CALL ·run(SB) // does not return
	BRK

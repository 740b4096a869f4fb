// Package bpf has what is needed to make and to understand programs for
// seccomp(2) without a library: a compiler from policies, the kernel's rules
// for what a valid program is, a machine that runs programs, and a
// disassembler.
package bpf

// An Insn is one instruction of classic BPF: struct sock_filter.
type Insn struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// MaxLen is the most instructions that the kernel takes: BPF_MAXINSNS.
const MaxLen = 4096

// The opcodes in use (linux/bpf_common.h, linux/filter.h).
const (
	ldAbs  = 0x20 // BPF_LD|BPF_W|BPF_ABS: A = word of seccomp_data at K
	ldLen  = 0x80 // BPF_LD|BPF_W|BPF_LEN: A = sizeof(struct seccomp_data)
	ldImm  = 0x00 // BPF_LD|BPF_IMM: A = K
	ldMem  = 0x60 // BPF_LD|BPF_MEM: A = M[K]
	ldxImm = 0x01 // X = K
	ldxMem = 0x61 // X = M[K]
	ldxLen = 0x81 // X = sizeof(struct seccomp_data)
	st     = 0x02 // M[K] = A
	stx    = 0x03 // M[K] = X
	tax    = 0x07 // X = A
	txa    = 0x87 // A = X
	retK   = 0x06
	retA   = 0x16
	alu    = 0x04 // the class; the operation is in 0xf0, the source in 0x08
	aluAnd = 0x54
	jmp    = 0x05 // the class; the operation is in 0xf0, the source in 0x08
	ja     = 0x05
	jeq    = 0x15
	jgt    = 0x25
	jge    = 0x35
	jset   = 0x45

	srcX = 0x08
)

// Offsets in struct seccomp_data.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16

	dataSize = 64
)

// offArg returns the offset of one half of an argument on a little-endian
// machine; both architectures are.
func offArg(arg uint8, high bool) uint32 {
	off := offArgs + 8*uint32(arg)
	if high {
		off += 4
	}
	return off
}

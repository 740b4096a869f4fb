package bpf

import (
	"fmt"

	"github.com/gopledge/pledge/internal/policy"
)

// Validate applies the kernel's rules for seccomp programs
// (kernel/seccomp.c seccomp_check_filter, net/core/filter.c bpf_check_classic):
// 1 to MaxLen instructions, known opcodes only, jumps forward and inside the
// program, aligned loads inside seccomp_data, no division or shift that cannot
// be, no memory read before it is written, a return at the end.
func Validate(prog []Insn) error {
	if len(prog) == 0 || len(prog) > MaxLen {
		return fmt.Errorf("bpf: a program of %d instructions; 1 to %d are allowed", len(prog), MaxLen)
	}
	// written[i] has a bit for each memory word that is written on every way
	// to instruction i.
	written := make([]uint16, len(prog))
	for i := range written {
		written[i] = ^uint16(0)
	}
	valid := uint16(0)
	for i, in := range prog {
		valid &= written[i]
		bad := func(why string) error { return fmt.Errorf("bpf: instruction %d (%v): %s", i, in, why) }
		left := len(prog) - i - 1 // instructions behind this one
		switch in.Code {
		case ldAbs:
			if in.K >= dataSize || in.K%4 != 0 {
				return bad("load outside of seccomp_data")
			}
		case st, stx:
			if in.K >= 16 {
				return bad("no such memory word")
			}
			valid |= 1 << in.K
		case ldMem, ldxMem:
			if in.K >= 16 {
				return bad("no such memory word")
			}
			if valid&(1<<in.K) == 0 {
				return bad("memory read before it is written")
			}
		case ldLen, ldxLen, ldImm, ldxImm, tax, txa, retK, retA:
		case ja:
			if uint64(in.K) >= uint64(left) {
				return bad("jump out of the program")
			}
			written[i+1+int(in.K)] &= valid
			valid = ^uint16(0)
		case jeq, jgt, jge, jset, jeq | srcX, jgt | srcX, jge | srcX, jset | srcX:
			if int(in.Jt) >= left || int(in.Jf) >= left {
				return bad("jump out of the program")
			}
			written[i+1+int(in.Jt)] &= valid
			written[i+1+int(in.Jf)] &= valid
			valid = ^uint16(0)
		default:
			if in.Code&0x07 != alu || !aluKnown(in.Code) {
				return bad("not an instruction of seccomp")
			}
			if in.Code&srcX == 0 {
				switch op := in.Code & 0xf0; {
				case op == aluDiv && in.K == 0:
					return bad("division by zero")
				case (op == aluLsh || op == aluRsh) && in.K >= 32:
					return bad("shift by 32 bits or more")
				}
			}
		}
	}
	if last := prog[len(prog)-1].Code; last != retK && last != retA {
		return fmt.Errorf("bpf: the program does not end in a return")
	}
	return nil
}

// The operations of the alu class.
const (
	aluAdd    = 0x00
	aluSub    = 0x10
	aluMul    = 0x20
	aluDiv    = 0x30
	aluOr     = 0x40
	aluAndOp  = 0x50
	aluLsh    = 0x60
	aluRsh    = 0x70
	aluNeg    = 0x80
	aluXor    = 0xa0
	aluNegAll = alu | aluNeg
)

func aluKnown(code uint16) bool {
	if code&^0xff != 0 {
		return false
	}
	switch code & 0xf0 {
	case aluAdd, aluSub, aluMul, aluDiv, aluOr, aluAndOp, aluLsh, aluRsh, aluXor:
		return true
	}
	return code == aluNegAll
}

// Run executes a valid program on a call, as the kernel would.
func Run(prog []Insn, d *policy.Data) policy.Verdict {
	v, _ := Trace(prog, d, nil)
	return v
}

// Trace executes a valid program on a call and returns its verdict and how many
// instructions it took. If visit is not nil, it is called with the index of
// each instruction before that is executed.
func Trace(prog []Insn, d *policy.Data, visit func(pc int)) (verdict policy.Verdict, steps int) {
	var a, x uint32
	var mem [16]uint32
	for pc := 0; ; pc++ {
		if visit != nil {
			visit(pc)
		}
		steps++
		in := prog[pc]
		src := in.K
		if in.Code&srcX != 0 {
			src = x
		}
		switch in.Code {
		case ldAbs:
			a = load(d, in.K)
		case ldLen:
			a = dataSize
		case ldImm:
			a = in.K
		case ldMem:
			a = mem[in.K]
		case ldxImm:
			x = in.K
		case ldxMem:
			x = mem[in.K]
		case ldxLen:
			x = dataSize
		case st:
			mem[in.K] = a
		case stx:
			mem[in.K] = x
		case tax:
			x = a
		case txa:
			a = x
		case retK:
			return policy.Verdict(in.K), steps
		case retA:
			return policy.Verdict(a), steps
		case ja:
			pc += int(in.K)
		default:
			if in.Code&0x07 == jmp {
				if compare(in.Code, a, src) {
					pc += int(in.Jt)
				} else {
					pc += int(in.Jf)
				}
				continue
			}
			var ok bool
			if a, ok = compute(in.Code, a, src); !ok {
				return 0, steps // division by zero in X: the kernel returns 0, KILL_THREAD
			}
		}
	}
}

func compare(code uint16, a, b uint32) bool {
	switch code &^ srcX {
	case jeq:
		return a == b
	case jgt:
		return a > b
	case jge:
		return a >= b
	}
	return a&b != 0
}

func compute(code uint16, a, b uint32) (uint32, bool) {
	switch code & 0xf0 {
	case aluAdd:
		return a + b, true
	case aluSub:
		return a - b, true
	case aluMul:
		return a * b, true
	case aluDiv:
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case aluOr:
		return a | b, true
	case aluAndOp:
		return a & b, true
	case aluXor:
		return a ^ b, true
	case aluLsh:
		return a << (b & 31), true
	case aluRsh:
		return a >> (b & 31), true
	}
	return -a, true
}

// load returns the 32 bits of seccomp_data at an aligned offset.
func load(d *policy.Data, off uint32) uint32 {
	switch {
	case off == offNr:
		return d.Nr
	case off == offArch:
		return d.Arch
	case off < offArgs:
		return half(d.IP, off)
	}
	return half(d.Args[(off-offArgs)/8], off)
}

func half(v uint64, off uint32) uint32 {
	if off%8 == 4 {
		return uint32(v >> 32)
	}
	return uint32(v)
}

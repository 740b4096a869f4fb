package bpf

import (
	"fmt"
	"strings"

	"github.com/gopledge/pledge/internal/policy"
)

// Names says what the numbers in a program mean.
type Names interface {
	// Call names the system call of a number.
	Call(nr uint32) string
	// Arg puts the condition arg&mask == value of a call into words. Context
	// is the value that an earlier comparison of the call has found, which
	// says how to read this one, as a level does for an option.
	Arg(nr uint32, arg int, context, mask, value uint64) string
}

// Disassemble prints a program in the notation of the kernel's bpf_asm, one
// instruction a line, with what it means behind it.
func Disassemble(prog []Insn, names Names) string {
	loaded := loads(prog)
	meaning := meanings(prog, loaded, names)
	var b strings.Builder
	for i, in := range prog {
		text, comment := in.String(), meaning[i]
		switch {
		case in.Code&0x07 == jmp && in.Code != ja:
			text = fmt.Sprintf("%s l%d l%d", text, i+1+int(in.Jt), i+1+int(in.Jf))
			if loaded[i] == offNr {
				comment = names.Call(in.K)
			}
		case in.Code == ja:
			text = fmt.Sprintf("jmp l%d", i+1+int(in.K))
		case in.Code == ldAbs:
			comment = fieldName(in.K)
		case in.Code == retK:
			comment = policy.Verdict(in.K).String()
		}
		line := fmt.Sprintf("l%d:\t%s", i, text)
		if comment != "" {
			line = fmt.Sprintf("%-44s ; %s", line, comment)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// meanings returns what each comparison of an argument means. It follows the
// way of each call through the program; where the ways of several meet, they do
// the same, and the first one gives the words.
func meanings(prog []Insn, loaded []int, names Names) []string {
	out := make([]string, len(prog))
	if len(prog) == 0 {
		return out
	}
	var nr uint32
	type step struct {
		pc            int
		mask, context uint64
	}
	var walk func(s step)
	seen := make([]bool, len(prog))
	walk = func(s step) {
		for in := prog[s.pc]; ; in = prog[s.pc] {
			word := loaded[s.pc]
			isArg := word >= offArgs
			switch {
			case in.Code == ja:
				s.pc += 1 + int(in.K)
				continue
			case in.Code&0x07 == retK:
				return
			case in.Code&0x07 != jmp:
				s.mask = 0xffffffff
				if in.Code == aluAnd {
					s.mask = uint64(in.K)
				}
				s.pc++
				continue
			case word == offNr: // the search for the number has one way
				s.pc += 1 + int(pick(in, nr))
				continue
			case !isArg:
				s.pc += 1 + int(in.Jt) // the right architecture
				continue
			}
			if seen[s.pc] {
				return
			}
			seen[s.pc] = true
			yes, no := s, s
			yes.pc += 1 + int(in.Jt)
			no.pc += 1 + int(in.Jf)
			arg := (word - offArgs) / 8
			if word%8 == 0 {
				switch in.Code {
				case jeq:
					out[s.pc] = names.Arg(nr, arg, s.context, s.mask, uint64(in.K))
					yes.context = uint64(in.K)
				case jset:
					out[s.pc] = "not: " + names.Arg(nr, arg, s.context, uint64(in.K), 0)
				case jge:
					out[s.pc] = "from: " + names.Arg(nr, arg, s.context, s.mask, uint64(in.K))
				}
			}
			walk(no)
			s = yes
		}
	}
	// Numbers beyond the search's last boundary belong to no call.
	var last uint32
	for i, in := range prog {
		if loaded[i] == offNr && in.Code&0x07 == jmp && in.K < 1<<16 {
			last = max(last, in.K)
		}
	}
	for nr = range last {
		walk(step{mask: 0xffffffff})
	}
	return out
}

// pick returns the offset at which a comparison of nr continues.
func pick(in Insn, nr uint32) uint8 {
	if compare(in.Code, nr, in.K) {
		return in.Jt
	}
	return in.Jf
}

// loads says for each instruction which word of seccomp_data is in A there, or
// unknown if that is not the same on all ways to it.
func loads(prog []Insn) []int {
	at := make([]int, len(prog)+1)
	for i := range at {
		at[i] = unreached
	}
	reach := func(i, word int) {
		if at[i] == unreached {
			at[i] = word
		} else if at[i] != word {
			at[i] = unknown
		}
	}
	reach(0, unknown)
	for i, in := range prog {
		a := at[i]
		switch in.Code & 0x07 {
		case ldAbs & 0x07:
			a = unknown
			if in.Code == ldAbs {
				a = int(in.K)
			}
		case alu, txa & 0x07:
			if in.Code != tax && in.Code != aluAnd { // a part of a word is taken for the word
				a = unknown
			}
		case jmp:
			if in.Code == ja {
				reach(i+1+int(in.K), a)
			} else {
				reach(i+1+int(in.Jt), a)
				reach(i+1+int(in.Jf), a)
			}
			continue
		case retK & 0x07:
			continue
		}
		reach(i+1, a)
	}
	return at
}

const (
	unreached = -2
	unknown   = -1
)

func fieldName(off uint32) string {
	switch {
	case off == offNr:
		return "nr"
	case off == offArch:
		return "arch"
	case off < offArgs:
		return "instruction pointer"
	}
	name := fmt.Sprintf("arg%d", (off-offArgs)/8)
	if off%8 == 4 {
		name += ", upper half"
	}
	return name
}

// String returns the instruction without the targets of jumps.
func (in Insn) String() string {
	operand := fmt.Sprintf("#%#x", in.K)
	if in.Code&srcX != 0 {
		operand = "x"
	}
	switch in.Code {
	case ldAbs:
		return fmt.Sprintf("ld [%d]", in.K)
	case ldLen:
		return "ld #len"
	case ldImm:
		return fmt.Sprintf("ld #%#x", in.K)
	case ldMem:
		return fmt.Sprintf("ld M[%d]", in.K)
	case ldxImm:
		return fmt.Sprintf("ldx #%#x", in.K)
	case ldxMem:
		return fmt.Sprintf("ldx M[%d]", in.K)
	case ldxLen:
		return "ldx #len"
	case st:
		return fmt.Sprintf("st M[%d]", in.K)
	case stx:
		return fmt.Sprintf("stx M[%d]", in.K)
	case tax:
		return "tax"
	case txa:
		return "txa"
	case retK:
		return fmt.Sprintf("ret #%#x", in.K)
	case retA:
		return "ret a"
	case ja:
		return fmt.Sprintf("jmp +%d", in.K)
	}
	switch in.Code & 0x07 {
	case jmp:
		if name, ok := jumpNames[in.Code&^srcX]; ok {
			return name + " " + operand
		}
	case alu:
		if name, ok := aluNames[in.Code&0xf0]; ok {
			if in.Code == aluNegAll {
				return name
			}
			return name + " " + operand
		}
	}
	return fmt.Sprintf(".insn %#04x %d %d %#x", in.Code, in.Jt, in.Jf, in.K)
}

var jumpNames = map[uint16]string{jeq: "jeq", jgt: "jgt", jge: "jge", jset: "jset"}

var aluNames = map[uint16]string{
	aluAdd: "add", aluSub: "sub", aluMul: "mul", aluDiv: "div", aluOr: "or", aluAndOp: "and",
	aluLsh: "lsh", aluRsh: "rsh", aluNeg: "neg", aluXor: "xor",
}

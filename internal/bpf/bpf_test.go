package bpf

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	netbpf "golang.org/x/net/bpf"

	"github.com/gopledge/pledge/internal/policy"
)

// TestValidate has one program for each of the kernel's rules.
func TestValidate(t *testing.T) {
	ret := Insn{Code: retK}
	for _, c := range []struct {
		name string // the rule
		prog []Insn
		ok   bool
	}{
		{"a return is a program", []Insn{ret}, true},
		{"nothing is none", nil, false},
		{"4096 instructions are allowed", append(make([]Insn, 4095), ret), true},
		{"4097 are not", append(make([]Insn, 4096), ret), false},
		{"the end must be a return", []Insn{ret, {Code: ldImm}}, false},
		{"ret a is a return", []Insn{{Code: retA}}, true},
		{"the last word can be loaded", []Insn{{Code: ldAbs, K: 60}, ret}, true},
		{"a load outside", []Insn{{Code: ldAbs, K: 64}, ret}, false},
		{"an unaligned load", []Insn{{Code: ldAbs, K: 2}, ret}, false},
		{"loads of half words are not for seccomp", []Insn{{Code: 0x28, K: 0}, ret}, false},
		{"nor are indirect ones", []Insn{{Code: 0x40, K: 0}, ret}, false},
		{"a jump to the end", []Insn{{Code: ja, K: 0}, ret}, true},
		{"a jump beyond it", []Insn{{Code: ja, K: 1}, ret}, false},
		{"a jump backwards", []Insn{{Code: ja, K: 0xffffffff}, ret}, false},
		{"a branch beyond the end, if true", []Insn{{Code: jeq, Jt: 1}, ret}, false},
		{"a branch beyond the end, if false", []Insn{{Code: jeq, Jf: 1}, ret}, false},
		{"division by zero", []Insn{{Code: alu | aluDiv, K: 0}, ret}, false},
		{"division by X is for run time", []Insn{{Code: alu | aluDiv | srcX}, ret}, true},
		{"a shift by 31", []Insn{{Code: alu | aluLsh, K: 31}, ret}, true},
		{"a shift by 32", []Insn{{Code: alu | aluRsh, K: 32}, ret}, false},
		{"modulo is not for seccomp", []Insn{{Code: alu | 0x90, K: 3}, ret}, false},
		{"memory that was written", []Insn{{Code: st, K: 15}, {Code: ldMem, K: 15}, ret}, true},
		{"memory that was not", []Insn{{Code: ldMem, K: 0}, ret}, false},
		{"memory that was written on one way only", []Insn{{Code: jeq, Jt: 1}, {Code: st}, {Code: ldMem}, ret}, false},
		{"memory that was written on both ways", []Insn{{Code: jeq, Jt: 2}, {Code: st}, {Code: ja, K: 1}, {Code: stx}, {Code: ldMem}, ret}, true},
		{"there are 16 words", []Insn{{Code: st, K: 16}, ret}, false},
		{"an unknown opcode", []Insn{{Code: 0xff}, ret}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Validate(c.prog); (err == nil) != c.ok {
				t.Errorf("Validate: %v, want ok: %v", err, c.ok)
			}
		})
	}
}

// TestMachine runs random programs here and in golang.org/x/net/bpf.
func TestMachine(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		agree(t, randomProgram(rng), randomData(rng))
	}
}

// TestMachineAlone has what x/net/bpf's machine does not know.
func TestMachineAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		prog []Insn
		want policy.Verdict
	}{
		{"negation", []Insn{{Code: ldImm, K: 5}, {Code: aluNegAll}, {Code: retA}}, 0xfffffffb},
		{"division by a zero X ends in 0, KILL_THREAD", []Insn{{Code: ldImm, K: 5}, {Code: alu | aluDiv | srcX}, {Code: retA}}, 0},
		{"the length is that of seccomp_data", []Insn{{Code: ldLen}, {Code: retA}}, 64},
		{"the length in X", []Insn{{Code: ldxLen}, {Code: txa}, {Code: retA}}, 64},
	} {
		if err := Validate(c.prog); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := Run(c.prog, &policy.Data{}); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, uint32(got), uint32(c.want))
		}
	}
}

func FuzzMachine(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		rng := rand.New(rand.NewPCG(a, b))
		agree(t, randomProgram(rng), randomData(rng))
	})
}

func agree(t *testing.T, prog []Insn, d *policy.Data) {
	t.Helper()
	if err := Validate(prog); err != nil {
		t.Fatalf("the test makes bad programs: %v", err)
	}
	raw := make([]netbpf.RawInstruction, len(prog))
	for i, in := range prog {
		raw[i] = netbpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	decoded, ok := netbpf.Disassemble(raw)
	if !ok {
		t.Fatalf("x/net/bpf does not know all instructions of\n%s", Disassemble(prog, noNames))
	}
	vm, err := netbpf.NewVM(decoded)
	if err != nil {
		t.Fatalf("x/net/bpf: %v\n%s", err, Disassemble(prog, noNames))
	}
	// That machine loads words in network byte order.
	var b []byte
	for off := uint32(0); off < dataSize; off += 4 {
		b = binary.BigEndian.AppendUint32(b, load(d, off))
	}
	want, err := vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := Run(prog, d); got != policy.Verdict(want) {
		t.Fatalf("%#x here, %#x in x/net/bpf\n%s", uint32(got), uint32(want), Disassemble(prog, noNames))
	}
}

// anonymous knows no call, testNames one.
type (
	anonymous struct{}
	testNames struct{}
)

var noNames anonymous

func (anonymous) Call(uint32) string                         { return "" }
func (anonymous) Arg(_ uint32, _ int, _, _, _ uint64) string { return "" }
func (testNames) Call(nr uint32) string                      { return map[uint32]string{3: "close"}[nr] }
func (testNames) Arg(nr uint32, arg int, c, mask, v uint64) string {
	return fmt.Sprintf("call %d arg %d context %d mask %#x value %d", nr, arg, c, mask, v)
}

// randomProgram makes a valid program of the instructions that both machines know: that of x/net/bpf has no negation, and division by X may be by zero.
func randomProgram(rng *rand.Rand) []Insn {
	n := 2 + rng.IntN(30)
	prog := make([]Insn, 0, n)
	// All memory is written first, so that it can be read.
	for i := range uint32(4) {
		prog = append(prog, Insn{Code: ldImm, K: rng.Uint32()}, Insn{Code: st, K: i})
	}
	for i := range n {
		left := n - i // instructions behind this one, the return included
		k := rng.Uint32() >> rng.IntN(32)
		switch rng.IntN(12) {
		case 0, 1:
			prog = append(prog, Insn{Code: ldAbs, K: 4 * uint32(rng.IntN(16))})
		case 2:
			prog = append(prog, Insn{Code: []uint16{ldImm, ldxImm}[rng.IntN(2)], K: k})
		case 3:
			prog = append(prog, Insn{Code: []uint16{ldMem, ldxMem, st, stx}[rng.IntN(4)], K: uint32(rng.IntN(4))})
		case 4:
			prog = append(prog, Insn{Code: []uint16{tax, txa}[rng.IntN(2)]})
		case 5:
			prog = append(prog, Insn{Code: ja, K: uint32(rng.IntN(left))})
		case 6, 7, 8:
			code := []uint16{jeq, jgt, jge, jset}[rng.IntN(4)] | []uint16{0, srcX}[rng.IntN(2)]
			prog = append(prog, Insn{Code: code, Jt: uint8(rng.IntN(left)), Jf: uint8(rng.IntN(left)), K: k})
		case 9:
			prog = append(prog, Insn{Code: []uint16{retK, retA}[rng.IntN(2)], K: k})
		default:
			op := []uint16{aluAdd, aluSub, aluMul, aluDiv, aluOr, aluAndOp, aluXor, aluLsh, aluRsh}[rng.IntN(9)]
			in := Insn{Code: alu | op, K: k}
			switch op {
			case aluDiv:
				in.K |= 1
			case aluLsh, aluRsh:
				in.K %= 32
			default:
				in.Code |= []uint16{0, srcX}[rng.IntN(2)]
			}
			prog = append(prog, in)
		}
	}
	return append(prog, Insn{Code: retA})
}

func randomData(rng *rand.Rand) *policy.Data {
	d := &policy.Data{Nr: rng.Uint32(), Arch: rng.Uint32(), IP: rng.Uint64()}
	for i := range d.Args {
		d.Args[i] = rng.Uint64() >> rng.IntN(64)
	}
	return d
}

const testArch = 0xc000003e

// randomPolicy makes a policy whose rules meet one another: few numbers, few
// arguments, values that share bits and straddle 32 bits.
func randomPolicy(rng *rand.Rand) *policy.Policy {
	p := &policy.Policy{
		Arch: testArch, X32: rng.IntN(2) == 0, Limit: 1 + uint32(rng.IntN(500)), NoSys: 38,
		Default: []policy.Verdict{policy.KillProcess, policy.Trap, policy.Log, policy.Errno(1)}[rng.IntN(4)],
	}
	masks := []uint64{1, 3, 0xf0, 0xff, 0xffffffff, 0xffffffffffffffff, 1 << 31, 1 << 32, 0xff00000000, 0xffff0000ffff}
	rule := func() policy.Rule {
		r := policy.Rule{Nr: uint32(rng.IntN(int(min(p.Limit, 12))))}
		for range rng.IntN(4) {
			m := masks[rng.IntN(len(masks))]
			r.When = append(r.When, policy.Cond{Arg: uint8(rng.IntN(3)), Mask: m, Value: randomValue(rng) & m})
		}
		return r
	}
	for range rng.IntN(40) {
		p.Grants = append(p.Grants, rule())
	}
	for range rng.IntN(10) {
		p.Refusals = append(p.Refusals, policy.Refusal{Rule: rule(), Errno: 1 + uint16(rng.IntN(3))})
	}
	if rng.IntN(4) == 0 { // many numbers, for long jumps
		for nr := range p.Limit {
			if rng.IntN(2) == 0 {
				p.Grants = append(p.Grants, policy.Rule{Nr: nr, When: []policy.Cond{{Mask: 0xffff, Value: uint64(nr)}}})
			}
		}
	}
	for range rng.IntN(5) { // also some that have no rule, and some twice
		p.Hot = append(p.Hot, uint32(rng.IntN(16)))
	}
	return p
}

func randomValue(rng *rand.Rand) uint64 {
	v := uint64(rng.IntN(5))
	switch rng.IntN(6) {
	case 0:
		v |= v << 32
	case 1:
		v = -v
	case 2:
		v |= 1 << 31
	case 3:
		v <<= 4
	}
	return v
}

func checkCompile(t *testing.T, rng *rand.Rand) {
	t.Helper()
	p := randomPolicy(rng)
	simple := p.Simplify()
	programs := map[string][]Insn{}
	for name, q := range map[string]*policy.Policy{"as it is": p, "simplified": simple} {
		prog, err := Compile(q)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		programs[name] = prog
	}
	for range 300 {
		d := &policy.Data{Nr: uint32(rng.IntN(13)), Arch: testArch}
		switch rng.IntN(20) {
		case 0:
			d.Nr = rng.Uint32()
		case 1:
			d.Nr = p.Limit - uint32(rng.IntN(2))
		case 2:
			d.Nr |= 0x40000000
		case 3:
			d.Arch = rng.Uint32()
		case 4:
			d.Nr = 0xffffffff
		case 5:
			d.Nr = uint32(rng.IntN(int(p.Limit)))
			d.Args[0] = uint64(d.Nr)
		}
		for i := range 3 {
			if d.Args[i] == 0 {
				d.Args[i] = randomValue(rng)
			}
		}
		want := p.Evaluate(d)
		if got := simple.Evaluate(d); got != want {
			t.Fatalf("%+v: %v, simplified %v\n%+v", d, want, got, p)
		}
		for name, prog := range programs {
			if got := Run(prog, d); got != want {
				t.Fatalf("%+v: policy (%s) says %v, program %v\n%+v\n%s", d, name, want, got, p, Disassemble(prog, noNames))
			}
		}
	}
}

// TestCompile holds programs for random policies against the oracle.
func TestCompile(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 1500 {
		checkCompile(t, rng)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) { checkCompile(t, rand.New(rand.NewPCG(a, b))) })
}

// TestBrokenPoliciesAreRefused: what cannot be said must not be compiled into
// something else.
func TestBrokenPoliciesAreRefused(t *testing.T) {
	ok := policy.Policy{Arch: testArch, Limit: 10, NoSys: 38, Default: policy.KillProcess}
	for name, change := range map[string]func(p *policy.Policy){
		"a number beyond the limit":   func(p *policy.Policy) { p.Grants = []policy.Rule{{Nr: 10}} },
		"a seventh argument":          func(p *policy.Policy) { p.Grants = []policy.Rule{{When: []policy.Cond{{Arg: 6, Mask: 1}}}} },
		"a mask without bits":         func(p *policy.Policy) { p.Grants = []policy.Rule{{When: []policy.Cond{{}}}} },
		"a value outside of its mask": func(p *policy.Policy) { p.Grants = []policy.Rule{{When: []policy.Cond{{Mask: 1, Value: 2}}}} },
		"errno 0":                     func(p *policy.Policy) { p.Refusals = []policy.Refusal{{}} },
		"errno 4096":                  func(p *policy.Policy) { p.Refusals = []policy.Refusal{{Errno: 4096}} },
		"a limit among x32":           func(p *policy.Policy) { p.X32, p.Limit = true, 0x40000001 },
	} {
		p := ok
		change(&p)
		if _, err := Compile(&p); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
	if _, err := Compile(&ok); err != nil {
		t.Errorf("a good policy: %v", err)
	}
}

// TestUnconditionalCallsReadNoArguments: what the kernel may remember, it must
// be able to see: on the way to the answer only number and architecture are
// loaded.
func TestUnconditionalCallsReadNoArguments(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		p := randomPolicy(rng).Simplify()
		prog, err := Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range p.Grants {
			if len(g.When) > 0 {
				continue
			}
			Trace(prog, &policy.Data{Nr: g.Nr, Arch: testArch}, func(pc int) {
				if prog[pc].Code == ldAbs && prog[pc].K > offArch {
					t.Fatalf("call %d: l%d loads an argument\n%s", g.Nr, pc, Disassemble(prog, noNames))
				}
			})
		}
	}
}

// TestWrapReplacesThePlaceholder: another compiler's program keeps its grants,
// and everything else is decided behind it.
func TestWrapReplacesThePlaceholder(t *testing.T) {
	p := &policy.Policy{
		Arch: testArch, X32: true, Limit: 10, NoSys: 38, Default: policy.Trap,
		Grants:   []policy.Rule{{Nr: 3}},
		Refusals: []policy.Refusal{{Rule: policy.Rule{Nr: 4}, Errno: 13}},
	}
	theirs := []Insn{
		{Code: ldAbs, K: offNr},
		{Code: jeq, K: 3, Jf: 1},
		{Code: retK, K: uint32(policy.Allow)},
		{Code: retK, K: uint32(Placeholder)},
	}
	prog, err := Wrap(p, theirs)
	if err != nil {
		t.Fatal(err)
	}
	for nr := range uint32(12) {
		d := &policy.Data{Nr: nr, Arch: testArch}
		if got, want := Run(prog, d), p.Evaluate(d); got != want {
			t.Errorf("call %d: %v, want %v\n%s", nr, got, want, Disassemble(prog, noNames))
		}
	}
	if _, err := Wrap(p, theirs[:2]); err == nil {
		t.Error("half a program was wrapped")
	}
}

// TestDisassemble reads a program back.
func TestDisassemble(t *testing.T) {
	p := &policy.Policy{
		Arch: testArch, Limit: 10, NoSys: 38, Default: policy.KillProcess,
		Grants: []policy.Rule{
			{Nr: 3, When: []policy.Cond{{Arg: 1, Mask: 0xffffffff, Value: 7}, {Arg: 2, Mask: 0xff, Value: 8}}},
			{Nr: 5, When: []policy.Cond{{Arg: 0, Mask: 6, Value: 0}}},
		},
	}
	prog, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	text := Disassemble(prog, testNames{})
	for _, want := range []string{
		"; arch", "; nr", "; close", "; arg1", "jeq #0x7", "; allow", "; kill process", "; errno 38",
		"; call 3 arg 1 context 0 mask 0xffffffff value 7", "; call 3 arg 2 context 7 mask 0xff value 8", "; not: call 5 arg 0 context 0 mask 0x6 value 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n != len(prog) {
		t.Errorf("%d lines for %d instructions", n, len(prog))
	}
}

// Package policy is the vocabulary in which a filter is described, and the
// oracle that says what a described filter does. It knows neither promises nor
// operating system: compilers turn a Policy into a program, and Evaluate is
// what every program is judged by.
package policy

import "fmt"

// A Verdict is what becomes of a system call: a return value of a seccomp
// program, that is an action in the upper 16 bits and its data in the lower
// (linux/seccomp.h).
type Verdict uint32

// The verdicts in use. An errno is made by [Errno].
const (
	KillProcess Verdict = 0x80000000
	Trap        Verdict = 0x00030000
	Notify      Verdict = 0x7fc00000 // a supervisor decides
	Log         Verdict = 0x7ffc0000
	Allow       Verdict = 0x7fff0000

	errnoAction Verdict = 0x00050000
)

// Errno is the verdict that makes a call fail with the errno e.
func Errno(e uint16) Verdict { return errnoAction | Verdict(e) }

// Errno returns the errno that a call fails with, and whether v is such a
// verdict.
func (v Verdict) Errno() (uint16, bool) { return uint16(v), v&0xffff0000 == errnoAction }

func (v Verdict) String() string {
	if e, ok := v.Errno(); ok {
		return fmt.Sprintf("errno %d", e)
	}
	switch v {
	case KillProcess:
		return "kill process"
	case Trap:
		return "trap"
	case Notify:
		return "notify"
	case Log:
		return "log"
	case Allow:
		return "allow"
	}
	return fmt.Sprintf("verdict %#x", uint32(v))
}

// Data is what a filter sees of a call: struct seccomp_data.
type Data struct {
	Nr   uint32
	Arch uint32 // AUDIT_ARCH_*
	IP   uint64
	Args [6]uint64
}

// A Cond is a condition on one argument: masked equality, the only comparison
// there is. Args[Arg]&Mask == Value. A condition on a C int has a mask of at
// most 32 bits, since the kernel does not look at the upper half and callers
// leave anything there; a condition on a pointer has all 64.
type Cond struct {
	Arg   uint8
	Mask  uint64
	Value uint64
}

func (c Cond) holds(d *Data) bool { return d.Args[c.Arg]&c.Mask == c.Value }

// A Rule matches calls of one number whose arguments meet all conditions.
type Rule struct {
	Nr   uint32
	When []Cond
}

func (r Rule) matches(d *Data) bool {
	if r.Nr != d.Nr {
		return false
	}
	for _, c := range r.When {
		if !c.holds(d) {
			return false
		}
	}
	return true
}

// A Refusal is a rule whose calls fail with an errno, although a call that is
// not granted has another fate in general.
type Refusal struct {
	Rule
	Errno uint16
}

// A Policy says what becomes of every call that a process can make.
type Policy struct {
	Arch     uint32    // AUDIT_ARCH_* of the one architecture whose calls are let through
	X32      bool      // the architecture has x32: numbers from 1<<30 up
	Limit    uint32    // the first number beyond those that the rules know of
	NoSys    uint16    // the errno for numbers beyond, ENOSYS
	Grants   []Rule    // calls that are allowed
	Refusals []Refusal // calls that fail with an errno; the first that matches decides
	Default  Verdict   // all others

	// Hot are calls that a program should decide as early as it can, most
	// frequent first. It changes no verdict.
	Hot []uint32
}

// x32Bit marks the calls of x32, which have AUDIT_ARCH_X86_64 too. Nothing that
// is as large is a call of amd64.
const x32Bit = 0x40000000

// noCall is the number that the kernel itself uses for «no system call»: a
// tracer that cancels a call puts it there.
const noCall = 0xffffffff

// Evaluate says what becomes of a call. In this order: a foreign architecture
// kills, and so does x32; a number beyond the table fails with NoSys; a call
// that a grant matches is allowed; the first refusal that matches gives its
// errno; Default is for the rest.
func (p *Policy) Evaluate(d *Data) Verdict {
	switch {
	case d.Arch != p.Arch:
		return KillProcess
	case p.X32 && d.Nr >= x32Bit && d.Nr != noCall:
		return KillProcess
	case d.Nr >= p.Limit:
		return Errno(p.NoSys)
	}
	for _, g := range p.Grants {
		if g.matches(d) {
			return Allow
		}
	}
	for _, r := range p.Refusals {
		if r.matches(d) {
			return Errno(r.Errno)
		}
	}
	return p.Default
}

// Validate reports a policy that no compiler can be asked to compile.
func (p *Policy) Validate() error {
	for _, g := range p.Grants {
		if err := p.validate(g); err != nil {
			return err
		}
	}
	for _, r := range p.Refusals {
		if err := p.validate(r.Rule); err != nil {
			return err
		}
		if r.Errno == 0 || r.Errno > 4095 {
			return fmt.Errorf("policy: call %d is refused with errno %d", r.Nr, r.Errno)
		}
	}
	if p.X32 && p.Limit > x32Bit {
		return fmt.Errorf("policy: the limit %d is among the numbers of x32", p.Limit)
	}
	return nil
}

func (p *Policy) validate(r Rule) error {
	if r.Nr >= p.Limit {
		return fmt.Errorf("policy: call %d is beyond the limit %d", r.Nr, p.Limit)
	}
	for _, c := range r.When {
		switch {
		case c.Arg > 5:
			return fmt.Errorf("policy: call %d: there is no argument %d", r.Nr, c.Arg)
		case c.Mask == 0:
			return fmt.Errorf("policy: call %d: a condition on argument %d with an empty mask is none", r.Nr, c.Arg)
		case c.Value&^c.Mask != 0:
			return fmt.Errorf("policy: call %d: argument %d under mask %#x can never be %#x", r.Nr, c.Arg, c.Mask, c.Value)
		}
	}
	return nil
}

//go:build linux && cgo && !purego

// Package scmp compiles policies with libseccomp.
//
// libseccomp decides what is granted and nothing else. Refusals and the default
// verdict are put behind its program, the frame in front of it, by package bpf.
// So it is asked only for what it does right: rules with one action, made of
// masked equality.
package scmp

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"

	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
	_ "github.com/gopledge/pledge/internal/scmp/header"
)

// Options are libseccomp's choices that the benchmarks compare.
type Options struct {
	Linear bool // one comparison after the other instead of a binary tree
}

// Version returns the version of the library in use, as "2.5.4".
func Version() string {
	major, minor, micro := seccomp.GetLibraryVersion()
	return fmt.Sprintf("%d.%d.%d", major, minor, micro)
}

// Compile turns a policy into a program that does what the policy says. The
// policy must be simplified: libseccomp takes one condition per argument, and
// no conditions where the call is granted without.
func Compile(p *policy.Policy, o Options) ([]bpf.Insn, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	errno, _ := bpf.Placeholder.Errno()
	filter, err := seccomp.NewFilter(seccomp.ActErrno.SetReturnCode(int16(errno)))
	if err != nil {
		return nil, fmt.Errorf("libseccomp: %w", err)
	}
	defer filter.Release()
	// Its default is KILL_THREAD, after which a Go program hangs. Our frame
	// lets no other architecture get so far, but one cannot be too careful.
	if err := filter.SetBadArchAction(seccomp.ActKillProcess); err != nil {
		return nil, fmt.Errorf("libseccomp: SetBadArchAction: %w", err)
	}
	if !o.Linear {
		if err := filter.SetOptimize(2); err != nil {
			return nil, fmt.Errorf("libseccomp: SetOptimize: %w", err)
		}
	}
	for _, r := range combine(p.Grants) {
		conds := make([]seccomp.ScmpCondition, len(r.When))
		for i, c := range r.When {
			conds[i] = seccomp.ScmpCondition{
				Argument: uint(c.Arg),
				Op:       seccomp.CompareMaskedEqual,
				Operand1: c.Mask,
				Operand2: c.Value,
			}
		}
		if len(conds) == 0 {
			err = filter.AddRuleExact(seccomp.ScmpSyscall(r.Nr), seccomp.ActAllow)
		} else {
			err = filter.AddRuleConditionalExact(seccomp.ScmpSyscall(r.Nr), seccomp.ActAllow, conds)
		}
		if err != nil {
			return nil, fmt.Errorf("libseccomp: rule for call %d: %w", r.Nr, err)
		}
	}
	grants, err := export(filter)
	if err != nil {
		return nil, err
	}
	return bpf.Wrap(p, grants)
}

// combine makes one rule of two that differ in a single bit of a value, by not
// looking at that bit: the fewer rules, the faster is libseccomp.
func combine(rules []policy.Rule) []policy.Rule {
	rules = slices.Clone(rules)
	for again := true; again; {
		again = false
		for i := 0; i < len(rules); i++ {
			for j := i + 1; j < len(rules) && rules[j].Nr == rules[i].Nr; j++ {
				arg, bit := difference(rules[i], rules[j])
				if bit == 0 {
					continue
				}
				when := slices.Clone(rules[i].When)
				when[arg].Mask &^= bit
				when[arg].Value &^= bit
				rules[i].When = when
				rules = slices.Delete(rules, j, j+1)
				again = true
				j--
			}
		}
	}
	return rules
}

// difference returns the one bit that two rules want different, and the index of
// its condition; no bit if there is more or less between them. The mask keeps
// at least one bit.
func difference(a, b policy.Rule) (cond int, bit uint64) {
	if len(a.When) != len(b.When) {
		return 0, 0
	}
	for i, c := range a.When {
		d := b.When[i]
		switch delta := c.Value ^ d.Value; {
		case c.Arg != d.Arg || c.Mask != d.Mask:
			return 0, 0
		case delta == 0:
		case bit != 0 || delta&(delta-1) != 0 || c.Mask == delta:
			return 0, 0
		default:
			cond, bit = i, delta
		}
	}
	return cond, bit
}

// export fetches the program. libseccomp 2.5 can only write it to a
// descriptor, so every version is asked to write it to a pipe: unlike a memfd,
// that is a thing which a process under any promise may have, and so it works
// when promises are narrowed, too.
func export(filter *seccomp.ScmpFilter) ([]bpf.Insn, error) {
	r, w, err := pipe()
	if err != nil {
		return nil, fmt.Errorf("libseccomp: pipe: %w", err)
	}
	defer r.Close()
	defer w.Close()

	// libseccomp does not notice a short write, and nobody reads before it has
	// written: there must be room for the largest program there can be. A user
	// with very many pipes gets small ones.
	room, err := unix.FcntlInt(w.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return nil, fmt.Errorf("libseccomp: F_GETPIPE_SZ: %w", err)
	}
	if room < bpf.MaxLen*insnSize {
		return nil, fmt.Errorf("libseccomp: a pipe of %d bytes has no room for a program", room)
	}
	if err := filter.ExportBPF(w); err != nil {
		return nil, fmt.Errorf("libseccomp: export: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("libseccomp: export: %w", err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("libseccomp: reading the program: %w", err)
	}
	return decode(b)
}

// pipe is os.Pipe, but with ends that block: they need neither netpoll nor
// fcntl(F_SETFL).
func pipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "libseccomp"), os.NewFile(uintptr(fds[1]), "libseccomp"), nil
}

const insnSize = 8 // sizeof(struct sock_filter)

func decode(b []byte) ([]bpf.Insn, error) {
	if len(b)%insnSize != 0 {
		return nil, fmt.Errorf("libseccomp: export: %d bytes are no whole instructions", len(b))
	}
	var prog []bpf.Insn
	for ; len(b) > 0; b = b[insnSize:] {
		prog = append(prog, bpf.Insn{
			Code: binary.NativeEndian.Uint16(b),
			Jt:   b[2],
			Jf:   b[3],
			K:    binary.NativeEndian.Uint32(b[4:]),
		})
	}
	return prog, nil
}

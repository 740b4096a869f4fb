//go:build amd64 || arm64

package pledge

import (
	"cmp"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	netbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/landlock"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

var prove = flag.Bool("prove", false, "judge every pair of promises and thousands of random sets (minutes)")

// TestProof holds three judges against each other: the oracle, which reads the
// rules, and the programs of each compiler, run in our machine and, for a part
// of the calls, in that of x/net/bpf. They must agree on every call. With
// -short there are no random sets, and each set is judged either with the floor
// of C or without.
func TestProof(t *testing.T) {
	random, foreign := 60, 0.01
	if testing.Short() {
		random, foreign = 0, 0.002
	}
	var sets []Set
	for p := range all.All() {
		sets = append(sets, setOf(p))
	}
	sets = append(sets, 0, all, all.Without(Error))
	for _, s := range documentedSets(t) {
		sets = append(sets, s, s.With(Error))
	}
	named := len(sets) // these are judged in every configuration
	if *prove {
		random, foreign = 1000, 0.05
		for p := range all.All() {
			for q := range all.All() {
				if p < q {
					sets = append(sets, setOf(p, q))
				}
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range random {
		sets = append(sets, Set(rng.Uint64()&rng.Uint64())&all, Set(rng.Uint64())&all)
	}

	probes := newProbes(rng)
	j := &judges{probes: probes, rng: rng, foreign: foreign}
	violations := []policy.Verdict{policy.KillProcess, policy.Trap, policy.Log, policy.Errno(38)}
	circumstances := []process{ // of Landlock, unveil and a supervisor
		{abi: landlock.ABI{Version: 7}},
		{abi: landlock.ABI{Version: 7}, unveiled: true},
		{},
		{abi: landlock.ABI{Version: 2}, unveiled: true},
		{abi: landlock.ABI{Version: 11}, supervised: true},
	}
	for i, s := range sets {
		for k, libc := range []bool{false, true} {
			if testing.Short() && libc != (i%2 == 0) {
				continue
			}
			pr := testProcess
			pr.libc = libc
			like := circumstances[(i+k)%len(circumstances)]
			pr.abi, pr.unveiled, pr.supervised = like.abi, like.unveiled, like.supervised
			for k, v := range violations {
				if k != i%len(violations) && !(*prove && i < named) {
					continue
				}
				j.judge(t, pr, s, v)
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d sets, %d programs, %d calls judged, %d of them also by x/net/bpf; no disagreement", len(sets), j.programs, j.calls, j.foreignCalls)
}

// testProcess stands for the process in tests of rules.
var testProcess = process{pid: 4242, uid: 1000, gids: []int{1000, 4, 24, 27}, onlyUID: 1000, onlyGID: 1000}

// documentedSets are promise strings that the README or OpenBSD's userland use.
func documentedSets(t *testing.T) []Set {
	var sets []Set
	for _, s := range []string{
		"stdio", "stdio rpath", "stdio rpath wpath cpath", "stdio inet", "stdio rpath inet", "stdio rpath inet dns", "stdio rpath proc exec",
		"stdio rpath wpath cpath fattr flock getpw proc exec tty id", "stdio unix sendfd recvfd", "stdio rpath wpath cpath fattr chown",
		"stdio rpath getpw ps", "stdio rpath wpath cpath fattr dpath getpw tape", "stdio inet dns tty", "stdio rpath wpath cpath inet mcast",
	} {
		set, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, set)
	}
	return sets
}

type judges struct {
	probes       [][]policy.Data // by call number
	rng          *rand.Rand
	foreign      float64 // the share of calls that x/net/bpf's machine judges too
	programs     int
	calls        int
	foreignCalls int
}

// judge has all judges look at one set.
func (j *judges) judge(t *testing.T, pr process, s Set, violation policy.Verdict) {
	t.Helper()
	raw := pr.policy(s, violation)
	type program struct {
		name    string
		prog    []bpf.Insn
		machine *netbpf.VM
	}
	var programs []program
	for name, compile := range compilers {
		prog, err := compile(raw.Simplify())
		if err != nil {
			t.Errorf("%q: %s: %v", s, name, err)
			return
		}
		vm, err := foreignMachine(prog)
		if err != nil {
			t.Errorf("%q: %s: x/net/bpf refuses the program: %v", s, name, err)
			return
		}
		programs = append(programs, program{name, prog, vm})
	}
	slices.SortFunc(programs, func(a, b program) int { return cmp.Compare(a.name, b.name) })
	j.programs += len(programs)

	// The oracle is asked about one number at a time, or it would take hours.
	grants, refusals := map[uint32][]policy.Rule{}, map[uint32][]policy.Refusal{}
	for _, g := range raw.Grants {
		grants[g.Nr] = append(grants[g.Nr], g)
	}
	for _, r := range raw.Refusals {
		refusals[r.Nr] = append(refusals[r.Nr], r)
	}
	oracle := *raw
	for _, calls := range j.probes {
		for i := range calls {
			d := &calls[i]
			oracle.Grants, oracle.Refusals = grants[d.Nr], refusals[d.Nr]
			want := oracle.Evaluate(d)
			for _, p := range programs {
				j.calls++
				if got := bpf.Run(p.prog, d); got != want {
					t.Errorf("%q (libc %v): %s: %s: oracle says %v, program of %s says %v", s, pr.libc, sysnum.Name(d.Nr), show(d), want, p.name, got)
					return
				}
				if j.rng.Float64() < j.foreign {
					j.foreignCalls++
					if got := runForeign(p.machine, d); got != want {
						t.Errorf("%q (libc %v): %s: %s: oracle says %v, program of %s in x/net/bpf's machine says %v", s, pr.libc, sysnum.Name(d.Nr), show(d), want, p.name, got)
						return
					}
				}
			}
		}
	}
}

func show(d *policy.Data) string {
	return fmt.Sprintf("call %#x (arch %#x) %#x", d.Nr, d.Arch, d.Args)
}

// compilers are the compilers under test, by name.
var compilers = map[string]func(*policy.Policy) ([]bpf.Insn, error){"bpf": bpf.Compile}

// newProbes returns, by call number, the calls that every set is judged by:
// all numbers from 0 to beyond the table, numbers of x32 and other odd ones,
// foreign architectures, and for each row of the table arguments that meet it,
// with each bit of each flipped, with neighbours of each value, with dirty
// upper halves and as negative ints.
func newProbes(rng *rand.Rand) [][]policy.Data {
	full := testProcess
	full.libc = true
	everything := full.policy(all, policy.KillProcess)
	rules := map[uint32][]policy.Rule{}
	for _, g := range everything.Grants {
		rules[g.Nr] = append(rules[g.Nr], g)
	}
	for _, r := range everything.Refusals {
		rules[r.Nr] = append(rules[r.Nr], r.Rule)
	}

	probes := make([][]policy.Data, sysnum.Limit+8)
	for nr := range probes {
		seen := map[[6]uint64]bool{}
		add := func(args [6]uint64) {
			if !seen[args] {
				seen[args] = true
				probes[nr] = append(probes[nr], policy.Data{Nr: uint32(nr), Arch: auditArch, Args: args})
			}
		}
		add([6]uint64{})
		add([6]uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)})
		add([6]uint64{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()})
		for _, r := range rules[uint32(nr)] {
			for range 2 {
				args := satisfy(r, rng)
				add(args)
				for _, c := range r.When {
					vary := func(v uint64) {
						a := args
						a[c.Arg] = v
						add(a)
					}
					v := args[c.Arg]
					vary(v + 1)
					vary(v - 1)
					vary(-v)
					vary(^v)
					vary(c.Value)
					vary(c.Value | c.Value<<32)
					vary(c.Value << 32)
					vary(uint64(int64(int32(v))))
					vary(v&0xffffffff | 0xdeadbeef<<32)
					for m := c.Mask; m != 0; m &= m - 1 {
						vary(v ^ m&-m)
					}
					vary(v ^ ^c.Mask)
				}
			}
		}
		for _, odd := range []uint32{0x40000000, 0x80000000, 0xc0000000} {
			d := probes[nr][0]
			d.Nr |= odd
			probes[nr] = append(probes[nr], d)
		}
		for _, arch := range []uint32{0, 0x40000003, 0xc000003e, 0xc00000b7, 0x4000003e, 0x40000028} {
			d := probes[nr][0]
			d.Arch = arch
			probes[nr] = append(probes[nr], d)
		}
	}
	last := len(probes) - 1
	for _, nr := range []uint32{0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff} {
		probes[last] = append(probes[last], policy.Data{Nr: nr, Arch: auditArch})
	}
	return probes
}

// satisfy returns arguments that a rule matches, with anything in the bits that
// it does not look at.
func satisfy(r policy.Rule, rng *rand.Rand) [6]uint64 {
	var fixed, args [6]uint64
	for i := range args {
		args[i] = rng.Uint64()
	}
	for _, c := range r.When {
		free := ^(c.Mask | fixed[c.Arg])
		args[c.Arg] = args[c.Arg]&(free|fixed[c.Arg]) | c.Value
		fixed[c.Arg] |= c.Mask
	}
	return args
}

func foreignMachine(prog []bpf.Insn) (*netbpf.VM, error) {
	raw := make([]netbpf.RawInstruction, len(prog))
	for i, in := range prog {
		raw[i] = netbpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	decoded, ok := netbpf.Disassemble(raw)
	if !ok {
		return nil, fmt.Errorf("not all instructions are known")
	}
	return netbpf.NewVM(decoded)
}

// runForeign runs a program on struct seccomp_data, word for word in network
// byte order, which is how that machine loads words.
func runForeign(vm *netbpf.VM, d *policy.Data) policy.Verdict {
	b := make([]byte, 0, 64)
	word := func(v uint32) { b = binary.BigEndian.AppendUint32(b, v) }
	long := func(v uint64) { word(uint32(v)); word(uint32(v >> 32)) }
	word(d.Nr)
	word(d.Arch)
	long(d.IP)
	for _, a := range d.Args {
		long(a)
	}
	v, err := vm.Run(b)
	if err != nil {
		panic(err)
	}
	return policy.Verdict(uint32(v))
}

// TestRows checks each row by itself: a set with just what the row needs gets
// what the row says, and that set without one of the promises does not get it
// from this row.
func TestRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	pr := testProcess
	for i, r := range slices.Collect(table().all) {
		for _, needs := range r.needs.alternatives() {
			s := needs & all
			p := pr.rules(table(), needs.With(goFloor), policy.KillProcess)
			programs := map[string][]bpf.Insn{}
			for name, compile := range compilers {
				prog, err := compile(p.Simplify())
				if err != nil {
					t.Fatalf("row %d (%s): %s: %v", i, r.note, name, err)
				}
				programs[name] = prog
			}
			want := policy.Allow
			if r.errno != 0 {
				want = policy.Errno(uint16(r.errno))
			}
			for _, conds := range pr.alternatives(r.when) {
				for _, nr := range r.calls {
					d := &policy.Data{Nr: nr, Arch: auditArch, Args: satisfy(policy.Rule{Nr: nr, When: conds}, rng)}
					got := p.Evaluate(d)
					// Another row may grant what this one refuses, or refuse it first.
					if _, refused := got.Errno(); got != want && (r.errno == 0 || !refused && got != policy.Allow) {
						t.Errorf("row %d (%s): %q: %s %s: %v, want %v", i, r.note, s, sysnum.Name(nr), show(d), got, want)
					}
					for name, prog := range programs {
						if v := bpf.Run(prog, d); v != got {
							t.Errorf("row %d (%s): %q: %s %s: the program of %s says %v, the oracle %v", i, r.note, s, sysnum.Name(nr), show(d), name, v, got)
						}
					}
				}
			}
		}
	}
}

// TestTableIsOrdinary checks what a row cannot be trusted to have by itself.
func TestTableIsOrdinary(t *testing.T) {
	for i, r := range slices.Collect(table().all) {
		if len(r.calls) == 0 || len(r.needs.alternatives()) == 0 || r.note == "" {
			t.Errorf("row %d (%s): needs, calls and a note are all required", i, r.note)
		}
		for _, nr := range r.calls {
			if sysnum.Name(nr) == "" {
				t.Errorf("row %d (%s): call %d has no name", i, r.note, nr)
			}
		}
		for _, c := range r.when {
			if len(c.values) == 0 && c.own == ownNothing {
				t.Errorf("row %d (%s): condition on argument %d has no value", i, r.note, c.arg)
			}
		}
	}
	for p := range all.All() {
		if !slices.ContainsFunc(slices.Collect(table().all), func(r *row) bool {
			return slices.ContainsFunc(r.needs.alternatives(), func(n Set) bool { return n.Has(p) })
		}) && p != Error {
			t.Errorf("no row needs %q", p)
		}
	}
	everything := testProcess.policy(all, policy.KillProcess)
	if err := everything.Validate(); err != nil {
		t.Error(err)
	}
}

// never lists the calls that no set of promises allows, whatever their
// arguments.
var never = strings.Fields(`
	io_uring_setup io_uring_enter io_uring_register ptrace bpf perf_event_open userfaultfd
	add_key request_key keyctl process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp
	init_module finit_module delete_module kexec_load kexec_file_load reboot
	mount umount2 move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr pivot_root chroot
	setns unshare swapon swapoff quotactl quotactl_fd acct open_by_handle_at fanotify_init fanotify_mark
	personality shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
	syslog sethostname setdomainname vhangup lookup_dcookie nfsservctl
	io_setup io_submit remap_file_pages migrate_pages move_pages mbind set_mempolicy
	clone3 openat2 memfd_create memfd_secret iopl ioperm modify_ldt uselib ustat _sysctl create_module`)

// TestNever checks that nothing of the never-list is granted by any row.
func TestNever(t *testing.T) {
	for _, name := range never {
		nr, ok := sysnum.Number(name)
		if !ok {
			continue // the other architecture's
		}
		for i, r := range slices.Collect(table().all) {
			if r.errno == 0 && slices.Contains(r.calls, nr) {
				t.Errorf("row %d (%s) grants %s", i, r.note, name)
			}
		}
	}
}

// TestProgramsAreShort counts what BenchmarkCall can only time: how many
// instructions a program has, and how many a call takes on its way through it.
func TestProgramsAreShort(t *testing.T) {
	pr := testProcess
	pr.abi = landlock.ABI{Version: 7}
	prog, err := bpf.Compile(pr.policy(setOf(Stdio, Rpath), policy.KillProcess).Simplify())
	if err != nil {
		t.Fatal(err)
	}
	if len(prog) >= 250 {
		t.Errorf(`"stdio rpath" takes %d instructions`, len(prog))
	}
	for _, d := range []policy.Data{
		{Nr: unix.SYS_FCNTL, Args: [6]uint64{1: unix.F_GETFL}},
		{Nr: unix.SYS_OPENAT, Args: [6]uint64{2: unix.O_RDONLY | unix.O_CLOEXEC}},
		{Nr: unix.SYS_MMAP, Args: [6]uint64{2: unix.PROT_READ, 3: unix.MAP_PRIVATE | unix.MAP_ANONYMOUS}},
		{Nr: unix.SYS_MADVISE, Args: [6]uint64{2: unix.MADV_DONTNEED}},
		{Nr: unix.SYS_IOCTL, Args: [6]uint64{1: unix.TCGETS}},
		{Nr: unix.SYS_TGKILL, Args: [6]uint64{0: uint64(pr.pid)}},
	} {
		d.Arch = auditArch
		most := 20
		if slices.Contains(hot, d.Nr) {
			most = 12
		}
		if v, steps := bpf.Trace(prog, &d, nil); v != policy.Allow || steps > most {
			t.Errorf("%s: %v after %d instructions", sysnum.Name(d.Nr), v, steps)
		}
	}
}

//go:build linux

package vmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A Machine is a machine to be booted.
type Machine struct {
	Arch     string   // as in GOARCH: amd64 or arm64
	Kernel   string   // file of the kernel's image
	Init     string   // file of vminit, built for Arch without cgo
	Archives []string // files of cpio archives, made by Archive: all that the machine has
	Append   string   // more of the kernel's command line
	Commands []Command
	Limit    time.Duration // after which the machine is killed

	// Output is asked where to write what a command prints.
	Output func(command int) io.Writer
	// Console, if not nil, gets all that comes over the console.
	Console io.Writer
}

// A Run is what came of a machine.
type Run struct {
	Release  string // the kernel's, as in uname -r
	Landlock int    // the ABI, 0 for none
	Exits    []Exit // by command; there are fewer than commands if the machine died

	CPU time.Duration // that the emulation took
}

// An Exit is how a command ended.
type Exit struct {
	Status  int    // 0 to 255, as in a shell
	Message string // how, in words
}

// qemu is how a machine of an architecture is started. The CPU models are the
// plainest that do: "max" on arm64 is three times slower, because of pointer
// authentication. The machine q35 is slower than microvm, which, however, did
// not always boot. Without kernel page table isolation, which keeps no secret in
// such a machine, arm64 takes a third less time. On amd64 the kernel would find
// its clock unsteady when this system is busy, and patch its own code to use
// another while the other processor runs that: QEMU is not always up to it, and
// the kernel panics with an int3 in sched_clock_cpu.
var qemu = map[string]struct {
	program, machine, cpu, console, append string
}{
	"amd64": {"qemu-system-x86_64", "q35", "qemu64", "ttyS0", "tsc=reliable"},
	"arm64": {"qemu-system-aarch64", "virt", "cortex-a72", "ttyAMA0", "kpti=off"},
}

// Run boots the machine, always in emulation: the nested virtualization that
// one meets in practice is slower or broken. The error is that the machine
// failed, not that a command did.
func (m *Machine) Run(ctx context.Context) (*Run, error) {
	q, ok := qemu[m.Arch]
	if !ok {
		return nil, fmt.Errorf("vmtest: no machine for architecture %q", m.Arch)
	}
	mark := "VMINIT-" + rand.Text()
	initrd, err := m.initrd(mark)
	if err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	defer os.Remove(initrd)

	ctx, cancel := context.WithTimeout(ctx, m.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, q.program, "-M", q.machine, "-cpu", q.cpu, "-accel", "tcg,thread=multi", "-smp", "2", "-m", "3G",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", m.Kernel, "-initrd", initrd,
		"-append", strings.TrimSpace("console="+q.console+" quiet loglevel=1 panic=-1 rdinit=/init "+q.append+" "+m.Append))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	var console io.Reader = stdout
	if m.Console != nil {
		console = io.TeeReader(stdout, m.Console)
	}
	c := newConsole(mark, m.Output)
	_, copyErr := io.Copy(c, console)
	if copyErr != nil {
		cancel() // nobody listens any more
	}
	waitErr := cmd.Wait()
	c.run.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()

	err = errors.Join(c.err, copyErr)
	switch {
	case err != nil:
	case c.done && len(c.run.Exits) == len(m.Commands):
		return &c.run, nil
	case ctx.Err() != nil:
		err = fmt.Errorf("it did not end within %v", m.Limit)
	default:
		err = fmt.Errorf("it ended before its work was done (%v)", waitErr)
	}
	return &c.run, fmt.Errorf("vmtest: the machine failed: %w\n%s%s", err, c.tail(), complaints.String())
}

// initrd makes the file with all archives and vminit's orders.
func (m *Machine) initrd(mark string) (name string, err error) {
	f, err := os.CreateTemp("", "vmtest-*.cpio")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	for _, name := range m.Archives {
		part, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(f, part)
		part.Close()
		if err != nil {
			return "", err
		}
	}
	orders, err := json.Marshal(Config{mark, m.Commands})
	if err != nil {
		return "", err
	}
	init, err := os.ReadFile(m.Init)
	if err != nil {
		return "", err
	}
	a := NewArchive(f)
	a.Console()
	a.File("init", 0o755, init)
	a.File(ConfigFile, 0o644, orders)
	return f.Name(), a.Close()
}

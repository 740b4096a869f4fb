//go:build amd64 || arm64

package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/kernel"
)

// Where a program cannot be traced, its filter is put in force before it is
// executed, and allows what loading it takes for as long as it lives. The
// launcher executes itself as a second stage, a process that confines one of its
// threads, and executes the program from that thread. The filter asks the
// supervisor about this execve as about any other, and the supervisor lets one
// through: its arguments are in the memory of the stage, which is nobody
// else's.

// startStage makes the process that is to be the second stage.
func (c *Command) startStage(socket, ruleset int) (*kernel.Process, error) {
	args := []string{"pledge", "run", "--stage", fmt.Sprintf("%d,%d", socket, ruleset), "-p", "", "--", c.Path}
	return kernel.Fork("/proc/self/exe", append(args, c.Args...), c.Env, -1)
}

// atExec hands the stage its filter, and takes the listener in return.
func (c *Command) atExec(p *kernel.Process, conf *bridge.Confinement, socket int) (Outcome, error) {
	kernel.HideMemory()
	p.Release()
	go forwardSignals(p).further()
	s := c.supervisor(p, conf)
	defer s.report.close()
	s.starts.Store(true)

	prog, err := conf.Compile(p.PID)
	if err == nil {
		err = writeProgram(socket, prog)
	}
	var failure [2]byte
	n := 0
	if err == nil {
		s.listener, n, err = receiveDescriptor(socket, failure[:])
	}
	if err == nil {
		go s.run()
		_, err = unix.Write(socket, []byte{1})
	}
	if n < len(failure) {
		n, _ = unix.Read(socket, failure[:]) // the end comes with the execve
	}
	switch {
	case n == len(failure):
		err = c.stageFailed(failure)
	case err == nil:
		return c.wait(p, s)
	default:
		err = failed("the process was ended before it could be confined", err)
	}
	unix.Kill(p.PID, unix.SIGKILL)
	unix.Wait4(p.PID, nil, 0, nil)
	return Outcome{}, err
}

// The steps of the second stage that can fail.
const (
	stepLandlock = iota
	stepSeccomp
	stepExec
)

func (c *Command) stageFailed(failure [2]byte) error {
	errno := unix.Errno(failure[1])
	switch failure[0] {
	case stepLandlock:
		return failed("landlock_restrict_self", errno)
	case stepSeccomp:
		if errno == unix.EBUSY {
			return failed("seccomp: somebody supervises this process already, as inside of another pledge run", errno)
		}
		return failed("seccomp", errno)
	}
	return c.notExecuted(errno)
}

// Stage is the second stage. Its descriptors are those of startStage, its
// arguments the program's path and arguments. It returns only if it fails.
func Stage(descriptors string, args []string) error {
	var socket, ruleset int
	if n, err := fmt.Sscanf(descriptors, "%d,%d", &socket, &ruleset); n != 2 || len(args) < 2 {
		return &Error{Status: StatusFailed, Msg: "--stage " + strconv.Quote(descriptors) + " is for pledge run itself", Err: err}
	}
	unix.CloseOnExec(socket)
	prog, err := readProgram(socket)
	if err != nil {
		return failed("reading the filter", err)
	}
	runtime.LockOSThread()
	kernel.RestoreLimit()
	step, err := confineThread(socket, ruleset, prog)
	if err == nil {
		step, err = stepExec, kernel.Exec(args[0], args[1:], os.Environ())
	}
	var errno unix.Errno
	errors.As(err, &errno)
	unix.Write(socket, []byte{byte(step), byte(errno)})
	unix.Exit(StatusFailed)
	return err
}

// confineThread puts everything in force on the calling thread. The other
// threads of the process are not confined, and one of them gives the listener
// away before there is a program that could want it.
func confineThread(socket, ruleset int, prog []bpf.Insn) (step int, err error) {
	if ruleset >= 0 {
		if err := kernel.RestrictThread(ruleset); err != nil {
			return stepLandlock, err
		}
		unix.Close(ruleset)
	}
	given := make(chan error)
	listeners := make(chan int)
	go func() {
		listener := <-listeners
		err := unix.Sendmsg(socket, []byte{1}, unix.UnixRights(listener), nil, 0)
		unix.Close(listener)
		if err == nil {
			_, err = unix.Read(socket, make([]byte, 1)) // the supervisor listens
		}
		given <- err
	}()
	listener, err := kernel.ListenThread(prog, uintptr(killableFlag()))
	if err != nil {
		return stepSeccomp, err
	}
	listeners <- listener
	return stepSeccomp, <-given
}

// writeProgram writes a filter, its length in front.
func writeProgram(socket int, prog []bpf.Insn) error {
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(prog)))
	data, err := binary.Append(data, binary.LittleEndian, prog)
	for err == nil && len(data) > 0 {
		var n int
		n, err = unix.Write(socket, data)
		data = data[max(0, n):]
	}
	return err
}

func readProgram(socket int) ([]bpf.Insn, error) {
	r := os.NewFile(uintptr(socket), "socket")
	defer runtime.KeepAlive(r)
	var n uint32
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return nil, err
	}
	prog := make([]bpf.Insn, min(n, bpf.MaxLen))
	return prog, binary.Read(r, binary.LittleEndian, prog)
}

// receiveDescriptor receives the one descriptor that the stage sends, with one
// byte, or n bytes of why it cannot.
func receiveDescriptor(socket int, failure []byte) (fd, n int, err error) {
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(socket, failure, oob, unix.MSG_CMSG_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, 0, err
		}
		msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(msgs) != 1 {
			return -1, n, unix.EPIPE // it has ended, or failed
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			return -1, n, unix.EPIPE
		}
		return fds[0], n, nil
	}
}

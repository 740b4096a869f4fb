//go:build amd64 || arm64

package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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

	// Meanwhile the stage can be stopped, or end: that is for this thread to see.
	handed := make(chan error, 1)
	go func() {
		err := c.handOver(p, conf, s, socket)
		if err != nil {
			unix.PidfdSendSignal(p.PIDFD, unix.SIGKILL, nil, 0)
		}
		handed <- err
	}()
	outcome, err := c.wait(p, s)
	if e, _ := p.Failure(); e != 0 {
		<-handed
		return Outcome{}, failed("cannot start the second stage", e)
	}
	if e := <-handed; e != nil && !errors.Is(e, errEnded) {
		return Outcome{}, e
	}
	return outcome, err
}

// handOver returns when the stage has executed its program. The error is
// errEnded if it has ended before.
func (c *Command) handOver(p *kernel.Process, conf *bridge.Confinement, s *supervisor, socket int) error {
	prog, err := conf.Compile(p.PID)
	if err != nil {
		return failed("cannot confine the program", err)
	}
	var failure [2]byte
	n := 0
	if err = writeProgram(socket, prog); err == nil {
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
		return c.stageFailed(failure)
	case err != nil:
		return errEnded
	}
	return nil
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

// Stage is what the launcher executes itself for: the second stage, with the
// descriptors of startStage and the program's path and arguments, or a waker. It
// returns only if it fails.
func Stage(descriptors string, args []string) error {
	var socket, ruleset, sleeper int
	if n, _ := fmt.Sscanf(descriptors, wakerStage, &sleeper); n == 1 {
		wake(sleeper)
	}
	if n, err := fmt.Sscanf(descriptors, "%d,%d", &socket, &ruleset); n != 2 || len(args) < 2 {
		return &Error{Status: StatusFailed, Msg: "--stage " + strconv.Quote(descriptors) + " is for pledge run itself", Err: err}
	}
	// What kills a process at the launcher's end is a thread's own: the thread that
	// executes the program must have it.
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	unix.CloseOnExec(socket)
	if err := kernel.DefaultSignals(); err != nil {
		return failed("looking for threads", err)
	}
	prog, err := readProgram(socket)
	if err != nil {
		return failed("reading the filter", err)
	}
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

// reader reads from a descriptor.
type reader int

func (fd reader) Read(b []byte) (int, error) {
	n, err := unix.Read(int(fd), b)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

func readProgram(socket int) ([]bpf.Insn, error) {
	r := reader(socket) // not an os.File, which would close it once it is garbage
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

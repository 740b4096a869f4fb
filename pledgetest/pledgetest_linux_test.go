package pledgetest_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/pledgetest"
)

// forbidExit has the kernel kill this process with SIGSYS when it exits.
func forbidExit() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_EXIT_GROUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // no_new_privs is the thread's
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return errno
	}
	return nil
}

// TestKilledAfterReturn: a child that is killed when the function has returned
// was not killed by what the function does.
func TestKilledAfterReturn(t *testing.T) {
	supported(t)
	for _, c := range []struct {
		name string
		err  error
	}{
		{"nil", nil},
		{"an error", unix.EXDEV},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &recorder{TB: t}
			r := pledgetest.Child(rec, func() error {
				if err := forbidExit(); err != nil {
					return err
				}
				return c.err
			})
			if inChild() {
				return
			}
			if r.Signal != unix.SIGSYS {
				t.Fatalf("%v, want killed", r)
			}
			refuse(t, rec, map[string]func(){
				"OK":     func() { r.OK() },
				"Killed": func() { r.Killed() },
				"Failed": func() { r.Failed(unix.EXDEV) },
			})
		})
	}
}

// TestDiesWithParent: a child does not outlive a parent that is killed.
func TestDiesWithParent(t *testing.T) {
	supported(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := runTest(t, "TestStays")
	cmd.Env = append(cmd.Env, fifoEnv+"="+fifo, "TMPDIR="+t.TempDir()) // what it leaves behind
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		f, err := os.Open(fifo)
		if err != nil {
			ended <- err
			return
		}
		defer f.Close()
		if _, err := f.Read(make([]byte, 1)); err != nil {
			ended <- err
			return
		}
		cmd.Process.Kill()
		_, err = io.ReadAll(f) // until the child does not have it any more
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the child lives")
	}
	cmd.Process.Kill()
	cmd.Wait()
}

// fifoEnv names the pipe that TestStays holds open.
const fifoEnv = "PLEDGETEST_FIFO"

// TestStays is what TestDiesWithParent starts.
func TestStays(t *testing.T) {
	if os.Getenv(again) != t.Name() {
		t.Skip("for TestDiesWithParent")
	}
	pledgetest.Child(t, func() error {
		f, err := os.OpenFile(os.Getenv(fifoEnv), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.WriteString("x"); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		return nil
	})
}

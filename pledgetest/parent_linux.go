package pledgetest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the program killed when the thread that starts it ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

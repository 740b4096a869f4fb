//go:build unix

// Shell runs a command under promises.
//
//	shell COMMAND [ARG ...]
//
// It shows what "exec" means on Linux: the executed program lives under the
// same promises as its parent, and so do the programs that it starts. Here
// they may read files and start each other, but neither change a file nor use
// the network. One that tries is killed with SIGSYS.
//
// The exit status is the command's, or 128 plus the number of the signal that
// ended it.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"syscall"

	"github.com/gopledge/pledge"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("shell: ")
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: shell COMMAND [ARG ...]")
		os.Exit(2)
	}

	// To start a program takes both "proc", for fork(2), and "exec". "rpath"
	// is also for the program itself: almost all load libraries.
	if err := pledge.Pledge("stdio rpath proc exec"); err != nil {
		log.Fatal(err)
	}

	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	// These are open already; for a nil one os/exec would open /dev/null.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()

	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, ok := exit.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() {
			os.Exit(exit.ExitCode())
		}
		if status.Signal() == syscall.SIGSYS {
			log.Printf("%s: did what %q does not promise", os.Args[1], pledge.Status().Promises)
		}
		os.Exit(128 + int(status.Signal()))
	}
	if err != nil {
		log.Fatal(err)
	}
}

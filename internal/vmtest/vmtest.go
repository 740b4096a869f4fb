//go:build linux

// Package vmtest runs test binaries on real kernels: in throwaway QEMU machines
// that boot a distribution's kernel with an initramfs made for the occasion.
//
// A machine has no disk and no network but its loopback interface. Its first
// process (cmd/vminit) takes its orders from a file in the initramfs, runs the
// commands one after the other, sends what they print and how they ended over
// the serial console, and switches the machine off. Nothing but the console
// comes back.
package vmtest

import "time"

// ConfigFile is where vminit finds its Config.
const ConfigFile = "/vminit.json"

// Config is what vminit is told.
type Config struct {
	// Mark begins each line that vminit itself prints. It is made anew for
	// each machine, so that nothing a test prints is taken for it.
	Mark     string
	Commands []Command
}

// Command is a program to run in the machine.
type Command struct {
	Argv  []string
	Dir   string
	UID   int           // user and group
	Env   []string      // on top of PATH, HOME, TMPDIR, TERM and LANG
	Limit time.Duration // after which it is killed
}

// The lines of vminit. Each follows the mark.
const (
	lineUp    = "up"    // RELEASE ABI: the kernel runs; its Landlock ABI, or 0
	lineStart = "start" // N: what follows is printed by command N
	lineExit  = "exit"  // N STATUS MESSAGE: how command N ended
	lineDone  = "done"  // all commands have ended
	lineError = "error" // MESSAGE: the machine is not as it should be
)

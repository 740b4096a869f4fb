//go:build linux && (amd64 || arm64)

package main

import (
	"github.com/spf13/cobra"

	"github.com/gopledge/pledge/internal/sysargs"
)

// describe renders a call of a process that violated its promises.
var describe = sysargs.Describe

// furtherCommands are those that know the system calls of the machine.
func furtherCommands() []*cobra.Command {
	return []*cobra.Command{traceCommand(), explainCommand(), checkCommand()}
}

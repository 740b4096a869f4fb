//go:build linux && (amd64 || arm64)

package main

import "github.com/spf13/cobra"

// furtherCommands are those that know the system calls of the machine.
func furtherCommands() []*cobra.Command {
	return []*cobra.Command{traceCommand(), explainCommand(), checkCommand()}
}

//go:build linux && (amd64 || arm64)

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// runCommand stands in for the command of run.go, which replaces this file.
func runCommand() *cobra.Command {
	return &cobra.Command{Use: "run -p PROMISES -- PROGRAM [ARGUMENT]...", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error { return errors.New("run is not part of this build") }}
}

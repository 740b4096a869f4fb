//go:build !linux || !(amd64 || arm64)

package main

import "github.com/spf13/cobra"

// furtherCommands are none on systems that have no promise table.
func furtherCommands() []*cobra.Command { return nil }

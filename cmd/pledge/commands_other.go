//go:build !linux || !(amd64 || arm64)

package main

import (
	"github.com/spf13/cobra"

	"github.com/gopledge/pledge/internal/policy"
)

// describe is for systems that run programs under promises.
var describe func(pid int, call policy.Data) string

// furtherCommands are none on systems that have no promise table.
func furtherCommands() []*cobra.Command { return nil }

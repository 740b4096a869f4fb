//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/trace"
)

func checkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what this kernel and container can do",
		Long: `check tries what pledge needs of the kernel, and of the container that it may
run in. Nothing is installed.

The exit status is 0 if the library and pledge run work here, and 1 otherwise.`,
		Example: `  pledge check
  pledge check --json | jq .ok
  pledge check >/dev/null || echo "not here"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			r := check(pledge.Supported(), trace.Probe(), pidfd())
			w := cmd.OutOrStdout()
			var err error
			if asJSON {
				err = writeJSON(w, r)
			} else {
				err = r.write(w, styleOf(w))
			}
			if err == nil && !r.OK {
				err = statusError(1)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A capabilities is what check found.
type capabilities struct {
	OK     bool         `json:"ok"` // what is required is there
	Kernel string       `json:"kernel"`
	Checks []capability `json:"checks"`
}

// A capability is one thing that the kernel has or has not.
type capability struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Version  int    `json:"version,omitempty"` // Landlock's ABI
	Error    string `json:"error,omitempty"`
	For      string `json:"for"`   // what it is needed for
	Since    string `json:"since"` // the kernel that brought it
}

// check judges what was found.
func check(f pledge.Features, ptrace, pidfd error) capabilities {
	c := capabilities{OK: true, Kernel: release(), Checks: []capability{
		{Name: "seccomp", OK: f.Seccomp, Required: true, Since: "Linux 3.17", For: "everything"},
		{Name: "seccomp tsync", OK: f.ThreadSync, Required: true, Since: "Linux 3.17", For: "the library: one filter for all threads"},
		{Name: "seccomp kill-process", OK: f.KillProcess, Required: true, Since: "Linux 4.14", For: "everything: violations end the process"},
		{Name: "seccomp log", OK: f.Log, Since: "Linux 4.14", For: "the library's Config{Violation: Log}"},
		{Name: "seccomp user-notify", OK: f.UserNotify, Required: true, Since: "Linux 5.0", For: "pledge run: saying what was refused"},
		{Name: "landlock", OK: f.Landlock > 0, Version: f.Landlock, Since: "Linux 5.13", For: "unveil, pledge run -v, and promises that mean certain files"},
		{Name: "ptrace", OK: ptrace == nil, Error: text(ptrace), Required: true, Since: "Linux 5.3", For: "pledge run without --at-exec, pledge trace"},
		{Name: "pidfd", OK: pidfd == nil, Error: text(pidfd), Required: true, Since: "Linux 5.6", For: "pledge run without --at-exec: taking the filter's listener"},
	}}
	for _, x := range c.Checks {
		c.OK = c.OK && (x.OK || !x.Required)
	}
	return c
}

// tracing reports whether what is missing is what --at-exec does without.
func (c capabilities) tracing() bool {
	return !c.OK && !slices.ContainsFunc(c.Checks, func(x capability) bool {
		return x.Required && !x.OK && x.Name != "ptrace" && x.Name != "pidfd"
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (c capabilities) write(w io.Writer, s style) error {
	fmt.Fprintf(w, "Linux %s\n\n", c.Kernel)
	for _, x := range c.Checks {
		state := s.green("yes    ")
		switch {
		case !x.OK && x.Required:
			state = s.red("MISSING")
		case !x.OK:
			state = "no     "
		case x.Version > 0:
			state = s.green(fmt.Sprintf("ABI %-3d", x.Version))
		}
		fmt.Fprintf(w, "%-21s %s  %s\n", x.Name, state, x.For)
		if !x.OK {
			why := x.Since + " or later has it, unless the container refuses it"
			if x.Error != "" {
				why = x.Error + "; " + why
			}
			fmt.Fprint(w, s.wrap("                               ", why))
		}
	}
	verdict := s.green("The library and pledge run work here.")
	switch {
	case c.tracing():
		verdict = s.red("The library works here, pledge run only with --at-exec.")
	case !c.OK:
		verdict = s.red("The library or pledge run does not work here.")
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict)
	return err
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "of unknown release"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// pidfd tries to get a descriptor of the process, and one of its descriptors
// through that.
func pidfd() error {
	fd, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(fd)
	own, err := unix.PidfdGetfd(fd, fd, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	return errors.Join(unix.Close(own))
}

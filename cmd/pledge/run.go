package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/launch"
)

// runCommand makes «pledge run». It does not return from a run: the launcher
// ends as its program did.
func runCommand() *cobra.Command {
	var (
		promises  string
		unveil    []string
		violation string
		atExec    bool
		stage     string
	)
	cmd := &cobra.Command{
		Use:   "run -p PROMISES [-v PERMISSIONS:PATH]... [flags] -- COMMAND [ARGUMENT]...",
		Short: "Run a program that knows nothing of promises under some",
		Long: `run starts a program and holds it, and all that it executes, to promises from its
entry point on; until then the dynamic loader may read and map ELF files, too. A
violation ends it; a line on standard error names the program, the call and the
promise that it lacks.

The exit status is the program's, 159 for a violation, 125 if pledge failed, 126
if the program cannot be executed, and 127 if there is none.`,
		Example: `  pledge run -p "stdio rpath" -- cat README.md
  pledge run -p "stdio rpath" -v rx:/usr -v r:/srv/data -- grep -r word /srv/data`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if stage != "" {
				return launch.Stage(stage, args)
			}
			s, err := pledge.Parse(promises)
			if err != nil {
				return &launch.Error{Status: launch.StatusFailed, Msg: strings.TrimPrefix(err.Error(), "pledge: ")}
			}
			c := launch.Command{
				Args: args, Env: os.Environ(),
				Describe:  describe,
				Promises:  uint64(s),
				Violation: launch.Violation(violation),
				AtExec:    atExec,
				Reports:   os.Stderr,
				Names:     func(promises uint64) string { return pledge.Set(promises).String() },
			}
			switch c.Violation {
			case launch.Kill, launch.Errno, launch.Log:
			default:
				return &launch.Error{Status: launch.StatusFailed, Msg: fmt.Sprintf("--violation %q is none of kill, errno and log", violation)}
			}
			if s.Has(pledge.Error) { // the supervisor decides of files, too, so that the filter cannot answer
				c.Violation, c.Reports = launch.Errno, io.Discard
			}
			for _, v := range unveil {
				permissions, path, ok := strings.Cut(v, ":")
				if !ok || path == "" {
					return &launch.Error{Status: launch.StatusFailed, Msg: fmt.Sprintf("-v %q is not PERMISSIONS:PATH, as in rx:/usr", v)}
				}
				c.Unveil = append(c.Unveil, bridge.Path{Path: path, Permissions: permissions})
			}
			if c.Path, err = launch.Find(args[0]); err != nil {
				return err
			}
			outcome, err := c.Run()
			if err != nil {
				return err
			}
			outcome.Exit()
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.StringVarP(&promises, "promises", "p", "", "the promises, as in \"stdio rpath\"")
	flags.StringArrayVarP(&unveil, "unveil", "v", nil, "let the program see a path, as in rx:/usr; no others then")
	flags.StringVar(&violation, "violation", "kill", "what becomes of a violation: kill, errno (ENOSYS) or log (let through: protects nothing)")
	flags.BoolVar(&atExec, "at-exec", false, "set the filter before the program is executed, where it cannot be traced; adds \"stdio rpath\" and mapping of code")
	flags.StringVar(&stage, "stage", "", "what pledge run executes itself for")
	flags.MarkHidden("stage")
	cmd.MarkFlagRequired("promises")
	return cmd
}

// runStatus returns the exit status for an error of «pledge run».
func runStatus(err error) int {
	var e *launch.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return launch.StatusFailed
}

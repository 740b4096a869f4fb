// Pledge runs programs under promises, as OpenBSD's pledge(2) does, and helps to
// find out which ones a program needs.
//
// The rules of its face: results go to standard output, everything else to
// standard error. An error is one line that begins with "pledge: ", and a second
// one "pledge: hint: " where there is something to do about it. Failures of the
// command itself have exit status 125; other statuses are the program's. Colour
// only on a terminal, and never with NO_COLOR.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(execute(rootCommand(), os.Args[1:], os.Stderr))
}

// execute runs the command and returns the exit status. An error may have a
// status of its own (ExitCode) and a hint (Hint). One without a message has
// said what there is to say.
func execute(root *cobra.Command, args []string, stderr io.Writer) int {
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return 0
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(stderr, "pledge: %s\n", strings.TrimPrefix(msg, "pledge: "))
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintf(stderr, "pledge: hint: %s\n", hinted.Hint())
	}
	var status interface{ ExitCode() int }
	if errors.As(err, &status) {
		return status.ExitCode()
	}
	return runStatus(err)
}

// hintError is an error with something to do about it.
type hintError struct {
	error
	hint string
}

func (e hintError) Hint() string  { return e.hint }
func (e hintError) Unwrap() error { return e.error }

// statusError ends the command with a status and without a word.
type statusError int

func (statusError) Error() string   { return "" }
func (e statusError) ExitCode() int { return int(e) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "pledge COMMAND",
		Short: "Run programs under promises",
		Long: `pledge holds programs to promises, as OpenBSD's pledge(2) does: a program that
promised "stdio rpath" can compute, use its open descriptors and read files, and
is killed when it opens a file to write, a socket, or starts a program.`,
		Example: `  pledge run -p "stdio rpath" -- cat README.md
  pledge trace -- sort -u words.txt
  pledge explain "stdio rpath"
  pledge explain openat
  pledge check`,
		Version:           version(),
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hintError{errors.New("no command is given"), "see pledge --help"}
			}
			hint := "see pledge --help for the commands"
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("did you mean %q?", near[0])
			}
			return hintError{fmt.Errorf("unknown command %q", args[0]), hint}
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		hint := "see " + cmd.CommandPath() + " --help"
		if cmd == root && strings.Contains(err.Error(), "'p'") {
			hint = "programs are run by: pledge run -p PROMISES -- PROGRAM"
		}
		return hintError{err, hint}
	})
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	run := runCommand()
	if run.Flags().Lookup("promises") != nil {
		run.RegisterFlagCompletionFunc("promises", completePromises)
	}
	root.AddCommand(run)
	root.AddCommand(furtherCommands()...)
	return root
}

// version is what the Go command recorded of the module.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return hintError{fmt.Errorf("%s takes no arguments", cmd.CommandPath()), "see " + cmd.CommandPath() + " --help"}
	}
	return nil
}

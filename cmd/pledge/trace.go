//go:build linux && (amd64 || arm64)

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/trace"
)

func traceCommand() *cobra.Command {
	var asJSON bool
	var output, promises string
	cmd := &cobra.Command{
		Use:   "trace [-o FILE] [-p PROMISES] -- PROGRAM [ARGUMENT]...",
		Short: "Find the promises that a program needs",
		Long: `trace runs a program without restrictions, watches what it does, and ends with
the smallest set of promises that would have sufficed, what each of them was
needed for, and the paths that were used. The report goes to standard error, or
to a file; the exit status is the program's, or 128 and the number of the signal
that ended it.

What every filter refuses with an errno, the traced program is refused, too, so
that it does what it would do under pledge run. So are netlink sockets, which C
libraries ask for and can do without: -p route lets a program have them.

A trace sees what the program did this time. Let it do all of its work: what it
did not do, the promises may not allow.`,
		Example: `  pledge trace -- sort -u words.txt
  pledge trace -o report.txt -- make
  pledge trace --json -o report.json -- ./server
  pledge trace -p route -- ip address`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return hintError{errors.New("trace needs a program"), "for instance: pledge trace -- ls -l"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			extra, err := pledge.Parse(promises)
			if err != nil {
				return err
			}
			out := cmd.ErrOrStderr()
			if output != "" {
				f, err := os.Create(output)
				if err != nil {
					return err
				}
				defer f.Close()
				out = f
			}
			program := exec.Command(args[0], args[1:]...)
			program.Stdin, program.Stdout, program.Stderr = os.Stdin, os.Stdout, os.Stderr
			report, err := trace.Run(program, extra)
			if report == nil {
				return startError(args[0], err)
			}
			if err == nil && asJSON {
				err = writeJSON(out, report)
			} else if err == nil {
				err = writeReport(out, styleOf(out), report, args)
			}
			if err == nil && report.Status != 0 {
				err = statusError(report.Status)
			}
			return err
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the report to `FILE`")
	cmd.Flags().StringVarP(&promises, "promises", "p", "", "`PROMISES` that the program is meant to have: nothing that needs them is refused")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	cmd.RegisterFlagCompletionFunc("promises", completePromises)
	return cmd
}

// startFailure is a program that could not be started, with the status that
// shells use.
type startFailure struct {
	error
	status int
}

func (e startFailure) ExitCode() int { return e.status }

func startError(name string, err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return startFailure{fmt.Errorf("%s: not found", printable(name)), 127}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, exec.ErrDot):
		return startFailure{fmt.Errorf("%s: %w", printable(name), errors.Unwrap(err)), 126}
	case errors.Is(err, unix.EPERM):
		return hintError{err, "pledge check says whether ptrace works here"}
	}
	return err
}

// writeReport says what a program needed.
func writeReport(w io.Writer, s style, r *trace.Report, args []string) error {
	var b strings.Builder
	for _, n := range r.Needs {
		fmt.Fprintf(&b, "%s\n", s.bold(n.Promise))
		writeUses(&b, n.Uses)
	}
	if len(r.Optional) > 0 {
		fmt.Fprintf(&b, "\n%s\n", s.bold("refused softly without a further promise"))
		for _, n := range r.Optional {
			fmt.Fprintf(&b, "  %s\n", n.Promise)
			writeUses(&b, n.Uses)
		}
	}
	if len(r.Refused) > 0 {
		fmt.Fprintf(&b, "\n%s\n", s.bold("refused softly, here as by a filter"))
		writeUses(&b, r.Refused)
		if slices.ContainsFunc(r.Refused, func(u trace.Use) bool { return u.With != "" }) {
			b.WriteString("  pledge trace -p PROMISES lets them take place\n")
		}
	}
	if len(r.Never) > 0 {
		fmt.Fprintf(&b, "\n%s\n", s.bold("allowed by no promise: the program cannot run as it did here"))
		writeUses(&b, r.Never)
	}
	if len(r.Paths) > 0 {
		fmt.Fprintf(&b, "\n%s\n", s.bold("paths"))
		for _, p := range r.Paths {
			fmt.Fprintf(&b, "  -v %s\n", shellQuote(p.Permissions+":"+p.Path))
		}
	}
	fmt.Fprintf(&b, "\n%s %q\n", s.bold("promises"), r.Promises)
	var command []string
	for _, a := range args {
		command = append(command, shellQuote(a))
	}
	fmt.Fprintf(&b, "pledge run -p %s -- %s\n", shellQuote(r.Promises), strings.Join(command, " "))
	_, err := io.WriteString(w, b.String())
	return err
}

func writeUses(b *strings.Builder, uses []trace.Use) {
	for _, u := range uses {
		result := ""
		if u.Errno != "" {
			result = " = " + u.Errno
		}
		if u.With != "" {
			result += " (allowed with " + u.With + ")"
		}
		if u.Early {
			result += " (before the program begins)"
		}
		fmt.Fprintf(b, "  %6d  %-12s  %s%s\n", u.Count, u.Program, u.Example, result)
	}
}

// shellQuote makes a word that a shell takes for what it is. Bytes that could
// do something to a terminal are written as in $'...'.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=+,@%", r)
	}
	switch {
	case s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0:
		return s
	case printable(s) != s:
		quoted := printable(s)
		return "$" + "'" + strings.ReplaceAll(quoted[1:len(quoted)-1], "'", `\'`) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

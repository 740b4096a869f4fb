//go:build linux

package vmtest

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A console takes apart what comes over the serial line: the lines of vminit,
// what the commands print between these, and the rest, which the firmware and
// the kernel print.
type console struct {
	mark   []byte
	output func(command int) io.Writer
	run    Run
	done   bool
	err    error // what vminit complains of

	line    []byte    // begun, not ended
	command io.Writer // of the command that runs, or nil
	rest    []byte    // what belongs to no command
}

func newConsole(mark string, output func(int) io.Writer) *console {
	return &console{mark: []byte(mark + " "), output: output}
}

func (c *console) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n') + 1
		if i == 0 {
			c.line = append(c.line, rest...)
			break
		}
		c.line = append(c.line, rest[:i]...)
		rest = rest[i:]
		if err := c.take(c.line); err != nil {
			return 0, err
		}
		c.line = c.line[:0]
	}
	return len(b), nil
}

// take takes a line. The mark need not be at its beginning: what the kernel or
// a command printed last may have had no end.
func (c *console) take(line []byte) error {
	text, order := line, ""
	if i := bytes.Index(line, c.mark); i >= 0 {
		text = line[:i]
		order = strings.TrimSpace(string(line[i+len(c.mark):]))
	}
	if len(text) > 0 {
		if c.command != nil {
			if _, err := c.command.Write(text); err != nil {
				return err
			}
		} else {
			c.rest = append(c.rest, text...)
		}
	}
	if order == "" {
		return nil
	}
	kind, rest, _ := strings.Cut(order, " ")
	number, message, _ := strings.Cut(rest, " ")
	switch kind {
	case lineUp:
		abi, err := strconv.Atoi(message)
		if err != nil {
			return fmt.Errorf("vmtest: out of order on the console: %q", order)
		}
		c.run.Release, c.run.Landlock = number, abi
	case lineStart:
		n, err := strconv.Atoi(number)
		if err != nil || n != len(c.run.Exits) {
			return fmt.Errorf("vmtest: out of order on the console: %q", order)
		}
		c.command = c.output(n)
	case lineExit:
		status, message, _ := strings.Cut(message, " ")
		n, err := strconv.Atoi(number)
		s, err2 := strconv.Atoi(status)
		if err != nil || err2 != nil || n != len(c.run.Exits) {
			return fmt.Errorf("vmtest: out of order on the console: %q", order)
		}
		c.command = nil
		c.run.Exits = append(c.run.Exits, Exit{s, message})
	case lineDone:
		c.done = true
	case lineError:
		if c.err == nil {
			c.err = fmt.Errorf("vminit: %s", rest)
		}
	}
	return nil
}

// tail returns the last lines that belong to no command.
func (c *console) tail() string {
	lines := strings.SplitAfter(strings.ReplaceAll(string(c.rest)+string(c.line), "\r", ""), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "")
}

//go:build linux && (amd64 || arm64)

package main

import (
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// style is how to write to a certain output.
type style struct {
	colour bool
	width  int // columns
}

// styleOf returns how to write to w: with colour only on a terminal that wants
// it.
func styleOf(w io.Writer) style {
	s := style{width: 80}
	f, ok := w.(*os.File)
	if !ok {
		return s
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return s
	}
	if size.Col > 0 {
		s.width = max(40, min(int(size.Col), 120))
	}
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

func (s style) bold(text string) string  { return s.sgr("1", text) }
func (s style) green(text string) string { return s.sgr("32", text) }
func (s style) red(text string) string   { return s.sgr("31", text) }

func (s style) sgr(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}

// wrap breaks text between words into lines, each with the indentation.
func (s style) wrap(indent, text string) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(text) {
		switch {
		case n == 0:
			b.WriteString(indent)
			n = len(indent)
		case n+1+len(word) > s.width:
			b.WriteString("\n" + indent)
			n = len(indent)
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}

// printable quotes what could do something to a terminal.
func printable(s string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// writeJSON writes what another program is to read.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report prints the table, as Markdown, what was skipped, and what was not run.
// The document has more to say of itself than what is printed at the end of a
// run.
func (m *matrix) report(w io.Writer, cells []*cell, document bool) {
	if document {
		fmt.Fprintf(w, `# The tests on real kernels

This page is written by `+"`make matrix`"+`; do not edit it. It was last written on %s.

Each cell is a machine of its own (QEMU, emulated) that boots a kernel of Debian and runs the tests of all packages, built in
the way of the column, as root unless the row says otherwise. Tests and subtests are counted. The machines are slow, so the
tests are told to be short: the proof judges fewer sets of promises than on the machine that builds (the row "the whole
proof" does not), and kernels do not pretend to have older Landlock ABIs. For the same reason the programs of other people
(TestUtilities, TestPrograms) are run on the kernels %s in the column "without cgo" only, the pledge command, which always has the
filters of the project's own compiler, with cgo on few, and what asks nothing of the kernel (the proof, the compiler's tests) is
computed in the rows of Linux 6.1 only.

`, time.Now().UTC().Format(time.DateOnly), strings.Join(programKernels, ", "))
	}
	columns := slices.DeleteFunc(slices.Clone(builds), func(b *build) bool {
		return !slices.ContainsFunc(cells, func(c *cell) bool { return c.build == b })
	})
	var rows []string
	for _, c := range cells {
		if !slices.Contains(rows, c.row()) {
			rows = append(rows, c.row())
		}
	}
	fmt.Fprint(w, "| kernel | Landlock |")
	for _, b := range columns {
		fmt.Fprintf(w, " %s |", b.about)
	}
	fmt.Fprintf(w, "\n|%s\n", strings.Repeat(" --- |", len(columns)+2))
	for _, row := range rows {
		landlock := "?"
		var line strings.Builder
		for _, b := range columns {
			text := ""
			for _, c := range cells {
				if c.row() != row || c.build != b {
					continue
				}
				text = c.summary()
				if c.Release != "" {
					landlock = "none"
					if c.Landlock > 0 {
						landlock = fmt.Sprintf("ABI %d", c.Landlock)
					}
				}
			}
			fmt.Fprintf(&line, " %s |", text)
		}
		fmt.Fprintf(w, "| %s | %s |%s\n", row, landlock, line.String())
	}

	section := func(title string) {
		fmt.Fprintf(w, "\n%s\n\n", map[bool]string{true: "## " + title, false: title + ":"}[document])
	}
	if notRun := filter(cells, func(c *cell) bool { return c.notRun != "" }); len(notRun) > 0 {
		section("Not run")
		for _, c := range notRun {
			first, _, _ := strings.Cut(c.notRun, "\n")
			fmt.Fprintf(w, "* %s: %s\n", c.name(), first)
		}
	}
	if failed := filter(cells, func(c *cell) bool { return len(c.Tally.Failures) > 0 }); len(failed) > 0 {
		section("Failed")
		for _, c := range failed {
			for _, f := range c.Tally.Failures {
				fmt.Fprintf(w, "* %s: %s %s\n", c.name(), f.Package, f.Test)
			}
		}
	}
	section("Skipped, and why")
	type skipped struct{ tests, cells map[string]bool }
	skips := map[string]*skipped{}
	for _, c := range cells {
		for _, s := range c.Tally.Skips {
			reason := strings.Join(strings.Fields(cmp.Or(s.Text, "no reason given")), " ")
			if skips[reason] == nil {
				skips[reason] = &skipped{map[string]bool{}, map[string]bool{}}
			}
			skips[reason].tests[s.Test] = true
			skips[reason].cells[c.name()] = true
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(skips)) {
		s := skips[reason]
		fmt.Fprintf(w, "* %s: %s (%s)\n", reason, some(s.tests, "tests"), some(s.cells, "cells"))
	}
	if len(skips) == 0 {
		fmt.Fprintln(w, "* nothing")
	}
	if document {
		section("Versions")
		for _, name := range slices.Sorted(maps.Keys(m.versions)) {
			fmt.Fprintf(w, "* %s: %s\n", name, m.versions[name])
		}
		seen := map[string]bool{}
		for _, c := range cells {
			if line := fmt.Sprintf("* %s: %s (%s)\n", c.row(), c.Release, c.Kernel); c.Release != "" && !seen[line] {
				seen[line] = true
				fmt.Fprint(w, line)
			}
		}
	}
}

func filter(cells []*cell, f func(*cell) bool) []*cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c *cell) bool { return !f(c) })
}

// some names a few, and counts many.
func some(names map[string]bool, what string) string {
	sorted := slices.Sorted(maps.Keys(names))
	if len(sorted) <= 4 {
		return strings.Join(sorted, ", ")
	}
	return fmt.Sprintf("%s and %d other %s", sorted[0], len(sorted)-1, what)
}

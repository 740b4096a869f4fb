//go:build amd64 || arm64

package pledge

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/gopledge/pledge/internal/sysnum"
)

//go:generate go test -run "TestDocsAreCurrent|TestUnveilDocs" -update .

var update = flag.Bool("update", false, "write the pages in docs anew")

// TestDocsAreCurrent compares docs/promises.md with what the table says.
func TestDocsAreCurrent(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("docs/promises.md is generated on amd64, whose table has all rows")
	}
	const name = "docs/promises.md"
	want := promisesPage()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says; run: go generate", name)
	}
}

// promisesPage renders the table as Markdown.
func promisesPage() string {
	var b strings.Builder
	b.WriteString(`# The promises, call by call

This page is generated from the promise table (table.go, table_amd64.go); do not edit it. It shows amd64; arm64 lacks the
older forms of calls (open, stat, fork, pipe ...).

A call is allowed if one of the rows of a promise that is held has it and its arguments meet the conditions. Arguments have
the names of the man pages; *flags & (A|B) = A* means that of these bits just A is set, and for arguments that are an int in C
only the lower 32 bits count. A row whose heading names several promises needs them all. What no row allows is a violation, except for
the soft refusals at the end, which fail with an errno, and numbers that are newer than the table, which fail with ENOSYS.

`)
	inTable := table()
	section := func(title string, wanted func(r *row, needs Set) bool, errno bool) {
		var rows []string
		for r := range inTable.all {
			for _, n := range r.needs.alternatives() {
				if (r.errno != 0) != errno || !wanted(r, n) {
					continue
				}
				rows = append(rows, rowLine(r, n))
			}
		}
		if len(rows) == 0 {
			return
		}
		fmt.Fprintf(&b, "## %s\n\n", title)
		if errno {
			b.WriteString("| with | calls | if | errno | because |\n| --- | --- | --- | --- | --- |\n")
		} else {
			b.WriteString("| calls | if | for |\n| --- | --- | --- |\n")
		}
		b.WriteString(strings.Join(rows, "") + "\n")
	}
	section("Always", func(_ *row, n Set) bool { return n == setOf(goFloor) }, false)
	section("Always, where C code runs (cgo, exec, a launched program)", func(_ *row, n Set) bool { return n == setOf(cFloor) }, false)
	titles := []string{}
	seen := map[string]bool{}
	for r := range table().all {
		for _, n := range r.needs.alternatives() {
			if r.errno == 0 && n&all != 0 && !seen[heading(n)] {
				seen[heading(n)] = true
				titles = append(titles, heading(n))
			}
		}
	}
	for p := range all.All() { // in OpenBSD's order, by the first promise
		for _, title := range titles {
			if first, _, _ := strings.Cut(title, " "); first == p.String() {
				section(title, func(_ *row, n Set) bool { return heading(n) == title }, false)
			}
		}
	}
	b.WriteString("## Files\n\nOpens that a row allows for the promise's files are refused by Landlock, with EACCES, for all others. What a set promises of all\n" +
		"files (`rpath` to read, `wpath` to write, `cpath` to create) is not restricted.\n\n| promise | files | may be | for |\n| --- | --- | --- | --- |\n")
	for _, r := range pathTable {
		for _, n := range r.needs.alternatives() {
			with := "`" + (n & all).String() + "`"
			if n.Has(supervised) {
				with += " (launched programs)"
			}
			may := strings.NewReplacer("write", "written", "create and remove", "created and removed").Replace(r.may.String())
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", with, strings.Join(r.paths, " "), may, r.note)
		}
	}
	b.WriteString("\n")
	anyRow := func(*row, Set) bool { return true }
	section("Soft refusals", anyRow, true)

	inTable = rows{launchArchRows, launchRows}
	section("In programs that `pledge run` launches, in addition", anyRow, false)
	section("Soft refusals there", anyRow, true)
	b.WriteString("Opening these files, or looking for them, fails with EACCES where the promises do not allow it:\n\n| file | because |\n| --- | --- |\n")
	for _, f := range triedFiles {
		fmt.Fprintf(&b, "| %s | %s |\n", f.pattern, f.note)
	}
	b.WriteString("\n")
	inTable = rows{loadRows}
	section("In programs that `pledge run --at-exec` launches, beside `stdio rpath`", anyRow, false)
	return strings.TrimSuffix(b.String(), "\n")
}

func heading(needs Set) string {
	h := strings.ReplaceAll((needs & all).String(), " ", " and ")
	if needs.Has(cFloor) && h != "" {
		h += " (where C code runs)"
	}
	return h
}

func rowLine(r *row, needs Set) string {
	var calls []string
	for _, nr := range r.calls {
		calls = append(calls, sysnum.Name(nr))
	}
	conds := append(r.conditions(calls[0]), circumstancesIn(needs)...)
	cells := []string{strings.Join(calls, " "), strings.Join(conds, "; "), r.note}
	if r.errno != 0 {
		with := heading(needs)
		switch {
		case needs == setOf(goFloor):
			with = "any"
		case needs == setOf(cFloor):
			with = "C code"
		}
		cells = []string{with, cells[0], cells[1], errnoName(r.errno), cells[2]}
	}
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

//go:build linux

package vmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// A Tally counts tests, subtests among them.
type Tally struct {
	Passed   int
	Skips    []Verdict // with the reason
	Failures []Verdict // with the output
}

// A Verdict is what became of a test.
type Verdict struct {
	Package, Test string // no test: the package as a whole
	Text          string
}

// Add adds the tests of another tally.
func (t *Tally) Add(u *Tally) {
	t.Passed += u.Passed
	t.Skips = append(t.Skips, u.Skips...)
	t.Failures = append(t.Failures, u.Failures...)
}

// ReadOutput counts what a test binary printed, started with
// -test.v=test2json, that ended so. A binary that failed without a test that
// did, or that was silent, counts as a failure.
func ReadOutput(pkg string, output []byte, exit Exit) (*Tally, error) {
	cmd := exec.Command("go", "tool", "test2json", "-p", pkg)
	cmd.Stdin = bytes.NewReader(output)
	events, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("vmtest: go tool test2json: %w", err)
	}
	return tally(pkg, events, output, exit)
}

func tally(pkg string, events, output []byte, exit Exit) (*Tally, error) {
	t := &Tally{}
	printed := map[string]string{}
	ended := false // by a line that says PASS or FAIL
	for d := json.NewDecoder(bytes.NewReader(events)); d.More(); {
		var e struct{ Action, Test, Output string }
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("vmtest: test2json: %w", err)
		}
		if e.Action == "output" {
			printed[e.Test] += e.Output
			ended = ended || e.Test == "" && (e.Output == "PASS\n" || e.Output == "FAIL\n")
		}
		if e.Test == "" {
			continue
		}
		switch e.Action {
		case "pass":
			t.Passed++
		case "skip":
			t.Skips = append(t.Skips, Verdict{pkg, e.Test, said(printed[e.Test])})
		case "fail":
			t.Failures = append(t.Failures, Verdict{pkg, e.Test, said(printed[e.Test])})
		}
	}
	// A test whose subtests failed has nothing to add.
	all := slices.Clone(t.Failures)
	t.Failures = slices.DeleteFunc(t.Failures, func(v Verdict) bool {
		return v.Text == "" && slices.ContainsFunc(all, func(w Verdict) bool { return strings.HasPrefix(w.Test, v.Test+"/") })
	})
	switch {
	case exit.Status != 0 && (!ended || len(t.Failures) == 0), exit.Status == 0 && !ended:
		// With the test that ran when it ended, and its last words.
		text := string(output)
		t.Failures = append(t.Failures, Verdict{pkg, "", exit.Message + "\n" + text[max(0, len(text)-8000):]})
	}
	return t, nil
}

var (
	frame = regexp.MustCompile(`(?m)^ *(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|FAIL|SKIP)).*\n?`)
	place = regexp.MustCompile(`(?m)^ *[\w.-]+\.go:\d+: `)
)

// said returns what a test itself printed.
func said(output string) string {
	return strings.TrimSpace(place.ReplaceAllString(frame.ReplaceAllString(output, ""), ""))
}

//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// TestWriteJSON checks that nothing in JSON can do something to a terminal, and
// that a reader gets what was written.
func TestWriteJSON(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"C0 and DEL", "a\x1b[31m\x7f", `"a\u001b[31m\u007f"`},
		{"C1", "\u0080\u009b31m\u009f", `"\u0080\u009b31m\u009f"`},
		{"their neighbours, which are printed", "~\u00a1é<&>", `"~¡é<&>"`},
		{"a backslash in front", "\\\u009b", `"\\\u009b"`},
	} {
		var b bytes.Buffer
		if err := writeJSON(&b, c.in); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(b.String(), "\n"); got != c.want || strings.IndexFunc(got, unicode.IsControl) >= 0 {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		var back string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != c.in {
			t.Errorf("%s: read back: %q, %v", c.name, back, err)
		}
	}
}

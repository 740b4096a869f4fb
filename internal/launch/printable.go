package launch

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable escapes what a terminal could take for a command, or a reader for
// another line.
func printable(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) {
			for _, c := range []byte(s[:size]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		} else {
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

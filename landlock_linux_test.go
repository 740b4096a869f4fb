//go:build amd64 || arm64

package pledge

import (
	"testing"

	"github.com/gopledge/pledge/internal/landlock"
)

// TestUsable takes Landlock from processes whose threads it cannot reach:
// package syscall panics where something stands in for cgo.
func TestUsable(t *testing.T) {
	for _, c := range []struct {
		name              string
		version           int
		iscgo, broadcasts bool
		want              int
	}{
		{"no C code", 7, false, false, 7},
		{"cgo", 7, true, true, 7},
		{"something in place of cgo", 7, true, false, 0},
		{"something in place of cgo, Linux 7.0", 8, true, false, 8},
	} {
		if got := usable(landlock.ABI{Version: c.version}, c.iscgo, c.broadcasts).Version; got != c.want {
			t.Errorf("%s: ABI %d of %d, want %d", c.name, got, c.version, c.want)
		}
	}
}

//go:build amd64 || arm64

package launch

import (
	"os"

	"github.com/gopledge/pledge/internal/kernel"
)

// Exit ends this process as the program ended, so that whoever started it sees
// the same: its exit status, or a death of the same signal. It does not return.
func (o Outcome) Exit() {
	switch {
	case o.Violated:
		os.Exit(StatusViolation)
	case o.Signal != 0:
		kernel.DieOf(o.Signal)
		os.Exit(128 + int(o.Signal))
	}
	os.Exit(o.Status)
}

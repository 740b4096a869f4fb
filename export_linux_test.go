//go:build amd64 || arm64

package pledge

import "github.com/gopledge/pledge/internal/landlock"

// SimulateLandlock makes the package believe that the kernel's Landlock has an
// ABI no higher than version: it then uses no more of it.
func SimulateLandlock(version int) {
	have := landlockABI()
	if version < have.Version {
		landlockABI = func() landlock.ABI { return landlock.ABI{Version: version, SignalsFixed: have.SignalsFixed} }
	}
}

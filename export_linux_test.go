//go:build amd64 || arm64

package pledge

import (
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/landlock"
)

// SimulateLandlock makes the package believe that the kernel's Landlock has an
// ABI no higher than version: it then uses no more of it.
func SimulateLandlock(version int) {
	have := landlockABI()
	if version < have.Version {
		landlockABI = func() landlock.ABI { return landlock.ABI{Version: version, SignalsFixed: have.SignalsFixed} }
	}
}

// RestrictAllThreads puts a Landlock ruleset in force, as if somebody else had.
func RestrictAllThreads(attr *unix.LandlockRulesetAttr) error {
	fd, err := kernel.CreateRuleset(&landlock.Ruleset{FS: attr.Handled_access_fs}, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return kernel.RestrictAllThreads(fd, -1, landlockABI())
}

// CgoEnabled says that the process has C code.
const CgoEnabled = cgoEnabled

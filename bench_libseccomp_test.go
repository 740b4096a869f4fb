//go:build linux && (amd64 || arm64) && cgo && !purego

package pledge

import (
	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/scmp"
)

func init() {
	for name, linear := range map[string]bool{"libseccomp-tree": false, "libseccomp-linear": true} {
		benchFilters[name] = func(s Set) ([]bpf.Insn, error) {
			return scmp.Compile(thisProcess().policy(s, policy.KillProcess).Simplify(), scmp.Options{Linear: linear})
		}
	}
}

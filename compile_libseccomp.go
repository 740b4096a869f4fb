//go:build linux && (amd64 || arm64) && cgo && !purego

package pledge

import (
	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/scmp"
)

// compile makes a program with libseccomp. Where that cannot hand it over, for
// want of a pipe that is large enough, the project's own compiler, which makes
// programs that do the same, takes its place.
func compile(p *policy.Policy) ([]bpf.Insn, string, error) {
	prog, err := scmp.Compile(p, scmp.Options{})
	if err != nil {
		return compileBPF(p)
	}
	return prog, "libseccomp " + scmp.Version(), nil
}

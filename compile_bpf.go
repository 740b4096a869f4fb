//go:build linux && (amd64 || arm64) && !(cgo && !purego)

package pledge

import (
	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
)

// compile makes a program without libseccomp.
func compile(p *policy.Policy) ([]bpf.Insn, string, error) { return compileBPF(p) }

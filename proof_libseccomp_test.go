//go:build linux && (amd64 || arm64) && cgo && !purego

package pledge

import (
	"strings"
	"testing"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/scmp"
)

func init() {
	compilers["libseccomp"] = func(p *policy.Policy) ([]bpf.Insn, error) { return scmp.Compile(p, scmp.Options{}) }
}

// TestLibseccompIsUsed makes sure that the fallback of compile is not the rule.
func TestLibseccompIsUsed(t *testing.T) {
	for _, s := range []Set{0, setOf(Stdio, Rpath), all} {
		f, err := Config{BestEffort: true}.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(f.compiler, "libseccomp 2.") {
			t.Errorf("%q was compiled by %s", s, f.compiler)
		}
	}
}

//go:build linux && (amd64 || arm64)

package launch

import (
	"cmp"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/kernel"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysnum"
)

// A reporter says what a program did that it had not promised.
type reporter struct {
	out      io.Writer
	promises uint64
	call     func(pid int, call policy.Data) string
	name     func(promises uint64) string

	mu    sync.Mutex
	last  time.Time // when something was printed
	ahead int       // what was printed since, and is more than one a second
	more  int       // what was not printed
}

// maxAhead is how many violations are told at once. After that it is one a
// second.
const maxAhead = 30

// describe says which process violated its promises, by which call, and what
// would have allowed it: a line, and maybe another with a hint.
func (r *reporter) describe(pid int, call *policy.Data, path string) string {
	if foreign(call) {
		return fmt.Sprintf("pledge: %s[%d]: system call %#x of another architecture is a violation: no promise allows it\n", printable(processName(pid)), pid, call.Nr)
	}
	what := r.call(pid, *call)
	ways := r.ways(pid, call, path)
	if slices.Contains(ways, "") {
		// Its promises allow the call to the program, but not while it is loaded.
		return fmt.Sprintf("pledge: %s[%d]: %s is a violation before the program begins\n", printable(processName(pid)), pid, printable(what))
	}
	line := fmt.Sprintf("pledge: %s[%d]: %s ", printable(processName(pid)), pid, printable(what))
	switch len(ways) {
	case 0:
		return line + "is a violation: no promise allows it\n"
	case 1:
		return line + "needs " + ways[0] + "\n"
	}
	return line + "needs " + ways[0] + "\npledge: hint: " + strings.Join(ways[1:], ", or ") + " would allow it too\n"
}

// foreign reports whether a call is one of 32-bit code, or of x32: its number
// means something else.
func foreign(call *policy.Data) bool {
	return call.Arch != kernel.NativeArch || call.Nr >= sysnum.Limit
}

// ways returns the promises that are missing for a call, in each way in which
// it can be allowed, the fewest first.
func (r *reporter) ways(pid int, call *policy.Data, path string) []string {
	var missing []uint64
	for _, needs := range bridge.Needs(pid, call, path) {
		if m := needs &^ r.promises; !slices.Contains(missing, m) {
			missing = append(missing, m)
		}
	}
	slices.SortStableFunc(missing, func(a, b uint64) int { return cmp.Compare(bits.OnesCount64(a), bits.OnesCount64(b)) })
	var out []string
	for _, m := range missing {
		if m == 0 {
			out = append(out, "")
			continue
		}
		noun := "promise"
		if bits.OnesCount64(m) > 1 {
			noun = "promises"
		}
		out = append(out, fmt.Sprintf("%s %q", noun, r.name(m)))
	}
	return out
}

// print prints a report, unless there have been too many.
func (r *reporter) print(report string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.ahead = max(0, r.ahead-int(now.Sub(r.last)/time.Second))
	if r.ahead >= maxAhead {
		r.more++
		return
	}
	r.ahead++
	r.last = now
	io.WriteString(r.out, r.rest()+report)
}

// close tells of the violations that were not told.
func (r *reporter) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	io.WriteString(r.out, r.rest())
}

func (r *reporter) rest() string {
	n := r.more
	r.more = 0
	switch n {
	case 0:
		return ""
	case 1:
		return "pledge: 1 more violation\n"
	}
	return fmt.Sprintf("pledge: %d more violations\n", n)
}

// processName returns what a process is called in ps(1).
func processName(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "process"
	}
	return strings.TrimSuffix(string(name), "\n")
}

// numeric puts a call into words without knowing what its arguments mean.
func numeric(_ int, call policy.Data) string {
	args := make([]string, len(call.Args))
	for i, a := range call.Args {
		args[i] = fmt.Sprintf("%#x", a)
	}
	return cmp.Or(sysnum.Name(call.Nr), fmt.Sprintf("syscall_%#x", call.Nr)) + "(" + strings.Join(args, ", ") + ")"
}

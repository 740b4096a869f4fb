//go:build !(linux && (amd64 || arm64))

package pledge

import (
	"runtime"
	"strconv"
	"syscall"
)

// A Filter is a seccomp program that holds a process to a set of promises. This
// system has none.
type Filter struct{}

// Compile returns an *UnsupportedError: this system has no seccomp.
func (c Config) Compile(s Set) (*Filter, error) {
	return nil, &UnsupportedError{
		Missing: runtime.GOOS + "/" + runtime.GOARCH + " has no seccomp filters",
		Remedy:  "build for Linux on amd64 or arm64",
	}
}

// Check returns what the filter says of a call.
func (f *Filter) Check(call Call) Verdict { return retKill }

// String returns the program.
func (f *Filter) String() string { return "" }

// Explain returns the ways in which the named system call is allowed. They are
// known for Linux only.
func Explain(name string) []Grant { return nil }

func errnoName(e syscall.Errno) string { return strconv.Itoa(int(e)) }

//go:build !linux || !(amd64 || arm64)

package launch

import "os"

// Run returns an error: tracing and filters are Linux's, on amd64 and arm64.
func (c *Command) Run() (Outcome, error) {
	return Outcome{}, &Error{Status: StatusFailed, Msg: "programs can be launched on Linux only, on amd64 and arm64"}
}

// Stage is part of Run.
func Stage(string, []string) error {
	return &Error{Status: StatusFailed, Msg: "there is no second stage on this system"}
}

// Exit ends this process with the status of the outcome.
func (o Outcome) Exit() { os.Exit(o.Status) }

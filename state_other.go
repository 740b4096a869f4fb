//go:build !openbsd && !(linux && (amd64 || arm64))

package pledge

import "runtime"

func status() State { return State{} }

func (c Config) pledge(promises, execpromises *string) error {
	if err := c.validate(); err != nil {
		return err
	}
	if _, err := parse(promises); err != nil {
		return err
	}
	if _, err := parse(execpromises); err != nil {
		return err
	}
	return c.without("enforce promises")
}

func (c Config) unveil(string, permissions) error { return c.without("hide files") }

func (c Config) unveilBlock() error { return c.without("hide files") }

// without says that there is no means to do what was asked.
func (c Config) without(what string) error {
	if c.BestEffort {
		return nil
	}
	return &UnsupportedError{
		Missing: runtime.GOOS + "/" + runtime.GOARCH + " has no means to " + what,
		Remedy:  "Linux on amd64 or arm64, or OpenBSD, has; Config.BestEffort does without",
	}
}

func supported() Features { return Features{} }

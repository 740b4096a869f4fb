//go:build linux && (amd64 || arm64)

// Package sysnum names the system calls of the architecture that it is built
// for.
package sysnum

//go:generate go run gen.go

// Name returns the name of a call, or "" for a number that is none.
func Name(nr uint32) string {
	if nr >= Limit {
		return ""
	}
	return names[nr]
}

// Number returns the number of a call.
func Number(name string) (uint32, bool) {
	if name == "" {
		return 0, false
	}
	for nr, n := range names {
		if n == name {
			return uint32(nr), true
		}
	}
	return 0, false
}

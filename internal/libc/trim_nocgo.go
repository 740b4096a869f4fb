//go:build !cgo

// Package libc makes the C library do early what it would do late.
package libc

// Trim does nothing: this build calls no C.
func Trim() {}

//go:build cgo

package main

// int there_is_c;
import "C"

var _ = C.there_is_c

//go:build cgo

// Package libc makes the C library do early what it would do late.
package libc

/*
#include <stdlib.h>

// Grow a thread's heap and give all of it back, in pieces that are too small to
// be mapped one by one and together large enough to be returned to the system.
static void trim(void) {
	void *piece[8];
	for (int i = 0; i < 8; i++)
		piece[i] = malloc(100 << 10);
	for (int i = 7; i >= 0; i--)
		free(piece[i]);
}
*/
import "C"

// Trim has glibc shrink the heap of the calling thread, which must not be the
// main one. The first time that happens in a process, glibc reads
// /proc/sys/vm/overcommit_memory.
func Trim() { C.trim() }

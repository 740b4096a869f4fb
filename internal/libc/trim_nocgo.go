//go:build !cgo

// Package libc makes the C library do early what it would do late.
package libc

import (
	"runtime"
	"sync"
)

// Threads makes more threads at once than the C library has seen: there is one
// in this build if something stands in for runtime/cgo.
func Threads() {
	const threads = 12
	var ready, done sync.WaitGroup
	ready.Add(threads)
	done.Add(threads)
	for range threads {
		go func() {
			defer done.Done()
			runtime.LockOSThread() // and never unlock: the thread ends here
			ready.Done()
			ready.Wait()
		}()
	}
	done.Wait()
}

//go:build linux && (amd64 || arm64)

package sysargs

import (
	"bytes"
	"encoding/binary"
	"math"
)

var native = binary.NativeEndian

const pageSize = 4096 // or a multiple of it, which only makes reads shorter than they could be

// readString reads a string that ends with a zero byte, or its first limit
// bytes. A string may end just before memory that is not there.
func readString(mem Memory, addr uint64, limit int) (s string, whole, ok bool) {
	var out []byte
	for len(out) <= limit {
		want := min(limit+1-len(out), int(pageSize-addr%pageSize))
		chunk := make([]byte, want)
		n := read(mem, chunk, addr)
		if i := bytes.IndexByte(chunk[:n], 0); i >= 0 {
			return string(append(out, chunk[:i]...)), true, true
		}
		out = append(out, chunk[:n]...)
		if n < want {
			return string(out), false, len(out) > 0
		}
		addr += uint64(n)
	}
	return string(out[:limit]), false, true
}

// read fills b from an address on, and returns how far that went. Nothing of a
// program lies in the upper half of the addresses.
func read(mem Memory, b []byte, addr uint64) int {
	if mem == nil || addr == 0 || addr > math.MaxInt64-uint64(len(b)) {
		return 0
	}
	n, _ := mem.ReadAt(b, int64(addr))
	return max(0, min(n, len(b)))
}

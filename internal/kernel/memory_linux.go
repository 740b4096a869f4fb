package kernel

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ReadString reads a string that ends with a null byte from another process's
// memory. As the kernel does with paths, it reads at most 4096 bytes.
func ReadString(tid int, addr uint64) (string, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", tid))
	if err != nil {
		return "", err
	}
	defer mem.Close()
	const page = 4096
	var s []byte
	for len(s) < unix.PathMax {
		// The next page may not be there.
		chunk := make([]byte, page-(addr+uint64(len(s)))%page)
		n, err := mem.ReadAt(chunk, int64(addr)+int64(len(s)))
		if i := bytes.IndexByte(chunk[:n], 0); i >= 0 {
			return string(append(s, chunk[:i]...)), nil
		}
		if err != nil {
			return "", err
		}
		s = append(s, chunk...)
	}
	return "", unix.ENAMETOOLONG
}

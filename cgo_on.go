//go:build cgo

package pledge

// cgoEnabled says that C code may run in this process.
const cgoEnabled = true

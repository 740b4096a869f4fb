//go:build amd64 || arm64

package pledge

import _ "unsafe" // for linkname

// iscgo is the runtime's: C code may run also in a build without cgo, by what
// stands in for runtime/cgo (github.com/ebitengine/purego).
//
//go:linkname iscgo runtime.iscgo
var iscgo bool

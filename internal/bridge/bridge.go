// Package bridge lets the launcher use what the promise table knows, without
// making it part of the library's face. The root package fills it in.
package bridge

// A Path is a path and its permissions, as for unveil(2).
type Path struct{ Path, Permissions string }

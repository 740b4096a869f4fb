//go:build linux && cgo && !purego

// Package header does nothing but fail to build, with a message that says what
// to do, where libseccomp's header is missing.
package header

/*
#if defined(__has_include)
# if !__has_include(<seccomp.h>)
#  error "pledge: libseccomp's header <seccomp.h> is missing. Install libseccomp-dev and pkg-config (Debian, Ubuntu), libseccomp-devel (Fedora) or libseccomp-dev (Alpine), or build without libseccomp: CGO_ENABLED=0, or -tags purego"
# endif
#endif
*/
import "C"

//go:build musl

package pledge_test

// contractMusl says that the C library is musl; the build has to tell.
const contractMusl = true

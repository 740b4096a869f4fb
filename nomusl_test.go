//go:build !musl

package pledge_test

const contractMusl = false

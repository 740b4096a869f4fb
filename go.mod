module github.com/gopledge/pledge

go 1.26.0

require (
	github.com/seccomp/libseccomp-golang v0.11.1
	golang.org/x/sys v0.49.0
)

require golang.org/x/net v0.62.0

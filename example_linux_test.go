//go:build amd64 || arm64

package pledge_test

import (
	"fmt"

	"github.com/gopledge/pledge"
	"golang.org/x/sys/unix"
)

func ExampleExplain() {
	for _, grant := range pledge.Explain("ftruncate") {
		fmt.Println(grant)
	}
	for _, grant := range pledge.Explain("flock") {
		fmt.Println(grant)
	}
	fmt.Println(len(pledge.Explain("ptrace")), "ways to ptrace")
	// Output:
	// stdio: reading and writing open descriptors
	// flock: locks
	// 0 ways to ptrace
}

func ExampleFilter_Check() {
	set, _ := pledge.Parse("stdio rpath")
	filter, err := pledge.Config{}.Compile(set)
	if err != nil {
		fmt.Println(err)
		return
	}
	open := func(flags uint64) pledge.Verdict {
		return filter.Check(pledge.Call{Nr: unix.SYS_OPENAT, Args: [6]uint64{2: flags}})
	}
	fmt.Println("to read:", open(unix.O_RDONLY))
	fmt.Println("to write:", open(unix.O_WRONLY))
	fmt.Println("to truncate:", open(unix.O_RDONLY|unix.O_TRUNC))
	fmt.Println("clone3:", filter.Check(pledge.Call{Nr: unix.SYS_CLONE3}))
	// Output:
	// to read: allow
	// to write: kill
	// to truncate: kill
	// clone3: errno ENOSYS
}

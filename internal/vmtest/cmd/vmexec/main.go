//go:build linux

// Vmexec runs a test binary in a machine of its own. The go command starts it
// in the package's folder, which the machine has at the same place:
//
//	GOARCH=arm64 go test -exec "vmexec -arch arm64 -kernel VMLINUZ -init VMINIT" ./...
//
// It exits with the status of the test, or with 125 if the machine failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gopledge/pledge/internal/vmtest"
)

func main() {
	m := vmtest.Machine{Output: func(int) io.Writer { return os.Stdout }}
	flag.StringVar(&m.Arch, "arch", "", "amd64 or arm64")
	flag.StringVar(&m.Kernel, "kernel", "", "the kernel's image")
	flag.StringVar(&m.Init, "init", "", "vminit, built for the architecture with CGO_ENABLED=0")
	flag.StringVar(&m.Append, "append", "", "more of the kernel's command line, such as lsm=lockdown,yama")
	flag.DurationVar(&m.Limit, "limit", 30*time.Minute, "how long the machine may take")
	root := flag.String("root", "", "a cpio archive with a root tree, for programs that the test starts")
	uid := flag.Int("uid", 0, "user and group of the test")
	console := flag.Bool("console", false, "print the whole console")
	flag.Parse()
	if m.Arch == "" || m.Kernel == "" || m.Init == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *console {
		m.Console = os.Stderr
	}
	exit, err := run(&m, *root, *uid, flag.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "vmexec: %v\n", err)
		os.Exit(125)
	}
	if exit.Status != 0 {
		fmt.Fprintf(os.Stderr, "vmexec: %s\n", exit.Message)
	}
	os.Exit(exit.Status)
}

func run(m *vmtest.Machine, root string, uid int, argv []string) (exit vmtest.Exit, err error) {
	for _, a := range argv {
		if strings.HasPrefix(a, "-test.coverprofile=") {
			return exit, fmt.Errorf("what a test writes stays in the machine, so there can be no %s", a)
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return exit, err
	}
	f, err := os.CreateTemp("", "vmexec-*.cpio")
	if err != nil {
		return exit, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	a := vmtest.NewArchive(f)
	if err := a.Tree("/testbinary", argv[0], nil); err != nil {
		return exit, err
	}
	if err := a.Tree(dir, dir, nil); err != nil {
		return exit, err
	}
	if err := a.Close(); err != nil {
		return exit, err
	}
	if root != "" {
		m.Archives = append(m.Archives, root)
	}
	m.Archives = append(m.Archives, f.Name())
	m.Commands = []vmtest.Command{{Argv: append([]string{"/testbinary"}, argv[1:]...), Dir: dir, UID: uid, Limit: m.Limit}}
	r, err := m.Run(context.Background())
	if err != nil {
		return exit, err
	}
	return r.Exits[0], nil
}

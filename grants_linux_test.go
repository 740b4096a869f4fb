//go:build amd64 || arm64

package pledge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/pledgetest"
)

// TestPathGrants proves that a promise that means files means those, and no
// others: on every version of Landlock that the kernel can be.
func TestPathGrants(t *testing.T) {
	read := func(path string) func() error { return func() error { _, err := os.ReadFile(path); return err } }
	open := func(path string, flags int) func() error { return func() error { return veilOpen(path, flags) } }
	denied := refusalWant(unix.EACCES)
	const here = "/dev/shm/pledge-test-none" // outside of /tmp
	rows := []struct {
		promises, name string
		f              func() error
		want           refusalWant
	}{
		{"stdio getpw", "passwd", read("/etc/passwd"), refusalOK},
		{"stdio getpw", "group", read("/etc/group"), refusalOK},
		{"stdio getpw", "shadow", read("/etc/shadow"), denied},
		{"stdio getpw", "hosts", read("/etc/hosts"), denied},
		{"stdio getpw", "the directory", open("/etc", unix.O_RDONLY|unix.O_DIRECTORY), denied},
		{"stdio getpw", "by way of a directory", read("/etc/../etc/shadow"), denied},
		{"stdio getpw", "by way of /proc", read("/proc/self/root/etc/shadow"), denied},
		{"stdio getpw", "O_PATH", open("/etc/passwd", unix.O_PATH), denied},
		{"stdio getpw", "to write", open("/etc/passwd", unix.O_WRONLY), refusalKilled},
		{"stdio getpw", "truncating", open("/etc/passwd", unix.O_RDONLY|unix.O_TRUNC), refusalKilled},
		{"stdio getpw", "who is root", func() error { _, err := user.Lookup("root"); return err }, refusalOK},
		{"stdio dns", "hosts", read("/etc/hosts"), refusalOK},
		{"stdio dns", "passwd", read("/etc/passwd"), denied},
		{"stdio dns", "shadow", read("/etc/shadow"), denied},
		{"stdio dns", "itself", read("/proc/self/maps"), denied},
		{"stdio dns", "to create", open("/etc/hosts", unix.O_RDONLY|unix.O_CREAT), refusalKilled},
		{"stdio dns getpw", "passwd", read("/etc/passwd"), refusalOK},
		{"stdio dns getpw", "hosts", read("/etc/hosts"), refusalOK},
		{"stdio dns getpw", "shadow", read("/etc/shadow"), denied},
		{"stdio ps", "itself", read("/proc/self/stat"), refusalOK},
		{"stdio ps", "all processes", func() error { _, err := os.ReadDir("/proc"); return err }, refusalOK},
		{"stdio ps", "others' memory", open(fmt.Sprintf("/proc/%d/mem", os.Getppid()), unix.O_RDONLY), denied},
		{"stdio ps", "passwd", read("/etc/passwd"), denied},
		{"stdio vminfo", "memory", read("/proc/meminfo"), refusalOK},
		{"stdio vminfo", "processors", read("/sys/devices/system/cpu/online"), refusalOK},
		{"stdio vminfo", "a process", read("/proc/self/stat"), denied},
		{"stdio tmppath", "create", open("/tmp/pledge-grants", unix.O_RDWR|unix.O_CREAT), refusalOK},
		{"stdio tmppath", "and remove", func() error {
			return errors.Join(open("/tmp/pledge-grants2", unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)(), unix.Unlink("/tmp/pledge-grants2"))
		}, refusalOK},
		{"stdio tmppath", "create elsewhere", open(here, unix.O_WRONLY|unix.O_CREAT), denied},
		{"stdio tmppath", "create elsewhere, to read", open(here, unix.O_RDONLY|unix.O_CREAT), denied},
		{"stdio tmppath", "remove elsewhere", func() error { return unix.Unlink("/etc/hostname-none") }, refusalWant(unix.ENOENT)},
		{"stdio tmppath", "truncate elsewhere", open("/etc/hosts", unix.O_RDONLY|unix.O_CREAT|unix.O_TRUNC), denied},
		{"stdio tmppath", "write elsewhere", open("/etc/hosts", unix.O_WRONLY|unix.O_CREAT), denied},
		{"stdio tmppath", "set-user-id", func() error { _, err := unix.Open("/tmp/x", unix.O_WRONLY|unix.O_CREAT, 0o4700); return err }, denied},
		{"stdio rpath tmppath", "read anything", read("/etc/passwd"), refusalOK},
		{"stdio rpath tmppath", "truncate elsewhere", open("/etc/hosts", unix.O_RDONLY|unix.O_CREAT|unix.O_TRUNC), denied},
		{"stdio tty", "passwd", read("/etc/passwd"), denied},
		{"stdio tty", "to write", open("/etc/hosts", unix.O_WRONLY), denied},
		{"stdio rpath tty", "passwd", read("/etc/passwd"), refusalOK},
		{"stdio rpath tty", "to write", open("/etc/hosts", unix.O_RDWR), denied},
		{"stdio wpath tty", "to read", open("/etc/hosts", unix.O_RDWR), denied},
		{"stdio rpath exec", "null", open("/dev/null", unix.O_WRONLY), refusalOK},
		{"stdio rpath exec", "null to read and write", open("/dev/null", unix.O_RDWR), refusalOK},
		{"stdio rpath exec", "others", open("/etc/hosts", unix.O_WRONLY), denied},
		{"stdio exec", "null to read", open("/dev/null", unix.O_RDONLY), denied}, // or nothing could be executed
		{"stdio exec", "null to write", open("/dev/null", unix.O_WRONLY), refusalOK},
		{"stdio rpath proc exec", "a program without streams", func() error { return exec.Command("/usr/bin/true").Run() }, refusalOK},
	}
	for _, abi := range veilABIs(t) {
		for _, row := range rows {
			t.Run(fmt.Sprintf("ABI %d/%s/%s", abi, row.promises, row.name), func(t *testing.T) {
				row.want.check(pledgetest.Child(t, func() error {
					pledge.SimulateLandlock(abi)
					if err := pledge.Pledge(row.promises); err != nil {
						return err
					}
					return row.f()
				}))
			})
		}
	}
}

// TestPathGrantsMove proves that a ruleset for files does not keep a process with
// cpath from moving them between directories.
func TestPathGrantsMove(t *testing.T) {
	for _, abi := range veilABIs(t) {
		t.Run(fmt.Sprintf("ABI %d", abi), func(t *testing.T) {
			pledgetest.Child(t, func() error {
				pledge.SimulateLandlock(abi)
				if err := errors.Join(os.Chdir(os.TempDir()), os.Mkdir("a", 0o700), os.WriteFile("file", nil, 0o600), pledge.Pledge("stdio rpath cpath tty")); err != nil {
					return err
				}
				if pledge.Status().Landlock == 0 {
					return errors.New("no ruleset is in force")
				}
				return errors.Join(os.Rename("file", "a/file"), os.Link("a/file", "link"))
			}).OK()
		})
	}
}

// TestPathGrantsMemory proves that a process with rpath and wpath does not get at
// the memory of others by way of /proc, since Linux 7.0.
func TestPathGrantsMemory(t *testing.T) {
	if abi := pledge.Supported().Landlock; abi < 8 {
		t.Skipf("the library restricts such a process since Landlock ABI 8, this kernel has %d", abi)
	}
	for _, promises := range []string{"stdio rpath wpath", "stdio rpath wpath inet", "stdio rpath wpath inet unix", "stdio rpath wpath cpath dpath inet unix proc"} {
		pledgetest.Run(t, promises, func() error {
			return veilOpen(fmt.Sprintf("/proc/%d/mem", os.Getppid()), unix.O_RDWR)
		}).Failed(unix.EACCES)
	}
}

// TestPathGrantsNarrow proves that files that are not meant any more are
// withdrawn, whatever was in force before.
func TestPathGrantsNarrow(t *testing.T) {
	for _, abi := range veilABIs(t) {
		for _, c := range []struct {
			name  string
			steps []string
			can   []string
			not   []string
		}{
			{"rpath goes", []string{"stdio rpath dns", "stdio dns"}, []string{"/etc/hosts"}, []string{"/etc/passwd"}},
			{"one of two goes", []string{"stdio dns getpw", "stdio dns"}, []string{"/etc/hosts"}, []string{"/etc/passwd"}},
			{"one after the other", []string{"stdio rpath dns getpw tty", "stdio dns getpw tty", "stdio getpw tty"}, []string{"/etc/passwd"}, []string{"/etc/hosts"}},
			{"inet goes", []string{"stdio inet rpath dns", "stdio dns"}, []string{"/etc/hosts"}, []string{"/etc/passwd"}},
			{"the same again", []string{"stdio getpw", "stdio getpw"}, []string{"/etc/passwd"}, []string{"/etc/hosts"}},
		} {
			t.Run(fmt.Sprintf("ABI %d/%s", abi, c.name), func(t *testing.T) {
				pledgetest.Child(t, func() error {
					pledge.SimulateLandlock(abi)
					for _, promises := range c.steps {
						if err := pledge.Pledge(promises); err != nil {
							return err
						}
					}
					for _, path := range c.can {
						if err := veilOpen(path, unix.O_RDONLY); err != nil {
							return err
						}
					}
					for _, path := range c.not {
						if err := veilOpen(path, unix.O_RDONLY); !errors.Is(err, unix.EACCES) {
							return fmt.Errorf("%s: %v", path, err)
						}
					}
					return nil
				}).OK()
			})
		}
	}
}

// TestDNSPort proves that dns without inet connects to port 53 only.
func TestDNSPort(t *testing.T) {
	abis := veilABIs(t)
	if have := abis[len(abis)-1]; have < 4 {
		t.Skipf("Landlock knows of ports since ABI 4, this kernel has %d", have)
	}
	connect := func(network, to string) func() error {
		return func() error {
			c, err := net.Dial(network, to)
			if err == nil {
				c.Close()
			}
			return err
		}
	}
	for _, c := range []struct {
		promises, network, to string
		want                  refusalWant
	}{
		{"stdio dns", "tcp", "127.0.0.1:53", refusalWant(unix.ECONNREFUSED)},
		{"stdio dns", "tcp", "127.0.0.1:80", refusalWant(unix.EACCES)},
		{"stdio rpath dns", "tcp", "127.0.0.1:80", refusalWant(unix.EACCES)},
		{"stdio inet dns", "tcp", "127.0.0.1:80", refusalWant(unix.ECONNREFUSED)},
	} {
		t.Run(c.promises+" "+c.to, func(t *testing.T) {
			pledgetest.Run(t, c.promises, connect(c.network, c.to)).Failed(syscall.Errno(c.want))
		})
	}
}

const dnsEnv = "PLEDGE_TEST_DNS"

// TestDNSResolver resolves names through a name server on the loopback
// interface for longer than package net keeps what it has read of
// /etc/resolv.conf, which is five seconds. It has a network and an
// /etc/resolv.conf of its own.
func TestDNSResolver(t *testing.T) {
	switch os.Getenv(dnsEnv) {
	case "server":
		dnsServer()
	case "client":
		if err := dnsClient(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	veilABIs(t)
	for _, promises := range []string{"stdio dns", "stdio dns getpw"} {
		t.Run(promises, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestDNSResolver$")
			cmd.Env = append(os.Environ(), dnsEnv+"=client", "PLEDGE_TEST_PROMISES="+promises, "TMPDIR="+t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
			out, err := cmd.CombinedOutput()
			if errors.Is(err, unix.EPERM) {
				t.Skipf("a network of one's own needs privilege: %v", err)
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// dnsClient is the program under test.
func dnsClient() error {
	conf := filepath.Join(os.TempDir(), "resolv.conf")
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return fmt.Errorf("this machine has no resolv.conf: %w", err)
	}
	lo, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	up, _ := unix.NewIfreq("lo")
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	server := exec.Command(os.Args[0], "-test.run=^TestDNSResolver$")
	server.Env = append(os.Environ(), dnsEnv+"=server")
	ready, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if _, err := server.StdinPipe(); err != nil { // at whose end the server ends
		return err
	}
	err = errors.Join(
		unix.IoctlIfreq(lo, unix.SIOCSIFFLAGS, up), unix.Close(lo),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		os.WriteFile(conf, []byte("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"), 0o644),
		unix.Mount(conf, target, "", unix.MS_BIND, ""),
		server.Start())
	if err != nil {
		return err
	}
	defer server.Process.Kill()
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		return fmt.Errorf("the name server: %w", err)
	}

	if err := pledge.Pledge(os.Getenv("PLEDGE_TEST_PROMISES")); err != nil {
		return err
	}
	resolver := &net.Resolver{PreferGo: true}
	for i, start := 0, time.Now(); time.Since(start) < 16*time.Second; i++ {
		addrs, err := resolver.LookupNetIP(context.Background(), "ip4", fmt.Sprintf("host%d.pledge.test", i))
		if err != nil {
			return fmt.Errorf("after %v: %w", time.Since(start), err)
		}
		if want := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}); len(addrs) != 1 || addrs[0].Unmap() != want {
			return fmt.Errorf("after %v: %v, want %v", time.Since(start), addrs, want)
		}
		if _, err := os.ReadFile("/etc/shadow"); !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("/etc/shadow: %v", err)
		}
		time.Sleep(time.Second)
	}
	return nil
}

// dnsServer answers hostN with 192.0.2.N.
func dnsServer() {
	l, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print("!")
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for b := make([]byte, 512); ; {
		n, from, err := l.ReadFrom(b)
		var m dnsmessage.Message
		if err != nil || m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable = true, true
		q := m.Questions[0]
		if digits, ok := strings.CutPrefix(q.Name.String(), "host"); ok && q.Type == dnsmessage.TypeA {
			var number byte
			fmt.Sscan(strings.TrimSuffix(digits, ".pledge.test."), &number)
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, number}},
			}}
		}
		m.Additionals = nil
		if out, err := m.Pack(); err == nil {
			l.WriteTo(out, from)
		}
	}
}

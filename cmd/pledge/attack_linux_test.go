//go:build amd64 || arm64

package main

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gopledge/pledge"
)

// TestAttacks has programs try to get away from their promises, when they run
// and before, and both ways of starting them.
func TestAttacks(t *testing.T) {
	attack := build(t, "gcc", "attack.c", "-pthread")
	library := build(t, "gcc", "attack.c", "-pthread", "-shared", "-fPIC")
	p := program(t)
	const (
		early, late = true, false // before the program's entry point, or after
		refused     = `open: Permission denied\n`
	)
	for _, c := range []struct {
		attack string
		early  bool
		args   []string
		status int
		stdout string
		stderr string
	}{
		// The kernel moves the thread that is made to install the filter.
		{"rseq", early, []string{"-p", "stdio"}, 125, ``, `pledge: cannot confine the program: \w+: the program makes another call instead\n`},
		// There is no code at the entry point, and a handler that is not due yet.
		{"fault", early, []string{"-p", "stdio"}, 159, ``, `pledge: \S+ mkdir(at)?\(.*\) needs promise "cpath"\n`},
		{"main thread ends", early, []string{"-p", "stdio rpath wpath"}, 125, ``, `pledge: a library ends the main thread before the program begins\n`},

		{"launcher's memory", early, []string{"-p", "stdio rpath wpath"}, 0, refused + confined, ``},
		{"launcher's memory", late, []string{"-p", "stdio rpath wpath"}, 0, refused, ``},
		{"launcher's memory", late, []string{"-p", "stdio rpath wpath", "--at-exec"}, 0, refused, ``},
		{"launcher's memory", late, []string{"-p", "stdio rpath wpath cpath proc exec ps"}, 0, refused, ``},
		{"launcher's descriptors", late, []string{"-p", "stdio rpath wpath"}, 0, refused, ``},
		{"launcher's descriptors", late, []string{"-p", "stdio rpath"}, 0, refused, ``},

		{"read", early, []string{"-p", "stdio"}, 0, refused + confined, ``},
		{"read a library", early, []string{"-p", "stdio"}, 0, `open: done\n` + confined, ``},
		{"read a core dump", early, []string{"-p", "stdio"}, 0, refused + confined, ``},
		{"read", early, []string{"-p", "stdio", "-v", "r:DIR"}, 0, refused + confined, ``},
		{"read", early, []string{"-p", "stdio rpath", "-v", "rx:/usr"}, 0, refused + confined, ``},
		{"read", early, []string{"-p", "stdio rpath wpath", "-v", "rx:/usr"}, 0, refused + confined, ``},
		{"read", early, []string{"-p", "stdio rpath", "-v", "r:DIR"}, 0, `open: done\n` + confined, ``},
		{"read", early, []string{"-p", "stdio rpath"}, 0, `open: done\n` + confined, ``},
		{"read", late, []string{"-p", "stdio rpath", "-v", "rx:/usr"}, 0, refused, ``},
		{"read by name of a link", early, []string{"-p", "stdio rpath", "-v", "rx:/usr"}, 0, `open: No such file or directory\n` + refused + confined, ``},
		{"create", early, []string{"-p", "stdio rpath wpath cpath", "-v", "rx:/usr"}, 0, refused + confined, ``},
		{"create", early, []string{"-p", "stdio rpath wpath cpath", "-v", "rwc:DIR"}, 0, `open: done\n` + confined, ``},
		{"chmod", early, []string{"-p", "stdio rpath fattr", "-v", "rx:/usr"}, 0, `chmod: Permission denied\n` + confined, ``},
		{"rename", early, []string{"-p", "stdio rpath cpath", "-v", "rx:/usr"}, 0, `rename: Permission denied\n` + confined, ``},

		// No attack, but what the fence must not be in the way of.
		{"rename", late, []string{"-p", "stdio cpath"}, 0, `rename: done\n`, ``},
		{"rename", late, []string{"-p", "stdio rpath cpath"}, 0, `rename: done\n`, ``},
		{"rename", late, []string{"-p", "stdio rpath wpath cpath"}, 0, `rename: done\n`, ``},
		{"rename", late, []string{"-p", "stdio rpath wpath cpath", "--at-exec"}, 0, `rename: done\n`, ``},
		{"rename", early, []string{"-p", "stdio rpath wpath cpath"}, 0, `rename: done\n` + confined, ``},
	} {
		when := map[bool]string{early: "early", late: "late"}[c.early]
		t.Run(strings.Join(append([]string{c.attack, when}, c.args...), " "), func(t *testing.T) {
			needsLandlock(t, slices.Contains(c.args, "-v"), "unveil is Landlock's")
			needsLandlock(t, strings.HasPrefix(c.attack, "launcher's") && os.Getuid() == 0, "only Landlock keeps root's programs from the launcher")
			dir := t.TempDir()
			path := filepath.Join(dir, "from", "file")
			for _, sub := range []string{"from", "to"} {
				if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			made := c.attack != "rseq" && c.attack != "fault"
			content := []byte("text\n")
			switch c.attack {
			case "read a library":
				content = elfHeader(uint16(elf.ET_DYN))
			case "read a core dump":
				content = elfHeader(uint16(elf.ET_CORE))
			}
			if made {
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var args []string
			for _, a := range c.args {
				args = append(args, strings.ReplaceAll(a, "DIR", dir))
			}
			cmd := start(t, append(args, "--", attack, c.attack, path)...)
			if c.early {
				cmd = start(t, append(args, "--", p)...)
				cmd.Env = append(os.Environ(), "LD_PRELOAD="+library, "ATTACK="+c.attack, "ATTACK_PATH="+path)
			}
			r := end(t, cmd)
			if r.status == 77 {
				t.Skip("not on this architecture, or not with this libc")
			}
			r.want(t, c.status, c.stdout, c.stderr)
			if _, err := os.Lstat(path); err == nil && !made {
				t.Errorf("%s was made", path)
			}
		})
	}
}

// elfHeader returns the first bytes of an ELF file of a kind.
func elfHeader(kind uint16) []byte {
	ident := [16]byte{0x7f, 'E', 'L', 'F'}
	return binary.NativeEndian.AppendUint16(ident[:], kind)
}

// needsLandlock skips what a kernel without Landlock cannot do.
func needsLandlock(t *testing.T, needs bool, why string) {
	t.Helper()
	if needs && pledge.Supported().Landlock == 0 {
		t.Skipf("this kernel has no Landlock: %s", why)
	}
}

// TestWithout takes system calls from the launcher, as old kernels and
// containers do.
func TestWithout(t *testing.T) {
	without := build(t, "gcc", "without.c")
	const pidfdGetfd, landlockCreateRuleset, landlockRestrictSelf = "438", "444", "446"
	for _, c := range []struct {
		call, errno, command string
		status               int
		stdout, stderr       string
	}{
		// Locales and time zones are a convenience.
		{landlockCreateRuleset, "ENOSYS", "-p stdio -- date -u -d @0 +%Y", 0, `1970\n`, ``},
		{landlockCreateRuleset, "ENOSYS", "-p stdio -- mkdir /tmp/never", 159, ``, `pledge: mkdir\[\d+\]: mkdir(at)?\(.*\) needs promise "cpath"\n`},
		{landlockCreateRuleset, "ENOSYS", "-p stdio -v r:/etc -- date", 125, ``, `pledge: this kernel has no Landlock.*\n`},
		{landlockRestrictSelf, "EPERM", "-p stdio -- date", 125, ``, `pledge: landlock_restrict_self: operation not permitted\n`},
		{landlockRestrictSelf, "EPERM", "--at-exec -p stdio -- date", 125, ``, `pledge: landlock_restrict_self: operation not permitted\n`},
		{"seccomp", "EPERM", "-p stdio -- date", 125, ``, `pledge: cannot confine the program: seccomp: operation not permitted\n`},
		{"seccomp", "EPERM", "--at-exec -p stdio -- date", 125, ``, `pledge: seccomp: operation not permitted\n`},
		{"ptrace", "EPERM", "-p stdio -- date", 125, ``, `pledge: cannot trace the program.*try --at-exec.*\n`},
		{pidfdGetfd, "EPERM", "-p stdio -- date", 125, ``, `pledge: cannot confine the program: pidfd_getfd, .*try --at-exec: operation not permitted\n`},
		{pidfdGetfd, "EPERM", "--at-exec -p stdio -- date -u -d @0 +%Y", 0, `1970\n`, ``},
		{"ptrace", "EPERM", "--at-exec -p stdio -- date -u -d @0 +%Y", 0, `1970\n`, ``},
	} {
		t.Run(c.call+" "+c.command, func(t *testing.T) {
			needsLandlock(t, c.call == landlockRestrictSelf, "the call is not made")
			cmd := start(t, strings.Fields(c.command)...)
			cmd.Args = append([]string{without, c.call, c.errno}, cmd.Args...)
			cmd.Path = without
			end(t, cmd).want(t, c.status, c.stdout, c.stderr)
		})
	}
}

// TestForeignProc runs where /proc is missing, or knows processes by other ids.
func TestForeignProc(t *testing.T) {
	p := program(t)
	for _, c := range []struct{ name, shell string }{
		{"none", "unshare -m sh -c 'umount -l /proc && exec \"$0\" \"$@\"'"},
		{"of another pid namespace", "unshare -pf"},
	} {
		if out, err := exec.Command("sh", "-c", c.shell+" true").CombinedOutput(); err != nil {
			t.Logf("%s: %v: %s", c.name, err, out)
			t.Skip("namespaces cannot be made here")
		}
		for _, how := range []string{"", "--at-exec"} {
			t.Run(c.name+" "+how, func(t *testing.T) {
				out, err := exec.Command("sh", "-c", c.shell+" "+command()+" run "+how+" -p stdio -- "+p).CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != 125 || !regexp.MustCompile(`\A(==\d+==WARNING: .*\n)*pledge: /proc must be mounted.*\n\z`).Match(out) { // the race detector warns
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

// TestToldBeforeTheEnd has programs end as soon as a violation has failed.
func TestToldBeforeTheEnd(t *testing.T) {
	p := program(t)
	rounds := 100
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		r := run(t, "--at-exec", "-p", "stdio", "--violation", "errno", "--", p, "mkdir", "/tmp/never")
		if strings.Count(r.stderr, "\n") != 1 {
			t.Fatalf("status %d, stderr %q; want one line", r.status, r.stderr)
		}
	}
}

// TestOtherUser makes some of the attacks as an ordinary user.
func TestOtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else; for others TestAttacks is this test")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("no setpriv here")
	}
	// Everybody must get at these.
	dir, err := os.MkdirTemp("/tmp", "pledge-test")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755)
	place := func(from string) string {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.Base(from))
		if err := os.WriteFile(to, data, 0o755); err != nil {
			t.Fatal(err)
		}
		return to
	}
	launcher, attack, without := place(command()), place(build(t, "gcc", "attack.c", "-pthread")), place(build(t, "gcc", "without.c"))
	for _, how := range []string{"", "--at-exec"} {
		for _, landlock := range []bool{true, false} {
			args := []string{"--reuid", "65534", "--regid", "65534", "--clear-groups"}
			if !landlock {
				args = append(args, without, "444", "ENOSYS") // landlock_create_ruleset
			}
			args = append(args, launcher, "run", cmp.Or(how, "--at-exec=false"), "-p", "stdio rpath wpath", "--", attack, "launcher's memory", "-")
			out, err := exec.Command("setpriv", args...).CombinedOutput()
			if err != nil || !regexp.MustCompile(`\Aopen: Permission denied\n\z`).Match(out) {
				t.Errorf("%q: %v: %s", args, err, out)
			}
		}
	}
}

//go:build linux && (amd64 || arm64)

package trace

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysargs"
)

// set parses promises; "-" is the empty set.
func set(t *testing.T, s string) pledge.Set {
	t.Helper()
	p, err := pledge.Parse(strings.TrimPrefix(s, "-"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sets parses alternatives with bars between them.
func sets(t *testing.T, s string) alternatives {
	t.Helper()
	var out alternatives
	if s != "" {
		for _, x := range strings.Split(s, "|") {
			out = append(out, set(t, x))
		}
	}
	return out
}

func TestCover(t *testing.T) {
	for _, c := range []struct {
		name  string
		needs []string
		want  string
	}{
		{"nothing", nil, ""},
		{"one", []string{"rpath"}, "rpath"},
		{"a conjunction", []string{"rpath wpath cpath"}, "rpath wpath cpath"},
		{"repetitions", []string{"stdio", "rpath", "stdio"}, "stdio rpath"},
		{"the narrower of two", []string{"inet|dns"}, "dns"},
		{"in any order", []string{"dns|inet"}, "dns"},
		{"a choice that is made already", []string{"inet", "inet|unix|dns"}, "inet"},
		{"made later", []string{"inet|unix|dns", "unix"}, "unix"},
		{"fewer promises before narrower ones", []string{"getpw|exec", "exec|dns", "tty|exec"}, "exec"},
		{"fewer promises before an alternative of one", []string{"rpath|wpath cpath", "wpath", "cpath"}, "wpath cpath"},
		{"two choices that one promise meets", []string{"unix|inet", "inet|dns"}, "inet"},
		{"greed would fail", []string{"getpw|tty", "getpw|dns", "tty|flock", "dns|flock"}, "tty dns"},
		{"nothing is an alternative", []string{"-|rpath"}, ""},
	} {
		var needs []alternatives
		for _, n := range c.needs {
			needs = append(needs, sets(t, n))
		}
		if got := cover(needs); got != set(t, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestNarrowestFirst checks that every promise that has alternatives in the
// table has its place.
func TestNarrowestFirst(t *testing.T) {
	for _, p := range narrowestFirst {
		if n := slices.Index(narrowestFirst, p); !slices.Contains(narrowestFirst[n:], p) || slices.Contains(narrowestFirst[n+1:], p) {
			t.Errorf("%v stands there twice", p)
		}
	}
}

func TestMinimal(t *testing.T) {
	for in, want := range map[string]string{
		"rpath|rpath wpath":       "rpath",
		"rpath wpath|rpath":       "rpath",
		"rpath|rpath":             "rpath",
		"wpath|rpath|-":           "-",
		"rpath wpath|stdio cpath": "rpath wpath|stdio cpath",
	} {
		if got := sets(t, in).minimal(); !slices.Equal(got, sets(t, want).minimal()) || len(got) != len(sets(t, want)) {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	refusal := func(s string, e syscall.Errno) bridge.Refusal {
		return bridge.Refusal{Promises: uint64(set(t, s)), Errno: e}
	}
	always := []bridge.Refusal{refusal("-", unix.ENOTTY)}
	looking := []bridge.Refusal{refusal("cpath", unix.EACCES), refusal("exec", unix.EACCES)}
	for _, c := range []struct {
		name     string
		grants   string
		refusals []bridge.Refusal
		failed   bool
		needs    string
		optional bool
		never    bool
	}{
		{name: "always allowed", grants: "-"},
		{name: "allowed by a promise", grants: "rpath", needs: "rpath"},
		{name: "and failed: it was a violation all the same", grants: "rpath", failed: true, needs: "rpath"},
		{name: "a choice", grants: "inet|dns", needs: "inet|dns"},
		{name: "refused under any set, but it succeeded", grants: "tty", refusals: always, needs: "tty", optional: true},
		{name: "refused under any set, and it failed", grants: "tty", refusals: always, failed: true},
		{name: "always refused", refusals: always, failed: true},
		{name: "looked and saw something", grants: "rpath", refusals: looking, needs: "rpath"},
		{name: "looked and saw nothing", grants: "rpath", refusals: looking, failed: true, needs: "rpath|cpath|exec"},
		{name: "refused under one promise only", refusals: []bridge.Refusal{refusal("fattr", unix.EPERM)}, failed: true, needs: "fattr"},
		{name: "a violation", never: true},
		{name: "a violation that failed", failed: true, never: true},
	} {
		j := ruling{grants: sets(t, c.grants), refusals: c.refusals}.judge(c.failed)
		if !slices.Equal(j.needs, sets(t, c.needs).minimal()) || j.optional != c.optional || j.never != c.never {
			t.Errorf("%s: %+v, want %q optional %v never %v", c.name, j, c.needs, c.optional, c.never)
		}
	}
}

func TestRefused(t *testing.T) {
	r := ruling{grants: sets(t, "route"), refusals: []bridge.Refusal{
		{Promises: uint64(set(t, "dns")), Errno: unix.EACCES}, {Errno: unix.EAFNOSUPPORT},
	}}
	for held, want := range map[string]syscall.Errno{"": unix.EAFNOSUPPORT, "dns": unix.EACCES, "route": 0, "route dns": 0} {
		if got := r.refused(set(t, held)); got != want {
			t.Errorf("under %q: %v, want %v", held, got, want)
		}
	}
}

func TestFailed(t *testing.T) {
	for r, want := range map[int64]bool{
		0: false, 7: false, -int64(unix.ENOENT): true, -int64(unix.ENOTTY): true, -int64(unix.ENOSYS): true,
		-int64(unix.EAGAIN): false, -int64(unix.EINTR): false, -int64(unix.EINPROGRESS): false,
		-512: false, -516: false, -5000: false, // ERESTARTSYS, ERESTART_RESTARTBLOCK, an address
	} {
		if failed(r) != want {
			t.Errorf("failed(%d) = %v", r, !want)
		}
	}
}

func TestNarrow(t *testing.T) {
	stream, datagram := &socket{domain: unix.AF_INET, kind: unix.SOCK_STREAM}, &socket{domain: unix.AF_INET, kind: unix.SOCK_DGRAM}
	inet := func(port uint16) sysargs.Sockaddr {
		return sysargs.Sockaddr{Family: unix.AF_INET, Inet: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
	}
	for _, c := range []struct {
		name   string
		call   uint32
		socket *socket
		to     sysargs.Sockaddr
		want   string
	}{
		{"a web server", unix.SYS_CONNECT, stream, inet(80), "inet"},
		{"a name server", unix.SYS_CONNECT, stream, inet(53), "inet|dns"},
		{"a resolver that tries addresses", unix.SYS_CONNECT, datagram, inet(80), "inet|dns"},
		{"a datagram to a name server", unix.SYS_SENDTO, datagram, inet(53), "inet|dns"},
		{"a datagram elsewhere", unix.SYS_SENDTO, datagram, inet(123), "inet"},
		{"a socket that was inherited", unix.SYS_CONNECT, nil, inet(80), "inet"},
		{"any port of one's own", unix.SYS_BIND, datagram, inet(0), "inet|dns"},
		{"a certain port", unix.SYS_BIND, datagram, inet(123), "inet"},
		{"a local socket", unix.SYS_CONNECT, nil, sysargs.Sockaddr{Family: unix.AF_UNIX}, "unix"},
		{"netlink", unix.SYS_BIND, nil, sysargs.Sockaddr{Family: unix.AF_NETLINK}, "route|wroute"},
		{"listening says no address", unix.SYS_LISTEN, &socket{domain: unix.AF_UNIX}, sysargs.Sockaddr{}, "unix"},
		{"sending on a connected socket", unix.SYS_SENDTO, datagram, sysargs.Sockaddr{}, "inet|unix|dns|route|wroute"},
		{"of a socket that nobody knows", unix.SYS_LISTEN, nil, sysargs.Sockaddr{}, "inet|unix|dns|route|wroute"},
	} {
		r := ruling{grants: sets(t, "inet|unix|dns|route|wroute")}
		if got := r.narrow(c.call, c.socket, c.to).grants; !slices.Equal(got, sets(t, c.want)) {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// TestRule asks the real table for the cases that trace depends on.
func TestRule(t *testing.T) {
	const dot = 0xffffff9c
	x32 := syscall.Errno(0)
	if runtime.GOARCH != "amd64" {
		x32 = unix.ENOSYS // there it is but a large number
	}
	for _, c := range []struct {
		name    string
		nr      uint32
		args    [6]uint64
		grants  string
		refused syscall.Errno // with what trace takes to be held
	}{
		{"clone3", unix.SYS_CLONE3, [6]uint64{}, "", unix.ENOSYS},
		{"openat2", unix.SYS_OPENAT2, [6]uint64{}, "", unix.ENOSYS},
		{"a call that is newer than the table", 5000, [6]uint64{}, "", unix.ENOSYS},
		{"io_uring", unix.SYS_IO_URING_SETUP, [6]uint64{}, "", unix.ENOSYS},
		{"netlink", unix.SYS_SOCKET, [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, 0}, "route|wroute", unix.EAFNOSUPPORT},
		{"an unknown prctl", unix.SYS_PRCTL, [6]uint64{9999}, "", unix.EINVAL},
		{"setuid bits", unix.SYS_FCHMOD, [6]uint64{3, 0o4755}, "", unix.EPERM},
		{"a size of a window", unix.SYS_IOCTL, [6]uint64{0, unix.TIOCGWINSZ}, "tty", 0},
		{"a file to read", unix.SYS_OPENAT, [6]uint64{dot, 0, 0}, "rpath", 0},
		{"a file to write", unix.SYS_OPENAT, [6]uint64{dot, 0, unix.O_RDWR}, "rpath wpath", 0},
		{"a signal to itself", unix.SYS_KILL, [6]uint64{42, 1}, "-", 0},
		{"to another", unix.SYS_KILL, [6]uint64{43, 1}, "proc", 0},
		{"a call of x32, which kills", 1<<30 | unix.SYS_GETPID, [6]uint64{}, "", x32},
		{"no call", 1<<32 - 1, [6]uint64{}, "", unix.ENOSYS},
		{"a tracer", unix.SYS_PTRACE, [6]uint64{}, "", 0},
	} {
		r := rule(42, &policy.Data{Nr: c.nr, Arch: arch, Args: c.args}, "")
		if !slices.Equal(r.grants.minimal(), sets(t, c.grants).minimal()) {
			t.Errorf("%s: granted by %v, want %q", c.name, r.grants, c.grants)
		}
		if got := r.refused(assumed); got != c.refused {
			t.Errorf("%s: refused with %v, want %v", c.name, got, c.refused)
		}
	}
	if r := rule(1, &policy.Data{Nr: unix.SYS_READ, Arch: unix.AUDIT_ARCH_I386}, ""); len(r.grants) > 0 || !r.judge(false).never {
		t.Errorf("a call of i386: %+v", r)
	}
}

// TestLoading asks the real table what is allowed before the entry point.
func TestLoading(t *testing.T) {
	for _, c := range []struct {
		name   string
		nr     uint32
		args   [6]uint64
		grants string
	}{
		{"the process id", unix.SYS_GETPID, [6]uint64{}, "-"},
		{"a library", unix.SYS_MMAP, [6]uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE, 3}, "prot_exec"},
		{"a directory to make", unix.SYS_MKDIRAT, [6]uint64{}, "cpath"},
		{"a process", unix.SYS_CLONE, [6]uint64{uint64(unix.SIGCHLD)}, ""},
		{"a program", unix.SYS_EXECVE, [6]uint64{}, ""},
		{"a Landlock ruleset", unix.SYS_LANDLOCK_RESTRICT_SELF, [6]uint64{}, ""},
		{"a filter", unix.SYS_SECCOMP, [6]uint64{1}, ""},
	} {
		r := rule(42, &policy.Data{Nr: c.nr, Arch: arch, Args: c.args}, "").loading(c.nr)
		if got := r.grants.minimal(); len(got) > 0 != (c.grants != "") || len(got) > 0 && got[0] != set(t, c.grants) {
			t.Errorf("%s: granted by %v, want %q", c.name, r.grants, c.grants)
		}
	}
}

// TestAdopt checks that a process keeps the name of the program that it has
// executed when its parent's stop tells of it only then.
func TestAdopt(t *testing.T) {
	pid := os.Getpid()
	parent := &thread{tid: 1, pid: 1, program: "parent"}
	for _, executes := range []bool{false, true} {
		want := "parent"
		tr := newTracer(assumed)
		tr.adopt(pid, nil)
		if executes {
			want = comm(pid)
			tr.executed(pid)
		}
		if got := tr.adopt(pid, parent).program; got != want {
			t.Errorf("executed %v: %q, want %q", executes, got, want)
		}
	}
}

func TestOpenPerms(t *testing.T) {
	for _, c := range []struct {
		flags  uint64
		want   string
		parent bool
	}{
		{0, "r", false},
		{unix.O_WRONLY | unix.O_TRUNC, "w", false},
		{unix.O_RDWR, "rw", false},
		{unix.O_WRONLY | unix.O_CREAT, "wc", true},
		{unix.O_RDWR | unix.O_TMPFILE, "rwc", false},
		{unix.O_RDONLY | unix.O_DIRECTORY, "r", false},
		{unix.O_PATH, "", false},
	} {
		perms, parent := openPerms(c.flags)
		var got string
		for _, p := range perms {
			got += p.String()
		}
		if got != c.want || parent != c.parent {
			t.Errorf("openPerms(%#x) = %s, %v; want %s, %v", c.flags, got, parent, c.want, c.parent)
		}
	}
}

func TestFold(t *testing.T) {
	gone := "/tmp/gone"
	for _, c := range []struct {
		name string
		used string
		want string
	}{
		{"as it is", "r:/etc/passwd w:/home/a/log", "r:/etc/passwd w:/home/a/log"},
		{"the system's trees", "r:/usr/lib/a.so r:/usr/lib/x/b.so", "r:/usr/lib"},
		{"one file of them", "r:/usr/lib/a.so", "r:/usr/lib/a.so"},
		{"trees of trees", "r:/usr/lib/a.so r:/usr/lib/b.so x:/usr/bin/a x:/usr/bin/b", "rx:/usr"},
		{"never where something is written", "rw:/usr/lib/a r:/usr/lib/b", "rw:/usr/lib/a r:/usr/lib/b"},
		{"many files of a directory", "r:/home/a/1 r:/home/a/2 r:/home/a/3 r:/home/a/4", "r:/home/a"},
		{"not of different kinds", "r:/home/a/1 r:/home/a/2 r:/home/a/3 w:/home/a/4", "r:/home/a/1 r:/home/a/2 r:/home/a/3 w:/home/a/4"},
		{"directories of directories", "r:/w/p/a/1 r:/w/p/b/1 r:/w/p/a/2 r:/w/p/a/3 r:/w/p/a/4 r:/w/p/c r:/w/p/d r:/w/p/e", "r:/w/p"},
		{"never at the top", "r:/etc/a r:/etc/b r:/etc/c r:/etc/d r:/etc/e", "r:/etc/a r:/etc/b r:/etc/c r:/etc/d r:/etc/e"},
		{"what a directory covers", "rwc:/tmp r:/tmp/x/y", "rwc:/tmp"},
		{"not what it lacks", "r:/tmp w:/tmp/x", "r:/tmp w:/tmp/x"},
		{"not a name that only begins so", "r:/tmp r:/tmpx", "r:/tmp r:/tmpx"},
		{"what is gone", "rwc:" + gone + "/x", "rwc:/tmp"},
		{"an executable that is gone from the top", "x:/gone/x r:/gone/y x:/bin/a", "r:/ x:/bin/a"},
		{"nothing else", "x:/gone/x x:/bin/a", "x:/bin/a"},
		{"processes come and go", "r:/proc/123/stat r:/proc/456/stat r:/proc/self/maps", "r:/proc"},
		{"the root itself", "r:/", "r:/"},
		{"nothing", "", ""},
	} {
		used := map[string]perm{}
		for _, f := range strings.Fields(c.used) {
			letters, p, _ := strings.Cut(f, ":")
			for i, l := range "rwxc" {
				if strings.ContainsRune(letters, l) {
					used[p] |= 1 << i
				}
			}
		}
		var got []string
		for _, r := range fold(used, func(p string) bool { return !strings.HasPrefix(p, gone) && !strings.HasPrefix(p, "/gone") }) {
			got = append(got, r.Permissions+":"+r.Path)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s\n\twant %s", c.name, got, c.want)
		}
	}
}

// BenchmarkFold has as many paths as a large build uses.
func BenchmarkFold(b *testing.B) {
	used := map[string]perm{}
	for i := range 20000 {
		used[fmt.Sprintf("/home/a/%d/%d", i/10, i)] = perm(1 + i%3)
	}
	for b.Loop() {
		fold(used, func(string) bool { return true })
	}
}

func TestOfProcess(t *testing.T) {
	for p, want := range map[string]string{
		"/etc/passwd": "/etc/passwd", "/proc/self": "/proc/7", "/proc/self/maps": "/proc/7/maps", "/proc/selfish": "/proc/selfish",
		"/proc/thread-self/comm": "/proc/7/comm", "/proc/8/maps": "/proc/8/maps",
		"/dev/stdin": "/proc/7/fd/0", "/dev/fd/5": "/proc/7/fd/5", "/dev/fdx": "/dev/fdx", "": "",
	} {
		if got := ofProcess(p, 7); got != want {
			t.Errorf("%s: %s, want %s", p, got, want)
		}
	}
}

//go:build linux && (amd64 || arm64)

package trace

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/internal/bridge"
	"github.com/gopledge/pledge/internal/policy"
	"github.com/gopledge/pledge/internal/sysargs"
)

// A ruling is what the promise table says of a call.
type ruling struct {
	grants   alternatives // what allows it
	refusals []bridge.Refusal
}

// rule asks the table. The process id is that of the program that the filter is
// made for, which its descendants inherit with it; the path is that of an open.
func rule(pid int, d *policy.Data, path string) ruling {
	if d.Arch != arch {
		return ruling{} // of another ABI: a violation, whatever its number means
	}
	var r ruling
	for _, s := range bridge.Needs(pid, d, path) {
		r.grants = append(r.grants, pledge.Set(s))
	}
	r.refusals = bridge.Refusals(pid, d)
	return r
}

// whileLoading is what is allowed before the entry point whatever is promised.
const whileLoading = pledge.Set(1<<pledge.Stdio | 1<<pledge.Rpath | 1<<pledge.ProtExec)

// loading is the ruling before the entry point, where the launcher allows no call
// that needs one of two promises, and none of some others.
func (r ruling) loading(nr uint32) ruling {
	withheld := slices.Contains(bridge.Withheld, nr)
	never := func(s pledge.Set) bool { return s.Has(pledge.Proc) || s.Has(pledge.Exec) }
	r.grants = slices.DeleteFunc(slices.Clone(r.grants), func(s pledge.Set) bool { return withheld || never(s) })
	r.refusals = slices.DeleteFunc(slices.Clone(r.refusals), func(x bridge.Refusal) bool { return never(pledge.Set(x.Promises)) })
	return r
}

// refused returns the errno that the call fails with under a set of promises, 0
// if it does not.
func (r ruling) refused(held pledge.Set) syscall.Errno {
	if _, ok := r.grants.metBy(held); ok {
		return 0
	}
	for _, x := range r.refusals {
		if pledge.Set(x.Promises).SubsetOf(held) {
			return x.Errno
		}
	}
	return 0
}

// soft returns the sets under which the call is refused and not a violation.
func (r ruling) soft() alternatives {
	var out alternatives
	for _, x := range r.refusals {
		out = append(out, pledge.Set(x.Promises))
	}
	return out
}

// A judgement is what a call that took place asks for.
type judgement struct {
	needs    alternatives // one of these; nil: nothing
	optional bool         // it would be refused softly without them, and callers can do without
	never    bool         // no promise allows it
}

// judge says what a call asks for, knowing how it ended. A call that was allowed
// and succeeded asks for a promise that allows it, if callers cannot do without,
// which the table says by refusing it whatever is promised. For one that failed,
// or that the tracer made fail, a set that refuses it softly is as good.
func (r ruling) judge(failed bool) judgement {
	soft := r.soft()
	switch {
	case r.grants.free():
		return judgement{}
	case failed:
		either := append(slices.Clone(r.grants), soft...).minimal()
		if either.free() {
			return judgement{}
		}
		return judgement{needs: either, never: len(either) == 0}
	case len(r.grants) == 0:
		return judgement{never: true}
	default:
		return judgement{needs: r.grants.minimal(), optional: soft.free()}
	}
}

// failed reports whether a result says that a call did nothing. One that is to
// be repeated, or goes on, has not failed.
func failed(result int64) bool {
	if result >= 0 || result < -4095 {
		return false
	}
	switch e := -result; {
	case e >= 512 && e <= 530: // ERESTARTSYS and its like, which only tracers see
		return false
	case e == int64(unix.EAGAIN), e == int64(unix.EINTR), e == int64(unix.EINPROGRESS), e == int64(unix.EALREADY):
		return false
	}
	return true
}

// narrow drops alternatives that allow a call of that number and arguments, but
// are not about where it goes: connect(2) takes any address for the filter, and
// the socket decides.
func (r ruling) narrow(nr uint32, socket *socket, to sysargs.Sockaddr) ruling {
	family, port := to.Family, to.Inet.Port()
	switch {
	case family != unix.AF_UNSPEC:
	case nr == unix.SYS_SENDTO: // on a connected socket
		return r
	case socket != nil:
		family = uint16(socket.domain)
	}
	var wanted []pledge.Promise
	switch family {
	case unix.AF_UNIX:
		wanted = []pledge.Promise{pledge.Unix}
	case unix.AF_NETLINK:
		wanted = []pledge.Promise{pledge.Route, pledge.Wroute, pledge.PF}
	case unix.AF_INET, unix.AF_INET6:
		wanted = []pledge.Promise{pledge.Inet}
		datagrams := socket != nil && socket.kind == unix.SOCK_DGRAM
		if port == 53 || nr == unix.SYS_BIND && port == 0 || nr == unix.SYS_CONNECT && datagrams {
			// Resolvers connect datagram sockets to each address that they
			// found, to see from where it is reached, and send nothing.
			wanted = append(wanted, pledge.DNS)
		}
	default:
		return r
	}
	var kept alternatives
	for _, s := range r.grants {
		if slices.ContainsFunc(wanted, s.Has) {
			kept = append(kept, s)
		}
	}
	if len(kept) > 0 {
		r.grants = kept
	}
	return r
}

// A socket is what is known of a descriptor.
type socket struct {
	domain, kind int
	opened       *call
}

// nameService are the services that C libraries ask for users before they read
// the files. Whoever promised files is refused the socket.
var nameService = []string{"/run/nscd/", "/var/run/nscd/", "/run/systemd/userdb/", "/var/lib/sss/pipes/"}

package pledge

import (
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// A Promise is one of the words that pledge(2) knows. The constants stand in
// the order in which OpenBSD's kernel lists them, which is also the order in
// which a [Set] prints.
type Promise uint8

// The promises of OpenBSD's pledge(2), and tmppath, which OpenBSD dropped in
// 2026 and which programs written before then still name. What each allows on
// Linux is in the table of the README and, call by call, in docs/promises.md
// and [Explain].
const (
	Stdio Promise = iota
	Rpath
	Wpath
	Cpath
	Dpath
	Tmppath
	Inet
	Mcast
	Fattr
	Chown
	Flock
	Unix
	DNS
	Getpw
	Sendfd
	Recvfd
	Tape
	TTY
	Proc
	Exec
	ProtExec
	Settime
	PS
	Vminfo
	ID
	PF
	Route
	Wroute
	Audio
	Video
	BPF
	UnveilPromise
	Error
	Disklabel
	DRM
	VMM

	promiseCount = iota
)

var promiseNames = [promiseCount]string{
	"stdio", "rpath", "wpath", "cpath", "dpath", "tmppath", "inet", "mcast",
	"fattr", "chown", "flock", "unix", "dns", "getpw", "sendfd", "recvfd",
	"tape", "tty", "proc", "exec", "prot_exec", "settime", "ps", "vminfo",
	"id", "pf", "route", "wroute", "audio", "video", "bpf", "unveil", "error",
	"disklabel", "drm", "vmm",
}

// String returns the promise's name as pledge(2) spells it.
func (p Promise) String() string {
	if int(p) < len(promiseNames) {
		return promiseNames[p]
	}
	return "promise(" + strconv.Itoa(int(p)) + ")"
}

// A Set is a set of promises. The zero Set is the empty promise, "", which is
// valid and means that the process may do next to nothing.
type Set uint64

// setOf returns the set of the given promises.
func setOf(promises ...Promise) Set { return Set(0).With(promises...) }

// all is the set of every promise.
const all Set = 1<<promiseCount - 1

// maxLen is OpenBSD's MAXPATHLEN: a promise string must be shorter.
const maxLen = 1024

// Parse reads a promise string as OpenBSD's kernel does: names are separated
// by one or more blanks, trailing blanks are fine, a leading one is not; case
// matters; a name may stand twice; "" is valid. An unknown name, a leading
// blank or a string of 1024 bytes or more is a [*PromiseError].
func Parse(promises string) (Set, error) {
	if len(promises) >= maxLen {
		return 0, &PromiseError{Promises: promises, tooLong: true}
	}
	var s Set
	for rest, first := promises, true; rest != ""; first = false {
		name, after, _ := strings.Cut(rest, " ")
		rest = after
		if name == "" && !first {
			continue // repeated and trailing blanks
		}
		p, ok := lookup(name)
		if !ok {
			return 0, &PromiseError{Promises: promises, Name: name}
		}
		s = s.With(p)
	}
	return s, nil
}

func lookup(name string) (Promise, bool) {
	for i, n := range promiseNames {
		if n == name {
			return Promise(i), true
		}
	}
	return 0, false
}

// String returns the names in OpenBSD's order with one blank between them. It
// is a string that [Parse] turns into the same set.
func (s Set) String() string {
	var b strings.Builder
	for p := range s.All() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// Has reports whether p is in the set.
func (s Set) Has(p Promise) bool { return s>>p&1 == 1 }

// SubsetOf reports whether every promise of s is also in t.
func (s Set) SubsetOf(t Set) bool { return s&^t == 0 }

// With returns the set with the given promises added.
func (s Set) With(promises ...Promise) Set {
	for _, p := range promises {
		s |= 1 << p
	}
	return s
}

// Without returns the set with the given promises removed.
func (s Set) Without(promises ...Promise) Set {
	for _, p := range promises {
		s &^= 1 << p
	}
	return s
}

// All iterates over the promises of the set in OpenBSD's order.
func (s Set) All() iter.Seq[Promise] {
	return func(yield func(Promise) bool) {
		for t := s & all; t != 0; t &= t - 1 {
			if !yield(Promise(bits.TrailingZeros64(uint64(t)))) {
				return
			}
		}
	}
}

//go:build linux && (amd64 || arm64)

// Package argname names the constants in the arguments of system calls, as the
// manual pages and the kernel's headers do.
//
// Arguments count from 0. What a number means sometimes depends on an argument
// before it, which goes by the name of level: the level of getsockopt's and
// setsockopt's argument 2, the domain of socket's and socketpair's argument 2
// (0 is taken for an internet domain), the option of prctl's argument 1.
// Elsewhere level does not count.
package argname

import (
	"fmt"
	"iter"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

//go:generate go run gen.go

// Value returns the name of v as an argument of the call, or "". For flags it
// is what Flags says, if all bits have names.
func Value(call string, arg int, level uint64, v uint64) string {
	_, k := lookup(call, arg, level)
	s, known := k.text(int32Bits(v), all)
	if !known && call == "ioctl" && arg == 1 && v&0xff00 == 'd'<<8 {
		s, known = drm.text(v&drm.head.mask, drm.head.mask)
	}
	if !known {
		return ""
	}
	return s
}

// Flags returns the names of v's bits, with "|" between them, and the bits that
// have none in hex, or in octal if the argument is a file's mode. It is not ok
// if that argument is no set of flags.
func Flags(call string, arg int, v uint64) (s string, ok bool) {
	_, k := lookup(call, arg, 0)
	if k.flags == "" {
		return "", false
	}
	s, _ = k.text(int32Bits(v), all)
	return s, true
}

// Masked returns the condition arg&mask == value in words: "cmd = F_GETFL",
// "prot without PROT_EXEC" (none of these bits), "flags with AT_EMPTY_PATH" (all
// of them), "flags & (O_ACCMODE|O_CREAT) = O_RDONLY", "flags at most A|B" (no
// other bits), "type = SOCK_STREAM plus any of SOCK_NONBLOCK|SOCK_CLOEXEC",
// "dirfd >= 0". A mask of 32 bits is for an int, all of which it has.
func Masked(call string, arg int, level, mask, value uint64) string {
	name, k := lookup(call, arg, level)
	free := ^mask
	if mask>>32 == 0 {
		free = uint64(^uint32(mask))
	}
	if free == 0 {
		mask = all
	}
	if call == "ioctl" && arg == 1 && mask == drm.head.mask && value&0xff00 == 'd'<<8 {
		k = drm
	}
	is, _ := k.text(int32Bits(value), mask)
	whole, _ := k.text(mask, mask)
	field := mask&(k.head.mask|k.tail.mask) != 0
	switch {
	case mask == all:
		return name + " = " + is
	case mask == 1<<31 && k.flags == "" && value == 0:
		return name + " >= 0"
	case mask == 1<<31 && k.flags == "":
		return name + " < 0"
	case k.flags == "":
		return fmt.Sprintf("%s & %s = %s", name, k.number(mask), is)
	case bits.OnesCount32(uint32(mask)) > 16:
		rest, _ := k.text(free, free)
		if is == "0" {
			return name + " at most " + rest
		}
		return name + " = " + is + " plus any of " + rest
	case !field && value == 0:
		return name + " without " + whole
	case !field && value == mask:
		return name + " with " + whole
	case strings.Contains(whole, "|"):
		whole = "(" + whole + ")"
	}
	return name + " & " + whole + " = " + is
}

// Args returns the manual page's names of a call's arguments, as far as they
// are worth to be shown. It is not ok if the call is not known.
func Args(call string) (names []string, ok bool) {
	_, rest, ok := strings.Cut(signatures, " "+call+"(")
	list, _, _ := strings.Cut(rest, ")")
	for _, arg := range strings.Fields(list) {
		name, _, _ := strings.Cut(strings.ReplaceAll(arg, "|", ":"), ":")
		names = append(names, name)
	}
	return names, ok
}

// Arg returns the manual page's name of an argument, or "arg" and the number.
func Arg(call string, arg int) string {
	name, _ := lookup(call, arg, 0)
	return name
}

// A set is a list of "number=name", flags in ascending order.
type set struct{ name, list string }

// A kind of argument is a field of bits with a value, then flags, then another
// field; each may be missing. An enumeration is a field that has all bits.
type kind struct {
	head  field
	flags string // the set's name
	tail  field
}

type field struct {
	mask uint64
	set  string
	name string // the mask's
}

const all = math.MaxUint64

// mixed are the kinds of flags that have fields.
var mixed = []kind{
	{field{0x3, "access", "O_ACCMODE"}, "open", field{}},
	{field{0xf000, "filetype", "S_IFMT"}, "mode", field{}},
	{field{0xf, "socktype", "SOCK_TYPE_MASK"}, "type", field{}},
	{field{0xf, "maptype", "MAP_TYPE"}, "map", field{0xfc000000, "hugepage", "MAP_HUGE_MASK<<MAP_HUGE_SHIFT"}},
	{field{0x7f, "futexcmd", "FUTEX_CMD_MASK"}, "futex", field{}},
	{field{}, "clone", field{0xff, "signal", "CSIGNAL"}},
}

// drm is for the half of an ioctl's request that DRM looks at.
var drm = kind{head: field{mask: 0xffff, set: "drm"}}

// lookup finds the name and the kind of an argument.
func lookup(call string, arg int, level uint64) (string, kind) {
	_, rest, _ := strings.Cut(signatures, " "+call+"(")
	list, _, _ := strings.Cut(rest, ")")
	args := strings.Fields(list)
	if arg < 0 || arg >= len(args) {
		return "arg" + strconv.Itoa(arg), kind{}
	}
	if name, flags, ok := strings.Cut(args[arg], "|"); ok {
		for _, k := range mixed {
			if k.flags == flags {
				return name, k
			}
		}
		return name, kind{flags: flags}
	}
	name, names, _ := strings.Cut(args[arg], ":")
	level = uint64(uint32(level))
	switch names {
	case "optname":
		names = find("level", level)
	case "option":
		names = find("prctl", level)
	case "protocol":
		names = find("domain", level)
		if names == "AF_UNSPEC" || names == "AF_INET6" {
			names = "AF_INET"
		}
	}
	return name, kind{head: field{mask: all, set: names}}
}

// text names the bits of v, and those fields that are whole in the mask. Known
// says that there are names for everything.
func (k kind) text(v, mask uint64) (s string, known bool) {
	var names []string
	known = true
	take := func(f field) {
		if f.mask == 0 || mask&f.mask != f.mask {
			return
		}
		if name := find(f.set, v&f.mask); name != "" {
			names = append(names, name)
		} else if v&f.mask == f.mask && f.name != "" {
			names = append(names, f.name)
		} else if v&f.mask != 0 {
			names, known = append(names, k.number(v&f.mask)), false
		}
		v &^= f.mask
	}
	take(k.head)
	n := len(names)
	for b, name := range each(k.flags) {
		if b != 0 && v&b == b {
			names, v = append(names, name), v&^b
		}
	}
	if k.flags != "mode" { // S_ISUID is first
		slices.Reverse(names[n:])
	}
	take(k.tail)
	if v != 0 {
		names, known = append(names, k.number(v)), false
	}
	if len(names) == 0 {
		if zero := find(k.flags, 0); zero != "" && mask == all {
			return zero, true
		}
		return "0", false
	}
	return strings.Join(names, "|"), known
}

func (k kind) number(v uint64) string {
	switch {
	case k.flags == "mode":
		return fmt.Sprintf("%#o", v)
	case v < 10:
		return strconv.FormatUint(v, 10)
	}
	return fmt.Sprintf("%#x", v)
}

// find returns the name of v in a set, or "".
func find(set string, v uint64) string {
	for n, name := range each(set) {
		if n == v {
			return name
		}
	}
	return ""
}

// each yields the numbers and names of a set, the last ones first.
func each(set string) iter.Seq2[uint64, string] {
	return func(yield func(uint64, string) bool) {
		for _, s := range slices.Concat(added, generated) {
			if s.name != set {
				continue
			}
			for _, entry := range slices.Backward(strings.Fields(s.list)) {
				number, name, _ := strings.Cut(entry, "=")
				v, _ := strconv.ParseUint(number, 0, 64)
				if !yield(v, name) {
					return
				}
			}
		}
	}
}

// int32Bits returns the bits of a negative int, whose sign a register extends.
func int32Bits(v uint64) uint64 {
	if int64(v) == int64(int32(v)) {
		return uint64(uint32(v))
	}
	return v
}

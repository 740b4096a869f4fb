package kernel

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge/internal/bpf"
	"github.com/gopledge/pledge/internal/policy"
)

// A Notification is a call that waits for a supervisor's answer: struct
// seccomp_notif of seccomp_unotify(2).
type Notification struct {
	ID    uint64
	TID   uint32 // the thread that makes the call
	Flags uint32
	Call  policy.Data
}

// ReceiveNotification waits for a notification. ENOENT means that there was one
// whose thread has been killed or interrupted since.
func ReceiveNotification(listener int) (*Notification, error) {
	n := new(Notification)
	return n, ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
}

// NotificationValid returns nil as long as the thread still waits for the
// answer: what was read about it meanwhile was about it. It is ENOENT afterwards.
func NotificationValid(listener int, id uint64) error {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id))
}

// FailNotification answers that the call fails.
func FailNotification(listener int, id uint64, e unix.Errno) error {
	return answer(listener, response{id: id, errno: -int32(e)})
}

// ContinueNotification answers that the kernel is to make the call. What its
// pointers point to can have changed since anybody looked.
func ContinueNotification(listener int, id uint64) error {
	return answer(listener, response{id: id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// A response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

func answer(listener int, r response) error {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); e != 0 {
		return e
	}
	return nil
}

// ProgramImage returns the bytes of struct sock_fprog with its program behind
// it, as they are to be at addr in another process.
func ProgramImage(prog []bpf.Insn, addr uint64) []byte {
	const header = 16
	le := binary.LittleEndian
	image := make([]byte, 0, header+8*len(prog))
	image = le.AppendUint64(image, uint64(len(prog))) // a short and its padding
	image = le.AppendUint64(image, addr+header)
	for _, in := range prog {
		image = append(le.AppendUint16(image, in.Code), in.Jt, in.Jf)
		image = le.AppendUint32(image, in.K)
	}
	return image
}

package pledgetest

import "syscall"

// violation is the signal that ends a process for a violation.
const violation = syscall.SIGABRT

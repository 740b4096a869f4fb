// Executes a program without a system call, which fails with an errno.
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

int main(int argc, char **argv) {
	int nr = !strcmp(argv[1], "ptrace") ? SYS_ptrace : !strcmp(argv[1], "seccomp") ? SYS_seccomp : atoi(argv[1]);
	int error = !strcmp(argv[2], "EPERM") ? EPERM : ENOSYS;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ, nr, 0, 1),
		BPF_STMT(BPF_RET, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof filter / sizeof filter[0], filter};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog)) return 1;
	execvp(argv[3], argv + 3);
	return 1;
}

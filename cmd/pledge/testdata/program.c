// A program that says how it is held, and can be told to break its promises.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <shadow.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef RENAME_WHITEOUT // musl does not have it, nor renameat2 before 1.2.6
#define RENAME_WHITEOUT (1 << 2)
#endif

static void *violate(void *path) {
	for (;;)
		if (mkdir(path, 0700) == 0) abort();
}

static char flipping[] = "AAAA/secret/AAAA";

static void *flip(void *_) {
	for (unsigned i = 0;; i++)
		((volatile char *)flipping)[i % 4] ^= 3;
}

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "";
	const char *path = argc > 2 ? argv[2] : "/tmp/violation";
	pthread_t t;
	if (!strcmp(mode, "mkdir")) {
		return mkdir(path, 0700) == 0 ? 3 : errno;
	} else if (!strcmp(mode, "loop")) {
		violate((void *)path);
	} else if (!strcmp(mode, "threads")) {
		for (int i = 0; i < 200; i++)
			if (pthread_create(&t, NULL, violate, (void *)path)) return 4;
		pause();
	} else if (!strcmp(mode, "forks")) {
		for (int i = 0; i < 300; i++) {
			if (fork() == 0) { mkdir(path, 0700); _exit(3); }
			int status;
			wait(&status);
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) return 5;
		}
		return 0;
	} else if (!strcmp(mode, "closes")) {
		for (int i = 0; i < 4096; i++) close(i);
		mkdir(path, 0700);
		return 3;
	} else if (!strcmp(mode, "renames")) {
		prctl(PR_SET_NAME, "\033[2J\n\xff\xc2\x9b" "evil");
		mkdir(path, 0700);
		return 3;
	} else if (!strcmp(mode, "flips")) {
		pthread_create(&t, NULL, flip, NULL);
		mkdir(flipping, 0700);
		return 3;
	} else if (!strcmp(mode, "trap")) {
#if defined __x86_64__
		__asm__("int3");
#else
		__asm__("brk #0");
#endif
		return 3;
	} else if (!strcmp(mode, "int80")) {
#if defined __x86_64__
		long r;
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory"); // getpid
		return 3;
#else
		raise(SIGSYS);
#endif
	} else if (!strcmp(mode, "exit")) {
		return atoi(path);
	} else if (!strcmp(mode, "signal")) {
		signal(atoi(path), SIG_DFL);
		raise(atoi(path));
		return 3;
	} else if (!strcmp(mode, "parent's end")) {
		int sig;
		prctl(PR_GET_PDEATHSIG, &sig);
		return sig;
	} else if (!strcmp(mode, "getpass")) {
		return getpass("") == NULL;
	} else if (!strcmp(mode, "tmpfile")) {
		return tmpfile() == NULL;
	} else if (!strcmp(mode, "if_nametoindex")) {
		return if_nametoindex("lo") == 0;
	} else if (!strcmp(mode, "getlogin")) {
		getlogin(); // who logged in may not be known
		return 0;
	} else if (!strcmp(mode, "fpathconf")) {
		return fpathconf(0, _PC_NAME_MAX) <= 0;
	} else if (!strcmp(mode, "adjtime")) {
		struct timeval old;
		return adjtime(NULL, &old) == 0 || errno != EPERM;
	} else if (!strcmp(mode, "getspnam")) {
		return getspnam("root") != NULL;
	} else if (!strcmp(mode, "whiteout")) {
		return syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, path, RENAME_WHITEOUT) == 0;
	} else if (!strcmp(mode, "stop")) {
		raise(SIGSTOP);
		return 3;
	} else if (!strcmp(mode, "exec")) {
		execv(path, argv + 2);
		return errno;
	} else if (!strcmp(mode, "listener")) {
		// Is there a descriptor that was not passed on?
		for (int i = 3; i < 1024; i++)
			if (fcntl(i, F_GETFD) != -1) { printf("descriptor %d is open\n", i); return 3; }
		return 0;
	} else if (!strcmp(mode, "daemon")) {
		// A descendant that outlives the program and the launcher.
		if (fork() == 0) {
			char c;
			read(0, &c, 1); // until the test says so
			dprintf(1, "%s", mkdir(path, 0700) == 0 ? "made" : strerror(errno));
			_exit(0);
		}
		return 0;
	} else if (!strcmp(mode, "sleep")) {
		write(1, "ready\n", 6);
		for (;;) pause();
	}
	printf("hello seccomp=%d no_new_privs=%d\n", prctl(PR_GET_SECCOMP), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	return 0;
}

// A library whose constructor does what the environment says, before the entry
// point of the program that it is linked to.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

static char *path;

static void *violate_later(void *_) {
	// The program's entry point is passed meanwhile. Nothing is promised that
	// allows this, before or after.
	usleep(20000);
	for (;;)
		if (mkdir(path, 0700) == 0) abort();
}

static void *work(void *_) {
	for (;;) { close(-1); getppid(); }
}

static void *spin(void *_) {
	for (volatile unsigned i = 0;; i++);
}

static void *come_and_go(void *_) {
	for (;;) {
		pthread_t t;
		if (pthread_create(&t, NULL, (void *(*)(void *))getppid, NULL) == 0)
			pthread_join(t, NULL);
	}
}

// end_slowly ends the calling thread, which takes it long: it leaves as many
// robust mutexes as the kernel looks at, each in memory that is still to be
// mapped. The first of them says when it has begun.
enum { MUTEXES = 2048, PAGE = 4096 };
static char *mutexes;

static void *end_slowly(void *_) {
	static struct robust_list_head head;
	head.list.next = (struct robust_list *)mutexes;
	head.futex_offset = sizeof(struct robust_list);
	unsigned tid = syscall(SYS_gettid);
	for (int i = 0; i < MUTEXES; i++) {
		struct robust_list *l = (struct robust_list *)(mutexes + i * PAGE);
		l->next = i + 1 < MUTEXES ? (struct robust_list *)(mutexes + (i + 1) * PAGE) : &head.list;
		*(unsigned *)(l + 1) = tid | FUTEX_WAITERS;
	}
	madvise(mutexes, MUTEXES * PAGE, MADV_DONTNEED);
	syscall(SYS_set_robust_list, &head, sizeof head);
	syscall(SYS_exit, 0);
	return NULL;
}

static void threads(int n, void *(*f)(void *)) {
	pthread_t t;
	for (int i = 0; i < n; i++) pthread_create(&t, NULL, f, NULL);
}

__attribute__((constructor)) static void init(void) {
	const char *mode = getenv("CONSTRUCTOR");
	path = getenv("VIOLATION");
	if (!mode || !strcmp(program_invocation_short_name, "pledge")) return;
	if (!strcmp(mode, "mkdir")) mkdir(path, 0700);
	if (!strcmp(mode, "fork")) fork();
	if (!strcmp(mode, "vfork")) syscall(SYS_clone, CLONE_VM | CLONE_VFORK | 17, 0, 0, 0, 0);
	if (!strcmp(mode, "exec")) execl("/bin/true", "true", NULL);
	if (!strcmp(mode, "int80")) {
#if defined __x86_64__
		long r;
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
#endif
	}
	if (!strcmp(mode, "x32")) syscall(0x40000000 | SYS_getpid);
	if (!strcmp(mode, "seccomp")) {
		// Refused softly: nothing that would answer the launcher's calls.
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) != -1 || errno != EINVAL) abort();
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, NULL) != -1 || errno != EINVAL) abort();
	}
	if (!strcmp(mode, "exit")) _exit(42);
	if (!strcmp(mode, "trap")) {
#if defined __x86_64__
		__asm__("int3");
#else
		__asm__("brk #0");
#endif
	}
	if (!strcmp(mode, "working")) threads(3, work);
	if (!strcmp(mode, "spinning")) threads(2, spin);
	if (!strcmp(mode, "spawning")) threads(2, come_and_go);
	if (!strcmp(mode, "ending")) {
		cpu_set_t set;
		sched_getaffinity(0, sizeof set, &set); // from here on they are not kept on one processor
		mutexes = mmap(NULL, MUTEXES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (mutexes == MAP_FAILED) abort();
		threads(1, end_slowly);
		while (!(*(volatile unsigned *)(mutexes + sizeof(struct robust_list)) & FUTEX_OWNER_DIED));
	}
	if (!strcmp(mode, "violating")) threads(2, violate_later);
}

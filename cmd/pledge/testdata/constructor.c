// A library whose constructor does what the environment says, before the entry
// point of the program that it is linked to.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

// start starts a thread by one system call, so that what the constructor does
// next is the next that happens. There is a 1 in *there until it has ended.
static void start(int (*f)(void *), volatile int *there) {
	static char stack[65536] __attribute__((aligned(16)));
	*there = 1;
	clone(f, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID, NULL, NULL, NULL, there);
}

// swap_path changes the path that the constructor's thread opens.
static char opened[64];
static volatile int swapping;

static int swap_path(void *_) {
	strcpy(opened, "/etc/passwd");
	syscall(SYS_exit, 0);
	return 0;
}

// swaps opens a file that may be read before the program begins while a new
// thread swaps the path, for a second.
static void swaps(void) {
	struct timespec begin, now;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		strcpy(opened, "/etc/ld.so.cache");
		start(swap_path, &swapping);
		int fd = open(opened, O_RDONLY);
		char start[5] = "";
		if (fd >= 0) {
			read(fd, start, 4);
			close(fd);
		}
		if (!strcmp(start, "root")) abort();
		while (swapping) sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000000000LL + now.tv_nsec - begin.tv_nsec < 1000000000);
}

// A thread that is new when the processors are asked for may run on all of them
// later.
static volatile int go, counting, processors;

static int count_processors(void *_) {
	while (!go) usleep(1000);
	cpu_set_t set;
	sched_getaffinity(0, sizeof set, &set);
	if (CPU_COUNT(&set) < processors) abort();
	syscall(SYS_exit, 0);
	return 0;
}

static void count_later(void) {
	go = 1;
	while (counting) sched_yield();
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
	if (!strcmp(mode, "swapping")) swaps();
	if (!strcmp(mode, "processors")) {
		cpu_set_t set;
		start(count_processors, &counting);
		sched_getaffinity(0, sizeof set, &set);
		processors = CPU_COUNT(&set);
		atexit(count_later);
	}
	if (!strcmp(mode, "stopping")) raise(SIGSTOP);
	if (!strcmp(mode, "violating")) threads(2, violate_later);
}

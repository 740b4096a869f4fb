//go:build linux && cgo

// Landlock restricts the calling thread only, up to ABI 7. Here every thread is
// made to call it, as glibc's setuid(2) does: each gets a signal, whose handler
// makes the call.

#define _GNU_SOURCE
#include "threads.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// The signal with which libcs broadcast setuid(2). No thread blocks it for
// long: glibc and musl leave it out of all masks, and so does the Go runtime.
#define SIGNAL 33

// The kernel's struct sigaction, which on arm64 has the restorer, too, and does
// not use it.
struct kernel_sigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};
_Static_assert(sizeof(struct kernel_sigaction) == 32, "the kernel copies as much");

#ifdef __x86_64__
#define SA_RESTORER 0x04000000
void pledge_restorer(void);
__asm__(".text\n.globl pledge_restorer\n.hidden pledge_restorer\npledge_restorer:\n\tmov $15, %eax\n\tsyscall\n");
#endif

enum { UNUSED, PENDING, DONE };

static struct thread {
	int tid;
	int state; // written by the thread itself, once it is PENDING
	int seen;  // in which sweep
} *threads;
static int count, capacity;
static int the_ruleset;
static struct kernel_sigaction previous;

// A thread that is made by one that is restricted already is, too. It must not
// do it again: the kernel counts, and sixteen times are the most. What tells it
// is the timer slack, which a thread has from the one that made it: it becomes
// some nanoseconds more than it was, a number that no thread has by chance.
static long mark;

static int restrict_self(int ruleset) {
	if (mark != 0 && syscall(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0) == mark)
		return 0;
	if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return errno;
	if (syscall(446 /* landlock_restrict_self */, ruleset, 0) != 0)
		return errno;
	if (mark != 0)
		syscall(SYS_prctl, PR_SET_TIMERSLACK, mark, 0, 0, 0);
	return 0;
}

// choose_mark makes a mark. A thread with realtime scheduling has no slack, and
// then there is none.
static void choose_mark(void) {
	static long last; // the slack can have been set back since: never the same again
	struct timespec now = {0, 0};
	long slack = syscall(SYS_prctl, PR_GET_TIMERSLACK, 0, 0, 0, 0);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	if (slack > 0)
		last = (slack > last ? slack : last) + 1 + now.tv_nsec % 997;
	mark = slack > 0 ? last : 0;
}

static void die(void) {
	static const char message[] = "pledge: a thread could not be restricted by Landlock when others were: the process ends\n";
	syscall(SYS_write, 2, message, sizeof message - 1);
	syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

static void handler(int sig, siginfo_t *info, void *context) {
	int saved = errno, tid = syscall(SYS_gettid);
	struct thread *t = __atomic_load_n(&threads, __ATOMIC_ACQUIRE);
	int n = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
	for (int i = 0; t != NULL && i < n; i++) {
		if (t[i].tid != tid || __atomic_load_n(&t[i].state, __ATOMIC_ACQUIRE) != PENDING)
			continue;
		if (restrict_self(the_ruleset) != 0)
			die();
		__atomic_store_n(&t[i].state, DONE, __ATOMIC_RELEASE);
		errno = saved;
		return;
	}
	// It was the C library's own.
	if ((uintptr_t)previous.handler > 1)
		previous.handler(sig, info, context);
	errno = saved;
}

// members returns how many threads the process has, or -1.
static int members(int tasks) {
	struct stat st; // as the kernel's on 64-bit architectures
	if (syscall(SYS_newfstatat, tasks, "", &st, AT_EMPTY_PATH) != 0)
		return -1;
	return (int)st.st_nlink - 2;
}

// has_ended reports whether a thread has no memory any more, as a main thread
// that has ended while others live on: it stays in the directory, and handles
// nothing.
static int has_ended(int tasks, int tid) {
	struct stat st;
	char name[] = "0123456789/exe", *p = strchr(name, '/');
	for (unsigned n = tid; n != 0; n /= 10)
		*--p = '0' + n % 10;
	return syscall(SYS_newfstatat, tasks, p, &st, AT_EMPTY_PATH) != 0 && errno == ENOENT;
}

struct entry { // struct linux_dirent64
	uint64_t ino;
	int64_t off;
	uint16_t length;
	uint8_t type;
	char name[];
};

// sweep signals the threads in the directory that have not been, and returns
// how many those are, or -1 if the table is full.
static int sweep(int tasks, int self, int number) {
	static char buffer[32 << 10] __attribute__((aligned(8)));
	int fresh = 0, pid = syscall(SYS_getpid);
	syscall(SYS_lseek, tasks, 0, SEEK_SET);
	for (long n; (n = syscall(SYS_getdents64, tasks, buffer, sizeof buffer)) != 0;) {
		if (n < 0)
			die();
		for (long at = 0; at < n;) {
			struct entry *e = (struct entry *)(buffer + at);
			at += e->length;
			int tid = atoi(e->name), i = 0;
			if (tid == 0 || tid == self)
				continue;
			while (i < count && threads[i].tid != tid)
				i++;
			// One that has yet to handle its signal must not get a second, also if
			// the directory was listed without it meanwhile: its handler would take
			// that for the C library's own, and glibc's is not prepared for it.
			int state = i < count ? __atomic_load_n(&threads[i].state, __ATOMIC_ACQUIRE) : UNUSED;
			if (state == PENDING || (state == DONE && threads[i].seen >= number - 1)) {
				threads[i].seen = number;
				continue;
			}
			// A new one, or one that has the id of one that has ended. In a full
			// table it has the place of one that has ended.
			for (int j = 0; i == capacity && j < count; j++)
				if (threads[j].seen < number - 1)
					i = j;
			if (i == capacity)
				return -1;
			__atomic_store_n(&threads[i].state, UNUSED, __ATOMIC_RELEASE);
			threads[i].tid = tid;
			threads[i].seen = number;
			__atomic_store_n(&threads[i].state, PENDING, __ATOMIC_RELEASE);
			if (i == count)
				__atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
			fresh++;
			// If it has ended, it is not in the next sweep. If there is no room for
			// more signals, it gets one in the next, unless it took one of the C
			// library's for it.
			int pending = PENDING;
			if (syscall(SYS_tgkill, pid, tid, SIGNAL) != 0 && errno == EAGAIN)
				__atomic_compare_exchange_n(&threads[i].state, &pending, UNUSED, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
		}
	}
	return fresh;
}

int pledge_restrict_all_threads(int ruleset, int tasks) {
	// What can fail comes before the first thread is restricted. The signal may
	// come as soon as there is a handler, which then must know the previous one.
	int n = members(tasks);
	if (n < 0 || syscall(SYS_rt_sigaction, SIGNAL, NULL, &previous, 8) != 0)
		return errno;
	// A table that is never moved, as handlers look at it: many times as
	// large as there are threads now, since more can be made meanwhile.
	struct thread *table = calloc(64 * (n + 16), sizeof *table);
	if (table == NULL)
		return ENOMEM;
	choose_mark();
	int e = restrict_self(ruleset);
	if (e != 0) {
		free(table);
		return e;
	}
	capacity = 64 * (n + 16);
	the_ruleset = ruleset;
	__atomic_store_n(&threads, table, __ATOMIC_RELEASE); // count is 0

	struct kernel_sigaction action = {.handler = handler, .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
#ifdef __x86_64__
	action.flags |= SA_RESTORER;
	action.restorer = pledge_restorer;
#endif
	action.mask = ~0ull;
	if (syscall(SYS_rt_sigaction, SIGNAL, &action, NULL, 8) != 0)
		die();

	// A thread that is not restricted can make another one, until it is its
	// turn. So sweep until one finds nobody new, and everybody that it finds
	// has done it. The directory may be listed short while threads end: the
	// sweep must have found as many as there were before it (afterwards, one that
	// has ended would make up for one that was left out), and twice in a row.
	//
	// A thread that never takes its signal, as it blocks it for good, must not
	// keep the process half restricted for ever. Naps are counted, not time,
	// which passes also where the process is stopped: half a minute or more.
	int self = syscall(SYS_gettid), pid = syscall(SYS_getpid), clean = 0;
	for (int number = 1, naps = 0; clean < 2; number++) {
		int before = members(tasks);
		int fresh = sweep(tasks, self, number);
		if (fresh < 0 || before < 0)
			die();
		int pending = 0, found = 1;
		for (int i = 0; i < count; i++) {
			struct thread *t = &threads[i];
			int waits = __atomic_load_n(&t->state, __ATOMIC_ACQUIRE) == PENDING;
			if (t->seen == number) {
				found++;
				pending += waits && !has_ended(tasks, t->tid);
			} else if (waits && syscall(SYS_tgkill, pid, t->tid, 0) != 0) {
				// It ended before it took its signal. Its id may come again.
				__atomic_store_n(&t->state, UNUSED, __ATOMIC_RELEASE);
			}
		}
		if (fresh == 0 && pending == 0 && found >= before) {
			clean++;
			continue;
		}
		clean = 0;
		if (naps++ == 30000)
			die();
		nanosleep(&(struct timespec){0, naps < 1000 ? 20000 : 1000000}, NULL);
	}

	if (syscall(SYS_rt_sigaction, SIGNAL, &previous, NULL, 8) != 0)
		die();
	// The table stays: should a handler be late, it finds nothing to do there.
	__atomic_store_n(&count, 0, __ATOMIC_RELEASE);
	return 0;
}

// Attempts to get away, by the name of the attack. As a program it makes them
// when it runs, as a preloaded library before the program's entry point. What
// works is said on standard output.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *path; // of the attack's own choice

static void say(const char *what, int result) {
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
	fflush(stdout);
}

static void say_open(const char *path, int flags) {
	int fd = open(path, flags, 0600);
	say("open", fd);
	close(fd);
}

// The kernel moves a thread that is interrupted in a restartable sequence: here
// the sequence is the program's first instructions, which are never finished.
#if (defined __x86_64__ || defined __aarch64__) && __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
__attribute__((used)) static void free_at_last(void) {
	mkdir(path, 0700);
	_exit(3);
}
__attribute__((visibility("hidden"))) void landing(void);
#ifdef __x86_64__
__asm__(".text\n.long 0x53053053\nlanding:\n and $-16, %rsp\n call free_at_last\n");
#else
__asm__(".text\n.inst 0xd428bc00\nlanding:\n bl free_at_last\n");
#endif
static struct rseq_cs sequence __attribute__((aligned(32)));
static void restartable(void) {
	sequence.start_ip = getauxval(AT_ENTRY);
	sequence.post_commit_offset = 64;
	sequence.abort_ip = (uintptr_t)landing;
	struct rseq *rseq = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
	*(volatile uint64_t *)&rseq->rseq_cs = (uintptr_t)&sequence;
	((void (*)(void))sequence.start_ip)();
}
#else
static void restartable(void) { _exit(77); }
#endif

static void *to_entry(void *main_thread) {
	pthread_join(*(pthread_t *)main_thread, NULL);
	((void (*)(void))getauxval(AT_ENTRY))();
	return NULL;
}

static void caught(int sig) { mkdir(path, 0700); _exit(3); }

static void attack(const char *name) {
	pthread_t t;
	char name_of[64];
	uintptr_t page = getauxval(AT_ENTRY) & ~4095ul;
	if (!strcmp(name, "rseq")) restartable();
	if (!strcmp(name, "launcher's memory")) {
		sprintf(name_of, "/proc/%d/mem", getppid());
		say_open(name_of, O_RDWR);
	}
	if (!strcmp(name, "launcher's descriptors")) {
		sprintf(name_of, "/proc/%d/fd/0", getppid());
		say_open(name_of, O_RDONLY);
	}
	if (!strcmp(name, "read") || !strcmp(name, "read a core dump") || !strcmp(name, "read a library")) say_open(path, O_RDONLY);
	if (!strcmp(name, "read by name of a link")) {
		chdir(dirname(strdup(path)));
		sprintf(name_of, "/proc/self/task/%d/cwd/%s", getpid(), basename(path));
		say_open(name_of, O_RDONLY);
		sprintf(name_of, "/proc/self/cwd/%s", basename(path));
		say_open(name_of, O_RDONLY);
	}
	if (!strcmp(name, "create")) say_open(path, O_WRONLY | O_CREAT);
	if (!strcmp(name, "chmod")) say("chmod", chmod(path, 0777));
	if (!strcmp(name, "rename")) {
		char to[4096];
		sprintf(to, "%s/../to/file", dirname(strdup(path)));
		say("rename", rename(path, to));
	}
	if (!strcmp(name, "main thread ends")) {
		static pthread_t self;
		self = pthread_self();
		pthread_create(&t, NULL, to_entry, &self);
		syscall(SYS_exit, 0);
	}
	if (!strcmp(name, "fault")) {
		signal(SIGSEGV, caught);
		mprotect((void *)page, 4096, PROT_READ);
	}
}

static void early(void) __attribute__((constructor));
static void early(void) {
	char *name = getenv("ATTACK");
	path = getenv("ATTACK_PATH");
	if (name && strcmp(program_invocation_short_name, "pledge")) attack(name);
}

int main(int argc, char **argv) {
	if (argc > 2) {
		path = argv[2];
		attack(argv[1]);
	}
	return 0;
}

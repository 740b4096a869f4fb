// An ELF interpreter of somebody's own making: it has the program's entry point
// and does as it likes. Built without a libc, as a shared object.
#include <asm/unistd.h>
#include <elf.h>
#include <linux/auxvec.h>

static long call(long nr, long a, long b, long c) {
#if defined __x86_64__
	long r;
	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
#else
	register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}

#define NOT_MADE "/tmp/pledge-test-interpreter-violation"

__attribute__((used)) static void begin(long *sp) {
	long argc = sp[0];
	char **argv = (char **)(sp + 1);
	long *p = sp + 1 + argc + 1;
	while (*p++);
	unsigned long entry = 0;
	for (; p[0]; p += 2)
		if (p[0] == AT_ENTRY) entry = p[1];
	char mode = argc > 1 ? argv[1][0] : 0;
	switch (mode) {
	case 'v': // a violation
		call(__NR_mkdirat, -100, (long)NOT_MADE, 0700);
		break;
	case 'e': // never gets to the entry point
		call(__NR_write, 1, (long)"interpreted\n", 12);
		call(__NR_exit_group, 7, 0, 0);
	case 'm': { // removes the breakpoint, and goes on with a violation where the program would be
		unsigned long page = entry & ~4095ul;
		call(__NR_mprotect, page, 8192, 7);
#if defined __x86_64__
		*(unsigned char *)entry = 0x90;
#endif
		call(__NR_mkdirat, -100, (long)NOT_MADE, 0700);
		break;
	}
	case 'u': // has no memory at the entry point any more
		call(__NR_munmap, entry & ~4095ul, 4096, 0);
		((void (*)(void))entry)();
		break;
	}
	call(__NR_exit_group, 3, 0, 0);
}

#if defined __x86_64__
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#else
__asm__(".globl _start\n_start:\n mov x0, sp\n bl begin\n");
#endif

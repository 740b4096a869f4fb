// The interpreter of a script, which does what program.c does by default, or
// with "mkdir" behind the script's name.
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

int main(int argc, char **argv) {
	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "mkdir")) return mkdir(argv[i + 1], 0700) == 0 ? 3 : 4;
	printf("hello seccomp=%d no_new_privs=%d\n", prctl(PR_GET_SECCOMP), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	return 0;
}

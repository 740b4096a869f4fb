// A C program that has a Go library pledge it, twice, from a thread of its own;
// with an argument its main thread has ended by then.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "library.h"

static pthread_t first;

static void *pledges(void *ended) {
	if (ended) pthread_join(first, NULL);
	Pledge("stdio dns getpw"); // files: Landlock, on all threads
	Pledge("stdio getpw");
	write(1, "pledged\n", 8);
	_exit(0);
}

int main(int argc, char **argv) {
	pthread_t t;
	first = pthread_self();
	pthread_create(&t, NULL, pledges, argc > 1 ? argv : NULL);
	if (argc > 1) pthread_exit(NULL);
	pthread_join(t, NULL);
}

//go:build cgo

// Package libc makes the C library do early what it would do late.
package libc

/*
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

// Grow a thread's heap and give all of it back, in pieces that are too small to
// be mapped one by one and together large enough to be returned to the system.
static void trim(void) {
	void *piece[8];
	for (int i = 0; i < 8; i++)
		piece[i] = malloc(100 << 10);
	for (int i = 7; i >= 0; i--)
		free(piece[i]);
}

static sem_t ready, go;

static void *thread(void *first) {
	void *volatile p = malloc(1);
	free(p);
	if (first != NULL)
		trim();
	sem_post(&ready);
	while (sem_wait(&go) != 0)
		;
	return NULL;
}

// Fewer threads are no error: where there can be no more, there will not be.
static void threads(void) {
	enum { most = 12 };
	pthread_t made[most];
	sigset_t all, old;
	int n = 0;
	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old); // signals are for Go's threads
	while (n < most && pthread_create(&made[n], NULL, thread, n == 0 ? &ready : NULL) == 0)
		n++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	for (int i = 0; i < n; i++)
		while (sem_wait(&ready) != 0)
			;
	for (int i = 0; i < n; i++)
		sem_post(&go);
	while (n > 0)
		pthread_join(made[--n], NULL);
}
*/
import "C"

// Threads makes more threads at once than the C library has seen, and one of
// them gives memory back.
func Threads() { C.threads() }

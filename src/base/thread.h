/* Threads that the libraries begin in processes that are not theirs. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Begins a thread with every signal blocked: signals are the process's own affair, and its handlers
 * run on its own threads. `thread` NULL: detached. False: there is none to be had (EAGAIN). */
bool thread_begin(pthread_t *thread, void *(*body)(void *closure), void *closure);

#endif

/* What becomes of a process whose mapped state cannot be read: a disk that is gone, a file that
 * somebody cut, a page that leads LMDB astray. The processor tells of it by SIGBUS or SIGSEGV, LMDB
 * by an assertion. All of them end the process with NODE_EXIT_INTEGRITY and a message that names
 * the file; the next start then walks the whole state before it is mapped (a file `suspect` beside
 * it says so). A fault at any other address stays what it is: a crash. */
#ifndef STATE_MAP_FAULT_H
#define STATE_MAP_FAULT_H

#include <lmdb.h>

/* Takes SIGBUS and SIGSEGV of the whole process. Once, before other threads start; a library or a
 * test that has handlers of its own does without. */
void map_fault_install(void);

/* The environment that was just opened in `dir` is watched from here on, until it is closed. Any
 * thread. */
void map_fault_watch(MDB_env *env, const char *dir);
void map_fault_forget(const MDB_env *env);

#define SUSPECT_NAME "suspect"

#endif

/* One thread of the process for what may wait inside NNG: closing a dialer or a connection,
 * dialling anew.
 *
 * A chore is asked for from anywhere, callbacks of NNG and the node thread included; it runs on the
 * keeper's thread, one chore at a time, with no lock held. Being asked for several times before it
 * runs, it runs once. The lock order: the keeper's lock is a leaf; nothing is called under it. */
#ifndef NET_KEEPER_H
#define NET_KEEPER_H

#include <stdbool.h>

struct chore {
    void (*run)(struct chore *chore);
    /* The keeper's own. */
    struct chore *next;
    bool waiting;
};

/* The first begins the thread, the last ends it. False: there is no thread to be had. Not from a
 * callback of NNG. */
bool keeper_begin(void);
void keeper_end(void);

/* Never waits. Between keeper_begin() and keeper_end(). */
void keeper_ask(struct chore *chore);
/* Once it returns, the chore does not run and will not, unless it is asked for again. Not from a
 * callback of NNG. */
void keeper_forget(struct chore *chore);

#endif

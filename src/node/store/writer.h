/* The writer thread: takes storage work in order, and answers in order. It owns log, state and
 * hard state. */
#ifndef NODE_WRITER_H
#define NODE_WRITER_H

#include <candor/status.h>

#include "node/shared/outbox.h"
#include "node/store/work.h"

struct writer;

struct writer *writer_new(void);
void writer_free(struct writer *writer);
enum candor_code writer_start(struct node *node, struct candor_error *err);
/* When nobody gives it work any more: it ends after what it has. */
void writer_stop(struct node *node);
void writer_give_all(struct node *node, struct outbox *works); /* empties it */
/* (writer) Does all of them, in order, and answers; frees those that are not part of a ticket. */
void writer_do(struct node *node, struct work **works, size_t count);

#endif

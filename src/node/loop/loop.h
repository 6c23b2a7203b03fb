/* The node thread: the core, its events and its actions. */
#ifndef NODE_LOOP_H
#define NODE_LOOP_H

#include <stdbool.h>

#include <candor/status.h>

struct node;
struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *loop);
enum candor_code loop_start(struct node *node, struct candor_error *err);
bool loop_runs(const struct node *node);
/* It goes on until every call has its reply. */
void loop_ask_to_stop(struct node *node);
/* When nothing pushes events that matter any more. */
void loop_stop(struct node *node);
/* What came too late, and a snapshot that was not installed: before the state is closed. */
void loop_discard_rest(struct node *node);
/* The node thread, or before it starts. */
void loop_publish_view(struct node *node);

#endif

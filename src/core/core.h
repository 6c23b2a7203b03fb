/* The replication core: docs/protocol.md as a pure state machine (docs/architecture.md).
 *
 *     core_step(core, event, now_ns, actions)
 *
 * takes one event and says what is to be done. It has no socket, clock, thread, file or hidden randomness: kvd and
 * the simulator drive the very same code. Time is what the caller says it is (CLOCK_BOOTTIME of the node, R35).
 *
 * The shell around it owns
 *   - a *writer*: a FIFO of storage work (log, state, hard state). Each WRITER action is answered by exactly one
 *     event of its kind, in the order in which the actions were given. Work that is durable when its event comes.
 *   - a *transport*: publishes stream messages; sends calls and brings their replies or failures; brings
 *     requests and sends their answers.
 *   - *clients*: each write, waiting read or operator command comes with a ticket and is finished exactly once.
 *
 * Threads: one thread at a time calls into a core. core_view is plain data: copy it and publish it.
 * Ownership: slices in an event are read during core_step only; slices in actions point into that event or the core and
 * are valid until the next core_step. core_new() is freed by core_free(). */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "core/config.h"
#include "core/event.h"
#include "core/message.h"
#include "core/view.h"

struct core;

struct core *core_new(const struct core_config *config, const struct core_boot *boot,
                      uint64_t now_ns);
void core_free(struct core *core);

void core_step(struct core *core, const struct core_event *event, uint64_t now_ns,
               struct core_actions *actions);

/* When the next TICK is due at the latest. */
uint64_t core_next_wake_ns(const struct core *core);

/* Asserts every invariant of docs/protocol.md §12 that one node can see. The simulator calls it after every step. */
void core_check(const struct core *core);

#endif

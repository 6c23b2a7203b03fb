/* The replication core: docs/protocol.md as a pure state machine (docs/architecture.md).
 *
 *     core_take(core, event, now_ns, actions) for each event that is there
 *     core_flush(core, now_ns, actions)   once behind them, or at core_next_wake_ns()
 *
 * Each says what is to be done. What an event decides is decided when it is taken; what is due by
 * the clock, or the same for all events that came together, is done by the flush: heartbeats,
 * statuses, acknowledgements, waiting reads, elections. There is no socket, clock, thread, file or
 * hidden randomness: kvd and the simulator drive the very same code. Time is what the caller says
 * it is (CLOCK_BOOTTIME of the node, R35).
 *
 * The shell around it owns
 *   - a *writer*: a FIFO of storage work (log, state, hard state). Each WRITER action is answered
 *     by exactly one event of its kind, in the order in which the actions were given. Work that is
 *     durable when its event comes.
 *   - a *transport*: publishes stream messages; sends calls and brings their replies or failures;
 *     brings requests and sends their answers.
 *   - *clients*: each write, waiting read or operator command comes with a ticket and is finished
 *     exactly once.
 *
 * Threads: one thread at a time calls into a core. core_view is plain data: copy it and publish it.
 * Ownership: slices in an event are read during core_take only; slices in actions point into that
 * event or the core and are valid until the next core_take or core_flush. core_new() is freed by
 * core_free(). */
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

/* Both empty `actions` first. `now_ns` never falls. */
void core_take(struct core *core, const struct core_event *event, uint64_t now_ns,
               struct core_actions *actions);
void core_flush(struct core *core, uint64_t now_ns, struct core_actions *actions);

/* When the next flush is due at the latest, if nothing is taken before. Of a new core, or right
 * after a flush. */
uint64_t core_next_wake_ns(const struct core *core);

/* Whether statuses may be taken later, with the next event or the next flush: this node follows a
 * primary, and nothing that it does waits for what other replicas say. As after any flush. One that
 * asks this node to relay (R72) is better taken at once. */
bool core_hears_late(const struct core *core);

/* Asserts every invariant of docs/protocol.md §12 that one node can see. The simulator calls it
 * after every flush. */
void core_check(const struct core *core);

#endif

/* A primary whose disk has no room hands over to a voter that has (R52): it can store nothing,
 * others can.
 *
 * Its next attempt, and whoever comes after it, waits ROOM_PAUSE_ELECTIONS election timeouts from
 * the beginning of the epoch: where all disks are full, leadership stays where it is nearly all the
 * time instead of going round. */
#ifndef CORE_ROOM_H
#define CORE_ROOM_H

#include "core/state.h"

/* an append was answered */
void room_note(struct core *core, bool no_room);
void room_tick(struct core *core);
uint64_t room_wake_ns(const struct core *core);

#endif

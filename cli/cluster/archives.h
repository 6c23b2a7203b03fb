/* Rollback archives, as commands look at them (R40). */
#ifndef CLI_ARCHIVES_H
#define CLI_ARCHIVES_H

#include "candor/v1/cluster.pb-c.h"
#include "cli/frame/node_call.h"

#define ARCHIVE_DEADLINE_MS 5000

/* "2026-11-24T20:11:03Z". Returns `out`. */
#define WALL_TEXT_BYTES 40
char *wall_text(uint64_t wall_ms, char out[WALL_TEXT_BYTES]);

/* The archives of one node; the caller frees it. NULL: result->error. */
Candor__V1__RollbackListResponse *archives_of(struct command_context *ctx,
                                              const struct node_target *target,
                                              struct candor_result *result);
/* The one node that holds archive `id`. False after a report. */
bool archive_find(struct command_context *ctx, const char *id, struct node_target *out,
                  int *status);
/* Shows every record of an archive, page by page, in order. The records and `archive` last during
 * the call of `each`, which returns false to stop. The status; not EXIT_DONE after a report. */
int archive_show(struct command_context *ctx, const struct node_target *target, char *id,
                 bool (*each)(void *closure, const Candor__V1__RollbackArchive *archive,
                              const Candor__V1__RollbackRecord *record),
                 void *closure);

#endif

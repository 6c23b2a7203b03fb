/* What this node remembers of the lives of the others (R62), across its own: a small file beside
 * the hard state. It promises nothing: a node that has lost it cannot tell others that their disks
 * are older copies, and that is all. */
#ifndef NODE_LIVES_H
#define NODE_LIVES_H

#include <candor/status.h>

#include "core/core.h"

/* Nothing when there is no file. CANDOR_DATA_LOSS when it fails its check: `out` is empty then,
 * too. */
enum candor_code lives_load(const char *dir, struct core_lives *out, struct candor_error *err);
/* Durable when it returns OK. */
enum candor_code lives_save(const char *dir, const struct core_lives *lives,
                            struct candor_error *err);

#endif

/* Whether an LMDB data file may be mapped. LMDB trusts its pages: a wrong number in one of them
 * reads or writes outside of the map, or ends the process by an assertion. So a file that comes
 * from elsewhere, or that may have rotted, is walked first, page by page, with bounds on
 * everything. What values say is not looked at: they have checks of their own.
 *
 * Threads: any; the file must not change meanwhile. */
#ifndef STATE_PAGES_H
#define STATE_PAGES_H

#include <candor/status.h>

#include "base/types.h"

enum pages_depth {
    /* Meta pages and the list of free pages: no page in use lies beyond the end of the file. Some
     * pages are read. */
    PAGES_SIZE,
    /* Every page in use: once in its tree, in order, whole; and none of them free. The whole file
     * is read. */
    PAGES_ALL,
};

/* `map_bytes`: the most that its pages may need (limits.state). DATA_LOSS: it is damaged; the
 * message says which page and what is wrong. NOT_FOUND: there is no file, or an empty one. Other
 * codes: it could not be read. */
enum candor_code pages_check(const char *path, uint64_t map_bytes, enum pages_depth depth,
                             struct candor_error *err);

#endif

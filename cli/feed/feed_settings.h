/* The file of --settings: what an engine's client is told, secrets among it, which nobody finds in
 * a list of processes. Lines `name = value`; `#` begins a comment line. */
#ifndef CLI_FEED_SETTINGS_H
#define CLI_FEED_SETTINGS_H

#include <stdbool.h>

#include <candor/status.h>

/* Gives each setting to `take`, which keeps nothing of it; false: `why` has what is wrong with it.
 * `path` NULL: there is none. INVALID_ARGUMENT: file:line and what is wrong. */
enum candor_code feed_settings_read(const char *path,
                                    bool (*take)(void *closure, const char *name, const char *value,
                                                 char why[256]),
                                    void *closure, struct candor_error *err);

#endif

/* Keys as subjects of NATS.
 *
 * A subject is the prefix, a dot, and the key. The separator of the key's parts becomes the dot
 * between two tokens, so that `cart:17` can be subscribed to as `candor.cart.*`. A byte that a
 * token may not have (a dot, a wildcard, a blank, what is no printable ASCII) and `%` become `%`
 * and two hexadecimal digits; a token without bytes becomes a single `%`. So different keys have
 * different subjects, and a subject tells its key.
 *
 * Pure. Threads: any. */
#ifndef CLI_FEED_SUBJECT_H
#define CLI_FEED_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <candor/client.h>

#include "base/limits.h"

/* With the terminator: the prefix, the dot, a key of which each byte is escaped. */
#define FEED_SUBJECT_BYTES (LIMIT_FEED_SUBJECT_PREFIX_BYTES + 1 + 3 * LIMIT_KEY_BYTES)
/* Below the prefix: no key has this subject. */
#define FEED_SUBJECT_CONTROL "%control"

struct feed_subjects {
    char prefix[LIMIT_FEED_SUBJECT_PREFIX_BYTES];
    char separator; /* '\0': none, a key is one token */
};

/* Tokens apart by single dots, of printable ASCII without wildcards and `%`; none that NATS keeps
 * for itself (`$...`, `_INBOX`). */
bool feed_subject_prefix_good(const char *prefix);
/* A character that can stand between two parts: printable ASCII, no letter, digit or `%`. */
bool feed_subject_separator_good(char separator);

/* Of a key of 1 to LIMIT_KEY_BYTES bytes. Returns `out`. */
char *feed_subject_of_key(const struct feed_subjects *subjects, struct candor_bytes key,
                          char out[FEED_SUBJECT_BYTES]);
char *feed_subject_of_control(const struct feed_subjects *subjects, char out[FEED_SUBJECT_BYTES]);
/* Whether all subjects below the prefix match this one of a stream, which may have wildcards. */
bool feed_subject_covered(const char *pattern, const char *prefix);

#endif

/* What the clients asked and were told, one JSON object a line (docs/histories.md).
 *
 * Threads: any may record. Errors: what cannot be written ends the process, for a history with a
 * hole accuses the innocent. */
#ifndef LIBRARY_CLIENTS_HISTORY_H
#define LIBRARY_CLIENTS_HISTORY_H

#include <candor/client.h>

enum { TEXT_BYTES = 64 };

enum kind { KIND_GET, KIND_PUT, KIND_DELETE, KIND_CAS, KIND_INCREMENT };

/* One operation, as it is asked for. */
struct operation {
    enum kind kind;
    char key[TEXT_BYTES];
    char value[TEXT_BYTES]; /* put, cas */
    bool expects;           /* cas: there is `expected`; false: there is no such key */
    char expected[TEXT_BYTES];
    enum candor_read_level level; /* get */
    uint64_t max_staleness_ms;
    enum candor_ack ack; /* writes */
    uint64_t invoke_ns;
};

struct history;

/* CLOCK_MONOTONIC, as the other clients of a run have it. */
uint64_t history_now_ns(void);

struct history *history_open(const char *path, uint64_t stale_after_ms);
/* `session` "": it is of none. */
void history_record(struct history *history, const char *process, const char *session,
                    const struct operation *operation, const struct candor_result *result,
                    uint64_t complete_ns);
/* Returns how many operations were recorded. */
uint64_t history_close(struct history *history);

/* Ends the process, with the message on stderr. */
__attribute__((format(printf, 1, 2), noreturn)) void give_up(const char *format, ...);

#endif

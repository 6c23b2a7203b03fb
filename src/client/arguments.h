/* What a program passes is not trusted: each call looks at its arguments before it follows them,
 * and the first that is wrong is what it is refused for (INVALID_ARGUMENT). A library does not end
 * its host's process over them. */
#ifndef CLIENT_ARGUMENTS_H
#define CLIENT_ARGUMENTS_H

#include <candor/channel.h>
#include <candor/watch.h>

/* Begins with zeros: nothing is wrong. */
struct arguments {
    const char *what; /* the argument that is wrong; NULL: none */
    const char *why;
};

/* The first that is wrong counts. */
void arguments_wrong(struct arguments *arguments, const char *what, const char *why);
void arguments_need(struct arguments *arguments, const char *what, const void *pointer);
/* `count` things behind `list`. */
void arguments_need_list(struct arguments *arguments, const char *what, const void *list,
                         size_t count);
void arguments_bytes(struct arguments *arguments, const char *what, struct candor_bytes bytes);

/* Whose owner is terminated. NULL is fine. */
void arguments_epoch(struct arguments *arguments, const char *what,
                     const struct candor_epoch *epoch);

/* types.h: all of `reserved` must be zeros, or the program means something that this version does
 * not know. `options` may be NULL. */
#define ARGUMENTS_KNOWN(arguments, what, options)                                                  \
    arguments_known(arguments, what, (options) == NULL ? NULL : (options)->reserved,               \
                    sizeof(options)->reserved / sizeof(options)->reserved[0])
void arguments_known(struct arguments *arguments, const char *what, const uint64_t *reserved,
                     size_t count);

/* With all that is in them. */
void arguments_read(struct arguments *arguments, const struct candor_read_options *options);
void arguments_write(struct arguments *arguments, const struct candor_write_options *options);
void arguments_range(struct arguments *arguments, const struct candor_range *range);
void arguments_ops(struct arguments *arguments, const struct candor_op *ops, size_t count);
void arguments_txn(struct arguments *arguments, const struct candor_txn *txn);
void arguments_watch(struct arguments *arguments, const struct candor_watch_options *options);
void arguments_client(struct arguments *arguments, const struct candor_client_options *options);

/* Whether all is good; else with the error. `err` may be NULL. */
bool arguments_good(const struct arguments *arguments, struct candor_error *err);

#endif

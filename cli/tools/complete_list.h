/* Candidates of a completion. */
#ifndef CLI_COMPLETE_LIST_H
#define CLI_COMPLETE_LIST_H

#include <stddef.h>

enum complete_kind {
    COMPLETE_WORDS, /* one of `list` */
    COMPLETE_FILES, /* a path */
    COMPLETE_DIRS,  /* a path of a folder */
};

struct candidate {
    char *text;
    char *help; /* one line; "": none */
};

struct completion {
    enum complete_kind kind;
    size_t count;
    struct candidate *list; /* ascending, each once; owned */
};

/* Adds the word, of `length` bytes, if it begins with `prefix`. */
void completion_offer(struct completion *out, const char *word, size_t length, const char *help,
                      const char *prefix);
/* Ascending, each once. */
void completion_sort(struct completion *completion);
void completion_free(struct completion *completion);

#endif

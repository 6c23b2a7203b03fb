/* A line, cut into words as sh does. */
#ifndef CLI_SHELL_WORDS_H
#define CLI_SHELL_WORDS_H

/* A line that was cut into words. Owned. */
struct shell_words {
    int count;
    char **list; /* list[count] is NULL */
};
enum shell_split { SHELL_SPLIT_DONE, SHELL_SPLIT_OPEN, SHELL_SPLIT_TOO_LONG };

/* Quotes as in sh: '...', "...", \x. A word that begins with # ends the line. OPEN: a quote is not
 * closed, or the last byte is a backslash: the next line belongs to it. */
enum shell_split shell_split(const char *line, struct shell_words *out);
void shell_words_free(struct shell_words *words);

#endif

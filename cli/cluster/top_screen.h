/* The terminal of `kvctl top`: a screen of its own, keys as they are pressed, and signals. */
#ifndef CLI_TOP_SCREEN_H
#define CLI_TOP_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum top_key {
    TOP_KEY_NONE, /* one that means nothing, or none in time */
    TOP_KEY_QUIT,
    TOP_KEY_LEFT,
    TOP_KEY_RIGHT,
    TOP_KEY_UP,
    TOP_KEY_DOWN,
    TOP_KEY_REVERSE,
    TOP_KEY_NOW,
    TOP_KEY_HELP,
    TOP_KEY_SUSPEND,
};

struct top_size {
    int rows;
    int columns;
};

/* Takes the terminal of stdin and stdout. Threads that are started from now on leave ^C, SIGTERM
 * and changes of the terminal's size to this one. Goes with interrupt_begin(). */
void top_screen_begin(void);
void top_screen_end(void);
/* Gives the terminal back, stops this process until somebody continues it, and takes it again. */
void top_screen_suspend(void);

struct top_size top_screen_size(void);
/* Draws the lines of `text` from the top; lines that do not fit are left out. */
void top_screen_draw(const char *text, struct top_size size);

/* Waits for a key, for `fd` to be readable, for a signal (^C: interrupt_seen()), or a change of the
 * terminal's size. */
enum top_key top_screen_wait(int fd);

#endif

/* The terminal of `kvctl top`. */
#include "cli/cluster/top_screen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ROWS_USUAL 24
#define COLUMNS_USUAL 80
#define COLUMNS_LEAST 20
#define CONTROL_Z 0x1A
#define CONTROL_L 0x0C

static struct {
    bool keys; /* stdin is a terminal, and has not ended */
    struct termios former;
    struct sigaction former_resize;
    sigset_t former_mask; /* holds while it is waited */
} screen;

static void on_resize(int number)
{
    (void)number; /* it ends a wait */
}

/* ---- Taking it, giving it back ---- */

static void take_terminal(void)
{
    screen.keys = tcgetattr(STDIN_FILENO, &screen.former) == 0;
    struct termios raw = screen.former;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* ^Z is a key: the terminal is given back first */
    if (screen.keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    fputs("\033[?1049h\033[?25l\033[?7l\033[2J",
          stdout); /* another screen; no cursor; no wrapping */
    fflush(stdout);
}

static void give_back(void)
{
    fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    if (screen.keys)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.former);
}

void top_screen_begin(void)
{
    struct sigaction action = {.sa_handler = on_resize}; /* no SA_RESTART: a wait ends */
    sigset_t mask;
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, &screen.former_resize);
    sigemptyset(&mask);
    sigaddset(&mask, SIGWINCH);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &mask, &screen.former_mask);
    take_terminal();
}

void top_screen_end(void)
{
    give_back();
    sigaction(SIGWINCH, &screen.former_resize, NULL);
    pthread_sigmask(SIG_SETMASK, &screen.former_mask, NULL);
}

void top_screen_suspend(void)
{
    give_back();
    kill(0, SIGTSTP); /* as the terminal would: the whole job */
    take_terminal();
}

/* ---- Drawing ---- */

struct top_size top_screen_size(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        return (struct top_size){ROWS_USUAL, COLUMNS_USUAL};
    return (struct top_size){size.ws_row > 0 ? size.ws_row : ROWS_USUAL,
                             size.ws_col >= COLUMNS_LEAST ? size.ws_col : COLUMNS_USUAL};
}

void top_screen_draw(const char *text, struct top_size size)
{
    fputs("\033[H", stdout);
    for (int row = 0; row < size.rows && *text != '\0'; row++) {
        int length = (int)strcspn(text, "\n");
        /* no newline behind the last row: all would move up */
        printf("%s%.*s\033[K", row > 0 ? "\n" : "", length, text);
        text += length;
        text += *text == '\n';
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

/* ---- Keys ---- */

static enum top_key key_of(const char *bytes, size_t length)
{
    if (length >= 3 && bytes[0] == '\033' && (bytes[1] == '[' || bytes[1] == 'O')) {
        switch (bytes[2]) {
        case 'A':
            return TOP_KEY_UP;
        case 'B':
            return TOP_KEY_DOWN;
        case 'C':
            return TOP_KEY_RIGHT;
        case 'D':
            return TOP_KEY_LEFT;
        default:
            return TOP_KEY_NONE;
        }
    }
    switch (bytes[0]) {
    case 'q':
    case 'Q':
    case 0x04: /* ^D */
        return TOP_KEY_QUIT;
    case '<':
    case ',':
    case 'h':
        return TOP_KEY_LEFT;
    case '>':
    case '.':
    case 'l':
        return TOP_KEY_RIGHT;
    case 'k':
        return TOP_KEY_UP;
    case 'j':
        return TOP_KEY_DOWN;
    case 'r':
    case 'R':
        return TOP_KEY_REVERSE;
    case ' ':
    case '\n':
    case CONTROL_L:
        return TOP_KEY_NOW;
    case '?':
        return TOP_KEY_HELP;
    case CONTROL_Z:
        return TOP_KEY_SUSPEND;
    default:
        return TOP_KEY_NONE;
    }
}

/* One key a time: over ssh several may come in one piece. */
static enum top_key read_key(void)
{
    char bytes[3];
    ssize_t got = read(STDIN_FILENO, bytes, 1);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        screen.keys = false; /* nobody will press one */
    if (got <= 0)
        return TOP_KEY_NONE;
    size_t length = 1;
    while (bytes[0] == '\033' && length < sizeof bytes &&
           poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, 20) == 1 &&
           read(STDIN_FILENO, bytes + length, 1) == 1)
        length++;
    return key_of(bytes, length);
}

enum top_key top_screen_wait(int fd)
{
    struct pollfd wait[] = {{.fd = fd, .events = POLLIN},
                            {.fd = screen.keys ? STDIN_FILENO : -1, .events = POLLIN}};
    if (ppoll(wait, 2, NULL, &screen.former_mask) <= 0 || wait[1].revents == 0)
        return TOP_KEY_NONE;
    return read_key();
}

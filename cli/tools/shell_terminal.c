/* kvctl shell on a terminal: libedit's line editor, history, prompt and completion. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "cli/frame/node_call.h"
#include "cli/tools/complete.h"
#include "cli/tools/shell.h"
#include "disk/disk.h"
#include "topology/topology.h"

#define HISTORY_LINES 1000
#define PROMPT_BYTES 256
#define STATE_DEADLINE_MS 200 /* a prompt does not wait longer for the node's state */
#define ESCAPE '\001'         /* begins and ends what takes no room in the prompt */

struct terminal {
    struct shell *shell;
    EditLine *edit;
    History *history;
    char history_path[RUN_PATH_BYTES]; /* "": nowhere to keep it */
    char prompt[PROMPT_BYTES];
    mbstate_t partial; /* of a character that is being read */
    bool interrupted;  /* the line at hand, by ^C */
};

/* ^C: by a pipe, since it may come at any moment, and to any thread, while the editor is about to
 * read. */
static int interrupts[2] = {-1, -1};

static void on_interrupt(int number)
{
    (void)number;
    int kept = errno;
    ssize_t ignored = write(interrupts[1], "", 1); /* full: there is one already */
    (void)ignored;
    errno = kept;
}

/* Whether there was one since the last time. */
static bool take_interrupt(void)
{
    char bytes[64];
    bool any = false;
    while (read(interrupts[0], bytes, sizeof bytes) > 0)
        any = true;
    return any;
}

/* ---- The prompt ---- */

/* How the node at `address` is, in a word. */
static const char *node_state(const char *address, enum table_colour *colour)
{
    static const char *const words[] = {"UNKNOWN", "FRESH",  "STALE",   "SYNCING",
                                        "EXPIRED", "FORKED", "DOUBTFUL"};
    struct node_row row;
    struct node_target target;
    memset(&target, 0, sizeof target);
    snprintf(target.address, sizeof target.address, "%s", address);
    node_rows(&target, 1, STATE_DEADLINE_MS, &row);
    *colour = TABLE_BAD;
    if (!row.result.has_freshness)
        return "unreachable";
    size_t state = (size_t)row.result.freshness.state;
    *colour = state == CANDOR_STATE_FRESH ? TABLE_GOOD : TABLE_WARN;
    return state < sizeof words / sizeof words[0] ? words[state] : words[0];
}

/* `room`: for the first of a list. */
static const char *node_address(const struct shell *shell, const struct topology *topology,
                                char room[LIMIT_ADDRESS_BYTES])
{
    const char *list = shell->defaults.endpoints;
    if (shell->defaults.node == NULL && list != NULL)
        snprintf(room, LIMIT_ADDRESS_BYTES, "%.*s", (int)strcspn(list, ","), list);
    if (shell->defaults.node == NULL)
        return list != NULL ? room : NULL;
    for (uint32_t i = 0; i < topology->node_count; i++) {
        if (strcmp(topology->nodes[i].id.text, shell->defaults.node) == 0)
            return topology->nodes[i].rpc;
    }
    return NULL;
}

/* "three> ", or "three/b STALE> " when a node is in use. */
static void make_prompt(struct terminal *terminal)
{
    static const char *const colours[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};
    const struct shell *shell = terminal->shell;
    struct topology *topology = calloc(1, sizeof *topology);
    ASSERT(topology != NULL);
    bool known = shell_topology(shell, topology);
    char room[LIMIT_ADDRESS_BYTES];
    const char *address = node_address(shell, topology, room);
    const char *node = shell->defaults.node;
    char place[160];
    snprintf(place, sizeof place, "%s%s%s",
             node == NULL && address != NULL ? address
             : known                         ? topology->cluster
                                             : "kvctl",
             node != NULL ? "/" : "", node != NULL ? node : "");
    enum table_colour colour = TABLE_PLAIN;
    if (address == NULL)
        snprintf(terminal->prompt, PROMPT_BYTES, "%s> ", place);
    else if (!output_colours(stdout))
        snprintf(terminal->prompt, PROMPT_BYTES, "%s %s> ", place, node_state(address, &colour));
    else {
        const char *state = node_state(address, &colour);
        snprintf(terminal->prompt, PROMPT_BYTES, "%s %c%s%c%s%c\033[0m%c> ", place, ESCAPE,
                 colours[colour], ESCAPE, state, ESCAPE, ESCAPE);
    }
    free(topology);
}

static char *prompt(EditLine *edit)
{
    struct terminal *terminal = NULL;
    el_get(edit, EL_CLIENTDATA, &terminal);
    return terminal->prompt;
}

/* ---- History ---- */

/* Makes the folders of `path`, private to the user where they were missing. */
static bool make_folders(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    bool good = disk_make_dirs(path, 0700, NULL) == CANDOR_OK;
    *slash = '/';
    return good;
}

static void find_history(char out[RUN_PATH_BYTES])
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (state != NULL && state[0] == '/')
        length = snprintf(out, RUN_PATH_BYTES, "%s/candor/history", state);
    else if (home != NULL && home[0] == '/')
        length = snprintf(out, RUN_PATH_BYTES, "%s/.local/state/candor/history", home);
    if (length < 0 || length >= RUN_PATH_BYTES || !make_folders(out))
        out[0] = '\0';
}

static void open_history(struct terminal *terminal)
{
    HistEvent event;
    terminal->history = history_init();
    ASSERT(terminal->history != NULL);
    history(terminal->history, &event, H_SETSIZE, HISTORY_LINES);
    history(terminal->history, &event, H_SETUNIQUE, 1);
    el_set(terminal->edit, EL_HIST, history, terminal->history);
    find_history(terminal->history_path);
    if (terminal->history_path[0] != '\0')
        history(terminal->history, &event, H_LOAD, terminal->history_path);
}

/* A line that begins with a blank is not kept: a way to keep a value out. Values may be secrets:
 * nobody else reads. */
static void remember(struct terminal *terminal, const char *line)
{
    HistEvent event;
    if (line[0] == ' ' || line[strspn(line, " \t\n")] == '\0')
        return;
    history(terminal->history, &event, H_ENTER, line);
    mode_t former = umask(0077);
    if (terminal->history_path[0] != '\0')
        history(terminal->history, &event, H_SAVE, terminal->history_path);
    umask(former);
}

/* ---- Completion ---- */

static void add_files(const char *prefix, bool only_folders, struct completion *out)
{
    glob_t found = {0};
    char *pattern = NULL;
    ASSERT(asprintf(&pattern, "%s*", prefix) > 0);
    if (glob(pattern, GLOB_MARK | GLOB_TILDE, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            size_t length = strlen(found.gl_pathv[i]);
            if (!only_folders || found.gl_pathv[i][length - 1] == '/')
                completion_offer(out, found.gl_pathv[i], length, "", "");
        }
    }
    globfree(&found);
    free(pattern);
}

static size_t common_length(const struct completion *found)
{
    ASSERT(found->count > 0 && found->list[0].text != NULL);
    size_t length = strlen(found->list[0].text);
    for (size_t i = 1; i < found->count; i++) {
        size_t same = 0;
        while (same < length && found->list[i].text[same] == found->list[0].text[same])
            same++;
        length = same;
    }
    return length;
}

static void print_candidates(const struct completion *found)
{
    struct winsize size = {.ws_col = 80};
    size_t widest = 0;
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    for (size_t i = 0; i < found->count; i++)
        widest = strlen(found->list[i].text) > widest ? strlen(found->list[i].text) : widest;
    size_t columns = size.ws_col / (widest + 2) > 0 ? size.ws_col / (widest + 2) : 1;
    putchar('\n');
    for (size_t i = 0; i < found->count; i++)
        printf("%-*s%s", (int)widest + 2, found->list[i].text,
               (i + 1) % columns == 0 || i + 1 == found->count ? "\n" : "");
    fflush(stdout);
}

/* Blanks and quotes in what is inserted would break the word apart. */
static void insert(EditLine *edit, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char piece[3] = {text[i], '\0', '\0'};
        if (strchr(" \t'\"\\#", text[i]) != NULL) {
            piece[0] = '\\';
            piece[1] = text[i];
        }
        el_insertstr(edit, piece);
    }
}

static unsigned char offer(EditLine *edit, const struct completion *found, const char *prefix)
{
    size_t typed = strlen(prefix);
    if (found->count == 0)
        return CC_REFRESH_BEEP;
    size_t common = common_length(found);
    bool whole = found->count == 1;
    bool folder = whole && common > 0 && found->list[0].text[common - 1] == '/';
    /* ~ was replaced */
    if (strncmp(found->list[0].text, prefix, typed) != 0)
        return CC_REFRESH_BEEP;
    insert(edit, found->list[0].text + typed, common - typed);
    if (whole && !folder)
        el_insertstr(edit, " ");
    if (whole || common > typed)
        return CC_REFRESH;
    print_candidates(found);
    return CC_REDISPLAY;
}

static unsigned char complete(EditLine *edit, int key)
{
    (void)key;
    static const char *const nothing = "";
    struct terminal *terminal = NULL;
    struct shell_words words;
    struct completion found;
    el_get(edit, EL_CLIENTDATA, &terminal);
    const LineInfo *line = el_line(edit);
    char *before = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
    ASSERT(before != NULL);
    size_t length = strlen(before);
    if (shell_split(before, &words) != SHELL_SPLIT_DONE) {
        free(before);
        return CC_REFRESH_BEEP; /* within quotes */
    }
    bool fresh = length == 0 || before[length - 1] == ' ' || words.count == 0;
    size_t count = (size_t)words.count - (fresh ? 0 : 1);
    const char *prefix = fresh ? nothing : words.list[count];
    const char *const *list = (const char *const *)words.list;
    complete_line(&terminal->shell->defaults, shell_commands, count, list, prefix, &found);
    if (found.kind != COMPLETE_WORDS)
        add_files(prefix, found.kind == COMPLETE_DIRS, &found);
    unsigned char result = offer(edit, &found, prefix);
    completion_free(&found);
    shell_words_free(&words);
    free(before);
    return result;
}

/* ---- Reading ---- */

/* Waits for a byte; false: ^C, or the end. */
static bool read_byte(struct terminal *terminal, char *out)
{
    for (;;) {
        struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = interrupts[0], .events = POLLIN}};
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return false;
        terminal->interrupted = take_interrupt();
        if (terminal->interrupted)
            return false;
        if (wait[0].revents != 0) {
            ssize_t got = read(STDIN_FILENO, out, 1);
            if (got >= 0 || errno != EINTR)
                return got == 1;
        }
    }
}

/* libedit's own reader takes an interrupt for nothing: ^C must end the line. */
static int read_character(EditLine *edit, wchar_t *out)
{
    struct terminal *terminal = NULL;
    char byte;
    el_get(edit, EL_CLIENTDATA, &terminal);
    while (read_byte(terminal, &byte)) {
        size_t used = mbrtowc(out, &byte, 1, &terminal->partial);
        /* more bytes of it follow */
        if (used == (size_t)-2)
            continue;
        if (used != (size_t)-1)
            return 1;
        memset(&terminal->partial, 0, sizeof terminal->partial); /* no character: it is left out */
    }
    return terminal->interrupted ? -1 : 0;
}

static void set_up(struct terminal *terminal)
{
    if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    terminal->edit = el_init("kvctl", stdin, stdout, stderr);
    ASSERT(terminal->edit != NULL);
    el_set(terminal->edit, EL_CLIENTDATA, terminal);
    el_set(terminal->edit, EL_PROMPT_ESC, prompt, ESCAPE);
    el_set(terminal->edit, EL_EDITOR, "emacs");
    el_set(terminal->edit, EL_GETCFN, read_character);
    /* Wide, since the narrow one copies both texts and never frees them. */
    el_wset(terminal->edit, EL_ADDFN, L"kvctl-complete", L"Completes the word", complete);
    el_set(terminal->edit, EL_BIND, "^I", "kvctl-complete", NULL);
    el_set(terminal->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    open_history(terminal);
    el_source(terminal->edit, NULL); /* ~/.editrc */
}

static void run_line(struct terminal *terminal, const char *line)
{
    struct shell_words words;
    remember(terminal, line);
    switch (shell_split(line, &words)) {
    case SHELL_SPLIT_DONE:
        shell_run(terminal->shell, &words);
        shell_words_free(&words);
        break;
    case SHELL_SPLIT_OPEN:
        report_usage(terminal->shell->ctx, NULL, "a quote is not closed");
        break;
    case SHELL_SPLIT_TOO_LONG:
        report_usage(terminal->shell->ctx, NULL, "the line is too long");
        break;
    }
}

/* False: the end of the input. */
static bool read_and_run(struct terminal *terminal)
{
    int length = 0;
    terminal->interrupted = false;
    make_prompt(terminal);
    el_set(terminal->edit, EL_PREP_TERM,
           1); /* before the prompt is seen: a ^D typed now must count */
    const char *line = el_gets(terminal->edit, &length);
    if (line != NULL && length > 0) {
        char *copy = strndup(line, (size_t)length);
        ASSERT(copy != NULL);
        run_line(terminal, copy);
        free(copy);
        take_interrupt(); /* it was the command's */
        return true;
    }
    putchar('\n');
    if (!terminal->interrupted)
        return false;
    el_reset(terminal->edit);
    return true;
}

int shell_interactive(struct shell *shell)
{
    struct terminal terminal = {.shell = shell};
    /* no SA_RESTART: a wait of a command ends */
    struct sigaction action = {.sa_handler = on_interrupt};
    struct sigaction former;
    sigemptyset(&action.sa_mask);
    ASSERT(pipe2(interrupts, O_CLOEXEC | O_NONBLOCK) == 0);
    sigaction(SIGINT, &action, &former);
    set_up(&terminal);
    output_note(shell->ctx, "`help` lists the commands, ^D leaves");
    while (!shell->ended && read_and_run(&terminal))
        ;
    history_end(terminal.history);
    el_end(terminal.edit);
    sigaction(SIGINT, &former, NULL);
    close(interrupts[0]);
    close(interrupts[1]);
    return shell->status;
}

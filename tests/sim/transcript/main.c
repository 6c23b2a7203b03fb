/* Options; one file after another: compared, or written anew. */
#include <argp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transcript.h"

/* Replays scenarios and compares what the nodes did with what the files say, or writes it there. */

static struct world world;
static struct transcript transcript;

struct transcript *transcript_of(struct world *of)
{
    return (struct transcript *)of->watcher;
}

static void begin(void)
{
    struct buffer out = transcript.out;
    buffer_clear(&out);
    memset(&transcript, 0, sizeof transcript);
    transcript.world = &world;
    transcript.out = out;
    transcript.watcher = (struct watcher){
        .started = watch_started,
        .stepped = watch_stepped,
        .acts = watch_acts,
        .served = watch_served,
        .archived = watch_archived,
        .finished = operation_finished,
        .lost = operation_lost,
    };
}

/* ---- What is not as the file says ------------------------------------------------------------ */

static bool equal(const struct buffer *a, const struct buffer *b)
{
    return slice_equal(buffer_slice(a), buffer_slice(b));
}

static FILE *open_text(const struct buffer *text)
{
    FILE *file = tmpfile();
    bool good = file != NULL && fwrite(text->bytes, 1, text->length, file) == text->length &&
                fflush(file) == 0 && fseek(file, 0, SEEK_SET) == 0;
    if (!good) {
        perror("a temporary file");
        exit(2);
    }
    return file;
}

static void show_difference(const char *path, const struct buffer *now)
{
    FILE *text = open_text(now);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fileno(text), STDIN_FILENO);
        execlp("diff", "diff", "-u", "--label", path, "--label", "what the nodes did now", path,
               "-", (char *)NULL);
        perror("diff");
        _exit(2);
    }
    waitpid(pid, NULL, 0);
    fclose(text);
    printf("%s: the nodes did something else.\n"
           "If that is right: build/bin/sim-transcript --write %s, and read the difference.\n",
           path, path);
}

static bool write_file(const char *path, const struct buffer *text)
{
    FILE *file = fopen(path, "w");
    bool good = file != NULL && fwrite(text->bytes, 1, text->length, file) == text->length;
    good = file != NULL && fclose(file) == 0 && good;
    if (!good)
        perror(path);
    return good;
}

/* ---- One file after another ------------------------------------------------------------------ */

struct arguments {
    bool write;
    char **paths;
    size_t count;
};

static bool run_file(const struct arguments *arguments, const char *path)
{
    struct buffer before = {0};
    struct buffer after = {0};
    begin();
    bool ok = script_run(&transcript, path, &before, &after);
    if (ok && !equal(&before, &after)) {
        if (arguments->write)
            ok = write_file(path, &after);
        else
            show_difference(path, &after);
        ok = ok && arguments->write;
    }
    world_script_end(&world);
    buffer_free(&before);
    buffer_free(&after);
    return ok;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'w':
        arguments->write = true;
        break;
    case ARGP_KEY_ARG:
        arguments->paths[arguments->count++] = arg;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"write", 'w', NULL, 0, "write into the files what the nodes do now", 0},
        {0},
    };
    static const struct argp argp = {options,
                                     parse,
                                     "SCENARIO...",
                                     "Replays protocol scenarios (tests/sim/scenarios) and "
                                     "compares what every node did with what "
                                     "the files say.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct arguments arguments = {.paths = calloc((size_t)argc, sizeof *arguments.paths)};
    ASSERT(arguments.paths != NULL);
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    world_init(&world);
    bool ok = true;
    for (size_t i = 0; i < arguments.count; i++)
        ok = run_file(&arguments, arguments.paths[i]) && ok;
    world_free(&world);
    buffer_free(&transcript.out);
    free(arguments.paths);
    return ok ? 0 : 1;
}

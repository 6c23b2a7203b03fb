/* NNG prints what it has to say before it gives up (nni_panic) to stderr, and what somebody debugs
 * to stdout. Debian's libnng.a takes both by their address, which a shared library may not: in
 * libcandor alone `--wrap=stderr,--wrap=stdout` leads it here instead. What it says before it gives
 * up goes where the library's lines go (candor/log.h). */
#include <stdio.h>

#include "base/logging.h"

extern FILE *__wrap_stderr;
extern FILE *__wrap_stdout;
extern FILE *__real_stderr;
extern FILE *__real_stdout;

void __wrap_nni_plat_println(const char *line);

FILE *__wrap_stderr;
FILE *__wrap_stdout;

__attribute__((constructor)) static void take_streams(void)
{
    __wrap_stderr = __real_stderr;
    __wrap_stdout = __real_stdout;
}

void __wrap_nni_plat_println(const char *line)
{
    log_error("nng", "says=\"%s\"", line);
}

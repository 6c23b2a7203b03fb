/* NNG prints what it has to say before it gives up (nni_panic) to stderr, and what somebody debugs
 * to stdout. Debian's libnng.a takes both by their address, which a shared library may not: in
 * libcandor alone `--wrap=stderr,--wrap=stdout` leads it here instead. */
#include <stdio.h>

extern FILE *__wrap_stderr;
extern FILE *__wrap_stdout;
extern FILE *__real_stderr;
extern FILE *__real_stdout;

FILE *__wrap_stderr;
FILE *__wrap_stdout;

__attribute__((constructor)) static void take_streams(void)
{
    __wrap_stderr = __real_stderr;
    __wrap_stdout = __real_stdout;
}

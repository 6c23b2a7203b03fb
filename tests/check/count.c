/* Numbers with commas. */
#include "check/count.h"

void print_count(FILE *out, size_t count)
{
    if (count >= 1000) {
        print_count(out, count / 1000);
        fprintf(out, ",%03zu", count % 1000);
    } else {
        fprintf(out, "%zu", count);
    }
}

/* Numbers for people: 12,345. */
#ifndef CHECK_COUNT_H
#define CHECK_COUNT_H

#include <stddef.h>
#include <stdio.h>

void print_count(FILE *out, size_t count);

#endif

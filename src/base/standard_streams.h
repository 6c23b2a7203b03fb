/* Descriptors 0, 1 and 2. */
#ifndef BASE_STANDARD_STREAMS_H
#define BASE_STANDARD_STREAMS_H

/* Opens /dev/null in the place of those that are closed. First thing in main(): the next file that
 * a program opens takes the lowest free number, and what is meant for stderr would be written into
 * it. */
void standard_streams_open(void);

#endif

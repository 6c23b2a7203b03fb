/* What the library has to say while it works, for people: one log for the process.
 *
 *     static void log_line(void *closure, enum candor_log_level level, const char *text)
 *     {
 *         syslog(level >= CANDOR_LOG_WARN ? LOG_WARNING : LOG_DEBUG, "candor: %s", text);
 *     }
 *     ...
 *     candor_log_to(log_line, NULL, CANDOR_LOG_INFO);
 *
 * A line is an event and what belongs to it: `dial_failed address=tcp://a:7000 error="..."`. Events
 * of DEBUG: `connected`, `disconnected`, `redirected`, `retried`. Their words may change with any
 * version; what a program decides by is in results and counters (candor/client.h).
 *
 * Threads: any. */
#ifndef CANDOR_LOG_H
#define CANDOR_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

enum candor_log_level {
    CANDOR_LOG_DEBUG = 0,
    CANDOR_LOG_INFO = 1,
    CANDOR_LOG_WARN = 2,
    CANDOR_LOG_ERROR = 3,
};

/* From here on lines of level `least` and above go to `log`, on whatever thread they come up, also
 * several at a time; `text` is gone when it returns. It must not block, nor call the library. The
 * one before is not called any more when this returns. NULL: lines go to stderr, as they do at
 * first, with INFO as the least. */
void candor_log_to(void (*log)(void *closure, enum candor_log_level level, const char *text),
                   void *closure, enum candor_log_level least);

#ifdef __cplusplus
}
#endif
#endif

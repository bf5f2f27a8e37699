/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <pthread.h>
#include <stdbool.h>

/*
 * What happened, one line an event, on standard error. Writing never blocks and never ends the process: a
 * line that cannot be written now is dropped, and the next one that can says how many were. Any thread may
 * write: lines are whole and never mixed.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_COUNT };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_COUNT };

struct log {
    int fd;
    enum log_level level; /* this and what is worse */
    enum log_format format;
    pthread_mutex_t lock;  /* over the descriptor, and what follows */
    unsigned long dropped; /* lines since the last one that was written */
};

/* Needs no end. */
void log_init(struct log *log, int fd, enum log_level level, enum log_format format);

bool log_wants(const struct log *log, enum log_level level);

/* The event in a few words, then pairs of a name and a value, then null. A pair whose value is null is left
 * out. Values may come from a peer: they are escaped. Events and names are ours. */
void log_event(struct log *log, enum log_level level, const char *event, ...) __attribute__((sentinel));

/* Null for a number that is none. */
const char *log_level_name(enum log_level level);
const char *log_format_name(enum log_format format);

#endif

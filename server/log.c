/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. Text is "TIME LEVEL event name=value ...", values in quotes where they need them; JSON is one
 * object a line. A line is written by a single write of at most PIPE_BUF bytes after poll said that there is
 * room, so that a full pipe costs the line and not the service. Both happen under a lock, or the room might
 * be another thread's by then. A field that would make the line longer than that is left out, and the line
 * says so. Text that is not clean UTF-8 is shown by text_escape.
 */
#include "server/log.h"

#include "probe/base/arena.h"
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Room kept for "truncated" and for the end of the line. */
#define LOG_TAIL 64

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

static const char *const format_names[] = {
    [LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_JSON] = "json",
};

const char *log_level_name(enum log_level level)
{
    return level < LOG_LEVEL_COUNT ? level_names[level] : NULL;
}

const char *log_format_name(enum log_format format)
{
    return format < LOG_FORMAT_COUNT ? format_names[format] : NULL;
}

void log_init(struct log *log, int fd, enum log_level level, enum log_format format)
{
    *log = (struct log){.fd = fd, .level = level, .format = format};
    pthread_mutex_init(&log->lock, NULL); /* never fails */
}

bool log_wants(const struct log *log, enum log_level level)
{
    return level <= log->level;
}

/* What JSON and our text both want with a backslash before it; a tab has a letter of its own. */
static void put_quoted(struct buffer *out, const char *text)
{
    buffer_puts(out, "\"");
    for (;;) {
        size_t len = strcspn(text, "\"\\\t");
        buffer_put(out, text, len);
        text += len;
        if (*text == '\0')
            break;
        buffer_puts(out, "\\");
        buffer_put(out, *text == '\t' ? "t" : text, 1);
        text++;
    }
    buffer_puts(out, "\"");
}

static void put_value(struct buffer *out, enum log_format format, const char *text)
{
    if (format == LOG_FORMAT_JSON || *text == '\0' || strpbrk(text, " \t\"=\\") != NULL)
        put_quoted(out, text);
    else
        buffer_puts(out, text);
}

/* One field, whole or not at all: false when there is no room for it. */
static bool put_field(struct buffer *line, enum log_format format, const char *name, const char *value)
{
    struct arena scratch = {0};
    struct span bytes = span_of(value);
    const char *clean = text_is_clean(bytes) ? value : text_escape(&scratch, bytes);
    size_t before = line->len;

    buffer_puts(line, format == LOG_FORMAT_JSON ? ",\"" : " ");
    buffer_puts(line, name);
    buffer_puts(line, format == LOG_FORMAT_JSON ? "\":" : "=");
    put_value(line, format, clean);
    arena_free(&scratch);
    bool fits = !line->full && line->len + LOG_TAIL <= line->limit;
    if (!fits)
        buffer_return(line, before);
    return fits;
}

static void put_head(struct buffer *line, const struct log *log, enum log_level level, const char *event)
{
    char time[TEXT_TIME_SIZE];

    text_time(clock_wall_us(), time);
    bool text = log->format == LOG_FORMAT_TEXT;
    buffer_puts(line, text ? "" : "{\"time\":\"");
    buffer_puts(line, time);
    buffer_puts(line, text ? " " : "\",\"level\":\"");
    buffer_puts(line, level_names[level]);
    buffer_puts(line, text ? " " : "\",\"event\":");
    if (text)
        buffer_puts(line, event);
    else
        put_quoted(line, event);
}

static void write_line(struct log *log, const struct buffer *line)
{
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};

    if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 &&
        write(log->fd, line->data, line->len) == (ssize_t)line->len)
        log->dropped = 0;
    else
        log->dropped++;
}

/* The rest of the line, and out with it. */
static void finish_line(struct log *log, struct buffer *line)
{
    bool json = log->format == LOG_FORMAT_JSON;

    pthread_mutex_lock(&log->lock);
    if (log->dropped > 0)
        buffer_printf(line, json ? ",\"dropped\":\"%lu\"" : " dropped=%lu", log->dropped);
    buffer_puts(line, json ? "}\n" : "\n");
    write_line(log, line);
    pthread_mutex_unlock(&log->lock);
}

void log_event(struct log *log, enum log_level level, const char *event, ...)
{
    struct buffer line;
    const char *name;
    bool whole = true;
    va_list fields;

    if (!log_wants(log, level))
        return;
    buffer_init(&line, PIPE_BUF);
    put_head(&line, log, level, event);
    va_start(fields, event);
    while ((name = va_arg(fields, const char *)) != NULL) {
        const char *value = va_arg(fields, const char *);
        if (value != NULL)
            whole = put_field(&line, log->format, name, value) && whole;
    }
    va_end(fields);
    if (!whole)
        buffer_puts(&line, log->format == LOG_FORMAT_JSON ? ",\"truncated\":\"yes\"" : " truncated=yes");
    finish_line(log, &line);
    buffer_free(&line);
}

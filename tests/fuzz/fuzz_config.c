/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config loader, any bytes as a file: a bad one gets mistakes with their positions, a good one can be
 * used and loads again as the same. The file has no name on disk (memfd_create), which is fast.
 */
#include "config/snapshot.h"

#include "probe/base/buffer.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/proto/command.h"
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MOST_MISTAKES 101 /* 100, and a line that counts the rest */
#define MOST_SHOWN    (16 * 1024 * 1024)
#define MOST_FILE     (1024 * 1024)
#define NAME_SIZE     32

/* In a file that the config names: what is wrong has that one's name, and the key that names it. */
static bool is_of_another_file(const char *text)
{
    return (strstr(text, ": targets.") || strstr(text, ": modules.")) &&
           (strstr(text, ".dialogue: ") || strstr(text, ".message: "));
}

/* "NAME:LINE:COLUMN: ..."; about the file as a whole "NAME: ...". */
static void check_position(const char *text, const char *name, unsigned lines)
{
    unsigned line = 0, column = 0;
    size_t len = strlen(name);
    int end = 0;

    if (strncmp(text, name, len) != 0 && is_of_another_file(text))
        return;
    fuzz_require(strncmp(text, name, len) == 0 && text[len] == ':', "a mistake names the file");
    if (text[len + 1] == ' ')
        return;
    fuzz_require(sscanf(text + len, ":%u:%u: %n", &line, &column, &end) == 2 && end > 0,
                 "a mistake has its position");
    fuzz_require(line >= 1 && line <= lines && column >= 1, "which is in the file");
}

static void check_mistakes(char *const *list, size_t count, const char *name, unsigned lines)
{
    fuzz_require(count <= MOST_MISTAKES, "not all of too many mistakes are shown");
    for (size_t i = 0; i < count; i++) {
        fuzz_require(text_is_clean(span_of(list[i])), "a mistake is a line of clean text");
        if (count < MOST_MISTAKES || i < count - 1)
            check_position(list[i], name, lines);
    }
}

static void show_route(struct buffer *b, const struct plan_route *r, struct arena *a)
{
    fuzz_require(command_build(a, "MAIL FROM:<", r->from, ">", COMMAND_END), "a sender can be sent");
    fuzz_require(r->to_count > 0 && r->expect, "a route is complete");
    buffer_printf(b, " route %s <%s> %x %d %d.%d.%d %d %s %" PRId64 " %" PRId64, r->name, r->from, r->expect,
                  r->reply_code, r->reply_enhanced.class, r->reply_enhanced.subject, r->reply_enhanced.detail,
                  r->at_final, r->mailbox ? r->mailbox : "-", r->deliver_within_us, r->min_send_interval_us);
    for (size_t i = 0; i < r->to_count; i++) {
        fuzz_require(command_build(a, "RCPT TO:<", r->to[i], ">", COMMAND_END), "a recipient can be sent");
        buffer_printf(b, " <%s>", r->to[i]);
    }
}

static void show_target(struct buffer *b, const struct snapshot *s, const struct snapshot_target *t,
                        struct arena *a)
{
    const struct plan *p = &t->plan;

    fuzz_require(snapshot_target(s, t->name) == t, "a target is found by its name");
    fuzz_require(command_build(a, "EHLO ", p->helo, COMMAND_END), "the greeting can be sent");
    buffer_printf(b, "%s %s:%d %d %s %d %" PRId64 " %" PRId64, t->name, p->host, p->port, p->family, p->helo,
                  p->stop_after, p->warn_duration_us, t->cache_ttl_us);
    for (enum limit l = 0; l < LIMIT_COUNT; l++) {
        fuzz_require(p->limits_us[l] > 0, "every limit is a time");
        buffer_printf(b, " %" PRId64, p->limits_us[l]);
    }
    for (enum phase phase = 0; phase < PHASE_COUNT; phase++)
        buffer_printf(b, " %" PRId64, p->warn_us[phase]);
    buffer_printf(b, " %d %s %d%d%d", p->login.wanted, p->login.username ? p->login.username : "-",
                  p->login.mechanism, p->login.allow_plaintext, p->login.rejected);
    for (size_t i = 0; i < p->route_count; i++)
        show_route(b, &p->routes[i], a);
    buffer_puts(b, "\n");
}

static void show_snapshot(struct buffer *b, const struct snapshot *s)
{
    struct arena a = {0};

    fuzz_require(s->listen_count > 0, "a config listens");
    buffer_printf(b, "%s %d %zu\n", s->server_name, s->unknown_status, s->listen_count);
    for (size_t i = 0; i < s->sink_count; i++)
        buffer_printf(b, "%s %d %s %d %s\n", s->sinks[i].name, address_port(&s->sinks[i].listen.address),
                      s->sinks[i].listen.path ? s->sinks[i].listen.path : "-", s->sinks[i].protocol,
                      s->sinks[i].domains[0]);
    for (size_t i = 0; i < s->target_count; i++)
        show_target(b, s, &s->targets[i], &a);
    arena_free(&a);
}

/* Loads it and shows all that came of it; *effective_r is that config as it is told, null for none. */
static void load(const char *name, unsigned lines, struct buffer *shown_r, char **effective_r)
{
    const struct snapshot_source source = {.file = name};
    struct snapshot *snapshot = NULL;
    struct mistakes mistakes;
    int code = snapshot_load(&source, &snapshot, &mistakes);

    fuzz_require((code == 0) == (snapshot != NULL) && (code == 0) == (mistakes.error_count == 0),
                 "there is a config, or there are mistakes");
    check_mistakes(mistakes.errors, mistakes.error_count, name, lines);
    check_mistakes(mistakes.warnings, mistakes.warning_count, name, lines);
    buffer_init(shown_r, MOST_SHOWN);
    for (size_t i = 0; i < mistakes.error_count; i++)
        buffer_printf(shown_r, "%s\n", mistakes.errors[i]);
    if (snapshot)
        show_snapshot(shown_r, snapshot);
    *effective_r = snapshot ? mem_dup(snapshot->effective) : NULL;
    fuzz_require(!shown_r->full, "a config is no larger than its file allows");
    snapshot_unref(snapshot);
    mistakes_clear(&mistakes);
}

static unsigned write_file(int fd, struct span bytes)
{
    unsigned lines = 2; /* the last has no end; what is missing may be missing behind it */

    for (size_t i = 0; i < bytes.len; i++)
        lines += bytes.data[i] == '\n' || bytes.data[i] == '\r';
    fuzz_require(ftruncate(fd, 0) == 0 && pwrite(fd, bytes.data, bytes.len, 0) == (ssize_t)bytes.len,
                 "the file can be written");
    return lines;
}

/* What is told of a config is that config, unless something is kept secret, or it is longer than a file. */
static void check_effective(int fd, const char *name, const char *effective, const struct buffer *shown)
{
    struct buffer again;
    char *told;

    if (!effective || strstr(effective, "\"***\"") || strlen(effective) > MOST_FILE)
        return;
    fuzz_require(text_is_utf8(span_of(effective)) && !strchr(effective, '\x1b'), "it is clean text");
    unsigned lines = write_file(fd, span_of(effective));
    load(name, lines, &again, &told);
    fuzz_require(told && again.len == shown->len && strcmp(again.data, shown->data) == 0,
                 "what is told of a config is that config");
    fuzz_require(strcmp(told, effective) == 0, "and is told of it again");
    free(told);
    buffer_free(&again);
}

/* The one file of all inputs. And one authority in place of the system's hundreds, which would take most of
 * the time and depend on the machine. */
static int set_up(void)
{
    fuzz_require(setenv("SSL_CERT_FILE", "config/demo.pem", 1) == 0, "the environment can be set");
    return memfd_create("config", MFD_CLOEXEC);
}

int fuzz_config(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char name[NAME_SIZE];
    struct buffer first, second;
    char *told, *effective;
    struct span input = {(const char *)data, size};

    if (fd < 0)
        fd = set_up();
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    unsigned lines = write_file(fd, input);
    clock_t start = clock();
    load(name, lines, &first, &told);
    fuzz_require(clock() - start < CLOCKS_PER_SEC, "loading takes less than a second");
    load(name, lines, &second, &effective);
    fuzz_require(first.len == second.len && (!first.len || strcmp(first.data, second.data) == 0),
                 "the same file is the same config");
    check_effective(fd, name, effective, &first);
    free(told);
    free(effective);
    buffer_free(&first);
    buffer_free(&second);
    return 0;
}

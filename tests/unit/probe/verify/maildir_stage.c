/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/probe/verify/maildir_stage.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/proto/message.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_US (15 * CLOCK_US_PER_S)

int64_t stage_scaled(int64_t us)
{
    const char *scale = getenv("EHLOD_TEST_SCALE");

    return scale != NULL ? (int64_t)((double)us * strtod(scale, NULL)) : us;
}

static void on_seen(void *context, const struct sighting *sighting)
{
    struct stage *s = context;
    struct stage_seen *seen = &s->seen[s->seen_count++];

    assert_true(s->seen_count <= STAGE_MAX_SEEN);
    assert_string_equal(sighting->mailbox, "disk");
    *seen = (struct stage_seen){.astray = sighting->astray,
                                .kept = sighting->kept.len,
                                .size = sighting->size,
                                .at_us = sighting->at_us};
    snprintf(seen->id, sizeof seen->id, "%s", sighting->id);
    snprintf(seen->folder, sizeof seen->folder, "%s", sighting->folder);
    snprintf(seen->text, sizeof seen->text, "%.*s", (int)sighting->kept.len, sighting->kept.data);
    assert_int_equal(sighting->to_count, 0);
    if (s->free_when_seen) {
        s->store->ops->free(s->store);
        s->store = NULL;
    }
}

static bool on_may_remove(void *context, const char *mailbox, const char *id)
{
    struct stage *s = context;
    bool known = false;

    assert_string_equal(mailbox, "disk");
    for (size_t i = 0; i < s->seen_count; i++)
        known = known || strcmp(s->seen[i].id, id) == 0;
    assert_true(known);
    s->asked++;
    return s->may_remove;
}

static void on_unremoved(void *context, const char *mailbox, const char *id, const char *why)
{
    struct stage *s = context;

    assert_string_equal(mailbox, "disk");
    assert_non_null(id);
    s->unremoved++;
    snprintf(s->unremoved_why, sizeof s->unremoved_why, "%s", why);
}

static void on_looked(void *context, const char *mailbox, int64_t began_us, const char *why)
{
    struct stage *s = context;

    assert_string_equal(mailbox, "disk");
    assert_true(began_us <= clock_mono_us());
    s->looks++;
    s->began_us = began_us;
    snprintf(s->why, sizeof s->why, "%s", why != NULL ? why : "");
}

static const struct mailbox_events events = {
    .seen = on_seen, .may_remove = on_may_remove, .unremoved = on_unremoved, .looked = on_looked};

const char *stage_path(const struct stage *s, const char *name)
{
    static char paths[2][PATH_MAX + 256];
    static int turn;

    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", s->path, name);
    return paths[turn];
}

void stage_mkdir(const struct stage *s, const char *name)
{
    static const char *const parts[] = {"", "/tmp", "/new", "/cur"};
    char part[256];

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(part, sizeof part, "%s%s", name, parts[i]);
        if (mkdir(stage_path(s, part), 0755) != 0)
            assert_true(stage_has(s, part));
    }
}

void stage_init(struct stage *s)
{
    *s = (struct stage){.seen = mem_alloc((STAGE_MAX_SEEN + 1) * sizeof *s->seen)};
    snprintf(s->path, sizeof s->path, "/tmp/ehlod-maildir-XXXXXX");
    assert_non_null(mkdtemp(s->path));
    assert_int_equal(chmod(s->path, 0755), 0);
    stage_mkdir(s, "");
    uv_loop_init(&s->loop);
}

void stage_watch(struct stage *s)
{
    s->store = maildir_new(&(struct maildir_order){
        .loop = &s->loop, .name = "disk", .path = s->path, .events = &events, .context = s});
    assert_string_equal(s->store->name, "disk");
}

void stage_clear(struct stage *s)
{
    char command[PATH_MAX + 32];
    int seen = (int)s->seen_count, looks = s->looks;

    if (s->store != NULL)
        s->store->ops->free(s->store);
    s->free_when_seen = false;
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    assert_int_equal(s->seen_count, seen); /* freed is silent */
    assert_int_equal(s->looks, looks);
    free(s->seen);
    snprintf(command, sizeof command, "rm -rf '%s'", s->path);
    assert_int_equal(system(command), 0);
}

static void turn(struct stage *s, int64_t until_us)
{
    uv_run(&s->loop, UV_RUN_NOWAIT);
    usleep(500);
    assert_true(clock_mono_us() < until_us);
}

void stage_run(struct stage *s, int64_t us)
{
    int64_t until_us = clock_mono_us() + us;

    while (clock_mono_us() < until_us)
        turn(s, CLOCK_NEVER);
}

void stage_look(struct stage *s)
{
    int64_t now_us = clock_mono_us(), until_us = now_us + stage_scaled(PATIENCE_US);

    s->store->ops->look(s->store);
    s->began_us = 0;
    while (s->began_us < now_us)
        turn(s, until_us);
}

void stage_wait_seen(struct stage *s, size_t count)
{
    int64_t until_us = clock_mono_us() + stage_scaled(PATIENCE_US);

    while (s->seen_count < count)
        turn(s, until_us);
    assert_int_equal(s->seen_count, count);
}

bool stage_has(const struct stage *s, const char *name)
{
    struct stat st;

    return lstat(stage_path(s, name), &st) == 0;
}

void stage_wait_file(struct stage *s, const char *name, bool there)
{
    int64_t until_us = clock_mono_us() + stage_scaled(PATIENCE_US);

    while (stage_has(s, name) != there)
        turn(s, until_us);
}

void stage_write(const struct stage *s, const char *name, const char *text)
{
    int fd = open(stage_path(s, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

void stage_rename(const struct stage *s, const char *from, const char *to)
{
    const char *old = stage_path(s, from);

    assert_int_equal(rename(old, stage_path(s, to)), 0);
}

void stage_deliver(const struct stage *s, const char *name, const char *text)
{
    char from[256], to[256];
    const char *base = strrchr(name, '/');

    assert_non_null(base);
    snprintf(from, sizeof from, "tmp/%s", base + 1);
    snprintf(to, sizeof to, "%s", name);
    stage_write(s, from, text);
    stage_rename(s, from, to);
}

const char *stage_letter(int number)
{
    static char text[512];

    snprintf(text, sizeof text,
             "Received: from a by b; Mon, 23 Nov 2026 02:25:04 +0000\nX-Ehlod-Token: ehlod-%0*d\n"
             "Subject: probe\n\nHello\n",
             MESSAGE_TOKEN_DIGITS, number);
    return text;
}

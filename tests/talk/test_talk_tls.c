/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays every talk of this folder (or the files named) over a socket inside of TLS: from the first byte on,
 * and behind STARTTLS where it makes sense there. Runs from the root of the tree; each talk is a test for
 * each way of playing it.
 */
#include "probe/net/tls_context.h"
#include "tests/talk/files.h"
#include "tests/talk/play.h"
#include "tests/unit/probe/net/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HOST "mx.example.org"

/* So many in a round; they begin one after another. */
#define AT_ONCE 240

/* One way of playing one talk. */
struct part {
    const char *name;
    struct talk *talk; /* null: the file could not be read */
    char *complaint;
};

struct stage {
    struct arena arena;
    struct part *parts;
    size_t count;
};

static struct stage stage;

static void add(const char *path, struct talk *talk, const char *how)
{
    stage.parts = arena_grow(&stage.arena, stage.parts, stage.count, sizeof(*stage.parts));
    stage.parts[stage.count++] = (struct part){arena_printf(&stage.arena, "%s, %s", path, how), talk, NULL};
}

static void load(const char *path)
{
    struct talk *talk = talk_load(&stage.arena, path);
    bool implicit = !talk || talk_is_for_tls(talk);
    struct talk *starttls = talk ? talk_inside(&stage.arena, talk, TLS_MODE_STARTTLS) : NULL;

    if (implicit)
        add(path, talk ? talk_inside(&stage.arena, talk, TLS_MODE_IMPLICIT) : NULL, "in TLS over a socket");
    if (starttls)
        add(path, starttls, "in STARTTLS over a socket");
}

/* One round: of all parts every so many, so that slow ones do not come together. */
static void play_round(const struct play_tls *tls, size_t first, size_t rounds)
{
    struct talk *talks[AT_ONCE] = {0};
    struct part *whose[AT_ONCE];
    char *complaints[AT_ONCE] = {0};
    size_t count = 0;

    for (size_t i = first; i < stage.count; i += rounds) {
        if (stage.parts[i].talk) {
            whose[count] = &stage.parts[i];
            talks[count++] = stage.parts[i].talk;
        }
    }
    play_sockets(&stage.arena, tls, talks, count, complaints);
    for (size_t i = 0; i < count; i++)
        whose[i]->complaint = complaints[i];
}

static int set_up(void **state)
{
    struct certificates_made mx;
    struct tls_context_error error;
    size_t rounds = (stage.count + AT_ONCE - 1) / AT_ONCE;
    (void)state;

    certificates_open_folder();
    mx = certificates_make(&(struct certificates_spec){.subject = "mx", .alt = "DNS:" HOST});
    const char *pair = certificates_write("mx.pem", &mx, 1, mx.key);
    struct play_tls tls = {tls_context_new(&(struct plan_tls){.ca_file = pair}, &error),
                           tls_context_new_server(pair, NULL, &error), HOST};
    bool good = tls.client && tls.server;
    for (size_t i = 0; i < rounds && good; i++)
        play_round(&tls, i, rounds);
    tls_context_free(tls.client);
    tls_context_free(tls.server);
    certificates_free(&mx);
    certificates_close_folder();
    return good ? 0 : -1;
}

static void test_part(void **state)
{
    const struct part *part = *state;
    const char *complaint = part->talk ? part->complaint : "  it could not be read\n";

    if (complaint)
        print_error("%s:\n%s", part->name, complaint);
    assert_null(complaint);
}

int main(int argc, char **argv)
{
    const char **paths;
    size_t path_count = files_find(&stage.arena, argc, argv, &paths);

    for (size_t i = 0; i < path_count; i++)
        load(paths[i]);
    struct CMUnitTest *tests = arena_alloc(&stage.arena, stage.count * sizeof(*tests));
    for (size_t i = 0; i < stage.count; i++)
        tests[i] = (struct CMUnitTest){
            .name = stage.parts[i].name, .test_func = test_part, .initial_state = &stage.parts[i]};
    int failed = _cmocka_run_group_tests("talks in TLS", tests, stage.count, set_up, NULL);
    arena_free(&stage.arena);
    return path_count == 0 || failed != 0;
}

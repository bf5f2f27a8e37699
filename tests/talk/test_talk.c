/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays every talk of this folder (or the files named) against the engine, in pieces of several sizes, and
 * over a socket. Runs from the root of the tree; each talk is a test for each way of playing it.
 */
#include "tests/talk/files.h"
#include "tests/talk/hiding.h"
#include "tests/talk/play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The first is the segment as the talk has it. */
static const size_t pieces[] = {0, 1, 2, 7, 100};
#define PIECE_COUNT (sizeof(pieces) / sizeof(pieces[0]))

struct part {
    const char *path;
    struct talk *talk; /* null: it could not be read */
    char *socket_complaint;
};

/* One way of playing one talk; piece counts only without a socket. */
struct way {
    struct part *part;
    size_t piece;
    bool socket;
    bool inside_tls;
    bool hiding;
};

struct stage {
    struct arena arena;
    const char **paths;
    struct part *parts;
    size_t count;
};

static struct stage stage;

static void load_talks(void)
{
    stage.parts = arena_alloc(&stage.arena, stage.count * sizeof(*stage.parts));
    for (size_t i = 0; i < stage.count; i++)
        stage.parts[i] = (struct part){stage.paths[i], talk_load(&stage.arena, stage.paths[i]), NULL};
}

/* So many at once: few enough for one loop, so that no server of a talk is late for its client. */
#define AT_ONCE 120

/* One round: of all talks that could be read every so many, so that slow ones do not come together. */
static void play_round(size_t first, size_t rounds)
{
    struct talk *talks[AT_ONCE] = {0};
    struct part *whose[AT_ONCE];
    char *complaints[AT_ONCE] = {0};
    size_t count = 0;

    for (size_t i = first; i < stage.count; i += rounds) {
        if (stage.parts[i].talk && !stage.parts[i].talk->not_clear) {
            whose[count] = &stage.parts[i];
            talks[count++] = stage.parts[i].talk;
        }
    }
    play_sockets(&stage.arena, NULL, talks, count, complaints);
    for (size_t i = 0; i < count; i++)
        whose[i]->socket_complaint = complaints[i];
}

static void play_all_sockets(void)
{
    size_t rounds = (stage.count + AT_ONCE - 1) / AT_ONCE;

    for (size_t i = 0; i < rounds; i++)
        play_round(i, rounds);
}

static int set_up(void **state)
{
    (void)state;
    play_all_sockets();
    return 0;
}

static void test_way(void **state)
{
    const struct way *way = *state;
    struct arena run = {0};
    char *complaint = "  it could not be read\n";

    if (way->part->talk && way->hiding)
        complaint = play_engine(&run, talk_hiding(&run, way->part->talk), way->piece, way->inside_tls);
    else if (way->part->talk)
        complaint = way->socket ? way->part->socket_complaint
                                : play_engine(&run, way->part->talk, way->piece, way->inside_tls);
    if (complaint)
        print_error("%s:\n%s", way->part->path, complaint);
    bool good = !complaint;
    arena_free(&run);
    assert_true(good);
}

static struct CMUnitTest make_test(struct part *part, size_t piece, bool socket, bool inside_tls)
{
    struct way *way = arena_alloc(&stage.arena, sizeof(*way));
    const char *how = socket       ? "over a socket"
                      : inside_tls ? piece ? arena_printf(&stage.arena, "inside TLS, in pieces of %zu", piece)
                                           : "inside TLS"
                      : piece == 0 ? "whole"
                      : piece == 1 ? "byte by byte"
                                   : arena_printf(&stage.arena, "in pieces of %zu", piece);

    *way = (struct way){part, piece, socket, inside_tls, false};
    return (struct CMUnitTest){.name = arena_printf(&stage.arena, "%s, %s", part->path, how),
                               .test_func = test_way,
                               .initial_state = way};
}

static struct CMUnitTest make_hiding_test(struct part *part, bool inside_tls)
{
    struct CMUnitTest test = make_test(part, 7, false, inside_tls);

    ((struct way *)test.initial_state)->hiding = true;
    test.name = arena_printf(&stage.arena, "%s, with its replies hidden", part->path);
    return test;
}

int main(int argc, char **argv)
{
    stage.count = files_find(&stage.arena, argc, argv, &stage.paths);
    if (!stage.count)
        return 1;
    load_talks();

    size_t count = 0;
    struct CMUnitTest *tests = arena_alloc(&stage.arena, stage.count * (PIECE_COUNT + 3) * sizeof(*tests));
    for (size_t i = 0; i < stage.count; i++) {
        const struct talk *talk = stage.parts[i].talk;
        bool only_tls = talk && talk->not_clear;
        for (size_t k = 0; k < PIECE_COUNT; k++)
            tests[count++] = make_test(&stage.parts[i], pieces[k], false, only_tls);
        if (!only_tls && (!talk || talk_is_for_tls(talk)))
            tests[count++] = make_test(&stage.parts[i], 0, false, true);
        if (!only_tls)
            tests[count++] = make_test(&stage.parts[i], 0, true, false);
        tests[count++] = make_hiding_test(&stage.parts[i], only_tls);
    }
    int failed = _cmocka_run_group_tests("talks", tests, count, set_up, NULL);
    arena_free(&stage.arena);
    return failed != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_PLAY_H
#define TESTS_TALK_PLAY_H

#include "tests/talk/talk.h"

/*
 * The ways to play a talk against the client. Each returns null, or what was not as wanted, in the arena.
 */

/* What a client may have said that nobody has looked at yet. */
#define PLAY_MAX_HEARD ((size_t)1024 * 1024)

/* The engine alone, time a number; piece is how many bytes it gets at once (0 = each segment whole). */
char *play_engine(struct arena *a, const struct talk *talk, size_t piece, bool inside_tls);

/* Both sides' settings, and the name that the server's certificate is for. */
struct play_tls {
    struct tls_context *client;
    struct tls_context *server;
    const char *name;
};

/* All talks at once over real sockets on one loop, each with a server of its own that plays its part; time
 * runs faster (a second of the talk lasts 50 ms, times EHLOD_TEST_SCALE). tls: from secure_at on they are in
 * TLS; null: in the clear. complaints_r[i] is for talks[i]. */
void play_sockets(struct arena *a, const struct play_tls *tls, struct talk *const *talks, size_t count,
                  char **complaints_r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LOGIN_H
#define SERVER_LOGIN_H

#include "config/snapshot.h"
#include "probe/net/post.h"

#include <uv.h>

/*
 * Who a caller is: passwords against bcrypt hashes, and bearer tokens. A hash takes a good part of a second,
 * so it is made on a thread of libuv's pool, and what came of it is remembered for a number of passwords. Of
 * what was given nothing is kept but a keyed digest. Whether there is such a user makes no difference in
 * time.
 */
struct login;

struct login *login_new(uv_loop_t *loop);

/*
 * One for another loop, in a thread of its own: it has users, tokens and what is remembered from the first
 * one, and has that one look at what is not, whose limits so hold for all. Made before that loop runs; freed
 * before the first one, on its own thread, when nothing is away.
 */
struct away;
struct login *login_beside(struct login *first, uv_loop_t *loop, struct away *away, struct post *first_post);

/* To the first one, at the end: nothing more is looked at. Who stands in line for it, or comes, beside it as
 * well, is told that it is busy. Null is fine. */
void login_close(struct login *login);

/* Nobody may wait any more. What is under way ends by itself, from the loop. */
void login_free(struct login *login); /* null is fine */

/* To the first one: from now on these, for all beside it, too, which have to stand still. The users must stay
 * until the next call. */
void login_set_users(struct login *login, const struct snapshot_user *users, size_t count);
void login_set_tokens(struct login *login, const struct span *tokens, size_t count);
/* In the place of that one of them, this. */
void login_set_token(struct login *login, size_t i, struct span token);

/* Whether anybody has to log in at all. */
bool login_is_wanted(const struct login *login);

enum login_verdict {
    LOGIN_IN,
    LOGIN_OUT,
    LOGIN_BUSY, /* too many are being looked at */
    LOGIN_LATER
};

/* Called once, from the loop, never from inside login_ask. */
typedef void login_done(void *context, enum login_verdict verdict);

struct login_waiter;

/* Who logs in: the value of the Authorization field (null: there is none), and an address, of which no more
 * than a few passwords are looked at at a time (null: without that limit). Both are looked at at once. */
struct login_asker {
    const char *authorization;
    const struct address *from;
};

/* Only after LOGIN_LATER done is called, and there is a waiter. Where done is null nobody waits: what would
 * be later is busy. */
enum login_verdict login_ask(struct login *login, const struct login_asker *asker, login_done *done,
                             void *context, struct login_waiter **waiter_r);

/* Done will not be called. */
void login_leave(struct login_waiter *waiter);

/* What a caller who may not in is told: the value of WWW-Authenticate. */
const char *login_challenge(const struct login *login);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_LOGIN_H
#define TESTS_FUZZ_FUZZ_LOGIN_H

#include "probe/base/mask.h"
#include "probe/proto/client.h"

/*
 * Who answers a server's challenges in the fuzzed client, and what of that may be on the wire or in a result.
 * What an answer is hangs on the challenge alone: its first letter says what becomes of it.
 */
#define FUZZ_SECRET        "s3cr3t of the fuzz"
#define FUZZ_SECRET_BASE64 "czNjcjN0IG9mIHRoZSBmdXp6"

/* A response that is too long for the line of AUTH. */
#define FUZZ_LONG_LINE 640

struct fuzz_login {
    struct mask *mask;
    bool asked;                           /* the client has had an answer */
    bool leaked;                          /* the server said the secret before: no mask can help then */
    char said[sizeof FUZZ_SECRET_BASE64]; /* the end of what it has said, whatever the segments */
    size_t said_len;
    bool heard; /* AUTH was said */
};

void fuzz_login_begin(struct fuzz_login *login);
void fuzz_login_end(struct fuzz_login *login);

void fuzz_login_answer(struct fuzz_login *login, struct client *client, int64_t now_us);

/* What the server says. */
void fuzz_login_said(struct fuzz_login *login, struct span bytes);

/* Whether a command may be AUTH, or a line the response to a challenge, where it was said: after a 334 or
 * not. What it must not be ends the process. */
bool fuzz_login_is_line(struct fuzz_login *login, const struct plan *plan, const char *line, bool challenged,
                        bool secured);

/* The secret is nowhere in it. */
void fuzz_login_check(const struct fuzz_login *login, const struct result *r);

#endif

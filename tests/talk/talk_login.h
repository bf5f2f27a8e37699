/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_TALK_LOGIN_H
#define TESTS_TALK_TALK_LOGIN_H

#include "tests/talk/talk.h"

/* Sets what a talk's plan logs in with, by the key of the config without its "auth."; what is wrong with it,
 * or null. */
const char *talk_login_read(struct talk *talk, const char *key, const char *value);

/* A rule that holds for every result: a secret is nowhere in it. What is wrong, or null. */
const char *talk_login_check(struct arena *a, const struct talk *talk, const struct result *r);

/* The client's answers, made by probe/sasl on a loop of their own. */
struct talk_login;
struct talk_login *talk_login_new(const struct plan *plan);
void talk_login_free(struct talk_login *login); /* null is fine */
struct client;
void talk_login_answer(struct talk_login *login, struct client *client, int64_t now_us);

#endif

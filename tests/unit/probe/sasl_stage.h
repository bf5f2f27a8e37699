/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_SASL_STAGE_H
#define TESTS_UNIT_PROBE_SASL_STAGE_H

/*
 * What tests of logins stand on: a login with both kinds of secret, questions, and what the last answer was.
 */
#include "probe/sasl.h"

#include "probe/base/base64.h"
#include "tests/unit/probe/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define USER     "probe@example.org"
#define PASSWORD "correct horse, battery=staple"
#define TOKEN    "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"

static uv_loop_t loop;
static struct auth_login login;
static struct secret *password, *token;
static struct sasl *sasl;
static enum auth_mechanism mechanism;

static struct {
    bool there;
    enum auth_progress progress;
    char *line, *message, *detail;
    const struct mask *mask;
} got;

static inline void forget(void)
{
    free(got.line);
    free(got.message);
    free(got.detail);
    memset(&got, 0, sizeof got);
}

static inline int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    password = secret_new(span_of(PASSWORD));
    token = secret_new(span_of(TOKEN));
    login = (struct auth_login){.wanted = true, .username = USER, .password = password, .token = token};
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    forget();
    sasl_free(sasl);
    sasl = NULL;
    secret_free(password);
    secret_free(token);
    return stage_close(&loop);
}

static inline void on_answer(void *context, const struct auth_answer *answer)
{
    (void)context;
    assert_false(got.there);
    assert_non_null(answer->mask);
    got.there = true;
    got.progress = answer->progress;
    got.line = strndup(answer->line.data, answer->line.len);
    got.message = answer->message ? strdup(answer->message) : NULL;
    got.detail = answer->detail ? strdup(answer->detail) : NULL;
    got.mask = answer->mask;
    /* a sentence says why there is no line, and never a secret */
    assert_int_equal(answer->message == NULL, answer->progress == AUTH_MORE || answer->progress == AUTH_SAID);
    for (int i = 0; i < 2; i++) {
        const char *said = i ? got.message : got.detail;
        assert_true(!said || (!strstr(said, PASSWORD) && !strstr(said, TOKEN)));
        assert_true(!said || said[strlen(said) - 1] != '.' || i == 0);
    }
}

static inline void begin(enum auth_mechanism m)
{
    sasl_free(sasl);
    sasl = sasl_new(&loop, &login, "mx.example.org", 587);
    mechanism = m;
}

/* Asks in base64, as a server says it. */
static inline enum auth_progress ask_raw(bool first, const char *challenge)
{
    char *kept = strdup(challenge);
    struct auth_question question = {.mechanism = mechanism, .first = first, .challenge = kept};

    forget();
    sasl_ask(sasl, &question, on_answer, NULL);
    memset(kept, '#', strlen(kept)); /* it was copied */
    free(kept);
    assert_false(got.there); /* never from inside */
    assert_true(stage_run_until(&loop, &got.there));
    return got.progress;
}

static inline enum auth_progress ask_first(void)
{
    return ask_raw(true, "");
}

static inline enum auth_progress ask(const char *challenge)
{
    char text[8192] = "";

    base64_encode(span_of(challenge), text);
    return ask_raw(false, text);
}

/* The response, decoded. */
static inline const char *response(void)
{
    static char text[16384];
    int len = base64_decode(span_of(got.line), text);

    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static inline void says(const char *base64)
{
    assert_string_equal(got.line, base64);
}

static inline bool shows(const char *text)
{
    char out[4096];
    size_t len = mask_apply(got.mask, span_of(text), out);

    return len == strlen(text) && memcmp(out, text, len) == 0;
}

/* Of a server-first-message to that client-first-message. */
static inline const char *server_first(const char *nonce_end, const char *rest)
{
    static char text[512];
    const char *nonce = strstr(response(), ",r=");

    assert_non_null(nonce);
    snprintf(text, sizeof text, "r=%s%s,%s", nonce + 3, nonce_end, rest);
    return text;
}

#endif

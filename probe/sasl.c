/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers challenges, a row of a table for each mechanism: by libgsasl, or by OAuth's two messages, which it
 * does not know. A thread of libuv's pool works on the struct while it is busy; what the loop may see
 * meanwhile, the mask, it only reads. What libgsasl is too trustful for is looked at before it: how many
 * iterations SCRAM asks for, and what is a challenge at all. Known limit: no channel binding
 * (SCRAM-...-PLUS).
 */
#include "probe/sasl.h"

#include "probe/base/arena.h"
#include "probe/base/base64.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/sasl_oauth.h"
#include "probe/sasl_said.h"

#include <assert.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HIDDEN_MOST 3

/* What no reply may show from now on, for the loop to put into the mask. */
struct hidden {
    struct secret *bytes;
    bool exact;
};

struct sasl {
    uv_loop_t *loop;
    uv_work_t work;
    sasl_done *done; /* null: nobody waits for the answer any more */
    void *context;
    bool busy;
    struct arena arena;
    const char *username, *token_file, *host;
    uint16_t port;
    struct secret *password, *token;

    enum auth_mechanism mechanism; /* COUNT = not begun */
    unsigned rounds;               /* answers given */
    struct secret *challenge;      /* as it came */
    Gsasl *library;
    Gsasl_session *session;
    struct secret *line;
    struct hidden hidden[HIDDEN_MOST];
    size_t hidden_count;
    struct mask *mask;
    struct auth_answer answer;
};

static void answer_simple(struct sasl *s, struct span challenge);
static void answer_scram(struct sasl *s, struct span challenge);
static void answer_oauth(struct sasl *s, struct span challenge);

static const struct {
    void (*answer)(struct sasl *s, struct span challenge);
    unsigned rounds;   /* so many answers there are at most */
    unsigned proof;    /* the one of them that is made of the secret */
    bool prepares;     /* username and password, with SASLprep */
    const char *marks; /* what stands before the proof within it, when the rest is no secret */
} mechanisms[AUTH_MECHANISM_COUNT] = {
    [AUTH_SCRAM_SHA_256] = {answer_scram, 3, 1, true, ",p="},
    [AUTH_SCRAM_SHA_1] = {answer_scram, 3, 1, true, ",p="},
    [AUTH_CRAM_MD5] = {answer_simple, 1, 0, true, " "},
    [AUTH_OAUTHBEARER] = {answer_oauth, 2, 0, false, NULL},
    [AUTH_XOAUTH2] = {answer_oauth, 2, 0, false, NULL},
    [AUTH_EXTERNAL] = {answer_simple, 1, 1, false, NULL},
    [AUTH_PLAIN] = {answer_simple, 1, 0, false, NULL},
    [AUTH_LOGIN] = {answer_simple, 2, 1, false, NULL},
};

/* ---- answers ---- */

static void refuse(struct sasl *s, enum auth_progress progress, const char *message)
{
    s->answer.progress = progress;
    s->answer.message = message;
}

static void hide(struct sasl *s, struct span bytes, bool exact)
{
    assert(s->hidden_count < HIDDEN_MOST);
    s->hidden[s->hidden_count++] = (struct hidden){secret_new(bytes), exact};
}

/* What shows the secret or can be searched for it: the response, and the proof in it; and a token that was
 * not known before. */
static void hide_response(struct sasl *s, struct span response)
{
    const char *marks = mechanisms[s->mechanism].marks;
    struct span proof = response;

    for (size_t len = marks ? strlen(marks) : 0, i = 0; len && i + len <= response.len; i++)
        if (memcmp(response.data + i, marks, len) == 0)
            proof = (struct span){response.data + i + len, response.len - i - len};
    if (s->token_file && auth_proof_of(s->mechanism) == AUTH_BY_TOKEN)
        hide(s, secret_bytes(s->token), false);
    hide(s, proof, false);
    hide(s, secret_bytes(s->line), true);
}

static void say(struct sasl *s, enum auth_progress progress, struct span response)
{
    size_t len = base64_len(response.len);

    if (len + 2 > SASL_MAX_LINE) {
        refuse(s, AUTH_UNABLE,
               arena_printf(&s->arena,
                            "the response would have %zu octets, more than the %d that a server must take",
                            len + 2, SASL_MAX_LINE));
        return;
    }
    char *text = mem_alloc(len + 1);
    base64_encode(response, text);
    s->line = secret_new((struct span){text, len});
    secret_wipe(text, len);
    free(text);
    s->answer.progress = progress;
    s->answer.line = secret_bytes(s->line);
    if (s->rounds == mechanisms[s->mechanism].proof)
        hide_response(s, response);
}

/* ---- libgsasl ---- */

static bool can_be_prepared(const char *text)
{
    char *prepared = NULL;
    int status = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL);

    if (prepared)
        secret_wipe(prepared, strlen(prepared));
    gsasl_free(prepared);
    return status == GSASL_OK;
}

/* Whether username and password are fit for it. What libgsasl cannot prepare is found before it does (of
 * CRAM-MD5 it would lose memory then, of SCRAM it would be in the middle of the exchange). */
static int check_words(struct sasl *s)
{
    struct span password = secret_bytes(s->password);
    bool prepares = mechanisms[s->mechanism].prepares;
    const char *message = NULL;

    if (auth_proof_of(s->mechanism) != AUTH_BY_PASSWORD)
        return 0;
    if (!s->password)
        message = "there is no password";
    else if (memchr(password.data, '\0', password.len))
        message = "the password has a NUL in it";
    else if (prepares && !can_be_prepared(password.data))
        message = "the password has characters that SASLprep (RFC 4013) does not allow";
    else if (prepares && !can_be_prepared(s->username))
        message = "the username has characters that SASLprep (RFC 4013) does not allow";
    if (message)
        refuse(s, AUTH_UNABLE, message);
    return message ? -1 : 0;
}

static int begin_session(struct sasl *s)
{
    struct span password = secret_bytes(s->password);

    if (check_words(s) < 0)
        return -1;
    if (gsasl_init(&s->library) != GSASL_OK ||
        gsasl_client_start(s->library, auth_name(s->mechanism), &s->session) != GSASL_OK ||
        gsasl_property_set(s->session, GSASL_AUTHID, s->username) != GSASL_OK ||
        gsasl_property_set_raw(s->session, GSASL_PASSWORD, password.data, password.len) != GSASL_OK ||
        (s->mechanism == AUTH_EXTERNAL && *s->username &&
         gsasl_property_set(s->session, GSASL_AUTHZID, s->username) != GSASL_OK)) {
        refuse(s, AUTH_UNABLE,
               arena_printf(&s->arena, "libgsasl cannot begin with %s", auth_name(s->mechanism)));
        return -1;
    }
    return 0;
}

static void refuse_step(struct sasl *s, int status)
{
    switch (status) {
    case GSASL_OK:
    case GSASL_NEEDS_MORE:
    case GSASL_MECHANISM_PARSE_ERROR:
    case GSASL_BASE64_ERROR: /* of a salt */
        refuse(s, AUTH_BAD_CHALLENGE,
               arena_printf(&s->arena, "the challenge is none of %s", auth_name(s->mechanism)));
        break;
    case GSASL_AUTHENTICATION_ERROR: /* only SCRAM looks at what a server knows */
        refuse(s, AUTH_SERVER_INVALID,
               s->rounds == 1 ? "the server's nonce does not begin with the client's"
                              : "the server's signature is wrong: it does not know the password");
        break;
    default:
        refuse(s, AUTH_UNABLE, arena_printf(&s->arena, "libgsasl: %s", gsasl_strerror(status)));
    }
}

static void step(struct sasl *s, struct span challenge)
{
    bool is_last = s->rounds + 1 == mechanisms[s->mechanism].rounds;
    char *out = NULL;
    size_t len = 0;

    if (!s->session && begin_session(s) < 0)
        return;
    int status = gsasl_step(s->session, challenge.data, challenge.len, &out, &len);
    if (status == (is_last ? GSASL_OK : GSASL_NEEDS_MORE))
        say(s, is_last ? AUTH_SAID : AUTH_MORE, (struct span){out, len});
    else
        refuse_step(s, status);
    if (out)
        secret_wipe(out, len);
    gsasl_free(out);
}

static void answer_simple(struct sasl *s, struct span challenge)
{
    step(s, challenge);
}

static bool begins_with(struct span text, const char *start)
{
    size_t len = strlen(start);

    return text.len >= len && memcmp(text.data, start, len) == 0;
}

/* RFC 5802 section 5: client-first, client-final, and nothing once the server has proved itself. */
static void answer_scram(struct sasl *s, struct span challenge)
{
    if (s->rounds == 1 && sasl_said_too_many(challenge, SASL_MAX_ITERATIONS)) {
        refuse(s, AUTH_SERVER_INVALID,
               arena_printf(&s->arena, "the server wants more than %d iterations of SCRAM",
                            SASL_MAX_ITERATIONS));
        return;
    }
    if (s->rounds == 2 && begins_with(challenge, "e=")) { /* a refusal in its own words; a reply follows */
        s->answer.progress = AUTH_MORE;
        s->answer.detail = sasl_said_shown(challenge, s->mask, SASL_MAX_DETAIL, &s->arena);
        return;
    }
    step(s, challenge);
    if (s->rounds == 2 && s->answer.progress == AUTH_BAD_CHALLENGE && begins_with(challenge, "v="))
        refuse_step(s, GSASL_AUTHENTICATION_ERROR);
}

/* ---- OAuth ---- */

static int take_token(struct sasl *s)
{
    const char *message = NULL;

    if (!text_is_clean(span_of(s->username))) {
        message = "the username has control characters, which OAuth does not allow";
    } else if (s->token_file) {
        secret_free(s->token);
        s->token = sasl_oauth_read_token(s->token_file, &s->arena, &message);
    } else if (!s->token) {
        message = "there is no token";
    } else if (!sasl_oauth_is_token(secret_bytes(s->token))) {
        message = "the token is none: a token is one word of printable ASCII characters";
    }
    if (message)
        refuse(s, AUTH_UNABLE, message);
    return message ? -1 : 0;
}

static void say_token(struct sasl *s)
{
    if (take_token(s) < 0)
        return;
    const char *head = sasl_oauth_head(s->mechanism, s->username, s->host, s->port, &s->arena);
    struct span token = secret_bytes(s->token);
    size_t size = strlen(head) + token.len + sizeof SASL_OAUTH_TAIL;
    char *text = mem_alloc(size);
    int len = snprintf(text, size, "%s%s%s", head, token.data, SASL_OAUTH_TAIL);
    say(s, AUTH_SAID, (struct span){text, (size_t)len});
    secret_wipe(text, size);
    free(text);
}

/* The token, and when the server says in a challenge why it does not like it: as good as nothing (RFC 7628
 * section 3.2.3), so that it can say so in a reply too. */
static void answer_oauth(struct sasl *s, struct span challenge)
{
    if (s->rounds == 0) {
        say_token(s);
        return;
    }
    s->answer.detail = sasl_said_shown(challenge, s->mask, SASL_MAX_DETAIL, &s->arena);
    say(s, AUTH_SAID, span_of(sasl_oauth_acknowledgement(s->mechanism)));
}

/* ---- a question, on a thread ---- */

static void answer_challenge(struct sasl *s)
{
    struct span text = secret_bytes(s->challenge);
    char *challenge = mem_alloc(text.len + 1);
    int len = text.len <= SASL_MAX_CHALLENGE ? base64_decode(text, challenge) : -1;

    if (len < 0)
        refuse(s, AUTH_BAD_CHALLENGE, "the challenge is not base64");
    else if (s->rounds >= mechanisms[s->mechanism].rounds)
        refuse(s, AUTH_BAD_CHALLENGE,
               arena_printf(&s->arena, "there is a challenge after the end of %s", auth_name(s->mechanism)));
    else
        mechanisms[s->mechanism].answer(s, (struct span){challenge, (size_t)len});
    s->rounds++;
    secret_wipe(challenge, text.len);
    free(challenge);
}

static void on_thread(uv_work_t *work)
{
    answer_challenge(work->data);
}

/* ---- on the loop ---- */

static void wipe_properties(struct sasl *s)
{
    static const Gsasl_property secrets[] = {GSASL_PASSWORD, GSASL_SCRAM_SALTED_PASSWORD,
                                             GSASL_SCRAM_SERVERKEY, GSASL_SCRAM_STOREDKEY};

    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        const char *value = gsasl_property_fast(s->session, secrets[i]);
        if (value)
            secret_wipe((char *)value, strlen(value)); /* the session's own copy */
        gsasl_property_free(s->session, secrets[i]);
    }
}

static void release(struct sasl *s)
{
    if (s->session) {
        wipe_properties(s);
        gsasl_finish(s->session);
    }
    if (s->library)
        gsasl_done(s->library);
    for (size_t i = 0; i < s->hidden_count; i++)
        secret_free(s->hidden[i].bytes);
    secret_free(s->password);
    secret_free(s->token);
    secret_free(s->challenge);
    secret_free(s->line);
    mask_free(s->mask);
    arena_free(&s->arena);
    free(s);
}

static void after_thread(uv_work_t *work, int status)
{
    struct sasl *s = work->data;

    (void)status; /* only what nobody waits for is cancelled */
    s->busy = false;
    if (!s->done) {
        release(s);
        return;
    }
    for (size_t i = 0; i < s->hidden_count; i++) {
        (s->hidden[i].exact ? mask_add_exact : mask_add)(s->mask, secret_bytes(s->hidden[i].bytes));
        secret_free(s->hidden[i].bytes);
    }
    s->hidden_count = 0;
    s->done(s->context, &s->answer);
}

static struct secret *copy_secret(const struct secret *s)
{
    return s ? secret_new(secret_bytes(s)) : NULL;
}

struct sasl *sasl_new(uv_loop_t *loop, const struct auth_login *login, const char *host, uint16_t port)
{
    struct sasl *s = mem_alloc(sizeof *s);

    s->loop = loop;
    s->work.data = s;
    s->mechanism = AUTH_MECHANISM_COUNT;
    s->username = arena_dup(&s->arena, login->username ? login->username : "");
    s->token_file = arena_dup(&s->arena, login->token_file);
    s->host = arena_dup(&s->arena, host);
    s->port = port;
    s->password = copy_secret(login->password);
    s->token = copy_secret(login->token);
    s->mask = mask_new();
    mask_add(s->mask, secret_bytes(s->password));
    mask_add(s->mask, secret_bytes(s->token));
    return s;
}

const struct mask *sasl_mask(const struct sasl *s)
{
    return s->mask;
}

void sasl_ask(struct sasl *s, const struct auth_question *question, sasl_done *done, void *context)
{
    assert(!s->busy && done);
    if (s->mechanism == AUTH_MECHANISM_COUNT)
        s->mechanism = question->mechanism;
    assert(s->mechanism == question->mechanism && s->mechanism < AUTH_MECHANISM_COUNT);
    secret_free(s->challenge);
    secret_free(s->line);
    s->challenge = secret_new(span_of(question->challenge));
    s->line = NULL;
    s->answer = (struct auth_answer){.line = span_of(""), .mask = s->mask};
    s->busy = true;
    s->done = done;
    s->context = context;
    uv_queue_work(s->loop, &s->work, on_thread, after_thread);
}

void sasl_free(struct sasl *s)
{
    if (s && s->busy) {
        s->done = NULL;
        uv_cancel((uv_req_t *)&s->work);
    } else if (s) {
        release(s);
    }
}

const char *sasl_version(void)
{
    return gsasl_check_version(NULL);
}

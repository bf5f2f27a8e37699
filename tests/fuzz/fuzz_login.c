/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz_login.h"

#include "server/render/metrics.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

void fuzz_login_begin(struct fuzz_login *login)
{
    *login = (struct fuzz_login){.mask = mask_new()};
}

void fuzz_login_end(struct fuzz_login *login)
{
    mask_free(login->mask);
}

static const char *long_line(void)
{
    static char line[FUZZ_LONG_LINE + 1];

    for (size_t i = 0; i < FUZZ_LONG_LINE; i++)
        line[i] = FUZZ_SECRET_BASE64[i % (sizeof(FUZZ_SECRET_BASE64) - 1)];
    return line;
}

static struct auth_answer first_answer(enum auth_mechanism mechanism)
{
    const char *line = mechanism == AUTH_EXTERNAL  ? ""
                       : mechanism == AUTH_XOAUTH2 ? long_line()
                                                   : FUZZ_SECRET_BASE64;
    bool is_scram = mechanism == AUTH_SCRAM_SHA_256 || mechanism == AUTH_SCRAM_SHA_1;

    return (struct auth_answer){.progress = is_scram ? AUTH_MORE : AUTH_SAID, .line = span_of(line)};
}

static struct auth_answer answer_to(const char *challenge)
{
    struct auth_answer answer = {.progress = AUTH_SAID, .line = span_of(FUZZ_SECRET_BASE64)};

    switch (*challenge) {
    case 'B':
        answer = (struct auth_answer){.progress = AUTH_BAD_CHALLENGE, .message = "a bad one"};
        break;
    case 'I':
        answer = (struct auth_answer){.progress = AUTH_SERVER_INVALID, .message = "an invalid one"};
        break;
    case 'U':
        answer = (struct auth_answer){.progress = AUTH_UNABLE, .message = "ehlod is unable"};
        break;
    case 'M':
        answer.progress = AUTH_MORE;
        break;
    case 'E':
        answer.line = span_of("");
        answer.detail = "an error";
        break;
    default:
        break;
    }
    return answer;
}

void fuzz_login_answer(struct fuzz_login *login, struct client *client, int64_t now_us)
{
    struct auth_question q = client_question(client);
    struct auth_answer answer = q.first ? first_answer(q.mechanism) : answer_to(q.challenge);

    fuzz_require(q.mechanism < AUTH_MECHANISM_COUNT && q.challenge, "a question is whole");
    fuzz_require(!q.first || auth_client_speaks_first(q.mechanism), "who speaks first has to say something");
    if (!login->asked)
        mask_add(login->mask, span_of(FUZZ_SECRET));
    login->asked = true;
    answer.mask = login->mask;
    client_answered(client, &answer, now_us);
}

static bool shows_secret(struct span text)
{
    return memmem(text.data, text.len, FUZZ_SECRET, sizeof(FUZZ_SECRET) - 1) ||
           memmem(text.data, text.len, FUZZ_SECRET_BASE64, sizeof(FUZZ_SECRET_BASE64) - 1);
}

void fuzz_login_said(struct fuzz_login *login, struct span bytes)
{
    size_t most = sizeof(login->said) - 1;

    for (size_t i = 0; i < bytes.len && !login->leaked && !login->asked; i++) {
        if (login->said_len == most)
            memmove(login->said, login->said + 1, --login->said_len);
        login->said[login->said_len++] = bytes.data[i];
        login->leaked = shows_secret((struct span){login->said, login->said_len});
    }
}

static bool is_response(const char *line)
{
    return strcmp(line, "") == 0 || strcmp(line, "*") == 0 || strcmp(line, FUZZ_SECRET_BASE64) == 0 ||
           strcmp(line, long_line()) == 0;
}

/* "AUTH X", "AUTH X RESPONSE" */
static bool is_auth(struct fuzz_login *login, const char *line)
{
    if (strncmp(line, "AUTH ", 5) != 0)
        return false;
    size_t len = strcspn(line + 5, " ");
    fuzz_require(!login->heard, "AUTH is said once");
    fuzz_require(auth_by_name((struct span){line + 5, len}) < AUTH_MECHANISM_COUNT, "by a mechanism of ours");
    const char *rest = line + 5 + len;
    fuzz_require(!*rest || strcmp(rest, " =") == 0 || is_response(rest + 1), "and what was answered");
    login->heard = true;
    return true;
}

bool fuzz_login_is_line(struct fuzz_login *login, const struct plan *plan, const char *line, bool challenged,
                        bool secured)
{
    bool is_response_here = login->heard && challenged && is_response(line);

    if (!is_response_here && !is_auth(login, line))
        return false;
    fuzz_require(plan->login.wanted, "a login is said only where one is wanted");
    fuzz_require(secured || plan->login.allow_plaintext, "nothing of a login is said without TLS");
    return true;
}

void fuzz_login_check(const struct fuzz_login *login, const struct result *r)
{
    const struct render_set set = {.results = &r, .count = 1};
    struct buffer out;

    if (login->leaked)
        return;
    buffer_init(&out, 4 * RENDER_MAX_RESULT);
    json_result(&out, r, r->ended_mono_us);
    text_result(&out, r, r->ended_mono_us);
    metrics_probe(&out, r, EXPOSITION_TEXT);
    nagios_set(&out, &set);
    fuzz_require(!out.full && !shows_secret(buffer_span(&out)), "a secret is shown nowhere");
    buffer_free(&out);
}

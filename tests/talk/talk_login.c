/* SPDX-License-Identifier: Apache-2.0 */
/* What the login of a talk is made with, how it is answered, and that nothing of it can be seen. */
#include "tests/talk/talk_login.h"

#include "probe/base/base64.h"
#include "probe/base/mem.h"
#include "probe/proto/client.h"
#include "probe/sasl.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define MOST_SECRETS 32

/* Secrets live as long as the program: talks are not freed one by one. */
static const struct secret *secret_of(const char *text)
{
    static struct secret *known[MOST_SECRETS];
    size_t i = 0;

    while (i < MOST_SECRETS && known[i] && !span_is(secret_bytes(known[i]), text))
        i++;
    if (i < MOST_SECRETS && !known[i])
        known[i] = secret_new(span_of(text));
    return i < MOST_SECRETS ? known[i] : NULL;
}

const char *talk_login_read(struct talk *talk, const char *key, const char *value)
{
    struct auth_login *login = &talk->plan.login;

    login->wanted = true;
    if (strcmp(key, "username") == 0)
        login->username = value;
    else if (strcmp(key, "password") == 0)
        login->password = secret_of(value);
    else if (strcmp(key, "token") == 0)
        login->token = secret_of(value);
    else if (strcmp(key, "mechanism") == 0)
        login->mechanism = auth_by_name(span_of(value));
    else if (strcmp(key, "allow_plaintext") == 0)
        login->allow_plaintext = strcmp(value, "true") == 0;
    else if (strcmp(key, "expect") == 0)
        login->rejected = strcmp(value, "rejected") == 0;
    else if (strcmp(key, "certificate") == 0)
        login->has_certificate = strcmp(value, "true") == 0;
    else
        return "unknown key";
    return NULL;
}

/* seen */

static const char *in_base64(struct arena *a, struct span bytes)
{
    size_t len = base64_len(bytes.len);
    char *text = arena_alloc(a, len + 1);

    base64_encode(bytes, text);
    return text;
}

static bool shows(struct arena *a, const struct secret *secret, const char *text)
{
    struct span bytes = secret_bytes(secret);

    return text && bytes.len &&
           (memmem(text, strlen(text), bytes.data, bytes.len) || strstr(text, in_base64(a, bytes)));
}

static const char *find(struct arena *a, const struct secret *secret, const struct result *r)
{
    if (shows(a, secret, r->failure.message) || shows(a, secret, r->summary) || shows(a, secret, r->login))
        return "  a secret is in the failure, or the summary\n";
    for (size_t i = 0; i < r->extension_count; i++)
        if (shows(a, secret, r->extensions[i].params))
            return "  a secret is in what EHLO offered\n";
    for (size_t i = 0; i < r->command_count; i++) {
        const struct result_command *c = &r->commands[i];
        if (shows(a, secret, c->sent))
            return "  a secret is in what is shown as sent\n";
        for (size_t k = 0; k < c->reply.line_count; k++)
            if (shows(a, secret, c->reply.lines[k]))
                return "  a secret is in a reply\n";
    }
    return NULL;
}

const char *talk_login_check(struct arena *a, const struct talk *talk, const struct result *r)
{
    const char *found = find(a, talk->plan.login.password, r);

    return found ? found : find(a, talk->plan.login.token, r);
}

/* answered */

struct talk_login {
    uv_loop_t loop;
    struct sasl *sasl;
    struct client *client;
    int64_t now_us;
};

struct talk_login *talk_login_new(const struct plan *plan)
{
    if (!plan->login.wanted)
        return NULL;
    struct talk_login *login = mem_alloc(sizeof(*login));
    uv_loop_init(&login->loop);
    login->sasl = sasl_new(&login->loop, &plan->login, plan->host, plan->port);
    return login;
}

void talk_login_free(struct talk_login *login)
{
    if (!login)
        return;
    sasl_free(login->sasl);
    uv_run(&login->loop, UV_RUN_DEFAULT);
    uv_loop_close(&login->loop);
    free(login);
}

static void on_answer(void *context, const struct auth_answer *answer)
{
    struct talk_login *login = context;

    client_answered(login->client, answer, login->now_us);
}

void talk_login_answer(struct talk_login *login, struct client *client, int64_t now_us)
{
    struct auth_question question = client_question(client);

    login->client = client;
    login->now_us = now_us;
    sasl_ask(login->sasl, &question, on_answer, login);
    uv_run(&login->loop, UV_RUN_DEFAULT);
}

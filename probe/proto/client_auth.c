/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in as a part of the dialogue (RFC 4954): whether it may be begun, when the server's challenges are
 * handed on, what its replies mean. What is answered, and the secrets, are somebody else's (SEAM_ANSWER):
 * here a response is a line that goes out once and is wiped. Nothing of a login is said without TLS, whatever
 * the mechanism, unless the target allows it. Which mechanism is client_auth_choose.c's.
 */
#include "probe/base/base64.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/proto/client_step.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the response on its way */

void client_auth_wipe(struct client *c)
{
    struct client_auth *auth = &c->auth;

    if (auth->line)
        explicit_bzero(auth->line, auth->line_len);
    free(auth->line);
    auth->line = NULL;
    auth->line_len = 0;
    auth->held = false;
    c->output = span_of("");
}

/* Keeps "PREFIX RESPONSE CRLF" until it is sent. */
static void keep_line(struct client *c, struct span prefix, struct span response)
{
    struct client_auth *auth = &c->auth;
    size_t len = prefix.len + response.len;

    client_auth_wipe(c);
    auth->line_len = len + 2;
    auth->line = mem_alloc(auth->line_len);
    memcpy(auth->line, prefix.data, prefix.len);
    if (response.len)
        memcpy(auth->line + prefix.len, response.data, response.len);
    memcpy(auth->line + len, "\r\n", 2);
}

/* Told without decoding it: what it holds is nowhere but in the line. */
static bool is_base64(struct span text)
{
    size_t len = text.len;

    while (len > 0 && text.len - len < 2 && text.data[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++)
        if (!memchr(BASE64_ALPHABET, text.data[i], sizeof(BASE64_ALPHABET) - 1))
            return false;
    return text.len % 4 == 0;
}

/* asking for a response */

static void ask(struct client *c)
{
    c->want = SEAM_ANSWER;
    c->limit_at_us = CLOCK_NEVER; /* it is ehlod that is at work */
}

bool client_auth_is_answering(const struct client *c)
{
    return c->want == SEAM_ANSWER;
}

struct auth_question client_question(const struct client *c)
{
    const struct client_auth *auth = &c->auth;

    return (struct auth_question){
        .mechanism = auth->mechanism, .first = !auth->open, .challenge = auth->open ? auth->challenge : ""};
}

/* saying it */

/* From here on the reply is to a line that the client has made. */
static void speak(struct client *c, const char *shown)
{
    struct client_auth *auth = &c->auth;

    auth->open = auth->held = false;
    auth->spoke = true;
    auth->said = auth->progress == AUTH_SAID;
    if (auth->line_len > auth->longest)
        auth->longest = auth->line_len;
    client_say(c, shown, (struct span){auth->line, auth->line_len});
}

/* AUTH alone; a response that is there waits for the server's 334. */
static void say_alone(struct client *c)
{
    const char *name = auth_name(c->auth.mechanism);
    char *line = command_build(c->arena, "AUTH ", name, COMMAND_END);

    c->auth.held = c->auth.line != NULL;
    client_say(c, line, client_wire(c, line));
}

/* RFC 4954 section 4: an initial response that is empty is "=", and one that does not fit is sent later. */
static void say_auth(struct client *c, struct span response)
{
    const char *name = auth_name(c->auth.mechanism);
    char prefix[COMMAND_MAX_LINE];
    int len = snprintf(prefix, sizeof(prefix), "AUTH %s ", name);
    bool fits = (size_t)len + response.len + 2 <= COMMAND_MAX_LINE;

    if (!fits) {
        keep_line(c, span_of(""), response);
        say_alone(c);
        return;
    }
    keep_line(c, (struct span){prefix, (size_t)len}, response.len ? response : span_of("="));
    speak(c, arena_printf(c->arena, "%s%s", prefix, response.len ? SECRET_SHOWN : "="));
}

static void say_response(struct client *c)
{
    speak(c, arena_dup(c->arena, c->auth.line_len > 2 ? SECRET_SHOWN : ""));
}

/* Does what the step is entered for: chooses, or goes on with the challenge that came. */
void client_auth_begin(struct client *c)
{
    struct client_auth *auth = &c->auth;
    const char *message;

    if (auth->open && auth->held) {
        say_response(c);
        return;
    }
    if (auth->open) {
        ask(c);
        return;
    }
    auth->begun = true;
    enum reason reason = client_auth_choose(c, &auth->mechanism, &message);
    if (reason != REASON_NONE) {
        client_fail(c, reason, NULL, message);
        client_enter(c, STEP_QUIT);
    } else if (auth_client_speaks_first(auth->mechanism)) {
        ask(c);
    } else {
        say_alone(c);
    }
}

/* no response */

static enum client_step_id give_up(struct client *c, enum reason reason, const char *message)
{
    struct result_command *last = client_last_command(c);
    bool by_server = reason != REASON_LOCAL_RESOURCE && c->auth.open;

    if (by_server)
        last->ok = false;
    if (by_server && strcmp(last->expected, "334") == 0)
        last->expected = "334 with a challenge that can be answered";
    client_fail(c, reason, by_server ? &last->reply : NULL,
                arena_printf(c->arena, "AUTH %s: %s", auth_name(c->auth.mechanism), message));
    c->auth.failed_us = c->draft->duration_us;
    client_auth_wipe(c);
    return c->auth.open ? STEP_AUTH_CANCEL : STEP_QUIT;
}

/* A challenge that makes sense, but for which no mechanism has an answer any more. */
static bool goes_on_asking(const struct client *c)
{
    return c->auth.open && c->auth.said && is_base64(span_of(c->auth.challenge));
}

void client_answered(struct client *c, const struct auth_answer *answer, int64_t now_us)
{
    static const enum reason reasons[] = {[AUTH_MORE] = REASON_NONE,
                                          [AUTH_SAID] = REASON_NONE,
                                          [AUTH_BAD_CHALLENGE] = REASON_BAD_CHALLENGE,
                                          [AUTH_SERVER_INVALID] = REASON_SERVER_INVALID,
                                          [AUTH_UNABLE] = REASON_LOCAL_RESOURCE};

    if (c->want != SEAM_ANSWER)
        return;
    client_hide(c, answer->mask);
    if (now_us > client_deadline(c)) {
        client_expire(c, now_us);
        return;
    }
    client_tell_time(c, now_us);
    if (answer->progress == AUTH_BAD_CHALLENGE && goes_on_asking(c)) {
        client_enter(c, give_up(c, REASON_TOO_MANY_ROUNDS, "the server goes on asking though all is said"));
        return;
    }
    if (reasons[answer->progress] != REASON_NONE) {
        client_enter(c, give_up(c, reasons[answer->progress], answer->message));
        return;
    }
    assert(is_base64(answer->line));
    c->auth.progress = answer->progress;
    c->auth.detail = c->plan->hide_replies ? NULL : arena_dup(c->arena, answer->detail);
    if (!c->auth.open) {
        say_auth(c, answer->line);
        return;
    }
    keep_line(c, span_of(""), answer->line);
    say_response(c);
}

/* the rows */

bool client_auth_applies(const struct client *c)
{
    return c->plan->login.wanted && !c->auth.begun && c->plan->stop_after >= PHASE_AUTH;
}

bool client_auth_is_open(const struct client *c)
{
    return c->auth.open;
}

const char *client_auth_expected(struct client *c)
{
    if (!c->auth.said)
        return "334";
    return c->plan->login.rejected ? "5xx" : "235";
}

char *client_auth_send_cancel(struct client *c)
{
    return command_build(c->arena, "*", COMMAND_END);
}

const char *client_auth_cancel_expected(struct client *c)
{
    (void)c;
    return "501";
}

/* Whatever it says, the failure is known. */
enum client_step_id client_auth_got_cancel(struct client *c, struct result_command *command)
{
    command->ok = command->reply.code == 501;
    c->draft->duration_us = c->auth.failed_us;
    return command->ok ? STEP_QUIT : client_step_refused(c, command, "*");
}

/* replies */

static enum client_step_id got_challenge(struct client *c, struct result_command *command)
{
    struct client_auth *auth = &c->auth;

    command->ok = strcmp(command->expected, "334") == 0;
    auth->open = true;
    auth->challenge = c->parser.challenge;
    if (command->reply.line_count != 1)
        return give_up(c, REASON_BAD_CHALLENGE, "a challenge is one line, and this one has several");
    if (auth->rounds++ == PLAN_MAX_ROUNDS)
        return give_up(
            c, REASON_TOO_MANY_ROUNDS,
            arena_printf(c->arena, "the server goes on asking after %d responses", PLAN_MAX_ROUNDS));
    if (auth->held && *auth->challenge)
        return give_up(c, REASON_BAD_CHALLENGE,
                       "a challenge where an empty one was due, as the client speaks first");
    return STEP_AUTH_RESPONSE;
}

/* "as probe with PLAIN" */
static const char *say_who(struct client *c)
{
    const char *name = auth_name(c->auth.mechanism);
    const char *user = c->plan->login.username;

    if (!user || !*user)
        return arena_printf(c->arena, "with %s", name);
    return arena_printf(c->arena, "as %s with %s", client_say_cut(c->arena, user), name);
}

static enum client_step_id got_success(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (!c->auth.said) {
        client_fail(c, REASON_UNEXPECTED_SUCCESS, reply,
                    arena_printf(c->arena, "the login %s succeeded before it was %s: %s", say_who(c),
                                 c->auth.spoke ? "complete" : "made", client_say_quote(c, reply)));
        return STEP_QUIT;
    }
    if (c->plan->login.rejected) {
        client_fail(c, REASON_ACCEPTED, reply,
                    arena_printf(c->arena, "the login %s was accepted: wanted 5xx, got %s", say_who(c),
                                 client_say_quote(c, reply)));
        return STEP_QUIT;
    }
    command->ok = true;
    if (reply->code != 235)
        client_note(c, FLAG_AUTH_CODE);
    const char *user = c->plan->login.username;
    c->draft->login = arena_printf(c->arena, "%s%s(%s)", user ? user : "", user && *user ? " " : "",
                                   auth_name(c->auth.mechanism));
    return STEP_MAIL;
}

/* Of the command, the mechanism or the connection, not of who logs in (RFC 4954 section 6, RFC 5321 section
 * 4.2.3). */
static bool refuses_the_way(int code)
{
    return (code >= 500 && code <= 504) || code == 530 || code == 534 || code == 538;
}

/* What else there is to say of a refusal. */
static const char *say_more(struct client *c, int code)
{
    const struct client_auth *auth = &c->auth;

    if (c->plan->login.rejected)
        return "; this does not show whether the login itself would be";
    if (auth->detail)
        return arena_printf(c->arena, " (%s)", client_say_cut(c->arena, auth->detail));
    if (code == 500 && auth->longest > COMMAND_MAX_LINE)
        return arena_printf(c->arena, " (a line had %zu octets: the server may take none so long)",
                            auth->longest);
    return "";
}

static enum client_step_id got_refusal(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;
    bool for_now = reply->code < 500;

    if (c->plan->login.rejected && c->auth.spoke && !for_now && !refuses_the_way(reply->code)) {
        command->expected = "5xx"; /* also where a challenge might have come first */
        command->ok = true;
        return STEP_MAIL;
    }
    client_fail(c, REASON_FAILED, reply,
                arena_printf(c->arena, "the login %s was refused%s: %s%s", say_who(c),
                             for_now ? " for now" : "", client_say_quote(c, reply),
                             say_more(c, reply->code)));
    return STEP_QUIT;
}

/* To the server's mind there was a login before, or it is too early for one: that refuses nobody. */
static enum client_step_id got_out_of_turn(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    client_fail(c, REASON_UNEXPECTED_REPLY, reply,
                arena_printf(c->arena, "to the server the login %s is out of turn: %s", say_who(c),
                             client_say_quote(c, reply)));
    return STEP_QUIT;
}

enum client_step_id client_auth_got(struct client *c, struct result_command *command)
{
    int code = command->reply.code;
    enum client_step_id next;

    if (code == 334)
        return got_challenge(c, command);
    if (code / 100 == 2)
        next = got_success(c, command);
    else if (code / 100 == 3)
        next = client_step_refused(c, command, arena_printf(c->arena, "the login %s was", say_who(c)));
    else if (code == 503)
        next = got_out_of_turn(c, command);
    else
        next = got_refusal(c, command);
    client_auth_wipe(c);
    return next;
}

/* what is shown */

/* A challenge, and whatever of one came, lets a reader of a SCRAM exchange guess at the password. A part of
 * it may be masked already. */
static const char *hide_line(struct arena *a, const struct result_reply *reply, const char *line)
{
    bool has_code = strncmp(line, "334", 3) == 0 && (line[3] == ' ' || line[3] == '-'); /* it broke off */
    const char *text = has_code ? line + 4 : line;
    bool is_challenge = text[strspn(text, BASE64_ALPHABET "=" SECRET_SHOWN)] == '\0';

    if (!*text || !is_challenge || (!has_code && reply->code != 334))
        return line;
    if (has_code)
        return arena_printf(a, "%.4s" SECRET_SHOWN, line);
    return strchr(line, '*') || is_base64(span_of(line)) ? SECRET_SHOWN : line;
}

void client_auth_hide(struct arena *a, struct result_reply *reply)
{
    if (reply->line_count == 0)
        return;
    /* room for one line more, as the parser leaves it */
    const char **lines = arena_alloc(a, (reply->line_count + 1) * 2 * sizeof(*lines));
    for (size_t i = 0; i < reply->line_count; i++)
        lines[i] = hide_line(a, reply, reply->lines[i]);
    reply->lines = lines;
}

const char *client_auth_say_asked(const struct result_command *command)
{
    if (strncmp(command->sent, "AUTH", 4) == 0)
        return command->sent;
    return strcmp(command->sent, "*") == 0 ? "* (the login was cancelled)" : "a response of the login";
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that play what somebody wrote by hand (probe/proto/dialogue.h): each line when the reply to the
 * one before is whole, DATA with its message, STARTTLS with TLS. A reply is good when it is as the script
 * wants it, else when it is 2xx or 3xx; one that is not good ends the script. What was said after AUTH, or in
 * answer to a 334, is shown as ***.
 */
#include "probe/base/base64.h"
#include "probe/base/mask.h"
#include "probe/base/text.h"
#include "probe/proto/client_step.h"

#include <string.h>

/* Shorter secrets are not looked for in replies: they would be found in any word. */
#define LEAST_HIDDEN 4

static const struct client_step rows[PHASE_COUNT];

static const struct plan_line *next_line(const struct client *c)
{
    const struct plan_script *script = c->plan->script;

    return script && c->line < script->count ? &script->lines[c->line] : NULL;
}

/* The line that was said last. */
static const struct plan_line *present(const struct client *c)
{
    return &c->plan->script->lines[c->line - 1];
}

/* A QUIT whose reply nobody judges is the step of that name. */
static bool is_plain_quit(const struct plan_line *line)
{
    return line->kind == PLAN_LINE_QUIT && !line->wish.number;
}

/* A message is not left half done: where it may not be sent, DATA is not said. */
static enum phase reaches(const struct plan_line *line, enum phase phase)
{
    return line->kind == PLAN_LINE_DATA ? PHASE_FINAL : phase;
}

/* The phase that the next line counts to. */
static enum phase phase_of(const struct client *c, const struct plan_line *line)
{
    if (c->challenged)
        return PHASE_AUTH;
    if (line->phase != PHASE_COUNT)
        return line->phase;
    return c->replied;
}

bool client_script_applies(const struct client *c)
{
    const struct plan_line *line = next_line(c);

    return line && (!is_plain_quit(line) || c->challenged) &&
           reaches(line, phase_of(c, line)) <= c->plan->stop_after;
}

bool client_script_is_line(const struct client *c)
{
    return c->step == &rows[c->step->phase];
}

bool client_script_is_hello(const struct client *c)
{
    return client_script_is_line(c) && present(c)->kind == PLAN_LINE_HELLO;
}

struct span client_script_wire(const struct client *c)
{
    return present(c)->wire;
}

const char *client_script_quit(const struct client *c)
{
    const struct plan_line *line = next_line(c);

    return line && is_plain_quit(line) && line->wire.len <= COMMAND_MAX_LINE ? line->shown : NULL;
}

const char *client_script_say(const struct client *c, struct arena *a, const char *message)
{
    if (!c->plan->script || c->line == 0)
        return message;
    bool is_text = c->step->phase == PHASE_MESSAGE || c->step == &client_step_table[STEP_TEXT_REPLY];
    return arena_printf(a, "line %u: %s", is_text ? present(c)->dot : present(c)->number, message);
}

/* the rule */

/* A wish is met by code, enhanced code and text together: by the text as it came, whatever is hidden of it.
 */
static bool is_met(const struct client *c, const struct plan_wish *wish, const struct result_reply *reply)
{
    const char *escaped = text_escape(c->arena, span_of(wish->text)); /* as a line holds it that had to be */

    if (wish->code ? wish->code != reply->code : wish->class != reply->code / 100)
        return false;
    if (wish->enhanced.class && !enhanced_same(wish->enhanced, reply->enhanced))
        return false;
    for (size_t i = 0; i < reply->line_count; i++)
        if (strstr(c->parser.lines[i], wish->text) || strstr(c->parser.lines[i], escaped))
            return true;
    return !*wish->text;
}

static enum reason refusal(enum phase phase, int code)
{
    if (phase == PHASE_STARTTLS)
        return REASON_REFUSED;
    return code / 100 == 4 ? REASON_DEFERRED : REASON_REJECTED;
}

/* The code without which a line of that kind leads nowhere; 0 = there is none. */
static int needed(enum plan_line_kind kind)
{
    return kind == PLAN_LINE_DATA ? 354 : kind == PLAN_LINE_STARTTLS ? 220 : 0;
}

static enum reason judge(const struct client *c, const struct plan_wish *wish, enum phase phase, int code,
                         const struct result_reply *reply)
{
    bool good = reply->code < 400;

    if (!wish->number && good)
        return code && reply->code != code ? REASON_UNEXPECTED_REPLY : REASON_NONE;
    if (wish->number && is_met(c, wish, reply))
        return REASON_NONE;
    if (wish->number && wish->class >= 4)
        return good ? REASON_ACCEPTED : REASON_WRONG_REPLY;
    return good ? REASON_WRONG_REPLY : refusal(phase, reply->code);
}

static const char *wanted(struct client *c, const struct plan_wish *wish, int code)
{
    if (wish->number)
        return wish->shown;
    return code ? arena_printf(c->arena, "%d", code) : "2xx or 3xx";
}

static const char *sentence(struct client *c, enum reason reason, const char *what, const char *hope,
                            const struct result_reply *reply)
{
    const char *got = client_say_quote(c, reply);

    what = client_say_cut(c->arena, what);
    if (reason == REASON_ACCEPTED)
        return arena_printf(c->arena, "%s was accepted but must be refused: wanted %s, got %s", what, hope,
                            got);
    if (reason == REASON_WRONG_REPLY || reason == REASON_UNEXPECTED_REPLY)
        return arena_printf(c->arena, "%s: wanted %s, got %s", what, hope, got);
    return arena_printf(c->arena, "%s was refused%s: %s", what, reply->code / 100 == 4 ? " for now" : "",
                        got);
}

/* The reply ends the script. */
static enum client_step_id stop(struct client *c, enum reason reason, const char *what, const char *hope,
                                const struct result_reply *reply)
{
    client_fail(c, reason, reply, sentence(c, reason, what, hope, reply));
    return c->step->phase == PHASE_QUIT ? STEP_END : client_step_farewell(reply);
}

/* The reply was good: how to go on. Behind a 3xx the server may take QUIT for what it waits for. */
static enum client_step_id go_on(struct client *c, const struct result_reply *reply)
{
    const struct plan_line *line = next_line(c);

    if (c->step->phase == PHASE_QUIT)
        return STEP_END;
    if (c->closing && line && !is_plain_quit(line))
        client_fail(c, reply->code / 100 == 4 ? REASON_DEFERRED : REASON_UNEXPECTED_REPLY, reply,
                    arena_printf(c->arena, "the server ended the session, and line %u was not said: %s",
                                 line->number, client_say_quote(c, reply)));
    if (c->closing)
        return STEP_QUIT;
    if (client_script_applies(c))
        return STEP_LINE;
    return reply->code / 100 == 3 && !client_script_quit(c) ? STEP_END : STEP_QUIT;
}

/* the greeting */

bool client_script_expects(const struct client *c)
{
    return c->plan->script && c->plan->script->banner.number;
}

const char *client_script_wanted_banner(struct client *c)
{
    return c->plan->script->banner.shown;
}

enum client_step_id client_script_got_banner(struct client *c, struct result_command *command)
{
    const struct plan_wish *wish = &c->plan->script->banner;
    const struct result_reply *reply = &command->reply;
    enum reason reason = judge(c, wish, PHASE_BANNER, 0, reply);

    if (reply->code / 100 == 2)
        client_step_greeted(c, reply);
    if (reason != REASON_NONE)
        return stop(c, reason, arena_printf(c->arena, "line %u: the connection", wish->number), wish->shown,
                    reply);
    command->ok = true;
    return reply->code / 100 == 2 ? STEP_EHLO : go_on(c, reply);
}

/* a line */

/* Of a response the password, which stands last, behind a NUL where there is more; or the token (RFC 7628).
 */
static struct span proof_in(struct span response)
{
    static const char bearer[] = "Bearer ";
    const char *nul = memrchr(response.data, '\0', response.len);
    const char *token = memmem(response.data, response.len, bearer, sizeof(bearer) - 1);
    const char *start = token ? token + sizeof(bearer) - 1 : nul ? nul + 1 : response.data;
    struct span proof = {start, response.len - (size_t)(start - response.data)};
    const char *end = token ? memchr(proof.data, '\1', proof.len) : NULL;

    if (end)
        proof.len = (size_t)(end - proof.data);
    return proof;
}

static void hide_decoded(struct client *c, struct span base64)
{
    char *text = arena_alloc(c->arena, base64.len + 1);
    int len = base64_decode(base64, text);
    struct span part = len > 0 ? proof_in((struct span){text, (size_t)len}) : span_of("");

    if (part.len >= LEAST_HIDDEN)
        mask_add(c->hidden, part);
}

/* From here on no reply shows it, as it was said; nor decoded, but for a name that a password follows. */
static void hide(struct client *c, struct span secret)
{
    const struct plan_line *next = next_line(c);

    /* With a login of the config no line says AUTH. */
    if (secret.len < LEAST_HIDDEN || c->auth.mask || c->plan->hide_replies)
        return;
    if (!c->hidden)
        c->hidden = mask_new();
    mask_add_exact(c->hidden, secret);
    if (!next || !next->secret.len || next->kind == PLAN_LINE_AUTH)
        hide_decoded(c, secret);
    reply_mask(&c->parser, c->hidden);
}

static char *send_line(struct client *c)
{
    bool secret = c->challenged;
    const struct plan_line *line = next_line(c);

    c->line++;
    c->challenged = false;
    hide(c, secret ? (struct span){line->wire.data, line->wire.len - 2} : line->secret);
    return arena_dup(c->arena, secret ? "***" : line->shown);
}

static const char *wanted_line(struct client *c)
{
    return wanted(c, &present(c)->wish, needed(present(c)->kind));
}

/* What a reply tells beside that. */
static void learn(struct client *c, const struct plan_line *line, const struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (line->kind == PLAN_LINE_HELLO && reply->code / 100 == 2)
        client_step_learn(c, reply);
    if (line->phase == PHASE_RCPT)
        client_step_note_rcpt(c, command);
    c->challenged = c->step->phase == PHASE_AUTH && reply->code == 334;
    c->upgrading = line->kind == PLAN_LINE_STARTTLS && reply->code == 220 && !c->secured;
}

/* A reply that is good by itself and leads nowhere: null, or what is wrong with it; then *hope_r leads on. */
static const char *say_dead_end(const struct client *c, const struct result_reply *reply, const char **hope_r)
{
    const struct plan_line *line = present(c);

    if (line->kind == PLAN_LINE_STARTTLS && reply->code == 220 && c->secured) {
        *hope_r = "4xx or 5xx";
        return "the server began TLS once more inside TLS";
    }
    if (c->challenged && !line->wish.number && !next_line(c)) {
        *hope_r = "2xx"; /* nobody is logged in; of XOAUTH2 it is how a refusal begins */
        return "the server waits for a response, and the dialogue has none";
    }
    return NULL;
}

static enum client_step_id got_line(struct client *c, struct result_command *command)
{
    const struct plan_line *line = present(c);
    const struct result_reply *reply = &command->reply;
    enum reason reason = judge(c, &line->wish, c->step->phase, needed(line->kind), reply);

    learn(c, line, command);
    if (reason != REASON_NONE)
        return stop(c, reason, command->sent, wanted_line(c), reply);
    const char *end = say_dead_end(c, reply, &command->expected);
    if (end) {
        client_fail(c, REASON_UNEXPECTED_REPLY, reply,
                    arena_printf(c->arena, "%s: %s", end, client_say_quote(c, reply)));
        return STEP_END;
    }
    command->ok = true;
    if (c->upgrading)
        return STEP_TLS;
    return line->kind == PLAN_LINE_DATA && reply->code == 354 ? STEP_TEXT : go_on(c, reply);
}

void client_script_secured(struct client *c)
{
    c->upgrading = false;
    client_enter(c, STEP_LINE);
}

#define ROW(phase)                                                                                           \
    [phase] = {phase, LIMIT_REPLY, client_script_applies, send_line, wanted_line, got_line, NULL, NULL}

static const struct client_step rows[PHASE_COUNT] = {
    ROW(PHASE_BANNER), ROW(PHASE_EHLO), ROW(PHASE_STARTTLS), ROW(PHASE_AUTH), ROW(PHASE_MAIL),
    ROW(PHASE_RCPT),   ROW(PHASE_DATA), ROW(PHASE_FINAL),    ROW(PHASE_RSET), ROW(PHASE_QUIT),
};

const struct client_step *client_script_row(const struct client *c)
{
    return &rows[phase_of(c, next_line(c))];
}

/* its message */

bool client_script_text_applies(const struct client *c)
{
    return client_script_is_line(c) && present(c)->kind == PLAN_LINE_DATA && c->replied == PHASE_DATA &&
           c->commands[c->draft->command_count - 1].reply.code == 354;
}

char *client_script_send_text(struct client *c)
{
    return arena_dup(c->arena, ".");
}

const char *client_script_wanted_text(struct client *c)
{
    return present(c)->taken.number ? present(c)->taken.shown : "2xx";
}

struct span client_script_text(const struct client *c)
{
    return present(c)->message;
}

void client_script_text_sent(struct client *c)
{
    client_add_time(c->draft, PHASE_MESSAGE, c->now_us - c->step_us);
    c->step = &client_step_table[STEP_TEXT_REPLY];
    client_last_command(c)->phase = PHASE_FINAL;
}

enum client_step_id client_script_got_text(struct client *c, struct result_command *command)
{
    const struct plan_wish *wish = &present(c)->taken;
    const struct result_reply *reply = &command->reply;
    enum reason reason = judge(c, wish, PHASE_FINAL, 0, reply);

    /* Nothing more is to be said about a message: a 3xx makes no sense. */
    if (reason == REASON_NONE && !wish->number && reply->code / 100 == 3)
        reason = REASON_UNEXPECTED_REPLY;
    if (reason != REASON_NONE)
        return stop(c, reason, "the message", client_script_wanted_text(c), reply);
    command->ok = true;
    return go_on(c, reply);
}

void client_script_early(struct client *c, const struct result_reply *reply)
{
    client_fail(c, refusal(PHASE_MESSAGE, reply->code), reply,
                arena_printf(c->arena, "the message was refused%s after %s: %s",
                             reply->code / 100 == 4 ? " for now" : "", client_say_part_sent(c, c->arena),
                             client_say_quote(c, reply)));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a dialogue of the SMTP client ends before its time: what is no reply, what comes unasked, a stream that
 * breaks, time that is over, a program that stops. Each keeps what came so far and becomes the one failure,
 * if there was none before; after the verdict (last RSET, QUIT) it is a flag.
 */
#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/proto/client_step.h"

#include <string.h>

#define UNSOLICITED_MOST   1024   /* bytes kept of what was not asked for */
#define ANSWER_PATIENCE_US 500000 /* of a server: an answer takes less, unless ehlod is short of threads */

/* The step ends without a reply: its time counts, and nothing more is sent. */
static void end_here(struct client *c)
{
    if (!client_step_is_silent(c) && !client_auth_is_answering(c))
        client_record_reply(c);
    client_add_time(c->draft, c->step->phase, c->now_us - c->step_us);
    client_end(c);
}

/* What came of the step's reply is kept. */
void client_break_here(struct client *c)
{
    reply_break(&c->parser);
    end_here(c);
}

/* The last RSET and QUIT are courtesy: how they end is a flag. Returns whether that was all. */
static bool is_courtesy(struct client *c, enum flag quit_flag)
{
    if (!client_decided(c))
        return false;
    client_note(c, c->step->phase == PHASE_QUIT ? quit_flag : FLAG_RSET_FAILED);
    return true;
}

/* What came is no reply; nothing that follows could be told apart. */
void client_break_misread(struct client *c, enum reason reason)
{
    if (c->step->phase == PHASE_AUTH)
        client_auth_hide(c->arena, &c->parser.reply);
    const struct result_reply *reply = &c->parser.reply;
    const char *line = reply->line_count ? reply->lines[reply->line_count - 1] : "";
    const char *quoted = client_say_cut(c->arena, line);
    const char *alike = reason == REASON_NOT_SMTP ? reply_looks_like(span_of(line)) : NULL;
    const char *to = client_say_asked(c, c->arena);

    if (!is_courtesy(c, FLAG_QUIT_CODE))
        client_fail(c, reason, NULL,
                    arena_printf(c->arena, "%s%s%s%s%s%s: \"%s\"", to ? "reply to " : "the greeting: ",
                                 to ? to : "", to ? ": " : "", reason_sentence(reason),
                                 alike ? ", it looks like " : "", alike ? alike : "", quoted));
    end_here(c);
}

/* A command that is under way when the server speaks unasked: if it never left, it was never said. */
static void withdraw(struct client *c)
{
    if (c->output_gone + c->output_sent > 0) {
        client_last_command(c)->first_byte_us = CLOCK_NONE;
        client_add_time(c->draft, c->step->phase, c->now_us - c->step_us);
        return;
    }
    c->draft->command_count--;
    c->route_begun = client_last_command(c)->route == (int)c->route;
}

/* A reply to nothing: it belongs to what was replied to last, and ends the dialogue. */
void client_break_reply_unasked(struct client *c, struct result_reply reply)
{
    int64_t at_us = c->now_us - c->start_us;
    const struct result_command *last = client_last_command(c);
    int route = last ? last->route : -1;
    bool after_quit = c->replied == PHASE_QUIT;
    struct result_command *command = client_add_command(c, c->replied, NULL, "nothing");
    const char *explained = client_claim_say_unasked(c, &reply);

    if (c->replied == PHASE_AUTH)
        client_auth_hide(c->arena, &reply);
    command->route = route;
    command->unasked = true;
    command->at_us = command->first_byte_us = command->reply_us = at_us;
    command->replied = true;
    command->reply = reply;
    if (!explained)
        explained = arena_printf(
            c->arena, "the server sent %s though nothing had been asked%s", client_say_quote(c, &reply),
            after_quit ? ": one reply too many, so any may stand for another command" : "");
    if (client_fail(c, REASON_UNSOLICITED, NULL, explained))
        c->draft->failure.phase = c->replied;
    client_end(c);
}

/* A refusal is the server's answer to as much as it has seen; anything else answers nothing. A body is open,
 * so the connection is just closed. */
void client_break_early(struct client *c)
{
    const struct result_reply *reply = &c->parser.reply;

    if (reply->code / 100 < 4) {
        c->draft->flags |= c->parser.flags;
        withdraw(c);
        client_break_reply_unasked(c, *reply);
        return;
    }
    client_last_command(c)->reply_us = c->now_us - c->start_us;
    c->draft->duration_us = c->now_us - c->start_us;
    if (c->plan->script)
        client_script_early(c, reply);
    else
        client_judge_early(c, reply);
    end_here(c);
}

/* The server was kept waiting for the login, until it would wait no longer: that is ehlod's fault. One that
 * goes at once goes for reasons of its own. */
void client_break_over_login(struct client *c, const char *did)
{
    if (client_auth_is_answering(c) && c->now_us - c->step_us >= ANSWER_PATIENCE_US)
        client_fail(c, REASON_LOCAL_RESOURCE, NULL,
                    arena_printf(c->arena,
                                 "ehlod itself had not made the login after %.3f s, when the server %s",
                                 (double)(c->now_us - c->step_us) / (double)CLOCK_US_PER_S, did));
}

/* What may be shown of it. */
static struct span unmasked(struct client *c, struct span bytes)
{
    char *out = arena_alloc(c->arena, mask_room(bytes.len));

    return (struct span){out, mask_apply_cut(c->parser.mask, bytes, out)};
}

/* What came unasked, line by line. */
static struct result_reply read_unasked(struct client *c, struct span rest)
{
    struct result_reply reply = {0};
    const char **lines = NULL;

    while (rest.len) {
        const char *end = memchr(rest.data, '\n', rest.len);
        struct span line = {rest.data, end ? (size_t)(end - rest.data) : rest.len};
        size_t used = end ? line.len + 1 : line.len;

        if (end && line.len && line.data[line.len - 1] == '\r')
            line.len--;
        bool escaped = !text_is_clean(line);
        lines = arena_grow(c->arena, (void *)lines, reply.line_count, sizeof(*lines));
        lines[reply.line_count++] = escaped ? text_escape(c->arena, line) : arena_dup_span(c->arena, line);
        reply.escaped = reply.escaped || escaped;
        rest = (struct span){rest.data + used, rest.len - used};
    }
    reply.lines = lines;
    return reply;
}

/* Bytes that answer no command. Empty lines are only flagged. */
void client_break_unasked(struct client *c, struct span bytes)
{
    size_t blank = 0;
    while (blank < bytes.len && (bytes.data[blank] == '\r' || bytes.data[blank] == '\n'))
        blank++;
    if (blank)
        client_note(c, FLAG_STRAY_EMPTY_LINE);
    if (blank == bytes.len)
        return;

    struct span rest = unmasked(c, (struct span){bytes.data + blank, bytes.len - blank});
    if (rest.len > UNSOLICITED_MOST)
        rest.len = UNSOLICITED_MOST;
    while (rest.len && (rest.data[rest.len - 1] == '\r' || rest.data[rest.len - 1] == '\n'))
        rest.len--;
    if (c->want == SEAM_WRITE && !client_step_is_silent(c))
        withdraw(c);
    struct result_reply reply = read_unasked(c, rest);
    if (bytes.len - blank >= 3 && memcmp(bytes.data + blank, "421", 3) == 0)
        client_break_over_login(
            c, arena_printf(c->arena, "ended the session: \"%s\"", client_say_cut(c->arena, reply.lines[0])));
    if (client_step_is_silent(c) && c->plan->tls.mode == TLS_MODE_IMPLICIT)
        client_claim_in_the_clear(c, reply.lines[0]);
    client_break_reply_unasked(c, reply);
}

/* More than a dialogue may hold. */
void client_break_flood(struct client *c)
{
    if (client_is_over(c)) {
        client_end(c);
        return;
    }
    if (!is_courtesy(c, FLAG_QUIT_CODE))
        client_fail(c, REASON_TOO_LONG, NULL, "the server sent more than 256 KiB in one dialogue");
    client_break_here(c);
}

/* The server's end is all that was waited for; a client that has not begun is left alone. */
static void end_lingering(struct client *c)
{
    if (c->started)
        client_end(c);
}

/* the stream breaks, time runs out, the program ends */

const char *client_break_when(const struct client *c)
{
    const char *to = client_say_asked(c, c->arena);

    if (client_tls_is_handshake(c))
        return "in the TLS handshake";
    if (client_auth_is_answering(c))
        return "while ehlod was making the login";
    if (c->step->body)
        return arena_printf(c->arena, "after %s of the message", client_say_part_sent(c, c->arena));
    if (c->want == SEAM_WRITE)
        return arena_printf(c->arena, "before %s could be sent", to);
    return arena_printf(c->arena, "%s %s%s", reply_begun(&c->parser) ? "in the middle of" : "instead of",
                        to ? "replying to " : "greeting", to ? to : "");
}

void client_broken(struct client *c, enum seam_break how, int64_t now_us)
{
    static const struct {
        enum reason reason;
        enum flag quit_flag;
        const char *did;
    } breaks[] = {
        [SEAM_CLOSED] = {REASON_CLOSED, FLAG_QUIT_CLOSED, "closed"},
        [SEAM_RESET] = {REASON_RESET, FLAG_QUIT_RESET, "reset"},
    };

    if (client_is_over(c)) {
        end_lingering(c);
        return;
    }
    client_tell_time(c, now_us);
    client_break_over_login(c, arena_printf(c->arena, "%s the connection", breaks[how].did));
    if (!is_courtesy(c, breaks[how].quit_flag))
        client_fail(c, breaks[how].reason, NULL,
                    arena_printf(c->arena, "the server %s the connection %s%s", breaks[how].did,
                                 client_break_when(c), client_claim_hint(c)));
    client_break_here(c);
}

void client_expire(struct client *c, int64_t now_us)
{
    if (now_us < client_deadline(c))
        return;
    if (client_is_over(c)) {
        end_lingering(c);
        return;
    }
    client_tell_time(c, now_us);
    if (!is_courtesy(c, FLAG_QUIT_NO_REPLY)) {
        bool by_run = c->ends_us < c->limit_at_us;
        enum reason reason = client_auth_is_answering(c) ? REASON_LOCAL_RESOURCE
                             : by_run                    ? REASON_DEADLINE
                             : c->want == SEAM_WRITE     ? REASON_SEND_TIMEOUT
                                                         : REASON_TIMEOUT;
        if (client_fail(c, reason, NULL, client_say_overdue(c, c->arena, reason, c->now_us)) &&
            reason != REASON_LOCAL_RESOURCE)
            c->draft->failure.limit_us =
                by_run ? c->ends_us - c->start_us : c->plan->limits_us[c->step->limit];
    }
    client_break_here(c);
}

void client_stop(struct client *c, int64_t now_us)
{
    if (client_is_over(c)) {
        end_lingering(c);
        return;
    }
    client_tell_time(c, now_us);
    if (!is_courtesy(c, FLAG_QUIT_NO_REPLY))
        client_fail(c, REASON_LOCAL_RESOURCE, NULL, "ehlod was stopped before the run was over");
    client_break_here(c);
}

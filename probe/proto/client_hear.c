/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client hears: bytes to the parser, a whole reply to the step that waits for it, and what answers
 * nothing to client_break.c. What is said next is the step's to decide (client_step.c).
 */
#include "probe/base/clock.h"
#include "probe/proto/client_step.h"

/* Said all, and still listening. */
static bool is_listening(const struct client *c)
{
    return c->step == &client_step_table[STEP_END] && c->want == SEAM_READ;
}

static void take_reply(struct client *c)
{
    struct result_command *command = client_last_command(c);
    bool courtesy = c->step == &client_step_table[STEP_QUIT] || c->step == &client_step_table[STEP_RSET];

    client_record_reply(c);
    command->reply_us = c->now_us - c->start_us;
    client_add_time(c->draft, c->step->phase, command->reply_us - command->at_us);
    c->replied = c->step->phase;
    if (!courtesy)
        c->draft->duration_us = command->reply_us;
    c->closing = c->closing || command->reply.code == 421;
    client_enter(c, c->step->got(c, command));
}

/* As much of the reply as is whole lines, for who looks on. */
static void show_begun(struct client *c)
{
    struct result_command *command = client_last_command(c);

    if (c->step->body || command->phase == PHASE_AUTH) /* a challenge is for nobody's eyes */
        return;
    command->replied = c->parser.reply.line_count > 0;
    command->reply = c->parser.reply;
}

/* While a message is being sent a reply may begin; it ends the dialogue, so nothing more is sent then. */
static void go_on_sending(struct client *c)
{
    if (c->step->body)
        c->want = reply_begun(&c->parser) ? SEAM_READ : SEAM_WRITE;
}

static void feed(struct client *c, struct span bytes, int64_t first_us);

/* What came in one piece with a reply. */
static void feed_rest(struct client *c, struct span rest, int64_t first_us)
{
    if (c->want == SEAM_TLS)
        client_tls_injected(c, rest);
    else if (c->step->body || client_lmtp_is_owed(c))
        feed(c, rest, first_us);
    else if (c->want != SEAM_LINGER && c->want != SEAM_DONE)
        client_break_unasked(c, rest);
}

static void feed(struct client *c, struct span bytes, int64_t first_us)
{
    struct result_command *command = client_last_command(c);
    enum reason reason;
    size_t used;

    int64_t first = first_us - c->start_us;
    int64_t least = command->at_us == CLOCK_NONE ? c->step_us - c->start_us : command->at_us;
    int got = reply_feed(&c->parser, bytes, &used, &reason);
    if (command->first_byte_us == CLOCK_NONE && (got != 0 || reply_begun(&c->parser)))
        command->first_byte_us = first > least ? first : least;
    if (got < 0) {
        client_break_misread(c, reason);
        return;
    }
    if (got == 0) {
        show_begun(c);
        go_on_sending(c);
        return;
    }
    if (c->step->body) {
        client_break_early(c);
        return;
    }
    take_reply(c);
    struct span rest = {bytes.data + used, bytes.len - used};
    if (rest.len)
        feed_rest(c, rest, first_us);
}

void client_receive(struct client *c, struct span bytes, int64_t first_us, int64_t last_us)
{
    if (!c->started || (client_is_over(c) && !is_listening(c)) || bytes.len == 0)
        return;
    if (first_us > client_deadline(c)) {
        client_expire(c, first_us); /* it came too late */
        return;
    }
    client_tell_time(c, last_us);
    if (c->want == SEAM_TLS) {
        client_tls_injected(c, bytes);
        return;
    }
    size_t room = PLAN_MAX_DIALOGUE - c->received;
    struct span read = {bytes.data, bytes.len < room ? bytes.len : room};
    c->received += read.len;
    bool unasked =
        is_listening(c) || client_auth_is_answering(c) || (c->want == SEAM_WRITE && !c->step->body);
    if (read.len && unasked)
        client_break_unasked(c, read);
    else if (read.len)
        feed(c, read, first_us);
    if (bytes.len > room && c->want != SEAM_DONE)
        client_break_flood(c);
}

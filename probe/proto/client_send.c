/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that send a message (RFC 5321 section 4.1.1.4): DATA, the message itself with its dot, the reply
 * to it. Nothing of a message goes out before 354. The message is one entry of the record, shown as its dot:
 * of phase message while it is being sent, of phase final from the last byte on. What LMTP has besides is
 * client_lmtp.c's.
 */
#include "probe/proto/client_step.h"
#include "probe/proto/queue_id.h"

static const struct plan_letter *letter_of(const struct client *c)
{
    return &c->plan->letters[c->route];
}

/* DATA: whether a route comes so far is client_judge_recipients()'s to say. */

bool client_send_data_applies(const struct client *c)
{
    return c->step == &client_step_table[STEP_RCPT];
}

char *client_send_data(struct client *c)
{
    return command_build(c->arena, "DATA", COMMAND_END);
}

/* From now on the message is a matter between the two: it has a name. */
void client_send_data_sent(struct client *c)
{
    c->routes[c->route].token = letter_of(c)->token;
    c->routes[c->route].message_id = letter_of(c)->message_id;
}

enum client_step_id client_send_got_data(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (reply->code == 354) {
        command->ok = true;
        return STEP_MESSAGE;
    }
    if (reply->code / 100 < 4) {
        enum client_step_id next = client_step_refused(c, command, "DATA was");
        client_judge_senseless(c, reply);
        c->route_begun = false;
        return next;
    }
    command->ok = client_judge_message(c, reply);
    return c->closing ? client_step_next_route(c, reply) : STEP_RSET;
}

/* the message */

bool client_send_message_applies(const struct client *c)
{
    return c->step == &client_step_table[STEP_DATA];
}

char *client_send_message(struct client *c)
{
    c->output_total = plan_letter_octets(letter_of(c));
    c->routes[c->route].octets = c->output_total;
    return arena_dup(c->arena, ".");
}

struct span client_send_body(const struct client *c)
{
    return letter_of(c)->wire;
}

bool client_send_next_piece(struct client *c)
{
    const struct plan_letter *letter = c->route_begun ? letter_of(c) : NULL; /* a script's is in one piece */

    if (!letter || c->output_piece == letter->rest_count)
        return false;
    c->output_gone += c->output.len;
    c->output = letter->rest[c->output_piece++];
    c->output_sent = 0;
    return true;
}

void client_send_message_sent(struct client *c)
{
    client_add_time(c->draft, PHASE_MESSAGE, c->now_us - c->step_us);
    c->step = &client_step_table[STEP_FINAL];
    client_last_command(c)->phase = PHASE_FINAL;
    c->routes[c->route].sent_us = c->now_us - c->start_us;
    client_lmtp_begin(c);
}

/* the reply to it */

static const char *queue_id(struct client *c, const struct result_reply *reply)
{
    for (size_t i = reply->line_count; i > 0; i--) {
        struct span id = queue_id_find(reply->lines[i - 1]);
        if (id.len)
            return arena_dup_span(c->arena, id);
    }
    return NULL;
}

enum client_step_id client_send_got_final(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (reply->code / 100 == 3) {
        client_judge_senseless(c, reply);
        return client_step_refused(c, command,
                                   arena_printf(c->arena, "%s was", client_say_asked(c, c->arena)));
    }
    command->ok = client_lmtp_recipient(c) ? client_judge_final(c, reply) : client_judge_message(c, reply);
    if (reply->code / 100 == 2 && !c->routes[c->route].queue_id)
        c->routes[c->route].queue_id = queue_id(c, reply);
    return client_lmtp_next(c) ? STEP_FINAL : client_step_next_route(c, reply);
}

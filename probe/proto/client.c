/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of the SMTP client: walks the table of client_step.c, says what a step wants said, and keeps the
 * record of every command. It knows no command by name. What comes back is client_hear.c's, what it means the
 * steps' business. Sockets and clocks are the caller's.
 *
 * Known limit: the reply limit is per reply; a phase of several replies (many RCPT) has no limit of its own
 * beside the run's.
 */
#include "probe/proto/client.h"

#include "probe/base/clock.h"
#include "probe/proto/client_step.h"

#include <assert.h>
#include <string.h>

/* setting up */

static void set_up_routes(struct client *c)
{
    const struct plan *plan = c->plan;

    c->routes = arena_alloc(c->arena, plan->route_count * sizeof(*c->routes));
    c->recipients = arena_alloc(c->arena, plan->route_count * sizeof(struct result_recipient *));
    for (size_t i = 0; i < plan->route_count; i++) {
        const struct plan_route *from = &plan->routes[i];
        struct result_recipient *to = arena_alloc(c->arena, from->to_count * sizeof(*to));
        for (size_t k = 0; k < from->to_count; k++)
            to[k] = (struct result_recipient){.to = from->to[k], .ok = TRI_NULL};
        c->recipients[i] = to;
        c->routes[i] = (struct result_route){.name = from->name,
                                             .from = from->from,
                                             .expect = from->expect,
                                             .ok = TRI_NULL,
                                             .recipients = to,
                                             .recipient_count = from->to_count,
                                             .sent_us = CLOCK_NONE};
    }
    c->draft->routes = c->routes;
    c->draft->route_count = plan->route_count;
}

void client_init(struct client *c, const struct plan *plan, struct arena *arena, struct result *draft,
                 int64_t start_us)
{
    *c = (struct client){
        .plan = plan, .arena = arena, .draft = draft, .start_us = start_us, .now_us = start_us};
    c->ends_us = start_us + plan->limits_us[LIMIT_RUN];
    reply_init(&c->parser, arena);
    if (plan->hide_replies)
        reply_mask(&c->parser, mask_of_all());
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        draft->timing_us[p] = CLOCK_NONE;
    draft->failure = (struct result_failure){.limit_us = CLOCK_NONE};
    draft->duration_us = 0;
    draft->flags = 0;
    draft->claimed = (struct result_claimed){0};
    set_up_routes(c);
    c->want = SEAM_READ;
}

void client_hide(struct client *c, const struct mask *mask)
{
    c->auth.mask = mask;
    if (!c->plan->hide_replies) /* then that is hidden, too */
        reply_mask(&c->parser, mask);
}

void client_free(struct client *c)
{
    client_auth_wipe(c);
    mask_free(c->hidden);
    reply_free(&c->parser);
}

/* asking */

enum seam_want client_want(const struct client *c)
{
    return c->want;
}

struct span client_output(const struct client *c)
{
    if (c->want != SEAM_WRITE)
        return span_of("");
    return (struct span){c->output.data + c->output_sent, c->output.len - c->output_sent};
}

int64_t client_deadline(const struct client *c)
{
    if (!c->started || c->want == SEAM_DONE)
        return CLOCK_NEVER;
    return c->limit_at_us < c->ends_us ? c->limit_at_us : c->ends_us;
}

bool client_decided(const struct client *c)
{
    if (!c->started)
        return false;
    enum phase phase = c->step->phase;
    if (c->plan->script)
        return c->step == &client_step_table[STEP_QUIT] || c->step == &client_step_table[STEP_END];
    bool last_route = c->route + 1 >= c->plan->route_count;
    return phase == PHASE_QUIT || (phase == PHASE_RSET && last_route);
}

/* recording */

void client_tell_time(struct client *c, int64_t now_us)
{
    if (now_us > c->now_us)
        c->now_us = now_us;
}

struct result_command *client_last_command(struct client *c)
{
    return c->draft->command_count ? &c->commands[c->draft->command_count - 1] : NULL;
}

struct result_command *client_add_command(struct client *c, enum phase phase, const char *sent,
                                          const char *expected)
{
    size_t count = c->draft->command_count;

    /* the banner, and one not asked for; of LMTP a reply to the message for each RCPT that was sent */
    assert(count < PLAN_MAX_COMMANDS + PLAN_SESSION_COMMANDS + PLAN_AUTH_COMMANDS + 2 +
                       (client_lmtp_speaks(c) ? PLAN_MAX_COMMANDS : 0));
    c->commands = arena_grow(c->arena, c->commands, count, sizeof(*c->commands));
    c->commands[count] = (struct result_command){.phase = phase,
                                                 .route = c->route_begun ? (int)c->route : -1,
                                                 .sent = sent,
                                                 .at_us = CLOCK_NONE,
                                                 .first_byte_us = CLOCK_NONE,
                                                 .reply_us = CLOCK_NONE,
                                                 .expected = expected};
    c->draft->commands = c->commands;
    c->draft->command_count = count + 1;
    return &c->commands[count];
}

void client_add_time(struct result *draft, enum phase phase, int64_t us)
{
    int64_t before = draft->timing_us[phase];
    draft->timing_us[phase] = (before == CLOCK_NONE ? 0 : before) + us;
}

void client_note(struct client *c, enum flag flag)
{
    c->draft->flags |= UINT64_C(1) << flag;
}

void client_record_reply(struct client *c)
{
    struct result_command *command = client_last_command(c);

    if (command->phase == PHASE_AUTH)
        client_auth_hide(c->arena, &c->parser.reply);
    command->replied = c->parser.reply.line_count > 0;
    command->reply = c->parser.reply;
    c->draft->flags |= c->parser.flags;
}

/* failing */

bool client_fail(struct client *c, enum reason reason, const struct result_reply *reply, const char *message)
{
    struct result_failure *failure = &c->draft->failure;

    if (failure->reason != REASON_NONE)
        return false;
    *failure = (struct result_failure){
        .phase = c->step->phase,
        .reason = reason,
        .route = c->route_begun ? c->plan->routes[c->route].name : NULL,
        .code = reply ? reply->code : 0,
        .enhanced = reply ? reply->enhanced : (struct enhanced){0},
        .message = reason == REASON_UNSOLICITED ? message : client_script_say(c, c->arena, message),
        .limit_us = CLOCK_NONE,
        .elapsed_us = c->now_us - c->step_us};
    c->draft->duration_us = c->now_us - c->start_us;
    return true;
}

/* walking the table */

/* Neither a greeting nor a reply to EHLO has enhanced codes (RFC 2034 section 3). */
static bool has_enhanced(const struct client *c)
{
    const struct client_step *table = client_step_table;

    return c->step != &table[STEP_BANNER] && c->step != &table[STEP_EHLO] && c->step != &table[STEP_HELO] &&
           !client_script_is_hello(c);
}

bool client_is_over(const struct client *c)
{
    return !c->started || c->step == &client_step_table[STEP_END];
}

void client_end(struct client *c)
{
    c->want = SEAM_DONE;
    c->step = &client_step_table[STEP_END];
}

/* Nothing more will be said. In TLS the server's end of it is waited for, in the step's time. Where QUIT had
 * another reply than 221, that may be one that was owed before: then more comes, and is heard (see
 * client_receive). */
static void part(struct client *c)
{
    bool quit = c->replied == PHASE_QUIT;
    const struct result_reply *reply = quit ? &client_last_command(c)->reply : NULL;

    client_end(c);
    if (quit && reply->code != 221 && reply->code != 421 && reply->code / 100 != 3)
        c->want = SEAM_READ;
    else if (quit && c->secured)
        c->want = SEAM_LINGER;
}

struct span client_wire(struct client *c, const char *line)
{
    if (!line)
        return span_of("");
    size_t len = strlen(line);

    assert(len + 2 < sizeof(c->wire));
    memcpy(c->wire, line, len);
    memcpy(c->wire + len, "\r\n", sizeof("\r\n"));
    return (struct span){c->wire, len + 2};
}

static struct span line_wire(struct client *c, const char *line)
{
    if (c->step->body)
        return c->step->body(c);
    return client_script_is_line(c) ? client_script_wire(c) : client_wire(c, line);
}

static void begin_step(struct client *c)
{
    c->step_us = c->now_us;
    c->limit_at_us = c->now_us + c->plan->limits_us[c->step->limit];
}

void client_begin_clock(struct client *c, int64_t now_us)
{
    int64_t before_us = c->step_us;

    client_tell_time(c, now_us);
    c->step_us = c->now_us;
    c->limit_at_us += c->step_us - before_us;
}

/* A new entry in the record, and a parser for its reply. */
static struct result_command *listen_for(struct client *c, const char *shown)
{
    reply_next(&c->parser, c->step == &client_step_table[STEP_BANNER], has_enhanced(c));
    return client_add_command(c, c->step->phase, shown, c->step->expected(c));
}

static void put_out(struct client *c, struct span bytes)
{
    c->output = bytes;
    c->output_sent = 0;
    if (c->output_total < bytes.len)
        c->output_total = bytes.len;
    c->want = SEAM_WRITE;
}

void client_say(struct client *c, const char *shown, struct span output)
{
    begin_step(c);
    listen_for(c, shown);
    if (!shown) {
        client_fail(c, REASON_LOCAL_RESOURCE, NULL,
                    "the command cannot be sent: it does not fit in 512 octets");
        client_end(c);
        return;
    }
    put_out(c, output);
}

void client_enter(struct client *c, enum client_step_id id)
{
    while (!client_step_table[id].applies(c))
        id++;
    if (id == STEP_MAIL)
        id = client_envelope_begin(c);
    c->step = id == STEP_LINE ? client_script_row(c) : &client_step_table[id];
    if (id == STEP_END) {
        part(c);
        return;
    }
    begin_step(c);
    if (id == STEP_TLS) {
        c->want = SEAM_TLS;
        return;
    }
    c->output_piece = c->output_gone = c->output_total = 0;
    if (id == STEP_PROXY) {
        put_out(c, client_claim_proxy(c));
        return;
    }
    if (id == STEP_AUTH || id == STEP_AUTH_RESPONSE) {
        client_auth_begin(c);
        return;
    }
    char *line = c->step->send ? c->step->send(c) : NULL;
    if (c->step->send) {
        client_say(c, line, line_wire(c, line));
        if (c->step->body && !c->route_begun)
            client_last_command(c)->octets = c->output.len;
        return;
    }
    listen_for(c, NULL)->at_us = c->now_us - c->start_us;
    c->want = SEAM_READ;
}

void client_start(struct client *c, int64_t now_us)
{
    client_tell_time(c, now_us);
    c->started = true;
    c->step = &client_step_table[STEP_BANNER];
    c->replied = PHASE_BANNER; /* what nobody asked for before anything was asked is of the greeting */
    client_enter(c, STEP_PROXY);
}

void client_sent(struct client *c, size_t len, int64_t now_us)
{
    if (c->want != SEAM_WRITE)
        return;
    client_tell_time(c, now_us);
    if (c->step->body && c->output_gone + c->output_sent == 0)
        client_begin_clock(c, now_us);
    c->output_sent += len;
    assert(c->output_sent <= c->output.len);
    if (c->step->body && c->route_begun)
        c->routes[c->route].octets_sent = c->output_gone + c->output_sent;
    else if (c->step->body)
        client_last_command(c)->octets_sent = c->output_sent;
    if (c->output_sent < c->output.len || (c->step->body && client_send_next_piece(c)))
        return;
    if (c->step->sent)
        c->step->sent(c);
    if (client_step_is_silent(c)) {
        client_enter(c, STEP_TLS);
        return;
    }
    if (c->output.data == c->auth.line)
        client_auth_wipe(c);
    begin_step(c);
    client_last_command(c)->at_us = c->now_us - c->start_us;
    c->want = SEAM_READ;
}

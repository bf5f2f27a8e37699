/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of an SMTP dialogue, a row each (RFC 5321 section 4.1.4 has their order): what is sent, what is
 * hoped for, and what follows from the reply. A got function returns the next step, so none can forget to
 * decide. Steps that do not apply are passed over in the order of the table.
 *
 *     [PROXY ->] [TLS ->] banner -> EHLO [-> HELO] [-> STARTTLS -> TLS -> EHLO]  client_{claim,tls}.c
 *     [-> XCLIENT -> EHLO] [-> AUTH [-> response ...] [-> *]]                   client_{claim,auth}.c
 *     -> ( MAIL -> RCPT ... [-> DATA -> message -> final ...] -> RSET ) a route client_{envelope,send,lmtp}.c
 *     -> ( line [-> message -> reply] ) of a script; in the end QUIT            client_script.c
 */
#include "probe/proto/client_step.h"

#include "probe/base/clock.h"

#include <string.h>

/* Postfix' smtpd waits just so long before a reply when mail comes in faster than it goes out
 * (in_flow_delay), and counts MAIL and RCPT that are followed by RSET as coming in. */
#define FLOW_DELAY_US       (1 * CLOCK_US_PER_S)
#define FLOW_DELAY_SLACK_US (50 * CLOCK_US_PER_MS)

#define FIXUP_ASTERISKS 8 /* so many in a greeting, and a middlebox has masked it */

static bool always(const struct client *c)
{
    (void)c;
    return true;
}

static bool goes_as_far_as(const struct client *c, enum phase phase)
{
    return phase <= c->plan->stop_after;
}

static const char *expect_220(struct client *c)
{
    (void)c;
    return "220";
}

static const char *expect_banner(struct client *c)
{
    return client_script_expects(c) ? client_script_wanted_banner(c) : "220";
}

static const char *expect_250(struct client *c)
{
    (void)c;
    return "250";
}

static const char *expect_221(struct client *c)
{
    (void)c;
    return "221";
}

/* After an unwanted 3xx the server may be waiting for a message, and QUIT would be its first line: the
 * connection is just closed. */
enum client_step_id client_step_farewell(const struct result_reply *reply)
{
    return reply->code / 100 == 3 ? STEP_END : STEP_QUIT;
}

/* A refusal or nonsense where only success leads on. */
enum client_step_id client_step_refused(struct client *c, const struct result_command *command,
                                        const char *what)
{
    const struct result_reply *reply = &command->reply;
    enum reason reason = reply->code / 100 == 4   ? REASON_DEFERRED
                         : reply->code / 100 == 5 ? REASON_REJECTED
                                                  : REASON_UNEXPECTED_REPLY;
    const char *verb = reason == REASON_UNEXPECTED_REPLY ? "answered" : "refused";

    client_fail(c, reason, reply,
                arena_printf(c->arena, "%s %s: %s", what, verb, client_say_quote(c, reply)));
    return client_step_farewell(reply);
}

/* banner */

static bool is_masked(const char *text)
{
    size_t asterisks = 0;
    for (; *text; text++)
        asterisks += *text == '*';
    return asterisks >= FIXUP_ASTERISKS;
}

void client_step_greeted(struct client *c, const struct result_reply *reply)
{
    size_t len = strcspn(reply->lines[0], " \t");

    if (len && !c->plan->hide_replies)
        c->draft->peer_name = arena_dup_span(c->arena, (struct span){reply->lines[0], len});
    if (is_masked(c->parser.lines[0]))
        client_note(c, FLAG_SMTP_FIXUP);
}

static enum client_step_id got_banner(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;
    int second = reply->code / 10 % 10;
    bool refusal = reply->code >= 400 && (second == 2 || second == 5); /* connections, mail system */

    if (client_script_expects(c))
        return client_script_got_banner(c, command);
    if (reply->code == 220) {
        command->ok = true;
        client_step_greeted(c, reply);
        return STEP_EHLO;
    }
    if (refusal)
        return client_step_refused(c, command,
                                   c->proxy_doubted ? "behind the PROXY header the connection was"
                                                    : "the connection was");
    client_fail(c, REASON_UNEXPECTED_REPLY, reply,
                arena_printf(c->arena, "a greeting with a code that is none for a greeting: %s",
                             client_say_quote(c, reply)));
    return client_step_farewell(reply);
}

/* EHLO, and HELO where EHLO is not known; LHLO of LMTP (RFC 2033 section 4.1) */

static const char *hello(const struct client *c)
{
    return protocol_hello(c->plan->protocol);
}

/* Only right after a refused EHLO (RFC 5321 section 3.2). */
static bool helo_applies(const struct client *c)
{
    return c->step == &client_step_table[STEP_EHLO];
}

static char *send_ehlo(struct client *c)
{
    return command_build(c->arena, hello(c), " ", c->plan->helo, COMMAND_END);
}

static char *send_helo(struct client *c)
{
    return command_build(c->arena, "HELO ", c->plan->helo, COMMAND_END);
}

void client_step_learn(struct client *c, const struct result_reply *reply)
{
    ehlo_read(&c->ehlo, c->arena, c->parser.lines, reply->line_count);
    if (c->parser.mask)
        ehlo_read(&c->ehlo_shown, c->arena, reply->lines, reply->line_count);
    else /* they are the same lines */
        c->ehlo_shown = c->ehlo;
    if (c->plan->hide_replies)
        ehlo_known(&c->ehlo_shown, c->arena, &c->ehlo);
    c->draft->extensions = c->ehlo_shown.extensions;
    c->draft->extension_count = c->ehlo_shown.count;
    c->draft->flags |= c->ehlo.flags;
    if (!c->draft->peer_name)
        c->draft->peer_name = c->ehlo_shown.name;
}

/* What the refusal may come of: a server of the other protocol knows no such command. */
static const char *hint_of(const struct client *c, const struct result_reply *reply)
{
    static const char *const names[] = {"helo", "ehlo", NULL};
    bool unknown = reply->code == 500 || reply->code == 502;

    if (unknown)
        return client_lmtp_speaks(c) ? " (the server may speak SMTP: protocol)"
                                     : " (the server may speak LMTP: protocol)";
    return reply_mentions(&c->parser, names) ? " (the server may want another name than this one: helo)" : "";
}

static enum client_step_id hello_refused(struct client *c, struct result_command *command)
{
    const char *verb = c->step == &client_step_table[STEP_EHLO] ? hello(c) : "HELO";
    const char *hint = hint_of(c, &command->reply);

    return client_step_refused(c, command, arena_printf(c->arena, "%s %s%s was", verb, c->plan->helo, hint));
}

/* It was not asked for, and the reply to EHLO is still to come: nothing more can be said. */
static enum client_step_id greeted_again(struct client *c, const struct result_reply *reply)
{
    if (client_fail(c, REASON_UNSOLICITED, NULL,
                    arena_printf(c->arena, "the server sent a second greeting (%s) instead of a reply to %s",
                                 client_say_quote(c, reply), hello(c))))
        c->draft->failure.phase = c->xclient_said ? PHASE_EHLO : PHASE_STARTTLS;
    return STEP_END;
}

static enum client_step_id got_ehlo(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (client_claim_is_misplaced(c, reply))
        return client_claim_misplaced(c, command);
    if (reply->code / 100 == 5 && !c->proxy_doubted && !client_lmtp_speaks(c))
        return STEP_HELO;
    if (client_tls_is_greeting(c, reply))
        return greeted_again(c, reply);
    if (reply->code / 100 != 2)
        return hello_refused(c, command);
    command->ok = true;
    client_claim_taken(c);
    if (reply->code != 250)
        client_note(c, FLAG_EHLO_CODE);
    client_step_learn(c, reply);
    return client_tls_after_hello(c);
}

static enum client_step_id got_helo(struct client *c, struct result_command *command)
{
    if (command->reply.code / 100 != 2)
        return hello_refused(c, command);
    command->ok = true;
    client_note(c, FLAG_NO_ESMTP);
    if (command->reply.code != 250)
        client_note(c, FLAG_EHLO_CODE);
    return client_tls_after_hello(c);
}

/* MAIL */

static const struct plan_route *route_of(const struct client *c)
{
    return &c->plan->routes[c->route];
}

static bool mail_applies(const struct client *c)
{
    return c->route < c->plan->route_count && goes_as_far_as(c, PHASE_MAIL);
}

static char *send_mail(struct client *c)
{
    c->route_begun = true;
    c->recipient = 0;
    return client_envelope_mail(c);
}

/* The route is over; the next one, if the server goes on. */
enum client_step_id client_step_next_route(struct client *c, const struct result_reply *reply)
{
    c->route++;
    c->route_begun = false;
    c->transaction = false;
    if (!c->closing)
        return STEP_MAIL;
    client_judge_unplayed(c, c->route, reply);
    return client_step_farewell(reply);
}

static enum client_step_id got_mail(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (reply->code / 100 == 3)
        return client_step_refused(c, command, "MAIL was");
    if (reply->code / 100 == 2) {
        command->ok = true;
        c->transaction = true;
        return STEP_RCPT;
    }
    command->ok = client_judge_mail_refused(c, reply);
    return client_step_next_route(c, reply);
}

/* RCPT */

static bool rcpt_applies(const struct client *c)
{
    return c->transaction && goes_as_far_as(c, PHASE_RCPT);
}

/* What a reply to RCPT tells beside its verdict. */
void client_step_note_rcpt(struct client *c, const struct result_command *command)
{
    static const char *const grey[] = {"greylist", "graylist", "grey-list", "gray-list", "grey list", NULL};
    const struct result_reply *reply = &command->reply;
    int64_t took_us = command->reply_us - command->at_us;
    bool looks_grey = reply->enhanced.class == 4 && reply->enhanced.subject == 7 &&
                      reply->enhanced.detail == 1 && (reply->code == 450 || reply->code == 451);

    if (reply->code == 251)
        client_note(c, FLAG_FORWARDED);
    if (reply->code == 252)
        client_note(c, FLAG_UNVERIFIED);
    if (reply->code / 100 == 4 && (looks_grey || reply_mentions(&c->parser, grey)))
        client_note(c, FLAG_MAYBE_GREYLISTED);
    if (took_us >= FLOW_DELAY_US && took_us < FLOW_DELAY_US + FLOW_DELAY_SLACK_US)
        client_note(c, FLAG_FLOW_DELAY);
}

static enum client_step_id got_rcpt(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (reply->code / 100 == 3) {
        client_judge_senseless(c, reply);
        return client_step_refused(c, command, "RCPT was");
    }
    client_step_note_rcpt(c, command);
    command->ok = client_judge_recipient(c, reply);
    c->recipient++;
    bool more = c->recipient < route_of(c)->to_count;
    if (more && !c->closing)
        return STEP_RCPT;
    bool sends = !more && client_judge_recipients(c);
    if (!c->closing)
        return sends ? STEP_DATA : STEP_RSET;
    if (more || sends)
        client_judge_unplayed(c, c->route, reply);
    return client_step_next_route(c, reply);
}

/* RSET */

static bool rset_applies(const struct client *c)
{
    return c->transaction;
}

static char *send_rset(struct client *c)
{
    return command_build(c->arena, "RSET", COMMAND_END);
}

static enum client_step_id got_rset(struct client *c, struct result_command *command)
{
    command->ok = command->reply.code / 100 == 2;
    if (!command->ok) {
        client_note(c, FLAG_RSET_FAILED);
        c->closing = true;
    }
    return client_step_next_route(c, &command->reply);
}

/* QUIT: courtesy, whose fate changes no verdict */

static char *send_quit(struct client *c)
{
    const char *own = client_script_quit(c);

    return command_build(c->arena, own ? own : "QUIT", COMMAND_END);
}

static enum client_step_id got_quit(struct client *c, struct result_command *command)
{
    bool is_first = c->plan->stop_after < PHASE_EHLO; /* behind the greeting: it may be to a PROXY header */

    if (is_first && command->reply.code != 221 && client_claim_is_misplaced(c, &command->reply))
        return client_claim_misplaced(c, command);
    command->ok = command->reply.code == 221;
    if (!command->ok)
        client_note(c, FLAG_QUIT_CODE);
    return STEP_END;
}

bool client_step_is_silent(const struct client *c)
{
    return c->step == &client_step_table[STEP_PROXY] || c->step == &client_step_table[STEP_TLS];
}

/* The reply is awaited in it, but it is never entered: the message's last byte leads there. */
static bool never(const struct client *c)
{
    (void)c;
    return false;
}

const struct client_step client_step_table[STEP_END + 1] = {
    [STEP_PROXY] = {PHASE_CONNECT, LIMIT_CONNECT, client_claim_proxy_applies, NULL, NULL, NULL, NULL,
                    client_claim_proxy_sent},
    [STEP_TLS] = {PHASE_TLS, LIMIT_TLS, client_tls_applies, NULL, NULL, NULL, NULL, NULL},
    [STEP_BANNER] = {PHASE_BANNER, LIMIT_BANNER, always, NULL, expect_banner, got_banner, NULL, NULL},
    [STEP_EHLO] = {PHASE_EHLO, LIMIT_REPLY, client_tls_hello_applies, send_ehlo, expect_250, got_ehlo, NULL,
                   NULL},
    [STEP_HELO] = {PHASE_EHLO, LIMIT_REPLY, helo_applies, send_helo, expect_250, got_helo, NULL, NULL},
    [STEP_STARTTLS] = {PHASE_STARTTLS, LIMIT_REPLY, client_tls_starttls_applies, client_tls_send_starttls,
                       expect_220, client_tls_got_starttls, NULL, NULL},
    [STEP_XCLIENT] = {PHASE_EHLO, LIMIT_REPLY, client_claim_xclient_applies, client_claim_send_xclient,
                      expect_220, client_claim_got_xclient, NULL, client_claim_xclient_sent},
    [STEP_AUTH] = {PHASE_AUTH, LIMIT_REPLY, client_auth_applies, NULL, client_auth_expected, client_auth_got,
                   NULL, NULL},
    [STEP_AUTH_RESPONSE] = {PHASE_AUTH, LIMIT_REPLY, client_auth_is_open, NULL, client_auth_expected,
                            client_auth_got, NULL, NULL},
    [STEP_AUTH_CANCEL] = {PHASE_AUTH, LIMIT_REPLY, client_auth_is_open, client_auth_send_cancel,
                          client_auth_cancel_expected, client_auth_got_cancel, NULL, NULL},
    [STEP_MAIL] = {PHASE_MAIL, LIMIT_REPLY, mail_applies, send_mail, client_judge_mail_wanted, got_mail, NULL,
                   NULL},
    [STEP_RCPT] = {PHASE_RCPT, LIMIT_REPLY, rcpt_applies, client_envelope_rcpt, client_judge_rcpt_wanted,
                   got_rcpt, NULL, NULL},
    [STEP_DATA] = {PHASE_DATA, LIMIT_REPLY, client_send_data_applies, client_send_data,
                   client_judge_data_wanted, client_send_got_data, NULL, client_send_data_sent},
    [STEP_MESSAGE] = {PHASE_MESSAGE, LIMIT_MESSAGE, client_send_message_applies, client_send_message,
                      client_judge_message_wanted, NULL, client_send_body, client_send_message_sent},
    [STEP_FINAL] = {PHASE_FINAL, LIMIT_FINAL, client_lmtp_final_applies, NULL, client_judge_message_wanted,
                    client_send_got_final, NULL, NULL},
    [STEP_RSET] = {PHASE_RSET, LIMIT_REPLY, rset_applies, send_rset, expect_250, got_rset, NULL, NULL},
    [STEP_LINE] = {PHASE_BANNER, LIMIT_REPLY, client_script_applies, NULL, NULL, NULL, NULL, NULL},
    [STEP_TEXT] = {PHASE_MESSAGE, LIMIT_MESSAGE, client_script_text_applies, client_script_send_text,
                   client_script_wanted_text, NULL, client_script_text, client_script_text_sent},
    [STEP_TEXT_REPLY] = {PHASE_FINAL, LIMIT_FINAL, never, NULL, NULL, client_script_got_text, NULL, NULL},
    [STEP_QUIT] = {PHASE_QUIT, LIMIT_QUIT, always, send_quit, expect_221, got_quit, NULL, NULL},
    [STEP_END] = {PHASE_QUIT, LIMIT_QUIT, always, NULL, NULL, NULL, NULL, NULL},
};

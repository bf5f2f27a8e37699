/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as a part of the dialogue (RFC 3207, RFC 8314): when it is begun, asked for, given up, and what
 * follows. The handshake itself is somebody else's, who says here how it ended. What fails in TLS is of phase
 * tls however late it shows, for a TLS 1.3 server says only after the handshake that it does not like it.
 */
#include "probe/proto/client_step.h"

static bool is_wanted_in_the_dialogue(const struct client *c)
{
    enum tls_mode mode = c->plan->tls.mode;

    return mode == TLS_MODE_STARTTLS || mode == TLS_MODE_OPPORTUNISTIC;
}

/* After a STARTTLS, ours or a script's. */
static bool is_begun_in_the_dialogue(const struct client *c)
{
    return is_wanted_in_the_dialogue(c) || c->upgrading;
}

/* Phase tls comes before the greeting, or with STARTTLS. */
static enum phase stop_after(const struct client *c)
{
    enum phase stop = c->plan->stop_after;

    return stop == PHASE_TLS && is_wanted_in_the_dialogue(c) ? PHASE_STARTTLS : stop;
}

bool client_tls_is_handshake(const struct client *c)
{
    return c->want == SEAM_TLS;
}

bool client_tls_applies(const struct client *c)
{
    return c->step == &client_step_table[STEP_STARTTLS] || c->upgrading ||
           c->plan->tls.mode == TLS_MODE_IMPLICIT;
}

/* A script says its own EHLO. Ours is said where something comes before the script that needs one. */
static bool is_needed_before_the_script(const struct client *c)
{
    return (is_wanted_in_the_dialogue(c) && !c->secured) || c->plan->login.wanted ||
           (plan_has_xclient(c->plan) && !c->xclient_said);
}

/* Said again after STARTTLS, but not for its own sake. */
bool client_tls_hello_applies(const struct client *c)
{
    bool again = c->step == &client_step_table[STEP_TLS] && is_wanted_in_the_dialogue(c);

    if (c->plan->script && !is_needed_before_the_script(c))
        return false;
    return stop_after(c) >= (again ? PHASE_AUTH : PHASE_EHLO);
}

/* STARTTLS */

bool client_tls_starttls_applies(const struct client *c)
{
    return is_wanted_in_the_dialogue(c) && !c->secured && stop_after(c) >= PHASE_STARTTLS &&
           !c->xclient_said && c->step->phase == PHASE_EHLO;
}

char *client_tls_send_starttls(struct client *c)
{
    return command_build(c->arena, "STARTTLS", COMMAND_END);
}

enum client_step_id client_tls_after_hello(struct client *c)
{
    if (!client_tls_starttls_applies(c))
        return client_claim_after_tls(c);
    if (ehlo_find(&c->ehlo, "STARTTLS"))
        return STEP_STARTTLS;
    if (c->plan->tls.mode == TLS_MODE_OPPORTUNISTIC) {
        client_note(c, FLAG_TLS_NOT_OFFERED);
        return client_claim_after_tls(c);
    }
    if (client_fail(c, REASON_NOT_OFFERED, NULL,
                    "the server does not offer STARTTLS, which tls: starttls needs"))
        c->draft->failure.phase = PHASE_STARTTLS;
    return STEP_QUIT;
}

enum client_step_id client_tls_got_starttls(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (reply->code == 220) {
        command->ok = true;
        return STEP_TLS;
    }
    if (reply->code < 400)
        return client_step_refused(c, command, "STARTTLS was");
    if (c->plan->tls.mode == TLS_MODE_OPPORTUNISTIC && !c->closing) {
        client_note(c, FLAG_TLS_REFUSED);
        return client_claim_after_tls(c);
    }
    client_fail(c, REASON_REFUSED, reply,
                arena_printf(c->arena, "STARTTLS was refused: %s", client_say_quote(c, reply)));
    return STEP_QUIT;
}

/* What is in the clear behind the 220 anybody may have put there (RFC 3207 section 5): it is not even read.
 */
void client_tls_injected(struct client *c, struct span bytes)
{
    if (!is_begun_in_the_dialogue(c))
        return;
    if (client_fail(c, REASON_INJECTED, NULL,
                    arena_printf(c->arena, "%zu octet%s of plain text came behind the reply to STARTTLS",
                                 bytes.len, bytes.len == 1 ? "" : "s")))
        c->draft->failure.phase = PHASE_STARTTLS;
    client_end(c);
}

/* Said by servers that greet anew in TLS, so that every reply is one too late (RFC 3207 section 4.2). */
bool client_tls_is_greeting(const struct client *c, const struct result_reply *reply)
{
    return c->secured && is_wanted_in_the_dialogue(c) && reply->code == 220;
}

/* the handshake */

/* What was learned in the clear anybody may have said. */
void client_tls_forget(struct client *c)
{
    c->ehlo = c->ehlo_shown = (struct ehlo){0};
    c->draft->extensions = NULL;
    c->draft->extension_count = 0;
}

/* TLS has said its hello; or the end of the handshake, which a server that greets in TLS 1.3 waits for. */
void client_shaking(struct client *c, int64_t now_us)
{
    if (c->want == SEAM_TLS && !c->hello_said) {
        c->hello_said = true;
        client_begin_clock(c, now_us);
    } else if (c->secured && !c->shaken && c->want == SEAM_READ &&
               c->step == &client_step_table[STEP_BANNER] && !reply_begun(&c->parser)) {
        c->shaken = true;
        client_begin_clock(c, now_us);
        client_last_command(c)->at_us = c->now_us - c->start_us;
    }
}

void client_secured(struct client *c, int64_t now_us)
{
    if (c->want != SEAM_TLS)
        return;
    if (now_us > client_deadline(c)) {
        client_expire(c, now_us);
        return;
    }
    client_tell_time(c, now_us);
    client_add_time(c->draft, PHASE_TLS, c->now_us - c->step_us);
    c->draft->duration_us = c->now_us - c->start_us;
    c->secured = true;
    client_claim_taken(c);
    client_tls_forget(c);
    if (c->upgrading)
        client_script_secured(c);
    else if (is_wanted_in_the_dialogue(c))
        client_enter(c, STEP_EHLO);
    else if (c->plan->stop_after < PHASE_BANNER)
        client_end(c);
    else
        client_enter(c, STEP_BANNER);
}

void client_unsecured(struct client *c, enum reason reason, const char *message, int64_t now_us)
{
    bool in_handshake = client_tls_is_handshake(c);

    if (!c->started || c->want == SEAM_DONE)
        return;
    if ((reason == REASON_TRUNCATED && client_decided(c)) ||
        (reason == REASON_RESET && c->want == SEAM_LINGER))
        client_note(c, FLAG_TLS_NO_CLOSE_NOTIFY);
    if (client_decided(c) || (!in_handshake && reason == REASON_RESET)) {
        client_broken(c, reason == REASON_RESET ? SEAM_RESET : SEAM_CLOSED, now_us);
        return;
    }
    client_tell_time(c, now_us);
    if (reason >= REASON_CERT_EXPIRED) /* who has come as far as its certificate speaks TLS */
        client_claim_taken(c);
    client_break_over_login(c, "broke off TLS");
    if (in_handshake)
        message = arena_printf(c->arena, "%s%s", message, client_claim_hint(c));
    else
        message = arena_printf(c->arena, "%s, %s", message, client_break_when(c));
    if (client_fail(c, reason, NULL, message))
        c->draft->failure.phase = PHASE_TLS;
    client_break_here(c);
}

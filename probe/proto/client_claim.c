/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that claim to be somebody else: the PROXY header (HAProxy's proxy-protocol.txt), which goes out
 * before anything else, and XCLIENT (Postfix' XCLIENT_README), which comes after the last EHLO and puts the
 * server back to its greeting.
 *
 * A header is never replied to. A server that does not speak the protocol takes it for commands, and its
 * replies to those must not be taken for replies to ours: until EHLO is answered well, each is looked at for
 * that.
 */
#include "probe/base/clock.h"
#include "probe/proto/client_step.h"
#include "probe/proto/proxy_header.h"
#include "probe/proto/xclient.h"

#include <string.h>

/* the PROXY header */

bool client_claim_proxy_applies(const struct client *c)
{
    return c->plan->proxy.wanted;
}

struct span client_claim_proxy(struct client *c)
{
    char header[PROXY_HEADER_SIZE];
    size_t len = proxy_header_build(&c->plan->proxy, &c->draft->peer, header);

    memcpy(c->wire, header, len);
    return (struct span){c->wire, len};
}

void client_claim_proxy_sent(struct client *c)
{
    char words[PROXY_HEADER_SIZE];
    char who[ADDRESS_TEXT_SIZE];

    proxy_header_words(&c->plan->proxy, &c->draft->peer, words);
    c->draft->claimed.proxy = arena_dup(c->arena, words);
    c->proxy_doubted = true;
    if (c->plan->proxy.local)
        return;
    address_text(&c->plan->proxy.source, who);
    c->draft->claimed.as = arena_dup(c->arena, who);
    c->draft->claimed.by = "PROXY";
}

void client_claim_taken(struct client *c)
{
    if (c->proxy_doubted)
        c->draft->claimed.honoured = RESULT_HONOURED;
    c->proxy_doubted = false;
}

/* What servers say to a command that they do not know, or that comes too early; or to QUIT, which stands in a
 * header of version 2. */
static bool answers_header(int code)
{
    return (code >= 500 && code <= 503) || code == 221;
}

bool client_claim_is_misplaced(const struct client *c, const struct result_reply *reply)
{
    return c->proxy_doubted && answers_header(reply->code);
}

enum client_step_id client_claim_misplaced(struct client *c, struct result_command *command)
{
    struct result_reply reply = command->reply;

    command->replied = false;
    command->reply = (struct result_reply){0};
    command->first_byte_us = command->reply_us = CLOCK_NONE;
    c->replied = PHASE_BANNER;
    client_break_reply_unasked(c, reply);
    return STEP_END;
}

const char *client_claim_say_unasked(struct client *c, const struct result_reply *reply)
{
    bool is_unsent = c->step == &client_step_table[STEP_PROXY];

    if (!is_unsent && !c->proxy_doubted)
        return NULL;
    c->draft->claimed.honoured = RESULT_NOT_HONOURED;
    return arena_printf(
        c->arena,
        is_unsent ? "the server spoke before it had the PROXY header, so it does not wait for one: %s"
                  : "the server took the PROXY header for a command: %s",
        client_say_quote(c, reply));
}

/* What TLS would say of it if it came a moment later. */
void client_claim_in_the_clear(struct client *c, const char *line)
{
    if (client_fail(c, REASON_NOT_TLS, NULL,
                    arena_printf(c->arena,
                                 "the server spoke in plain text before it had the PROXY header: \"%s\"",
                                 client_say_cut(c->arena, line))))
        c->draft->failure.phase = PHASE_TLS;
}

const char *client_claim_hint(const struct client *c)
{
    return c->proxy_doubted ? " (it may not speak the PROXY protocol, or not take this header)" : "";
}

/* XCLIENT */

/* Phase ehlo, but after a STARTTLS that is wanted: as EHLO once more after it. */
bool client_claim_xclient_applies(const struct client *c)
{
    enum tls_mode mode = c->plan->tls.mode;
    bool after_starttls = mode == TLS_MODE_STARTTLS || mode == TLS_MODE_OPPORTUNISTIC;

    return plan_has_xclient(c->plan) && !c->xclient_said &&
           c->plan->stop_after >= (after_starttls ? PHASE_AUTH : PHASE_EHLO);
}

static enum client_step_id not_offered(struct client *c, const char *message)
{
    client_fail(c, REASON_NOT_OFFERED, NULL, message);
    c->draft->failure.phase = PHASE_EHLO;
    return STEP_QUIT;
}

static const char *say_offer(struct client *c)
{
    const char *shown = ehlo_find(&c->ehlo_shown, "XCLIENT");

    return client_say_cut(c->arena, shown && !c->plan->hide_replies ? shown : SECRET_SHOWN);
}

enum client_step_id client_claim_after_tls(struct client *c)
{
    const char *params = ehlo_find(&c->ehlo, "XCLIENT");
    enum xclient missing;

    if (!client_claim_xclient_applies(c))
        return STEP_XCLIENT;
    if (!params)
        return not_offered(c, "the server does not offer XCLIENT to this client, which xclient needs");
    missing = xclient_missing(c->plan, params);
    if (missing == XCLIENT_COUNT)
        return STEP_XCLIENT;
    return not_offered(c, arena_printf(c->arena, "the server's XCLIENT does not take %s: it offers \"%s\"",
                                       xclient_name(missing), say_offer(c)));
}

char *client_claim_send_xclient(struct client *c)
{
    return xclient_command(c->arena, c->plan);
}

void client_claim_xclient_sent(struct client *c)
{
    const char *who = xclient_who(c->plan);

    c->xclient_said = true;
    c->draft->claimed.xclient = xclient_text(c->arena, c->plan);
    c->draft->claimed.honoured = RESULT_HONOUR_UNKNOWN;
    if (who) {
        c->draft->claimed.as = who;
        c->draft->claimed.by = "XCLIENT";
    }
}

/* XCLIENT_README: 501 and 503 are of the command, 550 says that this client may not give it (5.7.0, where
 * there is such a code); anything else is what the server has to say to the client that was claimed. */
static bool denies_the_claim(const struct result_reply *reply)
{
    const struct enhanced *e = &reply->enhanced;

    return (reply->code >= 500 && reply->code <= 504) ||
           (reply->code == 550 && (e->class == 0 || (e->subject == 7 && e->detail == 0)));
}

enum client_step_id client_claim_got_xclient(struct client *c, struct result_command *command)
{
    const struct result_reply *reply = &command->reply;

    if (reply->code == 220) {
        command->ok = true;
        c->draft->claimed.honoured = RESULT_HONOURED;
        client_tls_forget(c);
        return STEP_EHLO;
    }
    if (reply->code < 400 || c->closing)
        return client_step_refused(c, command, "XCLIENT was");
    if (!denies_the_claim(reply)) {
        c->draft->claimed.honoured = RESULT_HONOURED;
        return client_step_refused(c, command, "XCLIENT was taken, but the client that it names was");
    }
    c->draft->claimed.honoured = RESULT_NOT_HONOURED;
    client_fail(c, REASON_REFUSED, reply,
                arena_printf(c->arena, "XCLIENT was refused: %s", client_say_quote(c, reply)));
    return STEP_QUIT;
}

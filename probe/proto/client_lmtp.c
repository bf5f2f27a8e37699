/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What LMTP has besides SMTP (RFC 2033 section 4.2): the message gets a reply for each recipient that was
 * taken, in the order of RCPT, and each is one recipient's own. The first belongs to the message's entry of
 * the record, each further one has an entry of its own, to which nothing was sent. A 421 among them ends the
 * session, but the others are still owed, so they are waited for. LHLO is client_step.c's, the verdicts
 * client_judge.c's.
 */
#include "probe/proto/client_step.h"

bool client_lmtp_speaks(const struct client *c)
{
    return c->plan->protocol == PROTOCOL_LMTP;
}

/* The first from that recipient on for whom a reply is owed; their number when there is none. */
static size_t next_owed(const struct client *c, size_t recipient)
{
    const struct result_route *route = &c->routes[c->route];

    while (recipient < route->recipient_count && route->recipients[recipient].ok != TRI_NULL)
        recipient++;
    return recipient;
}

/* Where it was taken, what RCPT was answered counts no more: what the message is answered does. */
void client_lmtp_begin(struct client *c)
{
    const struct result_route *route = &c->routes[c->route];
    struct result_recipient *to = c->recipients[c->route];

    if (!client_lmtp_speaks(c))
        return;
    for (size_t i = 0; i < route->recipient_count; i++)
        if (to[i].code / 100 == 2)
            to[i] = (struct result_recipient){.to = to[i].to, .ok = TRI_NULL};
    c->recipient = next_owed(c, 0);
}

const char *client_lmtp_recipient(const struct client *c)
{
    const struct client_step *final = &client_step_table[STEP_FINAL];

    return client_lmtp_speaks(c) && c->step == final ? c->plan->routes[c->route].to[c->recipient] : NULL;
}

bool client_lmtp_next(struct client *c)
{
    if (!client_lmtp_speaks(c))
        return false;
    c->recipient = next_owed(c, c->recipient);
    if (c->recipient < c->routes[c->route].recipient_count)
        return true;
    client_judge_all_final(c);
    return false;
}

/* The first is led to by the message's last byte. */
bool client_lmtp_final_applies(const struct client *c)
{
    return c->route_begun && client_lmtp_recipient(c);
}

bool client_lmtp_is_owed(const struct client *c)
{
    return c->want == SEAM_READ && client_lmtp_recipient(c);
}

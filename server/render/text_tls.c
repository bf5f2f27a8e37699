/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person reads of TLS: the handshake as a line of the transcript, at its place, and what it showed
 * below. The names in a certificate are the server's words, so they are taken from the share.
 */
#include "server/render/text_tls.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <string.h>

void text_tls_short(struct buffer *out, const struct result_tls *tls)
{
    if (!tls) {
        buffer_puts(out, "no TLS");
        return;
    }
    buffer_puts(out, tls->version ? tls->version : "TLS failed");
    if (tls->verified == TRI_TRUE)
        buffer_puts(out, ", verified");
    else if (tls->verified == TRI_FALSE)
        buffer_printf(out, ", not verified (%s)", reason_name(tls->reason));
}

/* What a certificate says, as much of it as is shown. */
static void certified(struct buffer *out, const char *text, struct render_share *share)
{
    size_t part = render_take(share, text);

    buffer_printf(out, "%.*s%s", (int)part, text, text[part] ? "..." : "");
}

/* (mx1.example.org, until 2027-02-01): whom the certificate is for, in short. */
static void holder(struct buffer *out, const struct result_certificate *c, struct render_share *share)
{
    char end[TEXT_TIME_SIZE];
    bool ends = c->not_after_wall_us != CLOCK_NONE;

    if (c->name_count == 0 && !ends)
        return;
    buffer_puts(out, " (");
    if (c->name_count) {
        certified(out, c->names[0], share);
        if (c->name_total > 1)
            buffer_printf(out, " and %zu more", c->name_total - 1);
    }
    if (ends) {
        text_time(c->not_after_wall_us, end);
        buffer_printf(out, "%suntil %.*s", c->name_count ? ", " : "", (int)strcspn(end, "T"), end);
    }
    buffer_puts(out, ")");
}

void text_tls_line(struct buffer *out, const struct result_tls *tls, enum reason failed,
                   struct render_share *share)
{
    const char *between = "";

    if (tls->version) {
        buffer_printf(out, "%s %s", tls->version, tls->cipher);
        between = ", ";
    }
    if (tls->verified == TRI_TRUE) {
        buffer_printf(out, "%sverified", between);
        holder(out, &tls->chain[0], share);
        between = ", ";
    } else if (tls->verified == TRI_FALSE) {
        buffer_printf(out, "%snot verified (%s)", between, reason_name(tls->reason));
        between = ", ";
    }
    if (failed != REASON_NONE && failed != tls->reason)
        buffer_printf(out, "%sthe TLS handshake failed: %s", between, reason_sentence(failed));
    buffer_puts(out, "\n");
}

/*   CN=mx1.example.org, EC 256, until 2027-02-01T12:00:00Z, for mx1.example.org */
static void certificate(struct buffer *out, const struct result_certificate *c, struct render_share *share)
{
    char end[TEXT_TIME_SIZE];

    buffer_puts(out, "  ");
    certified(out, *c->subject ? c->subject : "no subject", share);
    buffer_printf(out, ", %s", c->key);
    if (c->not_after_wall_us != CLOCK_NONE) {
        text_time(c->not_after_wall_us, end);
        buffer_printf(out, ", until %.*sZ", (int)strcspn(end, "."), end);
    }
    for (size_t i = 0; i < c->name_count; i++) {
        buffer_puts(out, i ? " " : ", for ");
        certified(out, c->names[i], share);
    }
    buffer_puts(out, c->name_total > c->name_count ? " ...\n" : "\n");
}

/* TLS: TLSv1.3, verified; TLS_AES_256_GCM_SHA384, X25519 */
void text_tls_facts(struct buffer *out, const struct result_tls *tls, struct render_share *share)
{
    if (!tls)
        return;
    buffer_puts(out, tls->version ? "TLS: " : "");
    text_tls_short(out, tls);
    if (tls->cipher)
        buffer_printf(out, "; %s%s%s", tls->cipher, tls->group ? ", " : "", tls->group ? tls->group : "");
    if (tls->alert)
        buffer_printf(out, "; alert %s", tls->alert);
    buffer_puts(out, "\n");
    for (size_t i = 0; i < tls->chain_count; i++)
        certificate(out, &tls->chain[i], share);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By which mechanism a client logs in, or why it does not: what the server offers (EHLO's AUTH line, RFC 4954
 * section 3), what the login can be proved with, and whether there is TLS. A mechanism that is named is taken
 * or none; without a name it is the strongest of those that are offered (the order of enum auth_mechanism).
 */
#include "probe/proto/client_step.h"

#include <string.h>

#define SHOWN_MECHANISMS 10

static struct span next_word(const char **words)
{
    const char *start = *words + strspn(*words, " ");
    size_t len = strcspn(start, " ");

    *words = start + len;
    return (struct span){start, len};
}

static bool is_offered(const char *offer, enum auth_mechanism m)
{
    for (struct span word = next_word(&offer); word.len; word = next_word(&offer))
        if (span_is_nocase(word, auth_name(m)))
            return true;
    return false;
}

static bool can_prove(const struct auth_login *login, enum auth_mechanism m)
{
    switch (auth_proof_of(m)) {
    case AUTH_BY_PASSWORD:
        return login->password;
    case AUTH_BY_TOKEN:
        return login->token || login->token_file;
    case AUTH_BY_CERTIFICATE:
        return login->has_certificate;
    }
    return false;
}

static enum auth_mechanism strongest(const struct auth_login *login, const char *offer)
{
    enum auth_mechanism m = 0;

    if (login->mechanism < AUTH_MECHANISM_COUNT)
        return is_offered(offer, login->mechanism) ? login->mechanism : AUTH_MECHANISM_COUNT;
    while (m < AUTH_MECHANISM_COUNT && (!can_prove(login, m) || !is_offered(offer, m)))
        m++;
    return m;
}

/* "PLAIN LOGIN", cut where there are many: all of them stand in the record. */
static const char *say_offer(struct client *c)
{
    const char *found = ehlo_find(&c->ehlo_shown, "AUTH");
    const char *offer =
        found && !c->plan->hide_replies ? found : SECRET_SHOWN; /* not found: whose password is "AUTH" */
    const char *said = "", *rest = offer;
    size_t more = 0;

    for (size_t i = 0; i < SHOWN_MECHANISMS && next_word(&rest).len; i++)
        said = arena_dup_span(c->arena, (struct span){offer, (size_t)(rest - offer)});
    for (const char *at = rest; next_word(&at).len;)
        more++;
    if (!*said)
        return "none";
    said = client_say_cut(c->arena, said);
    return more ? arena_printf(c->arena, "%s and %zu more", said, more) : said;
}

/* "a password", "a password or a token" */
static const char *say_proofs(struct client *c)
{
    const struct auth_login *login = &c->plan->login;
    const char *said = login->password ? "a password" : "";

    if (login->token || login->token_file)
        said = arena_printf(c->arena, "%s%sa token", said, *said ? " or " : "");
    if (login->has_certificate)
        said = arena_printf(c->arena, "%s%sa certificate", said, *said ? " or " : "");
    return said;
}

static const char *say_none(struct client *c)
{
    const struct auth_login *login = &c->plan->login;

    if (login->mechanism < AUTH_MECHANISM_COUNT)
        return arena_printf(c->arena,
                            "the server does not offer AUTH %s, which auth.mechanism names (it offers: %s)",
                            auth_name(login->mechanism), say_offer(c));
    return arena_printf(c->arena, "the server offers no AUTH mechanism for %s (it offers: %s)", say_proofs(c),
                        say_offer(c));
}

/* It may be that AUTH is offered inside TLS: a server that offers STARTTLS has more to say there. */
static enum reason not_offered(struct client *c, const char **message_r)
{
    *message_r = "the server does not offer AUTH";
    if (c->secured || !ehlo_find(&c->ehlo, "STARTTLS"))
        return REASON_NOT_OFFERED;
    *message_r = "the server does not offer AUTH without TLS; it offers STARTTLS, and may offer AUTH inside";
    return REASON_NEEDS_TLS;
}

enum reason client_auth_choose(struct client *c, enum auth_mechanism *mechanism_r, const char **message_r)
{
    const struct auth_login *login = &c->plan->login;
    const char *offer = ehlo_find(&c->ehlo, "AUTH");
    enum auth_mechanism m;

    if (!offer)
        return not_offered(c, message_r);
    if (!c->secured && !login->allow_plaintext) {
        *message_r = "the connection is not encrypted, and nothing of a login is sent without TLS "
                     "(auth.allow_plaintext)";
        return REASON_NEEDS_TLS;
    }
    m = strongest(login, offer);
    if (m == AUTH_MECHANISM_COUNT) {
        *message_r = say_none(c);
        return REASON_NO_MECHANISM;
    }
    *mechanism_r = m;
    return REASON_NONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses that the sink is given (RFC 5321 section 4.1.2):
 *
 *     Path    = "<" [ A-d-l ":" ] Mailbox ">"      ; the source route A-d-l is passed over
 *     Mailbox = ( Dot-string / Quoted-string ) "@" ( Domain / address-literal )
 *
 * Only what tells the domain is looked at; whether a mailbox of ours exists is no question here.
 */
#include "probe/proto/sink_command.h"

#include <string.h>
#include <strings.h>

#define PATH_MOST 256 /* octets, brackets included: RFC 5321 section 4.5.3.1.3 */

/* How many octets stand before the ">" that ends the path; -1 when none does, or a space does not belong. */
static long path_length(const char *text)
{
    bool quoted = false;

    for (const char *c = text; *c; c++) {
        if (quoted && *c == '\\' && c[1])
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (!quoted && *c == '>')
            return c - text;
        else if (!quoted && (*c == ' ' || *c == '<'))
            return -1;
    }
    return -1;
}

const char *sink_path(struct arena *a, const char **text)
{
    if (**text != '<')
        return NULL;
    const char *start = *text + 1;
    long len = path_length(start);
    if (len < 0 || len > PATH_MOST - 2)
        return NULL;
    const char *end = start + len;
    if (*start == '@') {
        const char *route = memchr(start, ':', (size_t)len);
        if (!route)
            return NULL;
        start = route + 1;
    }
    *text = end + 1;
    return arena_dup_span(a, (struct span){start, (size_t)(end - start)});
}

bool sink_path_has_domain(const char *address)
{
    const char *at = strrchr(address, '@');
    return at && at > address && at[1];
}

/* "user%example.com@here" and "example.com!user@here" ask to be passed on (RFC 5321 appendix F.2); an address
 * with two @ is none. Inside quotes all of that is a name. */
static bool asks_for_a_relay(const char *local, size_t len)
{
    return len > 0 && local[0] != '"' &&
           (memchr(local, '%', len) || memchr(local, '!', len) || memchr(local, '@', len));
}

bool sink_path_is_ours(const struct sink_policy *policy, const char *address)
{
    if (strcasecmp(address, "postmaster") == 0)
        return true;
    const char *domain = strrchr(address, '@') + 1;
    if (asks_for_a_relay(address, (size_t)(domain - address) - 1))
        return false;
    for (size_t i = 0; i < policy->domain_count; i++)
        if (strcasecmp(domain, policy->domains[i]) == 0)
            return true;
    return false;
}

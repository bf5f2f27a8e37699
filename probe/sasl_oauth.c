/* SPDX-License-Identifier: Apache-2.0 */
/* The words of OAuth's two mechanisms, and tokens in files. */
#include "probe/sasl_oauth.h"

#include "probe/base/address.h"
#include "probe/base/slurp.h"

#include <stdio.h>
#include <string.h>

static struct span without_line_end(struct span text)
{
    if (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len && text.data[text.len - 1] == '\r')
        text.len--;
    return text;
}

/* What is wrong with it, or null. */
static const char *judge(struct span token)
{
    if (token.len == 0)
        return "empty";
    if (!sasl_oauth_is_token(token))
        return "something else than a token, which is one word of printable ASCII characters";
    return NULL;
}

struct secret *sasl_oauth_read_token(const char *path, struct arena *a, const char **message_r)
{
    static const struct slurp_kind kind = {"a token file", SASL_OAUTH_MAX_FILE};
    struct arena read = {0};
    struct span held = {0};
    struct secret *token = NULL;
    const char *why = slurp_file(path, &kind, &read, &held);

    held = without_line_end(held);
    if (!why)
        why = judge(held);
    if (why)
        *message_r = arena_printf(a, "the token file %s: %s", path, why);
    else
        token = secret_new(held);
    arena_wipe(&read);
    return token;
}

bool sasl_oauth_is_token(struct span token)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] <= ' ' || token.data[i] >= 0x7f)
            return false;
    return token.len > 0;
}

/* RFC 5801 section 4: saslname, in which "," and "=" are =2C and =3D. */
static const char *saslname(const char *name, struct arena *a)
{
    char *text = arena_alloc(a, 3 * strlen(name) + 1), *out = text;

    for (; *name; name++) {
        if (*name == ',' || *name == '=')
            out += sprintf(out, "=%02X", (unsigned)*name);
        else
            *out++ = *name;
    }
    return text;
}

/* RFC 7628 section 3.1, where host and port may be left out: a path is neither. A control character in a name
 * would be taken for a separator. */
const char *sasl_oauth_head(enum auth_mechanism m, const char *username, const char *host, uint16_t port,
                            struct arena *a)
{
    if (m == AUTH_XOAUTH2)
        return arena_printf(a, "user=%s\001auth=Bearer ", username);
    const char *where =
        address_is_path(host) ? "" : arena_printf(a, "host=%s\001port=%u\001", host, (unsigned)port);
    return arena_printf(a, "n,%s%s,\001%sauth=Bearer ", *username ? "a=" : "", saslname(username, a), where);
}

/* RFC 7628 section 3.2.3. */
const char *sasl_oauth_acknowledgement(enum auth_mechanism m)
{
    return m == AUTH_OAUTHBEARER ? "\001" : "";
}

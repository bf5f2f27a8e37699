/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials = auth-scheme 1*SP token68 (RFC 9110, section 11.4)
 * user-pass   = user-id ":" password, in base64 (RFC 7617)
 *
 * What is blank around them is not theirs.
 */
#include "server/credentials.h"

#include "probe/base/base64.h"
#include "probe/base/secret.h"

#include <string.h>
#include <strings.h>

static struct span credentials_of(const char *field, const char *scheme)
{
    size_t len = strlen(scheme);

    if (strncasecmp(field, scheme, len) != 0 || field[len] != ' ')
        return span_of(NULL);
    field += len;
    struct span rest = span_of(field + strspn(field, " \t"));
    while (rest.len > 0 && strchr(" \t", rest.data[rest.len - 1]) != NULL)
        rest.len--;
    return rest;
}

struct span credentials_token(const char *field)
{
    return credentials_of(field, "Bearer");
}

int credentials_read(const char *field, struct credentials *c)
{
    struct span given = credentials_of(field, "Basic");

    if (given.len > sizeof c->bytes)
        return -1;
    int len = base64_decode(given, c->bytes);
    const char *colon = len > 0 ? memchr(c->bytes, ':', (size_t)len) : NULL;
    if (colon == NULL || memchr(c->bytes, '\0', (size_t)len) != NULL)
        return -1;
    size_t at = (size_t)(colon - c->bytes);
    c->name = (struct span){c->bytes, at};
    c->password = (struct span){colon + 1, (size_t)len - at - 1};
    return 0;
}

void credentials_wipe(struct credentials *c)
{
    secret_wipe(c, sizeof *c);
}

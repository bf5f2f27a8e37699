/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of SASL mechanisms. What is said in an exchange is probe/sasl.c's, when to begin one and what
 * follows from the replies probe/proto/client_auth.c's.
 */
#include "probe/auth.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    enum auth_proof proof;
    bool shows_secret;
    bool client_first;
} mechanisms[AUTH_MECHANISM_COUNT] = {
    [AUTH_SCRAM_SHA_256] = {"SCRAM-SHA-256", AUTH_BY_PASSWORD, false, true},
    [AUTH_SCRAM_SHA_1] = {"SCRAM-SHA-1", AUTH_BY_PASSWORD, false, true},
    [AUTH_CRAM_MD5] = {"CRAM-MD5", AUTH_BY_PASSWORD, false, false},
    [AUTH_OAUTHBEARER] = {"OAUTHBEARER", AUTH_BY_TOKEN, true, true},
    [AUTH_XOAUTH2] = {"XOAUTH2", AUTH_BY_TOKEN, true, true},
    [AUTH_EXTERNAL] = {"EXTERNAL", AUTH_BY_CERTIFICATE, false, true},
    [AUTH_PLAIN] = {"PLAIN", AUTH_BY_PASSWORD, true, true},
    [AUTH_LOGIN] = {"LOGIN", AUTH_BY_PASSWORD, true, false},
};

const char *auth_name(enum auth_mechanism m)
{
    return mechanisms[m].name;
}

enum auth_mechanism auth_by_name(struct span name)
{
    enum auth_mechanism m = 0;

    while (m < AUTH_MECHANISM_COUNT && (strlen(mechanisms[m].name) != name.len ||
                                        strncasecmp(mechanisms[m].name, name.data, name.len) != 0))
        m++;
    return m;
}

enum auth_proof auth_proof_of(enum auth_mechanism m)
{
    return mechanisms[m].proof;
}

bool auth_shows_secret(enum auth_mechanism m)
{
    return mechanisms[m].shows_secret;
}

bool auth_client_speaks_first(enum auth_mechanism m)
{
    return mechanisms[m].client_first;
}

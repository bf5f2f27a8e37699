/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CREDENTIALS_H
#define SERVER_CREDENTIALS_H

#include "probe/base/span.h"

/* What the value of an Authorization field says, taken apart. */

#define CREDENTIALS_MOST 1024 /* octets of name and password */

struct credentials {
    struct span name;
    struct span password;
    char bytes[CREDENTIALS_MOST]; /* both are of these */
};

/* The token of RFC 6750, within the field; no bytes: it is of no such kind. */
struct span credentials_token(const char *field);

/* Name and password of RFC 7617; -1: there are none. Wipe them, whatever comes. */
int credentials_read(const char *field, struct credentials *credentials_r);
void credentials_wipe(struct credentials *credentials);

#endif

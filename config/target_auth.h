/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_AUTH_H
#define CONFIG_TARGET_AUTH_H

#include "config/target.h"

/* Parsers of keys. */
keys_parse target_auth_mechanism;
keys_parse target_auth_password;      /* struct auth_login */
keys_parse target_auth_password_file; /* likewise */
keys_parse target_auth_token;         /* likewise */
keys_parse target_auth_token_file;    /* likewise */
keys_parse target_auth_expect;        /* bool: whether the login must be refused */

/* Whether the target logs in at all, and all that it needs for it is there. */
void target_auth_prepare(struct load *l, struct target *t);

/* Frees the secrets that were read. */
void target_auth_clear(struct secret **list, size_t count);

#endif

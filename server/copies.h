/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_COPIES_H
#define SERVER_COPIES_H

#include "probe/token.h"

#include <stddef.h>
#include <stdint.h>

/* Copies of our messages that mailboxes keep: which token each one has. Of too many, the first that were told
 * are forgotten; these stay where they are until the mailbox shows them again, after a restart. */
struct copies;

#define COPIES_MAX      100000
#define COPIES_MAX_NAME 1024 /* octets of what a mailbox calls one; a longer one is not kept */

struct copies *copies_new(void);
void copies_free(struct copies *copies); /* null is fine */

/* One that is there already is told anew. */
void copies_add(struct copies *copies, const char *mailbox, const char *id, const char *token,
                int64_t made_wall_us);

/* Null: it is none of ours. */
const char *copies_find(const struct copies *copies, const char *mailbox, const char *id,
                        int64_t *made_wall_us_r);

#endif

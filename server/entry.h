/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ENTRY_H
#define SERVER_ENTRY_H

#include "server/login.h"
#include "server/question.h"

/* What is done with a question whose asker is let in. */
typedef void entry_next(void *context, struct question *q);

/* Goes on at once, or later, when the password was looked at; or answers: 401, or 503 when too many passwords
 * are being looked at. Without a login (null) everybody is let in. */
void entry_ask(struct login *login, struct question *q, entry_next *next, void *context);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RELOAD_ASK_H
#define SERVER_RELOAD_ASK_H

#include "server/desk.h"
#include "server/question.h"

/* POST /-/reload. That the asker may has been checked. */
void reload_ask_begin(struct desk *desk, struct question *q);

#endif

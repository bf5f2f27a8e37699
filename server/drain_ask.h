/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DRAIN_ASK_H
#define SERVER_DRAIN_ASK_H

#include "server/desk.h"
#include "server/question.h"

/* Taking a target out of service and back in. Path and parameters' names have been checked, and that the
 * asker may. Asking for what is already so is good. */
void drain_ask_begin(struct desk *desk, struct question *q); /* POST /targets/{target}/drain */
void drain_ask_end(struct desk *desk, struct question *q);   /* POST /targets/{target}/undrain */

/* How the view of targets shows it; null when it is in service. Lives as long as the question. */
const struct render_drain *drain_ask_shown(const struct desk *desk, struct question *q, const char *target);

#endif

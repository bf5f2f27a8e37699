/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stddef.h>
#include <uv.h>

/*
 * What the service manager is told (sd_notify(3)): that the service is ready, reloads, stops, what it does in
 * a line, and, as often as the manager wants, that the loop still turns. Without a manager nothing is said.
 * Never blocks: what cannot be said now is said as soon as it can be.
 */
struct notify;

/* Takes what the manager said out of the environment. Never null. */
struct notify *notify_new(uv_loop_t *loop);

void notify_ready(struct notify *notify, const char *status);
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify);

/* Nothing is said any more. Memory follows from the loop. */
void notify_free(struct notify *notify); /* null is fine */

#endif

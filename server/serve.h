/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "config/snapshot.h"
#include "server/log.h"

/* The service, from its start until a signal has ended it: 0, or 1 when it could not start (it says why in
 * the log). The source is what the snapshot was loaded from, and is loaded again from. It takes the caller's
 * reference over: after a reload nobody else keeps the old snapshot, and with it its secrets. */
int serve_run(struct snapshot *snapshot, const struct snapshot_source *source, struct log *log);

#endif

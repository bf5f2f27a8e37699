/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "config/snapshot.h"
#include "server/log.h"

/* The service, from its start until a signal has ended it: 0, or 1 when it could not start (it says why in
 * the log). */
int serve_run(struct snapshot *snapshot, struct log *log);

#endif

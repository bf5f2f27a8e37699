/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SIGNALS_H
#define SERVER_SIGNALS_H

#include <uv.h>

/* What the service is told by signals, from the loop of the main thread. */
struct signals;

/* SIGTERM or SIGINT, as it is called. */
typedef void signals_stop(void *context, const char *name);
/* SIGHUP */
typedef void signals_hangup(void *context);

struct signals_order {
    uv_loop_t *loop;
    signals_stop *stop;
    signals_hangup *hangup;
    void *context;
};

/* From now on SIGHUP waits until it is watched, instead of ending the process. */
void signals_hold_hangup(void);

/* Before there are other threads. As long as they are watched the loop goes on. SIGPIPE is no signal of ours:
 * a write says so by itself. Null when the system has no descriptor for it. */
struct signals *signals_new(const struct signals_order *order);

/* One more that comes from here on changes nothing any more, and does not kill. Null is fine. */
void signals_free(struct signals *signals);

#endif

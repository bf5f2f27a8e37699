/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LAG_H
#define SERVER_LAG_H

#include <stdint.h>
#include <uv.h>

/* How late a loop is: a timer looks once a second. It keeps no loop alive. */
struct lag;

struct lag *lag_new(uv_loop_t *loop);
void lag_free(struct lag *lag); /* null is fine; its handle is gone after the loop has run once more */

/* The worst of the last half minute, at least. */
int64_t lag_worst_us(const struct lag *lag);

#endif

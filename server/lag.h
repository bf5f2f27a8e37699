/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_LAG_H
#define SERVER_LAG_H

#include <stdint.h>
#include <uv.h>

/* How late a loop is: a timer looks once a second. It keeps no loop alive. */
struct lag;

/* Beside those of other loops, or null; before any of these loops runs. */
struct lag *lag_new(uv_loop_t *loop, struct lag *beside);
void lag_free(struct lag *lag); /* null is fine; its handle is gone after the loop has run once more */

/* The worst of the last half minute, at least, of this one and those before it that it stands beside; these
 * loops stand still. */
int64_t lag_worst_us(const struct lag *lag);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SCRAPE_H
#define SERVER_SCRAPE_H

#include <stdint.h>

/* X-Prometheus-Scrape-Timeout-Seconds, as Prometheus writes it ("10", "2.5"), less what the way back takes:
 * half a second, but at most half of it. 0 = Prometheus says nothing: CLOCK_NEVER. 0, or -1 when the text
 * is no such number. Pure. */
int scrape_timeout(const char *text, int64_t *us_r);

#endif

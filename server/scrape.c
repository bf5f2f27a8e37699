/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a scrape may take. Read by hand: strtod would take "NaN", "0x1p3" and, in some locales, a comma.
 *
 *   seconds = 1*DIGIT [ "." 1*DIGIT ]
 */
#include "server/scrape.h"

#include "probe/base/clock.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* More seconds than anyone waits; longer numbers mean the same. */
#define SCRAPE_MAX_S     INT64_C(1000000)
#define SCRAPE_MARGIN_US (CLOCK_US_PER_S / 2)

int scrape_timeout(const char *text, int64_t *us_r)
{
    int64_t seconds = 0;
    int64_t us = 0;

    if (!isdigit((unsigned char)*text))
        return -1;
    for (; isdigit((unsigned char)*text); text++)
        seconds = seconds < SCRAPE_MAX_S ? seconds * 10 + (*text - '0') : SCRAPE_MAX_S;
    if (*text == '.') {
        if (!isdigit((unsigned char)*++text))
            return -1;
        for (int64_t unit = CLOCK_US_PER_S / 10; isdigit((unsigned char)*text); text++, unit /= 10)
            us += unit * (*text - '0');
    }
    if (text[strspn(text, " \t")] != '\0') /* what is blank behind a field's value is none of it */
        return -1;
    us += seconds * CLOCK_US_PER_S;
    if (us == 0)
        *us_r = CLOCK_NEVER;
    else
        *us_r = us > 2 * SCRAPE_MARGIN_US ? us - SCRAPE_MARGIN_US : (us + 1) / 2;
    return 0;
}

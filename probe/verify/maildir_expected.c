/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is expected in a Maildir, as a short list: one that is expected no longer than the one before adds
 * nothing to it.
 */
#include "probe/verify/maildir_expected.h"

#include "probe/base/clock.h"

#define AFTERWARDS_US (60 * CLOCK_US_PER_S)

bool maildir_expects(struct maildir_expected *e, int64_t now_us)
{
    size_t kept = 0;

    for (size_t i = 0; i < e->count; i++)
        if (e->list[i].until_us > now_us - AFTERWARDS_US)
            e->list[kept++] = e->list[i];
    e->count = kept;
    return kept > 0;
}

int64_t maildir_expects_since(struct maildir_expected *e, int64_t now_us)
{
    return maildir_expects(e, now_us) ? e->list[0].since_us : CLOCK_NEVER;
}

void maildir_expect(struct maildir_expected *e, int64_t now_us, int64_t until_us)
{
    if (maildir_expects(e, now_us) && e->list[e->count - 1].until_us >= until_us)
        return;
    if (e->count < MAILDIR_EXPECTED_MOST)
        e->list[e->count++].since_us = now_us;
    e->list[e->count - 1].until_us = until_us;
}

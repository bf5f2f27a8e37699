/* SPDX-License-Identifier: Apache-2.0 */
/* The words for how a target is out of service, which are HAProxy's. */
#include "server/drain.h"

#include <string.h>

static const char *const names[DRAIN_MODE_COUNT] = {
    [DRAIN_MODE_DRAIN] = "drain", [DRAIN_MODE_MAINT] = "maint"};

const char *drain_mode_name(enum drain_mode mode)
{
    return names[mode];
}

enum drain_mode drain_mode_by_name(const char *name)
{
    enum drain_mode mode = 0;

    while (mode < DRAIN_MODE_COUNT && strcmp(names[mode], name) != 0)
        mode++;
    return mode;
}

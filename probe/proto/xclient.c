/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of XCLIENT (Postfix' XCLIENT_README):
 *
 *     XCLIENT 1*( SP attribute "=" xtext )
 *
 * Values are xtext (RFC 3461 section 4). They are checked when the config loads; several commands, which
 * Postfix would take for what does not fit in one line, are never sent.
 */
#include "probe/proto/xclient.h"

#include "probe/proto/command.h"

#include <string.h>
#include <strings.h>

char *xclient_text(struct arena *a, const struct plan *plan)
{
    char *text = arena_dup(a, "");

    for (enum xclient x = 0; x < XCLIENT_COUNT; x++)
        if (plan->xclient[x])
            text = arena_printf(a, "%s%s%s=%s", text, *text ? " " : "", xclient_name(x),
                                command_xtext(a, plan->xclient[x]));
    return text;
}

char *xclient_command(struct arena *a, const struct plan *plan)
{
    return command_build(a, "XCLIENT ", xclient_text(a, plan), COMMAND_END);
}

static bool lists(const char *params, const char *name)
{
    size_t len = strlen(name);

    while (*params) {
        size_t word = strcspn(params, " ");
        if (word == len && strncasecmp(params, name, len) == 0)
            return true;
        params += word;
        params += strspn(params, " ");
    }
    return false;
}

enum xclient xclient_missing(const struct plan *plan, const char *params)
{
    enum xclient x = 0;

    while (x < XCLIENT_COUNT && (!plan->xclient[x] || lists(params, xclient_name(x))))
        x++;
    return x;
}

const char *xclient_who(const struct plan *plan)
{
    const char *address = plan->xclient[XCLIENT_ADDR];

    if (!address)
        return plan->xclient[XCLIENT_NAME];
    return strncmp(address, XCLIENT_IPV6, sizeof(XCLIENT_IPV6) - 1) == 0 ? address + sizeof(XCLIENT_IPV6) - 1
                                                                         : address;
}

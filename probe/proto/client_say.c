/* SPDX-License-Identifier: Apache-2.0 */
/* The client's sentences: how a failure names what was said, asked and waited for. */
#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/proto/client_step.h"

#include <string.h>

#define QUOTE_MOST 200 /* bytes of a line in a message; all of it stands in the transcript */

const char *client_say_cut(struct arena *a, const char *text)
{
    size_t most = QUOTE_MOST;
    if (strlen(text) <= most)
        return text;
    while (most > 0 && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return arena_printf(a, "%.*s...", (int)most, text);
}

const char *client_say_quote(struct client *c, const struct result_reply *reply)
{
    const char *line = reply->line_count ? reply->lines[reply->line_count - 1] : "";
    line = client_say_cut(c->arena, line);
    if (!reply->code)
        return arena_printf(c->arena, "\"%s\"", line);
    return arena_printf(c->arena, "\"%d%s%s\"", reply->code, *line ? " " : "", line);
}

const char *client_say_asked(const struct client *c, struct arena *a)
{
    const struct result *draft = c->draft;
    const char *sent = draft->command_count ? draft->commands[draft->command_count - 1].sent : NULL;
    return sent ? client_say_cut(a, sent) : NULL;
}

const char *client_say_overdue(const struct client *c, struct arena *a, enum reason reason, int64_t now_us)
{
    double elapsed_s = (double)(now_us - c->step_us) / (double)CLOCK_US_PER_S;
    const char *to = client_say_asked(c, a);
    char limit[TEXT_DURATION_SIZE];

    if (reason == REASON_TIMEOUT)
        return to ? arena_printf(a, "no reply to %s in %.3f s (%s)", to, elapsed_s, limit_key(c->step->limit))
                  : arena_printf(a, "no greeting in %.3f s (%s)", elapsed_s, limit_key(c->step->limit));
    if (reason == REASON_SEND_TIMEOUT)
        return arena_printf(a, "the server stopped reading: %s could not be sent in %.3f s (%s)", to,
                            elapsed_s, limit_key(c->step->limit));
    text_duration(now_us - c->start_us, limit);
    if (c->want == SEAM_WRITE)
        return arena_printf(a, "%s could not be sent in %.3f s, when the time of the run was over (%s)", to,
                            elapsed_s, limit);
    return to ? arena_printf(a, "no reply to %s in %.3f s, when the time of the run was over (%s)", to,
                             elapsed_s, limit)
              : arena_printf(a, "no greeting in %.3f s, when the time of the run was over (%s)", elapsed_s,
                             limit);
}

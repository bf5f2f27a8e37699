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
    const struct result_command *last =
        draft->command_count ? &draft->commands[draft->command_count - 1] : NULL;

    if (!last || !last->sent)
        return NULL;
    if (last->phase == PHASE_MESSAGE || last->phase == PHASE_FINAL)
        return "the message";
    return client_say_cut(a, last->sent);
}

const char *client_say_part_sent(const struct client *c, struct arena *a)
{
    return arena_printf(a, "%zu of %zu octets", c->output_sent, c->output.len);
}

/* The time is over in the middle of sending. */
static const char *say_unsent(const struct client *c, struct arena *a, enum reason reason, double elapsed_s,
                              const char *limit)
{
    const char *by_run = reason == REASON_DEADLINE ? ", when the time of the run was over" : "";

    if (c->step->body)
        return arena_printf(
            a,
            "the server stopped reading after %s of the message; the rest could not be sent in %.3f s%s (%s)",
            client_say_part_sent(c, a), elapsed_s, by_run, limit);
    return arena_printf(a, "%s%s could not be sent in %.3f s%s (%s)",
                        *by_run ? "" : "the server stopped reading: ", client_say_asked(c, a), elapsed_s,
                        by_run, limit);
}

const char *client_say_overdue(const struct client *c, struct arena *a, enum reason reason, int64_t now_us)
{
    double elapsed_s = (double)(now_us - c->step_us) / (double)CLOCK_US_PER_S;
    const char *to = client_say_asked(c, a);
    const char *by_run = reason == REASON_DEADLINE ? ", when the time of the run was over" : "";
    char duration[TEXT_DURATION_SIZE];
    const char *limit = limit_key(c->step->limit);

    if (reason == REASON_DEADLINE) {
        text_duration(now_us - c->start_us, duration);
        limit = duration;
    }
    if (c->want == SEAM_WRITE)
        return say_unsent(c, a, reason, elapsed_s, limit);
    return arena_printf(a, "no %s%s in %.3f s%s (%s)", to ? "reply to " : "greeting", to ? to : "", elapsed_s,
                        by_run, limit);
}

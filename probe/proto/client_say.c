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
    char enhanced[ENHANCED_TEXT_SIZE];
    const char *text = reply_text(c->arena, reply);

    enhanced_text(reply->enhanced, enhanced);
    text = client_say_cut(c->arena,
                          arena_printf(c->arena, "%s%s%s", enhanced, *enhanced && *text ? " " : "", text));
    if (!reply->code)
        return arena_printf(c->arena, "\"%s\"", text);
    return arena_printf(c->arena, "\"%d%s%s\"", reply->code, *text ? " " : "", text);
}

const char *client_say_asked(const struct client *c, struct arena *a)
{
    const struct result *draft = c->draft;
    const struct result_command *last =
        draft->command_count ? &draft->commands[draft->command_count - 1] : NULL;

    if (c->step == &client_step_table[STEP_PROXY])
        return "the PROXY header";
    if (last && last->phase == PHASE_FINAL && client_lmtp_recipient(c))
        return client_say_cut(a, arena_printf(a, "the message for <%s>", client_lmtp_recipient(c)));
    if (!last || !last->sent)
        return NULL;
    if (result_is_message(last))
        return "the message";
    if (last->phase == PHASE_AUTH)
        return client_auth_say_asked(last);
    return client_say_cut(a, last->sent);
}

const char *client_say_part_sent(const struct client *c, struct arena *a)
{
    return arena_printf(a, "%zu of %zu octets", c->output_gone + c->output_sent, c->output_total);
}

/* The time is over in the middle of sending; how it ended stands behind the seconds. */
static const char *say_unsent(const struct client *c, struct arena *a, bool by_run, double elapsed_s,
                              const char *end)
{
    if (c->step->body)
        return arena_printf(
            a, "the server stopped reading after %s of the message; the rest could not be sent in %.3f s%s",
            client_say_part_sent(c, a), elapsed_s, end);
    return arena_printf(a, "%s%s could not be sent in %.3f s%s",
                        by_run ? "" : "the server stopped reading: ", client_say_asked(c, a), elapsed_s, end);
}

static double taken_s(const struct client *c, int64_t now_us)
{
    return now_us > c->step_us ? (double)(now_us - c->step_us) / (double)CLOCK_US_PER_S : 0.0;
}

const char *client_say_overdue(const struct client *c, struct arena *a, enum reason reason, int64_t now_us)
{
    bool by_run = reason == REASON_DEADLINE;
    const char *to = client_say_asked(c, a);
    char over[PLAN_OVER_SIZE];
    const char *end;

    plan_say_over(c->plan, over);
    end = by_run ? arena_printf(a, ", %s", over) : arena_printf(a, " (%s)", limit_key(c->step->limit));
    if (client_auth_is_answering(c))
        return arena_printf(a, "ehlod itself had not made the login after %.3f s%s", taken_s(c, now_us),
                            arena_printf(a, ", %s", over));
    if (client_tls_is_handshake(c))
        return arena_printf(a, "the TLS handshake was not over in %.3f s%s", taken_s(c, now_us), end);
    if (c->want == SEAM_WRITE)
        return say_unsent(c, a, by_run, taken_s(c, now_us), end);
    return arena_printf(a, "no %s%s in %.3f s%s", to ? "reply to " : "greeting", to ? to : "",
                        taken_s(c, now_us), end);
}

/* What is still missing. */
static const char *say_missing(const struct client *c, struct arena *a)
{
    const char *to = client_say_asked(c, a);

    if (client_tls_is_handshake(c))
        return "the TLS handshake is not over";
    if (client_auth_is_answering(c))
        return "ehlod is still making the login";
    if (c->want == SEAM_WRITE && c->step->body)
        return arena_printf(a, "only %s of the message could be sent", client_say_part_sent(c, a));
    if (c->want == SEAM_WRITE)
        return arena_printf(a, "%s could not be sent", to);
    return to ? arena_printf(a, "no reply to %s", to) : "no greeting";
}

const char *client_say_unfinished(const struct client *c, struct arena *a, int64_t now_us, int64_t limit_us)
{
    char limit[TEXT_DURATION_SIZE];

    text_duration(limit_us, limit);
    return arena_printf(a, "%s after %.3f s, when the caller's %s were over; the run goes on",
                        say_missing(c, a), taken_s(c, now_us), limit);
}

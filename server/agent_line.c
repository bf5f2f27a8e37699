/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language of agent-check (HAProxy's configuration manual, "agent-check"):
 *
 *   line = [ "ready" SP ] [ "up" / "drain" / "maint" / "down" SP "#" text ] LF
 *
 * drain, maint and ready set the administrative state, up and down the other one; what is not said stays as
 * it is. In maint HAProxy stops its own checks, but goes on asking the agent. A text is printable ASCII, as
 * it ends up in log lines, in a table with commas and on a web page.
 */
#include "server/agent_line.h"

#include <stdio.h>
#include <string.h>

#define MOST_REASON 200

/* Bytes that go on with a character are left out, so that a character in other letters is one ?. */
static void clean(const char *text, char out_r[MOST_REASON + 1])
{
    size_t len = 0;

    for (const char *c = text; *c != '\0' && len < MOST_REASON; c++) {
        unsigned char byte = (unsigned char)*c;
        if ((byte & 0xc0) == 0x80)
            continue;
        out_r[len++] = *c;
        if (byte < ' ' || byte > '~' || byte == '"')
            out_r[len - 1] = byte == '"' ? '\'' : '?';
    }
    out_r[len] = '\0';
}

static size_t say(bool back, const char *word, const char *reason, char out_r[AGENT_LINE_SIZE])
{
    char text[MOST_REASON + 1];

    clean(reason, text);
    int len = snprintf(out_r, AGENT_LINE_SIZE, "%s%s%s%s%s\n", back ? "ready" : "",
                       back && *word != '\0' ? " " : "", word, *text != '\0' ? " #" : "", text);
    return (size_t)len;
}

size_t agent_line_down(bool back, const char *reason, char out_r[AGENT_LINE_SIZE])
{
    return say(back, "down", reason, out_r);
}

/* Of all of them the worst; null: of one nothing is known, and the others are good. */
static const struct result *worst_of(const struct agent_verdict *verdicts, size_t count)
{
    const struct result *worst = verdicts[0].result;

    for (size_t i = 1; i < count; i++) {
        const struct result *r = verdicts[i].result;
        bool worst_is_bad = worst != NULL && worst->status > STATUS_WARN;
        if (r == NULL ? !worst_is_bad : worst == NULL ? r->status > STATUS_WARN : r->status > worst->status)
            worst = r;
    }
    return worst;
}

static size_t say_worst(bool back, bool several, const struct result *worst, bool unknown_is_bad,
                        char out_r[AGENT_LINE_SIZE])
{
    char reason[2 * MOST_REASON];

    if (worst == NULL || (worst->status == STATUS_UNKNOWN && !unknown_is_bad))
        return say(back, "", "", out_r);
    if (worst->status <= STATUS_WARN)
        return say(back, "up", "", out_r);
    snprintf(reason, sizeof reason, "%s%s%s", several ? worst->target : "", several ? " " : "",
             worst->summary);
    return agent_line_down(back, reason, out_r);
}

size_t agent_line(const struct agent_verdict *verdicts, size_t count, bool unknown_is_bad,
                  char out_r[AGENT_LINE_SIZE])
{
    size_t drained = 0, maint = 0;
    bool back = false;

    for (size_t i = 0; i < count; i++) {
        drained += verdicts[i].drained;
        maint += verdicts[i].drained && verdicts[i].maint;
        back = back || verdicts[i].back;
    }
    if (count == 0)
        return say(false, "", "", out_r);
    if (drained == count)
        return say(false, maint == count ? "maint" : "drain", "", out_r);
    return say_worst(back, count > 1, worst_of(verdicts, count), unknown_is_bad, out_r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Lets a talk hide what its server writes: verdict, codes and flags must be as ever. */
#include "tests/talk/hiding.h"

#include "probe/base/secret.h"

#include <string.h>

#define LEAST_WORDS 10 /* octets of a line that no sentence of ours has by chance */

struct talk *talk_hiding(struct arena *a, const struct talk *talk)
{
    struct talk *hiding = arena_alloc(a, sizeof(*hiding));
    struct talk_wanted *messages = arena_alloc(a, (talk->message_count + 1) * sizeof(*messages));

    *hiding = *talk;
    hiding->plan.hide_replies = true;
    hiding->say_count = 0;
    hiding->line_count = 0;
    hiding->offers_known = false;
    for (size_t i = 0; i < talk->message_count; i++) {
        messages[i] = talk->messages[i];
        messages[i].ok = "none"; /* no queue id is known */
    }
    hiding->messages = messages;
    return hiding;
}

static bool is_hidden(const char *text)
{
    return !text || *text == '\0' || strcmp(text, SECRET_SHOWN) == 0;
}

/* What is shown of it may be several lines, joined. */
static bool is_joined(const char *text)
{
    while (text && (strncmp(text, SECRET_SHOWN, sizeof SECRET_SHOWN - 1) == 0))
        text += sizeof SECRET_SHOWN - 1 + (text[sizeof SECRET_SHOWN - 1] == ' ');
    return !text || *text == '\0';
}

static const char *open_text(const struct result *r)
{
    for (size_t i = 0; i < r->command_count; i++)
        for (size_t k = 0; k < r->commands[i].reply.line_count; k++)
            if (!is_hidden(r->commands[i].reply.lines[k]))
                return r->commands[i].reply.lines[k];
    for (size_t i = 0; i < r->extension_count; i++)
        if (*r->extensions[i].params)
            return r->extensions[i].params;
    for (size_t i = 0; i < r->route_count; i++) {
        if (!is_joined(r->routes[i].final.text) || r->routes[i].queue_id)
            return r->routes[i].final.text;
        for (size_t k = 0; k < r->routes[i].recipient_count; k++)
            if (!is_joined(r->routes[i].recipients[k].text))
                return r->routes[i].recipients[k].text;
    }
    return r->peer_name;
}

static bool is_said(const struct result *r, const char *words)
{
    return strstr(r->summary, words) || (r->failure.message && strstr(r->failure.message, words));
}

/* A line of the server's that a sentence of ours quotes. */
static const char *quoted(struct arena *a, const struct talk *talk, const struct result *r)
{
    for (size_t i = 0; i < talk->event_count; i++) {
        if (talk->events[i].kind != TALK_SAY)
            continue;
        char *rest = arena_dup_span(a, talk->events[i].bytes);
        for (char *line = strtok_r(rest, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
            const char *words = strlen(line) > 4 ? line + 4 : "";
            bool ours = strncmp(words, "AUTH ", 5) == 0 || strncmp(words, "XCLIENT ", 8) == 0;
            if (strlen(words) >= LEAST_WORDS && !ours && is_said(r, words))
                return words;
        }
    }
    return NULL;
}

const char *hiding_check(struct arena *a, const struct talk *talk, const struct result *r)
{
    const char *text = talk->plan.hide_replies ? open_text(r) : NULL;

    if (!text && talk->plan.hide_replies)
        text = quoted(a, talk, r);
    return text ? arena_printf(a, "  shown though it is to be hidden: %s\n", text) : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue ids in the free text of a reply. No standard says how they are shown, so this is a table of what
 * mail servers say, and finds nothing in the words of others. What is found helps a person to search the
 * server's log; it decides nothing.
 */
#include "probe/proto/queue_id.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *words;
    bool before; /* the id stands before the words, else behind them */
} manners[] = {
    {"queued as ", false},                    /* Postfix, and content filters that quote it */
    {" id=", false},                          /* Exim: "OK id=1t3hVX-0001qE-2b" */
    {" Message accepted for delivery", true}, /* sendmail, OpenSMTPD */
    {" qp ", false},                          /* qmail: "ok 1700000000 qp 4711" */
};

static bool belongs(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* A dot at its end is the sentence's. */
static struct span behind(const char *at)
{
    size_t len = 0;

    while (belongs(at[len]))
        len++;
    while (len && at[len - 1] == '.')
        len--;
    return (struct span){at, len};
}

static struct span before(const char *text, const char *at)
{
    size_t len = 0;

    while (at - len > text && belongs(at[-(ptrdiff_t)len - 1]))
        len++;
    return (struct span){at - len, len};
}

/* Filters put words of their own before those of the server behind them: the last place counts. */
static const char *last_place(const char *text, const char *words)
{
    const char *last = NULL;

    for (const char *at = strstr(text, words); at; at = strstr(at + 1, words))
        last = at;
    return last;
}

struct span queue_id_find(const char *text)
{
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        const char *at = last_place(text, manners[i].words);
        if (!at)
            continue;
        struct span id = manners[i].before ? before(text, at) : behind(at + strlen(manners[i].words));
        if (id.len && id.len <= QUEUE_ID_MOST)
            return id;
    }
    return (struct span){"", 0};
}

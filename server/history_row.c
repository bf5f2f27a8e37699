/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of what is kept of a message, and what follows from it: copying a row, and the words that its
 * enums have outside this program.
 */
#include "server/history_row.h"

#include "probe/base/mem.h"

#include <stdio.h>
#include <string.h>

#define ROW(kind, field) #field, HISTORY_##kind, offsetof(struct ledger_row, field)

/* The columns in the order of the table. The serial is of the process, so it is not kept. */
static const struct history_column columns[] = {
    {ROW(TEXT, token), true},
    {ROW(TEXT, target), true},
    {ROW(TEXT, route), true},
    {ROW(TEXT, run), false},
    {ROW(TEXT, mailbox), false},
    {ROW(TEXT, bounce_mailbox), false},
    {ROW(COUNT, wish), true},
    {ROW(TIME, opened_us), false},
    {ROW(TIME, data_us), false},
    {ROW(TIME, sent_us), false},
    {ROW(TIME, within_us), false},
    {ROW(COUNT, recipients), true},
    {ROW(BOOL, closed), true},
    {ROW(BYTES, seen), false},
    {ROW(BYTES, original), false},
    {ROW(STATE, state), false},
    {ROW(BOOL, ok), true},
    {ROW(PHASE, phase), true},
    {ROW(REASON, reason), true},
    {ROW(TIME, settled_us), false},
    {ROW(TIME, latency_us), false},
    {ROW(FLAGS, flags), true},
    {ROW(TEXT, why), false},
    {ROW(TEXT, found), false},
    {ROW(BYTES, found_header), false},
    {ROW(COUNT, found_size), true},
    {ROW(TIME, found_us), false},
    {ROW(TEXT, changes), false},
    {"bounce_action", HISTORY_TEXT, offsetof(struct ledger_row, bounce.action), false},
    {"bounce_status", HISTORY_TEXT, offsetof(struct ledger_row, bounce.status), false},
    {"bounce_diagnostic", HISTORY_TEXT, offsetof(struct ledger_row, bounce.diagnostic), false},
    {"bounce_recipient", HISTORY_TEXT, offsetof(struct ledger_row, bounce.recipient), false},
    {"bounce_reporter", HISTORY_TEXT, offsetof(struct ledger_row, bounce.reporter), false},
};
#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a count is 64 bits, whatever it counts");

const struct history_column *history_columns(size_t *count_r)
{
    *count_r = COLUMN_COUNT;
    return columns;
}

/* ---- copying ---- */

/* The bytes of a column that lie outside the row, with a text's end; a null text has none. */
static struct span outside(const struct ledger_row *row, const struct history_column *c)
{
    const char *field = (const char *)row + c->at;

    if (c->kind == HISTORY_BYTES)
        return *(const struct span *)field;
    if (c->kind != HISTORY_TEXT || *(const char *const *)field == NULL)
        return (struct span){NULL, 0};
    const char *text = *(const char *const *)field;
    return (struct span){text, strlen(text) + 1};
}

static void point(struct ledger_row *row, const struct history_column *c, const char *at, size_t len)
{
    char *field = (char *)row + c->at;

    if (c->kind == HISTORY_BYTES)
        *(struct span *)field = (struct span){at, len};
    else
        *(const char **)field = at;
}

struct ledger_row *history_row_copy(const struct ledger_row *row, size_t *size_r)
{
    size_t size = sizeof *row;

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        size += outside(row, &columns[i]).len;
    struct ledger_row *copy = mem_alloc(size);
    char *at = (char *)(copy + 1);
    *copy = *row;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        struct span bytes = outside(row, &columns[i]);
        if (bytes.len == 0)
            continue;
        memcpy(at, bytes.data, bytes.len);
        point(copy, &columns[i], at, bytes.len);
        at += bytes.len;
    }
    *size_r = size;
    return copy;
}

/* ---- words ---- */

int history_state(const char *name)
{
    if (name == NULL)
        return ROUTE_NONE;
    for (enum route_state s = ROUTE_NONE + 1; s < ROUTE_STATE_COUNT; s++)
        if (strcmp(route_state_name(s), name) == 0)
            return (int)s;
    return -1;
}

int history_phase(const char *name)
{
    enum phase p = name != NULL ? phase_by_name(name) : PHASE_COUNT;

    return p < PHASE_COUNT ? (int)p : -1;
}

int history_reason(const char *name)
{
    for (enum reason r = REASON_NONE; name != NULL && r < REASON_COUNT; r++)
        if (strcmp(reason_name(r), name) == 0)
            return (int)r;
    return -1;
}

void history_flags_text(uint64_t flags, char text_r[HISTORY_FLAGS_SIZE])
{
    size_t len = 0;

    *text_r = '\0';
    for (enum flag f = 0; f < FLAG_COUNT; f++)
        if (flags >> f & 1)
            len += (size_t)snprintf(text_r + len, HISTORY_FLAGS_SIZE - len, "%s%s", len > 0 ? "," : "",
                                    flag_name(f));
}

static uint64_t flag_of(struct span name)
{
    for (enum flag f = 0; f < FLAG_COUNT; f++)
        if (span_is(name, flag_name(f)))
            return UINT64_C(1) << f;
    return 0;
}

uint64_t history_flags(const char *text)
{
    uint64_t flags = 0;

    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        flags |= flag_of((struct span){text, len});
        text += len + (text[len] == ',');
    }
    return flags;
}

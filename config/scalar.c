/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of values that many keys have: a text, a word of a list, a duration, a count. */
#include "config/scalar.h"

#include "config/nearest.h"
#include "probe/base/clock.h"
#include "probe/base/text.h"

#include <string.h>

const char *scalar_read(struct load *l, const struct keys_row *row, const struct node *node)
{
    if (node->kind != NODE_SCALAR || node_is_null(node)) {
        load_bad(l, node, "wrong kind of value", row->expected);
        return NULL;
    }
    if (!text_is_clean(span_of(node->text)) || strchr(node->text, '\t')) {
        load_bad(l, node, "line breaks and other control characters have no place here", row->expected);
        return NULL;
    }
    return node->text;
}

int scalar_word(struct load *l, const struct keys_row *row, const struct node *node, const char *const *words,
                size_t count)
{
    const char *text = scalar_read(l, row, node);
    if (!text)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return (int)i;
    load_bad_guess(l, node, "unknown value", row->expected, nearest(text, words, count));
    return -1;
}

void scalar_bool(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    static const char *const words[] = {"false", "true"};
    int word = scalar_word(l, row, node, words, 2);
    if (word >= 0)
        *(bool *)slot = word == 1;
}

void scalar_text(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (*text == '\0' || strlen(text) > SCALAR_MAX_TEXT)
        load_bad(l, node, *text ? "longer than 255 octets" : "empty", row->expected);
    else
        *(const char **)slot = arena_dup(l->keep, text);
}

static void read_duration(struct load *l, const struct keys_row *row, const struct node *node, int64_t least,
                          int64_t *slot)
{
    int64_t us;
    int64_t number;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (value_duration(text, &us) != 0) {
        bool no_unit = value_integer(text, 1, INT32_MAX, &number) == 0;
        load_bad_guess(l, node, no_unit ? "a unit is missing" : "not a duration", row->expected,
                       no_unit ? arena_printf(l->scratch, "%ss", text) : NULL);
    } else if (us < least) {
        load_bad(l, node, "too short", row->expected);
    } else {
        *slot = us;
    }
}

void scalar_duration(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_duration(l, row, node, 0, slot);
}

void scalar_timeout(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    read_duration(l, row, node, CLOCK_US_PER_MS, slot);
}

void scalar_count(struct load *l, const struct keys_row *row, const struct node *node, void *slot)
{
    int64_t count;
    const char *text = scalar_read(l, row, node);
    if (!text)
        return;
    if (value_integer(text, 1, SCALAR_MAX_COUNT, &count) != 0)
        load_bad(l, node, "not a usable number", row->expected);
    else
        *(unsigned *)slot = (unsigned)count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Challenges, looked at with suspicion: how much work one asks for, and how one that tells of a failure
 * (OAuth's JSON, SCRAM's "e=") may be shown. Neither is parsed further; what it means is for the reader.
 */
#include "probe/sasl_said.h"

#include "probe/base/mem.h"
#include "probe/base/text.h"

#include <stdlib.h>
#include <string.h>

bool sasl_said_too_many(struct span challenge, unsigned long most)
{
    unsigned long count = 0;
    size_t i = 0;

    while (i + 3 < challenge.len && memcmp(challenge.data + i, ",i=", 3) != 0)
        i++;
    for (i += 3; i < challenge.len && challenge.data[i] >= '0' && challenge.data[i] <= '9'; i++) {
        count = count * 10 + (unsigned long)(challenge.data[i] - '0');
        if (count > most)
            return true;
    }
    return false;
}

const char *sasl_said_shown(struct span challenge, const struct mask *mask, size_t most, struct arena *a)
{
    char *text = mem_alloc(mask_room(challenge.len) + 1);
    struct span shown = {text, mask_apply(mask, challenge, text)};
    bool is_long = shown.len > most;
    const char *detail;

    if (is_long)
        for (shown.len = most; shown.len > 0 && ((unsigned char)text[shown.len] & 0xc0) == 0x80; shown.len--)
            ; /* between two characters */
    if (text_is_clean(shown))
        detail = arena_dup_span(a, shown);
    else
        detail = text_escape(a, shown);
    if (is_long)
        detail = arena_printf(a, "%s...", detail);
    free(text);
    return challenge.len ? detail : NULL;
}

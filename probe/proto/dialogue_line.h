/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_DIALOGUE_LINE_H
#define PROBE_PROTO_DIALOGUE_LINE_H

#include "probe/proto/dialogue.h"

/* A dialogue as it was written. Private to dialogue*.c. */

/* What the first word of a line says about it. */
struct dialogue_verb {
    const char *name;
    enum phase phase; /* PHASE_COUNT = the one that was reached */
    enum plan_line_kind kind;
    bool alone; /* it is of that kind only when nothing stands behind it */
};

/* The verb at the start of the line; null = none that is known. */
const struct dialogue_verb *dialogue_verb_of(struct span line);
enum plan_line_kind dialogue_kind_of(struct span line);

/* The first word of the text, which moves behind it and the blanks around. */
struct span dialogue_word(struct span *text);

struct dialogue_line {
    unsigned number;
    enum plan_line_kind kind;
    enum phase phase;
    bool secret; /* said between AUTH and the next command */
    struct span text;
    struct plan_wish wish; /* its text not yet filled in */

    struct span message; /* as written, without the dot */
    unsigned dot;
    struct plan_wish taken;
    struct span wire; /* of a message without placeholders; else empty */
};

struct dialogue {
    struct plan_wish banner;
    struct dialogue_line *lines;
    size_t count;
    bool sends;
    bool starts_tls;
    bool logs_in;
};

/* The line at the start of the text, without its end; the text moves behind it. */
struct span dialogue_next(struct span *text);

void dialogue_add_mistake(struct arena *a, struct dialogue_mistakes *mistakes, unsigned line,
                          const char *text);

#endif

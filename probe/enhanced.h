/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_ENHANCED_H
#define PROBE_ENHANCED_H

#include "probe/base/span.h"

#include <stdbool.h>

/* An enhanced mail system status code (RFC 3463 section 2): class.subject.detail, "5.1.1". */
struct enhanced {
    int class; /* 2, 4 or 5; 0 = there is none */
    int subject;
    int detail;
};

#define ENHANCED_TEXT_SIZE 16
void enhanced_text(struct enhanced code, char out_r[ENHANCED_TEXT_SIZE]); /* "" when there is none */

/*
 * Reads one at the start of text, where it must end with the text or a space.
 * 1 = read (its length in *len_r); 0 = the text does not begin like one;
 * -1 = it begins like one (digit, dot, digit) and is malformed: "5.1", "5.1.1.1", "5.1000.1", "5.1.1<TAB>".
 */
int enhanced_parse(struct span text, struct enhanced *code_r, size_t *len_r);

bool enhanced_same(struct enhanced a, struct enhanced b);

#endif

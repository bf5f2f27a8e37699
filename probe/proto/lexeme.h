/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_LEXEME_H
#define PROBE_PROTO_LEXEME_H

#include "probe/base/span.h"

/* What the value of a structured header field is made of (RFC 5322 section 3.2, RFC 2045 section 5.1). */
enum lexeme_kind {
    LEXEME_END,
    LEXEME_WORD,    /* whatever stands between white space and the others */
    LEXEME_QUOTED,  /* without its quotes; a quoted pair in it is as it was */
    LEXEME_COMMENT, /* with its brackets, other comments in it */
    LEXEME_SIGN     /* one of ; and = */
};

struct lexeme {
    enum lexeme_kind kind;
    struct span text;
};

/* The next one of text, which moves behind it. What is never closed ends with the text. */
struct lexeme lexeme_next(struct span *text);

#endif

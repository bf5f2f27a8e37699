/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_TEXT_COLOUR_H
#define SERVER_RENDER_TEXT_COLOUR_H

#include "probe/base/buffer.h"
#include "probe/verdict.h"

/*
 * Colour in the views for people. While a text is written, what is to be coloured stands between marks,
 * octets that no text may hold; when it is done they become escape sequences of a terminal, or nothing. So it
 * is the same text with and without, and nothing that came from elsewhere can begin or end a colour.
 */

/* A verdict's word: "FAIL". */
void text_colour_word(struct buffer *out, enum status status);

/* From here to the end of the line: it says what went wrong. */
void text_colour_wrong(struct buffer *out);

/* What was written from there on, with colours (if there is room for them) or without. */
void text_colour_finish(struct buffer *out, size_t from, bool colour);

#endif

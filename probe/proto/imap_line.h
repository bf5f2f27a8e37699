/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_IMAP_LINE_H
#define PROBE_PROTO_IMAP_LINE_H

#include "probe/base/buffer.h"
#include "probe/base/span.h"

#include <stddef.h>

/*
 * One response of an IMAP server (RFC 9051 section 7): a line, or several where literals stand between them,
 * kept as it came. A literal is judged by the length that it announces, before any of it is kept.
 */
#define IMAP_MAX_LINE (16 * 1024) /* octets that are in no literal */

enum imap_line_wrong { IMAP_LINE_GOOD, IMAP_LINE_TOO_LONG, IMAP_LINE_LITERAL };

struct imap_line {
    struct buffer text;
    size_t line_at;   /* where its last line begins */
    size_t literals;  /* octets of literals announced so far */
    size_t left;      /* of the literal that is being read */
    size_t announced; /* of the literal that was too large; SIZE_MAX = no number at all */
    enum imap_line_wrong wrong;
};

void imap_line_init(struct imap_line *l);
void imap_line_free(struct imap_line *l);
void imap_line_clear(struct imap_line *l); /* ready for the next response */

/* Takes bytes up to the end of the response. 1: l->text is one whole response, without its last line end;
 * 0: more is needed; -1: it is wrong (l->wrong). most: octets that its literals may have together. */
int imap_line_feed(struct imap_line *l, struct span bytes, size_t most, size_t *used_r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_ORIGINAL_FORM_H
#define PROBE_PROTO_ORIGINAL_FORM_H

#include "probe/proto/original.h"

#include <stdint.h>

/* The inside of what was sent, packed and unpacked. Private to original.c. */
#define ORIGINAL_MARKS      8 /* at 256 octets of text, 512, ... 32 KiB */
#define ORIGINAL_MARK_FIRST 256
#define ORIGINAL_MAX_FIELDS 64
#define ORIGINAL_MAX_NAME   100 /* octets of a field's name; fields with longer ones are not compared */

/* The text of a body: no blanks at the end of a line, no empty lines at the end. */
struct original_text {
    bool is_whole;   /* it was read to its end */
    bool has_blanks; /* some were left out, as far as it was read */
    uint64_t len;    /* as far as it was read */
    uint64_t hash;
    size_t mark_count; /* lengths that were reached */
    uint64_t marks[ORIGINAL_MARKS];
    size_t line_ends; /* since the last of it, which count once something follows */
};

struct original_field {
    struct span name;
    uint64_t hash; /* of its value */
};

struct original {
    uint64_t octets; /* of the body, with what its text leaves out */
    struct original_text text;
    size_t field_count;
    struct original_field fields[ORIGINAL_MAX_FIELDS];
};

struct span original_write(struct arena *a, const struct original *o);

/* 0; -1 = that is no such form. Names point into packed. */
int original_read(struct span packed, struct original *o_r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_TEMPLATE_PARTS_H
#define PROBE_PROTO_TEMPLATE_PARTS_H

#include "probe/proto/template.h"

/* The inside of a template. Private to template.c, which reads it, and template_write.c, which fills it in.
 */

/* The fields that are added where a template has none of its own. */
enum template_field { FIELD_DATE, FIELD_FROM, FIELD_MESSAGE_ID, FIELD_TOKEN, FIELD_COUNT };

/* Where a value goes. */
struct template_place {
    size_t at; /* octets of the body before it */
    enum template_name name;
    unsigned line;
    size_t line_octets; /* of its line without all that is filled in */
    bool leads;         /* nothing of the text is before it in its line */
};

struct template
{
    struct span header;   /* its lines as they were, no empty one */
    unsigned header_line; /* number of its first */
    unsigned own_fields;  /* set of enum template_field */
    unsigned id_line;     /* where its own Message-ID stands */
    struct span body;     /* as it goes over the wire, without what is filled in and without the last dot */
    size_t body_dots;     /* of them doubled ones */
    bool is_8bit;         /* the body */
    uint64_t hash;        /* of the whole text */
    struct template_place *places;
    size_t place_count;
};

/* The line at the start of the text without its LF or CRLF; the text moves behind it. */
struct span template_next_line(struct span *text);

/* The name at the start of what stands behind {{, as far as }}, or TEMPLATE_NAME_COUNT; *len_r is its length.
 * -1 where }} is missing. */
int template_name_at(struct span text, enum template_name *name_r, size_t *len_r);

/* How many blanks and tabs it begins with. */
size_t template_white(struct span text);

/* It without those around it. */
struct span template_trim(struct span text);

/* Where {{ stands; the length of the text where it does not. */
size_t template_find_place(struct span text);

void template_complain(struct template_mistakes *m, unsigned line, const char *text);

#endif

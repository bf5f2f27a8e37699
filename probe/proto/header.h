/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_HEADER_H
#define PROBE_PROTO_HEADER_H

#include "probe/base/arena.h"
#include "probe/base/span.h"

#include <stdbool.h>

/*
 * The fields of a message's header (RFC 5322 section 2.2), or of a MIME part's, as they come: lines may end
 * with LF alone, and a line that is no field (an mbox' "From ") is passed over with what continues it.
 */
struct header_field {
    struct span name;  /* without white space around it; never empty */
    struct span value; /* with its folds, without white space around it */
};

/* The field at the start of text, which moves behind it: 1 = read; 0 = the header is over, with its empty
 * line or the text, and text is what follows. */
int header_next(struct span *text, struct header_field *field_r);

/* The first field of that name: 1 = found. */
int header_find(struct span text, const char *name, struct header_field *field_r);

/* Whether the header ends inside the text, and the body, from behind the empty line. */
bool header_body(struct span text, struct span *body_r);

/* One line of it: each run of white space, folds too, is one space. */
struct span header_unfold(struct arena *a, struct span value);

/* A value for people, in one line: clean UTF-8 (escaped where it has to be), at most so many octets of it,
 * and
 * "..." behind a longer one. */
const char *header_show(struct arena *a, struct span value, size_t most);

/* The line at the start of text, without its end; text moves behind it. */
struct span header_line(struct span *text);

/* Without blanks, tabs and line ends at both ends. */
struct span header_trim(struct span text);

/* The parameter of a field like Content-Type (RFC 2045 section 5.1), without quotes: 1 = found. */
int header_parameter(struct arena *a, struct span value, const char *name, struct span *parameter_r);

/* What stands before the first parameter: "multipart/report". Comments are left out. */
struct span header_word(struct span value);

#endif

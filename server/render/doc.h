/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_DOC_H
#define SERVER_RENDER_DOC_H

#include "server/render/render.h"

#include <jansson.h>

/*
 * A JSON document while it is built: begin with a share of what servers said, put values into objects and
 * lists, finish it. Each value is made for one place, which takes it. What goes wrong on the way is
 * remembered, so nobody has to ask before the end. For the JSON views alone.
 */
struct doc {
    struct arena arena;        /* for texts that must be escaped after all */
    struct render_share share; /* of what the server said */
    bool broken;
};

/* The one way into an object, and into a list: value may be null, as a failed json_...() gives it. */
void doc_set(struct doc *d, json_t *object, const char *key, json_t *value);
void doc_append(struct doc *d, json_t *array, json_t *value);

/* Values; what is absent (null, CLOCK_NONE) is JSON's null. */
json_t *doc_string(struct doc *d, const char *text);
json_t *doc_said(struct doc *d, const char *text); /* by the server: as much of it as is shown */
json_t *doc_milliseconds(int64_t us);
json_t *doc_wall_time(int64_t wall_us); /* is never absent */

/* A text as a key. */
const char *doc_utf8(struct doc *d, const char *text);

/* The end of the document, which is written whole or not at all (then out is full). Where it does not fit, it
 * does without what is in spare, an object in it. Takes root. */
void doc_finish(struct doc *d, json_t *root, struct buffer *out);
void doc_finish_without(struct doc *d, json_t *root, json_t *spare, struct buffer *out);

#endif

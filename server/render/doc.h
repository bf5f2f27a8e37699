/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_DOC_H
#define SERVER_RENDER_DOC_H

#include "server/render/age.h"

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

/* Values; what is absent (null, CLOCK_NONE, 0 where it is none) is JSON's null. */
json_t *doc_string(struct doc *d, const char *text);
json_t *doc_said(struct doc *d, const char *text); /* by the server: as much of it as is shown */
json_t *doc_tri(enum tri value);
json_t *doc_milliseconds(int64_t us);
json_t *doc_code(int reply_code);
json_t *doc_enhanced(struct enhanced value);
json_t *doc_wall_time(int64_t wall_us); /* is never absent */
json_t *doc_when(int64_t wall_us);
json_t *doc_age(int64_t past_us, int64_t now_us); /* milliseconds; is never absent */
json_t *doc_address(const struct address *a);
json_t *doc_port(uint16_t number);
json_t *doc_family(const struct address *a);
json_t *doc_flags(struct doc *d, uint64_t flags); /* a list of their names */

/* A text as a key. */
const char *doc_utf8(struct doc *d, const char *text);

/* The end of the document, which is written whole or not at all (then out is full). Where it does not fit, it
 * does without what is in spare, an object in it. Takes root. */
void doc_finish(struct doc *d, json_t *root, struct buffer *out);
void doc_finish_without(struct doc *d, json_t *root, json_t *spare, struct buffer *out);

/* Behind doc_finish, for a document that was perhaps written at no moment: now its ages have their marks. */
void doc_mark_ages(struct buffer *out, size_t from, int64_t now_us);

#endif

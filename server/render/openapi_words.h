/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_OPENAPI_WORDS_H
#define SERVER_RENDER_OPENAPI_WORDS_H

#include <stddef.h>

/* What openapi.c says of paths and parameters beside what the desk knows. For it alone. */

/* What the body of an answer is. */
enum openapi_body {
    OPENAPI_NOTHING,
    OPENAPI_RESULT, /* in each of the views */
    OPENAPI_SET,
    OPENAPI_METRICS,
    OPENAPI_JSON,
    OPENAPI_YAML,
    OPENAPI_TEXT,
    OPENAPI_PROBLEM
};

/* Instead of a status: the config's unknown_status. */
#define OPENAPI_UNKNOWN 1

struct openapi_answer {
    int status; /* 0: there are no more */
    enum openapi_body body;
    const char *description;
};

#define OPENAPI_MAX_ANSWERS 6

struct openapi_words {
    const char *path;
    const char *id; /* in names of operations */
    const char *summary;
    struct openapi_answer answers[OPENAPI_MAX_ANSWERS + 1]; /* beside those that all have */
};

/* Of a path that nobody has described there is little to say, but something. */
const struct openapi_words *openapi_words_of(const char *path);

struct openapi_parameter {
    const char *name;
    const char *description;
    const char *pattern;   /* of its value; null = any text */
    const char *example;   /* null: it depends on the config */
    const char *needed_at; /* the path where it must be given; null = nowhere */
};

/* Likewise. */
const struct openapi_parameter *openapi_parameter_of(const char *name);

#endif

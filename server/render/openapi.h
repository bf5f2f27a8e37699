/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_OPENAPI_H
#define SERVER_RENDER_OPENAPI_H

#include "probe/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The interface as OpenAPI 3.1, made of the rows by which requests are answered, so that paths, methods and
 * parameters are always those that there are. Lists of names end with null.
 */

#define OPENAPI_MAX_METHODS 4

struct openapi_path {
    const char *path;                             /* "/check/{target}" */
    const char *any;                              /* "{target}", if there is one in it, else null */
    const char *methods[OPENAPI_MAX_METHODS + 1]; /* "GET" */
    const char *const *parameters;                /* of the query */
    size_t parameter_count;
    bool judges; /* OPTIONS gives the status of GET */
    bool open;   /* no login is needed */
};

struct openapi {
    const struct openapi_path *paths;
    size_t path_count;
    const char *const *formats;     /* of a result: what the parameter format may be */
    const char *const *media_types; /* and what each of them is */
    int unknown_status;             /* when ehlod itself cannot tell */
    bool login;                     /* callers must log in */
};

void openapi_write(struct buffer *out, const struct openapi *of);

#endif

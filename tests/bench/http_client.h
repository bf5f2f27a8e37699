/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_HTTP_CLIENT_H
#define BENCH_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

/* An answer to a GET as it comes in, and where it ends: by its length, or chunked. No socket. */
#define HTTP_ANSWER_MAX ((size_t)1 << 25)

struct http_answer {
    char *data; /* grows as needed */
    size_t have, room;
};

/* Room for more, at data + have; *room_r bytes. */
char *http_answer_room(struct http_answer *a, size_t *room_r);

/* Whether it is whole; *status_r is 0 when it is no answer. */
bool http_answer_is_whole(const struct http_answer *a, int *status_r);

/* Whether the text is in its body, which must be whole. */
bool http_answer_has(const struct http_answer *a, const char *text);

/* The request, with what must stand in its head; the number of bytes. */
size_t http_request(const char *path, char *buffer, size_t size);

#endif

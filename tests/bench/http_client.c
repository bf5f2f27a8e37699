/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *http_answer_room(struct http_answer *a, size_t *room_r)
{
    if (a->room - a->have < 2048) {
        size_t room = a->room ? a->room * 2 : 8192;
        char *data = room <= HTTP_ANSWER_MAX ? realloc(a->data, room) : NULL;
        if (!data) {
            fprintf(stderr, "an answer of more than %zu bytes\n", a->have);
            exit(1);
        }
        a->data = data;
        a->room = room;
    }
    *room_r = a->room - a->have;
    return a->data + a->have;
}

bool http_answer_is_whole(const struct http_answer *a, int *status_r)
{
    static const char chunks_end[] = "\r\n0\r\n\r\n";
    const char *end = memmem(a->data, a->have, "\r\n\r\n", 4);
    int status = 0;
    size_t length;

    *status_r = 0;
    if (!end)
        return a->have > 65536; /* that is no head */
    if (a->have < 12 || sscanf(a->data, "HTTP/1.%*1[01] %3d", &status) != 1)
        return true;
    size_t head = (size_t)(end - a->data) + 4;
    const char *field = memmem(a->data, head, "\r\nContent-Length: ", 18);
    if (!field)
        field = memmem(a->data, head, "\r\nContent-length: ", 18);
    *status_r = status;
    if (field)
        return sscanf(field + 18, "%zu", &length) == 1 && a->have >= head + length;
    size_t tail = sizeof chunks_end - 1;
    return a->have >= head + tail && memcmp(a->data + a->have - tail, chunks_end, tail) == 0;
}

bool http_answer_has(const struct http_answer *a, const char *text)
{
    return memmem(a->data, a->have, text, strlen(text)) != NULL;
}

size_t http_request(const char *path, char *buffer, size_t size)
{
    int length = snprintf(buffer, size, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);

    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

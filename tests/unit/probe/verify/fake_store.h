/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_VERIFY_FAKE_STORE_H
#define TESTS_UNIT_PROBE_VERIFY_FAKE_STORE_H

/*
 * A mail store on loopback, on the test's own loop, without TLS: it greets and answers each line by the first
 * row of a table whose words stand in it. In an answer "$" is the line's first word (IMAP's tag); an answer
 * that ends with "!" hangs up behind it; one that is null is none; "@" floods for ever behind it.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

struct fake_row {
    const char *words;
    const char *answer;
};

struct fake_store {
    uv_tcp_t listener;
    uint16_t port;
    const char *greeting;
    const struct fake_row *rows; /* the last one has no words */
    int connections;
    bool closed; /* the last session has ended */
    struct fake_talk *last;
    char heard[16384]; /* all lines of all sessions */
};

struct fake_talk {
    uv_tcp_t stream;
    uv_write_t flood;
    struct fake_store *server;
    char line[4096];
    size_t len;
};

static inline void fake_store_gone(uv_handle_t *handle)
{
    struct fake_talk *t = handle->data;

    t->server->closed = true;
    if (t->server->last == t)
        t->server->last = NULL;
    free(t);
}

static inline void fake_store_hang_up(struct fake_talk *t)
{
    if (t && !uv_is_closing((uv_handle_t *)&t->stream))
        uv_close((uv_handle_t *)&t->stream, fake_store_gone);
}

static inline void fake_store_flood(uv_write_t *request, int status)
{
    static char line[64 * 1024];
    struct fake_talk *t = request->data;
    uv_buf_t bytes = uv_buf_init(line, sizeof line);

    if (!line[0])
        memset(line, 'x', sizeof line);
    if (status < 0 || uv_is_closing((uv_handle_t *)&t->stream))
        return;
    uv_write(request, (uv_stream_t *)&t->stream, &bytes, 1, fake_store_flood);
}

static inline void fake_store_say(struct fake_talk *t, const char *answer)
{
    static char text[256 * 1024];
    size_t len = 0, tag = strcspn(t->line, " \r\n");
    bool hangs_up = false, floods = false;

    for (; answer && *answer; answer++) {
        if (*answer == '$') {
            memcpy(text + len, t->line, tag);
            len += tag;
        } else if (*answer == '@') {
            floods = true;
        } else if (*answer == '!' && !answer[1]) {
            hangs_up = true;
        } else {
            text[len++] = *answer;
        }
    }
    uv_buf_t bytes = uv_buf_init(text, (unsigned)len);
    if (len && uv_try_write((uv_stream_t *)&t->stream, &bytes, 1) < 0)
        hangs_up = true;
    t->flood.data = t;
    if (hangs_up)
        fake_store_hang_up(t);
    else if (floods)
        fake_store_flood(&t->flood, 0);
}

static inline void fake_store_line(struct fake_talk *t)
{
    struct fake_store *server = t->server;

    t->line[t->len] = '\0';
    strncat(server->heard, t->line, sizeof server->heard - strlen(server->heard) - 1);
    for (const struct fake_row *row = server->rows; row->words; row++) {
        if (strstr(t->line, row->words)) {
            fake_store_say(t, row->answer);
            return;
        }
    }
    fake_store_say(t, "$ BAD what?\r\n");
}

static inline void fake_store_heard(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct fake_talk *t = stream->data;

    for (ssize_t i = 0; i < len && !uv_is_closing((uv_handle_t *)stream); i++) {
        t->line[t->len] = buffer->base[i];
        if (t->len < sizeof t->line - 2)
            t->len++;
        if (buffer->base[i] != '\n')
            continue;
        fake_store_line(t);
        t->len = 0;
    }
    free(buffer->base);
    if (len < 0)
        fake_store_hang_up(t);
}

static inline void fake_store_space(uv_handle_t *handle, size_t size, uv_buf_t *buffer_r)
{
    (void)handle;
    *buffer_r = uv_buf_init(calloc(1, size), (unsigned)size);
}

static inline void fake_store_connected(uv_stream_t *listener, int status)
{
    struct fake_store *server = listener->data;
    struct fake_talk *t = calloc(1, sizeof *t);

    (void)status;
    t->server = server;
    t->stream.data = t;
    uv_tcp_init(listener->loop, &t->stream);
    server->connections++;
    server->closed = false;
    server->last = t;
    if (uv_accept(listener, (uv_stream_t *)&t->stream))
        abort();
    uv_read_start((uv_stream_t *)&t->stream, fake_store_space, fake_store_heard);
    fake_store_say(t, server->greeting);
}

static inline void fake_store_start(struct fake_store *server, uv_loop_t *loop)
{
    struct sockaddr_in at;
    int len = sizeof at;

    signal(SIGPIPE, SIG_IGN); /* who hung up hears no answer */
    uv_ip4_addr("127.0.0.1", 0, &at);
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server;
    if (uv_tcp_bind(&server->listener, (struct sockaddr *)&at, 0) ||
        uv_listen((uv_stream_t *)&server->listener, 16, fake_store_connected))
        abort();
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&at, &len);
    server->port = ntohs(at.sin_port);
}

static inline void fake_store_stop(struct fake_store *server)
{
    fake_store_hang_up(server->last);
    uv_close((uv_handle_t *)&server->listener, NULL);
}

#endif

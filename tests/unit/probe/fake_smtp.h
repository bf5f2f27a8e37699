/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_FAKE_SMTP_H
#define TESTS_UNIT_PROBE_FAKE_SMTP_H

/* A mail server on loopback, on the test's own loop, that greets and says yes to everything. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

struct fake_smtp {
    uv_tcp_t listener;
    const char *host; /* null = 127.0.0.1 */
    uint16_t port;    /* 0 = one that is free */
    bool silent;      /* takes connections and never greets */
    int connections;  /* in all */
    int open;         /* now */
    int polite;       /* that ended with QUIT */

    /* Somebody has connected; null = nobody looks. */
    void (*counted)(struct fake_smtp *server);
};

struct fake_session {
    uv_tcp_t stream;
    struct fake_smtp *server;
    char line[600];
    size_t len;
};

static inline void fake_gone(uv_handle_t *handle)
{
    struct fake_session *s = handle->data;

    s->server->open--;
    free(s);
}

static inline void fake_end(struct fake_session *s)
{
    if (!uv_is_closing((uv_handle_t *)&s->stream))
        uv_close((uv_handle_t *)&s->stream, fake_gone);
}

static inline void fake_reply(struct fake_session *s, const char *text)
{
    uv_buf_t bytes = uv_buf_init((char *)text, (unsigned)strlen(text));

    if (uv_try_write((uv_stream_t *)&s->stream, &bytes, 1) < 0)
        fake_end(s);
}

static inline void fake_line(struct fake_session *s)
{
    if (!strncasecmp(s->line, "QUIT", 4)) {
        s->server->polite++;
        fake_reply(s, "221 2.0.0 Bye\r\n");
        fake_end(s);
    } else {
        fake_reply(s, "250 fake.example.org\r\n");
    }
}

static inline void fake_heard(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct fake_session *s = stream->data;

    for (ssize_t i = 0; i < len && !uv_is_closing((uv_handle_t *)stream); i++) {
        s->line[s->len] = buffer->base[i];
        if (s->len < sizeof s->line - 1)
            s->len++;
        if (buffer->base[i] != '\n')
            continue;
        fake_line(s);
        s->len = 0;
    }
    free(buffer->base);
    if (len < 0)
        fake_end(s);
}

static inline void fake_space(uv_handle_t *handle, size_t size, uv_buf_t *buffer_r)
{
    (void)handle;
    *buffer_r = uv_buf_init(calloc(1, size), (unsigned)size);
}

static inline void fake_connected(uv_stream_t *listener, int status)
{
    struct fake_smtp *server = listener->data;
    struct fake_session *s = calloc(1, sizeof *s);

    (void)status;
    s->server = server;
    s->stream.data = s;
    uv_tcp_init(listener->loop, &s->stream);
    server->connections++;
    server->open++;
    if (server->counted)
        server->counted(server);
    if (uv_accept(listener, (uv_stream_t *)&s->stream)) {
        fake_end(s);
        return;
    }
    uv_read_start((uv_stream_t *)&s->stream, fake_space, fake_heard);
    if (!server->silent)
        fake_reply(s, "220 fake.example.org ESMTP\r\n");
}

static inline void fake_smtp_start(struct fake_smtp *server, uv_loop_t *loop)
{
    struct sockaddr_in at;
    int len = sizeof at;

    uv_ip4_addr(server->host ? server->host : "127.0.0.1", server->port, &at);
    uv_tcp_init(loop, &server->listener);
    server->listener.data = server;
    if (uv_tcp_bind(&server->listener, (struct sockaddr *)&at, 0) ||
        uv_listen((uv_stream_t *)&server->listener, 256, fake_connected))
        abort();
    uv_tcp_getsockname(&server->listener, (struct sockaddr *)&at, &len);
    server->port = ntohs(at.sin_port);
}

/* Those who are connected stay so. */
static inline void fake_smtp_stop(struct fake_smtp *server)
{
    uv_close((uv_handle_t *)&server->listener, NULL);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the servers of talks say goes through here, so that they need not know whether it is in TLS. */
#include "tests/talk/wire.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <stdlib.h>
#include <string.h>

static void on_written(uv_write_t *write, int status)
{
    struct wire *w = write->data;
    (void)status; /* a client that is gone is seen by reading */
    free(write);
    w->written(w->context);
}

static void send_bytes(struct wire *w, uv_write_t *write, struct span bytes)
{
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.len);

    write->data = w;
    if (uv_write(write, w->stream, &buf, 1, on_written) < 0)
        free(write);
}

/* What TLS has for the wire: at once as far as it goes, so that an end of the connection takes nothing with
 * it. */
static void flush(struct wire *w)
{
    struct span out = tls_output(w->tls);
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)out.data, (unsigned)out.len);
    int now = out.len ? uv_try_write(w->stream, &buf, 1) : 0;

    tls_sent(w->tls, now > 0 ? (size_t)now : 0);
    out = tls_output(w->tls);
    if (out.len == 0)
        return;
    uv_write_t *write = mem_alloc(sizeof(*write) + out.len);
    char *copy = memcpy(write + 1, out.data, out.len);
    tls_sent(w->tls, out.len);
    send_bytes(w, write, (struct span){copy, out.len});
}

void wire_say(struct wire *w, struct span bytes)
{
    if (!w->tls) {
        send_bytes(w, mem_alloc(sizeof(uv_write_t)), bytes);
        return;
    }
    for (size_t len = 1; bytes.len && len; bytes = (struct span){bytes.data + len, bytes.len - len})
        len = tls_write(w->tls, bytes);
    flush(w);
}

bool wire_take(struct wire *w, struct span bytes, struct buffer *heard)
{
    char data[4096];
    int64_t at_us;
    size_t len;

    if (!w->tls) {
        buffer_put(heard, bytes.data, bytes.len);
        return true;
    }
    tls_receive(w->tls, bytes, clock_mono_us());
    while ((len = tls_read(w->tls, data, sizeof(data), &at_us)) > 0)
        buffer_put(heard, data, len);
    flush(w);
    return tls_state(w->tls) == TLS_HANDSHAKING || tls_state(w->tls) == TLS_UP;
}

void wire_secure(struct wire *w, struct tls_context *context)
{
    w->tls = tls_new(context, NULL);
}

bool wire_is_secure(const struct wire *w)
{
    return w->tls && tls_state(w->tls) != TLS_HANDSHAKING;
}

void wire_end(struct wire *w)
{
    if (!w->tls)
        return;
    tls_shut(w->tls);
    flush(w);
}

void wire_free(struct wire *w)
{
    tls_free(w->tls);
    w->tls = NULL;
}

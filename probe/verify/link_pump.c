/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on a loop of libuv: its sockets are watched (probe/net/watches.h), its time-out
 * is a timer, and it is told where to dial by CURLOPT_CONNECT_TO and CURLOPT_RESOLVE, so that what it
 * connects to and whom the certificate must be for need not be the same, and nothing is ever resolved by it.
 * Limits: the file of authorities is read anew for each connection, on the loop (Debian's, of 144: 15 ms).
 */
#include "probe/verify/link_pump.h"

#include "probe/base/arena.h"
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/net/dial.h"
#include "probe/net/handle.h"
#include "probe/net/lookup.h"
#include "probe/net/order.h"
#include "probe/net/watches.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What it dials is called so, and has the addresses that we found. */
#define DIALLED "dialled.invalid"

enum { MOST_SAID = 300 };

struct link_pump {
    uv_timer_t timer; /* libcurl's; closing it frees the pump */
    uint16_t port;
    int64_t deadline_us;
    struct lookup *lookup; /* while it is under way */
    struct lookup_answer names;
    struct watches watches;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *connect_to;
    struct curl_slist *resolved;
    int fd; /* the last socket it has made, -1 = none */
    char error[CURL_ERROR_SIZE];
    link_pumped *pumped;
    void *context;
};

/* ---- the end ---- */

static void over(struct link_pump *p, CURLcode code)
{
    p->pumped(p->context, code);
}

/* libcurl has worked; nothing may be touched after this. */
static void look_whether_over(struct link_pump *p)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(p->multi, &left))) {
        if (message->msg == CURLMSG_DONE) {
            over(p, message->data.result);
            return;
        }
    }
}

/* ---- libcurl's events ---- */

static void on_ready(void *context, int fd, bool reading, bool writing)
{
    struct link_pump *p = context;
    int running;

    curl_multi_socket_action(p->multi, fd, (reading ? CURL_CSELECT_IN : 0) | (writing ? CURL_CSELECT_OUT : 0),
                             &running);
    look_whether_over(p);
}

static void on_timer(uv_timer_t *timer)
{
    struct link_pump *p = timer->data;
    int running;

    curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look_whether_over(p);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
    struct link_pump *p = context;

    (void)easy;
    (void)unused;
    watches_set(&p->watches, fd, what == CURL_POLL_IN || what == CURL_POLL_INOUT,
                what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
    return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *context)
{
    struct link_pump *p = context;

    (void)multi;
    handle_at(&p->timer, on_timer,
              timeout_ms < 0 ? CLOCK_NEVER : clock_mono_us() + timeout_ms * CLOCK_US_PER_MS);
    return 0;
}

static int on_made(void *context, curl_socket_t fd, curlsocktype purpose)
{
    struct link_pump *p = context;

    (void)purpose;
    p->fd = fd;
    return CURL_SOCKOPT_OK;
}

/* ---- the way there ---- */

static void write_address(struct buffer *b, const struct address *a)
{
    char text[ADDRESS_TEXT_SIZE];
    bool v6 = address_family(a) == AF_INET6;

    address_text(a, text);
    buffer_printf(b, "%s%s%s", v6 ? "[" : "", text, v6 ? "]" : "");
}

static void tell_where(struct link_pump *p)
{
    struct buffer b;

    buffer_init(&b, 4096);
    buffer_printf(&b, "::%s:%u", DIALLED, p->port);
    p->connect_to = curl_slist_append(NULL, b.data);
    buffer_clear(&b);
    buffer_printf(&b, "%s:%u:", DIALLED, p->port);
    for (size_t i = 0; i < p->names.count; i++) {
        if (i)
            buffer_puts(&b, ",");
        write_address(&b, &p->names.addresses[i]);
    }
    p->resolved = curl_slist_append(NULL, b.data);
    buffer_free(&b);
    curl_easy_setopt(p->easy, CURLOPT_CONNECT_TO, p->connect_to);
    curl_easy_setopt(p->easy, CURLOPT_RESOLVE, p->resolved);
}

static void begin(struct link_pump *p)
{
    int64_t left_ms = (p->deadline_us - clock_mono_us()) / CLOCK_US_PER_MS;

    tell_where(p);
    curl_easy_setopt(p->easy, CURLOPT_TIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1));
    curl_multi_add_handle(p->multi, p->easy);
}

static void on_literal(uv_timer_t *timer)
{
    begin(timer->data);
}

static void on_named(void *context, const struct lookup_answer *answer)
{
    struct link_pump *p = context;
    struct address none = {0};

    p->lookup = NULL;
    p->names = *answer;
    if (!answer->count) {
        over(p, CURLE_COULDNT_RESOLVE_HOST);
        return;
    }
    order_sort(p->names.addresses, p->names.count, &none);
    if (p->names.count > PLAN_MAX_ADDRESSES)
        p->names.count = PLAN_MAX_ADDRESSES;
    begin(p);
}

static void set_up(struct link_pump *p)
{
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_SOCKOPTFUNCTION, on_made);
    curl_easy_setopt(p->easy, CURLOPT_SOCKOPTDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_ERRORBUFFER, p->error);
    curl_easy_setopt(p->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(p->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(p->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

struct link_pump *link_pump_start(const struct link_pump_order *order, CURL *easy, link_pumped *pumped,
                                  void *context)
{
    struct link_pump *p = mem_alloc(sizeof *p);

    p->port = order->port;
    p->deadline_us = order->deadline_us;
    p->fd = -1;
    p->easy = easy;
    p->multi = curl_multi_init();
    assert(p->multi);
    p->pumped = pumped;
    p->context = context;
    p->watches = (struct watches){.loop = order->loop, .ready = on_ready, .context = p};
    uv_timer_init(order->loop, &p->timer);
    p->timer.data = p;
    set_up(p);
    if (address_parse(order->host, order->port, &p->names.addresses[0]) == 0) {
        p->names.count = 1;
        handle_at(&p->timer, on_literal, clock_mono_us());
    } else {
        p->lookup =
            lookup_start(order->dns, order->loop, order->host, FAMILY_ANY, order->deadline_us, on_named, p);
    }
    return p;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void link_pump_free(struct link_pump *p)
{
    if (!p)
        return;
    lookup_cancel(p->lookup);
    /* Taken out first: a connection that is only connected is then closed without a word that might block. */
    curl_multi_remove_handle(p->multi, p->easy);
    curl_easy_cleanup(p->easy);
    curl_multi_cleanup(p->multi);
    curl_slist_free_all(p->connect_to);
    curl_slist_free_all(p->resolved);
    assert(!p->watches.list);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

CURL *link_pump_easy(const struct link_pump *p)
{
    return p->easy;
}

void link_pump_break(struct link_pump *p)
{
    if (p->fd >= 0)
        (void)shutdown(p->fd, SHUT_RDWR);
}

/* ---- sentences ---- */

bool link_pump_connected(const struct link_pump *p)
{
    curl_off_t us = 0;

    return curl_easy_getinfo(p->easy, CURLINFO_CONNECT_TIME_T, &us) == CURLE_OK && us > 0;
}

static void say_where(const struct link_pump *p, char out_r[DIAL_TEXT_SIZE])
{
    struct address a = p->names.addresses[0];

    address_set_port(&a, p->port);
    dial_text(&a, out_r);
}

static void say_unconnected(const struct link_pump *p, CURLcode code, char why_r[LINK_WHY_SIZE])
{
    char where[DIAL_TEXT_SIZE];
    long number = 0;

    say_where(p, where);
    curl_easy_getinfo(p->easy, CURLINFO_OS_ERRNO, &number);
    snprintf(why_r, LINK_WHY_SIZE, "connect to %s%s: %s", where, p->names.count > 1 ? " and others" : "",
             code == CURLE_OPERATION_TIMEDOUT || !number ? "timed out"
                                                         : uv_strerror(uv_translate_sys_error((int)number)));
}

/* What libcurl says itself, which may quote the server. */
static void say_error(const struct link_pump *p, CURLcode code, char why_r[LINK_WHY_SIZE])
{
    struct arena a = {0};
    const char *text = p->error[0] ? p->error : curl_easy_strerror(code);

    snprintf(why_r, LINK_WHY_SIZE, "%s", text_show(&a, span_of(text), MOST_SAID));
    arena_free(&a);
}

void link_pump_say(const struct link_pump *p, CURLcode code, char why_r[LINK_WHY_SIZE])
{
    bool connected = link_pump_connected(p);

    if (code == CURLE_COULDNT_RESOLVE_HOST)
        snprintf(why_r, LINK_WHY_SIZE, "%s", p->names.message);
    else if (code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && !connected))
        say_unconnected(p, code, why_r);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(why_r, LINK_WHY_SIZE, "the server did not answer in time");
    else if (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING)
        snprintf(why_r, LINK_WHY_SIZE, "the server closed the connection");
    else
        say_error(p, code, why_r);
}

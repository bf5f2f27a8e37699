/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One POST of a form by libcurl (RFC 6749 section 4): no redirect is followed, since it would hand the secret
 * to somebody else, and an answer is read up to a limit.
 */
#include "probe/base/buffer.h"
#include "probe/base/mem.h"
#include "probe/base/secret.h"
#include "probe/verify/link.h"
#include "probe/verify/link_pump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BODY = 64 * 1024 };

struct link_post {
    uv_timer_t timer; /* closing it frees the post */
    struct link_pump *pump;
    struct secret *form;
    struct buffer body;
    struct curl_slist *headers;
    link_posted *posted;
    void *context;
};

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct link_post *p = context;

    buffer_put(&p->body, data, size * count);
    return p->body.full ? 0 : size * count;
}

static void on_posted(void *context, CURLcode code)
{
    struct link_post *p = context;
    char why[LINK_WHY_SIZE] = "";
    long status = 0;

    if (code == CURLE_OK)
        curl_easy_getinfo(link_pump_easy(p->pump), CURLINFO_RESPONSE_CODE, &status);
    else if (p->body.full)
        snprintf(why, sizeof why, "the answer is larger than %d KiB", MOST_BODY / 1024);
    else
        link_pump_say(p->pump, code, why);
    p->posted(p->context, (int)status, buffer_span(&p->body), status ? NULL : why);
    link_post_cancel(p);
}

/* Host and port of the URL; 0, or -1. */
static int read_url(const char *url, char **host_r, uint16_t *port_r)
{
    CURLU *parts = curl_url();
    char *host = NULL, *port = NULL;
    int result = -1;

    if (parts && !curl_url_set(parts, CURLUPART_URL, url, 0) &&
        !curl_url_get(parts, CURLUPART_HOST, &host, 0) &&
        !curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
        size_t len = strlen(host);
        bool bracketed = host[0] == '[';
        *host_r = mem_alloc(len + 1);
        memcpy(*host_r, host + bracketed, len - (bracketed ? 2 : 0));
        *port_r = (uint16_t)strtoul(port, NULL, 10);
        result = 0;
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return result;
}

static CURL *make_easy(struct link_post *p, const struct link_post_order *order)
{
    CURL *easy = curl_easy_init();
    struct span form = secret_bytes(p->form);

    if (!easy)
        return NULL;
    p->headers = curl_slist_append(NULL, "Accept: application/json");
    curl_easy_setopt(easy, CURLOPT_URL, order->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, form.data);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)form.len);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, p->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, p);
    if (order->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, order->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    return easy;
}

static void on_impossible(uv_timer_t *timer)
{
    struct link_post *p = timer->data;

    p->posted(p->context, 0, (struct span){0}, "libcurl cannot use this URL");
    link_post_cancel(p);
}

struct link_post *link_post(const struct link_post_order *order, link_posted *posted, void *context)
{
    struct link_post *p = mem_alloc(sizeof *p);
    char *host = NULL;
    uint16_t port = 0;
    CURL *easy = NULL;

    p->form = secret_new(order->form);
    p->posted = posted;
    p->context = context;
    buffer_init(&p->body, MOST_BODY);
    uv_timer_init(order->loop, &p->timer);
    p->timer.data = p;
    if (read_url(order->url, &host, &port) == 0)
        easy = make_easy(p, order);
    if (easy) {
        struct link_pump_order dial = {.loop = order->loop,
                                       .dns = order->dns,
                                       .host = host,
                                       .port = port,
                                       .deadline_us = order->deadline_us};
        p->pump = link_pump_start(&dial, easy, on_posted, p);
    } else {
        uv_timer_start(&p->timer, on_impossible, 0, 0);
    }
    free(host);
    return p;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void link_post_cancel(struct link_post *p)
{
    if (!p)
        return;
    link_pump_free(p->pump);
    curl_slist_free_all(p->headers);
    secret_free(p->form);
    secret_wipe(p->body.data, p->body.size);
    buffer_free(&p->body);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

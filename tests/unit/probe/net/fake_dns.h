/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_NET_FAKE_DNS_H
#define TESTS_UNIT_PROBE_NET_FAKE_DNS_H

/*
 * A resolver on loopback, on the test's own loop, that answers A, AAAA and MX as it is told, of any name the
 * same but for those that have rules of their own. There is nothing behind its port over TCP.
 */
#include "probe/base/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum fake_manner {
    FAKE_EMPTY, /* no such record */
    FAKE_ADDRESSES,
    FAKE_RCODE,     /* as code says */
    FAKE_SILENT,    /* no answer */
    FAKE_TRUNCATED, /* TC */
    FAKE_GARBAGE,   /* the question is right, the record points into nothing */
    FAKE_POINTERS,  /* a compression pointer that points at itself */
    FAKE_ALIAS,     /* a CNAME to a name that has no address */
    FAKE_LOOP,      /* two CNAMEs that point at each other */
    FAKE_NOTHING    /* a datagram of no length, and then the addresses */
};

/* What an MX rule says instead of addresses. */
struct fake_mx {
    int preference;
    const char *host; /* "" is the root */
};

struct fake_rule {
    enum fake_manner manner;
    int code;
    const char *addresses[16];
    struct fake_mx mx[16];
    int count;    /* that many of 192.0.2.0/24 instead of addresses */
    int delay_ms; /* before the answer */
    bool alias;   /* an alias stands before the addresses */
};

struct fake_name {
    const char *name; /* null = none */
    struct fake_rule a, aaaa;
};

struct fake_dns {
    uv_udp_t socket;
    struct fake_rule a, aaaa, mx;
    struct fake_name names[16];
    int asked; /* questions that came in */
    char servers[32];
};

struct fake_answer {
    uv_timer_t timer;
    struct fake_dns *dns;
    struct sockaddr_storage to;
    bool empty_first;
    size_t len;
    unsigned char packet[1500];
};

static inline void fake_closed(uv_handle_t *handle)
{
    free(handle);
}

static inline void fake_put16(struct fake_answer *a, int value)
{
    a->packet[a->len++] = (unsigned char)(value >> 8);
    a->packet[a->len++] = (unsigned char)value;
}

/* A record whose owner is the name at that offset. */
static inline void fake_record(struct fake_answer *a, int owner, int type, const void *data, size_t len)
{
    fake_put16(a, 0xc000 | owner);
    fake_put16(a, type);
    fake_put16(a, 1);
    fake_put16(a, 0);
    fake_put16(a, 60);
    fake_put16(a, (int)len);
    memcpy(a->packet + a->len, data, len);
    a->len += len;
    a->packet[7]++;
}

static inline void fake_addresses(struct fake_answer *a, const struct fake_rule *rule, int type)
{
    struct address address;
    char text[32];
    static const unsigned char other[] = {5, 'o', 't', 'h', 'e', 'r', 0};
    int owner = 12;

    if (rule->alias) {
        fake_record(a, owner, 5, other, sizeof other);
        owner = (int)(a->len - sizeof other);
    }
    for (int i = 0; i < rule->count; i++) {
        snprintf(text, sizeof text, "192.0.2.%d", i + 1);
        address_parse(text, 0, &address);
        fake_record(a, owner, type, &address.v4.sin_addr, 4);
    }
    for (int i = 0; rule->addresses[i]; i++) {
        address_parse(rule->addresses[i], 0, &address);
        if (type == 1)
            fake_record(a, owner, type, &address.v4.sin_addr, 4);
        else
            fake_record(a, owner, type, &address.v6.sin6_addr, 16);
    }
}

/* As it goes over the wire; a label of any bytes but a dot. */
static inline size_t fake_name_wire(const char *name, unsigned char *out)
{
    size_t len = 0;

    while (*name) {
        size_t label = strcspn(name, ".");
        out[len++] = (unsigned char)label;
        memcpy(out + len, name, label);
        len += label;
        name += label + (name[label] == '.');
    }
    out[len++] = 0;
    return len;
}

static inline void fake_exchangers(struct fake_answer *a, const struct fake_rule *rule)
{
    unsigned char data[300];

    for (int i = 0; i < 16 && rule->mx[i].host; i++) {
        data[0] = (unsigned char)(rule->mx[i].preference >> 8);
        data[1] = (unsigned char)rule->mx[i].preference;
        fake_record(a, 12, 15, data, 2 + fake_name_wire(rule->mx[i].host, data + 2));
    }
}

static inline void fake_fill(struct fake_answer *a, const struct fake_rule *rule, int type)
{
    static const unsigned char other[] = {5, 'o', 't', 'h', 'e', 'r', 0};
    static const unsigned char first[] = {0xc0, 12};

    switch (rule->manner) {
    case FAKE_RCODE:
        a->packet[3] = (unsigned char)(a->packet[3] | rule->code);
        break;
    case FAKE_TRUNCATED:
        a->packet[2] |= 0x02;
        break;
    case FAKE_GARBAGE:
        fake_record(a, 12, type, "....", 4);
        a->packet[7] = 200; /* of these there is one */
        break;
    case FAKE_POINTERS:
        fake_record(a, (int)a->len, type, "....", 4);
        break;
    case FAKE_ALIAS:
        fake_record(a, 12, 5, other, sizeof other);
        break;
    case FAKE_LOOP:
        fake_record(a, 12, 5, other, sizeof other);
        fake_record(a, (int)(a->len - sizeof other), 5, first, sizeof first);
        break;
    case FAKE_ADDRESSES:
    case FAKE_NOTHING:
        if (type == 15)
            fake_exchangers(a, rule);
        else
            fake_addresses(a, rule, type);
        break;
    case FAKE_EMPTY:
    case FAKE_SILENT:
        break;
    }
}

static inline void fake_send(uv_timer_t *timer)
{
    struct fake_answer *a = timer->data;
    uv_buf_t nothing = uv_buf_init(NULL, 0);
    uv_buf_t packet = uv_buf_init((char *)a->packet, (unsigned)a->len);

    if (!uv_is_closing((uv_handle_t *)&a->dns->socket)) {
        if (a->empty_first)
            uv_udp_try_send(&a->dns->socket, &nothing, 1, (struct sockaddr *)&a->to);
        uv_udp_try_send(&a->dns->socket, &packet, 1, (struct sockaddr *)&a->to);
    }
    uv_close((uv_handle_t *)timer, fake_closed);
}

/* Never less than that: libuv counts from a whole millisecond that may be over already. */
static inline void fake_wait(struct fake_answer *a, int delay_ms)
{
    uv_update_time(a->timer.loop);
    uv_timer_start(&a->timer, fake_send, delay_ms ? (uint64_t)delay_ms + 1 : 0, 0);
}

static inline const struct fake_rule *fake_rule_of(const struct fake_dns *dns, const struct fake_answer *a)
{
    unsigned char wire[300];
    int type = a->packet[a->len - 3];

    for (int i = 0; i < 16 && dns->names[i].name; i++)
        if (type != 15 && fake_name_wire(dns->names[i].name, wire) == a->len - 16 &&
            !memcmp(wire, a->packet + 12, a->len - 16))
            return type == 1 ? &dns->names[i].a : &dns->names[i].aaaa;
    return type == 1 ? &dns->a : type == 15 ? &dns->mx : &dns->aaaa;
}

static inline void fake_asked(uv_udp_t *socket, ssize_t len, const uv_buf_t *buffer,
                              const struct sockaddr *from, unsigned flags)
{
    struct fake_dns *dns = socket->data;
    struct fake_answer *a;
    const struct fake_rule *rule;
    int type;

    (void)flags;
    if (len > 16 && from) {
        dns->asked++;
        a = calloc(1, sizeof *a);
        memcpy(a->packet, buffer->base, (size_t)len);
        a->len = 12 + strlen(buffer->base + 12) + 1 + 4; /* what may follow the question is left out */
        type = a->packet[a->len - 3];
        rule = fake_rule_of(dns, a);
        a->dns = dns;
        memcpy(&a->to, from, sizeof(struct sockaddr_in));
        a->packet[2] = 0x81;
        a->packet[3] = 0x80;
        memset(a->packet + 6, 0, 6);
        fake_fill(a, rule, type);
        a->empty_first = rule->manner == FAKE_NOTHING;
        uv_timer_init(socket->loop, &a->timer);
        a->timer.data = a;
        if (rule->manner == FAKE_SILENT)
            uv_close((uv_handle_t *)&a->timer, fake_closed);
        else
            fake_wait(a, rule->delay_ms);
    }
    free(buffer->base);
}

static inline void fake_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer_r)
{
    (void)handle;
    *buffer_r = uv_buf_init(calloc(1, size), (unsigned)size);
}

static inline void fake_dns_start(struct fake_dns *dns, uv_loop_t *loop)
{
    struct sockaddr_in at;
    int len = sizeof at;

    uv_ip4_addr("127.0.0.1", 0, &at);
    uv_udp_init(loop, &dns->socket);
    dns->socket.data = dns;
    uv_udp_bind(&dns->socket, (struct sockaddr *)&at, 0);
    uv_udp_getsockname(&dns->socket, (struct sockaddr *)&at, &len);
    uv_udp_recv_start(&dns->socket, fake_room, fake_asked);
    snprintf(dns->servers, sizeof dns->servers, "127.0.0.1:%d", ntohs(at.sin_port));
}

static inline void fake_dns_stop(struct fake_dns *dns)
{
    uv_close((uv_handle_t *)&dns->socket, NULL);
}

#endif

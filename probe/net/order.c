/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destination address selection, RFC 6724 section 6, with the default policy table of section 2.1. Rules 3
 * (deprecated), 4 (home) and 7 (native transport) are left out: the system does not tell a program cheaply.
 * Rule 9 (longest prefix) is for IPv6 alone, as elsewhere: for IPv4 it would undo the resolver's rotation.
 */
#include "probe/net/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct policy {
    unsigned char prefix[16];
    int bits;
    int precedence;
    int label;
};

/* RFC 6724 section 2.1; the longest prefix first, so that the first match is the one. */
static const struct policy policies[] = {
    {{[15] = 1}, 128, 50, 0},                /* ::1 */
    {{[10] = 0xff, [11] = 0xff}, 96, 35, 4}, /* ::ffff:0:0, IPv4 */
    {{0}, 96, 1, 3},                         /* ::, IPv4-compatible */
    {{0x20, 0x01}, 32, 5, 5},                /* 2001::, Teredo */
    {{0x20, 0x02}, 16, 30, 2},               /* 2002::, 6to4 */
    {{0x3f, 0xfe}, 16, 1, 12},               /* 3ffe::, 6bone */
    {{0xfe, 0xc0}, 10, 1, 11},               /* fec0::, site-local */
    {{0xfc}, 7, 3, 13},                      /* fc00::, unique local */
    {{0}, 0, 40, 1},                         /* everything else */
};

enum { SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

/* IPv4 is seen as IPv4-mapped IPv6. */
static void to_bytes(const struct address *a, unsigned char out[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (address_family(a) == AF_INET6) {
        memcpy(out, &a->v6.sin6_addr, 16);
    } else {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &a->v4.sin_addr, 4);
    }
}

static int common_bits(const unsigned char *a, const unsigned char *b)
{
    int bits = 0;

    while (bits < 128 && !((a[bits / 8] ^ b[bits / 8]) & (0x80 >> bits % 8)))
        bits++;
    return bits;
}

static const struct policy *policy_of(const unsigned char *bytes)
{
    const struct policy *p = policies;

    while (common_bits(bytes, p->prefix) < p->bits)
        p++;
    return p;
}

/* RFC 6724 sections 3.1 and 3.2 (unicast only: nobody dials a group). */
static int scope_of(const unsigned char *bytes)
{
    static const unsigned char loopback[16] = {[15] = 1};
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (!memcmp(bytes, mapped, sizeof mapped))
        return bytes[12] == 127 || (bytes[12] == 169 && bytes[13] == 254) ? SCOPE_LINK : SCOPE_GLOBAL;
    if (!memcmp(bytes, loopback, sizeof loopback) || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80))
        return SCOPE_LINK;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0xc0 ? SCOPE_SITE : SCOPE_GLOBAL;
}

struct view {
    bool usable;
    bool scope_fits;
    bool label_fits;
    int precedence;
    int scope;
    int prefix; /* common with its source; IPv6 only */
};

static struct view view_of(const struct order_candidate *c)
{
    unsigned char to[16], from[16];
    struct view v = {.usable = c->reachable};

    to_bytes(&c->address, to);
    v.precedence = policy_of(to)->precedence;
    v.scope = scope_of(to);
    if (!c->reachable)
        return v;
    to_bytes(&c->source, from);
    v.scope_fits = scope_of(from) == v.scope;
    v.label_fits = policy_of(from)->label == policy_of(to)->label;
    if (address_family(&c->address) == AF_INET6)
        v.prefix = common_bits(to, from);
    return v;
}

int order_compare(const struct order_candidate *a, const struct order_candidate *b)
{
    struct view va = view_of(a), vb = view_of(b);

    if (va.usable != vb.usable) /* rule 1 */
        return va.usable ? -1 : 1;
    if (va.scope_fits != vb.scope_fits) /* rule 2 */
        return va.scope_fits ? -1 : 1;
    if (va.label_fits != vb.label_fits) /* rule 5 */
        return va.label_fits ? -1 : 1;
    if (va.precedence != vb.precedence) /* rule 6 */
        return vb.precedence - va.precedence;
    if (va.scope != vb.scope) /* rule 8 */
        return va.scope - vb.scope;
    if (address_family(&a->address) == address_family(&b->address) && va.prefix != vb.prefix) /* rule 9 */
        return vb.prefix - va.prefix;
    return a->position < b->position ? -1 : 1; /* rule 10 */
}

static int compare(const void *a, const void *b)
{
    return order_compare(a, b);
}

/* A connected datagram socket sends nothing, but the system must choose its source. */
static bool source_of(const struct address *to, struct address *source_r)
{
    struct address probe = *to, from = {0};
    socklen_t len = sizeof from;
    bool good;
    int fd = socket(address_family(to), SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    if (!address_port(&probe))
        address_set_port(&probe, 9);
    good = !connect(fd, &probe.any, address_len(&probe)) && !getsockname(fd, &from.any, &len);
    close(fd);
    if (good)
        *source_r = from;
    return good;
}

void order_sort(struct address *addresses, size_t count, const struct address *source)
{
    struct order_candidate list[ORDER_MAX];
    size_t i;

    if (count < 2 || count > ORDER_MAX)
        return;
    for (i = 0; i < count; i++) {
        struct order_candidate *c = &list[i];

        *c = (struct order_candidate){.address = addresses[i], .position = i};
        if (address_family(source) == AF_UNSPEC) {
            c->reachable = source_of(&addresses[i], &c->source);
        } else {
            c->source = *source;
            c->reachable = address_family(source) == address_family(&addresses[i]);
        }
    }
    qsort(list, count, sizeof list[0], compare);
    for (i = 0; i < count; i++)
        addresses[i] = list[i].address;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judged is always an address, the one that is about to be dialled: a name that resolves to another one a
 * moment later changes nothing (DNS rebinding). What is not public stands in one table, after the registries
 * of RFC 6890 as of 2024; of IPv6 only 2000::/3 is given out at all. IPv4 inside IPv6 is looked at as IPv4:
 * mapped (RFC 4291) and behind NAT64's well-known prefix (RFC 6052).
 */
#include "probe/allow.h"

#include <string.h>
#include <strings.h>

struct range {
    unsigned char prefix[16];
    unsigned bits;
};

static const struct range special_v4[] = {
    {{0}, 8},             /* this host, this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* shared, behind carriers' NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* IETF protocols */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 4},           /* groups */
    {{240}, 4},           /* reserved, broadcast */
};

static const struct range special_v6[] = {
    {{0x20, 0x01}, 23},             /* IETF protocols, Teredo among them */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: leads to any IPv4 address */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static const struct range unicast_v6 = {{0x20}, 3};
static const struct range mapped = {{[10] = 0xff, [11] = 0xff}, 96};
static const struct range nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};

static bool starts_with(const unsigned char *bytes, const unsigned char *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(bytes, prefix, whole) != 0)
        return false;
    return !rest || !((bytes[whole] ^ prefix[whole]) & (0xff00 >> rest & 0xff));
}

static bool is_in(const unsigned char *bytes, const struct range *range)
{
    return starts_with(bytes, range->prefix, range->bits);
}

static bool is_in_any(const unsigned char *bytes, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(bytes, &ranges[i]))
            return true;
    return false;
}

/* Its bytes, 4 or 16 of them; 0 of what is no IP address. Mapped IPv4 has 4. */
static size_t bytes_of(const struct address *a, unsigned char out[16])
{
    unsigned char bytes[16];

    if (address_family(a) == AF_INET) {
        memcpy(out, &a->v4.sin_addr, 4);
        return 4;
    }
    if (address_family(a) != AF_INET6)
        return 0;
    memcpy(bytes, &a->v6.sin6_addr, 16);
    if (is_in(bytes, &mapped)) {
        memcpy(out, bytes + 12, 4);
        return 4;
    }
    memcpy(out, bytes, 16);
    return 16;
}

bool allow_is_public(const struct address *address)
{
    unsigned char bytes[16];
    size_t len = bytes_of(address, bytes);

    if (len == 16 && is_in(bytes, &nat64)) {
        memmove(bytes, bytes + 12, 4);
        len = 4;
    }
    if (len == 4)
        return !is_in_any(bytes, special_v4, sizeof special_v4 / sizeof special_v4[0]);
    return len == 16 && is_in(bytes, &unicast_v6) &&
           !is_in_any(bytes, special_v6, sizeof special_v6 / sizeof special_v6[0]);
}

bool allow_net_has_more(const struct address *address, unsigned bits)
{
    unsigned char bytes[16], kept[16] = {0};
    size_t len = bytes_of(address, bytes);

    for (unsigned i = 0; i < bits && i / 8 < len; i++)
        kept[i / 8] |= (unsigned char)(bytes[i / 8] & (0x80 >> i % 8));
    return memcmp(bytes, kept, len) != 0;
}

static bool is_in_net(const struct address *address, const struct allow_net *net)
{
    unsigned char bytes[16], network[16];
    size_t len = bytes_of(address, bytes);

    return len && len == bytes_of(&net->network, network) && starts_with(bytes, network, net->bits);
}

static bool is_in_nets(const struct allow *allow, const struct address *address)
{
    for (size_t i = 0; i < allow->net_count; i++)
        if (is_in_net(address, &allow->nets[i]))
            return true;
    return false;
}

static bool fits(const char *pattern, const char *host, size_t len)
{
    size_t own = strlen(pattern);

    if (*pattern != '.')
        return own == len && strncasecmp(pattern, host, len) == 0;
    return len > own && strncasecmp(pattern, host + len - own, own) == 0;
}

static bool has_name(const struct allow *allow, const char *host)
{
    size_t len = strlen(host);

    if (len > 0 && host[len - 1] == '.')
        len--;
    for (size_t i = 0; i < allow->name_count; i++)
        if (fits(allow->names[i], host, len))
            return true;
    return false;
}

bool allow_has_host(const struct allow *allow, const char *host)
{
    struct address literal;

    if (address_is_path(host))
        return false;
    if (address_parse(host, 0, &literal) == 0)
        return is_in_nets(allow, &literal);
    return allow->net_count > 0 || has_name(allow, host);
}

bool allow_has_address(const struct allow *allow, const char *host, const struct address *address)
{
    return is_in_nets(allow, address) || (has_name(allow, host) && allow_is_public(address));
}

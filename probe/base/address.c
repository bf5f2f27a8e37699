/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP literals to socket addresses and back. inet_pton reads only the full dotted form, so octal, hexadecimal
 * and short IPv4 are refused. A scope ("fe80::1%eth0") is taken for IPv6; it is printed as a number. Paths of
 * Unix sockets are taken as they are; there are no abstract ones, which begin with NUL.
 */
#include "probe/base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The index of a scope given by number or interface name; 0 when there is no such thing. */
static uint32_t scope_index(const char *scope)
{
    char *end;
    unsigned long number = strtoul(scope, &end, 10);
    if (scope[0] >= '0' && scope[0] <= '9' && *end == '\0' && number <= UINT32_MAX)
        return (uint32_t)number;
    return if_nametoindex(scope);
}

int address_parse(const char *literal, uint16_t port, struct address *address_r)
{
    struct address a = {0};
    char host[ADDRESS_TEXT_SIZE];
    const char *scope = strchr(literal, '%');
    size_t len = scope ? (size_t)(scope - literal) : strlen(literal);

    if (len >= sizeof(host))
        return -1;
    memcpy(host, literal, len);
    host[len] = '\0';

    if (!scope && inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        if (scope && (a.v6.sin6_scope_id = scope_index(scope + 1)) == 0)
            return -1;
    } else {
        return -1;
    }
    address_set_port(&a, port);
    *address_r = a;
    return 0;
}

int address_of_path(const char *path, struct address *address_r)
{
    size_t len = strlen(path);

    if (len < 1 || len > ADDRESS_MAX_PATH)
        return -1;
    *address_r = (struct address){.path = {.sun_family = AF_UNIX}};
    memcpy(address_r->path.sun_path, path, len);
    return 0;
}

bool address_is_path(const char *host)
{
    return strncmp(host, ADDRESS_UNIX, strlen(ADDRESS_UNIX)) == 0;
}

int address_parse_host(const char *host, uint16_t port, struct address *address_r)
{
    if (address_is_path(host))
        return address_of_path(host + strlen(ADDRESS_UNIX), address_r);
    return address_parse(host, port, address_r);
}

/* As inet_ntop does, which prints it by way of sprintf. */
static void put_v4(const struct in_addr *from, char *out_r)
{
    const unsigned char *octets = (const unsigned char *)from;

    for (int i = 0; i < 4; i++) {
        if (octets[i] >= 100)
            *out_r++ = (char)('0' + octets[i] / 100);
        if (octets[i] >= 10)
            *out_r++ = (char)('0' + octets[i] / 10 % 10);
        *out_r++ = (char)('0' + octets[i] % 10);
        *out_r++ = i < 3 ? '.' : '\0';
    }
}

void address_text(const struct address *a, char out_r[ADDRESS_TEXT_SIZE])
{
    out_r[0] = '\0';
    if (a->any.sa_family == AF_INET) {
        put_v4(&a->v4.sin_addr, out_r);
    } else if (a->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->v6.sin6_addr, out_r, ADDRESS_TEXT_SIZE);
        if (a->v6.sin6_scope_id) {
            size_t len = strlen(out_r);
            snprintf(out_r + len, ADDRESS_TEXT_SIZE - len, "%%%u", a->v6.sin6_scope_id);
        }
    } else if (a->any.sa_family == AF_UNIX) {
        snprintf(out_r, ADDRESS_TEXT_SIZE, "%.*s", ADDRESS_MAX_PATH, a->path.sun_path);
    }
}

int address_family(const struct address *a)
{
    return a->any.sa_family;
}

uint16_t address_port(const struct address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohs(a->v4.sin_port);
    return a->any.sa_family == AF_INET6 ? ntohs(a->v6.sin6_port) : 0;
}

void address_set_port(struct address *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET)
        a->v4.sin_port = htons(port);
    else if (a->any.sa_family == AF_INET6)
        a->v6.sin6_port = htons(port);
}

socklen_t address_len(const struct address *a)
{
    if (a->any.sa_family == AF_UNIX)
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(a->path.sun_path) + 1);
    return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

/* What tells hosts apart, IPv4 as the IPv6 that stands for it (RFC 4291 section 2.5.5.2). */
struct host {
    struct in6_addr ip;
    uint32_t scope;
};

static struct host host_of(const struct address *a)
{
    struct host host = {.ip = {.s6_addr = {[10] = 0xff, [11] = 0xff}}};

    if (a->any.sa_family == AF_INET)
        memcpy(host.ip.s6_addr + 12, &a->v4.sin_addr, sizeof a->v4.sin_addr);
    else
        host = (struct host){.ip = a->v6.sin6_addr, .scope = a->v6.sin6_scope_id};
    return host;
}

static int compare_ips(const struct address *a, const struct address *b)
{
    struct host one = host_of(a), other = host_of(b);
    int by_ip = memcmp(&one.ip, &other.ip, sizeof one.ip);

    return by_ip ? by_ip : (one.scope > other.scope) - (one.scope < other.scope);
}

/* Paths come behind all IP addresses. */
static int compare_hosts(const struct address *a, const struct address *b)
{
    bool is_path = a->any.sa_family == AF_UNIX, other_is = b->any.sa_family == AF_UNIX;

    if (is_path && other_is)
        return strncmp(a->path.sun_path, b->path.sun_path, sizeof a->path.sun_path);
    return is_path || other_is ? is_path - other_is : compare_ips(a, b);
}

bool address_same_host(const struct address *a, const struct address *b)
{
    if (a->any.sa_family == AF_UNSPEC || b->any.sa_family == AF_UNSPEC)
        return false;
    return compare_hosts(a, b) == 0;
}

int address_compare(const struct address *a, const struct address *b)
{
    int by_port = address_port(a) - address_port(b);

    return by_port ? by_port : compare_hosts(a, b);
}

bool address_is_local(const struct address *a)
{
    const struct in6_addr *v6 = &a->v6.sin6_addr;

    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (a->any.sa_family != AF_INET6)
        return true;
    return IN6_IS_ADDR_V4MAPPED(v6) ? v6->s6_addr[12] == IN_LOOPBACKNET : IN6_IS_ADDR_LOOPBACK(v6);
}

bool address_same_site(const struct address *a, const struct address *b)
{
    if (a->any.sa_family == AF_INET6 && b->any.sa_family == AF_INET6 &&
        !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 8) == 0;
    return address_same_host(a, b);
}

bool address_is_wildcard(const struct address *a)
{
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return a->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

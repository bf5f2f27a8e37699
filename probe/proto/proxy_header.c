/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the header of the PROXY protocol (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2).
 *
 *     v1 = "PROXY " ( "TCP4" / "TCP6" ) SP source SP destination SP port SP port CRLF / "PROXY UNKNOWN" CRLF
 *     v2 = signature version-and-command family-and-protocol length [source destination port port]
 *
 * An address' scope has no place in either. TLVs are never sent.
 */
#include "probe/proto/proxy_header.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE   "\r\n\r\n\0\r\nQUIT\n"
#define VERSION_2   0x20
#define LOCAL       0x00
#define PROXY       0x01
#define UNSPECIFIED 0x00
#define TCP4        0x11
#define TCP6        0x21

static void put(char out[PROXY_HEADER_SIZE], size_t *len, const void *bytes, size_t count)
{
    memcpy(out + *len, bytes, count);
    *len += count;
}

static void put_octet(char out[PROXY_HEADER_SIZE], size_t *len, unsigned value)
{
    const unsigned char octet = (unsigned char)value;

    put(out, len, &octet, 1);
}

static void put_ip(char out[PROXY_HEADER_SIZE], size_t *len, const struct address *a)
{
    if (address_family(a) == AF_INET)
        put(out, len, &a->v4.sin_addr, sizeof(a->v4.sin_addr));
    else
        put(out, len, &a->v6.sin6_addr, sizeof(a->v6.sin6_addr));
}

static void put_port(char out[PROXY_HEADER_SIZE], size_t *len, const struct address *a)
{
    put_octet(out, len, address_port(a) >> 8);
    put_octet(out, len, address_port(a) & 0xff);
}

static size_t build_v2(const struct plan_proxy *proxy, const struct address *to, char out[PROXY_HEADER_SIZE])
{
    bool is_v4 = address_family(&proxy->source) == AF_INET;
    size_t len = 0;

    put(out, &len, SIGNATURE, sizeof(SIGNATURE) - 1);
    put_octet(out, &len, VERSION_2 | (proxy->local ? LOCAL : PROXY));
    put_octet(out, &len, proxy->local ? UNSPECIFIED : is_v4 ? TCP4 : TCP6);
    put_octet(out, &len, 0);
    put_octet(out, &len, proxy->local ? 0 : is_v4 ? 12 : 36);
    if (proxy->local)
        return len;
    put_ip(out, &len, &proxy->source);
    put_ip(out, &len, to);
    put_port(out, &len, &proxy->source);
    put_port(out, &len, to);
    return len;
}

/* Without a scope. */
static void ip_text(const struct address *a, char out_r[ADDRESS_TEXT_SIZE])
{
    address_text(a, out_r);
    out_r[strcspn(out_r, "%")] = '\0';
}

/* The line of version 1, without its end. */
static size_t line_v1(const struct plan_proxy *proxy, const struct address *to, char *out, size_t size)
{
    char source[ADDRESS_TEXT_SIZE];
    char destination[ADDRESS_TEXT_SIZE];

    if (proxy->local)
        return (size_t)snprintf(out, size, "PROXY UNKNOWN");
    ip_text(&proxy->source, source);
    ip_text(to, destination);
    return (size_t)snprintf(out, size, "PROXY %s %s %s %d %d",
                            address_family(&proxy->source) == AF_INET ? "TCP4" : "TCP6", source, destination,
                            address_port(&proxy->source), address_port(to));
}

size_t proxy_header_build(const struct plan_proxy *proxy, const struct address *to,
                          char out_r[PROXY_HEADER_SIZE])
{
    size_t len;

    assert(proxy->local || address_family(&proxy->source) == address_family(to));
    if (proxy->version == 2)
        return build_v2(proxy, to, out_r);
    len = line_v1(proxy, to, out_r, PROXY_HEADER_SIZE);
    assert(len <= PROXY_HEADER_SIZE - sizeof("\r\n"));
    put(out_r, &len, "\r\n", 2);
    return len;
}

void proxy_header_words(const struct plan_proxy *proxy, const struct address *to,
                        char out_r[PROXY_HEADER_SIZE])
{
    char line[PROXY_HEADER_SIZE];

    if (proxy->version == 1) {
        line_v1(proxy, to, out_r, PROXY_HEADER_SIZE);
        return;
    }
    line_v1(proxy, to, line, sizeof(line));
    snprintf(out_r, PROXY_HEADER_SIZE, "v2 %.104s", proxy->local ? "LOCAL" : line);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host:port as the config writes it. Host names after RFC 952 and RFC 1123 section 2.1, with the underscore
 * that is seen in practice; no internationalized names (write the xn-- form). Nothing is resolved here.
 */
#include "config/endpoint.h"

#include "config/value.h"

#include <string.h>

#define MAX_HOST  253
#define MAX_LABEL 63

static bool is_ldh(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_label(const char *label, size_t len)
{
    if (len < 1 || len > MAX_LABEL || label[0] == '-' || label[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_ldh(label[i]))
            return false;
    return true;
}

/* Digits alone, or hexadecimal with 0x: a name that ends so is read as an IPv4 address by inet_aton. */
static bool is_number(const char *label, size_t len)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    if (len >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
        return strspn(label + 2, digits) >= len - 2;
    return strspn(label, "0123456789") >= len;
}

static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot ? dot + 1 : host;
    return *last && is_number(last, strlen(last));
}

bool endpoint_is_host_name(const char *text)
{
    size_t len = strlen(text);
    if (len > 1 && text[len - 1] == '.')
        len--;
    if (len > MAX_HOST)
        return false;
    for (const char *end = text + len;;) {
        size_t label = strcspn(text, ".");
        if (!is_label(text, label))
            return false;
        if (text + label >= end)
            return !is_number(text, label);
        text += label + 1;
    }
}

/* Parts the text at the colon before the port. */
static const char *part(const char *text, struct arena *a, const char **host_r, bool *brackets_r,
                        uint16_t *port_r)
{
    int64_t port;
    bool brackets = text[0] == '[';
    const char *close = brackets ? strchr(text, ']') : NULL;
    const char *colon = close ? close + 1 : strchr(text, ':');
    if (brackets && !close)
        return "the closing bracket is missing";
    if (!colon || *colon == '\0')
        return "the port is missing";
    if (*colon != ':')
        return "after the bracket comes a colon and the port";
    if (!brackets && strchr(colon + 1, ':'))
        return text[strspn(text, "0123456789abcdefABCDEF:.")] == '\0'
                   ? "an IPv6 address needs brackets, and a port after them"
                   : "more than one colon";
    if (value_integer(colon + 1, 1, 65535, &port) != 0)
        return "the port is not a decimal number from 1 to 65535";
    const char *begin = brackets ? text + 1 : text;
    size_t len = (size_t)((brackets ? close : colon) - begin);
    *host_r = arena_dup_span(a, (struct span){begin, len});
    *brackets_r = brackets;
    *port_r = (uint16_t)port;
    return NULL;
}

const char *endpoint_host(const char *text, struct arena *a, const char **host_r, uint16_t *port_r)
{
    const char *host;
    uint16_t port;
    bool brackets;
    struct address literal;
    const char *why = part(text, a, &host, &brackets, &port);
    if (why)
        return why;
    bool is_literal = address_parse(host, port, &literal) == 0;
    if (brackets && (!is_literal || address_family(&literal) != AF_INET6))
        return "not an IPv6 address in the brackets";
    if (*host == '\0')
        return "the host is missing";
    if (!is_literal && !endpoint_is_host_name(host))
        return ends_in_number(host) ? "not a host name, and an IPv4 address is four decimal numbers"
                                    : "not a host name or IP address";
    *host_r = host;
    *port_r = port;
    return NULL;
}

const char *endpoint_literal(const char *text, struct address *address_r)
{
    struct arena scratch = {0};
    const char *host;
    uint16_t port;
    const char *why = endpoint_host(text, &scratch, &host, &port);
    if (!why && address_parse(host, port, address_r) != 0)
        why = "not an IP address";
    arena_free(&scratch);
    return why;
}

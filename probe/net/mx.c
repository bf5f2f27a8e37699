/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MX question, with a deadline and never answered from inside, and the checks that make a record one that
 * can be used: RFC 5321 section 5.1, RFC 2181 section 10.3 (no alias), RFC 7505 (the null MX). Looking up the
 * hosts is lookup.c's, what to do with all of it run_each.c's.
 */
#include "probe/net/mx.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/net/handle.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROOT "."

struct mx {
    struct dns *dns;
    char *domain;
    uv_timer_t *timer;
    struct dns_query *query;
    bool known;
    struct dns_mx_answer found;
    int64_t at_us; /* when it was known */
    mx_done *done;
    void *context;
};

/* ---- the question ---- */

static void mx_free(struct mx *mx)
{
    dns_forget(mx->query);
    handle_close_timer(mx->timer);
    free(mx->domain);
    free(mx);
}

static void say_expired(const struct mx *mx, struct mx_answer *answer)
{
    answer->reason = REASON_TIMEOUT;
    answer->expired = true;
    snprintf(answer->message, sizeof answer->message,
             "no answer from the resolver (%s) for the MX records of %s", dns_servers(mx->dns), mx->domain);
}

/* No record at all: the domain's own address is used, as if it were its MX host. */
static void take_implicit(const struct mx *mx, struct mx_answer *answer)
{
    answer->implicit = true;
    answer->count = 1;
    snprintf(answer->hosts[0], sizeof answer->hosts[0], "%s", mx->domain);
}

static void take_found(const struct mx *mx, struct mx_answer *answer)
{
    const struct dns_mx_answer *found = &mx->found;

    if (found->count == 1 && !*found->hosts[0].host) {
        answer->reason = REASON_NULL_MX;
        snprintf(answer->message, sizeof answer->message,
                 "%s says that it takes no mail (its only MX record is the null MX)", mx->domain);
        return;
    }
    answer->many = found->many;
    for (; answer->count < found->count; answer->count++) {
        const char *host = found->hosts[answer->count].host;
        snprintf(answer->hosts[answer->count], DNS_NAME_SIZE, "%s", *host ? host : ROOT);
    }
}

static void conclude(const struct mx *mx, struct mx_answer *answer)
{
    answer->at_us = mx->at_us;
    if (!mx->known) {
        say_expired(mx, answer);
    } else if (mx->found.reason == REASON_NONE) {
        take_found(mx, answer);
    } else if (mx->found.reason == REASON_NO_ADDRESS) {
        take_implicit(mx, answer);
    } else {
        answer->reason = mx->found.reason;
        memcpy(answer->message, mx->found.message, sizeof answer->message);
    }
}

static void on_over(uv_timer_t *timer)
{
    struct mx *mx = timer->data;
    struct mx_answer answer = {.count = 0};
    mx_done *done = mx->done;
    void *context = mx->context;

    if (!mx->known)
        mx->at_us = clock_mono_us();
    conclude(mx, &answer);
    mx_free(mx);
    done(context, &answer);
}

static void on_answer(void *context, const struct dns_mx_answer *answer)
{
    struct mx *mx = context;

    mx->query = NULL;
    mx->known = true;
    mx->found = *answer;
    mx->at_us = clock_mono_us();
    handle_at(mx->timer, on_over, mx->at_us);
}

struct mx *mx_start(struct dns *dns, uv_loop_t *loop, const char *domain, int64_t deadline_us, mx_done *done,
                    void *context)
{
    struct mx *mx = mem_alloc(sizeof *mx);
    struct dns_query *query;

    mx->dns = dns;
    mx->domain = mem_dup(domain);
    mx->done = done;
    mx->context = context;
    mx->timer = handle_timer(loop, mx);
    handle_at(mx->timer, on_over, deadline_us);
    query = dns_ask_mx(dns, domain, on_answer, mx);
    if (!mx->known)
        mx->query = query;
    return mx;
}

void mx_cancel(struct mx *mx)
{
    if (mx)
        mx_free(mx);
}

/* ---- the checks ---- */

__attribute__((format(printf, 2, 3))) static void say(struct lookup_answer *answer, const char *format, ...)
{
    va_list list;

    *answer = (struct lookup_answer){.reason = REASON_MX_INVALID, .at_us = answer->at_us};
    va_start(list, format);
    vsnprintf(answer->message, sizeof answer->message, format, list);
    va_end(list);
}

static bool is_name(const char *host)
{
    size_t label = 0;

    for (; *host; host++) {
        unsigned char c = (unsigned char)*host;
        if (c == '.' ? label == 0 : !(c < 0x80 && isalnum(c)) && c != '-' && c != '_')
            return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label > 0;
}

/* Every system would take it for an address, in one of the forms of inet_aton: its last label is a number. */
static bool is_literal(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot ? dot + 1 : host;
    struct address address;

    return address_parse(host, 0, &address) == 0 || (*last && strspn(last, "0123456789") == strlen(last)) ||
           !strncasecmp(last, "0x", 2);
}

static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t len = strlen(host), own = sizeof name - 1;

    return len >= own && !strcasecmp(host + len - own, name) && (len == own || host[len - own - 1] == '.');
}

bool mx_check_host(const char *host, const char *domain, struct lookup_answer *answer_r)
{
    struct arena arena = {0};
    const char *shown = text_escape(&arena, span_of(host));
    bool good = false;

    if (!strcmp(host, ROOT))
        say(answer_r, "%s has the null MX, which says that it takes no mail, beside other MX records",
            domain);
    else if (is_literal(host))
        say(answer_r, "the MX record of %s names an IP address (%s), not a host", domain, shown);
    else if (is_localhost(host))
        say(answer_r, "the MX record of %s names %s, which is whoever looks it up", domain, shown);
    else if (!is_name(host))
        say(answer_r, "the MX record of %s names \"%s\", which is no host name", domain, shown);
    else
        good = true;
    arena_free(&arena);
    return good;
}

/* Whoever dials it dials himself. IPv4 may be written as IPv6. */
static bool is_oneself(const struct address *a)
{
    const struct in6_addr *v6 = &a->v6.sin6_addr;
    uint32_t v4;

    if (address_is_wildcard(a))
        return true;
    if (address_family(a) == AF_INET6) {
        if (!IN6_IS_ADDR_V4MAPPED(v6))
            return IN6_IS_ADDR_LOOPBACK(v6);
        memcpy(&v4, &v6->s6_addr[12], sizeof v4);
    } else {
        v4 = a->v4.sin_addr.s_addr;
    }
    return ntohl(v4) == INADDR_ANY || ntohl(v4) >> 24 == IN_LOOPBACKNET;
}

void mx_check_alias(const char *host, struct lookup_answer *answer_io)
{
    if (answer_io->alias && !answer_io->expired)
        say(answer_io, "%s is an alias (CNAME), which an MX record must not name", host);
}

void mx_check_addresses(const char *host, struct lookup_answer *answer_io)
{
    char text[ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < answer_io->count && !answer_io->operators; i++) {
        if (!is_oneself(&answer_io->addresses[i]))
            continue;
        address_text(&answer_io->addresses[i], text);
        say(answer_io, "%s has the address %s, which is whoever dials it", host, text);
        return;
    }
}

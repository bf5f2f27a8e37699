/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of a resolver, for A, AAAA and MX: whatever the packet, there is something or a reason with its
 * sentence, within the limits, and no name in it that is not clean.
 */
#include "probe/base/text.h"
#include "probe/net/dns_answer.h"
#include "probe/net/mx.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_message(bool there, enum reason reason, const char *message)
{
    fuzz_require(there == (reason == REASON_NONE), "there is an answer or a reason");
    fuzz_require(there == !*message, "a reason has its sentence");
    fuzz_require(text_is_clean(span_of(message)), "which is clean");
}

static void check_mx(const struct dns_mx_answer *answer)
{
    struct lookup_answer wrong = {.count = 0};

    check_message(answer->count > 0, answer->reason, answer->message);
    fuzz_require(answer->count <= PLAN_MAX_ADDRESSES, "there are no more hosts than are tried");
    for (size_t i = 0; i < answer->count; i++) {
        const char *host = answer->hosts[i].host;
        fuzz_require(strlen(host) < DNS_NAME_SIZE && text_is_clean(span_of(host)),
                     "a name is short and clean");
        fuzz_require(i == 0 || answer->hosts[i - 1].preference <= answer->hosts[i].preference,
                     "the most preferred stand first");
        for (size_t k = 0; k < i; k++)
            fuzz_require(strcasecmp(answer->hosts[k].host, host) != 0, "each host stands there once");
        if (mx_check_host(*host ? host : ".", "example.org", &wrong))
            fuzz_require(strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
                             strlen(host),
                         "a host that is dialled has a host's name");
        else
            check_message(false, wrong.reason, wrong.message);
    }
}

static void check_addresses(const struct dns_answer *answer, enum dns_type type)
{
    check_message(answer->count > 0, answer->reason, answer->message);
    fuzz_require(answer->count <= PLAN_MAX_ADDRESSES, "there are no more addresses than are tried");
    for (size_t i = 0; i < answer->count; i++)
        fuzz_require(address_family(&answer->addresses[i]) == (type == DNS_A ? AF_INET : AF_INET6),
                     "an address is of the family asked for");
}

int fuzz_dns(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    bool closer = fuzz_take(&input) & 1;
    char *exact = fuzz_exact(input);
    struct dns_reply reply = {.name = "example.org",
                              .servers = "192.0.2.53",
                              .packet = (const unsigned char *)exact,
                              .len = (int)input.len,
                              .closer = closer};
    struct dns_answer answer;
    struct dns_mx_answer mx;

    for (int type = 0; type < DNS_TYPES; type++) {
        dns_answer_read(&reply, (enum dns_type)type, &answer);
        check_addresses(&answer, (enum dns_type)type);
    }
    dns_answer_read_mx(&reply, &mx);
    check_mx(&mx);
    free(exact);
    return 0;
}

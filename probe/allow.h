/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_ALLOW_H
#define PROBE_ALLOW_H

#include "probe/base/address.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Who may be dialled for somebody who names the host himself. A network admits its addresses, whatever they
 * are called. A name admits what is behind it as far as that is public: what stands in DNS is not its owner's
 * word about our own network. Pure.
 */
struct allow_net {
    struct address network; /* IPv4 written as IPv6 is IPv4 here */
    unsigned bits;
};

/* Whoever makes one keeps what it points to. */
struct allow {
    const struct allow_net *nets;
    size_t net_count;
    const char *const *names; /* lower case, without a dot behind; ".example.org" is every name below it */
    size_t name_count;
};

/* Whether an address of this host, a name or a literal, can be admitted at all: a literal must be, of a name
 * it hangs on what it resolves to. Paths are not. */
bool allow_has_host(const struct allow *allow, const char *host);

/* Whether the address may be dialled for that host. */
bool allow_has_address(const struct allow *allow, const char *host, const struct address *address);

/* Whether the address can be anybody's on the Internet: not private, loopback, link-local, of a group, or set
 * aside for some purpose (IANA's registries of special-purpose addresses). */
bool allow_is_public(const struct address *address);

/* Whether the address has a bit behind so many. */
bool allow_net_has_more(const struct address *address, unsigned bits);

#endif

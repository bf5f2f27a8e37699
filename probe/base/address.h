/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_ADDRESS_H
#define PROBE_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IP address with a port, as the socket calls want it. A zeroed one (AF_UNSPEC) is none. */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

/* Reads an IP literal, without brackets and without port; 0, or -1 when it is none. Only the full dotted
 * form is IPv4: octal, hexadecimal and short forms are not addresses here. */
int address_parse(const char *literal, uint16_t port, struct address *address_r);

/* As a literal, without port and brackets: "192.0.2.1", "2001:db8::1", "fe80::1%2". */
#define ADDRESS_TEXT_SIZE 64
void address_text(const struct address *a, char out_r[ADDRESS_TEXT_SIZE]);

int address_family(const struct address *a); /* AF_INET, AF_INET6 or AF_UNSPEC */
uint16_t address_port(const struct address *a);
void address_set_port(struct address *a, uint16_t port);
socklen_t address_len(const struct address *a);
/* Ports aside. IPv4 written as IPv6 ("::ffff:192.0.2.1") is the IPv4 address: the system dials that. */
bool address_same_host(const struct address *a, const struct address *b);
/* An order for trees: 0 when host and port are the same, in the sense of address_same_host. */
int address_compare(const struct address *a, const struct address *b);
bool address_is_wildcard(const struct address *a); /* 0.0.0.0 or :: */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_ADDRESS_H
#define PROBE_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An IP address with a port, or the path of a Unix socket, as the socket calls want it. A zeroed one
 * (AF_UNSPEC) is none. */
struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
    };
};

/* Reads an IP literal, without brackets and without port; 0, or -1 when it is none. Only the full dotted
 * form is IPv4: octal, hexadecimal and short forms are not addresses here. */
int address_parse(const char *literal, uint16_t port, struct address *address_r);

/* The address of a path of 1 to ADDRESS_MAX_PATH octets; 0, or -1. */
#define ADDRESS_MAX_PATH 107
int address_of_path(const char *path, struct address *address_r);

/* What can be dialled as it is: an IP literal as above, or a path behind ADDRESS_UNIX, which has no port. */
#define ADDRESS_UNIX "unix:"
int address_parse_host(const char *host, uint16_t port, struct address *address_r);
bool address_is_path(const char *host); /* begins with ADDRESS_UNIX */

/* As a literal, without port and brackets: "192.0.2.1", "2001:db8::1", "fe80::1%2"; of a Unix socket its
 * path, which is "" where it has none. */
#define ADDRESS_TEXT_SIZE (ADDRESS_MAX_PATH + 1)
void address_text(const struct address *a, char out_r[ADDRESS_TEXT_SIZE]);

int address_family(const struct address *a);    /* AF_INET, AF_INET6, AF_UNIX or AF_UNSPEC */
uint16_t address_port(const struct address *a); /* 0 where there is none */
void address_set_port(struct address *a, uint16_t port);
socklen_t address_len(const struct address *a);
/* Ports aside; of Unix sockets: the same path. IPv4 written as IPv6 ("::ffff:192.0.2.1") is the IPv4 address:
 * the system dials that. */
bool address_same_host(const struct address *a, const struct address *b);
/* An order for trees: 0 when host and port, or path, are the same, in the sense of address_same_host. */
int address_compare(const struct address *a, const struct address *b);
bool address_is_wildcard(const struct address *a); /* 0.0.0.0 or :: */
/* Whether only this machine has it: loopback, also where it is IPv4 written as IPv6, or no IP address. */
bool address_is_local(const struct address *a);
/* Whether they can be of the same customer: the same host, or of IPv6 the same /64. */
bool address_same_site(const struct address *a, const struct address *b);

#endif

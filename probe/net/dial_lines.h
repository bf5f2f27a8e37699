/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_NET_DIAL_LINES_H
#define PROBE_NET_DIAL_LINES_H

#include "probe/base/address.h"
#include "probe/net/gate.h"

/*
 * The lines before the addresses that are dialled: so many connections to one address and port at once,
 * whoever makes them, because mail servers count them by client. IPv4 written as IPv6 is IPv4. Loops that
 * run in threads of their own may share them; what is called, and by whom, is as in probe/net/gate.h.
 */
struct dial_lines;

struct dial_lines *dial_lines_new(unsigned limit); /* for each address; 0 = none */
void dial_lines_free(struct dial_lines *lines);    /* every place must have been left; null is fine */

/* As gate_set_limit, for every address. */
void dial_lines_set_limit(struct dial_lines *lines, unsigned limit, const struct post *caller);

/* The caller sets post, called and context in place; zeroed besides. */
struct dial_place {
    struct gate_place place;
    struct dial_door *door; /* where it stands; null = nowhere */
};

/* As gate_enter. */
bool dial_lines_enter(struct dial_lines *lines, struct dial_place *place, const struct address *to);

/* As gate_leave: to be called when the connection is closed. Nowhere is fine. */
void dial_lines_leave(struct dial_place *place);

/* How many connections there are to the address before which the place is. */
unsigned dial_lines_inside(const struct dial_place *place);

#endif

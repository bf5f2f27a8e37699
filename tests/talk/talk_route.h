/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_TALK_ROUTE_H
#define TESTS_TALK_TALK_ROUTE_H

#include "tests/talk/talk.h"

/* Adds the route that a line is about to the talk's plan, with its letter. Returns what is wrong with the
 * line, or null. */
const char *talk_route_read(struct arena *a, struct talk *talk, char *rest);

/* The wire form of the named route's letter; empty when it has none. */
struct span talk_route_letter(const struct talk *talk, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_TALK_HIDING_H
#define TESTS_TALK_HIDING_H

#include "tests/talk/talk.h"

/* The same talk with a plan that hides what the server writes: all that is wanted of its words is left out.
 */
struct talk *talk_hiding(struct arena *a, const struct talk *talk);

/* What the result shows of the server's words; null when it is nothing. */
const char *hiding_check(struct arena *a, const struct talk *talk, const struct result *r);

#endif

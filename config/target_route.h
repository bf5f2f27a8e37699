/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_ROUTE_H
#define CONFIG_TARGET_ROUTE_H

#include "config/keys.h"

/* A route as it is written. With pairs: each it is one for every sender with every recipient. */
struct target_route {
    struct plan_route is;    /* its from is left empty */
    const char *const *from; /* null = none could be read */
    size_t from_count;
    bool each;
};

keys_parse target_route_read_all; /* struct target: the routes of its plan */

/* Parsers of the keys of one route. */
keys_parse target_route_name;    /* const char * */
keys_parse target_route_from;    /* struct target_route: from */
keys_parse target_route_to;      /* struct plan_route: to */
keys_parse target_route_pairs;   /* bool: each */
keys_parse target_route_expect;  /* unsigned */
keys_parse target_route_at;      /* bool: final */
keys_parse target_route_reply;   /* struct plan_route: reply_code, reply_enhanced */
keys_parse target_route_mailbox; /* const char * */

#endif

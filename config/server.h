/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SERVER_H
#define CONFIG_SERVER_H

#include "config/keys.h"

/* Parsers of the keys under server. */
keys_parse server_listen;         /* struct snapshot: listen */
keys_parse server_agent_listen;   /* struct snapshot: agent_listen; the listen of before is not in its way */
keys_parse server_workers;        /* unsigned; 0 = auto */
keys_parse server_unknown_status; /* int */
keys_parse server_history_path;   /* const char * */
keys_parse server_history_keep;   /* int64_t, microseconds */
keys_parse server_allow_reload;   /* enum snapshot_reload */
keys_parse server_external_url;   /* struct snapshot_url */

/* Whether two sockets cannot listen at these at the same time. No address (AF_UNSPEC) is in nobody's way. */
bool server_addresses_clash(const struct address *a, const struct address *b);
bool server_places_clash(const struct snapshot_listen *a, const struct snapshot_listen *b);

/* An address, or unix:/path; null, or what is wrong with the text. */
const char *server_read_place(struct load *l, const char *text, struct snapshot_listen *place_r);

#endif

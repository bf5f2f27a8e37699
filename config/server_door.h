/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SERVER_DOOR_H
#define CONFIG_SERVER_DOOR_H

#include "config/keys.h"

/* Parsers of the keys under server that say who is let in, and how. */
keys_parse server_door_tls;         /* struct snapshot: tls */
keys_parse server_door_file;        /* struct snapshot_file: its path alone */
keys_parse server_door_client_auth; /* struct snapshot_tls: client_auth */
keys_parse server_door_version;     /* enum tls_min */
keys_parse server_door_users;       /* struct snapshot: users */
keys_parse server_door_tokens;      /* struct snapshot: tokens */

#endif

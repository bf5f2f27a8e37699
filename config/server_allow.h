/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_SERVER_ALLOW_H
#define CONFIG_SERVER_ALLOW_H

#include "config/keys.h"

/* struct allow: networks, names and *.suffixes. */
keys_parse server_allow;

#endif

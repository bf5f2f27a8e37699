/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_CLAIM_H
#define CONFIG_TARGET_CLAIM_H

#include "config/target.h"

/* Parsers of keys. */
keys_parse target_claim_proxy;   /* struct target: a map, whose keys belong to the target */
keys_parse target_claim_version; /* unsigned */
keys_parse target_claim_command; /* bool: whether it is local */
keys_parse target_claim_source;  /* struct address */

/* Values of XCLIENT: const char *, as the command has them. */
keys_parse target_claim_address;
keys_parse target_claim_name;
keys_parse target_claim_port;
keys_parse target_claim_protocol;
keys_parse target_claim_helo;
keys_parse target_claim_login;

/* The same values, for who has them as a text (a command line): null and the value in the arena, or what is
 * wrong with it. */
const char *target_claim_read(struct arena *a, enum xclient x, const char *text, const char **value_r);

/* What must hold between these and the other keys of a target or a module, and what only a target must have.
 */
void target_claim_check(struct load *l, const struct target *t);
void target_claim_check_complete(struct load *l, const struct target *t);

#define TARGET_CLAIM_ADDRESS_EXPECTED                                                                        \
    "an IPv4 address, an IPv6 address with or without IPV6: before it, or \"[UNAVAILABLE]\""
#define TARGET_CLAIM_PORT_EXPECTED "a port from 1 to 65535, or \"[UNAVAILABLE]\""

#endif

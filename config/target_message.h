/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_MESSAGE_H
#define CONFIG_TARGET_MESSAGE_H

#include "config/target.h"

struct load_template;

/* Parsers of the keys of a route that say what is sent. */
keys_parse target_message_file;   /* const struct template *; null where it cannot be used */
keys_parse target_message_size;   /* size_t */
keys_parse target_message_notify; /* unsigned: set of enum plan_notify */
keys_parse target_message_ret;    /* enum plan_ret */
keys_parse target_message_envid;  /* const char * */

#define TARGET_MESSAGE_SIZE_EXPECTED "a size such as 64KiB or 10MiB, at most 256MiB"

/* What each route of the target sends, and what its envelope says of it, made ready. The target's greeting is
 * known. Its routes become its own: those of a module are shared, but not what is filled in. */
void target_message_prepare(struct load *l, struct target *t);

#endif

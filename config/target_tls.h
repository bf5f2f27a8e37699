/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_TLS_H
#define CONFIG_TARGET_TLS_H

#include "config/target.h"

/* TLS settings made ready, once for all targets of a snapshot that have the same. */
struct target_tls {
    struct plan_tls settings;
    struct tls_context *context; /* null: something is wrong with them */
    const char *setting;         /* with which */
    const char *message;
};

/* Parsers of keys. */
keys_parse target_tls_mode;
keys_parse target_tls_file; /* const char *: its path, as the system wants it */
keys_parse target_tls_name;
keys_parse target_tls_version;

/* Makes the target's settings ready, if it speaks TLS at all: reads the files. What is made goes to the load.
 */
void target_tls_prepare(struct load *l, struct target *t);

/* Frees the contexts. */
void target_tls_clear(struct target_tls *list, size_t count);

#endif

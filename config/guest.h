/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_GUEST_H
#define CONFIG_GUEST_H

#include "config/load.h"

/*
 * A target that is not in the config: a caller names a module and where to go. It never sends a message, for
 * nobody remembers when it last did.
 */
struct guest_ask {
    const char *module;  /* one of the snapshot's */
    const char *address; /* host:port */
    const char
        *hostname; /* whom the certificate must be for where the module does not say; null = the host */
};

/* Why it cannot be. */
struct guest_refusal {
    const char *parameter; /* "module", "target" or "hostname" */
    const char *why;       /* a sentence, in the arena */
};

/* A snapshot whose only target it is, ready to run, that holds the other one; null with a refusal. Its
 * address is that of a target of the config, or one that server.probe_allow may admit: then it is judged once
 * more when it is dialled. */
struct snapshot *guest_snapshot(struct snapshot *base, const struct guest_ask *ask, struct arena *arena,
                                struct guest_refusal *refusal_r);

/* Makes the modules ready that can stand alone, once the rest of the config is good. What keeps one from that
 * is no mistake: its targets may say what it does not. */
void guest_prepare(struct load *l, struct snapshot *s);

#endif

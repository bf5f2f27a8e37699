/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_SEAM_H
#define PROBE_PROTO_SEAM_H

#include "probe/auth.h"
#include "probe/base/span.h"
#include "probe/verdict.h"

#include <stddef.h>
#include <stdint.h>

/*
 * What an engine shows to whoever moves its bytes, be it a socket, a test or a fuzzer. An engine touches no
 * socket and knows no clock: bytes and times (monotonic microseconds) come in, what it wants is asked of it.
 *
 *     while (want() != SEAM_DONE)
 *         write output(), tell sent()              when it is SEAM_WRITE (reading goes on too)
 *         read, tell receive() or broken()         always
 *         make a TLS connection of it, tell secured()      when it is SEAM_TLS; what is inside is then read
 * and or unsecured()                                   written. Until it is begun, what is there is read at
 *         have question() answered, tell answered()        when it is SEAM_ANSWER (reading goes on too)
 * deadline(), after reading what is there: expire()
 *
 * SEAM_LINGER: nothing more will be said, in TLS not even its end is owed any more (it is said now); what is
 * still read is how the peer ends.
 *
 * Once it is done, further calls are harmless. Nothing here is called from inside another of these.
 */
enum seam_want { SEAM_READ, SEAM_WRITE, SEAM_TLS, SEAM_ANSWER, SEAM_LINGER, SEAM_DONE };

enum seam_break { SEAM_CLOSED, SEAM_RESET };

struct seam {
    enum seam_want (*want)(const void *engine);
    struct span (*output)(const void *engine); /* empty unless it wants to write */
    int64_t (*deadline)(const void *engine);   /* CLOCK_NEVER = none */
    void (*receive)(void *engine, struct span bytes, int64_t first_us, int64_t last_us);
    void (*sent)(void *engine, size_t len, int64_t now_us);
    void (*broken)(void *engine, enum seam_break how, int64_t now_us);
    /* Of an engine that never wants TLS these two are null. */
    void (*secured)(void *engine, int64_t now_us);
    /* All that TLS itself had to say is there: its hello, or the end of the handshake (at once behind secured
     * where that is the other side's word). Null where nobody wants to know. */
    void (*shaking)(void *engine, int64_t now_us);
    /* TLS failed, in the handshake or later, with a reason and its sentence, which is copied. */
    void (*unsecured)(void *engine, enum reason reason, const char *message, int64_t now_us);
    /* A login: the challenge that is to be answered, and its answer. Of an engine that never wants that these
     * two are null. */
    struct auth_question (*question)(const void *engine);
    void (*answered)(void *engine, const struct auth_answer *answer, int64_t now_us);
    void (*expire)(void *engine, int64_t now_us); /* does nothing before the deadline */
    void (*stop)(void *engine, int64_t now_us);   /* the program ends: be done as soon as is polite */
};

#endif

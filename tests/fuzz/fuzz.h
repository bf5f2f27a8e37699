/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "probe/base/arena.h"
#include "probe/base/span.h"
#include "probe/plan.h"
#include "probe/proto/seam.h"
#include "probe/result.h"

#include <stdint.h>

/*
 * The targets. Each plays any bytes against one part of ehlod and ends the process when a promise does not
 * hold; each returns 0. libFuzzer calls them in `make fuzz`, test_replay.c in every run of the tests.
 */
int fuzz_reply(const uint8_t *data, size_t size);
int fuzz_client(const uint8_t *data, size_t size);
int fuzz_sink(const uint8_t *data, size_t size);
int fuzz_config(const uint8_t *data, size_t size);
int fuzz_url(const uint8_t *data, size_t size);
int fuzz_message(const uint8_t *data, size_t size);
int fuzz_dns(const uint8_t *data, size_t size);
int fuzz_dialogue(const uint8_t *data, size_t size);
int fuzz_template(const uint8_t *data, size_t size);
int fuzz_pop3(const uint8_t *data, size_t size);
int fuzz_evidence(const uint8_t *data, size_t size);
int fuzz_report(const uint8_t *data, size_t size);
int fuzz_imap(const uint8_t *data, size_t size);

/* A promise that holds for every input. When it does not, says which and ends the process. */
void fuzz_require(bool holds, const char *promise);

/* The first byte of the input, taken off it; 0 when there is none. */
uint8_t fuzz_take(struct span *input);

/* How much of what is left comes next: 1 to left, mostly little; the seed decides, and moves on. */
size_t fuzz_piece(uint32_t *seed, size_t left);

/* A copy with nothing behind it, so that reading too far is seen. Free with free(3). */
char *fuzz_exact(struct span bytes);

/*
 * What a peer does, as bytes that may be cut and joined at will: every byte is one that the peer says, but
 * for these. Where the input ends, the peer does nothing more.
 */
enum fuzz_mark {
    FUZZ_PART = 1, /* the segment ends; what the engine has to say is said before the next begins */
    FUZZ_WAIT = 2, /* n: time passes, n * n milliseconds */
    FUZZ_CLOSE = 3,
    FUZZ_RESET = 4,
    FUZZ_BLOCK = 5,   /* n: after the next segment only n octets of what the engine says can be written */
    FUZZ_STOP = 6,    /* the program ends */
    FUZZ_LITERAL = 7, /* c: the peer says c */
    FUZZ_BYTES = 8,   /* as an event alone: what the peer says in one segment */
    FUZZ_SECURED = 14,
    FUZZ_UNSECURED = 15 /* n: TLS fails, with the n-th reason that it may have. Both only where TLS is */
};

struct fuzz_event {
    enum fuzz_mark kind;
    uint8_t amount;
    struct span bytes; /* in the arena */
};

/* Whether there was one more. */
bool fuzz_next_event(struct span *input, struct arena *a, struct fuzz_event *event_r);

/* The other side of an engine. Both functions may be null: what the peer said, before the engine gets it, and
 * what the engine said. */
struct fuzz_peer {
    const struct seam *seam;
    void *engine;
    int64_t now_us;
    size_t piece; /* the engine gets a segment in pieces of this size; 0 = whole */
    size_t room;  /* how much can be written now */
    bool secured; /* TLS is up, or was */
    void (*said)(void *context, struct span bytes);
    void (*heard)(void *context, struct span bytes);
    void (*asked)(void *context); /* the engine wants an answer (SEAM_ANSWER); it must be given at once */
    void *context;
};

/* Plays the input to its end, and then on until the engine is done: that it is, and stays so, is required. */
void fuzz_play(struct fuzz_peer *p, struct span input);

/* What goes over the wire behind DATA must reach the sink as one message, and as the one that is wanted. */
void fuzz_send_message(struct span wire, struct span wanted);

/* The plans that the client is fuzzed with: as many as FUZZ_PLANS, then the first again. */
#define FUZZ_PLANS   34
#define FUZZ_SCRIPTS 2 /* the last of them but one play a script */
const struct plan *fuzz_plan(uint8_t number);

/* The first plan of the three that speak TLS by this mode or another: STARTTLS, opportunistic, implicit. */
#define FUZZ_PLANS_TLS 14

/* The first plan of those that log in: in the clear, where that is allowed. */
#define FUZZ_PLANS_LOGIN 20

/* The first plan of the three of LMTP. */
#define FUZZ_PLANS_LMTP 27

/* What holds for every result, whatever a server did: its texts are clean, its times do not run backwards, it
 * has one verdict, and every view of it can be read back. */
void fuzz_result(const struct result *r);

/* Inputs to begin with: what the tests already know, in the form that the targets read. Each goes to take
 * with the target's name and one of its own. Runs from the root of the tree. */
typedef void fuzz_take_seed(void *context, const char *target, const char *name, struct span input);
void fuzz_seeds(fuzz_take_seed *take, void *context);

#endif

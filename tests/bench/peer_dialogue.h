/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PEER_DIALOGUE_H
#define BENCH_PEER_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the peer says, and what it was told: lines in, replies out. No socket, no TLS. */

enum verb {
    VERB_NONE, /* the greeting's place in tables of replies; nothing in what was said */
    VERB_OTHER,
    VERB_HELO,
    VERB_EHLO,
    VERB_STARTTLS,
    VERB_MAIL,
    VERB_RCPT,
    VERB_RSET,
    VERB_NOOP,
    VERB_DATA,
    VERB_DOT,
    VERB_QUIT,
    VERBS
};

/* What the peer is told to be; texts stay the caller's. */
struct peer_script {
    const char *reply[VERBS]; /* whole lines, CRLF at their ends; [VERB_NONE] greets */
    const char *ehlo_tls;     /* to EHLO inside TLS */
    bool mute[VERBS];         /* no reply to these; [VERB_NONE]: no greeting */
    bool mute_tls;            /* none inside TLS */
};

struct peer_dialogue {
    uint64_t said; /* verbs, four bits each, the last one lowest: at most 16 */
    bool in_message;
    bool in_tls;
    size_t length;
    char line[512];
};

/* A row of it for each different dialogue that was spoken. */
#define PEER_DIALOGUES 32
struct peer_spoken {
    uint64_t said[PEER_DIALOGUES];
    uint64_t count[PEER_DIALOGUES];
    uint64_t others;
};

void peer_script_init(struct peer_script *s, bool offers_tls);

/* "RCPT=550 5.1.1 no" and the like, "banner=..." for the greeting; -1: there is no such verb. */
int peer_script_reply(struct peer_script *s, const char *setting);

/* A verb, "banner", or "tls" for all that comes inside TLS; -1: there is no such thing. */
int peer_script_mute(struct peer_script *s, const char *name);

/*
 * Takes what came up to the end of one line and says which verb that was, and its reply (null: none is due);
 * *used_r bytes were taken. VERB_NONE: there is no whole line yet.
 */
enum verb peer_dialogue_take(struct peer_dialogue *d, const struct peer_script *s, const char *data,
                             size_t size, size_t *used_r, const char **reply_r);

void peer_spoken_add(struct peer_spoken *spoken, uint64_t said);

/* One line of JSON: {"EHLO MAIL RCPT RSET QUIT": 100, ...}. */
void peer_spoken_print(const struct peer_spoken *spoken);

#endif

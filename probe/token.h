/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_TOKEN_H
#define PROBE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The one thing that tells a message of ours from all others: "ehlod-" and 48 hexadecimal digits, which are
 * when it was made (6 octets, milliseconds since 1970), 6 random octets, and 12 octets of HMAC-SHA256 over
 * those 12 under a key that nobody else has. So what was made under our key is known as ours, and how old it
 * is, also by one who has forgotten everything else.
 */
#define TOKEN_START  "ehlod-"
#define TOKEN_RANDOM 6
#define TOKEN_DIGITS 48
#define TOKEN_SIZE   (sizeof TOKEN_START + TOKEN_DIGITS)

struct token_key {
    unsigned char bytes[32];
};

/* A time that has no place in 6 octets is clamped. */
void token_make(const struct token_key *key, int64_t wall_us, const unsigned char random[TOKEN_RANDOM],
                char token_r[TOKEN_SIZE]);

/* Looks like one; whose it is, is another question. */
bool token_is_one(const char *text);

/* Whether the text is a token that was made under this key, and then when, to the millisecond. How long it
 * takes tells nothing about what a good one would be. */
bool token_check(const struct token_key *key, const char *text, int64_t *wall_us_r);

#endif

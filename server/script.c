/* SPDX-License-Identifier: Apache-2.0 */
/* What no engine may fetch for itself, and every message wants: a token and the time. */
#include "server/script.h"

#include "probe/base/clock.h"

#include <assert.h>
#include <sys/random.h>

static void fill(unsigned char *out, size_t len)
{
    ssize_t got = getrandom(out, len, 0); /* so few are never interrupted */

    assert(got == (ssize_t)len);
}

void script_key(struct token_key *key_r)
{
    fill(key_r->bytes, sizeof key_r->bytes);
}

void script_token(const struct token_key *key, char token_r[MESSAGE_TOKEN_SIZE])
{
    unsigned char random[TOKEN_RANDOM];

    fill(random, sizeof random);
    token_make(key, clock_wall_us(), random, token_r);
}

const struct plan_script *script_write(struct arena *arena, const struct token_key *key,
                                       const struct dialogue *dialogue, const struct dialogue_order *order)
{
    struct dialogue_mistakes mistakes = {0};
    struct dialogue_order now = *order;
    char token[MESSAGE_TOKEN_SIZE];

    script_token(key, token);
    now.token = token;
    now.wall_us = clock_wall_us();
    const struct plan_script *script = dialogue_write(arena, dialogue, &now, &mistakes);
    assert(script != NULL);
    return script;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What no engine may fetch for itself, and every message wants: a token and the time. */
#include "server/script.h"

#include "probe/base/clock.h"

#include <assert.h>
#include <sys/random.h>

void script_token(char token_r[MESSAGE_TOKEN_SIZE])
{
    unsigned char random[MESSAGE_TOKEN_DIGITS / 2];
    ssize_t got = getrandom(random, sizeof random, 0);

    assert(got == (ssize_t)sizeof random);
    message_token(random, token_r);
}

const struct plan_script *script_write(struct arena *arena, const struct dialogue *dialogue,
                                       const struct dialogue_order *order)
{
    struct dialogue_mistakes mistakes = {0};
    struct dialogue_order now = *order;
    char token[MESSAGE_TOKEN_SIZE];

    script_token(token);
    now.token = token;
    now.wall_us = clock_wall_us();
    const struct plan_script *script = dialogue_write(arena, dialogue, &now, &mistakes);
    assert(script != NULL);
    return script;
}

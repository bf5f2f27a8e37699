/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SCRIPT_H
#define SERVER_SCRIPT_H

#include "probe/proto/dialogue.h"
#include "probe/proto/message.h"

/* A key that nobody else has. */
void script_key(struct token_key *key_r);

/* A token that nobody can guess, made now. */
void script_token(const struct token_key *key, char token_r[MESSAGE_TOKEN_SIZE]);

/* A dialogue for a run that begins now, in the arena. The order has been tried before: with another token and
 * another time it was good. */
const struct plan_script *script_write(struct arena *arena, const struct token_key *key,
                                       const struct dialogue *dialogue, const struct dialogue_order *order);

#endif

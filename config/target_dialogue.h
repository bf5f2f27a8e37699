/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TARGET_DIALOGUE_H
#define CONFIG_TARGET_DIALOGUE_H

#include "config/target.h"

keys_parse target_dialogue_file; /* const char * */
keys_parse target_dialogue_vars; /* struct target; what it says comes before what its module says */

/* The target is whole, and its greeting known: reads its dialogue, if it has one, and tries it. */
void target_dialogue_prepare(struct load *l, struct target *t);

/* Token and time as long as any: what can be written with these can be written in a run. */
void target_dialogue_sample(struct dialogue_order *order);

#endif

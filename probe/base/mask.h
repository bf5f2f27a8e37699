/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_MASK_H
#define PROBE_BASE_MASK_H

#include "probe/base/secret.h"

/* What must not be seen in what a peer says: secrets in every form in which they went over the wire. */
struct mask;

struct mask *mask_new(void);

/* One that hides all that there is of a text; it is not freed. */
const struct mask *mask_of_all(void);
void mask_free(struct mask *m); /* wipes it; null is fine */

/* The bytes and their base64, at each of the three places where they may begin in something longer (where
 * four characters or more are sure). Empty ones are not added. */
void mask_add(struct mask *m, struct span bytes);
/* The bytes as they are, and no other form. */
void mask_add_exact(struct mask *m, struct span bytes);

/* Writes the text with each occurrence replaced by SECRET_SHOWN (those that overlap together), to out_r (room
 * for mask_room(text.len) bytes; not terminated), and returns how long that is. A null mask hides nothing. */
size_t mask_room(size_t len);
size_t mask_apply(const struct mask *m, struct span text, char *out_r);

/* The same for a text that was cut: two octets or more with which an occurrence begins are hidden at its end.
 */
size_t mask_apply_cut(const struct mask *m, struct span text, char *out_r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_JSON_DELIVERY_H
#define SERVER_RENDER_JSON_DELIVERY_H

#include "server/render/pen.h"

/* What became of a message, and what it says itself; JSON's null where there is none. For json.c alone. */
void json_delivery(struct pen *p, const char *key, const struct delivery *from, int64_t now_us);

#endif

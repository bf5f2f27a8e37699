/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_HEALTH_H
#define SERVER_RENDER_HEALTH_H

#include "server/render/render.h"

/*
 * application/health+json (draft-inadarei-api-health-check-06): status first, a check for each target and
 * each of its routes. The draft has no word for unknown: unknown_as stands for it, fail where the HTTP status
 * is 4xx or 5xx and warn where it is not, so that the two agree; a note says that it is ehlod's own fault.
 */
void health_result(struct buffer *out, const struct result *r, enum status unknown_as);
void health_set(struct buffer *out, const struct render_set *set, enum status unknown_as);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_PROTO_QUEUE_ID_H
#define PROBE_PROTO_QUEUE_ID_H

#include "probe/base/span.h"

#define QUEUE_ID_MOST 64

/* The name that the server's queue has for a message, where a line of its reply shows one in a way that is
 * known; empty where not. Letters, digits, dot, underscore and hyphen only. Points into the text. */
struct span queue_id_find(const char *text);

#endif

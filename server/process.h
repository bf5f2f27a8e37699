/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include "server/render/metrics.h"

/* What the system says of this process; what it does not say is CLOCK_NONE. */
void process_look(struct metrics_process *process_r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_BASE_MEM_H
#define PROBE_BASE_MEM_H

#include <stddef.h>

/*
 * Memory that is never refused: when the system has none left the process says so and ends, to be
 * restarted. That is sound because everything a peer or a caller can grow has a named limit.
 * Free with free(3).
 */
void *mem_alloc(size_t size); /* zeroed */
void *mem_resize(void *old, size_t size);
char *mem_dup(const char *text); /* null in, null out */

#endif

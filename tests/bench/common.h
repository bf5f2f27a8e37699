/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <netinet/in.h>
#include <stdint.h>

/* What every program of the bench needs. Each ends with a word on standard error when it cannot go on. */

_Noreturn void die(const char *what);       /* with what errno says */
_Noreturn void die_usage(const char *text); /* with 2 */

/* A decimal number from min to max; ends the program when the text is none. */
long number_read(const char *text, long min, long max);

struct sockaddr_in address_of(const char *ip, long port);

/* As many descriptors as the system lets us have. */
void descriptors_all(void);

void *memory_new(size_t count, size_t size); /* zeroed; never null */

int64_t now_us(void); /* monotonic */
int64_t cpu_us(void); /* of this process: user and system */

/* Sorts them; the quantile (0 to 1) of count > 0 values. */
void times_sort(int64_t *times, size_t count);
int64_t times_quantile(const int64_t *sorted, size_t count, double quantile);

#endif

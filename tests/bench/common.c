/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

void die_usage(const char *text)
{
    fprintf(stderr, "usage: %s\n", text);
    exit(2);
}

long number_read(const char *text, long min, long max)
{
    char *end;

    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < min || number > max) {
        fprintf(stderr, "%s: no number from %ld to %ld\n", text, min, max);
        exit(2);
    }
    return number;
}

struct sockaddr_in address_of(const char *ip, long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    if (inet_pton(AF_INET, ip, &address.sin_addr) != 1) {
        fprintf(stderr, "%s: no IPv4 address\n", ip);
        exit(2);
    }
    return address;
}

void descriptors_all(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit");
}

void *memory_new(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        die("calloc");
    return memory;
}

static int64_t clock_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

void times_sort(int64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, compare);
}

int64_t times_quantile(const int64_t *sorted, size_t count, double quantile)
{
    return sorted[(size_t)((double)(count - 1) * quantile + 0.5)];
}

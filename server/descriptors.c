/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The count of file descriptors. A run has one socket at a time, since addresses are dialled one after
 * another; what a resolver opens is shared by all of a loop. libuv, libmicrohttpd and the kernel's stamps
 * hold a dozen between them for each loop.
 */
#include "server/descriptors.h"

#include <sys/resource.h>

#define BASE_STANDARD 3
#define BASE_LOOP     12
#define BASE_DNS      16
#define BASE_FILES    8 /* a config, and what it names, while it is loaded */

/* A Maildir: what watches it, and the directories and the file that are open at a time. An account has fewer.
 */
#define STORE 8

/* More than any table of descriptors holds. */
#define UNLIMITED ((size_t)1 << 30)

static size_t fixed(const struct descriptors_want *want)
{
    return BASE_STANDARD + BASE_FILES + (BASE_LOOP + BASE_DNS) * want->workers + want->places + want->files +
           STORE * want->stores + want->receivers; /* these have a set to watch their sessions */
}

/* What can be had more or less of. */
static size_t elastic(const struct descriptors_want *want)
{
    return (size_t)want->connections + want->reserve + want->runs + want->receivers * want->sessions;
}

size_t descriptors_sum(const struct descriptors_want *want)
{
    return fixed(want) + elastic(want);
}

size_t descriptors_least(const struct descriptors_want *want)
{
    return BASE_STANDARD + BASE_LOOP * want->workers + want->places + want->files + STORE * want->stores + 3 +
           2 * want->receivers; /* one of each */
}

static unsigned part(size_t wanted, size_t left, size_t all)
{
    unsigned share = (unsigned)(wanted * left / all);

    return share > 0 ? share : 1;
}

struct descriptors_have descriptors_share(size_t limit, const struct descriptors_want *want)
{
    size_t all = elastic(want);
    size_t left = limit > fixed(want) ? limit - fixed(want) : 0;
    struct descriptors_have have = {want->connections, want->reserve, want->runs, want->sessions};

    if (all <= left)
        return have;
    unsigned callers = part((size_t)want->connections + want->reserve, left, all);
    have.reserve = callers / 4 < want->reserve ? callers / 4 : want->reserve;
    have.reserve = have.reserve > 0 ? have.reserve : 1;
    have.connections = callers > have.reserve ? callers - have.reserve : 1;
    have.runs = part(want->runs, left, all);
    have.sessions = part(want->sessions, left, all);
    return have;
}

unsigned descriptors_runs(size_t limit, const struct descriptors_want *want)
{
    size_t rest = descriptors_sum(want) - want->runs;

    if (limit <= rest)
        return 1;
    return limit - rest < want->runs ? (unsigned)(limit - rest) : want->runs;
}

size_t descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return UNLIMITED;
    rlim_t was = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    rlim_t now = setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : was;
    return now < UNLIMITED ? (size_t)now : UNLIMITED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process, from its own part of /proc (proc(5)), which is memory and never blocks: the six numbers that
 * every exporter shows.
 *
 *   stat = pid " (" name ") " state *( " " number )     ; the name may hold anything
 */
#include "server/process.h"

#include "probe/base/clock.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STAT_SIZE 2048
/* The numbers of stat as they are counted from the state, which is field 3. */
enum {
    STAT_USER = 14 - 3,
    STAT_SYSTEM = 15 - 3,
    STAT_START = 22 - 3,
    STAT_VIRTUAL = 23 - 3,
    STAT_RESIDENT = 24 - 3
};

static size_t read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(text, 1, size - 1, file) : 0;

    if (file != NULL)
        fclose(file);
    text[len] = '\0';
    return len;
}

static int64_t number_at(const char *fields, int index)
{
    int64_t number;

    for (; index > 0 && fields != NULL; index--) {
        fields = strchr(fields, ' ');
        fields = fields != NULL ? fields + 1 : NULL;
    }
    return fields != NULL && sscanf(fields, "%" SCNd64, &number) == 1 ? number : CLOCK_NONE;
}

/* When this machine was started, in unixtime: what /proc/stat calls btime, which ProcSubset=pid hides. Whole
 * seconds, as there, so that it stays the same however often it is asked for. */
static int64_t booted_s(void)
{
    struct timespec up, now;

    clock_gettime(CLOCK_BOOTTIME, &up);
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - up.tv_sec - (now.tv_nsec < up.tv_nsec);
}

static int64_t count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -3; /* ".", ".." and the folder itself */

    if (folder == NULL)
        return CLOCK_NONE;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static int64_t max_descriptors(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= INT64_MAX ? (int64_t)limit.rlim_cur
                                                                                : CLOCK_NONE;
}

static int64_t ticks_us(int64_t ticks)
{
    return ticks * CLOCK_US_PER_S / sysconf(_SC_CLK_TCK);
}

static void read_stat(struct metrics_process *p)
{
    char text[STAT_SIZE];

    read_file("/proc/self/stat", text, sizeof text);
    const char *name_end = strrchr(text, ')');
    const char *fields = name_end != NULL ? strchr(name_end, ' ') : NULL;
    if (fields == NULL)
        return;
    fields++;
    int64_t user = number_at(fields, STAT_USER), system = number_at(fields, STAT_SYSTEM);
    int64_t start = number_at(fields, STAT_START);
    int64_t pages = number_at(fields, STAT_RESIDENT);
    if (user >= 0 && system >= 0)
        p->cpu_us = ticks_us(user + system);
    if (start >= 0)
        p->start_wall_us = booted_s() * CLOCK_US_PER_S + ticks_us(start);
    p->virtual_bytes = number_at(fields, STAT_VIRTUAL);
    if (pages >= 0)
        p->resident_bytes = pages * sysconf(_SC_PAGESIZE);
}

void process_look(struct metrics_process *process_r)
{
    *process_r = (struct metrics_process){.cpu_us = CLOCK_NONE,
                                          .start_wall_us = CLOCK_NONE,
                                          .virtual_bytes = CLOCK_NONE,
                                          .resident_bytes = CLOCK_NONE,
                                          .open_fds = count_descriptors(),
                                          .max_fds = max_descriptors()};
    read_stat(process_r);
}

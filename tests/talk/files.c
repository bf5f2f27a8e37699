/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/talk/files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/talk"

static bool is_talk(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && strcmp(name + len - 5, ".talk") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t files_find(struct arena *a, int argc, char **argv, const char ***paths_r)
{
    DIR *folder = argc == 1 ? opendir(FOLDER) : NULL;
    const char **paths = NULL;
    size_t count = 0;

    for (int i = 1; i < argc; i++) {
        paths = arena_grow(a, paths, count, sizeof(*paths));
        paths[count++] = argv[i];
    }
    for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
        if (!is_talk(entry->d_name))
            continue;
        paths = arena_grow(a, paths, count, sizeof(*paths));
        paths[count++] = arena_printf(a, FOLDER "/%s", entry->d_name);
    }
    if (folder)
        closedir(folder);
    if (count)
        qsort(paths, count, sizeof(*paths), by_name);
    else
        fprintf(stderr, "no talk was found in " FOLDER "\n");
    *paths_r = paths;
    return count;
}

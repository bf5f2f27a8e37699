/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that the config names. They are relative to the config file, not to wherever the program was
 * started, so that a config means the same in a shell and under a service manager. Text only: whether there
 * is such a file is for its user to find out.
 */
#include "config/path.h"

#include "probe/base/address.h"

#include <stdbool.h>
#include <string.h>

/* Appends the parts of the path that lead anywhere, a slash before each but the first. */
static void append(char *out, const char *path)
{
    while (*path) {
        size_t len = strcspn(path, "/");
        bool leads = len > 0 && !(len == 1 && *path == '.');
        size_t at = strlen(out);
        if (leads && at > 0 && out[at - 1] != '/')
            out[at++] = '/';
        if (leads)
            memcpy(out + at, path, len);
        out[leads ? at + len : at] = '\0';
        path += len + (path[len] == '/');
    }
}

char *path_resolve(struct arena *a, const char *config_file, const char *path)
{
    const char *slash = strrchr(config_file, '/');
    const char *folder = *path == '/' || !slash
                             ? ""
                             : arena_dup_span(a, (struct span){config_file, (size_t)(slash - config_file)});
    bool absolute = *path == '/' || *config_file == '/';
    char *out = arena_alloc(a, strlen(folder) + strlen(path) + 3);
    strcpy(out, absolute ? "/" : "");
    append(out, folder);
    append(out, path);
    return *out ? out : strcpy(out, ".");
}

const char *path_socket(struct arena *a, const char *config_file, const char *path, const char **path_r)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (*path == '\0')
        return "the path is missing";
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return "the path names a folder";
    const char *resolved = path_resolve(a, config_file, path);
    size_t len = strlen(resolved);
    if (len > ADDRESS_MAX_PATH)
        return arena_printf(a, "the path of a socket has at most %d octets, but this one has %zu",
                            ADDRESS_MAX_PATH, len);
    *path_r = resolved;
    return NULL;
}

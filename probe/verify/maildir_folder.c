/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which directories a Maildir has. Its own path may lead through symbolic links, as the operator wrote it;
 * below it none is followed. A watch is set by path, each time anew: for the same directory that changes
 * nothing, and one that was put in its place is watched from then on. That a watch cannot be had is fine.
 */
#include "probe/verify/maildir_folder.h"

#include "probe/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCH_FILES (IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define WATCH_ROOT  (IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static const char *const parts[MAILDIR_PARTS] = {"new", "cur"};

void maildir_folders_init(struct maildir_folders *f, const char *path)
{
    *f = (struct maildir_folders){.path = path, .watch = -1};
}

void maildir_folders_clear(struct maildir_folders *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->list[i]);
    free(f->list);
}

static void add(struct maildir_folders *f, const char *directory)
{
    bool is_inbox = strcmp(directory, ".") == 0;
    const char *name = is_inbox ? "INBOX" : directory + 1;
    size_t name_size = strlen(name) + 1, directory_size = strlen(directory) + 1;
    struct maildir_folder *folder = mem_alloc(sizeof *folder + name_size + directory_size);

    folder->name = memcpy(folder->texts, name, name_size);
    folder->directory = memcpy(folder->texts + name_size, directory, directory_size);
    folder->astray = !is_inbox;
    folder->watches[MAILDIR_NEW] = folder->watches[MAILDIR_CUR] = -1;
    f->list = mem_resize(f->list, (f->count + 1) * sizeof(*f->list));
    f->list[f->count++] = folder;
}

static bool is_known(const struct maildir_folders *f, const char *directory)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->list[i]->directory, directory) == 0)
            return true;
    return false;
}

static void explain(const char *what, char why_r[MAILDIR_SCAN_WHY])
{
    char text[128];

    snprintf(why_r, MAILDIR_SCAN_WHY, "%s%s", what, strerror_r(errno, text, sizeof text));
}

static void set_watch(int inotify, const char *path, uint32_t events, int *slot)
{
    int got = inotify >= 0 ? inotify_add_watch(inotify, path, events) : -1;

    if (*slot >= 0 && *slot != got)
        (void)inotify_rm_watch(inotify, *slot); /* of what stood in its place; it may be gone by itself */
    *slot = got;
}

/* Whether it looks like a subfolder; whether it is one shows when it is opened. */
static bool is_subfolder(int root, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_name[0] != '.' || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return false;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(root, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Those that it does not know yet. */
static int list(struct maildir_folders *f, int root, char why_r[MAILDIR_SCAN_WHY])
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (stream == NULL) {
        explain("", why_r);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (f->count == 0)
        add(f, ".");
    while ((entry = readdir(stream)) != NULL)
        if (f->count <= MAILDIR_SCAN_FOLDERS && is_subfolder(root, entry) && !is_known(f, entry->d_name))
            add(f, entry->d_name);
    closedir(stream);
    return 0;
}

static void explain_root(char why_r[MAILDIR_SCAN_WHY])
{
    if (errno == ENOENT)
        snprintf(why_r, MAILDIR_SCAN_WHY, "there is no such directory");
    else if (errno == ENOTDIR)
        snprintf(why_r, MAILDIR_SCAN_WHY, "it is no directory");
    else
        explain("", why_r);
}

int maildir_folders_open(struct maildir_folders *f, int inotify, char why_r[MAILDIR_SCAN_WHY])
{
    int root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0) {
        explain_root(why_r);
        return -1;
    }
    set_watch(inotify, f->path, WATCH_ROOT, &f->watch);
    if (list(f, root, why_r) != 0) {
        close(root);
        return -1;
    }
    return root;
}

static void explain_part(const char *part, char why_r[MAILDIR_SCAN_WHY])
{
    char what[32];

    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        snprintf(why_r, MAILDIR_SCAN_WHY, "it is no Maildir: it has no directory %s", part);
        return;
    }
    snprintf(what, sizeof what, "%s: ", part);
    explain(what, why_r);
}

static void watch_part(const struct maildir_folders *f, struct maildir_folder *folder, int part, int inotify)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s/%s", f->path, folder->directory, parts[part]);

    if (len > 0 && (size_t)len < sizeof path)
        set_watch(inotify, path, WATCH_FILES, &folder->watches[part]);
}

int maildir_folder_open(struct maildir_folders *f, int root, struct maildir_folder *folder, int part,
                        int inotify, char why_r[MAILDIR_SCAN_WHY])
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int directory = openat(root, folder->directory, flags);
    int fd = directory >= 0 ? openat(directory, parts[part], flags) : -1;
    int error = errno;

    if (fd < 0)
        explain_part(parts[part], why_r);
    else
        watch_part(f, folder, part, inotify);
    if (directory >= 0)
        close(directory);
    errno = error;
    return fd;
}

struct maildir_folder *maildir_folders_find(const struct maildir_folders *f, int watch, int *part_r)
{
    for (size_t i = 0; i < f->count; i++)
        for (int part = 0; part < MAILDIR_PARTS; part++)
            if (f->list[i]->watches[part] == watch) {
                *part_r = part;
                return f->list[i];
            }
    return NULL;
}

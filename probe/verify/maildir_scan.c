/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work of a look, on a thread: new before cur in each folder, since that is the way that files move, so
 * none is missed. A look keeps its place between pieces; what inotify names, and what is to be removed, is
 * seen to first in each. Errors count only in the folder where mail belongs: whether a message is elsewhere
 * as well changes nothing about its not being there. Known limit: files beyond MAILDIR_KNOWN_MOST are opened
 * at each look.
 */
#include "probe/verify/maildir_scan.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/verify/maildir_copy.h"
#include "probe/verify/maildir_folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A piece ends after so long, if it has not brought enough before. */
#define PIECE_US (50 * CLOCK_US_PER_MS)

/* Names that are read between two looks at the clock. */
#define PIECE_NAMES 256

struct maildir_scan {
    char *path;
    struct maildir_folders folders;
    struct maildir_known known;
    struct maildir_copy *copies;
    struct maildir_scratch *scratch;
    atomic_ulong progress;
    /* the look under way */
    bool looking;
    int root;
    size_t folder; /* of the list */
    int part;
    DIR *stream; /* null = to be opened */
    struct maildir_unreadable unreadable;
};

/* A directory that names are looked at in. */
struct where {
    struct maildir_folder *folder;
    int part;
    int fd;
};

static void come_on(struct maildir_scan *s)
{
    atomic_fetch_add_explicit(&s->progress, 1, memory_order_relaxed);
}

unsigned long maildir_scan_progress(struct maildir_scan *s)
{
    return atomic_load_explicit(&s->progress, memory_order_relaxed);
}

bool maildir_scan_is_looking(const struct maildir_scan *s)
{
    return s->looking;
}

struct maildir_copy *maildir_scan_copies(struct maildir_scan *s)
{
    return s->copies;
}

static uint64_t hash_of(const struct maildir_scan *s, const struct maildir_folder *folder, const char *name)
{
    return maildir_known_hash(&s->known, folder->name, name, maildir_base_len(name));
}

/* It is not there any more, or not as it was. */
static void forget(struct maildir_scan *s, struct maildir_copy *c, enum maildir_known_kind kind)
{
    uint64_t hash = hash_of(s, c->folder, c->file);
    struct maildir_known_entry *e = maildir_known_find(&s->known, hash);

    assert(e != NULL && e->kind == MAILDIR_KNOWN_COPY && e->is.copy == c);
    e->kind = kind;
    maildir_copy_remove(&s->copies, c);
}

static void drop_copy(void *context, struct maildir_copy *c)
{
    struct maildir_scan *s = context;

    maildir_copy_remove(&s->copies, c);
}

/* ---- one name ---- */

static void bring(struct maildir_scan *s, struct maildir_piece *p, const struct where *w, const char *name,
                  const struct maildir_file *file)
{
    uint64_t hash = hash_of(s, w->folder, name);
    struct maildir_known_entry *e = maildir_known_put(&s->known, hash);
    struct maildir_found *f = &p->found[p->found_count++];

    *f = (struct maildir_found){.folder = w->folder->name,
                                .astray = w->folder->astray,
                                .id = maildir_make_id(w->folder->name, name),
                                .kept = mem_alloc(file->kept.len + 1),
                                .kept_len = file->kept.len,
                                .size = file->size,
                                .at_us = clock_mono_us()};
    memcpy(f->kept, file->kept.data, file->kept.len);
    if (e == NULL)
        return;
    e->kind = MAILDIR_KNOWN_COPY;
    e->is.copy = maildir_copy_add(&s->copies, w->folder, w->part, name, &file->print);
}

static void note_unreadable(struct maildir_scan *s, const struct where *w, const char *name, uint64_t hash,
                            int error)
{
    struct maildir_known_entry *e = maildir_known_put(&s->known, hash);
    char text[128];

    if (e != NULL && e->kind != MAILDIR_KNOWN_UNREADABLE) {
        e->kind = MAILDIR_KNOWN_UNREADABLE;
        e->is.since_us = clock_mono_us();
    }
    if (e == NULL || w->folder->astray || e->is.since_us <= s->unreadable.since_us)
        return;
    s->unreadable.since_us = e->is.since_us;
    snprintf(s->unreadable.why, sizeof s->unreadable.why, "%s/%s: %s", w->part == MAILDIR_NEW ? "new" : "cur",
             name, strerror_r(error, text, sizeof text));
}

/* Whether it need not be opened. A file that is written in place is named again when it is closed. */
static bool is_done_with(const struct maildir_known_entry *e, bool again)
{
    return e != NULL && (e->kind == MAILDIR_KNOWN_COPY || (e->kind == MAILDIR_KNOWN_STRANGE && !again));
}

static void look_at(struct maildir_scan *s, struct maildir_piece *p, const struct where *w, const char *name,
                    bool again)
{
    uint64_t hash = hash_of(s, w->folder, name);
    struct maildir_known_entry *e = maildir_known_find(&s->known, hash);
    struct maildir_file file;
    int error = 0;

    if (e != NULL)
        e->round = s->known.round;
    if (e != NULL && e->kind == MAILDIR_KNOWN_COPY)
        maildir_copy_move(e->is.copy, w->part, name);
    if (is_done_with(e, again))
        return;
    switch (maildir_file_read(w->fd, name, s->scratch, &file, &error)) {
    case MAILDIR_FILE_OURS:
        bring(s, p, w, name, &file);
        break;
    case MAILDIR_FILE_STRANGE:
        e = maildir_known_put(&s->known, hash);
        if (e != NULL)
            e->kind = MAILDIR_KNOWN_STRANGE;
        break;
    case MAILDIR_FILE_UNREADABLE:
        note_unreadable(s, w, name, hash, error);
        break;
    case MAILDIR_FILE_YOUNG: /* it is opened once more at the next look */
    case MAILDIR_FILE_GONE:
        break;
    }
    come_on(s);
}

/* ---- what inotify names, and removals ---- */

/* Opens that part of the folder unless it is the one at hand. */
static int enter(struct maildir_scan *s, int inotify, struct maildir_folder *folder, int part, int *root,
                 struct where *w)
{
    char why[MAILDIR_SCAN_WHY];

    come_on(s);
    if (w->fd >= 0 && w->folder == folder && w->part == part)
        return 0;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    if (*root < 0)
        *root = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*root < 0)
        return -1;
    *w = (struct where){folder, part, maildir_folder_open(&s->folders, *root, folder, part, inotify, why)};
    return w->fd >= 0 ? 0 : -1;
}

static void look_at_named(struct maildir_scan *s, struct maildir_piece *p, int *root, struct where *w)
{
    for (; p->named_done < p->named_count && p->found_count < MAILDIR_SCAN_FOUND; p->named_done++) {
        const struct maildir_named *named = &p->named[p->named_done];
        int part = MAILDIR_NEW;
        struct maildir_folder *folder = maildir_folders_find(&s->folders, named->watch, &part);
        if (folder != NULL && named->name[0] != '.' && enter(s, p->inotify, folder, part, root, w) == 0)
            look_at(s, p, w, named->name, true);
    }
}

/* 0: it was removed; 1: it is not there, or not as it was; -1 and errno. */
static int remove_file(struct maildir_scan *s, int inotify, const struct maildir_copy *c, int *root,
                       struct where *w)
{
    if (enter(s, inotify, c->folder, c->part, root, w) != 0)
        return errno == ENOENT || errno == ENOTDIR ? 1 : -1;
    return maildir_file_remove(w->fd, c->file, &c->print, s->scratch);
}

/* One that is not where it was may have been moved: then the next look brings it once more. */
static void remove_copy(struct maildir_scan *s, struct maildir_piece *p, struct maildir_copy *c, int *root,
                        struct where *w)
{
    int done = remove_file(s, p->inotify, c, root, w);
    int error = errno;

    c->removing = false;
    if (done >= 0) {
        forget(s, c, done == 0 ? MAILDIR_KNOWN_STRANGE : MAILDIR_KNOWN_AGAIN);
    } else if (!c->unremoved) {
        c->unremoved = true;
        p->unremoved[p->unremoved_count].id = mem_dup(c->id);
        p->unremoved[p->unremoved_count++].error = error;
    }
}

static void do_what_is_named(struct maildir_scan *s, struct maildir_piece *p)
{
    struct where w = {.fd = -1};
    int root = -1;

    look_at_named(s, p, &root, &w);
    for (size_t i = 0; i < p->removal_count; i++)
        remove_copy(s, p, p->removals[i], &root, &w);
    if (w.fd >= 0)
        close(w.fd);
    if (root >= 0)
        close(root);
}

/* ---- the look ---- */

static void end_look(struct maildir_scan *s)
{
    if (s->stream != NULL)
        closedir(s->stream);
    if (s->root >= 0)
        close(s->root);
    s->stream = NULL;
    s->root = -1;
    s->looking = false;
}

/* piece->why says why. */
static void fail(struct maildir_scan *s, struct maildir_piece *p)
{
    end_look(s);
    p->over = p->failed = true;
}

static void begin_look(struct maildir_scan *s, struct maildir_piece *p)
{
    s->looking = true;
    s->folder = 0;
    s->part = MAILDIR_NEW;
    s->unreadable = (struct maildir_unreadable){.since_us = CLOCK_NONE};
    s->known.round++;
    s->root = maildir_folders_open(&s->folders, p->inotify, p->why);
    if (s->root < 0)
        fail(s, p);
}

static void next_part(struct maildir_scan *s)
{
    if (s->stream != NULL)
        closedir(s->stream);
    s->stream = NULL;
    s->folder += s->part == MAILDIR_PARTS - 1 ? 1 : 0;
    s->part = (s->part + 1) % MAILDIR_PARTS;
}

/* The directory where the look has come to; false: there is nothing to be read of it. */
static bool open_part(struct maildir_scan *s, struct maildir_piece *p)
{
    struct maildir_folder *folder = s->folders.list[s->folder];
    int fd = maildir_folder_open(&s->folders, s->root, folder, s->part, p->inotify, p->why);

    come_on(s);
    s->stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (s->stream != NULL)
        return true;
    if (fd >= 0)
        close(fd);
    if (folder->astray)
        next_part(s);
    else
        fail(s, p);
    return false;
}

/* Some names of the directory; false at its end. */
static bool read_names(struct maildir_scan *s, struct maildir_piece *p)
{
    const struct where w = {s->folders.list[s->folder], s->part, dirfd(s->stream)};

    for (int i = 0; i < PIECE_NAMES && p->found_count < MAILDIR_SCAN_FOUND; i++) {
        errno = 0;
        const struct dirent *entry = readdir(s->stream);
        if (entry == NULL)
            return false;
        if (entry->d_name[0] != '.')
            look_at(s, p, &w, entry->d_name, false);
    }
    come_on(s);
    return true;
}

static void read_on(struct maildir_scan *s, struct maildir_piece *p)
{
    char text[128];

    if (read_names(s, p))
        return;
    if (errno != 0 && !s->folders.list[s->folder]->astray) {
        snprintf(p->why, sizeof p->why, "%s: %s", s->part == MAILDIR_NEW ? "new" : "cur",
                 strerror_r(errno, text, sizeof text));
        fail(s, p);
    } else {
        next_part(s);
    }
}

static void finish_look(struct maildir_scan *s, struct maildir_piece *p)
{
    end_look(s);
    maildir_known_sweep(&s->known, drop_copy, s);
    p->over = true;
    p->unreadable = s->unreadable;
}

static void look_on(struct maildir_scan *s, struct maildir_piece *p)
{
    int64_t until_us = clock_mono_us() + PIECE_US;

    while (s->looking && p->found_count < MAILDIR_SCAN_FOUND && clock_mono_us() < until_us) {
        if (s->folder == s->folders.count)
            finish_look(s, p);
        else if (s->stream != NULL || open_part(s, p))
            read_on(s, p);
    }
}

void maildir_scan_work(struct maildir_scan *s, struct maildir_piece *p)
{
    come_on(s);
    do_what_is_named(s, p);
    if (p->begin && !s->looking)
        begin_look(s, p);
    if (s->looking)
        look_on(s, p);
}

struct maildir_scan *maildir_scan_new(const char *path)
{
    struct maildir_scan *s = mem_alloc(sizeof *s);

    s->path = mem_dup(path);
    s->root = -1;
    s->scratch = maildir_scratch_new();
    maildir_folders_init(&s->folders, s->path);
    ssize_t got = getrandom(&s->known.seed, sizeof s->known.seed, 0);
    assert(got == sizeof s->known.seed);
    return s;
}

void maildir_scan_free(struct maildir_scan *s)
{
    end_look(s);
    while (s->copies != NULL)
        drop_copy(s, s->copies);
    maildir_known_free(&s->known);
    maildir_folders_clear(&s->folders);
    maildir_scratch_free(s->scratch);
    free(s->path);
    free(s);
}

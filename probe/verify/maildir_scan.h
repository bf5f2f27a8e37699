/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_SCAN_H
#define PROBE_VERIFY_MAILDIR_SCAN_H

#include "probe/verify/maildir_copy.h"
#include "probe/verify/maildir_known.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * Looking through a Maildir (the directory itself, and its Maildir++ subfolders ".Name"), piece by piece, on
 * whatever thread: it blocks. One piece at a time; between pieces all of it is the caller's to read.
 */
#define MAILDIR_SCAN_FOLDERS 1000 /* subfolders that are looked into */
#define MAILDIR_SCAN_FOUND   32   /* messages that one piece brings back */
#define MAILDIR_SCAN_REMOVED 64   /* that it removes */
#define MAILDIR_SCAN_WHY     (NAME_MAX + 128)

/* What inotify said: a name in a directory that is watched. */
struct maildir_named {
    int watch;
    char name[NAME_MAX + 1];
};

struct maildir_found {
    const char *folder; /* lives as long as the scan */
    bool astray;
    char *id; /* this and the next are the caller's to free */
    char *kept;
    size_t kept_len;
    size_t size;
    int64_t at_us; /* monotonic */
};

/* What could not be read although it might be a message: the one that was noticed last, of the folder where
 * mail belongs. */
struct maildir_unreadable {
    int64_t since_us; /* CLOCK_NONE: there is none */
    char why[MAILDIR_SCAN_WHY];
};

struct maildir_piece {
    /* what is to be done */
    int inotify; /* -1 = nothing is watched */
    const struct maildir_named *named;
    size_t named_count;
    struct maildir_copy *removals[MAILDIR_SCAN_REMOVED];
    size_t removal_count;
    bool begin; /* a look, unless one is under way */

    /* what was */
    struct maildir_found found[MAILDIR_SCAN_FOUND];
    size_t found_count;
    size_t named_done; /* the rest is for the next piece */
    bool over;         /* the look is: all that was there has been brought */
    bool failed;       /* so it is, but it could not be had */
    char why[MAILDIR_SCAN_WHY];
    struct maildir_unreadable unreadable; /* over alone */
    struct {
        char *id; /* the caller's to free */
        int error;
    } unremoved[MAILDIR_SCAN_REMOVED]; /* copies that could not be removed, the first time that they could not
                                        */
    size_t unremoved_count;
};

struct maildir_scan *maildir_scan_new(const char *path); /* copied */
void maildir_scan_free(struct maildir_scan *scan);

void maildir_scan_work(struct maildir_scan *scan, struct maildir_piece *piece);

/* Moves on as long as the file system answers. From any thread. */
unsigned long maildir_scan_progress(struct maildir_scan *scan);

bool maildir_scan_is_looking(const struct maildir_scan *scan);
struct maildir_copy *maildir_scan_copies(struct maildir_scan *scan); /* the first */

#endif

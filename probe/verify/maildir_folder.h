/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_FOLDER_H
#define PROBE_VERIFY_MAILDIR_FOLDER_H

#include "probe/verify/maildir_scan.h"

/*
 * The folders of a Maildir: which there are, their directories, and what watches them. Blocks. Functions that
 * can fail return -1 with a sentence.
 */
struct maildir_folder {
    const char *name;      /* "INBOX", "Junk" */
    const char *directory; /* ".", ".Junk" */
    bool astray;
    int watches[MAILDIR_PARTS]; /* -1 = none */
    char texts[];
};

struct maildir_folders {
    const char *path;             /* of the Maildir */
    struct maildir_folder **list; /* the first is INBOX; they are never taken off */
    size_t count;
    int watch; /* of the Maildir itself; -1 = none */
};

void maildir_folders_init(struct maildir_folders *folders, const char *path);
void maildir_folders_clear(struct maildir_folders *folders);

/* Opens the Maildir, and takes in what subfolders there are now. A descriptor, or -1. */
int maildir_folders_open(struct maildir_folders *folders, int inotify, char why_r[MAILDIR_SCAN_WHY]);

/* One of its directories; watched from then on. A descriptor, or -1 and errno. */
int maildir_folder_open(struct maildir_folders *folders, int root, struct maildir_folder *folder, int part,
                        int inotify, char why_r[MAILDIR_SCAN_WHY]);

/* Whose directory that watch is of; null = none's. */
struct maildir_folder *maildir_folders_find(const struct maildir_folders *folders, int watch, int *part_r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_COPY_H
#define PROBE_VERIFY_MAILDIR_COPY_H

#include "probe/verify/maildir_file.h"

#include <stdbool.h>

/* The messages of ours that lie in a Maildir, and where. */
enum { MAILDIR_NEW, MAILDIR_CUR, MAILDIR_PARTS };

struct maildir_folder;

struct maildir_copy {
    struct maildir_copy *next;
    struct maildir_copy *prev;
    struct maildir_folder *folder;
    char *id;   /* folder and base name */
    char *file; /* its name now */
    int part;   /* and where it is: new or cur */
    struct maildir_print print;
    bool removing;  /* asked for, and not yet tried */
    bool unremoved; /* tried, in vain */
};

/* Of a file's name, without the flags behind it, which change (maildir(5)). */
size_t maildir_base_len(const char *name);

/* "INBOX/1700000000.M1P2.host"; to be freed. */
char *maildir_make_id(const char *folder, const char *name);

struct maildir_copy *maildir_copy_add(struct maildir_copy **list, struct maildir_folder *folder, int part,
                                      const char *name, const struct maildir_print *print);
void maildir_copy_move(struct maildir_copy *c, int part, const char *name);
void maildir_copy_remove(struct maildir_copy **list, struct maildir_copy *c);

#endif

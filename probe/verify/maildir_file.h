/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_FILE_H
#define PROBE_VERIFY_MAILDIR_FILE_H

#include "probe/base/span.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * One file of a Maildir, on any thread. Only a regular file is opened, never through a symbolic link, and
 * only to be read; its times stay as they are where the system allows that (O_NOATIME). Names are base names
 * in an open directory.
 */
enum maildir_file_kind {
    MAILDIR_FILE_GONE,
    MAILDIR_FILE_STRANGE, /* no message of ours, or no file at all */
    MAILDIR_FILE_YOUNG,   /* likewise; but it was written just now, and perhaps not to its end */
    MAILDIR_FILE_OURS,    /* it has a token, or is a report and quotes something like one */
    MAILDIR_FILE_UNREADABLE
};

/* What tells whether a file is still the one that it was. */
struct maildir_print {
    dev_t device;
    ino_t inode;
    off_t size;
    uint64_t kept; /* of what was read */
};

struct maildir_file {
    struct maildir_print print;
    struct span kept; /* with CRLF, in the memory of the caller's scratch */
    size_t size;      /* of all of it, with CRLF */
};

struct maildir_scratch;
struct maildir_scratch *maildir_scratch_new(void);
void maildir_scratch_free(struct maildir_scratch *scratch); /* null is fine */

/* file_r is filled in for OURS alone, error_r (an errno) for UNREADABLE. */
enum maildir_file_kind maildir_file_read(int directory, const char *name, struct maildir_scratch *scratch,
                                         struct maildir_file *file_r, int *error_r);

/* Removes it if it is still that one: 0; 1: it is another, or not there; -1 and errno: it cannot be. */
int maildir_file_remove(int directory, const char *name, const struct maildir_print *print,
                        struct maildir_scratch *scratch);

#endif

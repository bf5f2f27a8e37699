/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_H
#define PROBE_VERIFY_MAILDIR_H

#include "probe/verify/mailbox.h"

#include <uv.h>

/*
 * A Maildir as a store (mailbox.h): the directory with new/ and cur/, and its Maildir++ subfolders, which are
 * astray. What comes is told by inotify, and found by looking through all of it from time to time, as not
 * every file system tells. Files are opened on a thread of its own, one at a time, never on the loop.
 */
struct maildir_order {
    uv_loop_t *loop;
    const char *name; /* of the mailbox; copied, and so is the path */
    const char *path;
    const struct mailbox_events *events; /* kept */
    void *context;
};

/* The first look begins by itself. */
struct store *maildir_new(const struct maildir_order *order);

#endif

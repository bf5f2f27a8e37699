/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_VERIFY_MAILDIR_WATCH_H
#define PROBE_VERIFY_MAILDIR_WATCH_H

#include "probe/verify/maildir_scan.h"

#include <uv.h>

/* What inotify says about directories that somebody else has named to it. */
struct maildir_watch;

/* There is something to be taken, or it was missed. From the loop. */
typedef void maildir_watch_said(void *context);

struct maildir_watch *maildir_watch_new(uv_loop_t *loop, maildir_watch_said *said, void *context);
void maildir_watch_free(struct maildir_watch *watch);

/* -1: the system has none to give; the next call asks again. */
int maildir_watch_descriptor(struct maildir_watch *watch);

/* All names since the last call, the caller's to free; null = none. */
struct maildir_named *maildir_watch_take(struct maildir_watch *watch, size_t *count_r);

/* Whether, since the last call, something changed that only a look can show: directories, or too much. */
bool maildir_watch_missed(struct maildir_watch *watch);

#endif

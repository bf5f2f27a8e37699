/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inotify descriptor on the loop. Reading it never blocks; setting watches would, and is done by whoever
 * opens the directories. Names are kept up to a number; what goes beyond, as an overflow of the kernel's own
 * queue, is left to a look.
 */
#include "probe/verify/maildir_watch.h"

#include "probe/base/mem.h"
#include "probe/net/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MOST_NAMES 1000
#define MOST_READS 16 /* in one turn of the loop */

struct maildir_watch {
    uv_loop_t *loop;
    maildir_watch_said *said;
    void *context;
    int fd;
    uv_poll_t *poll;
    struct maildir_named *names;
    size_t count;
    bool missed;
};

static void note(struct maildir_watch *w, const struct inotify_event *event)
{
    if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_ISDIR | IN_UNMOUNT) ||
        w->count == MOST_NAMES) {
        w->missed = true;
        return;
    }
    if (event->len == 0)
        return;
    if (w->names == NULL)
        w->names = mem_alloc(MOST_NAMES * sizeof *w->names);
    struct maildir_named *named = &w->names[w->count++];
    named->watch = event->wd;
    snprintf(named->name, sizeof named->name, "%s", event->name);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct maildir_watch *w = poll->data;
    _Alignas(struct inotify_event) char bytes[16 * 1024];

    (void)status;
    (void)events;
    for (int i = 0; i < MOST_READS; i++) {
        ssize_t got = read(w->fd, bytes, sizeof bytes);
        if (got <= 0)
            break;
        for (ssize_t at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
            note(w, event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    w->said(w->context);
}

int maildir_watch_descriptor(struct maildir_watch *w)
{
    if (w->fd >= 0)
        return w->fd;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    w->poll = w->fd >= 0 ? handle_poll(w->loop, w->fd, w) : NULL;
    if (w->poll != NULL) {
        uv_poll_start(w->poll, UV_READABLE, on_readable);
    } else if (w->fd >= 0) {
        close(w->fd);
        w->fd = -1;
    }
    return w->fd;
}

struct maildir_watch *maildir_watch_new(uv_loop_t *loop, maildir_watch_said *said, void *context)
{
    struct maildir_watch *w = mem_alloc(sizeof *w);

    *w = (struct maildir_watch){.loop = loop, .said = said, .context = context, .fd = -1};
    return w;
}

void maildir_watch_free(struct maildir_watch *w)
{
    handle_close_poll(w->poll);
    if (w->fd >= 0)
        close(w->fd);
    free(w->names);
    free(w);
}

struct maildir_named *maildir_watch_take(struct maildir_watch *w, size_t *count_r)
{
    struct maildir_named *names = w->names;

    *count_r = w->count;
    w->names = NULL;
    w->count = 0;
    return names;
}

bool maildir_watch_missed(struct maildir_watch *w)
{
    bool missed = w->missed;

    w->missed = false;
    return missed;
}

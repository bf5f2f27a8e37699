/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at one file and decides whether it is a message of ours; removes one that is. Kinds of files are told
 * before anything is opened, and again after (it may have been exchanged meanwhile). Between the last look at
 * a file and its removal nothing but a rename over it could come, which no Maildir sees: names are unique.
 */
#include "probe/verify/maildir_file.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/proto/message.h"
#include "probe/proto/report.h"
#include "probe/verify/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every message of ours has this somewhere, so most others need no closer look. */
#define MARK "ehlod-"

/* So long after it was written a file may not yet be whole; a Maildir's is, but not everybody obeys. */
#define YOUNG_US (10 * CLOCK_US_PER_S)

/* Octets that are read of a message of ours, to count its lines. */
#define COUNT_MOST (off_t)(128 * 1024 * 1024)

struct maildir_scratch {
    char raw[MAILBOX_MAX_KEPT];
    char kept[MAILBOX_MAX_KEPT];
};

struct maildir_scratch *maildir_scratch_new(void)
{
    return mem_alloc(sizeof(struct maildir_scratch));
}

void maildir_scratch_free(struct maildir_scratch *scratch)
{
    free(scratch);
}

/* ---- reading ---- */

/* As many as there are, up to size; -1 and errno. */
static ssize_t read_some(int fd, char *to, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t got = read(fd, to + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* Lines end with CRLF; what does not fit is cut. */
static size_t with_crlf(struct span raw, char kept_r[MAILBOX_MAX_KEPT])
{
    size_t len = 0;

    for (size_t i = 0; i < raw.len && len < MAILBOX_MAX_KEPT; i++) {
        char c = raw.data[i];
        if (c == '\n' && (i == 0 || raw.data[i - 1] != '\r'))
            kept_r[len++] = '\r';
        if (len < MAILBOX_MAX_KEPT)
            kept_r[len++] = c;
    }
    return len;
}

/* How many line ends lack their CR. */
static size_t bare_ends(struct span raw, char before)
{
    size_t count = 0;

    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] == '\n' && before != '\r')
            count++;
        before = raw.data[i];
    }
    return count;
}

/* The size with CRLF of a file of which the first piece is read; -1 and errno. Known limit: of a message over
 * COUNT_MOST the rest counts as it is. */
static int count_size(int fd, off_t size, struct span first, size_t *size_r)
{
    size_t count = first.len + bare_ends(first, '\0');
    char before = first.len > 0 ? first.data[first.len - 1] : '\0';
    char piece[16 * 1024];
    off_t at = (off_t)first.len;

    while (at < size && at < COUNT_MOST) {
        ssize_t got = read_some(fd, piece, sizeof piece);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        count += (size_t)got + bare_ends((struct span){piece, (size_t)got}, before);
        before = piece[got - 1];
        at += got;
    }
    *size_r = count + (size > at ? (size_t)(size - at) : 0);
    return 0;
}

static uint64_t print_of(struct span kept)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < kept.len; i++)
        hash = (hash ^ (unsigned char)kept.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_ours(struct span kept)
{
    char token[MESSAGE_TOKEN_SIZE];

    return message_token_of(kept, token) > 0 || report_is_one(kept);
}

static bool is_young(const struct stat *st)
{
    int64_t age_us =
        clock_wall_us() - ((int64_t)st->st_mtim.tv_sec * CLOCK_US_PER_S + st->st_mtim.tv_nsec / 1000);

    return age_us < YOUNG_US && age_us > -YOUNG_US;
}

/* ---- opening ---- */

/* -1 and errno. */
static int open_quietly(int directory, const char *name)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(directory, name, flags | O_NOATIME);

    if (fd < 0 && errno == EPERM) /* somebody else's: its time is touched, as by any reader */
        fd = openat(directory, name, flags);
    return fd;
}

static enum maildir_file_kind kind_of_error(int *error_r)
{
    if (errno == ENOENT)
        return MAILDIR_FILE_GONE;
    if (errno == ELOOP || errno == ENXIO)
        return MAILDIR_FILE_STRANGE;
    *error_r = errno;
    return MAILDIR_FILE_UNREADABLE;
}

/* A descriptor of a regular file, or -1 and what it is instead. */
static int open_file(int directory, const char *name, struct stat *st_r, enum maildir_file_kind *kind_r,
                     int *error_r)
{
    int fd = -1;

    if (fstatat(directory, name, st_r, AT_SYMLINK_NOFOLLOW) != 0) {
        *kind_r = kind_of_error(error_r);
        return -1;
    }
    *kind_r = MAILDIR_FILE_STRANGE;
    if (!S_ISREG(st_r->st_mode))
        return -1;
    fd = open_quietly(directory, name);
    if (fd < 0 || fstat(fd, st_r) != 0)
        *kind_r = kind_of_error(error_r);
    else if (st_r->st_nlink == 0)
        *kind_r = MAILDIR_FILE_GONE;
    else if (S_ISREG(st_r->st_mode))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static enum maildir_file_kind read_file(int fd, const struct stat *st, struct maildir_scratch *scratch,
                                        struct maildir_file *file_r, int *error_r)
{
    ssize_t got = read_some(fd, scratch->raw, sizeof scratch->raw);
    struct span raw = {scratch->raw, got > 0 ? (size_t)got : 0};
    struct maildir_file file = {.print = {st->st_dev, st->st_ino, st->st_size, 0}};

    if (got < 0)
        return kind_of_error(error_r);
    if (memmem(raw.data, raw.len, MARK, strlen(MARK)) != NULL) {
        file.kept = (struct span){scratch->kept, with_crlf(raw, scratch->kept)};
        if (is_ours(file.kept)) {
            if (count_size(fd, st->st_size, raw, &file.size) != 0)
                return kind_of_error(error_r);
            file.print.kept = print_of(file.kept);
            *file_r = file;
            return MAILDIR_FILE_OURS;
        }
    }
    return is_young(st) ? MAILDIR_FILE_YOUNG : MAILDIR_FILE_STRANGE;
}

enum maildir_file_kind maildir_file_read(int directory, const char *name, struct maildir_scratch *scratch,
                                         struct maildir_file *file_r, int *error_r)
{
    enum maildir_file_kind kind;
    struct stat st;
    int fd = open_file(directory, name, &st, &kind, error_r);

    if (fd < 0)
        return kind;
    kind = read_file(fd, &st, scratch, file_r, error_r);
    close(fd);
    return kind;
}

static bool is_same(const struct maildir_print *a, const struct maildir_print *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->kept == b->kept;
}

int maildir_file_remove(int directory, const char *name, const struct maildir_print *print,
                        struct maildir_scratch *scratch)
{
    struct maildir_file file;
    int error = 0;
    enum maildir_file_kind kind = maildir_file_read(directory, name, scratch, &file, &error);

    if (kind == MAILDIR_FILE_UNREADABLE) {
        errno = error;
        return -1;
    }
    if (kind != MAILDIR_FILE_OURS || !is_same(&file.print, print))
        return 1;
    if (unlinkat(directory, name, 0) == 0)
        return 0;
    return errno == ENOENT ? 1 : -1;
}

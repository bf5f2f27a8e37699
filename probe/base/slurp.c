/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a file that somebody named. What kind of file it is and how large is asked before a byte is read, so
 * a FIFO, a device or a huge file costs nothing; one that is being changed is read as it is at that moment.
 */
#include "probe/base/slurp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_SIZE 128

/* On any thread. */
static const char *say_error(struct arena *a, const char *what)
{
    char text[ERROR_SIZE];

    return arena_printf(a, "%s: %s", what, strerror_r(errno, text, sizeof text));
}

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a FIFO";
    return "a device";
}

/* Why the open file is not to be read; null when it is. */
static const char *unfit(int fd, const struct slurp_kind *kind, struct arena *a, size_t *size_r)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return say_error(a, "cannot be read");
    if (!S_ISREG(st.st_mode))
        return arena_printf(a, "not %s (expected a regular file, found %s)", kind->name, kind_of(st.st_mode));
    if ((size_t)st.st_size > kind->most)
        return arena_printf(a, "too large for %s (expected at most %zu bytes, found %lld)", kind->name,
                            kind->most, (long long)st.st_size);
    *size_r = (size_t)st.st_size;
    return NULL;
}

/* As much as the file had when it was asked; a file that is being cut short gives less. */
static const char *slurp(int fd, struct arena *a, size_t size, struct span *text_r)
{
    char *data = arena_alloc(a, size + 1);
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, data + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return say_error(a, "cannot be read");
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *text_r = (struct span){data, len};
    return NULL;
}

const char *slurp_file(const char *path, const struct slurp_kind *kind, struct arena *a, struct span *text_r)
{
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return say_error(a, "cannot be opened");
    const char *why = unfit(fd, kind, a, &size);
    if (!why)
        why = slurp(fd, a, size, text_r);
    close(fd);
    return why;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets secrets for the config. What kind of file it is and how large is asked before a byte is read, so a
 * FIFO, a device or a huge file costs nothing. The bytes are copied once, into the secret, and wiped where
 * they were read; what the environment holds stays there, since it is not ehlod's.
 */
#include "config/secret_value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* reference = "${" NAME "}", NAME = (ALPHA / "_") *(ALPHA / DIGIT / "_"): the name, or null. */
static const char *read_reference(struct arena *a, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t len = strncmp(text, "${", 2) == 0 ? strspn(text + 2, letters) : 0;

    if (len == 0 || (text[2] >= '0' && text[2] <= '9') || strcmp(text + 2 + len, "}") != 0)
        return NULL;
    return arena_dup_span(a, (struct span){text + 2, len});
}

struct secret *secret_value_text(struct arena *a, const char *text, bool *inline_r, const char **why_r)
{
    const char *name = read_reference(a, text);
    const char *value = name ? getenv(name) : text;
    const char *why = !value                              ? "not set"
                      : !*value                           ? "empty"
                      : strlen(value) > SECRET_VALUE_MOST ? "longer than 65536 octets"
                                                          : NULL;

    if (!why) {
        *inline_r = !name;
        return secret_new(span_of(value));
    }
    *why_r = name ? arena_printf(a, "%s is %s in the environment", name, why) : why;
    return NULL;
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
static const char *unfit(int fd, struct arena *a, struct stat *st_r)
{
    if (fstat(fd, st_r) != 0)
        return arena_printf(a, "cannot be read: %s", strerror(errno));
    if (!S_ISREG(st_r->st_mode))
        return arena_printf(a, "not a file with a secret (expected a regular file, found %s)",
                            kind_of(st_r->st_mode));
    if (st_r->st_size > SECRET_VALUE_MOST)
        return arena_printf(a, "too large for a secret (expected at most %d octets, found %lld)",
                            SECRET_VALUE_MOST, (long long)st_r->st_size);
    return NULL;
}

/* As much as there is, up to the size; -1 with errno. */
static ssize_t slurp(int fd, char *data, size_t size)
{
    size_t len = 0;
    ssize_t got = 1;

    while (len < size && got != 0) {
        got = read(fd, data + len, size - len);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            len += (size_t)got;
    }
    return (ssize_t)len;
}

/* The secret in what a file held. */
static struct secret *judge(struct arena *a, struct span held, const char **why_r)
{
    if (held.len > 0 && held.data[held.len - 1] == '\n')
        held.len--;
    if (held.len > 0 && held.data[held.len - 1] == '\r')
        held.len--;
    if (held.len > 0 && !memchr(held.data, '\0', held.len))
        return secret_new(held);
    *why_r = arena_dup(a, held.len ? "a secret holds no NUL" : "empty");
    return NULL;
}

static struct secret *read_open(int fd, struct arena *a, bool *open_r, const char **why_r)
{
    char data[SECRET_VALUE_MOST];
    struct secret *secret = NULL;
    struct stat st;
    const char *why = unfit(fd, a, &st);
    ssize_t len = why ? 0 : slurp(fd, data, (size_t)st.st_size);

    if (len < 0)
        why = arena_printf(a, "cannot be read: %s", strerror(errno));
    else if (!why)
        secret = judge(a, (struct span){data, (size_t)len}, &why);
    explicit_bzero(data, sizeof(data));
    if (secret)
        *open_r = st.st_mode & S_IROTH;
    else
        *why_r = why;
    return secret;
}

struct secret *secret_value_file(struct arena *a, const char *path, bool *open_r, const char **why_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const char *why;

    if (fd < 0) {
        *why_r = arena_printf(a, "%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    struct secret *secret = read_open(fd, a, open_r, &why);
    close(fd);
    if (!secret)
        *why_r = arena_printf(a, "%s: %s", path, why);
    return secret;
}

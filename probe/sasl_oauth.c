/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of OAuth's two mechanisms, and tokens in files. A file that is no file (a FIFO without a writer,
 * a directory, a device) is refused before anybody waits for it; one that is being changed is read as it is
 * at that moment.
 */
#include "probe/sasl_oauth.h"

#include "probe/base/address.h"
#include "probe/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_SIZE 128

static const char *say_error(const char *path, int number, struct arena *a)
{
    char text[ERROR_SIZE];

    return arena_printf(a, "the token file %s cannot be read: %s", path,
                        strerror_r(number, text, sizeof text));
}

/* Without blocking for another end of it; -1 = it cannot be used. */
static int open_regular(const char *path, struct arena *a, const char **message_r)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        *message_r = say_error(path, errno, a);
        return -1;
    }
    if (fstat(fd, &status) != 0)
        *message_r = say_error(path, errno, a);
    else if (!S_ISREG(status.st_mode))
        *message_r = arena_printf(a, "the token file %s is not a regular file", path);
    else
        return fd;
    close(fd);
    return -1;
}

/* As much as there is, up to so much; -1 = errno says why not. */
static ssize_t read_up_to(int fd, char *data, size_t most)
{
    size_t len = 0;
    ssize_t got = 1;

    while (len < most && got != 0) {
        got = read(fd, data + len, most - len);
        if (got < 0 && errno != EINTR)
            return -1;
        len += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)len;
}

static struct span without_line_end(struct span text)
{
    if (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len && text.data[text.len - 1] == '\r')
        text.len--;
    return text;
}

struct secret *sasl_oauth_read_token(const char *path, struct arena *a, const char **message_r)
{
    int fd = open_regular(path, a, message_r);

    if (fd < 0)
        return NULL;
    struct secret *token = NULL;
    char *data = mem_alloc(SASL_OAUTH_MAX_FILE + 1);
    ssize_t len = read_up_to(fd, data, SASL_OAUTH_MAX_FILE + 1);
    struct span text = without_line_end((struct span){data, len > 0 ? (size_t)len : 0});

    if (len < 0)
        *message_r = say_error(path, errno, a);
    else if ((size_t)len > SASL_OAUTH_MAX_FILE)
        *message_r = arena_printf(a, "the token file %s is larger than 64 KiB", path);
    else if (text.len == 0)
        *message_r = arena_printf(a, "the token file %s is empty", path);
    else if (!sasl_oauth_is_token(text))
        *message_r =
            arena_printf(a,
                         "the token file %s holds something else than a token: a token is one word of "
                         "printable ASCII characters",
                         path);
    else
        token = secret_new(text);
    secret_wipe(data, SASL_OAUTH_MAX_FILE + 1);
    free(data);
    close(fd);
    return token;
}

bool sasl_oauth_is_token(struct span token)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] <= ' ' || token.data[i] >= 0x7f)
            return false;
    return token.len > 0;
}

/* RFC 5801 section 4: saslname, in which "," and "=" are =2C and =3D. */
static const char *saslname(const char *name, struct arena *a)
{
    char *text = arena_alloc(a, 3 * strlen(name) + 1), *out = text;

    for (; *name; name++) {
        if (*name == ',' || *name == '=')
            out += sprintf(out, "=%02X", (unsigned)*name);
        else
            *out++ = *name;
    }
    return text;
}

/* RFC 7628 section 3.1, where host and port may be left out: a path is neither. A control character in a name
 * would be taken for a separator. */
const char *sasl_oauth_head(enum auth_mechanism m, const char *username, const char *host, uint16_t port,
                            struct arena *a)
{
    if (m == AUTH_XOAUTH2)
        return arena_printf(a, "user=%s\001auth=Bearer ", username);
    const char *where =
        address_is_path(host) ? "" : arena_printf(a, "host=%s\001port=%u\001", host, (unsigned)port);
    return arena_printf(a, "n,%s%s,\001%sauth=Bearer ", *username ? "a=" : "", saslname(username, a), where);
}

/* RFC 7628 section 3.2.3. */
const char *sasl_oauth_acknowledgement(enum auth_mechanism m)
{
    return m == AUTH_OAUTHBEARER ? "\001" : "";
}

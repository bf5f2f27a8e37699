/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets secrets for the config. The bytes are copied once, into the secret, and wiped where they were read;
 * what the environment holds stays there, since it is not ehlod's.
 */
#include "config/secret_value.h"

#include "probe/base/slurp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* reference = "${" NAME "}", NAME = (ALPHA / "_") *(ALPHA / DIGIT / "_"): the name, or nothing. */
static struct span read_reference(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    size_t len = strncmp(text, "${", 2) == 0 ? strspn(text + 2, letters) : 0;

    if (len == 0 || (text[2] >= '0' && text[2] <= '9') || strcmp(text + 2 + len, "}") != 0)
        return (struct span){0};
    return (struct span){text + 2, len};
}

bool secret_value_is_reference(const char *text)
{
    return read_reference(text).len > 0;
}

struct secret *secret_value_text(struct arena *a, const char *text, bool *inline_r, const char **why_r)
{
    struct span reference = read_reference(text);
    const char *name = reference.len > 0 ? arena_dup_span(a, reference) : NULL;
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

/* The secret in what a file held. */
static struct secret *judge(struct span held, const char **why_r)
{
    if (held.len > 0 && held.data[held.len - 1] == '\n')
        held.len--;
    if (held.len > 0 && held.data[held.len - 1] == '\r')
        held.len--;
    if (held.len > 0 && !memchr(held.data, '\0', held.len))
        return secret_new(held);
    *why_r = held.len ? "a secret holds no NUL" : "empty";
    return NULL;
}

struct secret *secret_value_file(struct arena *a, const char *path, bool *open_r, const char **why_r)
{
    static const struct slurp_kind kind = {"a file with a secret", SECRET_VALUE_MOST};
    struct arena read = {0};
    struct span held;
    struct stat st;
    struct secret *secret = NULL;
    const char *why = slurp_file(path, &kind, &read, &held);

    if (!why)
        secret = judge(held, &why);
    if (secret)
        *open_r = stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0;
    else
        *why_r = arena_printf(a, "%s: %s", path, why);
    arena_wipe(&read);
    return secret;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "config/findings.h"
#include "config/snapshot.h"

struct load_template;
struct target;
struct target_tls;
struct template;

/* One loading of a config: what every key's parser may use, and how it says what is wrong. */
struct load {
    struct arena *keep;    /* the snapshot is made of this */
    struct arena *scratch; /* gone when loading is over */
    struct findings *findings;
    const char *file;     /* the config, which paths in it are relative to */
    const char *hostname; /* of this machine */

    const struct target *defaults; /* what a target is before anything is said */
    const struct target *modules;  /* sorted by name */
    size_t module_count;
    struct target_tls *tls; /* made ready so far; the snapshot's when loading is over */
    size_t tls_count;
    struct secret **secrets; /* read so far; likewise */
    size_t secret_count;
    struct load_template *templates; /* messages read so far */
    size_t template_count;
    const struct template *built_in; /* the message where none is named; null until it is needed */
    struct span pad;                 /* likewise, what messages are padded with */
    const char *const *mailboxes;    /* their names */
    size_t mailbox_count;
    bool mailboxes_broken; /* there may be more than could be read */
};

/* An error at the node's value, or at its key (for a key that should not be there, or that lacks something).
 */
void load_error(struct load *l, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void load_key_error(struct load *l, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void load_key_warning(struct load *l, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "path: what (expected ..., found ...)", with "; did you mean ...?" when a guess is given. Says nothing
 * about a broken node: that was done already. */
void load_bad(struct load *l, const struct node *node, const char *what, const char *expected);
void load_bad_guess(struct load *l, const struct node *node, const char *what, const char *expected,
                    const char *guess);

/* A key that has to be there and is not: "path.key: is missing (expected ...)". */
void load_missing(struct load *l, const struct node *map, const char *key, const char *expected);

/* Whether the node is of that kind; else an error. */
bool load_is_map(struct load *l, const struct node *node, const char *expected);

/* A list of 1 to most entries, or a single scalar in its place: how many; 0 and an error when it is none. */
size_t load_items(struct load *l, const struct node *node, const char *expected, size_t most);
const struct node *load_item(const struct node *node, size_t i);

/* Checks a name that the user has chosen: letters, digits, dot, _ and -, not dots alone. */
#define LOAD_MAX_NAME      128
#define LOAD_NAME_EXPECTED "a name of 1 to 128 letters, digits, dots, _ and -"
bool load_name_is_good(const char *name);
void load_check_key_name(struct load *l, const struct node *node);

#endif

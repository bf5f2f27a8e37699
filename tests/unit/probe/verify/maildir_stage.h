/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROBE_VERIFY_MAILDIR_STAGE_H
#define TESTS_UNIT_PROBE_VERIFY_MAILDIR_STAGE_H

#include "probe/verify/maildir.h"

#include <limits.h>

/* A Maildir in a folder of its own, a store that watches it, and what that told. */
#define STAGE_MAX_SEEN 4000

struct stage_seen {
    char id[128];
    char folder[64];
    bool astray;
    size_t kept;
    size_t size;
    int64_t at_us;
    char text[512]; /* its beginning */
};

struct stage {
    uv_loop_t loop;
    char path[PATH_MAX];
    struct store *store;
    struct stage_seen *seen;
    size_t seen_count;
    int looks;
    int64_t began_us; /* of the last one */
    char why[1024];   /* likewise; "" = it was good */
    bool may_remove;
    bool free_when_seen;
    size_t asked;
    int unremoved;
    char unremoved_why[1024];
};

/* With tmp, new and cur in it; and without a store as yet. */
void stage_init(struct stage *s);
void stage_watch(struct stage *s);
void stage_clear(struct stage *s);

/* Runs the loop until that many more looks are over, or messages seen: an assertion when it takes too long.
 */
void stage_look(struct stage *s);
void stage_wait_seen(struct stage *s, size_t count);
void stage_wait_file(struct stage *s, const char *name, bool there);
void stage_run(struct stage *s, int64_t us);

/* Times what EHLOD_TEST_SCALE says. */
int64_t stage_scaled(int64_t us);

/* A path below the Maildir, in a buffer that the call after the next one uses again. */
const char *stage_path(const struct stage *s, const char *name);
void stage_mkdir(const struct stage *s, const char *name); /* with tmp, new and cur in it */
void stage_write(const struct stage *s, const char *name, const char *text);
void stage_rename(const struct stage *s, const char *from, const char *to);
/* As an MDA does: by way of tmp. */
void stage_deliver(const struct stage *s, const char *name, const char *text);
bool stage_has(const struct stage *s, const char *name);

/* A message of ours with LF, the number in its token. */
const char *stage_letter(int number);

#endif

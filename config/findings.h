/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_FINDINGS_H
#define CONFIG_FINDINGS_H

#include "config/mistakes.h"
#include "config/node.h"

/* More errors (and likewise warnings) than this are counted, not shown. */
#define FINDINGS_SHOWN 100

/* More than this are not even kept, so that a hostile file cannot make its mistakes fill the memory. Which
 * of them are shown is then no longer by position. */
#define FINDINGS_KEPT 10000

/* What loading has found so far, in any order. The text is copied. */
struct findings {
    struct arena arena;
    struct findings_entry *entries;
    size_t count;
    size_t error_count;
    size_t left_out[2]; /* not kept, by kind */
};

enum findings_kind { FINDINGS_ERROR, FINDINGS_WARNING };

/* Whether one more will be kept; if not, it is counted, and its text need not be made. Zeroed is empty. */
bool findings_wants(struct findings *f, enum findings_kind kind);
void findings_add(struct findings *f, enum findings_kind kind, const struct node_mark *mark,
                  const char *text);

/* All of it as the caller sees it: by position, each thing said once. */
void findings_report(struct findings *f, struct mistakes *mistakes_r);

/* Of the error that was added first, the text without its position; null: there is none. */
const char *findings_first(const struct findings *f);

void findings_free(struct findings *f);

#endif

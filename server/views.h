/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_VIEWS_H
#define SERVER_VIEWS_H

#include "server/question.h"
#include "server/render/age.h"
#include "server/render/exposition.h"

/* One way to show results. Each variant (coloured, packed) is a view of its own, so what it shows hangs on
 * the results alone, and on the moment where it tells ages. */
struct view {
    const char *name;
    const char *content_type;
    void (*one)(struct buffer *out, const struct result *r, int64_t now_us);
    void (*set)(struct buffer *out, const struct render_set *set, int64_t now_us);
    age_tell *tell; /* null: it tells none */
    bool packed;    /* by gzip; only where it tells none */
};

/* The one that the question wants: by its parameter format, else by Accept; color is read, too. 0, or -1 once
 * the question was refused. */
int views_choose(struct question *q, int unknown_status, const struct view **view_r);

/* For a scraper: of one run alone. */
const struct view *views_scrape(enum exposition_format format, bool packed);

#define VIEWS_MAX 8

/* What format may be, and the media types behind it; null from there on. */
const char *views_name(size_t i);
const char *views_media_type(size_t i);

#endif

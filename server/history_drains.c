/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of targets that are out of service: small, and written anew as a whole. It came after the others,
 * so it is made where it is missing, and its last column, mode, after it. What it says is judged by whoever
 * reads it.
 */
#include "probe/base/clock.h"
#include "server/history_state.h"

#include <sqlite3.h>
#include <string.h>

#define MODE " mode TEXT NOT NULL DEFAULT 'drain'"

int history_drains_prepare(struct history *h)
{
    int code =
        sqlite3_exec(h->db,
                     "CREATE TABLE IF NOT EXISTS drain (target TEXT PRIMARY KEY, reason TEXT NOT NULL,"
                     " since_us INTEGER NOT NULL, until_us INTEGER, ended_us INTEGER," MODE ") WITHOUT ROWID",
                     NULL, NULL, NULL);

    if (code == SQLITE_OK &&
        sqlite3_exec(h->db, "SELECT mode FROM drain LIMIT 0", NULL, NULL, NULL) == SQLITE_ERROR)
        code = sqlite3_exec(h->db, "ALTER TABLE drain ADD COLUMN" MODE, NULL, NULL, NULL);
    return code;
}

static void bind_time(sqlite3_stmt *s, int at, int64_t us)
{
    if (us == CLOCK_NONE)
        sqlite3_bind_null(s, at);
    else
        sqlite3_bind_int64(s, at, us);
}

static void insert(struct history *h, sqlite3_stmt *s, const struct drain *drain)
{
    sqlite3_bind_text(s, 1, drain->target, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, 2, drain->reason, -1, SQLITE_TRANSIENT);
    bind_time(s, 3, drain->since_us);
    bind_time(s, 4, drain->until_us);
    bind_time(s, 5, drain->ended_us);
    sqlite3_bind_text(s, 6, drain_mode_name(drain->mode), -1, SQLITE_STATIC);
    history_step(h, s);
}

void history_set_drains(struct history *h, const struct drain *list, size_t count)
{
    sqlite3_stmt *s = NULL;

    history_note(h, sqlite3_exec(h->db, "DELETE FROM drain", NULL, NULL, NULL));
    history_note(h,
                 sqlite3_prepare_v2(h->db,
                                    "INSERT INTO drain (target, reason, since_us, until_us, ended_us, mode)"
                                    " VALUES (?, ?, ?, ?, ?, ?)",
                                    -1, &s, NULL));
    for (size_t i = 0; s != NULL && i < count; i++)
        insert(h, s, &list[i]);
    sqlite3_finalize(s);
}

static int64_t time_at(sqlite3_stmt *s, int at)
{
    int64_t us = sqlite3_column_type(s, at) == SQLITE_NULL ? CLOCK_NONE : sqlite3_column_int64(s, at);

    return us < 0 ? CLOCK_NONE : us;
}

static void tell_row(sqlite3_stmt *s, history_tell_drain *tell, void *context)
{
    const char *target = (const char *)sqlite3_column_text(s, 0);
    const char *reason = (const char *)sqlite3_column_text(s, 1);
    const char *mode = (const char *)sqlite3_column_text(s, 5);

    if (target == NULL || reason == NULL || mode == NULL)
        return;
    tell(context, &(struct drain){.target = target,
                                  .mode = drain_mode_by_name(mode),
                                  .reason = reason,
                                  .since_us = time_at(s, 2),
                                  .until_us = time_at(s, 3),
                                  .ended_us = time_at(s, 4)});
}

int history_read_drains(struct history *h, history_tell_drain *tell, void *context,
                        char error_r[HISTORY_ERROR_SIZE])
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(
        h->db, "SELECT target, reason, since_us, until_us, ended_us, mode FROM drain", -1, &s, NULL);

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(s);
        if (code == SQLITE_ROW)
            tell_row(s, tell, context);
    }
    sqlite3_finalize(s);
    if (code == SQLITE_DONE)
        return 0;
    history_say(h->path, h->db, code, error_r);
    return -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the history, both ways, by the list of columns. What is read is believed no more than anything
 * else that comes from outside: a row that could not have been written by this program is passed over. Which
 * message is newer is a matter of the order in which they were first kept: a wall clock may have been set
 * back.
 */
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "server/history_row.h"
#include "server/history_state.h"

#include <sqlite3.h>
#include <string.h>

/* For each column something, with commas between. */
static void put_columns(struct buffer *sql, const char *before)
{
    size_t count;
    const struct history_column *c = history_columns(&count);

    for (size_t i = 0; i < count; i++)
        buffer_printf(sql, "%s%s%s", i > 0 ? ", " : "", before, c[i].name);
}

int history_prepare(struct history *h)
{
    struct buffer sql;

    buffer_init(&sql, HISTORY_MAX_SQL);
    buffer_puts(&sql, "INSERT INTO delivery (");
    put_columns(&sql, "");
    buffer_puts(&sql, ") VALUES (");
    put_columns(&sql, ":");
    buffer_puts(&sql, ") ON CONFLICT (token) DO UPDATE SET (");
    put_columns(&sql, "");
    buffer_puts(&sql, ") = (");
    put_columns(&sql, "excluded.");
    buffer_puts(&sql, ")");
    int code = sqlite3_prepare_v2(h->db, sql.data, -1, &h->put, NULL);
    buffer_free(&sql);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(h->db, "DELETE FROM delivery WHERE token = ?", -1, &h->drop, NULL);
    return code;
}

/* ---- writing ---- */

/* Keeps what failed first. */
void history_note(struct history *h, int code)
{
    if (h->failed != SQLITE_OK || code == SQLITE_OK || code == SQLITE_DONE)
        return;
    h->failed = code;
    history_say(h->path, h->db, code, h->failure);
}

static int bind_text(sqlite3_stmt *s, int at, const char *text)
{
    return sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT); /* null is NULL */
}

static int bind_number(sqlite3_stmt *s, int at, const char *field)
{
    int64_t number;

    memcpy(&number, field, sizeof number);
    return sqlite3_bind_int64(s, at, number);
}

static int bind_time(sqlite3_stmt *s, int at, const char *field)
{
    return *(const int64_t *)field == CLOCK_NONE ? sqlite3_bind_null(s, at) : bind_number(s, at, field);
}

static int bind_bytes(sqlite3_stmt *s, int at, const struct span *bytes)
{
    if (bytes->len == 0)
        return sqlite3_bind_null(s, at);
    return sqlite3_bind_blob64(s, at, bytes->data, bytes->len, SQLITE_STATIC);
}

static int bind_flags(sqlite3_stmt *s, int at, uint64_t flags)
{
    char text[HISTORY_FLAGS_SIZE];

    history_flags_text(flags, text);
    return bind_text(s, at, text);
}

static int bind(sqlite3_stmt *s, int at, enum history_kind kind, const char *field)
{
    switch (kind) {
    case HISTORY_TEXT:
        return bind_text(s, at, *(const char *const *)field);
    case HISTORY_BYTES:
        return bind_bytes(s, at, (const struct span *)field);
    case HISTORY_TIME:
        return bind_time(s, at, field);
    case HISTORY_COUNT:
        return bind_number(s, at, field);
    case HISTORY_BOOL:
        return sqlite3_bind_int(s, at, *(const bool *)field);
    case HISTORY_STATE:
        return bind_text(s, at, route_state_name(*(const enum route_state *)field));
    case HISTORY_PHASE:
        return bind_text(s, at, phase_name(*(const enum phase *)field));
    case HISTORY_REASON:
        return bind_text(s, at, reason_name(*(const enum reason *)field));
    case HISTORY_FLAGS:
        return bind_flags(s, at, *(const uint64_t *)field);
    }
    return SQLITE_MISUSE;
}

void history_begin(struct history *h)
{
    h->failed = SQLITE_OK;
    history_note(h, sqlite3_exec(h->db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
}

void history_step(struct history *h, sqlite3_stmt *s)
{
    if (h->failed == SQLITE_OK)
        history_note(h, sqlite3_step(s));
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

void history_put(struct history *h, const struct ledger_row *row)
{
    size_t count;
    const struct history_column *c = history_columns(&count);

    for (size_t i = 0; i < count; i++)
        history_note(h, bind(h->put, (int)i + 1, c[i].kind, (const char *)row + c[i].at));
    history_step(h, h->put);
}

void history_drop(struct history *h, const char *token)
{
    history_note(h, bind_text(h->drop, 1, token));
    history_step(h, h->drop);
}

int history_end(struct history *h, char error_r[HISTORY_ERROR_SIZE])
{
    if (h->failed == SQLITE_OK)
        history_note(h, sqlite3_exec(h->db, "COMMIT", NULL, NULL, NULL));
    if (h->failed == SQLITE_OK)
        return 0;
    if (!sqlite3_get_autocommit(h->db))
        sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
    memcpy(error_r, h->failure, HISTORY_ERROR_SIZE);
    return -1;
}

/* ---- reading ---- */

static bool take_name(char *field, enum history_kind kind, const char *name)
{
    int value = kind == HISTORY_STATE   ? history_state(name)
                : kind == HISTORY_PHASE ? history_phase(name)
                                        : history_reason(name);

    if (value < 0)
        return false;
    if (kind == HISTORY_STATE)
        *(enum route_state *)field = (enum route_state)value;
    else if (kind == HISTORY_PHASE)
        *(enum phase *)field = (enum phase)value;
    else
        *(enum reason *)field = (enum reason)value;
    return true;
}

static struct span bytes_at(sqlite3_stmt *s, int at)
{
    const char *data = sqlite3_column_blob(s, at);

    return (struct span){data, data != NULL ? (size_t)sqlite3_column_bytes(s, at) : 0};
}

/* False: no such value was ever written. */
static bool take(sqlite3_stmt *s, int at, const struct history_column *c, char *field)
{
    bool absent = sqlite3_column_type(s, at) == SQLITE_NULL;
    int64_t number = c->kind == HISTORY_TIME && absent ? CLOCK_NONE : 0;

    if (absent && c->needed)
        return false;
    switch (c->kind) {
    case HISTORY_TEXT:
        *(const char **)field = (const char *)sqlite3_column_text(s, at);
        return true;
    case HISTORY_BYTES:
        *(struct span *)field = bytes_at(s, at);
        return true;
    case HISTORY_BOOL:
        *(bool *)field = sqlite3_column_int(s, at) != 0;
        return true;
    case HISTORY_FLAGS:
        *(uint64_t *)field = history_flags((const char *)sqlite3_column_text(s, at));
        return true;
    case HISTORY_STATE:
    case HISTORY_PHASE:
    case HISTORY_REASON:
        return take_name(field, c->kind, (const char *)sqlite3_column_text(s, at));
    default:
        number = absent ? number : sqlite3_column_int64(s, at);
        memcpy(field, &number, sizeof number);
        return c->kind != HISTORY_TIME || number >= CLOCK_NONE;
    }
}

static bool take_row(sqlite3_stmt *s, struct ledger_row *row_r)
{
    size_t count;
    const struct history_column *c = history_columns(&count);

    *row_r = (struct ledger_row){0};
    for (size_t i = 0; i < count; i++)
        if (!take(s, (int)i, &c[i], (char *)row_r + c[i].at))
            return false;
    return token_is_one(row_r->token);
}

/* The newest are the first to be told where there are more than anybody wants, but not in their order. */
static void put_query(struct buffer *sql)
{
    buffer_puts(sql, "WITH latest AS (SELECT max(id) AS any_id,"
                     " max(CASE WHEN settled_us IS NOT NULL THEN id END) AS settled_id"
                     " FROM delivery GROUP BY target, route),"
                     " wanted AS (SELECT any_id AS id FROM latest UNION SELECT settled_id FROM latest"
                     " UNION SELECT id FROM delivery WHERE state = 'pending')"
                     " SELECT ");
    put_columns(sql, "");
    buffer_puts(sql, " FROM delivery WHERE id IN (SELECT id FROM wanted ORDER BY id DESC LIMIT 50000)"
                     " ORDER BY id");
}

/* What SQLite says at the end of it. */
static int read_rows(struct history *h, history_tell *tell, void *context)
{
    struct buffer sql;
    struct ledger_row row;
    sqlite3_stmt *s = NULL;

    buffer_init(&sql, HISTORY_MAX_SQL);
    put_query(&sql);
    int code = sqlite3_prepare_v2(h->db, sql.data, -1, &s, NULL);
    buffer_free(&sql);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(s);
        if (code == SQLITE_ROW && take_row(s, &row))
            tell(context, &row);
    }
    sqlite3_finalize(s);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void pass_over(void *context, const struct ledger_row *row)
{
    (void)context;
    (void)row;
}

int history_try(struct history *h)
{
    return read_rows(h, pass_over, NULL);
}

int history_read(struct history *h, history_tell *tell, void *context, char error_r[HISTORY_ERROR_SIZE])
{
    int code = read_rows(h, tell, context);

    if (code == SQLITE_OK)
        return 0;
    history_say(h->path, h->db, code, error_r);
    return -1;
}

/* ---- pruning ---- */

int history_prune(struct history *h, int64_t now_wall_us, int64_t keep_us, int most,
                  char error_r[HISTORY_ERROR_SIZE])
{
    static const char sql[] =
        "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery AS d"
        " WHERE (opened_us < ?1 OR opened_us > ?2) AND state IS NOT 'pending'"
        " AND EXISTS (SELECT 1 FROM delivery AS n WHERE n.target = d.target AND n.route = d.route"
        " AND n.id > d.id AND n.settled_us IS NOT NULL) LIMIT ?3)";
    sqlite3_stmt *s = NULL;

    h->failed = SQLITE_OK;
    history_note(h, sqlite3_prepare_v2(h->db, sql, -1, &s, NULL));
    sqlite3_bind_int64(s, 1, now_wall_us - keep_us);
    sqlite3_bind_int64(s, 2, now_wall_us + keep_us);
    sqlite3_bind_int(s, 3, most);
    if (h->failed == SQLITE_OK)
        history_note(h, sqlite3_step(s));
    int gone = sqlite3_changes(h->db);
    sqlite3_finalize(s);
    if (h->failed == SQLITE_OK)
        return gone;
    memcpy(error_r, h->failure, HISTORY_ERROR_SIZE);
    return -1;
}

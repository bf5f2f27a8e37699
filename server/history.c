/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to SQLite. The file is made whole in one transaction before it goes over to WAL, so what is
 * found is nothing, or all of it. Its bytes 68 to 71 (SQLite's "application id") say whose it is, so what is
 * somebody else's is never touched. A commit is on the disk when it is over (synchronous=FULL): a copy in a
 * mailbox is removed because of it. Known limit: no network file systems, as SQLite's WAL has it.
 */
#include "server/history.h"

#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "server/history_row.h"
#include "server/history_state.h"
#include "server/script.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION 0x65686c64 /* "ehld" */
#define VERSION     1
#define WAIT_MS     2000 /* for another program that has it locked for a moment */
#define HEAD_SIZE   72   /* of the file: its magic, and whose it is */

/* What opening comes to. */
enum outcome { OPENED, REFUSED, BROKEN };

const char *history_version(void)
{
    return sqlite3_libversion();
}

/* ---- errors ---- */

static void say(char error_r[HISTORY_ERROR_SIZE], const char *path, const char *why)
{
    snprintf(error_r, HISTORY_ERROR_SIZE, "history.path: %s: %s", path, why);
}

static const char *sentence(int code, const char *message)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another program has it locked";
    case SQLITE_FULL:
        return "the disk is full";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return "it, or its folder, cannot be written to";
    case SQLITE_NOTADB:
        return "it is no database";
    case SQLITE_CORRUPT:
        return "it is broken";
    default:
        return message;
    }
}

static bool is_broken(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

void history_say(const char *path, sqlite3 *db, int code, char error_r[HISTORY_ERROR_SIZE])
{
    const char *why = sentence(code, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    int number = (code & 0xff) == SQLITE_IOERR && db != NULL ? sqlite3_system_errno(db) : 0;

    say(error_r, path, number == ENOSPC ? "the disk is full" : number != 0 ? strerror(number) : why);
}

/* ---- statements ---- */

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* One row of one number, or what failed. */
static int ask_number(sqlite3 *db, const char *sql, int *number_r)
{
    sqlite3_stmt *s;
    int code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        *number_r = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return code == SQLITE_ROW ? SQLITE_OK : code == SQLITE_DONE ? SQLITE_CORRUPT : code;
}

static const char *type_of(enum history_kind kind)
{
    switch (kind) {
    case HISTORY_BYTES:
        return "BLOB";
    case HISTORY_TIME:
    case HISTORY_COUNT:
    case HISTORY_BOOL:
        return "INTEGER";
    default:
        return "TEXT";
    }
}

/* ---- making ---- */

static int make_tables(sqlite3 *db)
{
    struct buffer sql;
    size_t count;
    const struct history_column *c = history_columns(&count);

    buffer_init(&sql, HISTORY_MAX_SQL);
    buffer_printf(&sql, "PRAGMA application_id=%d; PRAGMA user_version=%d;", APPLICATION, VERSION);
    buffer_puts(&sql, "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
                      "CREATE TABLE delivery (id INTEGER PRIMARY KEY AUTOINCREMENT");
    for (size_t i = 0; i < count; i++)
        buffer_printf(&sql, ", %s %s%s", c[i].name, type_of(c[i].kind), c[i].needed ? " NOT NULL" : "");
    buffer_puts(&sql, ", UNIQUE (token));"
                      "CREATE INDEX delivery_by_route ON delivery (target, route, id, settled_us);"
                      "CREATE INDEX delivery_by_age ON delivery (opened_us);"
                      "CREATE INDEX delivery_pending ON delivery (id) WHERE state = 'pending';");
    int code = run(db, sql.data);
    buffer_free(&sql);
    return code;
}

static int store_key(sqlite3 *db, const struct token_key *key)
{
    sqlite3_stmt *s;
    int code = sqlite3_prepare_v2(db, "INSERT INTO meta VALUES ('token_key', ?)", -1, &s, NULL);

    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_blob(s, 1, key->bytes, sizeof key->bytes, SQLITE_STATIC);
    code = sqlite3_step(s);
    sqlite3_finalize(s);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* All of it or nothing. */
static int make(sqlite3 *db, const struct token_key *key)
{
    int code = run(db, "BEGIN EXCLUSIVE");

    if (code == SQLITE_OK)
        code = make_tables(db);
    if (code == SQLITE_OK)
        code = store_key(db, key);
    if (code == SQLITE_OK)
        code = run(db, "COMMIT");
    return code;
}

static int load_key(sqlite3 *db, struct token_key *key_r)
{
    sqlite3_stmt *s;
    int code = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name = 'token_key'", -1, &s, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(s);
    bool good = code == SQLITE_ROW && sqlite3_column_bytes(s, 0) == (int)sizeof key_r->bytes;
    if (good)
        memcpy(key_r->bytes, sqlite3_column_blob(s, 0), sizeof key_r->bytes);
    sqlite3_finalize(s);
    return good ? SQLITE_OK : code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_CORRUPT : code;
}

/* ---- opening ---- */

static const char *sentence_of_open(int number)
{
    return number == ENOENT                      ? "the folder does not exist"
           : number == EISDIR || number == ENXIO ? "it is no regular file"
                                                 : strerror(number);
}

/* The descriptor and the lock. What stands there is looked at and not touched. */
static enum outcome take_file(struct history *h, struct stat *st_r, char error_r[HISTORY_ERROR_SIZE])
{
    h->fd = open(h->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (h->fd < 0 || fstat(h->fd, st_r) != 0) {
        say(error_r, h->path, sentence_of_open(errno));
        return REFUSED;
    }
    if (!S_ISREG(st_r->st_mode)) {
        say(error_r, h->path, "it is no regular file");
        return REFUSED;
    }
    if (flock(h->fd, LOCK_EX | LOCK_NB) != 0) {
        say(error_r, h->path, errno == EWOULDBLOCK ? "another ehlod uses it" : strerror(errno));
        return REFUSED;
    }
    return OPENED;
}

/* Null, or why it is not ours. */
static const char *find_stranger(int fd, off_t size)
{
    static const char magic[] = "SQLite format 3";
    unsigned char head[HEAD_SIZE];

    if (size == 0)
        return NULL;
    if (pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head, magic, sizeof magic) != 0)
        return "it is no database";
    unsigned id = (unsigned)head[68] << 24 | (unsigned)head[69] << 16 | (unsigned)head[70] << 8 | head[71];
    return id == APPLICATION ? NULL : "it is a database of another program";
}

static const char settings[] = "PRAGMA trusted_schema=OFF;"
                               "PRAGMA cell_size_check=ON;"
                               "PRAGMA synchronous=FULL;"
                               "PRAGMA journal_size_limit=16777216;";

static int open_database(struct history *h, int flags)
{
    int code = sqlite3_open_v2(h->path, &h->db, flags | SQLITE_OPEN_PRIVATECACHE, NULL);

    if (code != SQLITE_OK)
        return code;
    sqlite3_extended_result_codes(h->db, 1);
    sqlite3_busy_timeout(h->db, WAIT_MS);
    sqlite3_db_config(h->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return run(h->db, settings);
}

/* The tables are there, and the key is read; or they are made, of the key that is given: also where making
 * them was cut short once, and undone by SQLite just now. */
static int read_or_make(struct history *h, int *version_r)
{
    int code = ask_number(h->db, "PRAGMA user_version", version_r);

    if (code == SQLITE_OK && *version_r == 0)
        code = make(h->db, &h->key);
    if (code != SQLITE_OK || *version_r > VERSION)
        return code;
    code = run(h->db, "PRAGMA journal_mode=WAL");
    if (code == SQLITE_OK)
        code = load_key(h->db, &h->key);
    if (code == SQLITE_OK)
        code = history_drains_prepare(h);
    if (code == SQLITE_OK)
        code = history_prepare(h);
    if (code == SQLITE_OK)
        code = history_try(h);
    return code;
}

static enum outcome open_file(struct history *h, char error_r[HISTORY_ERROR_SIZE])
{
    struct stat st;
    int version = 0;

    if (take_file(h, &st, error_r) != OPENED)
        return REFUSED;
    const char *stranger = find_stranger(h->fd, st.st_size);
    if (stranger != NULL) {
        say(error_r, h->path, stranger);
        return REFUSED;
    }
    int code = open_database(h, SQLITE_OPEN_READWRITE);
    if (code == SQLITE_OK)
        code = read_or_make(h, &version);
    if (code == SQLITE_OK && version <= VERSION)
        return OPENED;
    if (code == SQLITE_OK)
        snprintf(error_r, HISTORY_ERROR_SIZE,
                 "history.path: %s: a newer ehlod wrote it (version %d; this one knows up to %d)", h->path,
                 version, VERSION);
    else
        history_say(h->path, h->db, code, error_r);
    return is_broken(code) ? BROKEN : REFUSED;
}

static void close_file(struct history *h)
{
    sqlite3_finalize(h->put);
    sqlite3_finalize(h->drop);
    sqlite3_close(h->db);
    if (h->fd >= 0)
        close(h->fd);
    h->put = h->drop = NULL;
    h->db = NULL;
    h->fd = -1;
}

/* ---- one that is broken ---- */

static int move_one(const char *path, const char *aside, const char *ending)
{
    struct buffer from, to;

    buffer_init(&from, HISTORY_ERROR_SIZE * 8);
    buffer_init(&to, HISTORY_ERROR_SIZE * 8);
    buffer_printf(&from, "%s%s", path, ending);
    buffer_printf(&to, "%s%s", aside, ending);
    int done = rename(from.data, to.data);
    buffer_free(&from);
    buffer_free(&to);
    return done == 0 || (*ending != '\0' && errno == ENOENT) ? 0 : -1;
}

/* What a reader finds later is not mixed up with the new one: its log goes first. */
static int move_aside(struct history *h, char error_r[HISTORY_ERROR_SIZE])
{
    struct buffer aside;

    buffer_init(&aside, HISTORY_ERROR_SIZE * 8);
    buffer_printf(&aside, "%s.broken-%lld", h->path, (long long)(clock_wall_us() / CLOCK_US_PER_S));
    int moved = move_one(h->path, aside.data, "-wal") == 0 && move_one(h->path, aside.data, "-shm") == 0 &&
                        move_one(h->path, aside.data, "") == 0
                    ? 0
                    : -1;
    if (moved != 0) {
        say(error_r, h->path, "it is broken, and cannot be moved aside");
    } else {
        struct buffer text;
        buffer_init(&text, HISTORY_ERROR_SIZE * 8);
        buffer_printf(&text, "history.path: %s: it was broken, and is now %s; another one is begun", h->path,
                      aside.data);
        h->notice = text.data;
    }
    buffer_free(&aside);
    return moved;
}

/* Its key may be what is still good of it: with it, messages under way are known for ours. */
static enum outcome begin_another(struct history *h, char error_r[HISTORY_ERROR_SIZE])
{
    struct token_key old;

    if (h->db != NULL && load_key(h->db, &old) == SQLITE_OK)
        h->key = old;
    int moved = move_aside(h, error_r);
    close_file(h);
    return moved == 0 ? open_file(h, error_r) : REFUSED;
}

static void note_permissions(struct history *h)
{
    struct stat st;
    struct buffer text;

    if (h->notice != NULL || fstat(h->fd, &st) != 0 || (st.st_mode & 077) == 0)
        return;
    buffer_init(&text, HISTORY_ERROR_SIZE * 8);
    buffer_printf(&text, "history.path: %s: others than its owner can read or write it", h->path);
    h->notice = text.data;
}

struct history *history_open(const char *path, char error_r[HISTORY_ERROR_SIZE])
{
    struct history *h = mem_alloc(sizeof *h);

    h->fd = -1;
    h->path = mem_dup(path);
    script_key(&h->key);
    enum outcome outcome = open_file(h, error_r);
    if (outcome == BROKEN)
        outcome = begin_another(h, error_r);
    if (outcome != OPENED) {
        history_close(h);
        return NULL;
    }
    note_permissions(h);
    return h;
}

void history_close(struct history *h)
{
    if (h == NULL)
        return;
    close_file(h);
    free(h->path);
    free(h->notice);
    explicit_bzero(&h->key, sizeof h->key);
    free(h);
}

const struct token_key *history_key(const struct history *h)
{
    return &h->key;
}

const char *history_notice(const struct history *h)
{
    return h->notice;
}

int history_peek_key(const char *path, struct token_key *key_r, char error_r[HISTORY_ERROR_SIZE])
{
    struct history h = {.path = (char *)path, .fd = -1};
    int id = 0;

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return 0;
    int code = open_database(&h, SQLITE_OPEN_READONLY);
    if (code == SQLITE_OK)
        code = ask_number(h.db, "PRAGMA application_id", &id);
    if (code == SQLITE_OK && id == APPLICATION)
        code = load_key(h.db, key_r);
    if (code != SQLITE_OK)
        history_say(path, h.db, code, error_r);
    else if (id != APPLICATION)
        say(error_r, path, "it is a database of another program");
    close_file(&h);
    return code == SQLITE_OK && id == APPLICATION ? 1 : -1;
}

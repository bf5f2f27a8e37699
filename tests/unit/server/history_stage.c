/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/history_stage.h"

#include "probe/base/clock.h"
#include "probe/base/mem.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char folder[64], path[96];

int history_stage_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ehlod-history-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/h.db", folder);
    return 0;
}

int history_stage_down(void **state)
{
    char name[512];
    DIR *d = opendir(folder);

    (void)state;
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
        unlink(name);
    }
    closedir(d);
    return rmdir(folder);
}

const char *history_stage_path(void)
{
    return path;
}

size_t history_stage_files(const char *part)
{
    size_t count = 0;
    DIR *d = opendir(folder);

    for (struct dirent *e; (e = readdir(d)) != NULL;)
        count += strstr(e->d_name, part) != NULL;
    closedir(d);
    return count;
}

char *history_stage_slurp(size_t *len_r)
{
    struct stat st;
    FILE *f = fopen(path, "rb");

    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    *len_r = (size_t)st.st_size;
    char *bytes = mem_alloc(*len_r);
    assert_int_equal(fread(bytes, 1, *len_r, f), *len_r);
    fclose(f);
    return bytes;
}

size_t history_stage_rows(void)
{
    sqlite3 *db;
    sqlite3_stmt *s;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM delivery", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    size_t count = (size_t)sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return count;
}

struct ledger_row history_stage_row(const char *route, unsigned number)
{
    static char tokens[4][TOKEN_SIZE]; /* of the last ones */
    char *token = tokens[number % 4];

    snprintf(token, TOKEN_SIZE, "%s%048x", TOKEN_START, number);
    return (struct ledger_row){.token = token,
                               .target = "mx1",
                               .route = route,
                               .run = "01JD9K",
                               .mailbox = "local",
                               .opened_us = 1000 + number,
                               .data_us = CLOCK_NONE,
                               .sent_us = 2000 + number,
                               .within_us = 60 * CLOCK_US_PER_S,
                               .state = ROUTE_DELIVERED,
                               .ok = true,
                               .settled_us = CLOCK_NONE,
                               .latency_us = CLOCK_NONE,
                               .found_us = CLOCK_NONE};
}

static void assert_field(const struct history_column *c, const char *a, const char *b)
{
    const char *left, *right;
    struct span one, other;

    if (c->kind == HISTORY_TEXT) {
        memcpy(&left, a, sizeof left);
        memcpy(&right, b, sizeof right);
        if ((left == NULL) != (right == NULL) || (left != NULL && strcmp(left, right) != 0))
            fail_msg("%s: %s, not %s", c->name, left, right);
    } else if (c->kind == HISTORY_BYTES) {
        memcpy(&one, a, sizeof one);
        memcpy(&other, b, sizeof other);
        if (one.len != other.len || (one.len > 0 && memcmp(one.data, other.data, one.len) != 0))
            fail_msg("%s: %zu octets, not %zu", c->name, one.len, other.len);
    } else {
        bool is_wide = c->kind == HISTORY_TIME || c->kind == HISTORY_COUNT || c->kind == HISTORY_FLAGS;
        size_t size = c->kind == HISTORY_BOOL ? sizeof(bool) : is_wide ? sizeof(int64_t) : sizeof(enum phase);
        if (memcmp(a, b, size) != 0)
            fail_msg("%s differs", c->name);
    }
}

void history_stage_assert_same(const struct ledger_row *a, const struct ledger_row *b)
{
    size_t count;
    const struct history_column *c = history_columns(&count);

    for (size_t i = 0; i < count; i++)
        assert_field(&c[i], (const char *)a + c[i].at, (const char *)b + c[i].at);
}

void history_stage_count(void *context, const struct ledger_row *row)
{
    (void)row;
    ++*(size_t *)context;
}

void history_stage_tell(void *context, const struct ledger_row *row)
{
    struct history_told *told = context;
    size_t len = strlen(told->text);

    snprintf(told->text + len, sizeof told->text - len, "%s%lld ", row->route, (long long)row->opened_us);
}

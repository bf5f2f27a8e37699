/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the files once a second, on a thread of libuv's pool, as a file system may hang: one look at a
 * time, which works on a copy and on the immutable config alone. What it brings is taken over on the loop,
 * unless another config has come meanwhile. Files that belong together (certificate, key, authorities) are
 * read together; while only one of two is new they do not fit, which is told, and the next look tries again.
 */
#include "server/door.h"

#include "config/secret_value.h"
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/base/slurp.h"
#include "probe/net/handle.h"
#include "server/https.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DOOR_LOOK_MS 1000
#define DOOR_MAX_PEM ((size_t)1024 * 1024)
#define DOOR_PEMS    3

/* What is known of a config's files: first those of TLS, then the tokens. */
struct states {
    size_t count;
    struct snapshot_file_state list[];
};

/* What has become of one of the config's token files. Each stands alone: one that cannot be used keeps no
 * other from being taken. */
struct token {
    bool changed;
    struct span bytes; /* no data: it cannot be used */
    const char *why;
};

struct look {
    uv_work_t work;
    struct door *door; /* null: it is gone */
    struct snapshot *snapshot;
    struct states *states; /* a copy; new ones when it is over */
    bool tls_changed;
    struct https *https; /* null: it cannot be used */
    struct arena texts;  /* wiped */
    struct token *tokens;
    char error[2 * HTTPS_ERROR_SIZE]; /* of https */
};

struct door {
    uv_loop_t *loop;
    struct log *log;
    struct hold_seat *seat;
    struct login *login;
    struct snapshot *snapshot; /* null: none yet */
    struct https *https;
    struct snapshot *next; /* between door_prepare and its end */
    struct https *next_https;
    struct states *states;
    uv_timer_t *timer;
    struct look *look; /* under way, or null */
    char error[HTTPS_ERROR_SIZE];
};

/* ---- a look, in its thread ---- */

static const struct snapshot_file *file_at(const struct snapshot *s, size_t i)
{
    const struct snapshot_file *pems[DOOR_PEMS] = {&s->tls.cert, &s->tls.key, &s->tls.client_ca};

    return i < DOOR_PEMS ? pems[i] : &s->tokens[i - DOOR_PEMS];
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* One that is not there any more has no state: that is a change, too, which is told once. */
static bool has_changed(const struct snapshot_file *file, struct snapshot_file_state *state)
{
    struct snapshot_file_state now = {0};
    struct stat st;

    if (file->path == NULL)
        return false;
    if (stat(file->path, &st) == 0)
        now = (struct snapshot_file_state){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    bool same = now.device == state->device && now.inode == state->inode && now.size == state->size &&
                is_same_time(now.modified, state->modified) && is_same_time(now.changed, state->changed);
    *state = now;
    return !same;
}

static void read_tls(struct look *k)
{
    static const struct slurp_kind kind = {"a PEM file", DOOR_MAX_PEM};
    struct arena read = {0};
    struct span pems[DOOR_PEMS] = {{0}};
    const char *why = NULL;

    for (size_t i = 0; i < DOOR_PEMS && why == NULL; i++) {
        const char *path = file_at(k->snapshot, i)->path;
        why = path != NULL ? slurp_file(path, &kind, &read, &pems[i]) : NULL;
        if (why != NULL)
            snprintf(k->error, sizeof k->error, "%s: %s", path, why);
    }
    if (why == NULL)
        k->https = https_new(
            &k->snapshot->tls,
            &(struct https_files){pems[0], pems[1].data != NULL ? pems[1] : pems[0], pems[2]}, k->error);
    arena_wipe(&read);
}

static void read_token(struct look *k, size_t i)
{
    struct token *t = &k->tokens[i];
    bool is_open;
    struct secret *secret = secret_value_file(&k->texts, k->snapshot->tokens[i].path, &is_open, &t->why);

    t->changed = true;
    if (secret == NULL)
        return;
    struct span held = secret_bytes(secret);
    t->bytes = (struct span){arena_dup_span(&k->texts, held), held.len};
    secret_free(secret);
}

static void look_at_files(uv_work_t *work)
{
    struct look *k = work->data;

    for (size_t i = 0; i < k->states->count; i++) {
        if (!has_changed(file_at(k->snapshot, i), &k->states->list[i]))
            continue;
        if (i < DOOR_PEMS)
            k->tls_changed = true;
        else
            read_token(k, i - DOOR_PEMS);
    }
    if (k->tls_changed)
        read_tls(k);
}

/* ---- its beginning and its end ---- */

static void on_time(uv_timer_t *timer);

static void look_later(struct door *d)
{
    if (d->states->count > 0)
        handle_at(d->timer, on_time, clock_mono_us() + DOOR_LOOK_MS * CLOCK_US_PER_MS);
}

static void free_look(struct look *k)
{
    snapshot_unref(k->snapshot);
    https_unref(k->https);
    arena_wipe(&k->texts);
    free(k->states);
    free(k);
}

static void take_tls(struct door *d, struct look *k)
{
    if (k->https == NULL) {
        log_event(d->log, LOG_LEVEL_WARN, "a changed certificate is not taken: the old one stands", "cause",
                  k->error, NULL);
        return;
    }
    https_unref(d->https);
    d->https = https_ref(k->https);
    log_event(d->log, LOG_LEVEL_INFO, "certificate read again", "file", d->snapshot->tls.cert.path, NULL);
}

static void take_token(struct door *d, size_t i, const struct token *t)
{
    if (t->bytes.data == NULL) {
        log_event(d->log, LOG_LEVEL_WARN, "a changed token is not taken: the old one stands", "cause", t->why,
                  NULL);
        return;
    }
    hold_begin(d->seat);
    login_set_token(d->login, i, t->bytes);
    hold_end(d->seat);
    log_event(d->log, LOG_LEVEL_INFO, "token read again", "file", d->snapshot->tokens[i].path, NULL);
}

static void take_over(struct door *d, struct look *k)
{
    struct states *before = d->states;

    d->states = k->states;
    k->states = before;
    if (k->tls_changed)
        take_tls(d, k);
    for (size_t i = 0; i < d->snapshot->token_count; i++)
        if (k->tokens[i].changed)
            take_token(d, i, &k->tokens[i]);
}

static void on_looked(uv_work_t *work, int status)
{
    struct look *k = work->data;
    struct door *d = k->door;

    (void)status;
    if (d != NULL) {
        d->look = NULL;
        if (k->snapshot == d->snapshot)
            take_over(d, k);
        look_later(d);
    }
    free_look(k);
}

static struct states *copy_states(const struct states *states)
{
    size_t size = sizeof *states + states->count * sizeof states->list[0];

    return memcpy(mem_alloc(size), states, size);
}

static void on_time(uv_timer_t *timer)
{
    struct door *d = timer->data;
    struct look *k = mem_alloc(sizeof *k);

    k->work.data = k;
    k->door = d;
    k->snapshot = snapshot_ref(d->snapshot);
    k->states = copy_states(d->states);
    k->tokens = arena_alloc(&k->texts, (d->snapshot->token_count + 1) * sizeof *k->tokens);
    d->look = k;
    (void)uv_queue_work(d->loop, &k->work, look_at_files, on_looked);
}

/* ---- what others see ---- */

static struct states *states_of(const struct snapshot *s)
{
    bool any = s->tls.cert.path != NULL || s->token_count > 0;
    size_t count = any ? DOOR_PEMS + s->token_count : 0;
    struct states *states = mem_alloc(sizeof *states + count * sizeof states->list[0]);

    states->count = count;
    for (size_t i = 0; i < count; i++)
        states->list[i] = file_at(s, i)->state;
    return states;
}

static int make_https(struct door *d, const struct snapshot *s, struct https **https_r)
{
    const struct snapshot_tls *tls = &s->tls;

    *https_r = NULL;
    if (tls->cert.path == NULL)
        return 0;
    *https_r =
        https_new(tls,
                  &(struct https_files){secret_bytes(tls->cert.held),
                                        secret_bytes(tls->key.path != NULL ? tls->key.held : tls->cert.held),
                                        secret_bytes(tls->client_ca.held)},
                  d->error);
    return *https_r != NULL ? 0 : -1;
}

static void set_login(struct door *d)
{
    const struct snapshot *s = d->snapshot;
    struct span *tokens = mem_alloc((s->token_count + 1) * sizeof *tokens);

    for (size_t i = 0; i < s->token_count; i++)
        tokens[i] = secret_bytes(s->tokens[i].held);
    login_set_users(d->login, s->users, s->user_count);
    login_set_tokens(d->login, tokens, s->token_count);
    free(tokens);
}

const char *door_prepare(struct door *d, struct snapshot *snapshot)
{
    if (make_https(d, snapshot, &d->next_https) != 0)
        return d->error;
    d->next = snapshot_ref(snapshot);
    return NULL;
}

void door_abandon(struct door *d)
{
    https_unref(d->next_https);
    snapshot_unref(d->next);
    d->next_https = NULL;
    d->next = NULL;
}

void door_commit(struct door *d)
{
    struct snapshot *before = d->snapshot;
    struct https *https = d->https;

    d->snapshot = d->next;
    d->https = d->next_https;
    free(d->states);
    d->states = states_of(d->snapshot);
    set_login(d);
    d->next = before;
    d->next_https = https;
    door_abandon(d);
    if (d->look == NULL)
        look_later(d);
}

struct https *door_https(const struct door *d)
{
    return d->https;
}

struct login *door_login(const struct door *d)
{
    return d->login;
}

struct door *door_new(uv_loop_t *loop, struct log *log, struct hold_seat *seat)
{
    struct door *d = mem_alloc(sizeof *d);

    d->loop = loop;
    d->log = log;
    d->seat = seat;
    d->login = login_new(loop);
    d->timer = handle_timer(loop, d);
    d->states = mem_alloc(sizeof *d->states);
    return d;
}

void door_free(struct door *d)
{
    if (d == NULL)
        return;
    if (d->look != NULL)
        d->look->door = NULL;
    login_free(d->login);
    handle_close_timer(d->timer);
    https_unref(d->https);
    snapshot_unref(d->snapshot);
    free(d->states);
    free(d);
}

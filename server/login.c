/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 7617 (Basic) and RFC 6750 (Bearer). Each password that is tried is one trial, which all who give the
 * same one at the same time share; few are under way at once, as each uses up a processor, and the others
 * stand in a line of limited length, of which one address has a small part. That line is the first one's, and
 * what is known is one memory for all: known.c. Known limit: bcrypt looks at the first 72 octets of a
 * password.
 */
#include "server/login.h"

#include "probe/base/mem.h"
#include "probe/base/secret.h"
#include "server/away.h"
#include "server/credentials.h"
#include "server/known.h"

#include <assert.h>
#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#define LOGIN_AT_ONCE 2 /* of the pool's four threads */
#define LOGIN_IN_LINE 64
#define LOGIN_OF_ONE  8 /* in line and under way, from one address */

struct login_waiter {
    struct login_waiter *next;
    struct login_waiter *prev;
    struct trial *trial;
    login_done *done;
    void *context;
};

struct trial {
    struct trial *next; /* in line or under way */
    uv_work_t work;
    struct login *login; /* null: it is gone */
    struct digest digest;
    struct address from; /* of who gave it first; none: no limit */
    struct secret *password;
    struct secret *hash;
    bool is_known; /* there is such a user */
    bool is_running;
    bool good;
    struct login_waiter *waiters;
    /* Beside the first one: what was given goes there, and the verdict comes back. */
    struct secret *given;
    struct post_note note;
    enum login_verdict verdict;
};

struct login {
    uv_loop_t *loop;
    struct digests *digests;
    struct trial *trials; /* all of them, in the order they came */
    size_t running;
    size_t waiting;
    bool closed;
    struct login *first; /* of all; may be this */
    /* The first one's, and read by all. */
    struct known *known;
    struct secret *key; /* of the digests */
    const struct snapshot_user *users;
    size_t user_count;
    struct digest *tokens;
    size_t token_count;
    /* Beside the first one. */
    struct post *first_post;
    struct away *away;
};

static bool is_first(const struct login *l)
{
    return l->first == l;
}

/* ---- trials ---- */

static void try_password(uv_work_t *work)
{
    struct trial *t = work->data;
    struct crypt_data *data = mem_alloc(sizeof *data);
    struct span hash = secret_bytes(t->hash);
    const char *made = crypt_r(secret_bytes(t->password).data, hash.data, data);

    t->good = made != NULL && strlen(made) == hash.len && digest_is_same(made, hash.data, hash.len);
    secret_wipe(data, sizeof *data);
    free(data);
}

static void free_trial(struct trial *t)
{
    secret_free(t->password);
    secret_free(t->hash);
    secret_free(t->given);
    free(t);
}

static void unlink_trial(struct login *l, struct trial *t)
{
    struct trial **at = &l->trials;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

static void on_tried(uv_work_t *work, int status);
static void go_to_first(struct trial *t);

static void run_more(struct login *l)
{
    for (struct trial *t = l->trials; t != NULL && (!is_first(l) || l->running < LOGIN_AT_ONCE);
         t = t->next) {
        if (t->is_running)
            continue;
        t->is_running = true;
        l->running++;
        l->waiting--;
        if (!is_first(l)) {
            go_to_first(t);
            continue;
        }
        int queued = uv_queue_work(l->loop, &t->work, try_password, on_tried);
        assert(queued == 0);
    }
}

/* The trial is no longer in the list. */
static void tell(struct trial *t, enum login_verdict verdict)
{
    while (t->waiters != NULL) {
        struct login_waiter w = *t->waiters;
        login_leave(t->waiters);
        w.done(w.context, verdict);
    }
    free_trial(t);
}

/* The trial is over. */
static void conclude(struct login *l, struct trial *t, enum login_verdict verdict)
{
    unlink_trial(l, t);
    l->running--;
    run_more(l);
    tell(t, verdict);
}

static void on_tried(uv_work_t *work, int status)
{
    struct trial *t = work->data;
    struct login *l = t->login;

    (void)status;
    if (l == NULL) {
        free_trial(t);
        return;
    }
    bool in = t->good && t->is_known;
    known_add(l->known, &t->digest, in);
    conclude(l, t, in ? LOGIN_IN : LOGIN_OUT);
}

/* ---- beside the first one ---- */

static void on_back(void *context)
{
    struct trial *t = context;
    struct login *l = t->login;

    away_back(l->away);
    conclude(l, t, t->verdict);
}

static void send_back(void *context, enum login_verdict verdict)
{
    struct trial *t = context;

    t->verdict = verdict;
    t->note.called = on_back;
    post_send(t->login->away->post, &t->note);
}

static void on_first(void *context)
{
    struct trial *t = context;
    struct login_waiter *waiter;
    bool is_limited = !address_is_local(&t->from);
    const struct login_asker asker = {secret_bytes(t->given).data, is_limited ? &t->from : NULL};
    enum login_verdict verdict = login_ask(t->login->first, &asker, send_back, t, &waiter);

    if (verdict != LOGIN_LATER)
        send_back(t, verdict);
}

static void go_to_first(struct trial *t)
{
    away_go(t->login->away);
    t->note = (struct post_note){.called = on_first, .context = t};
    post_send(t->login->first_post, &t->note);
}

static struct trial *find_trial(const struct login *l, const struct digest *digest)
{
    struct trial *t = l->trials;

    while (t != NULL && !digest_is_same(&t->digest, digest, DIGEST_SIZE))
        t = t->next;
    return t;
}

/* Whether there is no place in line for one more from there. */
static bool is_crowded(const struct login *l, const struct address *from)
{
    size_t count = 0;

    for (const struct trial *t = l->trials; from != NULL && t != NULL; t = t->next)
        count += !address_is_local(&t->from) && address_same_site(&t->from, from);
    return l->waiting >= LOGIN_IN_LINE || count >= LOGIN_OF_ONE;
}

/* At the end of the line. */
static struct trial *begin_trial(struct login *l, const struct snapshot_user *user, bool is_known,
                                 struct span password, const struct digest *digest)
{
    struct trial *t = mem_alloc(sizeof *t);
    struct trial **at = &l->trials;

    t->work.data = t;
    t->login = l;
    t->digest = *digest;
    t->password = secret_new(password);
    t->hash = secret_new(secret_bytes(user->hash));
    t->is_known = is_known;
    while (*at != NULL)
        at = &(*at)->next;
    *at = t;
    l->waiting++;
    return t;
}

static struct login_waiter *wait_for(struct trial *t, login_done *done, void *context)
{
    struct login_waiter *w = mem_alloc(sizeof *w);

    *w = (struct login_waiter){.next = t->waiters, .trial = t, .done = done, .context = context};
    if (w->next != NULL)
        w->next->prev = w;
    t->waiters = w;
    return w;
}

void login_leave(struct login_waiter *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        w->trial->waiters = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    free(w);
}

/* ---- what is given ---- */

static bool is_token(struct login *l, struct span given)
{
    struct digest digest = digests_of(l->digests, &given, 1);

    return digest_is_among(l->first->tokens, l->first->token_count, &digest);
}

/* The user of that name; of one that is not there always the same other one, so that all takes as long,
 * whatever the users' hashes cost. */
static const struct snapshot_user *find_user(struct login *l, struct span name, bool *is_known_r)
{
    struct digest digest = digests_of(l->digests, &name, 1);
    const struct snapshot_user *users = l->first->users;
    const struct snapshot_user *found = &users[digest.bytes[0] % l->first->user_count];

    *is_known_r = false;
    for (size_t i = 0; i < l->first->user_count; i++) {
        if (!span_is(name, users[i].name))
            continue;
        found = &users[i];
        *is_known_r = true;
    }
    return found;
}

static enum login_verdict judge(struct login *l, const struct credentials *given,
                                const struct login_asker *asker, login_done *done, void *context,
                                struct login_waiter **waiter_r)
{
    bool is_known;
    const struct snapshot_user *user = find_user(l, given->name, &is_known);
    /* Users may come and go while their hash, which others may have too, stays. */
    const struct span tried[] = {given->name, given->password, secret_bytes(user->hash),
                                 span_of(is_known ? "" : "-")};
    struct digest digest = digests_of(l->digests, tried, sizeof tried / sizeof tried[0]);
    enum known_verdict known = known_find(l->first->known, &digest);

    if (known != KNOWN_NOT)
        return known == KNOWN_GOOD ? LOGIN_IN : LOGIN_OUT;
    struct trial *t = find_trial(l, &digest);
    if (done == NULL || l->closed || (t == NULL && is_crowded(l, asker->from)))
        return LOGIN_BUSY;
    if (t == NULL) {
        t = begin_trial(l, user, is_known, given->password, &digest);
        t->from = asker->from != NULL ? *asker->from : (struct address){0};
        t->given = is_first(l) ? NULL : secret_new(span_of(asker->authorization));
    }
    *waiter_r = wait_for(t, done, context);
    run_more(l);
    return LOGIN_LATER;
}

static enum login_verdict judge_basic(struct login *l, const struct login_asker *asker, login_done *done,
                                      void *context, struct login_waiter **waiter_r)
{
    struct credentials given;
    enum login_verdict verdict = LOGIN_OUT;

    if (l->first->user_count == 0)
        return LOGIN_OUT;
    if (credentials_read(asker->authorization, &given) == 0)
        verdict = judge(l, &given, asker, done, context, waiter_r);
    credentials_wipe(&given);
    return verdict;
}

enum login_verdict login_ask(struct login *l, const struct login_asker *asker, login_done *done,
                             void *context, struct login_waiter **waiter_r)
{
    if (!login_is_wanted(l))
        return LOGIN_IN;
    if (asker->authorization == NULL)
        return LOGIN_OUT;
    struct span token = credentials_token(asker->authorization);
    if (token.len > 0)
        return is_token(l, token) ? LOGIN_IN : LOGIN_OUT;
    return judge_basic(l, asker, done, context, waiter_r);
}

/* ---- what is known ---- */

bool login_is_wanted(const struct login *l)
{
    return l->first->user_count > 0 || l->first->token_count > 0;
}

const char *login_challenge(const struct login *l)
{
    static const char basic[] = "Basic realm=\"ehlod\", charset=\"UTF-8\"";
    static const char bearer[] = "Bearer realm=\"ehlod\"";
    static const char both[] = "Basic realm=\"ehlod\", charset=\"UTF-8\", Bearer realm=\"ehlod\"";

    if (l->first->token_count == 0)
        return basic;
    return l->first->user_count > 0 ? both : bearer;
}

void login_set_users(struct login *l, const struct snapshot_user *users, size_t count)
{
    assert(is_first(l));
    l->users = users;
    l->user_count = count;
}

void login_set_tokens(struct login *l, const struct span *tokens, size_t count)
{
    assert(is_first(l));
    free(l->tokens);
    l->tokens = mem_alloc((count + 1) * sizeof *l->tokens);
    for (size_t i = 0; i < count; i++)
        l->tokens[i] = digests_of(l->digests, &tokens[i], 1);
    l->token_count = count;
}

void login_set_token(struct login *l, size_t i, struct span token)
{
    assert(is_first(l) && i < l->token_count);
    l->tokens[i] = digests_of(l->digests, &token, 1);
}

/* ---- life ---- */

struct login *login_new(uv_loop_t *loop)
{
    struct login *l = mem_alloc(sizeof *l);

    l->loop = loop;
    l->first = l;
    l->known = known_new();
    l->key = digests_key_new();
    l->digests = digests_new(l->key);
    return l;
}

struct login *login_beside(struct login *first, uv_loop_t *loop, struct away *away, struct post *first_post)
{
    struct login *l = mem_alloc(sizeof *l);

    assert(is_first(first));
    l->loop = loop;
    l->first = first;
    l->digests = digests_new(first->key);
    l->first_post = first_post;
    l->away = away;
    return l;
}

static struct trial *find_in_line(const struct login *l)
{
    struct trial *t = l->trials;

    while (t != NULL && t->is_running)
        t = t->next;
    return t;
}

void login_close(struct login *l)
{
    if (l == NULL)
        return;
    l->closed = true;
    for (struct trial *t = find_in_line(l); t != NULL; t = find_in_line(l)) {
        unlink_trial(l, t);
        l->waiting--;
        tell(t, LOGIN_BUSY);
    }
}

void login_free(struct login *l)
{
    if (l == NULL)
        return;
    for (struct trial *t = l->trials, *next; t != NULL; t = next) {
        next = t->next;
        assert(t->waiters == NULL);
        t->login = NULL;
        if (!t->is_running)
            free_trial(t);
    }
    digests_free(l->digests);
    known_free(l->known);
    secret_free(l->key);
    free(l->tokens);
    free(l);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 7617 (Basic) and RFC 6750 (Bearer). Each password that is tried is one trial, which all who give the
 * same one at the same time share; few are under way at once, as each uses up a processor, and the others
 * stand in a line of limited length, of which one address has a small part. Good and bad ones are remembered
 * apart, so that a flood of bad ones does not make the good be forgotten. Known limit: bcrypt looks at the
 * first 72 octets of a password.
 */
#include "server/login.h"

#include "probe/base/base64.h"
#include "probe/base/mem.h"
#include "probe/base/secret.h"
#include "server/away.h"

#include <assert.h>
#include <crypt.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGEST_SIZE      32
#define LOGIN_AT_ONCE    2 /* of the pool's four threads */
#define LOGIN_IN_LINE    64
#define LOGIN_OF_ONE     8    /* in line and under way, from one address */
#define LOGIN_REMEMBERED 256  /* as many as there may be users */
#define LOGIN_MAX_GIVEN  1024 /* octets of name and password */

struct digest {
    unsigned char bytes[DIGEST_SIZE];
};

/* The last ones, the oldest is overwritten. */
struct memory {
    struct digest ring[LOGIN_REMEMBERED];
    size_t count;
    size_t next;
};

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
    uint64_t generation;
    struct post_note note;
    enum login_verdict verdict;
};

struct login {
    uv_loop_t *loop;
    gnutls_hmac_hd_t hmac; /* its key was drawn when the service began */
    const struct snapshot_user *users;
    size_t user_count;
    struct digest *tokens;
    size_t token_count;
    struct memory good;
    struct memory bad;
    struct trial *first; /* of all, in the order they came */
    size_t running;
    size_t waiting;
    uint64_t generation;  /* of the users */
    struct login *beside; /* the next one */
    struct login *head;   /* the first one; null: it is this */
    struct post *head_post;
    struct away *away;
};

/* ---- digests ---- */

static void add(struct login *l, struct span bytes)
{
    int added = gnutls_hmac(l->hmac, &bytes.len, sizeof bytes.len);

    if (added == GNUTLS_E_SUCCESS)
        added = gnutls_hmac(l->hmac, bytes.data, bytes.len);
    assert(added == GNUTLS_E_SUCCESS);
}

static struct digest digest_of(struct login *l, const struct span *texts, size_t count)
{
    struct digest digest;

    for (size_t i = 0; i < count; i++)
        add(l, texts[i]);
    gnutls_hmac_output(l->hmac, digest.bytes);
    return digest;
}

/* In a time that does not hang on where they differ. */
static bool is_same(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *one = a, *other = b;
    unsigned char differ = 0;

    for (size_t i = 0; i < len; i++)
        differ = (unsigned char)(differ | (one[i] ^ other[i]));
    return differ == 0;
}

static bool is_among(const struct digest *list, size_t count, const struct digest *digest)
{
    bool found = false;

    for (size_t i = 0; i < count; i++)
        found = is_same(&list[i], digest, DIGEST_SIZE) || found;
    return found;
}

static void remember(struct memory *m, const struct digest *digest)
{
    m->ring[m->next] = *digest;
    m->next = (m->next + 1) % LOGIN_REMEMBERED;
    if (m->count < LOGIN_REMEMBERED)
        m->count++;
}

/* ---- trials ---- */

static void try_password(uv_work_t *work)
{
    struct trial *t = work->data;
    struct crypt_data *data = mem_alloc(sizeof *data);
    struct span hash = secret_bytes(t->hash);
    const char *made = crypt_r(secret_bytes(t->password).data, hash.data, data);

    t->good = made != NULL && strlen(made) == hash.len && is_same(made, hash.data, hash.len);
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
    struct trial **at = &l->first;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

static void on_tried(uv_work_t *work, int status);
static void go_to_first(struct trial *t);

static void run_more(struct login *l)
{
    for (struct trial *t = l->first; t != NULL && (l->head != NULL || l->running < LOGIN_AT_ONCE);
         t = t->next) {
        if (t->is_running)
            continue;
        t->is_running = true;
        l->running++;
        l->waiting--;
        if (l->head != NULL) {
            go_to_first(t);
            continue;
        }
        int queued = uv_queue_work(l->loop, &t->work, try_password, on_tried);
        assert(queued == 0);
    }
}

/* The trial is over. */
static void conclude(struct login *l, struct trial *t, enum login_verdict verdict)
{
    unlink_trial(l, t);
    l->running--;
    run_more(l);
    while (t->waiters != NULL) {
        struct login_waiter w = *t->waiters;
        login_leave(t->waiters);
        w.done(w.context, verdict);
    }
    free_trial(t);
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
    remember(in ? &l->good : &l->bad, &t->digest);
    conclude(l, t, in ? LOGIN_IN : LOGIN_OUT);
}

/* ---- beside the first one ---- */

/* What was judged by other users than it was asked for is not remembered. */
static void on_back(void *context)
{
    struct trial *t = context;
    struct login *l = t->login;

    away_back(l->away);
    if (t->verdict != LOGIN_BUSY && t->generation == l->generation)
        remember(t->verdict == LOGIN_IN ? &l->good : &l->bad, &t->digest);
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
    enum login_verdict verdict = login_ask(t->login->head, &asker, send_back, t, &waiter);

    if (verdict != LOGIN_LATER)
        send_back(t, verdict);
}

static void go_to_first(struct trial *t)
{
    away_go(t->login->away);
    t->note = (struct post_note){.called = on_first, .context = t};
    post_send(t->login->head_post, &t->note);
}

static struct trial *find_trial(const struct login *l, const struct digest *digest)
{
    struct trial *t = l->first;

    while (t != NULL && !is_same(&t->digest, digest, DIGEST_SIZE))
        t = t->next;
    return t;
}

/* Whether there is no place in line for one more from there. */
static bool is_crowded(const struct login *l, const struct address *from)
{
    size_t count = 0;

    for (const struct trial *t = l->first; from != NULL && t != NULL; t = t->next)
        count += !address_is_local(&t->from) && address_same_site(&t->from, from);
    return l->waiting >= LOGIN_IN_LINE || count >= LOGIN_OF_ONE;
}

/* At the end of the line. */
static struct trial *begin_trial(struct login *l, const struct snapshot_user *user, bool is_known,
                                 struct span password, const struct digest *digest)
{
    struct trial *t = mem_alloc(sizeof *t);
    struct trial **at = &l->first;

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

/* The credentials when the field is of that scheme; else no bytes. What is blank around them is not theirs.
 */
static struct span credentials_of(const char *field, const char *scheme)
{
    size_t len = strlen(scheme);

    if (strncasecmp(field, scheme, len) != 0 || field[len] != ' ')
        return span_of(NULL);
    field += len;
    struct span rest = span_of(field + strspn(field, " \t"));
    while (rest.len > 0 && strchr(" \t", rest.data[rest.len - 1]) != NULL)
        rest.len--;
    return rest;
}

static bool is_token(struct login *l, struct span given)
{
    struct digest digest = digest_of(l, &given, 1);

    return is_among(l->tokens, l->token_count, &digest);
}

/* The user of that name; of one that is not there always the same other one, so that all takes as long,
 * whatever the users' hashes cost. */
static const struct snapshot_user *find_user(struct login *l, struct span name, bool *is_known_r)
{
    struct digest digest = digest_of(l, (const struct span[]){name}, 1);
    const struct snapshot_user *found = &l->users[digest.bytes[0] % l->user_count];

    *is_known_r = false;
    for (size_t i = 0; i < l->user_count; i++) {
        if (!span_is(name, l->users[i].name))
            continue;
        found = &l->users[i];
        *is_known_r = true;
    }
    return found;
}

static enum login_verdict judge(struct login *l, struct span given, struct span name, struct span password,
                                const struct address *from, login_done *done, void *context,
                                struct login_waiter **waiter_r)
{
    bool is_known;
    const struct snapshot_user *user = find_user(l, name, &is_known);
    /* Users may come and go while their hash, which others may have too, stays. */
    const struct span tried[] = {name, password, secret_bytes(user->hash), span_of(is_known ? "" : "-")};
    struct digest digest = digest_of(l, tried, sizeof tried / sizeof tried[0]);

    if (is_among(l->good.ring, l->good.count, &digest))
        return LOGIN_IN;
    if (is_among(l->bad.ring, l->bad.count, &digest))
        return LOGIN_OUT;
    struct trial *t = find_trial(l, &digest);
    if (done == NULL || (t == NULL && is_crowded(l, from)))
        return LOGIN_BUSY;
    if (t == NULL) {
        t = begin_trial(l, user, is_known, password, &digest);
        t->from = from != NULL ? *from : (struct address){0};
        t->given = l->head != NULL ? secret_new(given) : NULL;
        t->generation = l->generation;
    }
    *waiter_r = wait_for(t, done, context);
    run_more(l);
    return LOGIN_LATER;
}

/* user-pass = user-id ":" password, in base64 */
static enum login_verdict judge_basic(struct login *l, const struct login_asker *asker, login_done *done,
                                      void *context, struct login_waiter **waiter_r)
{
    struct span given = credentials_of(asker->authorization, "Basic");
    char bytes[LOGIN_MAX_GIVEN];
    enum login_verdict verdict = LOGIN_OUT;

    if (l->user_count == 0 || given.len > sizeof bytes)
        return LOGIN_OUT;
    int len = base64_decode(given, bytes);
    const char *colon = len > 0 ? memchr(bytes, ':', (size_t)len) : NULL;
    if (colon != NULL && memchr(bytes, '\0', (size_t)len) == NULL) {
        size_t at = (size_t)(colon - bytes);
        verdict = judge(l, span_of(asker->authorization), (struct span){bytes, at},
                        (struct span){colon + 1, (size_t)len - at - 1}, asker->from, done, context, waiter_r);
    }
    secret_wipe(bytes, sizeof bytes);
    return verdict;
}

enum login_verdict login_ask(struct login *l, const struct login_asker *asker, login_done *done,
                             void *context, struct login_waiter **waiter_r)
{
    if (!login_is_wanted(l))
        return LOGIN_IN;
    if (asker->authorization == NULL)
        return LOGIN_OUT;
    struct span token = credentials_of(asker->authorization, "Bearer");
    if (token.len > 0)
        return is_token(l, token) ? LOGIN_IN : LOGIN_OUT;
    return judge_basic(l, asker, done, context, waiter_r);
}

/* ---- what is known ---- */

bool login_is_wanted(const struct login *l)
{
    return l->user_count > 0 || l->token_count > 0;
}

const char *login_challenge(const struct login *l)
{
    static const char basic[] = "Basic realm=\"ehlod\", charset=\"UTF-8\"";
    static const char bearer[] = "Bearer realm=\"ehlod\"";
    static const char both[] = "Basic realm=\"ehlod\", charset=\"UTF-8\", Bearer realm=\"ehlod\"";

    if (l->token_count == 0)
        return basic;
    return l->user_count > 0 ? both : bearer;
}

void login_set_users(struct login *login, const struct snapshot_user *users, size_t count)
{
    for (struct login *l = login; l != NULL; l = l->beside) {
        l->users = users;
        l->user_count = count;
        l->generation++;
    }
}

static void set_tokens(struct login *l, const struct span *tokens, size_t count)
{
    free(l->tokens);
    l->tokens = mem_alloc((count + 1) * sizeof *l->tokens);
    for (size_t i = 0; i < count; i++)
        l->tokens[i] = digest_of(l, &tokens[i], 1);
    l->token_count = count;
}

void login_set_tokens(struct login *login, const struct span *tokens, size_t count)
{
    for (struct login *l = login; l != NULL; l = l->beside)
        set_tokens(l, tokens, count);
}

void login_set_token(struct login *login, size_t i, struct span token)
{
    assert(i < login->token_count);
    for (struct login *l = login; l != NULL; l = l->beside)
        l->tokens[i] = digest_of(l, &token, 1);
}

/* ---- life ---- */

struct login *login_new(uv_loop_t *loop)
{
    struct login *l = mem_alloc(sizeof *l);
    unsigned char key[DIGEST_SIZE];
    int made = gnutls_rnd(GNUTLS_RND_KEY, key, sizeof key);

    if (made == GNUTLS_E_SUCCESS)
        made = gnutls_hmac_init(&l->hmac, GNUTLS_MAC_SHA256, key, sizeof key);
    assert(made == GNUTLS_E_SUCCESS);
    secret_wipe(key, sizeof key);
    l->loop = loop;
    return l;
}

struct login *login_beside(struct login *first, uv_loop_t *loop, struct away *away, struct post *first_post)
{
    struct login *l = login_new(loop);

    assert(first->user_count == 0 && first->token_count == 0);
    l->head = first;
    l->head_post = first_post;
    l->away = away;
    l->beside = first->beside;
    first->beside = l;
    return l;
}

void login_free(struct login *l)
{
    if (l == NULL)
        return;
    for (struct trial *t = l->first, *next; t != NULL; t = next) {
        next = t->next;
        assert(t->waiters == NULL);
        t->login = NULL;
        if (!t->is_running)
            free_trial(t);
    }
    gnutls_hmac_deinit(l->hmac, NULL);
    free(l->tokens);
    free(l);
}

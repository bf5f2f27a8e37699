/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OAuth access tokens (RFC 6749: 4.4 client credentials, 6 refresh tokens, 5 answers). The client proves
 * itself in the form (2.3.1), which every large provider takes. The one place of probe/ that reads JSON, with
 * the library that the views write it with: an answer of a token server is no place for a parser of our own.
 */
#include "probe/verify/oauth.h"

#include "probe/base/arena.h"
#include "probe/base/clock.h"
#include "probe/base/mask.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/net/handle.h"
#include "probe/verify/link.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_LIFE_S 300 /* where the server does not say */
#define MAX_LIFE_S     (30 * 24 * 3600)
#define MAX_SHOWN      200

struct oauth {
    uv_loop_t *loop;
    struct dns *dns;
    const struct account *account;
    struct secret *token;   /* null: none */
    struct secret *refresh; /* that replaced the config's; null: none did */
    int64_t until_us;       /* the token is good until then */
    struct link_post *post; /* null unless it is asked for */
    uv_timer_t *later;      /* null unless a known token is to be given */
    oauth_got *got;         /* null unless somebody waits */
    void *context;
};

/* ---- the form ---- */

/* Written in one piece of memory, since it holds secrets. */
struct form {
    char *text;
    size_t len;
};

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

static void put(struct form *f, struct span text)
{
    memcpy(f->text + f->len, text.data, text.len);
    f->len += text.len;
}

static void put_escaped(struct form *f, struct span value)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (is_plain((char)c))
            put(f, (struct span){&value.data[i], 1});
        else
            put(f, (struct span){(char[]){'%', digits[c >> 4], digits[c & 15]}, 3});
    }
}

/* An empty value is left out. */
static void put_field(struct form *f, const char *name, struct span value)
{
    if (value.len == 0)
        return;
    put(f, span_of(f->len > 0 ? "&" : ""));
    put(f, span_of(name));
    put(f, span_of("="));
    put_escaped(f, value);
}

static struct span join_scopes(struct arena *a, const struct account_oauth *oauth)
{
    const char *all = "";

    for (size_t i = 0; i < oauth->scope_count; i++)
        all = arena_printf(a, "%s%s%s", all, i > 0 ? " " : "", oauth->scopes[i]);
    return span_of(all);
}

struct span oauth_form(struct arena *a, const struct account_oauth *oauth, struct span refresh)
{
    static const char names[] =
        "grant_type=client_credentials&client_id=&client_secret=&refresh_token=&scope=";
    struct span secret = secret_bytes(oauth->client_secret), scopes = join_scopes(a, oauth);
    struct span id = span_of(oauth->client_id);
    struct form f = {arena_alloc(a, sizeof names + 3 * (id.len + secret.len + refresh.len + scopes.len)), 0};

    put_field(&f, "grant_type", span_of(refresh.len > 0 ? "refresh_token" : "client_credentials"));
    put_field(&f, "client_id", id);
    put_field(&f, "client_secret", secret);
    put_field(&f, "refresh_token", refresh);
    put_field(&f, "scope", scopes);
    return (struct span){f.text, f.len};
}

/* ---- the answer ---- */

/* Of that name; null when there is none, or it is no text, or longer than a token may be. */
static const char *text_of(struct arena *a, const json_t *answer, const char *name)
{
    const json_t *value = json_object_get(answer, name);
    size_t len = json_string_length(value);

    return len > 0 && len <= OAUTH_MAX_TOKEN ? arena_dup_span(a, (struct span){json_string_value(value), len})
                                             : NULL;
}

/* 1*VSCHAR, appendix A.12; a blank would be one too many for a login. */
static bool is_token(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < '!' || *text > '~')
            return false;
    return true;
}

static int64_t life_of(const json_t *answer)
{
    const json_t *said = json_object_get(answer, "expires_in");
    json_int_t s = DEFAULT_LIFE_S;

    if (json_is_integer(said))
        s = json_integer_value(said);
    else if (json_is_string(said)) /* some say it so */
        s = strtoll(json_string_value(said), NULL, 10);
    if (s < 1 || s > MAX_LIFE_S)
        s = s < 1 ? 1 : MAX_LIFE_S;
    return s * CLOCK_US_PER_S;
}

/* What the server says, which may repeat what it was sent. */
static const char *show(struct arena *a, const char *text, const struct mask *mask)
{
    struct span said = span_of(text);
    char *masked = arena_alloc(a, mask_room(said.len));

    return text_show(a, (struct span){masked, mask_apply(mask, said, masked)}, MAX_SHOWN);
}

/* Section 5.2. Both texts are the server's. */
static const char *refusal(struct arena *a, int status, const json_t *answer, const struct mask *mask)
{
    const char *error = text_of(a, answer, "error");
    const char *more = text_of(a, answer, "error_description");

    if (error == NULL)
        return arena_printf(a, "HTTP status %d", status);
    error = show(a, error, mask);
    return more == NULL ? error : arena_printf(a, "%s: %s", error, show(a, more, mask));
}

static void read_token(struct arena *a, const json_t *answer, struct oauth_answer *r)
{
    const char *token = text_of(a, answer, "access_token");
    const char *type = text_of(a, answer, "token_type");

    if (token == NULL || !is_token(token)) {
        r->why = "its answer holds no token";
    } else if (type == NULL || strcasecmp(type, "bearer") != 0) {
        r->why = "its token is no bearer token";
    } else {
        r->token = token;
        r->refresh = text_of(a, answer, "refresh_token");
        r->life_us = life_of(answer);
    }
}

struct oauth_answer oauth_read_answer(struct arena *a, int status, struct span body, const struct mask *mask)
{
    struct oauth_answer r = {0};
    json_t *answer = json_loadb(body.data != NULL ? body.data : "", body.len, JSON_REJECT_DUPLICATES, NULL);

    if (status != 200)
        r.why = refusal(a, status, answer, mask);
    else if (!json_is_object(answer))
        r.why = "its answer is no JSON object";
    else
        read_token(a, answer, &r);
    json_decref(answer);
    return r;
}

/* ---- the life of tokens ---- */

struct oauth *oauth_new(uv_loop_t *loop, struct dns *dns, const struct account *account)
{
    struct oauth *o = mem_alloc(sizeof *o);

    o->loop = loop;
    o->dns = dns;
    o->account = account;
    return o;
}

void oauth_cancel(struct oauth *o)
{
    o->got = NULL;
    link_post_cancel(o->post);
    o->post = NULL;
    handle_close_timer(o->later);
    o->later = NULL;
}

void oauth_free(struct oauth *o)
{
    if (o == NULL)
        return;
    oauth_cancel(o);
    secret_free(o->token);
    secret_free(o->refresh);
    free(o);
}

void oauth_refused(struct oauth *o)
{
    secret_free(o->token);
    o->token = NULL;
}

/* The last thing that is done with it in a callback. */
static void give(struct oauth *o, const char *why)
{
    oauth_got *got = o->got;

    o->got = NULL;
    got(o->context, why == NULL ? secret_bytes(o->token) : (struct span){0}, why);
}

static void follow(struct oauth *o, const struct oauth_answer *answer, int64_t now_us)
{
    if (answer->token == NULL)
        return;
    o->token = secret_new(span_of(answer->token));
    o->until_us = now_us + answer->life_us / 4 * 3;
    if (answer->refresh == NULL)
        return;
    secret_free(o->refresh);
    o->refresh = secret_new(span_of(answer->refresh));
}

/* A secret as it is, and as the form holds it. */
static void hide(struct mask *mask, struct arena *a, const struct secret *secret)
{
    struct span bytes = secret_bytes(secret);
    struct form f = {arena_alloc(a, 3 * bytes.len + 1), 0};

    put_escaped(&f, bytes);
    mask_add(mask, bytes);
    mask_add_exact(mask, (struct span){f.text, f.len});
}

static struct mask *mask_of(const struct oauth *o, struct arena *a)
{
    struct mask *mask = mask_new();

    hide(mask, a, o->account->oauth.client_secret);
    hide(mask, a, o->account->oauth.refresh_token);
    hide(mask, a, o->refresh);
    return mask;
}

static void on_posted(void *context, int status, struct span body, const char *why)
{
    struct oauth *o = context;
    struct arena scratch = {0};
    struct oauth_answer answer = {.why = why};

    struct mask *mask = mask_of(o, &scratch);

    o->post = NULL;
    if (status != 0)
        answer = oauth_read_answer(&scratch, status, body, mask);
    mask_free(mask);
    follow(o, &answer, clock_mono_us());
    give(o, answer.token != NULL
                ? NULL
                : arena_printf(&scratch, "no token from %s: %s", o->account->oauth.token_url, answer.why));
    arena_wipe(&scratch);
}

static void on_later(uv_timer_t *timer)
{
    struct oauth *o = timer->data;

    handle_close_timer(o->later);
    o->later = NULL;
    give(o, NULL);
}

static void post(struct oauth *o, int64_t deadline_us)
{
    const struct account_oauth *oauth = &o->account->oauth;
    struct arena scratch = {0};
    struct span form =
        oauth_form(&scratch, oauth, secret_bytes(o->refresh != NULL ? o->refresh : oauth->refresh_token));

    o->post = link_post(&(struct link_post_order){.loop = o->loop,
                                                  .dns = o->dns,
                                                  .url = oauth->token_url,
                                                  .ca_file = o->account->ca_file,
                                                  .form = form,
                                                  .deadline_us = deadline_us},
                        on_posted, o);
    arena_wipe(&scratch);
}

void oauth_ask(struct oauth *o, int64_t deadline_us, oauth_got *got, void *context)
{
    assert(o->got == NULL);
    o->got = got;
    o->context = context;
    if (o->token != NULL && clock_mono_us() < o->until_us) {
        o->later = handle_timer(o->loop, o);
        handle_at(o->later, on_later, 0);
        return;
    }
    oauth_refused(o);
    post(o, deadline_us);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to an IMAP or POP3 server. libcurl dials, does TLS and logs in (CURLOPT_CONNECT_ONLY; RFC
 * 4959, 5034, 7628); what comes after that is read and written through it as bytes. What it hears before is
 * bounded here, since libcurl would listen for ever. Limits: bytes in the same packet behind the reply to the
 * login stay with libcurl and are lost; a server has nothing to say there. Where it offers neither SASL PLAIN
 * nor LOGIN the login is tried once more by any other way but GSSAPI, which might wait for a Kerberos server.
 */
#include "probe/verify/link.h"

#include "probe/base/arena.h"
#include "probe/base/base64.h"
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "probe/base/mask.h"
#include "probe/base/mem.h"
#include "probe/base/secret.h"
#include "probe/base/text.h"
#include "probe/net/handle.h"
#include "probe/verify/link_pump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MOST_HEARD = 64 * 1024, /* before it is up */
    MOST_TO_SEND = 64 * 1024,
    PIECE = 16 * 1024,
    PIECES_AT_ONCE = 4, /* then others have their turn */
    LINE_SIZE = 512,
    MOST_SHOWN = 300
};

struct link {
    uv_timer_t timer; /* of what comes later; closing it frees the link */
    struct link_order order;
    struct secret *token; /* null = the password is used */
    struct mask *mask;
    const struct link_events *events;
    void *context;
    struct link_pump *pump;
    uv_poll_t *poll; /* once it is up */
    int watched;     /* for which events */
    struct buffer out;
    bool is_up;
    bool is_over; /* freed, or down was told */

    /* what was heard and said before it was up */
    bool any_way; /* to log in: neither PLAIN nor LOGIN was offered */
    size_t heard;
    bool flooded;
    bool preauth;
    bool foreign; /* its first line greets in no language of ours */
    bool tried;   /* the login was said */
    bool gssapi;  /* it is spoken of */
    size_t lines; /* whole ones */
    char line[LINE_SIZE];
    char challenge[LINE_SIZE]; /* in a login by token: it says why */

    char why[LINK_WHY_SIZE]; /* it broke, which was not told yet; "" = it did not */
};

/* ---- what is heard until it is up ---- */

static bool wants_tls(const struct link *l)
{
    return !l->order.account->implicit_tls && !l->order.account->allow_plaintext;
}

/* libcurl passes over what is no greeting, and waits on. */
static bool greets(const struct link *l)
{
    return l->order.account->protocol == ACCOUNT_IMAP ? strncmp(l->line, "* ", 2) == 0
                                                      : l->line[0] == '+' || strncmp(l->line, "-ERR", 4) == 0;
}

static void keep_line(struct link *l, const char *data, size_t len)
{
    while (len && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    snprintf(l->line, sizeof l->line, "%.*s", (int)len, data);
    if (l->tried && strncmp(l->line, "+ ", 2) == 0 && l->line[2])
        memcpy(l->challenge, l->line, sizeof l->challenge);
    l->gssapi = l->gssapi || strcasestr(l->line, "GSSAPI");
    if (l->lines++ == 0) {
        l->preauth = strncasecmp(l->line, "* PREAUTH", 9) == 0;
        l->foreign = !greets(l);
    }
}

/* Each line; less than its length lets libcurl give up. */
static size_t on_line(char *data, size_t size, size_t count, void *context)
{
    struct link *l = context;
    size_t len = size * count;

    keep_line(l, data, len);
    return l->flooded || l->foreign || (l->preauth && wants_tls(l)) ? 0 : len;
}

/* Also of lines that never end, which libcurl reads on inside one call while there is any. */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *context)
{
    struct link *l = context;
    static const char *const logins[] = {" AUTHENTICATE ", " LOGIN ", "AUTH ", "USER ", "APOP "};

    (void)easy;
    if (l->is_up)
        return 0;
    if (type == CURLINFO_HEADER_OUT) {
        struct arena a = {0};
        const char *text = arena_dup_span(&a, (struct span){data, size});
        for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++)
            l->tried = l->tried || strstr(text, logins[i]);
        arena_wipe(&a);
        return 0;
    }
    if (type == CURLINFO_HEADER_IN)
        l->heard += size;
    else if (type == CURLINFO_TEXT && size >= 9 && strncmp(data, "Excessive", 9) == 0)
        l->heard += MOST_HEARD / 8;
    if (l->heard > MOST_HEARD && !l->flooded) {
        l->flooded = true;
        link_pump_break(l->pump);
    }
    return 0;
}

/* ---- why it failed ---- */

/* A piece of what the server said, without our secrets, in quotes. */
static const char *show(struct link *l, struct arena *a, struct span text)
{
    char *masked = arena_alloc(a, mask_room(text.len));
    size_t len = mask_apply_cut(l->mask, text, masked);

    return arena_printf(a, "\"%s\"", text_show(a, (struct span){masked, len}, MOST_SHOWN));
}

/* The line without its tag, and without "* ". */
static const char *words_of(const struct link *l)
{
    const char *space = strchr(l->line, ' ');

    return l->order.account->protocol == ACCOUNT_IMAP && space ? space + 1 : l->line;
}

/* What a refused token has wrong, as the server says it (RFC 7628 section 3.2.2); null when it does not. */
static const char *say_challenge(struct link *l, struct arena *a)
{
    struct span text = {l->challenge + 2, strlen(l->challenge + (l->challenge[0] ? 2 : 0))};
    char *plain = arena_alloc(a, LINE_SIZE);
    int len = l->challenge[0] && l->token ? base64_decode(text, plain) : -1;

    if (len <= 0 || !text_is_clean((struct span){plain, (size_t)len}))
        return NULL;
    return show(l, a, (struct span){plain, (size_t)len});
}

static const char *say_refused(struct link *l, struct arena *a)
{
    const char *words = l->line[0] == '+' ? NULL : show(l, a, span_of(words_of(l)));
    const char *challenge = say_challenge(l, a);

    if (words && challenge)
        return arena_printf(a, "login refused: %s (%s)", words, challenge);
    return arena_printf(a, "login refused: %s",
                        words       ? words
                        : challenge ? challenge
                                    : "no reason was given");
}

static const char *say_no_way(const struct link *l, struct arena *a)
{
    return l->token ? "the server offers no login by token (OAUTHBEARER, XOAUTH2)"
                    : arena_printf(a, "the server offers no login by password (%s)",
                                   l->order.account->protocol == ACCOUNT_IMAP ? "SASL, LOGIN" : "SASL, USER");
}

static const char *say_no_tls(const struct link *l, struct arena *a)
{
    const char *what = l->order.account->protocol == ACCOUNT_IMAP ? "STARTTLS" : "STLS";

    if (l->preauth)
        return arena_printf(a, "the server greets with PREAUTH, so %s is not possible", what);
    return arena_printf(a, "the server does not begin TLS (%s), and nobody logs in without (allow_plaintext)",
                        what);
}

static bool says_goodbye(const struct link *l)
{
    return strncasecmp(l->line, "* BYE", 5) == 0 || strncasecmp(l->line, "-ERR", 4) == 0;
}

static const char *say(struct link *l, struct arena *a, CURLcode code)
{
    char *why = arena_alloc(a, LINK_WHY_SIZE);

    if (l->flooded)
        return arena_printf(a, "the server said more than %d KiB before the login was over",
                            MOST_HEARD / 1024);
    if (l->preauth && wants_tls(l))
        return say_no_tls(l, a);
    if (code == CURLE_LOGIN_DENIED)
        return l->tried ? say_refused(l, a) : say_no_way(l, a);
    if (code == CURLE_USE_SSL_FAILED)
        return say_no_tls(l, a);
    if (l->lines && says_goodbye(l) && code != CURLE_OPERATION_TIMEDOUT)
        return arena_printf(a, "the server hung up: %s", show(l, a, span_of(words_of(l))));
    if ((code == CURLE_WEIRD_SERVER_REPLY || l->foreign) && l->lines)
        return arena_printf(a, "the server says what nobody expects: %s", show(l, a, span_of(l->line)));
    link_pump_say(l->pump, code, why);
    return why;
}

/* ---- the end ---- */

static void put_down(struct link *l, const char *why, bool is_login)
{
    l->is_over = true;
    l->events->down(l->context, why, is_login);
}

static void on_broken(uv_timer_t *timer)
{
    struct link *l = timer->data;

    put_down(l, l->why, false);
}

/* Told in the loop's next turn. */
static void broken(struct link *l, const char *why)
{
    if (l->why[0])
        return;
    snprintf(l->why, sizeof l->why, "%s", why);
    if (l->poll)
        uv_poll_stop(l->poll);
    handle_at(&l->timer, on_broken, clock_mono_us());
}

/* ---- once it is up ---- */

static void watch(struct link *l);

static void on_later(uv_timer_t *timer);

static void lost(struct link *l, CURLcode code)
{
    char why[LINK_WHY_SIZE];

    link_pump_say(l->pump, code, why);
    broken(l, why);
}

/* Reads some, and says whether there may be more at once. */
static bool read_some(struct link *l)
{
    char data[PIECE];

    for (int i = 0; i < PIECES_AT_ONCE; i++) {
        size_t len = 0;
        CURLcode code = curl_easy_recv(link_pump_easy(l->pump), data, sizeof data, &len);
        if (code == CURLE_AGAIN)
            return false;
        if (code != CURLE_OK || !len) {
            lost(l, code == CURLE_OK ? CURLE_GOT_NOTHING : code);
            return false;
        }
        l->events->bytes(l->context, (struct span){data, len});
        if (l->is_over || l->why[0])
            return false;
    }
    return true;
}

static void write_some(struct link *l)
{
    while (l->out.len) {
        size_t len = 0;
        CURLcode code = curl_easy_send(link_pump_easy(l->pump), l->out.data, l->out.len, &len);
        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK) {
            lost(l, code);
            return;
        }
        buffer_consume(&l->out, len);
    }
}

static void go_on(struct link *l)
{
    if (read_some(l))
        handle_at(&l->timer, on_later, clock_mono_us());
    if (l->is_over || l->why[0])
        return;
    write_some(l);
    watch(l);
}

static void on_later(uv_timer_t *timer)
{
    go_on(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct link *l = poll->data;

    (void)status; /* reading says what it was */
    (void)events;
    l->watched = status < 0 ? 0 : l->watched;
    go_on(l);
}

static void watch(struct link *l)
{
    int wanted = UV_READABLE | (l->out.len ? UV_WRITABLE : 0);

    if (!l->why[0] && wanted != l->watched)
        uv_poll_start(l->poll, wanted, on_ready);
    l->watched = wanted;
}

static void come_up(struct link *l)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    curl_easy_getinfo(link_pump_easy(l->pump), CURLINFO_ACTIVESOCKET, &fd);
    l->poll = fd == CURL_SOCKET_BAD ? NULL : handle_poll(l->order.loop, fd, l);
    if (!l->poll) {
        put_down(l, "the system has no room to watch its socket", false);
        return;
    }
    l->is_up = true;
    watch(l);
    /* TLS may hold bytes that the socket does not show any more. */
    handle_at(&l->timer, on_later, clock_mono_us());
    l->events->up(l->context);
}

/* ---- the login ---- */

static void log_in(struct link *l);

static void forget_dialogue(struct link *l)
{
    link_pump_free(l->pump);
    l->pump = NULL;
    l->heard = l->lines = 0;
    l->line[0] = l->challenge[0] = '\0';
    l->preauth = l->foreign = l->tried = l->gssapi = false;
}

static void on_logged_in(void *context, CURLcode code)
{
    struct link *l = context;
    struct arena a = {0};

    if (code == CURLE_OK) {
        come_up(l);
    } else if (code == CURLE_LOGIN_DENIED && !l->tried && !l->any_way && !l->gssapi && !l->token) {
        l->any_way = true;
        forget_dialogue(l);
        log_in(l);
    } else {
        put_down(l, say(l, &a, code), code == CURLE_LOGIN_DENIED && l->tried);
        arena_free(&a);
    }
}

static void set_tls(CURL *easy, const struct account *account)
{
    bool verify = !account->insecure_skip_verify;

    if (!account->implicit_tls)
        curl_easy_setopt(easy, CURLOPT_USE_SSL,
                         (long)(account->allow_plaintext ? CURLUSESSL_TRY : CURLUSESSL_ALL));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)verify);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    if (account->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, account->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static void set_login(struct link *l, CURL *easy)
{
    const struct account *account = l->order.account;

    curl_easy_setopt(easy, CURLOPT_USERNAME, account->username);
    if (l->token) {
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, secret_bytes(l->token).data);
        curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, "AUTH=OAUTHBEARER;AUTH=XOAUTH2");
        return;
    }
    curl_easy_setopt(easy, CURLOPT_PASSWORD, secret_bytes(account->password).data);
    if (!l->any_way)
        curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
}

/* The URL names whom the certificate must be for; where that is was told to the pump. */
static void set_url(CURL *easy, const struct account *account)
{
    static const char *const schemes[ACCOUNT_PROTOCOL_COUNT] = {"imap", "pop3"};
    const char *name = account->server_name ? account->server_name : account->host;
    const char *scheme = schemes[account->protocol];
    bool v6 = strchr(name, ':');
    struct arena a = {0};

    curl_easy_setopt(easy, CURLOPT_URL,
                     arena_printf(&a, "%s%s://%s%s%s:%u/", scheme, account->implicit_tls ? "s" : "",
                                  v6 ? "[" : "", name, v6 ? "]" : "", account->port));
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                     arena_printf(&a, "%s%s", scheme, account->implicit_tls ? "s" : ""));
    arena_free(&a);
}

static void log_in(struct link *l)
{
    struct link_pump_order order = {.loop = l->order.loop,
                                    .dns = l->order.dns,
                                    .host = l->order.account->host,
                                    .port = l->order.account->port,
                                    .deadline_us = l->order.deadline_us};
    CURL *easy = curl_easy_init();

    if (!easy) {
        broken(l, "libcurl cannot be used: no memory");
        return;
    }
    set_url(easy, l->order.account);
    set_tls(easy, l->order.account);
    set_login(l, easy);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, l);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, l);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    l->pump = link_pump_start(&order, easy, on_logged_in, l);
}

static void hide(struct link *l)
{
    struct span password = secret_bytes(l->order.account->password);

    l->mask = mask_new();
    if (l->token)
        mask_add(l->mask, secret_bytes(l->token));
    if (password.len)
        mask_add(l->mask, password);
}

struct link *link_open(const struct link_order *order, const struct link_events *events, void *context)
{
    struct link *l = mem_alloc(sizeof *l);

    l->order = *order;
    l->order.token = (struct span){0};
    l->token = order->token.len ? secret_new(order->token) : NULL;
    l->events = events;
    l->context = context;
    buffer_init(&l->out, MOST_TO_SEND);
    uv_timer_init(order->loop, &l->timer);
    l->timer.data = l;
    hide(l);
    log_in(l);
    return l;
}

void link_send(struct link *l, struct span bytes)
{
    if (l->is_over || l->why[0])
        return;
    buffer_put(&l->out, bytes.data, bytes.len);
    if (l->out.full) {
        broken(l, "the server does not take what is sent");
        return;
    }
    write_some(l);
    watch(l);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void link_free(struct link *l)
{
    if (!l)
        return;
    l->is_over = true;
    handle_close_poll(l->poll);
    link_pump_free(l->pump);
    secret_free(l->token);
    mask_free(l->mask);
    buffer_free(&l->out);
    uv_close((uv_handle_t *)&l->timer, on_closed);
}

/* Where it fails so does each handle, which is told then. */
void link_prepare(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

const char *link_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Turns talks and config files into inputs of the targets, and adds what neither of them shows. */
#include "probe/base/buffer.h"
#include "probe/base/clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_login.h"
#include "tests/talk/talk.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TALKS     "tests/talk"
#define CONFIGS   "tests/config"
#define MOST_SEED (1024 * 1024)

struct giver {
    fuzz_take_seed *take;
    void *context;
    unsigned count;
};

static void give(struct giver *g, const char *target, const char *name, struct span input)
{
    g->take(g->context, target, name, input);
    g->count++;
}

/* events */

static void put_bytes(struct buffer *b, struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        const char literal[] = {FUZZ_LITERAL, bytes.data[i]};
        if (strchr("\1\2\3\4\5\6\7\16\17", bytes.data[i]) && bytes.data[i])
            buffer_put(b, literal, 2);
        else
            buffer_put(b, &bytes.data[i], 1);
    }
}

static void put_wait(struct buffer *b, int64_t us)
{
    while (us > 0) {
        uint8_t n = 1;
        while (n < 255 && n * n * CLOCK_US_PER_MS < us)
            n++;
        const char wait[] = {FUZZ_WAIT, (char)n};
        buffer_put(b, wait, 2);
        us -= n * n * CLOCK_US_PER_MS;
    }
}

static void put_event(struct buffer *b, const struct talk_event *event)
{
    static const char part = FUZZ_PART, closes = FUZZ_CLOSE, resets = FUZZ_RESET;

    switch (event->kind) {
    case TALK_SAY:
        put_bytes(b, event->bytes);
        buffer_put(b, &part, 1);
        break;
    case TALK_PAUSE:
        put_wait(b, event->us);
        break;
    case TALK_CLOSE:
        buffer_put(b, &closes, 1);
        break;
    case TALK_RESET:
        buffer_put(b, &resets, 1);
        break;
    default: /* what the client says is its own business */
        break;
    }
}

/* talks */

/* The plan that is most like that of the talk. */
static char plan_alike(const struct plan *plan)
{
    bool sends = false;

    if (plan->proxy.wanted)
        return plan_has_xclient(plan) ? 13 : 11;
    if (plan_has_xclient(plan))
        return 12;
    if (plan->login.wanted)
        return (char)(FUZZ_PLANS_LOGIN + (plan->login.rejected ? 2 : plan->login.token ? 1 : 0));
    if (plan->protocol == PROTOCOL_LMTP)
        return (char)(FUZZ_PLANS_LMTP + (plan->route_count > 1));
    if (plan->script)
        return FUZZ_PLANS - 1 - FUZZ_SCRIPTS;
    for (size_t i = 0; i < plan->route_count; i++)
        sends = sends || plan_route_sends(&plan->routes[i]);
    if (sends)
        return plan->route_count == 1 ? 3 : 4;
    return (char)(plan->route_count < 2 ? plan->route_count : 2);
}

/* The server's part for the client, with the plan most like it and with another one. */
static void give_client(struct giver *g, const struct talk *talk)
{
    const char plans[] = {plan_alike(&talk->plan), (char)(3 + g->count / 2 % (FUZZ_PLANS - 3))};

    for (size_t k = 0; k < sizeof(plans); k++) {
        struct buffer b;
        buffer_init(&b, MOST_SEED);
        buffer_put(&b, &plans[k], 1);
        for (size_t i = 0; i < talk->event_count; i++)
            put_event(&b, &talk->events[i]);
        give(g, "client", k ? "other-plan" : talk->name, buffer_span(&b));
        buffer_free(&b);
    }
}

/* The same inside of TLS, by each mode in turn; one that is left out of STARTTLS is played without it. */
static void give_client_tls(struct giver *g, struct arena *a, const struct talk *talk)
{
    static const enum tls_mode modes[] = {TLS_MODE_STARTTLS, TLS_MODE_OPPORTUNISTIC, TLS_MODE_IMPLICIT};
    size_t which = g->count % 3;
    const char plan = (char)(FUZZ_PLANS_TLS + which), secured = FUZZ_SECURED;
    const struct talk *inside = talk_inside(a, talk, modes[which]);
    struct buffer b;

    if (!inside)
        inside = talk;
    buffer_init(&b, MOST_SEED);
    buffer_put(&b, &plan, 1);
    for (size_t i = 0; i < inside->event_count; i++) {
        if (inside != talk && i == inside->secure_at)
            buffer_put(&b, &secured, 1);
        put_event(&b, &inside->events[i]);
    }
    give(g, "client", "in-tls", buffer_span(&b));
    buffer_free(&b);
}

/* All that the server says for the reply parser. */
static void give_reply(struct giver *g, const struct talk *talk)
{
    const char kind[] = {2, (char)g->count};
    struct buffer b;

    buffer_init(&b, MOST_SEED);
    buffer_put(&b, kind, sizeof(kind));
    for (size_t i = 0; i < talk->event_count; i++)
        if (talk->events[i].kind == TALK_SAY)
            buffer_put(&b, talk->events[i].bytes.data, talk->events[i].bytes.len);
    give(g, "reply", talk->name, buffer_span(&b));
    buffer_free(&b);
}

static void give_talk(struct giver *g, const char *path)
{
    struct arena a = {0};
    const struct talk *talk = talk_load(&a, path);

    fuzz_require(talk != NULL, "a talk can be read");
    give_client(g, talk);
    give_client_tls(g, &a, talk);
    give_reply(g, talk);
    if (talk->dialogue)
        give(g, "dialogue", talk->name, span_of(talk->dialogue));
    arena_free(&a);
}

/* files */

static void give_config(struct giver *g, const char *path)
{
    struct arena a = {0};
    char *text = arena_alloc(&a, MOST_SEED);
    FILE *file = fopen(path, "re");

    fuzz_require(file != NULL, "a config can be read");
    size_t len = fread(text, 1, MOST_SEED, file);
    fclose(file);
    give(g, "config", strrchr(path, '/') + 1, (struct span){text, len});
    arena_free(&a);
}

static void give_folder(struct giver *g, const char *folder, const char *ending,
                        void (*give_file)(struct giver *g, const char *path))
{
    struct dirent **files;
    int count = scandir(folder, &files, NULL, alphasort);
    char path[512];

    fuzz_require(count > 0, "the root of the tree is where we are");
    for (int i = 0; i < count; i++) {
        const char *end = strrchr(files[i]->d_name, '.');
        if (end && strcmp(end, ending) == 0) {
            snprintf(path, sizeof(path), "%s/%.200s", folder, files[i]->d_name);
            give_file(g, path);
        }
        free(files[i]);
    }
    free(files);
}

/* what no talk shows */

#define SINK_HEAD "7EHLO c\r\n\1MAIL FROM:<a@example.net> SIZE=10 BODY=8BITMIME\r\n"
#define SINK_RCPT "RCPT TO:<www@probe.example.org>\r\n"
#define TOKEN     "ehlod-0123456789abcdef0123456789abcdef0123456789abcdef"

#define A10  "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static const struct {
    const char *target;
    const char *name;
    const char *text;
} others[] = {
    {"imap", "look",
     "\3* CAPABILITY IMAP4rev1 UIDPLUS LIST-EXTENDED SPECIAL-USE\r\nE1 OK x\r\n\1* LIST (\\Junk) \"/\" "
     "{4}\r\nJunk\r\nE2 OK x\r\n\1* 3 EXISTS\r\n* OK [UIDVALIDITY 8] x\r\n* OK [UIDNEXT 12] x\r\nE3 OK "
     "[READ-ONLY] x\r\n\1* 1 FETCH (UID 4 BODY[HEADER.FIELDS (X-EHLOD-TOKEN)]<0> {4}\r\na: b)\r\n* 2 FETCH "
     "(UID 5 BODY[HEADER.FIELDS (A)] \"a:\")\r\nE4 OK x\r\n\1* 1 FETCH (UID 4 RFC822.SIZE 9 BODY[]<0> "
     "{9}\r\na: b\r\n\r\nc FLAGS (\\Seen))\r\nE5 OK x\r\n\1* OK [UIDVALIDITY 8] x\r\nE6 OK "
     "[READ-WRITE] x\r\n\1E7 OK x\r\n\1* 1 EXPUNGE\r\nE8 OK x\r\n\1E9 OK x\r\n\1E10 OK x\r\n\1"},
    {"imap", "marks-only",
     "\0* CAPABILITY IMAP4rev1\r\nE1 OK x\r\n\1E2 OK x\r\n\1* 0 EXISTS\r\nE3 OK x\r\n\1E4 OK "
     "[READ-ONLY] x\r\n\1* BYE x\r\n"},
    {"imap", "refused", "\7* CAPABILITY\r\nE1 OK x\r\n\1E2 OK x\r\n\1E3 NO [NONEXISTENT] x\r\n"},
    {"imap", "literal", "\7* CAPABILITY\r\nE1 OK x\r\n\1* LIST (\\Junk) {4294967295}\r\n"},
    {"pop3", "empty", "\3+OK\r\n.\r\n\1+OK bye\r\n"},
    {"pop3", "three",
     "\7+OK 3\r\n1 jj\r\n2 kk\r\n3 ll\r\n4 k2\r\n.\r\n\1+OK\r\nSubject: a\r\n\r\n.\r\n\1"
     "+OK\r\nSubject: ab\r\n\r\n..dot\r\n.x\r\n.\r\n\1+OK\r\nS: a\r\n\r\n.\r\n\1+OK\r\n\1+OK\r\n\1+OK\r\n"},
    {"pop3", "refused", "\0+OK\r\n1 k\r\n.\r\n\1-ERR [SYS/TEMP] no\r\n"},
    {"pop3", "unasked", "\0+OK\r\n.\r\n+OK\r\n"},
    {"sink", "message",
     SINK_HEAD SINK_RCPT "DATA\r\n\1X-Ehlod-Token: " TOKEN "\r\n\r\n..dot\r\n.\r\nQUIT\r\n"},
    {"sink", "empty", SINK_HEAD SINK_RCPT "DATA\r\n\1.\r\nRSET\r\nNOOP x\r\nquit\r\n"},
    {"sink", "two",
     SINK_HEAD SINK_RCPT "DATA\r\n\1a\r\n.\r\n\1MAIL FROM:<>\r\n" SINK_RCPT "DATA\r\n\1b\r\n.\r\n"},
    {"sink", "smuggled",
     SINK_HEAD SINK_RCPT "DATA\r\n\1a\n.\nb\r.\rc\r\n.\nd\n.\r\n..\r\n.\r\r\n\r\n.\r\nVRFY x\r\n"},
    {"sink", "relay",
     SINK_HEAD "RCPT TO:<a@example.com>\r\nRCPT TO:<@probe.example.org:a@example.com>\r\n"
               "RCPT TO:<\"a@example.com>\"@probe.example.org>\r\nRCPT TO:<a%b@probe.example.org>\r\n"},
    {"sink", "postmaster",
     SINK_HEAD "RCPT TO:<Postmaster>\r\nRCPT TO:<@a.example,@b.example:x@other.example.org> \r\n"},
    {"sink", "utf8",
     "7EHLO c\r\n\1MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@probe.example.org>\r\nDATA\r\n"},
    {"sink", "helo", "7HELO c\r\n\1MAIL FROM:<a@b> SIZE=1\r\nMAIL FROM:<a@b>\r\nDATA\r\nRCPT TO:<a@b\r\n"},
    {"sink", "rude", "7EHLO c\r\nMAIL FROM:<a@b>\r\n\5\3NOOP\r\n\2\377\2\377\3\6"},
    {"sink", "lmtp",
     "\267LHLO c\r\n\1MAIL FROM:<>\r\n" SINK_RCPT "RCPT TO:<a@example.com>\r\n" SINK_RCPT
     "RCPT TO:<postmaster>\r\nDATA\r\n\1a\r\n\r\nx\r\n.\r\nMAIL FROM:<>\r\n" SINK_RCPT
     "DATA\r\n\1b\r\n.\r\nQUIT\r\n"},
    {"sink", "lmtp-nobody",
     "\267EHLO c\r\nLHLO c\r\n\1MAIL FROM:<>\r\nDATA\r\nRCPT TO:<a@example.com>\r\nDATA\r\n" SINK_RCPT
     "RSET\r\nMAIL FROM:<>\r\nDATA\r\n"},
    {"sink", "lmtp-rude", "\267LHLO c\r\n\1MAIL FROM:<>\r\n" SINK_RCPT "DATA\r\n\1a\r\n\5\3.\r\n\2\377\3\6"},
    {"sink", "odd-message",
     SINK_HEAD SINK_RCPT "DATA\r\n\1Subject: \377\7\1\177\r\n\r\n\r\r\nx\n\n\r\n.\r\n"},
    {"sink", "web", "7GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
    {"url", "plain", "/check/mx1?format=text&max_age=5s"},
    {"url", "escapes", "/check/m%78%C3%BC+1?format=j%73on+x&tag=%2F%3f&timeout=1%20s"},
    {"url", "absolute", "http://fra:8025/probe?target=mx1"},
    {"url", "star", "*"},
    {"url", "line-end", "/check/a%0d%0aX?x=%0d%0a"},
    {"url", "controls", "/a//b?x=%0d%0a&y=%7f%09&z=%00"},
    {"url", "bad", "/a?x=1&x=1&=&y#z"},
    {"message", "dots", ".\r\n..\n\r.x\r\r\n.\n."},
    {"message", "report",
     "Content-Type: multipart/report\n\nX-Ehlod-Token: " TOKEN "\nMessage-ID: <" TOKEN "@x>"},
    {"message", "folded", "Message-ID:\n <" TOKEN "@x>\nAuto-Submitted: no\n\nX-Ehlod-Token:" TOKEN},
    {"message", "token", "Subject: " TOKEN "\n\nehlod-" TOKEN TOKEN},
    {"client", "not-offered", "\016220 mx\r\n\001250-mx\r\n250 SIZE\r\n\001221 Bye\r\n\1"},
    {"client", "refused", "\017220 mx\r\n\001250-mx\r\n250 STARTTLS\r\n\001454 4.7.0 No\r\n\001250 Ok\r\n\1"},
    {"client", "injected", "\016220 mx\r\n\001250-mx\r\n250 STARTTLS\r\n\001220 Go\r\n250 mx\r\n\1\16"},
    {"client", "handshake-fails", "\016220 mx\r\n\001250-mx\r\n250 STARTTLS\r\n\001220 Go\r\n\1\17\7"},
    {"client", "fails-later", "\016220 mx\r\n\001250-mx\r\n250 STARTTLS\r\n\001220 Go\r\n\1\16\17\3"},
    {"client", "greets-again",
     "\016220 mx\r\n\001250-mx\r\n250 STARTTLS\r\n\001220 Go\r\n\1\016\001220 mx\r\n"},
    {"client", "implicit-end", "\022\16"},
    {"client", "implicit-silence", "\020"},
    {"client", "reset-after-bye", "\020\016220 mx\r\n\001421 No\r\n\001221 Bye\r\n\1\17\1"},
    {"dialogue", "secrets", "AUTH PLAIN {{user}}\n{{byte}}\nNOOP\nAUTH\n{{verb}}x\nAUTH \xff x\n"},
    {"dialogue", "values",
     "{{empty}}\n{{verb}}\n{{dot}}\n{{mark}}\n{{nope}}\n{{\n< {{user}}\nDATA\n{{from}}{{to}}\n.\n"},
    {"dialogue", "ends",
     "\xef\xbb\xbf"
     "EHLO x\r\nDATA\r\n<354\r\n.x\r.\r\r\n..\n.\r\n<250 5.1.1\r\nQUIT\nNOOP"},
    {"client", "script",
     "\037220 mx\r\n\001250 mx\r\n\001250 a\r\n\001250 b\r\n\001354 c\r\n\001250 d\r\n\001250 e\r\n\001250 f\r\n\001221 g\r\n"},
    {"client", "script-wishes",
     "\040220 mx\r\n\001250 mx\r\n\001334 a\r\n\001334 b\r\n\001235 c\r\n\001250 d\r\n\001554 e\r\n\001354 f\r\n"
     "\001550 5.7.1 no\r\n\001221 g\r\n"},
    {"template", "plain",
     "\1aSubject: hi {{target}}\nTo: {{to}}\n\nHello,\n.{{from}}\n.\n{{date}} {{token}}\n"},
    {"template", "own",
     "\2aDate: {{date}}\r\nFrom: x@y\r\nMessage-ID:\r\n <{{token}}@z>\r\n\r\n{{message_id}}\r\n"},
    {"template", "eight-bit", "\3aX-Ehlod-Token: {{token}}\nSubject: \xc3\xbc\n\n\xfc\n{{from}}.{{route}}\n"},
    {"template", "long",
     "\4\1To: {{to}}, " A100 " " A100 " " A100 " " A100 " " A100 " " A100 " " A100 " " A100 " " A100 " " A100
     "\n\n" A100},
    {"template", "wrong", "\5aSubject: {{x}}\nno field\n \n\n{{\na\rb\n"},
    {"evidence", "hops",
     "\1xReceived: from a (b [192.0.2.7]) by c (P) with ESMTPS id d; Mon, 23 Nov 2026 03:25:04 +0100 (CET)\r\n"
     "Received: (qmail 4711 invoked from network); 23 Nov 26 02:25:04 EST\r\nDelivered-To: <a@example.org>\r\n"
     "Authentication-Results: c; spf=pass\r\n\tsmtp.mailfrom=a\r\nSubject: a\r\n b\r\n\r\n.body \r\n\r\n"},
    {"evidence", "form",
     "\55\1xxxxxxxx\1\1xxxxxxxxyyyyyyyy\1zzzzzzzz\1\1Xvvvvvvvv\1\1\1\1X: y\r\n\r\nbody\r\n"},
    {"report", "dsn",
     "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"b\"\r\n\r\n--b\r\n"
     "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\nOriginal-Envelope-Id: " TOKEN
     "\r\n\r\nOriginal-Recipient: rfc822;a@b\r\nAction: failed\r\nStatus: 5.1.1\r\n"
     "Diagnostic-Code: smtp; 550 5.1.1 no\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
     "X-Ehlod-Token: " TOKEN "\r\n\r\n--b--\r\n"},
    {"report", "exim",
     "Auto-Submitted: auto-replied\r\nX-Failed-Recipients: a@b\r\n\r\n  a@b\r\n    550 5.1.1 no\r\n\r\n"
     "------ This is a copy ------\r\n\r\nX-Ehlod-Token: " TOKEN "\r\n\r\n"},
    {"report", "qmail",
     "Return-Path: <>\r\n\r\nHi. This is the qmail-send program at mx.\r\n\r\n<a@b>:\r\nno (#5.1.1)\r\n\r\n"
     "--- Below\r\n\r\nX-Ehlod-Token: " TOKEN "\r\n\r\n"},
    {"client", "early-reply",
     "\004220 mx\r\n\001250 mx\r\n\001250 Ok\r\n\001250 Ok\r\n\001\5\377354 go\r\n552 5.3.4 too big\r\n"},
};

/* What a server says to a plan that logs in. */
static const struct {
    int plan; /* from FUZZ_PLANS_LOGIN on */
    const char *name;
    const char *text;
} logins[] = {
    {0, "login-scram",
     "220 mx\r\n\001250-mx\r\n250 AUTH SCRAM-SHA-1\r\n\001334 Mxxx\r\n\001334 \r\n\001235 Ok\r\n\1"},
    {0, "login-bad",
     "220 mx\r\n\001250-mx\r\n250 AUTH LOGIN\r\n\001334 Bxxx\r\n\001501 Ok\r\n\001221 Bye\r\n\1"},
    {0, "login-invalid", "220 mx\r\n\001250-mx\r\n250 AUTH CRAM-MD5\r\n\001334 Ixxx\r\n\001334 x\r\n\1"},
    {0, "login-unable", "220 mx\r\n\001250-mx\r\n250 AUTH LOGIN\r\n\001334 Uxxx\r\n\001501 x\r\n\1"},
    {0, "login-endless",
     "220 mx\r\n\001250-mx\r\n250 AUTH LOGIN\r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001334 \r\n\001501 x\r\n\001221 Bye\r\n\1"},
    {1, "login-long",
     "220 mx\r\n\001250-mx\r\n250 AUTH XOAUTH2\r\n\001334 \r\n\001334 Exxx\r\n\001535 " FUZZ_SECRET "\r\n\1"},
    {0, "login-echo",
     "220 mx\r\n\001250-mx\r\n250 AUTH PLAIN\r\n\001535-x" FUZZ_SECRET_BASE64 "y\r\n535 x" FUZZ_SECRET
     "y\r\n\001221 " FUZZ_SECRET "\r\n\1"},
    {0, "login-echo-unasked",
     "220 mx\r\n\001250-mx\r\n250 AUTH PLAIN\r\n\001235 Ok\r\n250 " FUZZ_SECRET "\r\n\1"},
    {3, "login-external", "220 mx\r\n\001250-mx\r\n250 AUTH EXTERNAL\r\n\001235 Ok\r\n\001221 Bye\r\n\1"},
    {6, "login-in-tls",
     "\016220 mx\r\n\001250-mx\r\n250 AUTH LOGIN\r\n\001334 Mxxx\r\n\001334 \r\n\001235 Ok\r\n\1"},
    {5, "login-needs-tls", "220 mx\r\n\001250-mx\r\n250 AUTH LOGIN\r\n\001221 Bye\r\n\1"},
};

static void give_login(struct giver *g, size_t i)
{
    struct buffer b;

    buffer_init(&b, MOST_SEED);
    buffer_printf(&b, "%c%s", FUZZ_PLANS_LOGIN + logins[i].plan, logins[i].text);
    give(g, "client", logins[i].name, buffer_span(&b));
    buffer_free(&b);
}

/* A server that plays the longest plan to its end. */
static void give_longest(struct giver *g)
{
    static const char *const routes[] = {"250 a\r\n\001250 b\r\n\001250 c\r\n\001",
                                         "250 a\r\n\001250 b\r\n\001250 c\r\n\001354 d\r\n\001250 e\r\n\001",
                                         "250 a\r\n\001550 b\r\n\001550 c\r\n\001250 d\r\n\001"};
    struct buffer b;

    buffer_init(&b, MOST_SEED);
    buffer_printf(&b, "%c220 mx\r\n\001500 what\r\n\001250 mx\r\n\001", FUZZ_PLANS - 1);
    for (size_t i = 0; i < 14; i++)
        buffer_puts(&b, routes[i % 3]);
    buffer_puts(&b, "221 Bye\r\n\001");
    give(g, "client", "longest", buffer_span(&b));
    buffer_free(&b);
}

#define DNS_HEAD(type, count)    "0\0\0\x81\x80\0\1\0" count "\0\0\0\0\7example\3org\0\0" type "\0\1"
#define DNS_RECORD(type, length) "\300\14\0" type "\0\1\0\0\0\74\0" length

/* Answers of a resolver hold many a NUL. */
static void give_answers(struct giver *g)
{
    static const char mx[] =
        DNS_HEAD("\17", "\2") DNS_RECORD("\17", "\7") "\0\12\2mx\300\14" DNS_RECORD("\17", "\3") "\0\0";
    static const char alias[] =
        DNS_HEAD("\1", "\2") DNS_RECORD("\5", "\4") "\1b\300\14"
                                                    "\300\51\0\1\0\1\0\0\0\74\0\4\300\0\2\1";
    static const char six[] =
        DNS_HEAD("\34", "\1") DNS_RECORD("\34", "\20") " \1\15\270\0\0\0\0\0\0\0\0\0\0\0\1";
    static const char pointer[] = DNS_HEAD("\17", "\1") DNS_RECORD("\17", "\4") "\0\12\300\53";

    give(g, "dns", "mx", (struct span){mx, sizeof mx});
    give(g, "dns", "alias", (struct span){alias, sizeof alias - 1});
    give(g, "dns", "six", (struct span){six, sizeof six - 1});
    give(g, "dns", "pointer", (struct span){pointer, sizeof pointer - 1});
}

void fuzz_seeds(fuzz_take_seed *take, void *context)
{
    struct giver g = {take, context, 0};

    give_folder(&g, TALKS, ".talk", give_talk);
    give_folder(&g, CONFIGS, ".yaml", give_config);
    give_folder(&g, "config", ".yaml", give_config);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        give(&g, others[i].target, others[i].name, span_of(others[i].text));
    for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++)
        give_login(&g, i);
    give_longest(&g);
    give_answers(&g);
}

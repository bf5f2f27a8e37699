/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the sink, a row each (RFC 5321 section 4.1.1; order of commands: section 4.1.4), and LMTP's
 * greeting (RFC 2033 section 4.1). What is known but not offered is a 502, what nobody knows a 500. How lines
 * come in and replies go out, and when it is enough, is sink.c's.
 */
#include "probe/proto/sink_command.h"

#include "probe/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIZE_DIGITS 20 /* RFC 1870 section 3 */

/* hello */

static void hello(struct sink *s, const char *rest, const char *syntax, bool extended)
{
    struct buffer reply;

    if (!*rest) {
        sink_complain(s, syntax);
        return;
    }
    sink_reset(s);
    s->hello = true;
    s->extended = extended;
    buffer_init(&reply, SINK_MAX_OUTPUT);
    buffer_printf(&reply, extended ? "250-%s\r\n" : "250 %s", s->policy->name);
    if (extended)
        buffer_printf(&reply,
                      "250-PIPELINING\r\n250-SIZE %d\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n%s"
                      "250 ENHANCEDSTATUSCODES",
                      SINK_MAX_MESSAGE, s->offers_tls && !s->secured ? "250-STARTTLS\r\n" : "");
    sink_say(s, reply.data);
    buffer_free(&reply);
    s->must_wait = true;
}

/* Each protocol has a greeting of its own, so that none is taken for the other (RFC 2033 section 4.1). */
static void ehlo(struct sink *s, const char *rest)
{
    if (sink_speaks_lmtp(s))
        sink_complain(s, "500 5.5.1 This is LMTP: say LHLO");
    else
        hello(s, rest, "501 Syntax: EHLO domain", true);
}

static void helo(struct sink *s, const char *rest)
{
    if (sink_speaks_lmtp(s))
        sink_complain(s, "500 5.5.1 This is LMTP: say LHLO");
    else
        hello(s, rest, "501 Syntax: HELO domain", false);
}

static void lhlo(struct sink *s, const char *rest)
{
    if (sink_speaks_lmtp(s))
        hello(s, rest, "501 Syntax: LHLO domain", true);
    else
        sink_complain(s, "500 5.5.1 This is SMTP: say EHLO");
}

/* MAIL */

/* Takes one parameter of MAIL; the complaint, or null. */
static const char *mail_parameter(struct sink *s, struct span word)
{
    if (word.len > 5 && strncasecmp(word.data, "SIZE=", 5) == 0) {
        size_t digits = strspn(word.data + 5, "0123456789");
        if (digits != word.len - 5 || digits > SIZE_DIGITS)
            return "501 5.5.4 SIZE is to be a number";
        if (strtoull(word.data + 5, NULL, 10) > SINK_MAX_MESSAGE)
            return "552 5.3.4 Message too big";
        return NULL;
    }
    if (span_is_nocase(word, "SMTPUTF8")) {
        s->utf8 = true;
        return NULL;
    }
    if (span_is_nocase(word, "BODY=7BIT") || span_is_nocase(word, "BODY=8BITMIME"))
        return NULL;
    return "555 5.5.4 Unknown parameter of MAIL";
}

static const char *mail_parameters(struct sink *s, const char *rest)
{
    s->utf8 = false;
    while (*rest) {
        size_t skip = strspn(rest, " ");
        size_t len = strcspn(rest + skip, " ");
        const char *wrong = skip == 0     ? "501 5.5.4 Syntax: MAIL FROM:<address>"
                            : len == 0    ? NULL
                            : s->extended ? mail_parameter(s, (struct span){rest + skip, len})
                                          : "555 5.5.4 Parameters need EHLO";
        if (wrong)
            return wrong;
        rest += skip + len;
    }
    return NULL;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

static const char *begin_mail(struct sink *s, const char *rest)
{
    if (!s->hello)
        return sink_speaks_lmtp(s) ? "503 5.5.1 Say LHLO first" : "503 5.5.1 Say EHLO first";
    if (s->from)
        return "503 5.5.1 There is a sender already";
    if (strncasecmp(rest, "FROM:", 5) != 0)
        return "501 5.5.4 Syntax: MAIL FROM:<address>";
    rest += 5;
    const char *from = sink_path(&s->arena, &rest);
    if (!from)
        return "501 5.1.7 Syntax: MAIL FROM:<address>";
    if (*from && !sink_path_has_domain(from))
        return "501 5.1.7 The sender needs a domain";
    const char *wrong = mail_parameters(s, rest);
    if (!wrong && !s->utf8 && !is_ascii(from))
        wrong = "553 5.6.7 An address beyond ASCII needs SMTPUTF8";
    if (!wrong)
        s->from = from;
    return wrong;
}

static void mail(struct sink *s, const char *rest)
{
    const char *wrong = begin_mail(s, rest);
    if (wrong) {
        sink_complain(s, wrong);
        return;
    }
    sink_go_on(s);
    sink_say(s, "250 2.1.0 Ok");
}

/* RCPT */

static const char *read_rcpt(struct sink *s, const char *rest, const char **to_r)
{
    if (!s->from)
        return "503 5.5.1 Say MAIL first";
    if (strncasecmp(rest, "TO:", 3) != 0)
        return "501 5.5.4 Syntax: RCPT TO:<address>";
    rest += 3;
    const char *to = sink_path(&s->arena, &rest);
    if (!to || (!sink_path_has_domain(to) && strcasecmp(to, "postmaster") != 0))
        return "501 5.1.3 Syntax: RCPT TO:<address>";
    if (rest[strspn(rest, " ")])
        return "555 5.5.4 Unknown parameter of RCPT";
    if (!s->utf8 && !is_ascii(to))
        return "553 5.6.7 An address beyond ASCII needs SMTPUTF8";
    *to_r = to;
    return NULL;
}

static void rcpt(struct sink *s, const char *rest)
{
    const char *to = NULL;
    const char *wrong = read_rcpt(s, rest, &to);

    if (wrong) {
        sink_complain(s, wrong);
    } else if (!sink_path_is_ours(s->policy, to)) {
        sink_say(s, "550 5.7.1 Relaying denied: mail is taken for domains of our own alone");
    } else if (s->to_count == SINK_MAX_RECIPIENTS) {
        sink_say(s, "452 4.5.3 Too many recipients");
    } else {
        s->to = arena_grow(&s->arena, s->to, s->to_count, sizeof(*s->to));
        s->to[s->to_count++] = to;
        s->idle--;
        sink_go_on(s);
        sink_say(s, "250 2.1.5 Ok");
    }
}

/* DATA */

static void data(struct sink *s, const char *rest)
{
    if (*rest) {
        sink_complain(s, "501 5.5.4 Syntax: DATA");
    } else if (!s->from) {
        sink_complain(s, "503 5.5.1 Say MAIL first");
    } else if (s->to_count == 0) { /* LMTP's code is that of RFC 2033 section 4.2 */
        sink_complain(s, sink_speaks_lmtp(s) ? "503 5.5.1 No valid recipients"
                                             : "554 5.5.1 No valid recipients");
    } else {
        sink_say(s, "354 End with a dot on a line of its own");
        s->must_wait = true;
        s->in_message = true;
        s->data = SINK_LINE_START;
        s->size = 0;
        s->body = (struct fingerprint){0};
        buffer_clear(&s->kept);
        s->deadline_us = s->now_us + SINK_MESSAGE_US;
    }
}

/* the small ones */

static void rset(struct sink *s, const char *rest)
{
    if (*rest) {
        sink_complain(s, "501 5.5.4 Syntax: RSET");
        return;
    }
    sink_reset(s);
    sink_say(s, "250 2.0.0 Ok");
}

static void noop(struct sink *s, const char *rest)
{
    (void)rest;
    sink_say(s, "250 2.0.0 Ok");
}

static void quit(struct sink *s, const char *rest)
{
    if (*rest)
        sink_complain(s, "501 5.5.4 Syntax: QUIT");
    else
        sink_close(s, "221 2.0.0 Bye");
}

static void starttls(struct sink *s, const char *rest)
{
    if (!s->offers_tls) {
        sink_complain(s, "502 5.5.1 Not offered here");
    } else if (*rest) {
        sink_complain(s, "501 5.5.4 Syntax: STARTTLS");
    } else if (s->secured) {
        sink_complain(s, "503 5.5.1 This is in TLS already");
    } else {
        sink_say(s, "220 2.0.0 Ready to start TLS");
        s->must_wait = true;
        s->wants_tls = true;
    }
}

static void not_offered(struct sink *s, const char *rest)
{
    (void)rest;
    sink_complain(s, "502 5.5.1 Not offered here");
}

/* Somebody took this for a web server: whatever follows is no mail either. */
static void no_web(struct sink *s, const char *rest)
{
    (void)rest;
    sink_close(s, "554 5.5.1 This is SMTP, not HTTP");
}

static const struct {
    const char *verb;
    void (*run)(struct sink *s, const char *rest);
} commands[] = {
    {"EHLO", ehlo},         {"HELO", helo},           {"LHLO", lhlo},         {"MAIL", mail},
    {"RCPT", rcpt},         {"DATA", data},           {"RSET", rset},         {"NOOP", noop},
    {"QUIT", quit},         {"VRFY", not_offered},    {"EXPN", not_offered},  {"HELP", not_offered},
    {"ETRN", not_offered},  {"TURN", not_offered},    {"BDAT", not_offered},  {"AUTH", not_offered},
    {"STARTTLS", starttls}, {"XCLIENT", not_offered}, {"PROXY", not_offered}, {"GET", no_web},
    {"POST", no_web},       {"HEAD", no_web},         {"PUT", no_web},        {"OPTIONS", no_web},
    {"CONNECT", no_web},
};

void sink_command(struct sink *s, const char *line)
{
    struct span verb = {line, strcspn(line, " ")};
    const char *rest = line + verb.len;

    rest += strspn(rest, " ");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (span_is_nocase(verb, commands[i].verb)) {
            commands[i].run(s, rest);
            return;
        }
    }
    sink_complain(s, "500 5.5.2 Unknown command");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces that are a text for people alone, of the two servers whose texts have a form. Exim's (an old one,
 * or one that is told to) have X-Failed-Recipients, each recipient on a line with what was said of it behind,
 * a line of dashes and words, and the message. qmail's (QSBMF, https://cr.yp.to/proto/qsbmf.txt) begin with
 * "Hi. This is the qmail-send program at HOST.", have paragraphs of which those of recipients begin with
 * "<RECIPIENT>:", one that begins with "-", and the message. Both tell of failures only.
 */
#include "probe/proto/report_plain.h"

#include "probe/base/text.h"
#include "probe/enhanced.h"
#include "probe/proto/header.h"

#include <string.h>
#include <strings.h>

#define QMAIL_START "Hi. This is the "
#define MAX_NAME    320 /* octets of a recipient, and of a host */

static bool starts_with(struct span text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

/* The first line of it that is not empty. */
static struct span first_line(struct span text)
{
    struct span line = {"", 0};

    while (text.len && line.len == 0)
        line = header_trim(header_line(&text));
    return line;
}

bool report_plain_is_from_nobody(struct span kept)
{
    struct header_field field;

    if (header_find(kept, "Return-Path", &field) == 1)
        return span_is(field.value, "<>") || span_is(field.value, "<#@[]>");
    return header_find(kept, "From", &field) == 1 &&
           memmem(field.value.data, field.value.len, "MAILER-DAEMON@", strlen("MAILER-DAEMON@"));
}

enum report_plain report_plain_kind(struct span kept)
{
    struct header_field field;
    struct span body;

    if (header_find(kept, "X-Failed-Recipients", &field) == 1 &&
        header_find(kept, "Auto-Submitted", &field) == 1)
        return span_is_nocase(header_word(field.value), "auto-replied") ? REPORT_EXIM : REPORT_NOT_PLAIN;
    if (header_body(kept, &body) && starts_with(first_line(body), QMAIL_START) &&
        report_plain_is_from_nobody(kept))
        return REPORT_QMAIL;
    return REPORT_NOT_PLAIN;
}

/* The first enhanced status code of 4.x.x or 5.x.x in what was said: "550 5.1.1 no", "(#5.1.1)". */
static const char *status_in(struct arena *a, struct span said)
{
    struct enhanced code;
    size_t len;

    for (size_t i = 0; i + 5 <= said.len; i++) {
        char c = said.data[i];
        if ((c != '4' && c != '5') || (i && !strchr(" #(-", said.data[i - 1])))
            continue;
        size_t end = i;
        while (end < said.len && ((said.data[end] >= '0' && said.data[end] <= '9') || said.data[end] == '.'))
            end++;
        struct span word = {said.data + i, end - i};
        if (enhanced_parse(word, &code, &len) == 1)
            return arena_dup_span(a, word);
    }
    return NULL;
}

/* Up to an empty line, and text moves behind it. */
static struct span paragraph(struct span *text)
{
    struct span p = {text->data, 0};

    while (text->len) {
        struct span line = header_line(text);
        if (header_trim(line).len == 0)
            break;
        p.len = (size_t)(line.data + line.len - p.data);
    }
    return p;
}

static void say(struct arena *a, struct span recipient, struct span said, struct bounce *b)
{
    said = header_trim(said);
    b->action = "failed";
    b->recipient = header_show(a, recipient, MAX_NAME);
    b->diagnostic = said.len ? header_show(a, said, EVIDENCE_MAX_TEXT) : NULL;
    b->status = status_in(a, said);
}

/* The first address of X-Failed-Recipients. */
static struct span failed_recipient(struct span kept)
{
    struct header_field field = {.value = {"", 0}};

    header_find(kept, "X-Failed-Recipients", &field);
    const char *comma = field.value.len ? memchr(field.value.data, ',', field.value.len) : NULL;
    if (comma)
        field.value.len = (size_t)(comma - field.value.data);
    return header_trim(field.value);
}

static int read_exim(struct arena *a, struct span kept, struct span body, char token_r[MESSAGE_TOKEN_SIZE],
                     struct bounce *b)
{
    struct span recipient = failed_recipient(kept);
    bool is_said = false;

    while (body.len) {
        struct span line = header_trim(header_line(&body));
        if (line.len == recipient.len && strncasecmp(line.data, recipient.data, line.len) == 0 && !is_said) {
            is_said = true;
            say(a, recipient, paragraph(&body), b);
        }
        if (!starts_with(line, "-----") || !is_said)
            continue;
        while (body.len && (*body.data == '\r' || *body.data == '\n'))
            header_line(&body);
        return message_token_of(body, token_r);
    }
    return 0;
}

/* "Hi. This is the qmail-send program at mx.example.org." */
static const char *qmail_host(struct arena *a, struct span line)
{
    const char *at = memmem(line.data, line.len, " at ", 4);
    struct span host = {"", 0};

    if (at)
        host = (struct span){at + 4, (size_t)(line.data + line.len - at - 4)};
    if (host.len && host.data[host.len - 1] == '.')
        host.len--;
    return host.len ? header_show(a, host, MAX_NAME) : NULL;
}

/* "<user@example.org>:" and what was said */
static bool take_qmail(struct arena *a, struct span p, struct bounce *b)
{
    struct span said = p;
    struct span line = header_trim(header_line(&said));

    if (line.len < 4 || *line.data != '<' || memcmp(line.data + line.len - 2, ">:", 2) != 0)
        return false;
    say(a, (struct span){line.data + 1, line.len - 3}, said, b);
    return true;
}

static int read_qmail(struct arena *a, struct span body, char token_r[MESSAGE_TOKEN_SIZE], struct bounce *b)
{
    bool is_said = false;
    const char *host = qmail_host(a, first_line(body));

    while (body.len) {
        struct span p = paragraph(&body);
        is_said = is_said || take_qmail(a, p, b);
        if (!starts_with(p, "-") || !is_said)
            continue;
        b->reporter = host;
        return message_token_of(body, token_r);
    }
    return 0;
}

int report_plain_read(struct arena *a, struct span kept, char token_r[MESSAGE_TOKEN_SIZE],
                      struct bounce *bounce_r)
{
    enum report_plain kind = report_plain_kind(kept);
    struct bounce bounce = {.action = NULL};
    struct span body;
    int found = 0;

    if (kind == REPORT_NOT_PLAIN || !header_body(kept, &body))
        return 0;
    if (kind == REPORT_EXIM)
        found = read_exim(a, kept, body, token_r, &bounce);
    else
        found = read_qmail(a, body, token_r, &bounce);
    if (found == 1)
        *bounce_r = bounce;
    return found;
}

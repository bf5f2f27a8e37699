/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The POP3 client: commands in their order, answers in theirs. RFC 1939: section 3 (answers, and the dot that
 * ends one of several lines), 5 (QUIT), 7 (UIDL and TOP). A server that lies about its numbers, or talks when
 * nothing was asked, ends the session: what is then deleted is nobody's guess. Which messages are worth
 * reading is the reader's.
 */
#include "probe/proto/pop3.h"

#include "probe/base/text.h"

#include <string.h>

#define MAX_OUTPUT  256
#define MAX_SHOWN   200
#define FIRST_LINES 8       /* behind a header: some reports are known by them alone */
#define ALL_LINES   1000000 /* more than POP3_MAX_KEPT can hold: TOP takes them as an upper limit */

static int fail(struct pop3 *p, const char *why)
{
    p->state = POP3_FAILED;
    p->why = why;
    return -1;
}

static void say(struct pop3 *p, const char *verb, const struct pop3_message *m, unsigned lines,
                bool has_lines)
{
    buffer_puts(&p->out, verb);
    if (m)
        buffer_printf(&p->out, " %u", m->number);
    if (has_lines)
        buffer_printf(&p->out, " %u", lines);
    buffer_puts(&p->out, "\r\n");
}

/* ---- what comes next ---- */

static void begin_message(struct pop3 *p)
{
    buffer_clear(&p->kept);
    p->kept.full = false;
    p->size = 0;
    p->data = POP3_LINE_START;
}

/* The message that is read or removed now. */
static struct pop3_message *present(const struct pop3 *p)
{
    return &p->messages[p->left];
}

/* The next one that is to be removed, or to be read; null when none is left. */
static const struct pop3_message *next(struct pop3 *p)
{
    while (p->left > 0)
        if (p->messages[--p->left].wanted == p->deleting)
            return present(p);
    return NULL;
}

/* Reads what is left to be read, then deletes, then ends. */
static void go_on(struct pop3 *p)
{
    const struct pop3_message *m = NULL;

    if (!p->deleting && p->reads < POP3_MAX_READS)
        m = next(p);
    if (m) {
        p->reads++;
        p->state = POP3_HEADER;
        say(p, "TOP", m, FIRST_LINES, true);
        return;
    }
    if (!p->deleting) {
        p->has_unread = next(p) != NULL;
        p->deleting = true;
        p->left = p->count;
    }
    m = next(p);
    p->state = m ? POP3_AGAIN : POP3_QUIT;
    say(p, m ? "TOP" : "QUIT", m, FIRST_LINES, m != NULL);
}

void pop3_init(struct pop3 *p, const struct pop3_reader *reader, void *context)
{
    *p = (struct pop3){.reader = reader, .context = context, .state = POP3_UIDL};
    buffer_init(&p->line, POP3_MAX_LINE);
    buffer_init(&p->out, MAX_OUTPUT);
    buffer_init(&p->kept, POP3_MAX_KEPT);
    say(p, "UIDL", NULL, 0, false);
}

void pop3_free(struct pop3 *p)
{
    buffer_free(&p->line);
    buffer_free(&p->out);
    buffer_free(&p->kept);
    arena_free(&p->arena);
}

/* ---- lines of the list ---- */

/* unique-id = 1*70(%x21-7E) */
static bool is_uid(struct span text)
{
    if (text.len == 0 || text.len >= POP3_UID_SIZE)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    return true;
}

/* "12 uid": the number, of one to nine digits, and what is behind it; 0 = it is no such line. */
static unsigned read_number(struct span *line)
{
    unsigned number = 0;
    size_t i = 0;

    for (; i < line->len && i < 9 && line->data[i] >= '0' && line->data[i] <= '9'; i++)
        number = number * 10 + (unsigned)(line->data[i] - '0');
    if (i == 0 || i == line->len || line->data[i] != ' ')
        return 0;
    for (; i < line->len && line->data[i] == ' '; i++)
        ;
    *line = (struct span){line->data + i, line->len - i};
    return number;
}

static int list_message(struct pop3 *p, struct span line)
{
    struct pop3_message m = {.number = read_number(&line)};

    while (line.len > 0 && line.data[line.len - 1] == ' ')
        line.len--;
    if (m.number == 0 || !is_uid(line))
        return fail(p, "the server's list of messages (UIDL) cannot be read");
    if (++p->total > POP3_MAX_MESSAGES)
        return fail(p, "there are more than 100000 messages");
    memcpy(m.uid, line.data, line.len);
    enum pop3_wish wish = p->reader->wish(p->context, m.uid);
    if (wish == POP3_SKIP)
        return 0;
    m.wanted = wish == POP3_REMOVE;
    p->messages = arena_grow(&p->arena, p->messages, p->count, sizeof *p->messages);
    p->messages[p->count++] = m;
    return 0;
}

/* ---- answers ---- */

static void end_header(struct pop3 *p)
{
    if (p->reader->is_candidate(p->context, present(p)->uid, buffer_span(&p->kept))) {
        p->state = POP3_TEXT;
        say(p, "TOP", present(p), ALL_LINES, true);
        return;
    }
    go_on(p);
}

static void end_text(struct pop3 *p)
{
    p->reader->read(p->context, present(p)->uid, buffer_span(&p->kept), p->size);
    go_on(p);
}

/* The message that was to be removed was looked at once more. */
static void end_again(struct pop3 *p)
{
    if (!p->reader->is_same(p->context, present(p)->uid, buffer_span(&p->kept))) {
        go_on(p);
        return;
    }
    p->state = POP3_DELE;
    say(p, "DELE", present(p), 0, false);
}

/* why null: what was deleted is gone. */
static int end_session(struct pop3 *p, const char *why)
{
    p->state = POP3_DONE;
    for (size_t i = 0; i < p->count; i++) {
        if (p->messages[i].deleted && why == NULL)
            p->reader->removed(p->context, p->messages[i].uid);
        else if (p->messages[i].deleted)
            p->reader->unremoved(p->context, p->messages[i].uid, why);
    }
    return 1;
}

/* The last of the lines has come. */
static void end_lines(struct pop3 *p)
{
    p->in_lines = false;
    if (p->state == POP3_UIDL) {
        p->left = p->count;
        go_on(p);
    } else if (p->state == POP3_HEADER) {
        end_header(p);
    } else if (p->state == POP3_AGAIN) {
        end_again(p);
    } else {
        end_text(p);
    }
}

/* What is not removed stays, and is no reason not to look; without anything else there is no look. */
static int refuse(struct pop3 *p, struct span line)
{
    static const char *const verbs[] = {[POP3_UIDL] = "UIDL", [POP3_HEADER] = "TOP", [POP3_TEXT] = "TOP",
                                        [POP3_AGAIN] = "TOP", [POP3_DELE] = "DELE",  [POP3_QUIT] = "QUIT"};

    const char *why =
        arena_printf(&p->arena, "%s refused: \"%s\"", verbs[p->state], text_show(&p->arena, line, MAX_SHOWN));

    if (p->state == POP3_QUIT)
        return end_session(p, why);
    if (p->state != POP3_DELE)
        return fail(p, why);
    p->reader->unremoved(p->context, present(p)->uid, why);
    go_on(p);
    return 0;
}

/* The status of an answer: +OK, or -ERR. */
static int take_status(struct pop3 *p, struct span line)
{
    bool good = line.len >= 3 && memcmp(line.data, "+OK", 3) == 0 && (line.len == 3 || line.data[3] == ' ');
    bool bad = line.len >= 4 && memcmp(line.data, "-ERR", 4) == 0 && (line.len == 4 || line.data[4] == ' ');

    if (bad)
        return refuse(p, line);
    if (!good)
        return fail(p, arena_printf(&p->arena, "not an answer of POP3: \"%s\"",
                                    text_show(&p->arena, line, MAX_SHOWN)));
    if (p->state == POP3_QUIT)
        return end_session(p, NULL);
    if (p->state == POP3_DELE) {
        present(p)->deleted = true;
        go_on(p);
        return 0;
    }
    p->in_lines = true;
    begin_message(p);
    return 0;
}

static int take_list_line(struct pop3 *p, struct span line)
{
    if (!span_is(line, "."))
        return list_message(p, line);
    end_lines(p);
    return 0;
}

/* Whatever is no line of a message; octets of it that have come are kept until its end. */
static int feed_line(struct pop3 *p, struct span *bytes)
{
    const char *end = memchr(bytes->data, '\n', bytes->len);
    size_t len = end ? (size_t)(end - bytes->data) : bytes->len;

    buffer_put(&p->line, bytes->data, len);
    bytes->data += len + (end != NULL);
    bytes->len -= len + (end != NULL);
    if (p->line.full)
        return fail(p, "the server's answer has a line over 1024 octets");
    if (!end)
        return 0;
    struct span line = buffer_span(&p->line);
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    int got = p->in_lines ? take_list_line(p, line) : take_status(p, line);
    buffer_clear(&p->line);
    return got;
}

/* ---- lines of a message ---- */

static void keep(struct pop3 *p, char c)
{
    p->size++;
    if (p->kept.len < POP3_MAX_KEPT)
        buffer_put(&p->kept, &c, 1);
}

/* One octet of a message; whether it ended with that. A dot that begins a line is one too many, or the end
 * (RFC 1939 section 3). */
static bool take_octet(struct pop3 *p, char c)
{
    switch (p->data) {
    case POP3_LINE_START:
        if (c == '.') {
            p->data = POP3_DOT;
            return false;
        }
        break;
    case POP3_DOT:
        if (c == '\r') {
            p->data = POP3_DOT_CR;
            return false;
        }
        break;
    case POP3_DOT_CR:
        if (c == '\n')
            return true;
        keep(p, '\r');
        break;
    case POP3_IN_LINE:
    case POP3_CR:
        break;
    }
    keep(p, c);
    if (c == '\n' && p->data == POP3_CR)
        p->data = POP3_LINE_START;
    else
        p->data = c == '\r' ? POP3_CR : POP3_IN_LINE;
    return false;
}

static int feed_message(struct pop3 *p, struct span *bytes)
{
    while (bytes->len > 0 && p->octets < POP3_MAX_OCTETS) {
        char c = *bytes->data++;
        bytes->len--;
        p->octets++;
        if (take_octet(p, c)) {
            end_lines(p);
            return 0;
        }
    }
    return bytes->len > 0 ? fail(p, "the server sent more than 256 MiB in a session") : 0;
}

/* ---- the seam ---- */

/* Whether somebody waits for what the server says. */
static bool is_asked(const struct pop3 *p)
{
    return p->in_lines || p->out.len == 0;
}

int pop3_feed(struct pop3 *p, struct span bytes)
{
    int got = 0;

    while (bytes.len > 0 && got == 0 && p->state != POP3_FAILED) {
        if (p->state == POP3_DONE || !is_asked(p))
            return fail(p, "the server spoke when nothing had been asked");
        if (p->in_lines && p->state != POP3_UIDL)
            got = feed_message(p, &bytes);
        else
            got = feed_line(p, &bytes);
    }
    return p->state == POP3_FAILED ? -1 : p->state == POP3_DONE;
}

struct span pop3_output(const struct pop3 *p)
{
    return p->state == POP3_FAILED ? (struct span){0} : buffer_span(&p->out);
}

void pop3_sent(struct pop3 *p)
{
    buffer_clear(&p->out);
}

const char *pop3_why(const struct pop3 *p)
{
    return p->why;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads dialogue files: tells commands, expectations, comments and messages apart. What a line means is told
 * from what is written, before anything is filled in, so that a value can never become another line.
 *
 *     file        = *( comment / empty / expectation / command [ CRLF *expectation message ] )
 *     comment     = *WSP "#" *CHAR
 *     expectation = *WSP "<" *WSP code [ 1*WSP enhanced ] [ 1*WSP text ]     ; code = 250 / 4xx, text = *CHAR
 *     message     = *( line ) "."                                            ; only behind DATA
 */
#include "probe/proto/dialogue_line.h"

#include "probe/proto/message.h"

#include <string.h>
#include <strings.h>

#define NOT_A_WISH                                                                                           \
    "not an expectation (expected a code such as 250 or 4xx, then if wanted an enhanced code and a text)"

static const struct dialogue_verb verbs[] = {
    {"EHLO", PHASE_EHLO, PLAN_LINE_HELLO, false},
    {"HELO", PHASE_EHLO, PLAN_LINE_HELLO, false},
    {"LHLO", PHASE_EHLO, PLAN_LINE_HELLO, false},
    {"XCLIENT", PHASE_EHLO, PLAN_LINE_PLAIN, false},
    {"STARTTLS", PHASE_STARTTLS, PLAN_LINE_STARTTLS, true},
    {"AUTH", PHASE_AUTH, PLAN_LINE_AUTH, false},
    {"MAIL", PHASE_MAIL, PLAN_LINE_PLAIN, false},
    {"RCPT", PHASE_RCPT, PLAN_LINE_PLAIN, false},
    {"DATA", PHASE_DATA, PLAN_LINE_DATA, true},
    {"RSET", PHASE_RSET, PLAN_LINE_PLAIN, false},
    {"QUIT", PHASE_QUIT, PLAN_LINE_QUIT, true},
    {"NOOP", PHASE_COUNT, PLAN_LINE_PLAIN, false},
    {"VRFY", PHASE_COUNT, PLAN_LINE_PLAIN, false},
    {"EXPN", PHASE_COUNT, PLAN_LINE_PLAIN, false},
    {"HELP", PHASE_COUNT, PLAN_LINE_PLAIN, false},
    {"ETRN", PHASE_COUNT, PLAN_LINE_PLAIN, false},
    {"BDAT", PHASE_COUNT, PLAN_LINE_PLAIN, false},
    {"XFORWARD", PHASE_COUNT, PLAN_LINE_PLAIN, false},
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* words */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.len && is_blank(s.data[0]))
        s = (struct span){s.data + 1, s.len - 1};
    while (s.len && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

struct span dialogue_word(struct span *text)
{
    struct span all = trim(*text), word = {all.data, 0};

    while (word.len < all.len && !is_blank(all.data[word.len]))
        word.len++;
    *text = trim((struct span){all.data + word.len, all.len - word.len});
    return word;
}

const struct dialogue_verb *dialogue_verb_of(struct span line)
{
    struct span word = dialogue_word(&line);

    for (size_t i = 0; i < VERB_COUNT; i++)
        if (span_is_nocase(word, verbs[i].name))
            return &verbs[i];
    return NULL;
}

enum plan_line_kind dialogue_kind_of(struct span line)
{
    const struct dialogue_verb *verb = dialogue_verb_of(line);

    (void)dialogue_word(&line);
    return verb && !(verb->alone && line.len) ? verb->kind : PLAN_LINE_PLAIN;
}

struct span dialogue_next(struct span *text)
{
    const char *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    size_t len = end ? (size_t)(end - text->data) : text->len;
    struct span line = {text->data, len};

    len += end != NULL;
    *text = (struct span){text->data + len, text->len - len};
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

void dialogue_add_mistake(struct arena *a, struct dialogue_mistakes *mistakes, unsigned line,
                          const char *text)
{
    size_t at = mistakes->count;

    if (at == DIALOGUE_MAX_MISTAKES)
        return;
    mistakes->list = arena_grow(a, mistakes->list, mistakes->count++, sizeof(*mistakes->list));
    for (; at > 0 && mistakes->list[at - 1].line > line; at--)
        mistakes->list[at] = mistakes->list[at - 1];
    mistakes->list[at] = (struct dialogue_mistake){line, text};
}

bool dialogue_is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);

    return len >= 1 && len <= 64 && strspn(name, allowed) == len;
}

bool dialogue_sends(const struct dialogue *d)
{
    return d->sends;
}

bool dialogue_starts_tls(const struct dialogue *d)
{
    return d->starts_tls;
}

bool dialogue_logs_in(const struct dialogue *d)
{
    return d->logs_in;
}

/* reading */

struct reader {
    struct arena *arena;
    struct span rest;
    unsigned number; /* of the line that was read last */
    struct dialogue *dialogue;
    struct plan_wish *wish; /* of what was said last: the next expectation is its */
    bool in_auth;
    struct dialogue_mistakes *mistakes;
};

static void wrong(struct reader *r, unsigned number, const char *text)
{
    dialogue_add_mistake(r->arena, r->mistakes, number, text);
}

static struct span next_line(struct reader *r)
{
    r->number++;
    return dialogue_next(&r->rest);
}

/* code = ( "2" / "3" / "4" / "5" ) ( "xx" / %x30-35 DIGIT ) */
static bool read_code(struct span word, struct plan_wish *wish)
{
    if (word.len != 3 || word.data[0] < '2' || word.data[0] > '5')
        return false;
    wish->class = word.data[0] - '0';
    if (strncasecmp(word.data + 1, "xx", 2) == 0)
        return true;
    if (word.data[1] < '0' || word.data[1] > '5' || word.data[2] < '0' || word.data[2] > '9')
        return false;
    wish->code = wish->class * 100 + (word.data[1] - '0') * 10 + (word.data[2] - '0');
    return true;
}

/* Whether the line is one; number and texts are filled in then. */
static bool read_wish(struct reader *r, struct span line, struct plan_wish *wish_r)
{
    struct plan_wish wish = {0};
    struct span rest = trim(line);
    size_t len;

    if (!rest.len || rest.data[0] != '<')
        return false;
    rest = trim((struct span){rest.data + 1, rest.len - 1});
    wish.shown = arena_dup_span(r->arena, rest);
    if (!read_code(dialogue_word(&rest), &wish))
        return false;
    if (enhanced_parse(rest, &wish.enhanced, &len) == 1)
        rest = trim((struct span){rest.data + len, rest.len - len});
    wish.text = arena_dup_span(r->arena, rest);
    *wish_r = wish;
    return true;
}

/* An expectation stands in the line under way. */
static void take_wish(struct reader *r, const struct plan_wish *wish)
{
    if (wish->enhanced.class && wish->enhanced.class != wish->class)
        wrong(r, r->number, "the enhanced code is of another class than the code");
    else if (r->wish->number)
        wrong(r, r->number,
              arena_printf(r->arena, "a second expectation for one reply (the first stands in line %u)",
                           r->wish->number));
    *r->wish = *wish;
    r->wish->number = r->number;
}

/* What no line may hold that is sent. */
static void check_line(struct reader *r, struct span line)
{
    if (memchr(line.data, '\0', line.len))
        wrong(r, r->number, "a NUL, which no mail server takes");
    else if (memchr(line.data, '\r', line.len))
        wrong(r, r->number, "a CR in the middle of a line");
}

/* Behind DATA a line is text unless it can only be an expectation. */
static void read_message_wishes(struct reader *r)
{
    struct plan_wish wish;

    for (struct span rest = r->rest; rest.len && read_wish(r, dialogue_next(&rest), &wish);) {
        (void)next_line(r);
        take_wish(r, &wish);
        rest = r->rest;
    }
}

static void read_message(struct reader *r, struct dialogue_line *line)
{
    struct span left;

    read_message_wishes(r);
    line->message = (struct span){r->rest.data, 0};
    while ((left = r->rest).len && !span_is(next_line(r), "."))
        line->message.len = (size_t)(r->rest.data - line->message.data);
    if (!left.len) {
        wrong(r, line->number,
              "the message behind DATA has no end (expected a line with nothing but a dot, even where DATA "
              "is to be refused)");
        return;
    }
    const char *nul = line->message.len ? memchr(line->message.data, '\0', line->message.len) : NULL;
    if (nul)
        wrong(r, line->number, "there is a NUL in the message");
    line->dot = r->number;
    r->wish = &line->taken;
    r->dialogue->sends = true;
    if (!line->message.len || !memmem(line->message.data, line->message.len, "{{", 2))
        line->wire = message_wire(r->arena, line->message);
}

/* With its message each DATA is two, and QUIT is said in any case. */
static bool is_too_much(const struct dialogue *d)
{
    size_t commands = d->count + 1;

    for (size_t i = 0; i < d->count; i++)
        commands += d->lines[i].kind == PLAN_LINE_DATA;
    if (d->count && d->lines[d->count - 1].kind == PLAN_LINE_QUIT)
        commands--;
    return commands > PLAN_MAX_COMMANDS;
}

/* BDAT with octets behind it, which are no lines (RFC 3030). */
static bool has_chunk(const struct dialogue_verb *verb, struct span line)
{
    if (!verb || strcmp(verb->name, "BDAT") != 0)
        return false;
    (void)dialogue_word(&line);
    return !span_is(dialogue_word(&line), "0");
}

static void read_command(struct reader *r, struct span text)
{
    struct dialogue *d = r->dialogue;
    const struct dialogue_verb *verb = dialogue_verb_of(text);

    if (d->count && d->lines[d->count - 1].kind == PLAN_LINE_QUIT)
        wrong(r, r->number, "nothing can be said after QUIT");
    if (span_is(text, "."))
        wrong(r, r->number, "a dot that ends no message (DATA is missing)");
    if (has_chunk(verb, text))
        wrong(r, r->number, "a chunk cannot be sent behind BDAT (expected DATA, or BDAT 0)");
    check_line(r, text);
    d->lines = arena_grow(r->arena, d->lines, d->count, sizeof(*d->lines));
    struct dialogue_line *line = &d->lines[d->count++];
    *line = (struct dialogue_line){.number = r->number,
                                   .kind = dialogue_kind_of(text),
                                   .phase = verb         ? verb->phase
                                            : r->in_auth ? PHASE_AUTH
                                                         : PHASE_COUNT,
                                   .secret = !verb && r->in_auth,
                                   .text = text};
    if (verb)
        r->in_auth = verb->kind == PLAN_LINE_AUTH;
    d->starts_tls = d->starts_tls || line->kind == PLAN_LINE_STARTTLS;
    d->logs_in = d->logs_in || line->kind == PLAN_LINE_AUTH;
    r->wish = &line->wish;
    if (line->kind == PLAN_LINE_DATA)
        read_message(r, line);
}

static void read_line(struct reader *r)
{
    struct span line = next_line(r), said = trim(line);
    struct plan_wish wish;

    if (!said.len || said.data[0] == '#')
        return;
    if (said.data[0] != '<')
        read_command(r, line);
    else if (memchr(line.data, '\0', line.len))
        wrong(r, r->number, "a NUL, which no mail server says");
    else if (read_wish(r, line, &wish))
        take_wish(r, &wish);
    else
        wrong(r, r->number, NOT_A_WISH);
}

const struct dialogue *dialogue_read(struct arena *a, struct span text, struct dialogue_mistakes *mistakes)
{
    struct dialogue *d = arena_alloc(a, sizeof(*d));
    struct reader r = {.arena = a, .rest = text, .dialogue = d, .wish = &d->banner, .mistakes = mistakes};
    size_t before = mistakes->count;

    if (text.len > DIALOGUE_MAX_FILE) {
        wrong(&r, 0, "larger than 32 MiB");
        return d;
    }
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        r.rest = (struct span){text.data + 3, text.len - 3};
    while (r.rest.len && !is_too_much(d) && mistakes->count < DIALOGUE_MAX_MISTAKES)
        read_line(&r);
    if (is_too_much(d))
        wrong(&r, r.number,
              arena_printf(
                  a,
                  "too much for one connection (expected at most %d commands, each message and QUIT counted)",
                  PLAN_MAX_COMMANDS));
    else if (!d->count && !d->banner.number && mistakes->count == before)
        wrong(&r, 0, "there is no command in it");
    return d;
}

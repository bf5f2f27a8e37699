/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a letter of a template. The header is written anew for each run, with the fields that it lacks; of
 * the body only what goes between its pieces is. A line that begins with a dot because of what was filled in
 * gets its second dot here. Padding is lines at the end, as many as are wanted, all of one block.
 */
#include "probe/base/buffer.h"
#include "probe/base/text.h"
#include "probe/proto/message.h"
#include "probe/proto/template_parts.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define FOLDED    78 /* octets that a folded line is to have at most, RFC 5322 section 2.1.1 */
#define PAD_LINE  78 /* octets with CRLF */
#define PAD_LINES 3360

struct writer {
    struct arena *arena;
    const struct template *t;
    const char *values[TEMPLATE_NAME_COUNT];
    struct buffer head;
    size_t head_dots;                   /* of it doubled ones */
    struct template_mistakes *mistakes; /* null: it was checked, so there are none */
};

static void complain(struct writer *w, unsigned line, const char *text)
{
    if (w->mistakes)
        template_complain(w->mistakes, line, text);
}

/* the header */

/* Where to cut a line: before the last white space that leaves at most FOLDED octets, or before the first one
 * behind that; 0 where there is none. Nothing but white space is left on neither side. */
static size_t fold_at(struct span line, size_t least)
{
    size_t best = 0;

    for (size_t i = least; i < line.len && i <= TEMPLATE_MAX_LINE && (!best || i <= FOLDED); i++) {
        struct span rest = {line.data + i, line.len - i};
        size_t blank = template_white(rest);
        if (blank && blank < rest.len)
            best = i;
        i += blank;
    }
    return best;
}

static bool put_header_line(struct writer *w, struct span line)
{
    const char *colon = memchr(line.data, ':', line.len);
    size_t least = colon ? (size_t)(colon - line.data) + 1 : 0;
    bool folds = line.len > TEMPLATE_MAX_LINE;

    if (line.len && *line.data == '.') { /* as a field's name may begin */
        buffer_puts(&w->head, ".");
        w->head_dots++;
    }
    least += template_white((struct span){line.data + least, line.len - least});
    while (folds && line.len > FOLDED) {
        size_t at = fold_at(line, least + 1);
        if (!at)
            break;
        buffer_put(&w->head, line.data, at);
        buffer_puts(&w->head, "\r\n");
        line = (struct span){line.data + at, line.len - at};
        least = template_white(line);
    }
    buffer_put(&w->head, line.data, line.len);
    buffer_puts(&w->head, "\r\n");
    return line.len <= TEMPLATE_MAX_LINE;
}

/* The line, filled in, behind what is in the buffer. Its {{names}} are all known. */
static void fill_line(struct writer *w, struct span line, struct buffer *out)
{
    enum template_name name;
    size_t open, len;

    while ((open = template_find_place(line)) < line.len) {
        struct span rest = {line.data + open + 2, line.len - open - 2};
        template_name_at(rest, &name, &len);
        buffer_put(out, line.data, open);
        buffer_puts(out, w->values[name]);
        line = (struct span){rest.data + len + 2, rest.len - len - 2};
    }
    buffer_put(out, line.data, line.len);
}

/* What the template itself has none of. */
static void put_fields(struct writer *w)
{
    unsigned own = w->t->own_fields;
    const char *from = w->values[TEMPLATE_FROM];

    if (!(own >> FIELD_DATE & 1))
        buffer_printf(&w->head, "Date: %s\r\n", w->values[TEMPLATE_DATE]);
    if (!(own >> FIELD_FROM & 1))
        buffer_printf(&w->head, "From: ehlod <%s%s>\r\n", *from ? "" : "ehlod@",
                      *from ? from : w->values[TEMPLATE_HOSTNAME]);
    if (!(own >> FIELD_MESSAGE_ID & 1))
        buffer_printf(&w->head, "Message-ID: %s\r\n", w->values[TEMPLATE_MESSAGE_ID]);
    if (!(own >> FIELD_TOKEN & 1))
        buffer_printf(&w->head, "X-Ehlod-Token: %s\r\n", w->values[TEMPLATE_TOKEN]);
}

static void write_head(struct writer *w)
{
    struct span text = w->t->header;
    unsigned number = w->t->header_line;
    struct buffer line;

    buffer_clear(&w->head);
    w->head_dots = 0;
    buffer_init(&line, TEMPLATE_MAX_HEADER);
    put_fields(w);
    for (; text.len; number++) {
        buffer_clear(&line);
        fill_line(w, template_next_line(&text), &line);
        if (line.full || w->head.full)
            break;
        if (template_white(buffer_span(&line)) == line.len)
            complain(w, number, "a line of white space alone in the header when it is filled in");
        if (!put_header_line(w, buffer_span(&line)))
            complain(w, number, "a header line that cannot be folded: no white space in 998 octets");
    }
    buffer_puts(&w->head, "\r\n");
    if (line.full || w->head.full)
        complain(w, 0, "the header is longer than 64 KiB when it is filled in");
    buffer_free(&line);
}

/* its Message-ID */

/* The value of the field, which may stand on the line behind its name. */
static struct span find_id(struct span head)
{
    static const char name[] = "Message-ID:";
    size_t len = sizeof(name) - 1;

    while (head.len) {
        struct span line = template_next_line(&head);
        if (line.len < len || strncasecmp(line.data, name, len) != 0)
            continue;
        struct span value = template_trim((struct span){line.data + len, line.len - len});
        return value.len || !template_white(head) ? value : template_trim(template_next_line(&head));
    }
    return (struct span){"", 0};
}

/* msg-id = "<" id-left "@" id-right ">", and whatever it is made of can be shown and compared. */
static bool is_id(struct span id)
{
    size_t ats = 0;

    for (size_t i = 1; i + 1 < id.len; i++) {
        if (id.data[i] <= ' ' || id.data[i] >= 0x7f || id.data[i] == '<' || id.data[i] == '>')
            return false;
        ats += id.data[i] == '@' && i > 1 && i + 2 < id.len;
    }
    return ats == 1 && id.data[0] == '<' && id.data[id.len - 1] == '>';
}

/* The header with the template's own Message-ID, which is what {{message_id}} then means everywhere. */
static void use_own_id(struct writer *w)
{
    struct span id = find_id(buffer_span(&w->head));

    if (!is_id(id)) {
        complain(w, w->t->id_line, "a Message-ID that is not of the form <left@right> in ASCII");
        return;
    }
    if (span_is(id, w->values[TEMPLATE_MESSAGE_ID]))
        return;
    w->values[TEMPLATE_MESSAGE_ID] = arena_dup_span(w->arena, id);
    if (w->mistakes)
        w->mistakes->count = 0; /* whatever it was, it is said again */
    write_head(w);
}

static void writer_init(struct writer *w, struct arena *a, const struct plan_message *message,
                        const char *token, int64_t wall_us)
{
    char date[TEXT_DATE_SIZE];

    text_date(wall_us, date);
    *w = (struct writer){.arena = a, .t = message->template};
    memcpy(w->values, message->values, TEMPLATE_DATE * sizeof(*w->values));
    w->values[TEMPLATE_DATE] = arena_dup(a, date);
    w->values[TEMPLATE_TOKEN] = token;
    w->values[TEMPLATE_MESSAGE_ID] = message_id(a, token, w->values[TEMPLATE_HOSTNAME]);
    buffer_init(&w->head, TEMPLATE_MAX_HEADER);
}

static void writer_write_head(struct writer *w)
{
    write_head(w);
    if (w->t->own_fields >> FIELD_MESSAGE_ID & 1)
        use_own_id(w);
}

/* checking */

static void check_lines(struct writer *w)
{
    const struct template *t = w->t;

    for (size_t i = 0, next; i < t->place_count; i = next) {
        size_t octets = t->places[i].line_octets;
        for (next = i; next < t->place_count && t->places[next].line == t->places[i].line; next++)
            octets += strlen(w->values[t->places[next].name]);
        if (octets > TEMPLATE_MAX_LINE)
            complain(w, t->places[i].line,
                     arena_printf(w->arena, "a line of %zu octets when it is filled in (expected at most %d)",
                                  octets, TEMPLATE_MAX_LINE));
    }
}

int template_check(struct arena *scratch, struct plan_message *message, bool *is_utf8_r,
                   struct template_mistakes *mistakes)
{
    char token[MESSAGE_TOKEN_SIZE] = TOKEN_START;
    struct template_mistakes own = {.count = 0};
    const struct template *t = message->template;
    struct writer w;

    memset(token + strlen(TOKEN_START), '0', TOKEN_DIGITS); /* as long as any */
    writer_init(&w, scratch, message, token, 0);
    w.mistakes = &own;
    writer_write_head(&w);
    check_lines(&w);
    for (size_t i = 0; i < own.count; i++)
        template_complain(mistakes, own.list[i].line, own.list[i].text);
    if (own.count == 0) {
        message->octets = w.head.len - w.head_dots + t->body.len - t->body_dots;
        message->is_8bit = t->is_8bit;
        message->hash = t->hash;
        *is_utf8_r = !text_is_ascii(buffer_span(&w.head));
        for (size_t i = 0; i < t->place_count; i++) {
            struct span value = span_of(w.values[t->places[i].name]);
            message->octets += value.len;
            message->is_8bit = message->is_8bit || !text_is_ascii(value);
        }
    }
    buffer_free(&w.head);
    return own.count == 0 ? 0 : -1;
}

/* padding */

struct span template_pad(struct arena *a)
{
    size_t len = PAD_LINE * PAD_LINES;
    char *block = arena_alloc(a, len);

    memset(block, 'x', len);
    for (size_t i = PAD_LINE; i <= len; i += PAD_LINE)
        memcpy(block + i - 2, "\r\n", 2);
    return (struct span){block, len};
}

bool template_can_pad(size_t octets)
{
    return octets != 1;
}

/* writing */

static void add(struct span *rest, size_t *count, struct span piece)
{
    if (piece.len)
        rest[(*count)++] = piece;
}

static struct span tail(struct span pad, size_t len)
{
    return (struct span){pad.data + pad.len - len, len};
}

/* Whole lines, and one for what is over; of one octet, which is no line, two are made with its neighbour. */
static void add_padding(struct span *rest, size_t *count, struct span pad, size_t octets)
{
    size_t over = octets % PAD_LINE;
    size_t whole = octets - over;

    assert(template_can_pad(octets));
    if (over == 1)
        whole -= PAD_LINE;
    for (; whole > pad.len; whole -= pad.len)
        add(rest, count, pad);
    add(rest, count, tail(pad, whole));
    if (over == 1)
        add(rest, count, tail(pad, PAD_LINE - 1));
    add(rest, count, tail(pad, over == 1 ? 2 : over));
}

/* The body, with what is filled in between its pieces. */
static void add_body(struct span *rest, size_t *count, const struct writer *w)
{
    const struct template *t = w->t;
    static const struct span dot = {".", 1};
    bool at_start = false; /* of a line, but for what is empty */
    size_t at = 0;

    for (size_t i = 0; i < t->place_count; i++) {
        const struct template_place *p = &t->places[i];
        struct span value = span_of(w->values[p->name]);
        bool same_line = i > 0 && t->places[i - 1].line == p->line;
        add(rest, count, (struct span){t->body.data + at, p->at - at});
        at = p->at;
        at_start = p->leads && (!same_line || at_start);
        if (at_start && value.len && *value.data == '.')
            add(rest, count, dot);
        add(rest, count, value);
        at_start = at_start && value.len == 0;
        if (at_start && t->body.data[at] == '.' && (i + 1 == t->place_count || t->places[i + 1].at > at))
            add(rest, count, dot);
    }
    add(rest, count, (struct span){t->body.data + at, t->body.len - at});
}

struct plan_letter template_write(struct arena *a, const struct plan_message *message, const char *token,
                                  int64_t wall_us)
{
    const struct template *t = message->template;
    size_t most = 4 * t->place_count + message->padding / (PAD_LINE * PAD_LINES) + 5, count = 0;
    struct span *rest = arena_alloc(a, most * sizeof(*rest));
    struct writer w;

    writer_init(&w, a, message, token, wall_us);
    writer_write_head(&w);
    add_body(rest, &count, &w);
    if (message->padding)
        add_padding(rest, &count, message->pad, message->padding);
    add(rest, &count, (struct span){".\r\n", 3});
    assert(count <= most && !w.head.full);
    struct span head = buffer_span(&w.head);
    struct plan_letter letter = {.token = token,
                                 .message_id = w.values[TEMPLATE_MESSAGE_ID],
                                 .wire = {arena_dup_span(a, head), head.len},
                                 .rest = rest,
                                 .rest_count = count,
                                 .octets = message->octets};
    buffer_free(&w.head);
    return letter;
}

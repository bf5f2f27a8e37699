/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reply parser, line by line (RFC 5321 section 4.2):
 *
 *     Reply-line  = *( Reply-code "-" [ textstring ] CRLF )
 *                   Reply-code [ SP textstring ] CRLF
 *     Reply-code  = %x32-35 %x30-35 %x30-39
 *
 * A line is judged when it is whole, so how bytes are split changes nothing; only NUL and the limits on size
 * are judged where they come. What a code means in its place is the client's business.
 */
#include "probe/proto/reply.h"

#include "probe/base/mem.h"
#include "probe/base/text.h"

#include <stdlib.h>
#include <string.h>

void reply_init(struct reply_parser *p, struct arena *arena)
{
    *p = (struct reply_parser){.arena = arena};
    buffer_init(&p->line, REPLY_MAX_LINE);
}

void reply_free(struct reply_parser *p)
{
    buffer_free(&p->line);
}

void reply_mask(struct reply_parser *p, const struct mask *mask)
{
    p->mask = mask;
}

void reply_next(struct reply_parser *p, bool banner, bool enhanced)
{
    struct reply_parser next = {
        .arena = p->arena, .mask = p->mask, .line = p->line, .banner = banner, .enhanced = enhanced};

    buffer_clear(&next.line);
    *p = next;
}

static void note(struct reply_parser *p, enum flag flag)
{
    p->flags |= UINT64_C(1) << flag;
}

static const char *in_clean_text(struct arena *a, struct span text)
{
    return text_is_clean(text) ? arena_dup_span(a, text) : text_escape(a, text);
}

/* A line as it is to be shown. */
static const char *show(struct reply_parser *p, struct span text)
{
    if (!text_is_clean(text)) {
        p->reply.escaped = true;
        if (!text_is_utf8(text))
            note(p, FLAG_NON_UTF8);
    }
    return in_clean_text(p->arena, text);
}

/* What is hidden is found in the bytes as they came, before anything else is done to them; of a line that was
 * cut, what its last octets begin too. */
static const char *show_masked(struct reply_parser *p, struct span text, bool is_cut)
{
    if (!p->mask)
        return show(p, text);
    char *masked = mem_alloc(mask_room(text.len) + 1);
    size_t len = is_cut ? mask_apply_cut(p->mask, text, masked) : mask_apply(p->mask, text, masked);
    const char *shown = show(p, (struct span){masked, len});
    free(masked);
    return shown;
}

/* Keeps a line twice: as it came, and as it is to be shown. */
static void keep_line(struct reply_parser *p, struct span text, bool is_cut)
{
    struct result_reply *r = &p->reply;
    const char **shown = arena_grow(p->arena, (void *)r->lines, r->line_count, sizeof(*shown));

    if (p->mask == mask_of_all() && !text_is_utf8(text)) /* flags are told all the same */
        note(p, FLAG_NON_UTF8);
    shown[r->line_count] = show_masked(p, text, is_cut);
    r->lines = shown;
    p->lines = arena_grow(p->arena, (void *)p->lines, r->line_count, sizeof(*p->lines));
    p->lines[r->line_count] = p->mask ? in_clean_text(p->arena, text) : shown[r->line_count];
    r->line_count++;
}

static bool is_digit(struct span line, size_t at)
{
    return at < line.len && line.data[at] >= '0' && line.data[at] <= '9';
}

/* A greeting that does not even begin with a digit comes from something that does not speak SMTP. */
static bool is_foreign(const struct reply_parser *p, struct span line)
{
    return p->banner && p->reply.line_count == 0 && !is_digit(line, 0);
}

/* The code at the start of the line: 0, or -1 with the reason. */
static int read_code(const struct reply_parser *p, struct span line, int *code_r, enum reason *reason_r)
{
    int code = 0;
    for (size_t i = 0; i < 3; i++) {
        if (!is_digit(line, i)) {
            *reason_r = is_foreign(p, line) ? REASON_NOT_SMTP : REASON_BAD_SYNTAX;
            return -1;
        }
        code = code * 10 + (line.data[i] - '0');
    }
    if (line.len > 3 && line.data[3] != ' ' && line.data[3] != '-') {
        *reason_r = REASON_BAD_SYNTAX;
        return -1;
    }
    if (code < 200 || code > 599 || code / 10 % 10 > 5) {
        *reason_r = REASON_BAD_CODE;
        return -1;
    }
    if (p->reply.line_count > 0 && code != p->reply.code) {
        *reason_r = REASON_CODE_MISMATCH;
        return -1;
    }
    *code_r = code;
    return 0;
}

/* RFC 2034 section 4: on each line of a 2xx, 4xx or 5xx reply, the same one, its class that of the code. One
 * that is malformed, or not the same on every line, is none. */
static void read_enhanced(struct reply_parser *p, struct span text)
{
    struct result_reply *r = &p->reply;
    struct enhanced code = {0};
    size_t len;

    if (!p->enhanced || r->code / 100 == 3)
        return;
    if (enhanced_parse(text, &code, &len) < 0)
        note(p, FLAG_ENHANCED_MALFORMED);
    if (r->line_count == 0)
        r->enhanced = code;
    else if (!enhanced_same(code, r->enhanced))
        p->enhanced_differs = true;
}

static void finish_enhanced(struct reply_parser *p)
{
    struct result_reply *r = &p->reply;
    if (p->enhanced_differs) {
        r->enhanced = (struct enhanced){0};
        note(p, FLAG_ENHANCED_MALFORMED);
    }
    if (r->enhanced.class && r->enhanced.class != r->code / 100)
        note(p, FLAG_ENHANCED_MISMATCH);
}

/* One whole line without its end: 1 = the last, 0 = more follow, -1 = wrong. */
static int read_line(struct reply_parser *p, struct span line, enum reason *reason_r)
{
    int code;
    if (read_code(p, line, &code, reason_r) < 0) {
        keep_line(p, line, false);
        return -1;
    }
    if (p->reply.line_count == REPLY_MAX_LINES) {
        *reason_r = REASON_TOO_MANY_LINES;
        return -1;
    }
    p->reply.code = code;
    struct span text = line.len > 4 ? (struct span){line.data + 4, line.len - 4} : span_of("");
    read_enhanced(p, text);
    keep_line(p, text, false);
    if (line.len > 3 && line.data[3] == '-')
        return 0;
    finish_enhanced(p);
    if (code == 334)
        p->challenge = arena_dup_span(p->arena, text);
    return 1;
}

/* A line end was read: takes the line out of the buffer and judges it. */
static int end_line(struct reply_parser *p, enum reason *reason_r)
{
    struct span line = buffer_span(&p->line);

    line.len--; /* the LF */
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    else
        note(p, FLAG_BARE_LF);
    if (line.len == 0 && p->reply.line_count == 0) {
        note(p, FLAG_STRAY_EMPTY_LINE);
        buffer_clear(&p->line);
        if (++p->stray <= REPLY_MAX_STRAY)
            return 0;
        *reason_r = REASON_BAD_SYNTAX;
        return -1;
    }
    if (line.len > 0 && memchr(line.data, '\r', line.len))
        note(p, FLAG_BARE_CR);
    if (p->line.len > REPLY_LONG_LINE)
        note(p, FLAG_REPLY_LINE_LONG);
    int got = read_line(p, line, reason_r);
    buffer_clear(&p->line);
    return got;
}

/* A line that is not read to its end; what came of it is shown. */
static int refuse(struct reply_parser *p, enum reason reason, enum reason *reason_r)
{
    struct span line = buffer_span(&p->line);

    *reason_r = is_foreign(p, line) ? REASON_NOT_SMTP : reason;
    keep_line(p, line, true);
    buffer_clear(&p->line);
    return -1;
}

/* How many of these octets decide nothing: they stand inside a line, and inside the limits. */
static size_t count_inside(const struct reply_parser *p, struct span bytes)
{
    size_t most = p->bytes < REPLY_MAX_BYTES ? REPLY_MAX_BYTES - p->bytes : 0;
    size_t len = 0;

    if (most > REPLY_MAX_LINE - 1 - p->line.len)
        most = REPLY_MAX_LINE - 1 - p->line.len;
    if (most > bytes.len)
        most = bytes.len;
    while (len < most && bytes.data[len] != '\n' && bytes.data[len] != '\0')
        len++;
    return len;
}

int reply_feed(struct reply_parser *p, struct span bytes, size_t *used_r, enum reason *reason_r)
{
    size_t used = 0;
    int got = 0;

    while (got == 0 && used < bytes.len) {
        size_t inside = count_inside(p, (struct span){bytes.data + used, bytes.len - used});
        buffer_put(&p->line, bytes.data + used, inside);
        p->bytes += inside;
        used += inside;
        if (used == bytes.len)
            break;
        char c = bytes.data[used++];
        buffer_put(&p->line, &c, 1);
        p->bytes++;
        if (c == '\0')
            got = refuse(p, REASON_NUL, reason_r);
        else if (p->bytes > REPLY_MAX_BYTES || (p->line.len == REPLY_MAX_LINE && c != '\n'))
            got = refuse(p, REASON_TOO_LONG, reason_r);
        else if (c == '\n')
            got = end_line(p, reason_r);
    }
    *used_r = used;
    return got;
}

void reply_break(struct reply_parser *p)
{
    struct span line = buffer_span(&p->line);

    if (line.len > 0 && memchr(line.data, '\r', line.len))
        note(p, FLAG_BARE_CR);
    while (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (reply_begun(p))
        note(p, FLAG_REPLY_INCOMPLETE);
    if (line.len > 0)
        keep_line(p, line, true);
    buffer_clear(&p->line);
}

bool reply_begun(const struct reply_parser *p)
{
    return p->reply.line_count > 0 || p->line.len > 0;
}

/* The line without that enhanced code, if it begins with it. */
static const char *without(const char *line, struct enhanced code)
{
    struct enhanced own;
    size_t len;

    if (enhanced_parse(span_of(line), &own, &len) != 1 || !enhanced_same(own, code))
        return line;
    line += len;
    return *line == ' ' ? line + 1 : line;
}

/* Cuts between two characters. */
static char *cut(struct arena *a, struct span text)
{
    size_t most = REPLY_MAX_TEXT;

    if (text.len <= most)
        return arena_dup_span(a, text);
    while (((unsigned char)text.data[most] & 0xc0) == 0x80)
        most--;
    return arena_printf(a, "%.*s...", (int)most, text.data);
}

const char *reply_text(struct arena *a, const struct result_reply *reply)
{
    struct enhanced code = {0};
    struct buffer joined;
    size_t len;

    buffer_init(&joined, (size_t)8 * REPLY_MAX_LINE); /* an escaped line is four times as long */
    for (size_t i = 0; i < reply->line_count && joined.len <= REPLY_MAX_TEXT; i++) {
        const char *line = reply->lines[i];
        if (i == 0)
            (void)enhanced_parse(span_of(line), &code, &len);
        if (code.class && (i > 0 || reply->enhanced.class))
            line = without(line, code);
        if (joined.len && *line)
            buffer_puts(&joined, " ");
        buffer_puts(&joined, line);
    }
    const char *text = cut(a, buffer_span(&joined));
    buffer_free(&joined);
    return text;
}

bool reply_mentions(const struct reply_parser *p, const char *const *words)
{
    for (; *words; words++)
        for (size_t i = 0; i < p->reply.line_count; i++)
            if (strcasestr(p->lines[i], *words))
                return true;
    return false;
}

const char *reply_looks_like(struct span line)
{
    static const struct {
        const char *start;
        const char *protocol;
    } known[] = {
        {"SSH-", "SSH"},  {"HTTP/", "HTTP"},     {"<", "HTML"},         {"+OK", "POP3"},
        {"-ERR", "POP3"}, {"* OK", "IMAP"},      {"* BYE", "IMAP"},     {"* PREAUTH", "IMAP"},
        {"RFB ", "VNC"},  {"\\x15\\x03", "TLS"}, {"\\x16\\x03", "TLS"}, {"@RSYNCD", "rsync"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t len = strlen(known[i].start);
        if (line.len >= len && memcmp(line.data, known[i].start, len) == 0)
            return known[i].protocol;
    }
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message templates: a text is refused, with a line of its own that is wrong, or it goes over the wire as one
 * message that any server can take, whose body is what stands in it. The first two bytes choose the values
 * and the padding.
 */
#include "probe/proto/template.h"

#include "probe/base/buffer.h"
#include "probe/proto/message.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN   "ehlod-000102030405060708090a0b0c0d0eff1011121314151617"
#define WALL_US INT64_C(1763951104123456)
#define DATE    "Mon, 24 Nov 2025 02:25:04 +0000"
#define MOST    (4 * 1024 * 1024)

static const char *const names[TEMPLATE_NAME_COUNT] = {"hostname", "from", "to",    "target",    "route",
                                                       "address",  "date", "token", "message_id"};

static void set_values(const char *values[TEMPLATE_NAME_COUNT], uint8_t choice)
{
    static const char *const froms[] = {"", "probe@example.org", "\xc3\xbc@example.org",
                                        "\"a b\"@example.org"};

    values[TEMPLATE_HOSTNAME] = "probe.example.net";
    values[TEMPLATE_FROM] = froms[choice & 3];
    values[TEMPLATE_TO] = choice & 4 ? "www@example.org, \"a b\"@example.com" : "postmaster";
    values[TEMPLATE_TARGET] = choice & 8 ? ".mx1" : "mx1";
    values[TEMPLATE_ROUTE] = choice & 16 ? "." : "inbound";
    values[TEMPLATE_ADDRESS] = "[IPv6:2001:db8::1]";
}

static unsigned count_lines(struct span text)
{
    unsigned lines = 1;

    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static struct span join(struct arena *a, const struct plan_letter *letter)
{
    char *out = arena_alloc(a, plan_letter_octets(letter) + 1);
    size_t len = letter->wire.len;

    memcpy(out, letter->wire.data, len);
    for (size_t i = 0; i < letter->rest_count; i++) {
        fuzz_require(letter->rest[i].len > 0, "no piece is empty");
        memcpy(out + len, letter->rest[i].data, letter->rest[i].len);
        len += letter->rest[i].len;
    }
    return (struct span){out, len};
}

/* As simply as can be: the message without what the wire needs. */
static struct span undo(struct arena *a, struct span wire)
{
    char *out = arena_alloc(a, wire.len + 1);
    size_t len = 0;

    fuzz_require(wire.len >= 3 && memcmp(wire.data + wire.len - 3, ".\r\n", 3) == 0, "a dot ends it");
    for (size_t i = 0; i < wire.len - 3; i++)
        if (wire.data[i] != '.' || (i > 0 && wire.data[i - 1] != '\n'))
            out[len++] = wire.data[i];
        else
            fuzz_require(wire.data[++i] == '.', "a dot at the start of a line is doubled"), out[len++] = '.';
    return (struct span){out, len};
}

static void check_lines(struct span text)
{
    size_t start = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool lf = text.data[i] == '\n', cr = text.data[i] == '\r';
        fuzz_require(text.data[i] != '\0', "there is no NUL");
        fuzz_require(!cr || (i + 1 < text.len && text.data[i + 1] == '\n'), "CR comes before LF");
        fuzz_require(!lf || (i > 0 && text.data[i - 1] == '\r'), "LF comes behind CR");
        fuzz_require(!lf || i - 1 - start <= TEMPLATE_MAX_LINE, "no line is too long");
        start = lf ? i + 1 : start;
    }
    fuzz_require(start == text.len, "the last line has its end too");
}

/* The body of the text with every {{name}} replaced. */
static struct span fill(struct arena *a, struct span text, const char *const *values)
{
    struct buffer b;

    buffer_init(&b, MOST);
    for (size_t i = 0; i < text.len; i++) {
        bool found = false;
        for (int n = 0; n < TEMPLATE_NAME_COUNT && !found; n++) {
            const char *place = arena_printf(a, "{{%s}}", names[n]);
            size_t len = strlen(place);
            found = len <= text.len - i && memcmp(text.data + i, place, len) == 0;
            if (found)
                i += len - 1, buffer_puts(&b, values[n]);
        }
        if (!found && text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
            buffer_puts(&b, "\r");
        if (!found)
            buffer_put(&b, &text.data[i], 1);
    }
    if (text.len && text.data[text.len - 1] != '\n')
        buffer_puts(&b, "\r\n");
    struct span filled = {arena_dup_span(a, buffer_span(&b)), b.len};
    buffer_free(&b);
    return filled;
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

/* What stands behind the first empty line. */
static struct span body_of(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool at_start = i == 0 || text.data[i - 1] == '\n';
        size_t end = text.data[i] == '\r' && i + 1 < text.len ? i + 1 : i;
        if (at_start && text.data[end] == '\n')
            return (struct span){text.data + end + 1, text.len - end - 1};
    }
    return (struct span){text.data + text.len, 0};
}

static void check_letter(struct arena *a, const struct plan_message *m, bool is_utf8, struct span text)
{
    const char *values[TEMPLATE_NAME_COUNT];
    char token[MESSAGE_TOKEN_SIZE];
    struct plan_letter letter = template_write(a, m, TOKEN, WALL_US);
    struct span wire = join(a, &letter), message = undo(a, wire);
    struct span body = body_of(message);

    memcpy(values, m->values, sizeof(values));
    values[TEMPLATE_DATE] = DATE;
    values[TEMPLATE_TOKEN] = TOKEN;
    values[TEMPLATE_MESSAGE_ID] = letter.message_id;
    struct span wanted = fill(a, body_of(text), values);
    fuzz_require(message.len == m->octets, "SIZE is the size");
    check_lines(message);
    fuzz_require(body.len == wanted.len + m->padding &&
                     (!wanted.len || memcmp(body.data, wanted.data, wanted.len) == 0),
                 "the body is that of the text");
    fuzz_require(m->is_8bit == !is_ascii(body), "an 8-bit body is known");
    fuzz_require(is_utf8 == !is_ascii((struct span){message.data, message.len - body.len}), "so is a header");
    fuzz_require(message_token_of(message, token) && strcmp(token, TOKEN) == 0, "it can be found again");
    fuzz_require(memmem(message.data, message.len, letter.message_id, strlen(letter.message_id)),
                 "and named");
    fuzz_send_message(wire, message);
}

static void play(struct arena *a, uint8_t choice, size_t padding, struct span text)
{
    const char *values[TEMPLATE_NAME_COUNT] = {NULL};
    struct plan_message m = {.values = values};
    struct template_mistakes mistakes = {.count = 0};
    bool is_utf8 = false;

    set_values(values, choice);
    m.template = template_read(a, a, text, &mistakes);
    fuzz_require(!m.template == (mistakes.count > 0), "what is refused is said to be wrong");
    bool good = m.template && template_check(a, &m, &is_utf8, &mistakes) == 0;
    fuzz_require(good == (mistakes.count == 0), "whenever it is");
    for (size_t i = 0; i < mistakes.count; i++)
        fuzz_require(mistakes.list[i].line <= count_lines(text) && *mistakes.list[i].text,
                     "in a line of its own");
    if (!good)
        return;
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) /* a byte order mark is no part of it */
        text = (struct span){text.data + 3, text.len - 3};
    m.pad = template_pad(a);
    m.padding = template_can_pad(padding) ? padding : 0;
    m.octets += m.padding;
    check_letter(a, &m, is_utf8, text);
}

int fuzz_template(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct span input = {(const char *)data, size};
    uint8_t choice = fuzz_take(&input), padding = fuzz_take(&input);
    char *exact = fuzz_exact(input);

    play(&a, choice, padding * (size_t)3, (struct span){exact, input.len});
    free(exact);
    arena_free(&a);
    return 0;
}

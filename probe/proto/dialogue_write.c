/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a dialogue in for one run. A value stays where it stands: it can make no other line, and no command
 * of another kind (DATA, STARTTLS, AUTH, QUIT) than what was written. Between AUTH and the next command all
 * is secret: such lines go over the wire and are shown as ***.
 */
#include "probe/proto/dialogue_line.h"

#include "probe/auth.h"
#include "probe/base/text.h"
#include "probe/proto/message.h"

#include <string.h>

#define SECRET  "***"
#define MAX_OWN 8 /* placeholders of ours */

struct writer {
    struct arena *arena;
    const struct dialogue *dialogue;
    struct dialogue_mistakes *mistakes;
    struct placeholder *known; /* the user's, then ours; those of the envelope last, once they are known */
    size_t count;
    size_t without_envelope; /* of them */
    const char *from;        /* of the transaction above; null = none */
    const char *to;
};

static void wrong(struct writer *w, unsigned number, const char *text)
{
    dialogue_add_mistake(w->arena, w->mistakes, number, text);
}

/* what stands for what */

static void know(struct writer *w, const char *name, const char *value)
{
    w->known[w->count++] = (struct placeholder){name, value};
}

static void know_envelope(struct writer *w)
{
    w->count = w->without_envelope;
    if (w->from)
        know(w, "from", w->from);
    if (w->to)
        know(w, "to", w->to);
}

static void know_all(struct writer *w, const struct dialogue_order *order)
{
    char date[TEXT_DATE_SIZE];

    w->known = arena_alloc(w->arena, (order->var_count + MAX_OWN) * sizeof(*w->known));
    for (size_t i = 0; i < order->var_count; i++) {
        know(w, order->vars[i].name, order->vars[i].value);
        if (strpbrk(order->vars[i].value, "\r\n"))
            wrong(w, 0,
                  arena_printf(w->arena, "the value of {{%s}} holds a line break", order->vars[i].name));
    }
    text_date(order->wall_us, date);
    know(w, "hostname", order->hostname);
    know(w, "target", order->target);
    know(w, "address", order->address);
    know(w, "token", order->token);
    know(w, "date", arena_dup(w->arena, date));
    know(w, "message_id", arena_printf(w->arena, "<%s@%s>", order->token, order->hostname));
    w->without_envelope = w->count;
}

static const char *explain(const char *why)
{
    if (strcmp(why, "unknown placeholder {{from}}") == 0)
        return "{{from}} is the sender of the MAIL above it, and there is none";
    if (strcmp(why, "unknown placeholder {{to}}") == 0)
        return "{{to}} is the first recipient of the RCPT above it, and there is none";
    return why;
}

/* Puts the filled text into the buffer; false when something is wrong with it. */
static bool put(struct writer *w, unsigned number, struct span text, struct buffer *out)
{
    const char *why = placeholder_put(out, text, w->known, w->count, w->arena);

    if (why)
        wrong(w, number, explain(why));
    return !why;
}

/* The filled text, cut where it is longer than a line may be. */
static struct span fill(struct writer *w, unsigned number, struct span text)
{
    struct buffer out;

    buffer_init(&out, DIALOGUE_MAX_LINE - 2);
    if (put(w, number, text, &out) && out.full)
        wrong(w, number, arena_printf(w->arena, "longer than %d octets", DIALOGUE_MAX_LINE - 2));
    struct span filled = {arena_dup_span(w->arena, buffer_span(&out)), out.len};
    buffer_free(&out);
    return filled;
}

static struct plan_wish write_wish(struct writer *w, const struct plan_wish *wish)
{
    struct plan_wish filled = *wish;

    if (!wish->number)
        return filled;
    filled.text = fill(w, wish->number, span_of(wish->text)).data;
    filled.shown = text_show(w->arena, span_of(wish->shown), DIALOGUE_MAX_LINE);
    return filled;
}

/* the envelope */

/* "MAIL FROM:<a@b> SIZE=1" says a@b. */
static const char *path_of(struct arena *a, struct span line)
{
    const char *colon = memchr(line.data, ':', line.len);
    struct span path = {"", 0};
    bool quoted = false;

    if (colon) {
        path = (struct span){colon + 1, line.len - (size_t)(colon + 1 - line.data)};
        path = dialogue_word(&path);
    }
    if (!path.len || path.data[0] != '<')
        return arena_dup_span(a, path);
    path = (struct span){path.data + 1, line.len - (size_t)(path.data + 1 - line.data)};
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] == '"')
            quoted = !quoted;
        if (path.data[i] == '>' && !quoted)
            path.len = i;
    }
    return arena_dup_span(a, path);
}

static void note_envelope(struct writer *w, enum phase phase, struct span line)
{
    if (phase == PHASE_MAIL) {
        w->from = path_of(w->arena, line);
        w->to = NULL;
    } else if (phase == PHASE_RCPT && !w->to) {
        w->to = path_of(w->arena, line);
    }
    know_envelope(w);
}

/* lines */

/* Any other word behind AUTH may be a response whose mechanism was forgotten. */
static bool is_mechanism(struct span word)
{
    static const char *const foreign[] = {"ANONYMOUS",          "DIGEST-MD5",    "GSSAPI",
                                          "GS2-KRB5",           "NTLM",          "SCRAM-SHA-1-PLUS",
                                          "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS"};

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        if (span_is_nocase(word, foreign[i]))
            return true;
    return auth_by_name(word) != AUTH_MECHANISM_COUNT;
}

/* "AUTH PLAIN ***" */
static const char *show_auth(struct writer *w, struct span line)
{
    const char *verb = arena_dup_span(w->arena, dialogue_word(&line));
    struct span mechanism = dialogue_word(&line);

    if (!mechanism.len)
        return verb;
    return arena_printf(w->arena, "%s %s%s", verb,
                        is_mechanism(mechanism) ? arena_dup_span(w->arena, mechanism) : SECRET,
                        line.len ? " " SECRET : "");
}

/* What of it nobody may see. */
static struct span secret_of(const struct dialogue_line *from, struct span line)
{
    if (from->kind == PLAN_LINE_AUTH) {
        (void)dialogue_word(&line);
        struct span all = line, mechanism = dialogue_word(&line);
        return is_mechanism(mechanism) ? line : all;
    }
    return from->secret ? line : span_of("");
}

static const char *show(struct writer *w, const struct dialogue_line *from, struct span line)
{
    if (from->secret)
        return SECRET;
    if (from->kind == PLAN_LINE_AUTH)
        return show_auth(w, line);
    return text_is_clean(line) ? line.data : text_escape(w->arena, line);
}

/* Line by line, so that a mistake has its place. */
static struct span write_message(struct writer *w, const struct dialogue_line *from, unsigned first)
{
    struct span rest = from->message, wire = from->wire;
    struct buffer out;

    if (wire.len)
        return wire;
    buffer_init(&out, DIALOGUE_MAX_MESSAGE);
    for (unsigned number = first; rest.len && w->mistakes->count < DIALOGUE_MAX_MISTAKES; number++) {
        put(w, number, dialogue_next(&rest), &out);
        buffer_puts(&out, "\n");
    }
    if (out.full)
        wrong(w, from->number, "the message is longer than 64 MiB when it is filled in");
    wire = message_wire(w->arena, buffer_span(&out));
    buffer_free(&out);
    return wire;
}

static unsigned count_lines(struct span text)
{
    unsigned count = 0;

    for (; text.len; count++)
        (void)dialogue_next(&text);
    return count;
}

static struct span with_end(struct arena *a, struct span line)
{
    char *wire = arena_alloc(a, line.len + 2);

    memcpy(wire, line.data, line.len);
    memcpy(wire + line.len, "\r\n", 2);
    return (struct span){wire, line.len + 2};
}

static void write_line(struct writer *w, const struct dialogue_line *from, struct plan_line *to)
{
    size_t before = w->mistakes->count;
    struct span line = fill(w, from->number, from->text);

    *to = (struct plan_line){.number = from->number,
                             .kind = from->kind,
                             .phase = from->phase,
                             .shown = show(w, from, line),
                             .secret = secret_of(from, line),
                             .wish = write_wish(w, &from->wish)};
    to->wire = with_end(w->arena, line);
    if (w->mistakes->count == before && dialogue_kind_of(line) != from->kind)
        wrong(w, from->number, "a placeholder may not make another command of it");
    note_envelope(w, from->phase, line);
    if (from->kind != PLAN_LINE_DATA)
        return;
    to->message = write_message(w, from, from->dot - count_lines(from->message));
    to->dot = from->dot;
    to->taken = write_wish(w, &from->taken);
}

const struct plan_script *dialogue_write(struct arena *a, const struct dialogue *d,
                                         const struct dialogue_order *order,
                                         struct dialogue_mistakes *mistakes)
{
    struct writer w = {.arena = a, .dialogue = d, .mistakes = mistakes};
    struct plan_script *script = arena_alloc(a, sizeof(*script));
    struct plan_line *lines = arena_alloc(a, d->count * sizeof(*lines));
    size_t before = mistakes->count;

    know_all(&w, order);
    script->banner = write_wish(&w, &d->banner);
    for (size_t i = 0; i < d->count; i++)
        write_line(&w, &d->lines[i], &lines[i]);
    script->lines = lines;
    script->count = d->count;
    return mistakes->count == before ? script : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one file that knows libfyaml: its events become our own tree. Only the shape of YAML is used, never its
 * types: every scalar stays the text it was written as, so 025, 1e2, no and 25:30 have one meaning, which
 * the parser of each key gives. Aliases are refused, so a tree is never larger than its text.
 */
#include "config/yaml.h"

#include "probe/base/text.h"

#include <assert.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct fy_diag *diag; /* collects what libfyaml would print */
    struct fy_parser *parser;
    struct fy_event *event; /* the current one */
    struct span text;
    const struct node_origin *origin;
    struct arena *arena;
    struct findings *findings;
    unsigned depth;
    bool failed; /* an error says why; there are no more events */
};

static struct node_mark mark_at(const struct reader *r, const struct fy_mark *at)
{
    if (!at)
        return (struct node_mark){r->origin, 1, 1};
    return (struct node_mark){r->origin, (unsigned)at->line + 1, (unsigned)at->column + 1};
}

/* Says what is wrong, with the path of the node it is about (null: of none). */
static void say(struct reader *r, struct node_mark mark, const struct node *node, const char *text)
{
    if (!findings_wants(r->findings, FINDINGS_ERROR))
        return;
    const char *path = node ? node_path(r->arena, node) : "";
    findings_add(r->findings, FINDINGS_ERROR, &mark,
                 arena_printf(r->arena, "%s%s%s", path, *path ? ": " : "", text));
}

static void drop_event(struct reader *r)
{
    fy_parser_event_free(r->parser, r->event);
    r->event = NULL;
}

/* What the commonest traps look like: [::1]:25 is a list with something behind it. */
static const char *hint(struct span text, unsigned line)
{
    const char *end = text.data + text.len;
    const char *at = text.data;
    for (; line > 1 && at; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    const char *stop = at ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    bool bracket = at && memmem(at, (size_t)((stop ? stop : end) - at), "]:", 2);
    return bracket ? "; an address in brackets needs quotes around it" : "";
}

/* The scanner's own words for what is no YAML. */
static void say_syntax(struct reader *r)
{
    void *at = NULL;
    struct fy_diag_error *e = r->diag ? fy_diag_errors_iterate(r->diag, &at) : NULL;
    struct node_mark mark = {r->origin, 1, 1};
    if (e && e->line > 0)
        mark = (struct node_mark){r->origin, (unsigned)e->line, (unsigned)(e->column > 0 ? e->column : 1)};
    const char *words = e && e->msg ? e->msg : "cannot be read to its end";
    say(r, mark, NULL, arena_printf(r->arena, "not valid YAML: %s%s", words, hint(r->text, mark.line)));
    r->failed = true;
}

static enum fy_event_type next(struct reader *r)
{
    drop_event(r);
    if (r->failed)
        return FYET_NONE;
    r->event = fy_parser_parse(r->parser);
    if (r->event)
        return r->event->type;
    say_syntax(r);
    return FYET_NONE;
}

/* An event that has a value: where it begins, in quotes at the quote. */
static struct node_mark event_mark(const struct reader *r, struct node_mark otherwise)
{
    const struct fy_mark *at = fy_event_start_mark(r->event);
    if (!at)
        return otherwise;
    struct node_mark mark = mark_at(r, at);
    if (r->event->type != FYET_SCALAR)
        return mark;
    enum fy_scalar_style style = fy_token_scalar_style(r->event->scalar.value);
    if (style == FYSS_LITERAL || style == FYSS_FOLDED) /* libfyaml marks where its text ends */
        return otherwise;
    if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) /* the mark is behind the quote */
        mark.column--;
    return mark;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

/* Folds the line breaks that stand at *at, with the blanks around them, which it passes: one is a space, more
 * are one less. Returns how much was written. */
static size_t fold(struct span raw, size_t *at, char *out)
{
    size_t breaks = 0;
    for (; *at < raw.len && (is_blank(raw.data[*at]) || is_break(raw.data[*at])); ++*at) {
        bool crlf = raw.data[*at] == '\r' && *at + 1 < raw.len && raw.data[*at + 1] == '\n';
        breaks += is_break(raw.data[*at]) && !crlf;
    }
    memset(out, breaks == 1 ? ' ' : '\n', breaks == 1 ? 1 : breaks - 1);
    return breaks == 1 ? 1 : breaks - 1;
}

/* What single quotes mean (YAML 1.2.2 section 7.3.2), told from the file itself: libfyaml 0.7.12 misreads two
 * doubled quotes in a row, and may lose memory over it. */
static struct span unquote(struct reader *r)
{
    size_t start = fy_event_start_mark(r->event)->input_pos;
    size_t end = fy_event_end_mark(r->event)->input_pos;
    assert(start <= end && end <= r->text.len);
    struct span raw = {r->text.data + start, end - start};
    char *out = arena_alloc(r->arena, raw.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < raw.len;) {
        size_t next = i;
        while (next < raw.len && is_blank(raw.data[next]))
            next++;
        if (next < raw.len && is_break(raw.data[next])) {
            len += fold(raw, &i, out + len);
            continue;
        }
        memcpy(out + len, raw.data + i, next - i);
        len += next - i;
        i = next;
        if (i < raw.len)
            out[len++] = raw.data[i];
        i += i < raw.len && raw.data[i] == '\'' ? 2 : 1; /* a quote inside is doubled */
    }
    return (struct span){out, len};
}

/* The text of the current scalar; null, having said why, when it cannot be one. */
static const char *scalar_text(struct reader *r, struct node_mark mark, const struct node *node)
{
    struct fy_token *token = r->event->scalar.value;
    struct span text = span_of("");
    if (token && fy_token_scalar_style(token) == FYSS_SINGLE_QUOTED)
        text = unquote(r);
    else if (token)
        text.data = fy_token_get_text(token, &text.len);
    if (!text.data || !text_is_utf8(text))
        say(r, mark, node, "not UTF-8 text");
    else if (memchr(text.data, '\0', text.len))
        say(r, mark, node, "a NUL character has no place here");
    else
        return arena_dup_span(r->arena, text);
    return NULL;
}

static bool refuse_extras(struct reader *r, const struct node *node, struct fy_token *anchor,
                          struct fy_token *tag)
{
    if (anchor)
        say(r, node->mark, node, "anchors are not supported (found &)");
    if (tag)
        say(r, node->mark, node, "tags are not supported (found !)");
    return tag != NULL;
}

static void read_value(struct reader *r, struct node *node);

static void read_list(struct reader *r, struct node *list)
{
    while (next(r) != FYET_NONE && r->event->type != FYET_SEQUENCE_END) {
        struct node *item = arena_alloc(r->arena, sizeof(*item));
        item->mark = event_mark(r, list->mark);
        node_append(r->arena, list, item);
        read_value(r, item);
    }
}

static int compare_keys(const void *left, const void *right)
{
    const struct node *a = *(const struct node *const *)left;
    const struct node *b = *(const struct node *const *)right;
    int order = strcmp(a->key, b->key);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

/* Keeps the first of the entries that share a key and refuses the others. */
static void refuse_duplicates(struct reader *r, struct node *map)
{
    if (map->count < 2)
        return;
    struct node **sorted = arena_alloc(r->arena, map->count * sizeof(struct node *));
    memcpy(sorted, map->items, map->count * sizeof(struct node *));
    qsort(sorted, map->count, sizeof(struct node *), compare_keys);
    const struct node *first = sorted[0];
    for (size_t i = 1; i < map->count; i++) {
        if (strcmp(sorted[i]->key, first->key) != 0) {
            first = sorted[i];
            continue;
        }
        say(r, sorted[i]->key_mark, sorted[i],
            arena_printf(r->arena, "the same key twice (first in line %u)", first->key_mark.line));
        map->items[sorted[i]->index] = NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < map->count; i++)
        if (map->items[i])
            map->items[kept++] = map->items[i];
    map->count = kept;
}

/* The key of an entry into node->key; false, having said why, when it is none. */
static bool read_key(struct reader *r, struct node *node, const struct node *map)
{
    node->key_mark = event_mark(r, map->mark);
    if (r->event->type == FYET_SCALAR) {
        bool extras = r->event->scalar.anchor || r->event->scalar.tag;
        node->key = scalar_text(r, node->key_mark, map);
        if (node->key && extras)
            say(r, node->key_mark, map, "a key has neither anchor nor tag");
        return node->key && !extras;
    }
    struct node ignored = {.mark = node->key_mark, .parent = map, .key = "?"};
    say(r, node->key_mark, map,
        "a key is a single word (found a list, a map or an alias; text with {{ in it needs quotes)");
    read_value(r, &ignored);
    return false;
}

static void read_map(struct reader *r, struct node *map)
{
    bool broken = false;
    while (next(r) != FYET_NONE && r->event->type != FYET_MAPPING_END) {
        struct node *entry = arena_alloc(r->arena, sizeof(*entry));
        bool good = read_key(r, entry, map);
        if (good)
            node_append(r->arena, map, entry);
        broken = broken || !good;
        if (!good)
            *entry = (struct node){.key = "?", .key_mark = entry->key_mark, .parent = map};
        if (next(r) == FYET_NONE)
            return;
        entry->mark = event_mark(r, entry->key_mark);
        read_value(r, entry);
    }
    refuse_duplicates(r, map);
    if (broken)
        map->kind = NODE_BROKEN;
}

static void read_scalar(struct reader *r, struct node *node)
{
    const struct fy_event_scalar_data *scalar = &r->event->scalar;
    node->text = scalar_text(r, node->mark, node);
    node->plain = fy_token_scalar_style(scalar->value) == FYSS_PLAIN;
    bool tagged = refuse_extras(r, node, scalar->anchor, scalar->tag);
    node->kind = node->text && !tagged ? NODE_SCALAR : NODE_BROKEN;
}

static void read_collection(struct reader *r, struct node *node)
{
    const struct fy_event *e = r->event;
    bool map = e->type == FYET_MAPPING_START;
    node->kind = map ? NODE_MAP : NODE_LIST;
    bool tagged = refuse_extras(r, node, map ? e->mapping_start.anchor : e->sequence_start.anchor,
                                map ? e->mapping_start.tag : e->sequence_start.tag);
    if (++r->depth > YAML_MAX_DEPTH) {
        say(r, node->mark, NULL, arena_printf(r->arena, "nested more than %d deep", YAML_MAX_DEPTH));
        r->failed = true;
    } else if (map) {
        read_map(r, node);
    } else {
        read_list(r, node);
    }
    r->depth--;
    if (tagged)
        node->kind = NODE_BROKEN;
}

/* Fills the node, whose place is set, from the current event on to the last one of the same value. */
static void read_value(struct reader *r, struct node *node)
{
    switch (r->event->type) {
    case FYET_SCALAR:
        read_scalar(r, node);
        break;
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
        read_collection(r, node);
        break;
    default:
        say(r, node->mark, node, "aliases are not supported (found *)");
        node->kind = NODE_BROKEN;
    }
}

static void read_stream(struct reader *r, struct node *root)
{
    bool seen = false;
    while (next(r) != FYET_NONE && r->event->type != FYET_STREAM_END) {
        if (r->event->type == FYET_DOCUMENT_END)
            continue;
        if (r->event->type == FYET_DOCUMENT_START && seen) {
            struct node_mark mark = event_mark(r, root->mark);
            say(r, mark, NULL, "a second document begins (expected one in all)");
            r->failed = true;
        } else if (r->event->type != FYET_DOCUMENT_START && r->event->type != FYET_STREAM_START) {
            seen = true;
            root->mark = event_mark(r, root->mark);
            read_value(r, root);
        }
    }
}

/* Some complaints are not collected but printed; they are told by say_syntax as well as can be. */
static void print_nothing(struct fy_diag *diag, void *user, const char *bytes, size_t len)
{
    (void)diag;
    (void)user;
    (void)bytes;
    (void)len;
}

/* 0, or -1 when libfyaml has no memory. */
static int start(struct reader *r, struct span text)
{
    struct fy_diag_cfg diag;
    fy_diag_cfg_default(&diag);
    diag.fp = NULL;
    diag.output_fn = print_nothing;
    r->diag = fy_diag_create(&diag);
    if (!r->diag)
        return -1;
    fy_diag_set_collect_errors(r->diag, true);
    const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
                                     .diag = r->diag};
    r->parser = fy_parser_create(&cfg);
    return r->parser ? fy_parser_set_string(r->parser, text.data, text.len) : -1;
}

static void stop(struct reader *r)
{
    if (r->parser) {
        drop_event(r);
        fy_parser_destroy(r->parser);
    }
    fy_diag_destroy(r->diag);
}

int yaml_read(struct span text, const struct node_origin *origin, struct arena *a, struct findings *f,
              struct node **root_r)
{
    struct reader r = {.text = text, .origin = origin, .arena = a, .findings = f};
    struct node *root = arena_alloc(a, sizeof(*root));
    *root = (struct node){.mark = {origin, 1, 1}, .text = "", .plain = true};
    if (start(&r, text) == 0)
        read_stream(&r, root);
    else
        say_syntax(&r);
    stop(&r);
    if (r.failed)
        return -1;
    *root_r = root;
    return 0;
}

const char *yaml_version(void)
{
    return fy_library_version();
}

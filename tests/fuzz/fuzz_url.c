/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: what is accepted is clean text, and means the same when it is written again. */
#include "probe/base/buffer.h"
#include "probe/base/text.h"
#include "server/url.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MOST_WRITTEN (1024 * 1024)

static void check_text(const char *text)
{
    fuzz_require(text_is_clean(span_of(text)) && !strchr(text, '\t'), "no control character comes through");
}

/* Every byte as an escape. */
static void write_text(struct buffer *b, const char *text)
{
    for (; *text; text++)
        buffer_printf(b, "%%%02x", (unsigned char)*text);
}

static void write_url(struct buffer *b, const struct url *url)
{
    for (size_t i = 0; i < url->segment_count; i++) {
        check_text(url->segments[i]);
        buffer_puts(b, "/");
        write_text(b, url->segments[i]);
    }
    for (size_t i = 0; i < url->parameter_count; i++) {
        check_text(url->parameters[i].name);
        check_text(url->parameters[i].value);
        buffer_puts(b, i ? "&" : "?");
        write_text(b, url->parameters[i].name);
        buffer_puts(b, "=");
        write_text(b, url->parameters[i].value);
    }
}

static bool is_same(const struct url *a, const struct url *b)
{
    bool same = a->segment_count == b->segment_count && a->parameter_count == b->parameter_count;

    for (size_t i = 0; same && i < a->segment_count; i++)
        same = strcmp(a->segments[i], b->segments[i]) == 0;
    for (size_t i = 0; same && i < a->parameter_count; i++)
        same = strcmp(a->parameters[i].name, b->parameters[i].name) == 0 &&
               strcmp(a->parameters[i].value, b->parameters[i].value) == 0;
    return same;
}

static void check_mistake(const struct url_mistake *mistake)
{
    fuzz_require(mistake->detail && *mistake->detail, "a mistake has its sentence");
    check_text(mistake->detail);
    if (mistake->parameter)
        check_text(mistake->parameter);
}

static void check_url(struct arena *a, const struct url *url)
{
    static const char *const known[] = {"format", "max_age", "timeout", "stop_after", "tag"};
    struct url_mistake mistake;
    struct url again;
    struct buffer b;

    buffer_init(&b, MOST_WRITTEN);
    write_url(&b, url);
    if (!(url->segment_count == 1 && strcmp(url->segments[0], "*") == 0)) { /* "*" is no path */
        fuzz_require(url_parse(a, buffer_span(&b), &again, &mistake) == 0, "what was read can be read again");
        fuzz_require(is_same(url, &again), "and is the same");
    }
    if (url_check(a, url, known, sizeof(known) / sizeof(known[0]), &mistake) != 0)
        check_mistake(&mistake);
    buffer_free(&b);
}

int fuzz_url(const uint8_t *data, size_t size)
{
    struct span input = {(const char *)data, size};
    struct url_mistake mistake;
    struct arena a = {0};
    struct url url;

    char *exact = fuzz_exact(input);
    if (url_parse(&a, (struct span){exact, size}, &url, &mistake) == 0)
        check_url(&a, &url);
    else
        check_mistake(&mistake);
    free(exact);
    arena_free(&a);
    return 0;
}

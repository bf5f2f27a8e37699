/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialogue files: any bytes are a good one or have mistakes, each with its line; what comes of a good one are
 * lines that are one command each, and messages that are one message each; what follows AUTH is never shown.
 */
#include "probe/proto/dialogue.h"

#include "probe/base/text.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const struct placeholder vars[] = {{"user", "probe"}, {"empty", ""},       {"verb", "DATA"},
                                          {"dot", "."},      {"mark", "< 250 #"}, {"byte", "\xff\x01"}};

static struct dialogue_order order_of(const char *token, int64_t wall_us)
{
    return (struct dialogue_order){.vars = vars,
                                   .var_count = sizeof(vars) / sizeof(vars[0]),
                                   .hostname = "client.example.org",
                                   .target = "mx1",
                                   .address = "[192.0.2.1]",
                                   .token = token,
                                   .wall_us = wall_us};
}

static void check_wire(struct span wire)
{
    fuzz_require(wire.len >= 2 && wire.len <= DIALOGUE_MAX_LINE &&
                     memcmp(wire.data + wire.len - 2, "\r\n", 2) == 0,
                 "a line ends with CRLF, and has a limit");
    for (size_t i = 0; i + 2 < wire.len; i++)
        fuzz_require(!memchr("\r\n", wire.data[i], 3), "a line is one line");
}

/* Only CRLF ends a line, and only the last one is a lone dot. */
static void check_message(struct span wire)
{
    size_t start = 0;

    fuzz_require(wire.len >= 3, "a message has its dot");
    for (size_t i = 0; i < wire.len; i++) {
        char c = wire.data[i];
        fuzz_require(c != '\0' && (c != '\n' || (i > 0 && wire.data[i - 1] == '\r')) &&
                         (c != '\r' || (i + 1 < wire.len && wire.data[i + 1] == '\n')),
                     "a message is made of lines");
        if (c != '\n')
            continue;
        bool lone = i - start == 2 && wire.data[start] == '.';
        fuzz_require(lone == (i + 1 == wire.len), "a lone dot ends a message, and nothing else");
        start = i + 1;
    }
}

static void check_wish(const struct plan_wish *wish)
{
    if (!wish->number)
        return;
    fuzz_require(wish->class >= 2 && wish->class <= 5 && (!wish->code || wish->code / 100 == wish->class),
                 "an expectation has a code");
    fuzz_require(text_is_clean(span_of(wish->shown)), "an expectation can be shown");
}

static void check_line(const struct plan_line *line, bool *in_auth)
{
    bool command = line->phase != PHASE_AUTH || line->kind == PLAN_LINE_AUTH;

    fuzz_require(text_is_clean(span_of(line->shown)) && !strpbrk(line->shown, "\r\n"), "a line can be shown");
    check_wire(line->wire);
    check_wish(&line->wish);
    check_wish(&line->taken);
    fuzz_require(command || *in_auth, "there is no response without AUTH");
    fuzz_require(command || strcmp(line->shown, "***") == 0, "a response is not shown");
    if (command)
        *in_auth = line->kind == PLAN_LINE_AUTH;
    fuzz_require((line->kind == PLAN_LINE_DATA) == (line->message.len > 0),
                 "DATA has a message, and nothing else");
    if (line->message.len)
        check_message(line->message);
    fuzz_require(line->kind != PLAN_LINE_DATA || line->dot > line->number, "the dot comes behind DATA");
}

static void check_script(const struct plan_script *s)
{
    size_t commands = 0;
    unsigned number = 0;
    bool in_auth = false;

    check_wish(&s->banner);
    for (size_t i = 0; i < s->count; i++) {
        fuzz_require(s->lines[i].number > number, "lines are in their order");
        number = s->lines[i].number;
        commands += s->lines[i].kind == PLAN_LINE_DATA ? 2 : 1;
        fuzz_require(s->lines[i].kind != PLAN_LINE_QUIT || i + 1 == s->count, "QUIT is the last");
        check_line(&s->lines[i], &in_auth);
    }
    bool quits = s->count && s->lines[s->count - 1].kind == PLAN_LINE_QUIT;
    fuzz_require(commands + (quits ? 0 : 1) <= PLAN_MAX_COMMANDS, "commands are limited");
}

static void check_mistakes(const struct dialogue_mistakes *mistakes)
{
    fuzz_require(mistakes->count <= DIALOGUE_MAX_MISTAKES, "mistakes are limited");
    for (size_t i = 0; i < mistakes->count; i++) {
        fuzz_require(text_is_clean(span_of(mistakes->list[i].text)), "a mistake is clean text");
        fuzz_require(i == 0 || mistakes->list[i].line >= mistakes->list[i - 1].line,
                     "mistakes are in their order");
    }
}

int fuzz_dialogue(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct dialogue_mistakes mistakes = {0};
    struct span text = {fuzz_exact((struct span){(const char *)data, size}), size};
    struct dialogue_order order =
        order_of("ehlod-000000000000000000000000000000000000000000000000", INT64_C(1795400704123456));

    const struct dialogue *d = dialogue_read(&a, text, &mistakes);
    bool good = mistakes.count == 0;
    const struct plan_script *s = dialogue_write(&a, d, &order, &mistakes);
    fuzz_require(!good || !s == (mistakes.count > 0), "what cannot be written has a mistake");
    check_mistakes(&mistakes);
    if (mistakes.count == 0) {
        check_script(s);
        order = order_of("ehlod-ffffffffffffffffffffffffffffffffffffffffffffffff", 0);
        s = dialogue_write(&a, d, &order, &mistakes);
        fuzz_require(s != NULL, "what is good once is good in every run");
        check_script(s);
    }
    free((char *)text.data);
    arena_free(&a);
    return 0;
}

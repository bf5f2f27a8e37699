/* SPDX-License-Identifier: Apache-2.0 */
/* Reports on what became of a message: any text is one or none, and what it says is fit to be shown. */
#include "probe/proto/report.h"

#include "probe/base/text.h"
#include "probe/enhanced.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_text(const char *text, size_t most)
{
    if (!text)
        return;
    fuzz_require(*text && strlen(text) <= most + strlen("..."), "a text has its limit");
    fuzz_require(text_is_clean(span_of(text)), "a text is fit to be shown");
}

static void check_bounce(const struct bounce *b)
{
    static const char actions[] = " failed delayed delivered relayed expanded ";
    char word[32];
    struct enhanced code;
    size_t len;

    fuzz_require(b->action && strlen(b->action) < 16, "there is an action");
    snprintf(word, sizeof word, " %s ", b->action);
    fuzz_require(strstr(actions, word) != NULL, "and it is one of five");
    if (b->status)
        fuzz_require(enhanced_parse(span_of(b->status), &code, &len) == 1 && len == strlen(b->status),
                     "a status is a status code");
    check_text(b->diagnostic, EVIDENCE_MAX_TEXT);
    check_text(b->recipient, EVIDENCE_MAX_TEXT);
    check_text(b->reporter, EVIDENCE_MAX_TEXT);
}

int fuzz_report(const uint8_t *data, size_t size)
{
    struct span kept = {fuzz_exact((struct span){(const char *)data, size}), size};
    char token[MESSAGE_TOKEN_SIZE] = "?";
    struct bounce b = {.action = "?"};
    struct arena a = {0};
    bool is_one = report_is_one(kept);

    if (report_read(&a, kept, token, &b) == 1) {
        fuzz_require(is_one, "what can be read is a report");
        fuzz_require(memmem(kept.data, kept.len, token, strlen(token)) != NULL, "the token stands there");
        check_bounce(&b);
    } else {
        fuzz_require(strcmp(token, "?") == 0 && strcmp(b.action, "?") == 0, "else nothing is told");
    }
    free((char *)kept.data);
    arena_free(&a);
    return 0;
}

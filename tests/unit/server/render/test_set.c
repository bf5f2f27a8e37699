/* SPDX-License-Identifier: Apache-2.0 */
/* Sets: what servers said is cut short in them, and what is too long even so keeps its verdict. */
#include "probe/base/clock.h"
#include "probe/plan.h"
#include "server/render/render.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { COMMANDS = 60, LINES = 100, LINE = 2500, EXTENSIONS = 90, RECIPIENTS = 40 };

static struct hostile {
    char line[LINE + 1];
    char text[1025];
    char keywords[EXTENSIONS][16];
    const char *lines[LINES];
    struct result_command commands[COMMANDS];
    struct result_extension extensions[EXTENSIONS];
    struct result_recipient recipients[RECIPIENTS];
    struct result_route route;
    struct result r;
} h;

/* A server that says as much as one can, each octet a control. */
static int set_up(void **state)
{
    (void)state;
    memset(&h, 0, sizeof(h));
    for (size_t i = 0; i < LINE; i++)
        h.line[i] = "\\x01"[i % 4];
    memset(h.text, '\\', sizeof(h.text) - 1);
    for (size_t i = 0; i < LINES; i++)
        h.lines[i] = h.line;
    for (size_t i = 0; i < COMMANDS; i++)
        h.commands[i] = (struct result_command){
            .phase = PHASE_RCPT,
            .sent = "RCPT TO:<www@example.org>",
            .replied = true,
            .reply = {.code = 550, .lines = h.lines, .line_count = LINES, .escaped = true},
            .expected = "2xx"};
    for (size_t i = 0; i < EXTENSIONS; i++) {
        snprintf(h.keywords[i], sizeof(h.keywords[i]), "X-%zu", i);
        h.extensions[i] = (struct result_extension){h.keywords[i], h.line};
    }
    for (size_t i = 0; i < RECIPIENTS; i++)
        h.recipients[i] =
            (struct result_recipient){.to = "www@example.org", .code = 550, .text = h.text, .ok = TRI_FALSE};
    h.route = (struct result_route){.name = "in",
                                    .from = "probe@example.org",
                                    .expect = EXPECT_ACCEPTED,
                                    .state = ROUTE_REJECTED,
                                    .recipients = h.recipients,
                                    .recipient_count = RECIPIENTS,
                                    .sent_us = CLOCK_NONE};
    h.r = (struct result){.status = STATUS_FAIL,
                          .target = "mx1",
                          .id = "01JD9K0000HOST",
                          .vantage = "fra1",
                          .summary = "rcpt/rejected: refused",
                          .failure = {.phase = PHASE_RCPT,
                                      .reason = REASON_REJECTED,
                                      .route = "in",
                                      .code = 550,
                                      .message = "refused",
                                      .limit_us = CLOCK_NONE},
                          .host = "mx1.example.org",
                          .port = 25,
                          .commands = h.commands,
                          .command_count = COMMANDS,
                          .extensions = h.extensions,
                          .extension_count = EXTENSIONS,
                          .routes = &h.route,
                          .route_count = 1};
    return 0;
}

static json_t *lines_of(const json_t *result, size_t command)
{
    json_t *commands = json_object_get(result, "commands");

    return json_object_get(json_object_get(json_array_get(commands, command), "reply"), "lines");
}

static void check_cut(const json_t *line)
{
    size_t len = json_string_length(line);

    assert_true(len <= 1024 + 3);
    assert_string_equal(json_string_value(line) + len - 3, "...");
}

static void test_json_of_a_hostile_set(void **state)
{
    const struct result *results[] = {&h.r};
    struct render_set set = {.results = results, .count = 1};
    struct buffer out;

    (void)state;
    buffer_init(&out, RENDER_MAX_SET);
    json_set(&out, &set, 0);
    assert_false(out.full);
    assert_true(out.len < (size_t)256 * 1024);
    json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *one = json_object_get(json_object_get(root, "targets"), "mx1");
    assert_int_equal(json_array_size(json_object_get(one, "commands")), COMMANDS);
    const json_t *lines = lines_of(one, 0);
    assert_int_equal(json_array_size(lines), 21);
    for (size_t i = 0; i <= 20; i++)
        check_cut(json_array_get(lines, i));
    assert_int_equal(json_string_length(json_array_get(lines, 0)), 1024 + 3);
    assert_string_equal(json_string_value(json_array_get(lines, 20)), "...");
    assert_string_equal(json_string_value(json_array_get(lines_of(one, COMMANDS - 1), 0)), "...");
    assert_true(json_is_true(json_object_get(
        json_object_get(json_array_get(json_object_get(one, "commands"), 0), "reply"), "escaped")));
    json_decref(root);
    buffer_free(&out);
}

static void test_one_result_is_whole(void **state)
{
    struct buffer out;

    (void)state;
    buffer_init(&out, RENDER_MAX_SET);
    json_result(&out, &h.r, 0);
    json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    for (size_t i = 0; i < COMMANDS; i++) {
        assert_int_equal(json_array_size(lines_of(root, i)), LINES);
        assert_string_equal(json_string_value(json_array_get(lines_of(root, i), LINES - 1)), h.line);
    }
    assert_int_equal(json_object_size(json_object_get(root, "extensions")), EXTENSIONS);
    json_decref(root);
    buffer_clear(&out);
    text_result(&out, &h.r, 0);
    assert_true(out.len > (size_t)COMMANDS * LINES * LINE);
    buffer_free(&out);
}

static void test_text_of_a_hostile_set(void **state)
{
    const struct result *results[] = {&h.r};
    struct render_set set = {.results = results, .count = 1};
    struct buffer out;
    size_t cut = 0;

    (void)state;
    buffer_init(&out, RENDER_MAX_SET);
    text_set(&out, &set, 0);
    assert_true(out.len < (size_t)128 * 1024);
    for (const char *at = strstr(out.data, "...\n"); at; at = strstr(at + 1, "...\n"))
        cut++;
    assert_true(cut >= COMMANDS);
    assert_non_null(strstr(out.data, "FAIL mx1  rcpt/rejected: refused\n"));
    buffer_free(&out);
}

/* A usual server is shown whole in a set too. */
static void test_a_usual_result_is_not_cut(void **state)
{
    static const char *const lines[] = {"mx1.example.org", "PIPELINING", "SIZE 10240000"};
    const struct result *results[] = {&h.r};
    struct render_set set = {.results = results, .count = 1};
    struct buffer out;

    (void)state;
    h.commands[0].reply = (struct result_reply){.code = 250, .lines = lines, .line_count = 3};
    h.r.command_count = 1;
    h.r.extension_count = 0;
    h.route.recipient_count = 1;
    buffer_init(&out, RENDER_MAX_SET);
    text_set(&out, &set, 0);
    assert_null(strstr(out.data, "..."));
    buffer_clear(&out);
    json_set(&out, &set, 0);
    assert_null(strstr(out.data, "..."));
    buffer_free(&out);
}

/* Cut between two characters. */
static void test_a_cut_keeps_characters_whole(void **state)
{
    struct render_share share = render_share_set;
    char text[1100];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    memcpy(text + 1023, "\xc3\xa9", 2);
    assert_int_equal(render_take(&share, text), 1023);
    assert_int_equal(share.left, render_share_set.left - 1023);
    assert_int_equal(render_take(&share, "short"), 5);
    share.left = 2;
    assert_int_equal(render_take(&share, "short"), 2);
    assert_int_equal(render_take(&share, "short"), 0);
    assert_int_equal(render_take(&share, ""), 0);
}

/* What does not fit is said without the results, and the verdict stays. */
static void test_a_set_that_is_too_long(void **state)
{
    const struct result *results[] = {&h.r};
    struct render_set set = {.results = results, .count = 1};
    struct buffer out;

    (void)state;
    buffer_init(&out, 4096);
    json_set(&out, &set, 0);
    assert_false(out.full);
    assert_string_equal(out.data,
                        "{\"status\":\"fail\",\"summary\":\"0 of 1 target passes, 1 fails\",\"counts\":{"
                        "\"pass\":0,\"warn\":0,\"fail\":1,\"unknown\":0},\"targets\":{}}");
    buffer_clear(&out);
    text_set(&out, &set, 0);
    assert_false(out.full);
    assert_string_equal(out.data,
                        "The results are too long to be shown together: ask for one target at a time.\n"
                        "FAIL  0 of 1 target passes, 1 fails\n");
    buffer_free(&out);
    buffer_init(&out, 16);
    json_set(&out, &set, 0);
    assert_true(out.full);
    assert_int_equal(out.len, 0);
    buffer_free(&out);
}

/* Fewer than all may be enough. */
static const struct {
    enum status is[3];
    size_t min_pass;
    enum status wanted;
    const char *summary;
} enough[] = {
    {{STATUS_PASS, STATUS_PASS, STATUS_PASS}, 2, STATUS_PASS, "3 of 3 targets pass; at least 2 must pass"},
    {{STATUS_PASS, STATUS_FAIL, STATUS_PASS},
     2,
     STATUS_WARN,
     "2 of 3 targets pass, 1 fails; at least 2 must pass"},
    {{STATUS_PASS, STATUS_FAIL, STATUS_WARN}, 2, STATUS_WARN, NULL},
    {{STATUS_PASS, STATUS_FAIL, STATUS_UNKNOWN}, 1, STATUS_WARN, NULL},
    {{STATUS_PASS, STATUS_PASS, STATUS_WARN}, 1, STATUS_WARN, NULL},
    {{STATUS_PASS, STATUS_FAIL, STATUS_UNKNOWN}, 2, STATUS_UNKNOWN, NULL},
    {{STATUS_PASS, STATUS_FAIL, STATUS_FAIL}, 2, STATUS_FAIL, NULL},
    {{STATUS_PASS, STATUS_FAIL, STATUS_UNKNOWN}, 3, STATUS_FAIL, NULL},
    {{STATUS_PASS, STATUS_FAIL, STATUS_UNKNOWN},
     0,
     STATUS_FAIL,
     "1 of 3 targets passes, 1 fails, 1 is unknown"},
};

static void test_enough_of_a_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(enough) / sizeof(enough[0]); i++) {
        struct result r[3];
        const struct result *results[3];
        char summary[RENDER_SUMMARY_SIZE];
        for (size_t k = 0; k < 3; k++) {
            r[k] = (struct result){.status = enough[i].is[k]};
            results[k] = &r[k];
        }
        struct render_set set = {.results = results, .count = 3, .min_pass = enough[i].min_pass};
        if (render_set_status(&set) != enough[i].wanted)
            fail_msg("row %zu: %s", i, status_name(render_set_status(&set)));
        render_set_summary(&set, summary);
        if (enough[i].summary)
            assert_string_equal(summary, enough[i].summary);
    }
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_json_of_a_hostile_set),
        TEST(test_one_result_is_whole),
        TEST(test_text_of_a_hostile_set),
        TEST(test_a_usual_result_is_not_cut),
        TEST(test_a_cut_keeps_characters_whole),
        TEST(test_a_set_that_is_too_long),
        TEST(test_enough_of_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing in a result can break a view: every text of it is set to something nasty, and each view is read
 * back by its own grammar. Numbers are shown exactly.
 */
#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/plan.h"
#include "server/render/metrics.h"

#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LONG_LINE    (64 * 1024)

/* A failed run in which every text that can come from outside is the one given. */
struct nasty {
    struct result r;
    const char *lines[2];
    struct result_command commands[2];
    struct result_recipient recipient;
    struct result_route route;
    struct result_extension extension;
    struct result_attempt attempt;
};

static void nasty_init(struct nasty *n, const char *text)
{
    memset(n, 0, sizeof(*n));
    n->lines[0] = n->lines[1] = text;
    for (size_t i = 0; i < COUNT(n->commands); i++)
        n->commands[i] = (struct result_command){.phase = PHASE_RCPT,
                                                 .sent = text,
                                                 .at_us = 1,
                                                 .first_byte_us = 2,
                                                 .reply_us = CLOCK_NONE,
                                                 .replied = true,
                                                 .reply = {.code = 250, .lines = n->lines, .line_count = 2},
                                                 .expected = text};
    n->recipient = (struct result_recipient){.to = text, .code = 250, .text = text, .ok = TRI_FALSE};
    n->route = (struct result_route){.name = text,
                                     .from = text,
                                     .expect = EXPECT_ACCEPTED,
                                     .recipients = &n->recipient,
                                     .recipient_count = 1,
                                     .token = text,
                                     .message_id = text,
                                     .queue_id = text,
                                     .octets = 7,
                                     .octets_sent = 7,
                                     .sent_us = 1,
                                     .final = {250, {2, 0, 0}, text},
                                     .delivery = {.state = ROUTE_LOST,
                                                  .run = text,
                                                  .mailbox = text,
                                                  .settled_us = 3,
                                                  .latency_us = CLOCK_NONE,
                                                  .flags = (UINT64_C(1) << FLAG_COUNT) - 1}};
    n->commands[1].phase = PHASE_FINAL;
    n->extension = (struct result_extension){text, text};
    n->attempt.failure = (struct result_failure){
        .phase = PHASE_CONNECT, .reason = REASON_REFUSED, .message = text, .limit_us = CLOCK_NONE};
    n->r = (struct result){
        .status = STATUS_FAIL,
        .target = "mx1", /* the config lets nothing else through */
        .id = text,
        .vantage = text,
        .summary = text,
        .failure =
            {.phase = PHASE_RCPT, .reason = REASON_CLOSED, .route = text, .message = text, .limit_us = 5},
        .last_ok = {.run = text, .code = 250, .elapsed_us = 3},
        .flags = (UINT64_C(1) << FLAG_COUNT) - 1,
        .host = text,
        .peer_name = text,
        .extensions = &n->extension,
        .extension_count = 1,
        .commands = n->commands,
        .command_count = COUNT(n->commands),
        .routes = &n->route,
        .route_count = 1,
        .attempts = &n->attempt,
        .attempt_count = 1,
    };
    assert_int_equal(address_parse("192.0.2.1", 25, &n->r.peer), 0);
    assert_int_equal(address_parse("192.0.2.2", 1025, &n->r.local), 0);
    n->attempt.address = n->r.peer;
}

static char *long_line(void)
{
    char *text = mem_alloc(LONG_LINE + 1);
    for (size_t i = 0; i < LONG_LINE; i++)
        text[i] = "\"\\{}|%n<&"[i % 9];
    return text;
}

static json_t *parse(const struct buffer *out)
{
    json_error_t error;
    json_t *root = json_loadb(out->data, out->len, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s at %d in %.2000s", error.text, error.position, out->data);
    return root;
}

/* The text comes back as it went in, everywhere. */
static void check_json(const struct result *r, const char *text)
{
    struct buffer out;
    const char *id, *line, *message, *param, *last_ok, *message_id, *queue_id, *final, *run, *mailbox;

    buffer_init(&out, RENDER_MAX_RESULT);
    json_result(&out, r, 0);
    assert_false(out.full);
    assert_memory_equal(out.data, "{\"status\":\"fail\"", 16);
    json_t *root = parse(&out);
    assert_int_equal(json_object_size(root), 21);
    json_t *command = json_array_get(json_object_get(root, "commands"), 0);
    json_t *route = json_array_get(json_object_get(root, "routes"), 0);
    assert_int_equal(json_unpack(route, "{s:s,s:s,s:{s:s},s:{s:s,s:s}}", "message_id", &message_id,
                                 "queue_id", &queue_id, "final", "text", &final, "delivery", "run", &run,
                                 "mailbox", &mailbox),
                     0);
    assert_string_equal(message_id, text);
    assert_string_equal(queue_id, text);
    assert_string_equal(final, text);
    assert_string_equal(run, text);
    assert_string_equal(mailbox, text);
    assert_int_equal(json_unpack(root, "{s:s,s:{s:s,s:s},s:{s:s}}", "id", &id, "failure", "message", &message,
                                 "last_ok_run", &last_ok, "extensions", text, &param),
                     0);
    assert_int_equal(json_unpack(command, "{s:{s:[s,s]}}", "reply", "lines", &line, &line), 0);
    assert_string_equal(id, text);
    assert_string_equal(message, text);
    assert_string_equal(last_ok, text);
    assert_string_equal(param, text);
    assert_string_equal(line, text);
    json_decref(root);
    buffer_free(&out);
}

static size_t count_of(const struct buffer *out, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < out->len; i++)
        count += out->data[i] == c;
    return count;
}

static void check_text(const struct render_set *set)
{
    struct buffer out;

    buffer_init(&out, RENDER_MAX_SET);
    text_set(&out, set, 0);
    assert_false(out.full);
    assert_int_equal(out.data[out.len - 1], '\n');
    for (char *line = out.data; *line;) { /* line ends are the only controls */
        size_t len = strcspn(line, "\n");
        assert_true(text_is_clean((struct span){line, len}));
        assert_true(len == 0 || line[len - 1] != ' ');
        line += len + 1;
    }
    buffer_clear(&out);
    nagios_set(&out, set);
    assert_false(out.full);
    assert_int_equal(count_of(&out, '|'), 1);
    assert_int_equal(count_of(&out, '\n'), set->count == 1 ? 1 : 1 + set->count);
    buffer_free(&out);
}

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The end of a label's value: what ends it, or a line, is escaped inside. */
static const char *skip_value(const char *at)
{
    for (; *at != '"'; at++) {
        assert_int_not_equal(*at, '\0');
        if (*at == '\\') {
            at++;
            assert_true(*at == '\\' || *at == '"' || *at == 'n');
        }
    }
    return at;
}

/* name [{label="value",...}] number */
static void check_sample(const char *line)
{
    char *end;
    while (is_label_char(*line))
        line++;
    if (*line == '{') {
        do {
            line++;
            while (is_label_char(*line))
                line++;
            assert_memory_equal(line, "=\"", 2);
            line = skip_value(line + 2);
            assert_int_equal(*line++, '"');
        } while (*line == ',');
        assert_int_equal(*line++, '}');
    }
    assert_int_equal(*line++, ' ');
    strtod(line, &end);
    assert_true(end > line && *end == '\0');
}

/* With a certificate in which everything is that text. */
static void check_metrics(const struct nasty *n, const char *text, enum exposition_format format)
{
    const char *const names[] = {text, text};
    const struct result_certificate certificate = {
        .subject = text, .issuer = text, .names = names, .name_count = 2, .sha256 = text, .key = text};
    const struct result_tls tls = {
        .version = "TLSv1.3", .verified = TRI_TRUE, .chain = &certificate, .chain_count = 1};
    struct result r = n->r;
    const struct result *results[] = {&r, &r};
    const struct render_set set = {.results = results, .count = 2};
    struct buffer out;
    char *save;

    r.tls = &tls;
    buffer_init(&out, RENDER_MAX_RESULT);
    metrics_probe(&out, &r, format);
    assert_non_null(strstr(out.data, "probe_ssl_last_chain_info{"));
    metrics_set(&out, &set, format);
    assert_false(out.full);
    for (char *line = strtok_r(out.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, "# HELP ", 7) != 0 && strncmp(line, "# TYPE ", 7) != 0 &&
            strncmp(line, "# UNIT ", 7) != 0 && strcmp(line, "# EOF") != 0)
            check_sample(line);
    buffer_free(&out);
}

static void check_all(const char *text)
{
    struct nasty *n = mem_alloc(sizeof(*n));
    nasty_init(n, text);
    const struct result *results[] = {&n->r, &n->r};

    check_json(&n->r, text);
    check_text(&(struct render_set){.results = results, .count = 1});
    check_text(&(struct render_set){.results = results, .count = 2});
    check_metrics(n, text, EXPOSITION_TEXT);
    check_metrics(n, text, EXPOSITION_OPENMETRICS);
    free(n);
}

static void test_nasty_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"",
                                        "\\",
                                        "\"},{\"status\":\"pass\"",
                                        "\\x0A\\x00",
                                        "tab\there",
                                        "a|b | c=1;;;0",
                                        "%n%s%d",
                                        "{a=b}",
                                        "\xe2\x80\xa8\xe2\x80\xa9",
                                        "<script>",
                                        "\xf0\x9f\x93\xa7",
                                        "\\u0022",
                                        "*/",
                                        "\x7b\"",
                                        "250-\"",
                                        "25",
                                        "\xef\xbb\xbf\xc2\xad"};
    for (size_t i = 0; i < COUNT(texts); i++)
        check_all(texts[i]);
    char *text = long_line();
    check_all(text);
    free(text);
}

/* No such text comes here; should one all the same, the document is whole and the bytes are shown. */
static void test_not_utf8(void **state)
{
    (void)state;
    struct nasty n;
    struct buffer out;
    const char *id, *param;

    nasty_init(&n, "caf\xe9 \xed\xa0\x80\\");
    n.r.target = n.r.id;
    const struct result *results[] = {&n.r};
    buffer_init(&out, RENDER_MAX_RESULT);
    json_result(&out, &n.r, 0);
    json_t *root = parse(&out);
    assert_int_equal(json_object_size(root), 21);
    assert_int_equal(
        json_unpack(root, "{s:s,s:{s:s}}", "id", &id, "extensions", "caf\\xE9 \\xED\\xA0\\x80\\\\", &param),
        0);
    assert_string_equal(id, "caf\\xE9 \\xED\\xA0\\x80\\\\");
    json_decref(root);
    buffer_clear(&out);
    json_set(&out, &(struct render_set){.results = results, .count = 1}, 0);
    json_decref(parse(&out));
    buffer_free(&out);
}

static void test_absent(void **state)
{
    (void)state;
    struct result r = {.status = STATUS_UNKNOWN, .target = "t", .id = "i", .vantage = "v", .host = "h"};
    struct buffer out;

    for (enum phase p = 0; p < PHASE_COUNT; p++)
        r.timing_us[p] = CLOCK_NONE;
    buffer_init(&out, RENDER_MAX_RESULT);
    json_result(&out, &r, 0);
    assert_string_equal(
        out.data,
        "{\"status\":\"unknown\",\"target\":\"t\",\"id\":\"i\",\"vantage\":\"v\",\"summary\":null,\"failure\":null,"
        "\"flags\":[],\"started_at\":\"1970-01-01T00:00:00.000000Z\",\"duration_ms\":0.0,\"age_ms\":0,"
        "\"peer\":{\"host\":\"h\",\"port\":null,\"address\":null,\"family\":null,\"name\":null},\"local\":null,"
        "\"claimed\":{\"proxy\":null,\"xclient\":null,\"honoured\":null},"
        "\"timing_ms\":{\"dns\":null,\"connect\":null,\"tls\":null,\"banner\":null,\"ehlo\":null,"
        "\"starttls\":null,\"auth\":null,\"mail\":null,\"rcpt\":null,\"data\":null,\"message\":null,"
        "\"final\":null,\"rset\":null,\"quit\":null},\"extensions\":{},\"tls\":null,\"commands\":[],"
        "\"routes\":[],\"attempts\":[],\"dane\":null,\"mta_sts\":null}");
    buffer_free(&out);
}

/* Half a document is worse than none. */
static void test_full(void **state)
{
    (void)state;
    struct nasty n;
    struct buffer out;

    nasty_init(&n, "text");
    buffer_init(&out, 500);
    json_result(&out, &n.r, 0);
    assert_true(out.full);
    assert_int_equal(out.len, 0);
    buffer_free(&out);
}

/* The number behind the key, as it is written. */
static void number_of(const struct result *r, const char *key, char *out_r)
{
    struct buffer out;
    buffer_init(&out, RENDER_MAX_RESULT);
    json_result(&out, r, 0);
    const char *at = strstr(out.data, key);
    assert_non_null(at);
    at += strlen(key);
    size_t len = strcspn(at, ",}");
    memcpy(out_r, at, len);
    out_r[len] = '\0';
    buffer_free(&out);
}

static void check_number(int64_t us)
{
    struct nasty n;
    char json[64], wanted[64], seconds[RENDER_NUMBER_SIZE];

    nasty_init(&n, "text");
    n.r.duration_us = us;
    number_of(&n.r, "\"duration_ms\":", json);
    int len = snprintf(wanted, sizeof(wanted), "%" PRId64 ".%03" PRId64, us / 1000, us % 1000);
    while (wanted[len - 1] == '0' && wanted[len - 2] != '.')
        wanted[--len] = '\0';
    assert_string_equal(json, wanted);

    render_seconds(us, seconds);
    assert_true(strtod(seconds, NULL) == (double)us / 1e6);
}

static void test_numbers(void **state)
{
    (void)state;
    static const int64_t fixed[] = {
        0, 1, 10, 100, 1000, 1001, 12412, 999999, 1000000, 30000001, INT64_C(86400000001)};
    for (size_t i = 0; i < COUNT(fixed); i++)
        check_number(fixed[i]);
    srand(1);
    for (int i = 0; i < 3000; i++)
        check_number(rand() % 100000000);

    struct nasty n;
    char json[64];
    nasty_init(&n, "text");
    n.r.duration_us = -7; /* not NONE, but a clock that ran backwards */
    number_of(&n.r, "\"duration_ms\":", json);
    assert_string_equal(json, "0.0");
}

static void test_digits(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *ms, *tenth, *seconds;
    } rows[] = {
        {0, "0.000", "0.0", "0"},
        {12412, "12.412", "12.4", "0.012412"},
        {50, "0.050", "0.1", "0.00005"},
        {999960, "999.960", "1000.0", "0.99996"},
        {10000000, "10000.000", "10000.0", "10"},
        {-5, "0.000", "0.0", "0"},
    };
    char text[RENDER_NUMBER_SIZE];

    for (size_t i = 0; i < COUNT(rows); i++) {
        render_ms(rows[i].us, text);
        assert_string_equal(text, rows[i].ms);
        render_ms_tenth(rows[i].us, text);
        assert_string_equal(text, rows[i].tenth);
        render_seconds(rows[i].us, text);
        assert_string_equal(text, rows[i].seconds);
    }
}

static void test_summary(void **state)
{
    (void)state;
    static const struct {
        enum status status[4];
        size_t count;
        const char *summary;
    } rows[] = {
        {{STATUS_PASS}, 1, "1 of 1 target passes"},
        {{STATUS_FAIL}, 1, "0 of 1 target passes, 1 fails"},
        {{STATUS_PASS, STATUS_PASS, STATUS_FAIL}, 3, "2 of 3 targets pass, 1 fails"},
        {{STATUS_UNKNOWN, STATUS_UNKNOWN, STATUS_WARN, STATUS_WARN},
         4,
         "0 of 4 targets pass, 2 are unknown, 2 warn"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct result made[4] = {0};
        const struct result *results[4];
        char summary[RENDER_SUMMARY_SIZE];
        for (size_t j = 0; j < 4; j++) {
            made[j].status = rows[i].status[j];
            results[j] = &made[j];
        }
        render_set_summary(&(struct render_set){.results = results, .count = rows[i].count}, summary);
        assert_string_equal(summary, rows[i].summary);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nasty_texts), cmocka_unit_test(test_not_utf8), cmocka_unit_test(test_absent),
        cmocka_unit_test(test_full),        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_digits),
        cmocka_unit_test(test_summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

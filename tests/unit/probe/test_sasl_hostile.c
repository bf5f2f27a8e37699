/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that say nonsense or cannot prove themselves (rows A), and what ehlod itself cannot do. */
#include "tests/unit/probe/sasl_stage.h"

#include <fcntl.h>
#include <sys/stat.h>

static void contains(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text ? text : "(none)");
}

/* ---- nonsense ---- */

static void A06_not_base64(void **state)
{
    static const char *const rows[] = {
        "Username:", "VXNlcm5hbWU", "VXNlcm5hbWV=", "VXNl cm5h",        "VXNlcm5hbWU6\t",
        "====",      "*",           "Zh==",         "\xff\xff\xff\xff", "="};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (enum auth_mechanism m = 0; m < AUTH_MECHANISM_COUNT; m++) {
            begin(m);
            assert_int_equal(ask_raw(false, rows[i]), AUTH_BAD_CHALLENGE);
            assert_string_equal(got.message, "the challenge is not base64");
            says("");
        }
    }
}

/* A reply line is no longer than that either. */
static void A06_too_long(void **state)
{
    char text[SASL_MAX_CHALLENGE + 5];

    (void)state;
    memset(text, 'A', sizeof text);
    text[SASL_MAX_CHALLENGE] = '\0';
    begin(AUTH_LOGIN);
    assert_int_equal(ask_raw(false, text), AUTH_MORE);
    text[SASL_MAX_CHALLENGE] = 'A';
    text[SASL_MAX_CHALLENGE + 4] = '\0';
    begin(AUTH_LOGIN);
    assert_int_equal(ask_raw(false, text), AUTH_BAD_CHALLENGE);
}

static void an_empty_challenge_of_cram_md5(void **state)
{
    (void)state;
    begin(AUTH_CRAM_MD5);
    assert_int_equal(ask(""), AUTH_BAD_CHALLENGE);
    assert_string_equal(got.message, "the challenge is none of CRAM-MD5");
}

/* After its end each mechanism has nothing to say, however often it is asked. */
static void A09_no_end(void **state)
{
    (void)state;
    for (enum auth_mechanism m = 0; m < AUTH_MECHANISM_COUNT; m++) {
        begin(m);
        if (auth_client_speaks_first(m))
            ask_first();
        for (int i = 0; i < 4; i++)
            ask("x");
        assert_int_equal(ask("x"), AUTH_BAD_CHALLENGE);
        contains(got.message, "there is a challenge after the end of ");
        contains(got.message, auth_name(m));
    }
}

static void A13_A14_are_not_there(void **state)
{
    (void)state;
    assert_int_equal(auth_by_name(span_of("DIGEST-MD5")), AUTH_MECHANISM_COUNT);
    assert_int_equal(auth_by_name(span_of("NTLM")), AUTH_MECHANISM_COUNT);
    assert_int_equal(auth_by_name(span_of("GSSAPI")), AUTH_MECHANISM_COUNT);
}

/* ---- SCRAM ---- */

static void A12_bad_first_message(void **state)
{
    static const struct {
        const char *message; /* behind the nonce; null: said as it is */
        const char *whole;
        enum auth_progress wanted;
        const char *why;
    } rows[] = {
        {NULL, "r=another,s=QUJD,i=4096", AUTH_SERVER_INVALID, "nonce"},
        {"s=QUJD,i=2147483648", NULL, AUTH_SERVER_INVALID, "more than 1000000 iterations"},
        {"s=QUJD,i=1000001", NULL, AUTH_SERVER_INVALID, "more than 1000000 iterations"},
        {"s=QUJD,i=99999999999999999999999999", NULL, AUTH_SERVER_INVALID, "more than 1000000 iterations"},
        {"s=QUJD,i=4294967297", NULL, AUTH_SERVER_INVALID, "more than 1000000 iterations"},
        {"s=QUJD,i=0", NULL, AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {"s=QUJD,i=-1", NULL, AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {"s=QUJD,i=", NULL, AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {"s=QUJD", NULL, AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {"s=*,i=4096", NULL, AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {NULL, "", AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {NULL, ",i", AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {NULL, "i=1", AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {NULL, "hello", AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
        {NULL, "m=ext,r=a,s=QUJD,i=1", AUTH_BAD_CHALLENGE, "none of SCRAM-SHA-256"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t begun_us = clock_mono_us();
        begin(AUTH_SCRAM_SHA_256);
        assert_int_equal(ask_first(), AUTH_MORE);
        enum auth_progress progress = ask(rows[i].whole ? rows[i].whole : server_first("x", rows[i].message));
        if (progress != rows[i].wanted)
            print_error("wrong for %s\n", rows[i].whole ? rows[i].whole : rows[i].message);
        assert_int_equal(progress, rows[i].wanted);
        contains(got.message, rows[i].why);
        says("");
        assert_true(clock_mono_us() - begun_us < stage_scale_us(1000)); /* without computing */
    }
}

static void ask_to_the_end(enum auth_mechanism m)
{
    begin(m);
    assert_int_equal(ask_first(), AUTH_MORE);
    assert_int_equal(ask(server_first("x", "s=QUJD,i=1")), AUTH_MORE);
    assert_non_null(strstr(response(), ",p="));
    assert_false(shows(strstr(response(), ",p=") + 3)); /* it can be searched for the password */
    assert_false(shows(got.line));
    assert_false(shows(PASSWORD));
}

static void A12_bad_signature(void **state)
{
    static const char *const rows[] = {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                                       "v=6rriTRBi23WpRR/wtup+mMhUZUk=", "v=AAAA", "v=", "v=*"};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask_to_the_end(i == 1 ? AUTH_SCRAM_SHA_1 : AUTH_SCRAM_SHA_256);
        assert_int_equal(ask(rows[i]), AUTH_SERVER_INVALID);
        contains(got.message, "signature is wrong");
    }
    ask_to_the_end(AUTH_SCRAM_SHA_256);
    assert_int_equal(ask("hello"), AUTH_BAD_CHALLENGE);
    ask_to_the_end(AUTH_SCRAM_SHA_256);
    assert_int_equal(ask(""), AUTH_BAD_CHALLENGE);
}

/* RFC 5802 section 7: it refuses in its own words before the reply does. That proves nothing, so a success
 * would come before its time (A10). */
static void a_refusal_in_scram(void **state)
{
    (void)state;
    ask_to_the_end(AUTH_SCRAM_SHA_1);
    assert_int_equal(ask("e=invalid-proof"), AUTH_MORE);
    says("");
    assert_string_equal(got.detail, "e=invalid-proof");
    assert_int_equal(ask("v=AAAA"), AUTH_BAD_CHALLENGE);
}

/* ---- OAuth ---- */

#define OAUTH_ERROR "{\"status\":\"invalid_token\",\"scope\":\"mail\"}"

static void A15_error_in_json(void **state)
{
    (void)state;
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_int_equal(ask(OAUTH_ERROR), AUTH_SAID);
    says("");
    assert_string_equal(got.detail, OAUTH_ERROR);
    begin(AUTH_OAUTHBEARER);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_null(got.detail);
    assert_int_equal(ask(OAUTH_ERROR), AUTH_SAID);
    says("AQ==");
    assert_string_equal(got.detail, OAUTH_ERROR);
    assert_true(shows("535 5.7.8 AQ=="));
    assert_int_equal(ask(OAUTH_ERROR), AUTH_BAD_CHALLENGE);
}

/* Nobody takes for text what is none, nor sees a token in it, nor reads for an hour. */
static void A15_hostile_detail(void **state)
{
    char text[3000];

    (void)state;
    begin(AUTH_XOAUTH2);
    ask_first();
    ask("{\"token\":\"" TOKEN "\"}");
    assert_string_equal(got.detail, "{\"token\":\"***\"}");
    begin(AUTH_XOAUTH2);
    ask_first();
    ask("a\r\n\x1b[31m\\\xff");
    assert_string_equal(got.detail, "a\\x0D\\x0A\\x1B[31m\\\\\\xFF");
    begin(AUTH_XOAUTH2);
    ask_first();
    memset(text, 'x', sizeof text);
    memcpy(text + SASL_MAX_DETAIL - 1, "\xc3\xb6", 2);
    text[sizeof text - 1] = '\0';
    ask(text);
    assert_int_equal(strlen(got.detail), SASL_MAX_DETAIL - 1 + 3);
    assert_string_equal(got.detail + SASL_MAX_DETAIL - 2, "x...");
    begin(AUTH_XOAUTH2);
    ask_first();
    assert_int_equal(ask(""), AUTH_SAID);
    assert_null(got.detail);
}

/* ---- what ehlod cannot do ---- */

static void A20_too_long_to_say(void **state)
{
    static char text[SASL_MAX_LINE];
    size_t most = SASL_MAX_LINE / 4 * 3 - 3 - strlen("user=" USER "\001auth=Bearer \001\001");

    (void)state;
    memset(text, 't', sizeof text - 1);
    text[most] = '\0';
    login.token = token = (secret_free(token), secret_new(span_of(text)));
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_int_equal(strlen(got.line), SASL_MAX_LINE - 4); /* whole groups of four, and CRLF */
    text[most] = 't';
    text[most + 1] = '\0';
    login.token = token = (secret_free(token), secret_new(span_of(text)));
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    contains(got.message, "the response would have 12290 octets, more than the 12288");
    says("");
}

static void set_password(struct span bytes)
{
    secret_free(password);
    login.password = password = secret_new(bytes);
}

static void passwords_that_cannot_be_said(void **state)
{
    (void)state;
    set_password(span_of("a\x01z"));
    begin(AUTH_CRAM_MD5);
    assert_int_equal(ask("<1@mx>"), AUTH_UNABLE);
    assert_string_equal(got.message, "the password has characters that SASLprep (RFC 4013) does not allow");
    begin(AUTH_SCRAM_SHA_256); /* before a word is said */
    assert_int_equal(ask_first(), AUTH_UNABLE);
    assert_string_equal(got.message, "the password has characters that SASLprep (RFC 4013) does not allow");
    set_password(span_of("\xff\xfe"));
    begin(AUTH_CRAM_MD5);
    assert_int_equal(ask("<1@mx>"), AUTH_UNABLE);
    begin(AUTH_PLAIN); /* which prepares nothing: for a server that wants just these octets */
    assert_int_equal(ask_first(), AUTH_SAID);
    set_password((struct span){"a\0b", 3});
    begin(AUTH_PLAIN);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    assert_string_equal(got.message, "the password has a NUL in it");
    login.password = NULL;
    begin(AUTH_PLAIN);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    assert_string_equal(got.message, "there is no password");
}

static void usernames_that_cannot_be_said(void **state)
{
    (void)state;
    login.username = "a\x01z";
    begin(AUTH_SCRAM_SHA_256);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    assert_string_equal(got.message, "the username has characters that SASLprep (RFC 4013) does not allow");
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    contains(got.message, "the username has control characters");
}

static void tokens_that_are_none(void **state)
{
    static const char *const rows[] = {"", "a b", "a\001b", "a\nb", "t\xc3\xb6ken", "a\x7f"};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        secret_free(token);
        login.token = token = secret_new(span_of(rows[i]));
        begin(AUTH_OAUTHBEARER);
        assert_int_equal(ask_first(), AUTH_UNABLE);
        contains(got.message, "the token is none");
    }
    login.token = NULL;
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    assert_string_equal(got.message, "there is no token");
}

/* The loop does not wait for a FIFO's other end, and no more does anybody else. */
static void a_token_file_that_is_none(void **state)
{
    char folder[] = "/tmp/ehlod-test-XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/token", folder);
    login.token_file = path;
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    contains(got.message, path);
    contains(got.message, "cannot be opened: No such file or directory");
    assert_int_equal(mkfifo(path, 0600), 0);
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_UNABLE);
    contains(got.message, "not a token file (expected a regular file, found a FIFO)");
    unlink(path);
    rmdir(folder);
}

/* It stands before a token in the config, and is read anew for each login. */
static void a_token_file(void **state)
{
    char path[] = "/tmp/ehlod-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    login.token_file = path;
    login.username = "u";
    assert_int_equal(write(fd, "one\n", 4), 4);
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_string_equal(response(), "user=u\001auth=Bearer one\001\001");
    assert_int_equal(pwrite(fd, "two\n", 4, 0), 4);
    begin(AUTH_XOAUTH2);
    assert_int_equal(ask_first(), AUTH_SAID);
    assert_string_equal(response(), "user=u\001auth=Bearer two\001\001");
    close(fd);
    unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(A06_not_base64),
        TEST(A06_too_long),
        TEST(an_empty_challenge_of_cram_md5),
        TEST(A09_no_end),
        TEST(A13_A14_are_not_there),
        TEST(A12_bad_first_message),
        TEST(A12_bad_signature),
        TEST(a_refusal_in_scram),
        TEST(A15_error_in_json),
        TEST(A15_hostile_detail),
        TEST(A20_too_long_to_say),
        TEST(passwords_that_cannot_be_said),
        TEST(usernames_that_cannot_be_said),
        TEST(tokens_that_are_none),
        TEST(a_token_file_that_is_none),
        TEST(a_token_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

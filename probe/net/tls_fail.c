/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a TLS connection fails: what OpenSSL calls an error, what came where TLS should have, and the end of
 * the connection become one of the reasons of verdict.h with a sentence, in one place. What is wrong with a
 * certificate is tls_verify.c's.
 */
#include "probe/base/arena.h"
#include "probe/base/secret.h"
#include "probe/net/certificate.h"
#include "probe/net/tls_state.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_MOST 60 /* of what came in the place of TLS */

static void say_bad_certificate(struct tls *t)
{
    struct arena a = {0};

    snprintf(t->message, sizeof(t->message), "%s", tls_verify_sentence(&t->verify, &a));
    arena_free(&a);
}

bool tls_fail_is_over(const struct tls *t)
{
    return t->state == TLS_CLOSED || t->state == TLS_FAILED;
}

/* Fails once. A certificate that is not good was there before whatever else the handshake broke on. */
void tls_fail(struct tls *t, enum reason reason, const char *format, ...)
{
    va_list args;

    if (tls_fail_is_over(t))
        return;
    t->state = TLS_FAILED;
    t->reason = reason;
    va_start(args, format);
    vsnprintf(t->message, sizeof(t->message), format, args);
    va_end(args);
    if (t->verify.reason != REASON_NONE && !t->context->skip_verify) {
        t->reason = t->verify.reason;
        say_bad_certificate(t);
    }
}

const char *tls_fail_peer(const struct tls *t)
{
    return t->context->is_server ? "the client" : "the server";
}

static const char *version_text(int version)
{
    switch (version) {
    case SSL3_VERSION:
        return "SSLv3";
    case TLS1_VERSION:
        return "TLSv1";
    case TLS1_1_VERSION:
        return "TLSv1.1";
    case TLS1_2_VERSION:
        return "TLSv1.2";
    default:
        return NULL;
    }
}

static void fail_version(struct tls *t)
{
    const char *spoken = version_text(t->hello_version);

    if (spoken)
        tls_fail(t, REASON_VERSION, "%s speaks %s, and tls_config.min_version is %s", tls_fail_peer(t),
                 spoken, tls_min_name(t->context->min_version));
    else
        tls_fail(t, REASON_VERSION, "%s speaks no TLS version from tls_config.min_version (%s) up",
                 tls_fail_peer(t), tls_min_name(t->context->min_version));
}

static void fail_alert(struct tls *t)
{
    if (t->alert == SSL_AD_PROTOCOL_VERSION)
        fail_version(t);
    else
        tls_fail(t, REASON_ALERT, "%s ended TLS with the alert %s (%d)", tls_fail_peer(t),
                 tls_record_alert(t->alert), t->alert);
}

/* What else OpenSSL finds has the reason handshake. */
static const struct {
    int error;
    enum reason reason;
} ssl_reasons[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL, REASON_VERSION}, {SSL_R_WRONG_SSL_VERSION, REASON_VERSION},
    {SSL_R_VERSION_TOO_LOW, REASON_VERSION},      {SSL_R_DH_KEY_TOO_SMALL, REASON_WEAK},
    {SSL_R_EE_KEY_TOO_SMALL, REASON_WEAK},        {SSL_R_CA_KEY_TOO_SMALL, REASON_WEAK},
    {SSL_R_CA_MD_TOO_WEAK, REASON_WEAK},          {SSL_R_WRONG_SIGNATURE_TYPE, REASON_WEAK},
};

/* The first error in OpenSSL's queue is the closest to the cause. */
void tls_fail_openssl(struct tls *t)
{
    unsigned long first = ERR_peek_error();
    int error = ERR_GET_REASON(first);
    const char *text = ERR_reason_error_string(first);
    enum reason reason = REASON_HANDSHAKE;

    for (size_t i = 0; i < sizeof(ssl_reasons) / sizeof(ssl_reasons[0]); i++)
        if (ERR_GET_LIB(first) == ERR_LIB_SSL && error == ssl_reasons[i].error)
            reason = ssl_reasons[i].reason;
    if (t->received == 0) /* the peer had no part in it */
        tls_fail(t, REASON_LOCAL_RESOURCE, "TLS cannot be begun here: %s", text ? text : "unknown error");
    else if (ERR_GET_LIB(first) == ERR_LIB_SSL && error >= SSL_AD_REASON_OFFSET)
        fail_alert(t);
    else if (reason == REASON_VERSION)
        fail_version(t);
    else
        tls_fail(t, reason, "%s's TLS cannot be used: %s", tls_fail_peer(t), text ? text : "unknown error");
    ERR_clear_error();
}

/* What came in the place of a record, from its first byte to the end of the line. */
void tls_fail_record(struct tls *t, struct span rest)
{
    char bytes[QUOTE_MOST];
    size_t len = t->record.head_len;
    struct arena a = {0};

    if (t->record.too_long) {
        tls_fail(t, REASON_HANDSHAKE, "%s sent a TLS record longer than there may be", tls_fail_peer(t));
        return;
    }
    memcpy(bytes, t->record.head, len);
    for (size_t i = 0; i < rest.len && len < sizeof(bytes) && rest.data[i] != '\r' && rest.data[i] != '\n';
         i++)
        bytes[len++] = rest.data[i];
    const char *quote =
        t->hides ? SECRET_SHOWN : certificate_text(&a, (struct span){bytes, len}, sizeof(bytes));
    if (t->record.count == 0)
        tls_fail(t, REASON_NOT_TLS, "%s does not speak TLS here, it sent \"%s\"", tls_fail_peer(t), quote);
    else
        tls_fail(t, REASON_HANDSHAKE, "%s left TLS for \"%s\"", tls_fail_peer(t), quote);
    arena_free(&a);
}

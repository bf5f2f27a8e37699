/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a server's certificates are good (RFC 5280, RFC 9525). All is looked at and nothing stops the
 * handshake: each error is noted, and the first that OpenSSL finds is the reason: who stands behind it, then
 * what it is for, how strong, how old; its names come last. Revocation is not checked.
 */
#include "probe/net/tls_verify.h"

#include "probe/base/clock.h"
#include "probe/base/text.h"
#include "probe/net/certificate.h"
#include "probe/net/tls_context.h"

#include <openssl/ssl.h>
#include <string.h>

#define NAMES_SAID 3   /* of a certificate, in a sentence */
#define TEXT_SAID  160 /* octets of each name there */

static enum reason reason_of(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return REASON_CERT_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return REASON_CERT_NOT_YET_VALID;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return REASON_CERT_SELF_SIGNED;
    case X509_V_ERR_INVALID_PURPOSE:
        return REASON_CERT_PURPOSE;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return REASON_WEAK;
    default:
        return REASON_CERT_UNTRUSTED;
    }
}

static void note_bad(struct tls_verify *v, enum reason reason, int error, X509 *certificate)
{
    if (v->reason != REASON_NONE)
        return;
    v->reason = reason;
    v->error = error;
    v->certificate = certificate;
    if (certificate)
        X509_up_ref(certificate);
}

/* Takes every error as none, so that verifying and the handshake go on. */
static int note_error(int good, X509_STORE_CTX *store)
{
    int error = X509_STORE_CTX_get_error(store);

    if (!good)
        note_bad(X509_STORE_CTX_get_app_data(store), reason_of(error), error,
                 X509_STORE_CTX_get_current_cert(store));
    return 1;
}

/* Of the chain that OpenSSL has built, which ends with one that is trusted. */
static int64_t trusted_until(X509_STORE_CTX *store)
{
    STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(store);
    int64_t until_us = CLOCK_NEVER;

    for (int i = 0; i < sk_X509_num(built); i++) {
        int64_t us = certificate_expiry(sk_X509_value(built, i));
        if (us != CLOCK_NONE && us < until_us)
            until_us = us;
    }
    return until_us != CLOCK_NEVER ? until_us : 0;
}

int tls_verify_store(struct tls_verify *v, struct x509_store_ctx_st *store)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);

    if (v->chain) /* a server shows itself once */
        return -1;
    v->chain = tls_context_memory(X509_chain_up_ref(sent));
    if (sk_X509_num(sent) > TLS_VERIFY_CHAIN_MOST)
        return -1;
    X509_STORE_CTX_set_app_data(store, v);
    X509_STORE_CTX_set_verify_cb(store, note_error);
    if (X509_verify_cert(store) != 1)
        note_bad(v, REASON_CERT_UNTRUSTED, X509_STORE_CTX_get_error(store), NULL);
    if (!certificate_is_for(sk_X509_value(sent, 0), v->host))
        note_bad(v, REASON_CERT_NAME_MISMATCH, X509_V_ERR_HOSTNAME_MISMATCH, sk_X509_value(sent, 0));
    X509_STORE_CTX_set_error(store, X509_V_OK);
    v->verified = v->reason == REASON_NONE;
    v->trusted_until_wall_us = v->verified ? trusted_until(store) : 0;
    return 0;
}

/* Whom it is for, as a sentence needs it. */
static const char *names_of(struct arena *a, X509 *certificate)
{
    struct result_certificate c;
    const char *text = "";

    certificate_show(a, certificate, &c);
    if (c.name_total == 0)
        return "no host (it has no subjectAltName that is one's)";
    size_t said = c.name_count < NAMES_SAID ? c.name_count : NAMES_SAID;
    for (size_t i = 0; i < said; i++)
        text = arena_printf(a, "%s%s%s", text, i ? ", " : "",
                            certificate_text(a, span_of(c.names[i]), TEXT_SAID));
    return c.name_total > said ? arena_printf(a, "%s and %zu more", text, c.name_total - said) : text;
}

static const char *day_of(struct arena *a, int64_t wall_us)
{
    char text[TEXT_TIME_SIZE];

    if (wall_us == CLOCK_NONE)
        return "a time that cannot be read";
    text_time(wall_us, text);
    return arena_printf(a, "%.*sZ", (int)strcspn(text, "."), text);
}

const char *tls_verify_sentence(const struct tls_verify *v, struct arena *a)
{
    X509 *certificate = v->certificate ? v->certificate : sk_X509_value(v->chain, 0);
    const char *where = v->has_ca_file ? "tls_config.ca_file" : "the system's authorities";
    const char *error = X509_verify_cert_error_string(v->error);
    struct result_certificate c;

    certificate_show(a, certificate, &c);
    const char *subject = certificate_text(a, span_of(c.subject), TEXT_SAID);
    const char *issuer = certificate_text(a, span_of(c.issuer), TEXT_SAID);
    switch (v->reason) {
    case REASON_CERT_EXPIRED:
        return arena_printf(a, "the certificate of \"%s\" expired at %s", subject,
                            day_of(a, c.not_after_wall_us));
    case REASON_CERT_NOT_YET_VALID:
        return arena_printf(a, "the certificate of \"%s\" is not valid before %s; by the clock here it is %s",
                            subject, day_of(a, c.not_before_wall_us), day_of(a, clock_wall_us()));
    case REASON_CERT_SELF_SIGNED:
        return arena_printf(a, "the certificate of \"%s\" is signed by itself and not one of %s", subject,
                            where);
    case REASON_CERT_NAME_MISMATCH:
        return arena_printf(a, "the certificate is for %s, not for %s%s", names_of(a, certificate), v->host,
                            certificate_holds_ip_as_name(certificate, v->host)
                                ? ", which stands there as a host's name and not as an IP address"
                                : "");
    case REASON_CERT_PURPOSE:
        return arena_printf(a, "the certificate of \"%s\" may not be used for a TLS server (%s)", subject,
                            error);
    case REASON_WEAK:
        return arena_printf(a, "the certificate of \"%s\" (%s) is too weak: %s", subject, c.key, error);
    default:
        return arena_printf(a, "none of %s stands behind the certificate of \"%s\", issued by \"%s\": %s",
                            where, subject, issuer, error);
    }
}

void tls_verify_show(const struct tls_verify *v, struct arena *a, struct result_tls *out)
{
    int count = v->chain ? sk_X509_num(v->chain) : 0;

    out->verified = count == 0 ? TRI_NULL : v->verified ? TRI_TRUE : TRI_FALSE;
    out->reason = out->verified == TRI_FALSE && v->reason == REASON_NONE ? REASON_HANDSHAKE : v->reason;
    out->chain_count = (size_t)(count < TLS_VERIFY_CHAIN_MOST ? count : TLS_VERIFY_CHAIN_MOST);
    struct result_certificate *chain = arena_alloc(a, out->chain_count * sizeof(*chain));
    for (size_t i = 0; i < out->chain_count; i++)
        certificate_show(a, sk_X509_value(v->chain, (int)i), &chain[i]);
    out->chain = chain;
    out->trusted_until_wall_us = v->trusted_until_wall_us;
}

void tls_verify_clear(struct tls_verify *v)
{
    sk_X509_pop_free(v->chain, X509_free);
    X509_free(v->certificate);
    v->chain = NULL;
    v->certificate = NULL;
}

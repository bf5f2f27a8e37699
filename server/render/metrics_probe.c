/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run as blackbox_exporter 0.23 tells of its tcp prober: the same families, labels, help and types, and
 * there in the same cases, so that dashboards and alerts need no change. Ours stand behind them
 * (metrics_smtp.c). A server's certificate gets into the labels of probe_ssl_last_chain_info, as it does
 * there; what is shown of it is bounded.
 */
#include "server/render/metrics.h"

#include "probe/base/clock.h"

#include <string.h>

/* Of a chain that was not verified blackbox_exporter says this: the year 1, as Go has it. */
#define NO_TIME_S INT64_C(-62135596800)

static bool has_address(const struct result *r)
{
    return !address_is_path(r->host);
}

/* The handshake is over, and was taken as good. */
static bool is_encrypted(const struct result *r)
{
    bool failed = r->failure.reason != REASON_NONE && r->failure.phase == PHASE_TLS;

    return r->tls && r->tls->version && r->tls->chain_count > 0 && !failed;
}

static int64_t known_us(int64_t us)
{
    return us > 0 ? us : 0;
}

static void dns_lookup(struct exposition *e, const struct result *r)
{
    if (has_address(r))
        exposition_seconds(e, known_us(r->timing_us[PHASE_DNS]), NULL);
}

static void duration(struct exposition *e, const struct result *r)
{
    exposition_seconds(e, known_us(r->duration_us), NULL);
}

/* A regular expression there is a look at the server's words here: they were wrong, or ended. */
static bool is_of_words(const struct result_failure *f)
{
    switch (f->reason) {
    case REASON_NOT_SMTP:
    case REASON_BAD_SYNTAX:
    case REASON_BAD_CODE:
    case REASON_CODE_MISMATCH:
    case REASON_NUL:
    case REASON_TOO_LONG:
    case REASON_TOO_MANY_LINES:
    case REASON_UNSOLICITED:
    case REASON_UNEXPECTED_REPLY:
    case REASON_DEFERRED:
    case REASON_REJECTED:
    case REASON_ACCEPTED:
    case REASON_WRONG_REPLY:
    case REASON_NOT_OFFERED:
        return true;
    case REASON_REFUSED:
    case REASON_CLOSED:
        return f->phase >= PHASE_BANNER;
    default:
        return false;
    }
}

static void failed_due_to_regex(struct exposition *e, const struct result *r)
{
    exposition_whole(e, is_of_words(&r->failure), NULL);
}

/* FNV-1a with 32 bits over the octets of the address. */
static uint32_t hash_address(const struct address *a)
{
    bool v6 = address_family(a) == AF_INET6;
    const void *octets = v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr;
    uint32_t hash = UINT32_C(2166136261);

    for (size_t i = 0; i < (v6 ? sizeof(a->v6.sin6_addr) : sizeof(a->v4.sin_addr)); i++)
        hash = (hash ^ ((const unsigned char *)octets)[i]) * UINT32_C(16777619);
    return hash;
}

static void ip_addr_hash(struct exposition *e, const struct result *r)
{
    bool known = address_family(&r->peer) != AF_UNSPEC;

    if (has_address(r))
        exposition_whole(e, known ? hash_address(&r->peer) : 0, NULL);
}

static void ip_protocol(struct exposition *e, const struct result *r)
{
    int family = address_family(&r->peer);

    if (has_address(r))
        exposition_whole(e, family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0, NULL);
}

static void earliest_cert_expiry(struct exposition *e, const struct result *r)
{
    int64_t earliest_us = CLOCK_NEVER;

    if (!is_encrypted(r))
        return;
    for (size_t i = 0; i < r->tls->chain_count; i++) {
        int64_t us = r->tls->chain[i].not_after_wall_us;
        if (us != CLOCK_NONE && us < earliest_us)
            earliest_us = us;
    }
    if (earliest_us != CLOCK_NEVER)
        exposition_whole(e, earliest_us / CLOCK_US_PER_S, NULL);
}

static void last_chain_expiry(struct exposition *e, const struct result *r)
{
    if (is_encrypted(r))
        exposition_whole(
            e, r->tls->trusted_until_wall_us ? r->tls->trusted_until_wall_us / CLOCK_US_PER_S : NO_TIME_S,
            NULL);
}

/* The names of hosts that a certificate is for, parted by commas. */
static void join_names(struct buffer *out, const struct result_certificate *c)
{
    struct address literal;

    for (size_t i = 0; i < c->name_count; i++)
        if (address_parse(c->names[i], 0, &literal) != 0)
            buffer_printf(out, "%s%s", out->len > 0 ? "," : "", c->names[i]);
}

static void last_chain_info(struct exposition *e, const struct result *r)
{
    struct buffer names;

    if (!is_encrypted(r))
        return;
    const struct result_certificate *c = &r->tls->chain[0];
    buffer_init(&names, RENDER_MAX_RESULT);
    join_names(&names, c);
    exposition_whole(e, 1, "fingerprint_sha256", c->sha256, "issuer", c->issuer, "subject", c->subject,
                     "subjectalternative", names.len > 0 ? names.data : "", NULL);
    buffer_free(&names);
}

static void success(struct exposition *e, const struct result *r)
{
    exposition_whole(e, r->status == STATUS_PASS || r->status == STATUS_WARN, NULL);
}

static void tls_version(struct exposition *e, const struct result *r)
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {
        {"TLSv1.3", "TLS 1.3"}, {"TLSv1.2", "TLS 1.2"}, {"TLSv1.1", "TLS 1.1"}, {"TLSv1", "TLS 1.0"}};

    for (size_t i = 0; is_encrypted(r) && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(r->tls->version, names[i].ours) == 0)
            exposition_whole(e, 1, "version", names[i].theirs, NULL);
}

static const struct {
    const char *name;
    const char *help;
    void (*write)(struct exposition *e, const struct result *r);
} families[] = {
    {"probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", dns_lookup},
    {"probe_duration_seconds", "Returns how long the probe took to complete in seconds", duration},
    {"probe_failed_due_to_regex", "Indicates if probe failed due to regex", failed_due_to_regex},
    {"probe_ip_addr_hash",
     "Specifies the hash of IP address. It's useful to detect if the IP address changes.", ip_addr_hash},
    {"probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", ip_protocol},
    {"probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", earliest_cert_expiry},
    {"probe_ssl_last_chain_expiry_timestamp_seconds", "Returns last SSL chain expiry in timestamp",
     last_chain_expiry},
    {"probe_ssl_last_chain_info", "Contains SSL leaf certificate information", last_chain_info},
    {"probe_success", "Displays whether or not the probe was a success", success},
    {"probe_tls_version_info", "Returns the TLS version used or NaN when unknown", tls_version},
};

void metrics_probe(struct buffer *out, const struct result *r, enum exposition_format format)
{
    struct exposition e;

    exposition_begin(&e, out, format);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        exposition_family(&e, EXPOSITION_GAUGE, families[i].name, families[i].help);
        families[i].write(&e, r);
    }
    metrics_smtp(&e, &r, 1, false);
    exposition_end(&e);
}

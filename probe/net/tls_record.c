/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outside of TLS: record headers and the names of alerts. It reads nothing that is encrypted and judges
 * no more than can be seen from outside; the rest is OpenSSL's.
 *
 *     record = type version length body       type    = 20 / 21 / 22 / 23   version = 3 %x00-04
 *                                             length  = two octets, most significant first
 */
#include "probe/net/tls_record.h"

/* RFC 5246 section 6.2.3; RFC 8446 allows less. */
#define BODY_MOST ((1 << 14) + 2048)

static bool may_follow(struct tls_record *r, unsigned char byte)
{
    switch (r->head_len) {
    case 0:
        return byte >= 20 && byte <= 23;
    case 1:
        return byte == 3;
    case 2:
        return byte <= 4;
    case 4:
        r->too_long = (r->head[3] << 8 | byte) > BODY_MOST;
        return !r->too_long;
    default:
        return true;
    }
}

enum tls_record_found tls_record_take(struct tls_record *r, struct span *rest, struct span *piece_r)
{
    struct span all = *rest;
    size_t used = 0;
    enum tls_record_found found = TLS_RECORD_PART;

    while (r->head_len < TLS_RECORD_HEADER && used < all.len && found == TLS_RECORD_PART) {
        unsigned char byte = (unsigned char)all.data[used];
        if (may_follow(r, byte)) {
            r->head[r->head_len++] = byte;
            used++;
            r->left = (size_t)(r->head[3] << 8 | r->head[4]);
        } else {
            found = TLS_RECORD_WRONG;
        }
    }
    if (r->head_len == TLS_RECORD_HEADER) {
        size_t body = all.len - used < r->left ? all.len - used : r->left;
        used += body;
        r->left -= body;
        if (r->left == 0) {
            *r = (struct tls_record){.count = r->count + 1};
            found = TLS_RECORD_WHOLE;
        }
    }
    *piece_r = (struct span){all.data, used};
    *rest = (struct span){all.data + used, all.len - used};
    return found;
}

static const char *const alerts[] = {
    [0] = "close_notify",
    [10] = "unexpected_message",
    [20] = "bad_record_mac",
    [21] = "decryption_failed",
    [22] = "record_overflow",
    [30] = "decompression_failure",
    [40] = "handshake_failure",
    [41] = "no_certificate",
    [42] = "bad_certificate",
    [43] = "unsupported_certificate",
    [44] = "certificate_revoked",
    [45] = "certificate_expired",
    [46] = "certificate_unknown",
    [47] = "illegal_parameter",
    [48] = "unknown_ca",
    [49] = "access_denied",
    [50] = "decode_error",
    [51] = "decrypt_error",
    [60] = "export_restriction",
    [70] = "protocol_version",
    [71] = "insufficient_security",
    [80] = "internal_error",
    [86] = "inappropriate_fallback",
    [90] = "user_canceled",
    [100] = "no_renegotiation",
    [109] = "missing_extension",
    [110] = "unsupported_extension",
    [111] = "certificate_unobtainable",
    [112] = "unrecognized_name",
    [113] = "bad_certificate_status_response",
    [114] = "bad_certificate_hash_value",
    [115] = "unknown_psk_identity",
    [116] = "certificate_required",
    [120] = "no_application_protocol",
};

const char *tls_record_alert(int number)
{
    bool known = number >= 0 && (size_t)number < sizeof(alerts) / sizeof(alerts[0]) && alerts[number];

    return known ? alerts[number] : "unknown";
}

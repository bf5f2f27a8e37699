/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens, made and checked. HMAC (RFC 2104) is OpenSSL's. Twelve octets of it are as good as nobody can try
 * out: a guess has to come as mail, one at a time.
 */
#include "probe/token.h"

#include "probe/base/clock.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define STAMP     6 /* octets of time */
#define SAID      (STAMP + TOKEN_RANDOM)
#define PROOF     (TOKEN_DIGITS / 2 - SAID)
#define START     (sizeof TOKEN_START - 1)
#define STAMP_MAX ((INT64_C(1) << (8 * STAMP)) - 1)

static const char digits[] = "0123456789abcdef";

static void prove(const struct token_key *key, const unsigned char said[SAID], unsigned char proof_r[PROOF])
{
    unsigned char whole[EVP_MAX_MD_SIZE];
    const unsigned char *made =
        HMAC(EVP_sha256(), key->bytes, (int)sizeof key->bytes, said, SAID, whole, NULL);

    assert(made);
    memcpy(proof_r, whole, PROOF);
}

static void put_stamp(int64_t wall_us, unsigned char *out)
{
    int64_t ms = wall_us / CLOCK_US_PER_MS;

    ms = ms < 0 ? 0 : ms > STAMP_MAX ? STAMP_MAX : ms;
    for (size_t i = STAMP; i-- > 0; ms >>= 8)
        out[i] = (unsigned char)(ms & 0xff);
}

static int64_t stamp_us(const unsigned char *in)
{
    int64_t ms = 0;

    for (size_t i = 0; i < STAMP; i++)
        ms = ms << 8 | in[i];
    return ms * CLOCK_US_PER_MS;
}

void token_make(const struct token_key *key, int64_t wall_us, const unsigned char random[TOKEN_RANDOM],
                char token_r[TOKEN_SIZE])
{
    unsigned char bytes[SAID + PROOF];
    char *out = token_r + START;

    put_stamp(wall_us, bytes);
    memcpy(bytes + STAMP, random, TOKEN_RANDOM);
    prove(key, bytes, bytes + SAID);
    memcpy(token_r, TOKEN_START, START);
    for (size_t i = 0; i < sizeof bytes; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static unsigned char value_of(char digit)
{
    return (unsigned char)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

bool token_is_one(const char *text)
{
    return strncmp(text, TOKEN_START, START) == 0 && strspn(text + START, digits) == TOKEN_DIGITS &&
           text[TOKEN_SIZE - 1] == '\0';
}

bool token_check(const struct token_key *key, const char *text, int64_t *wall_us_r)
{
    unsigned char bytes[SAID + PROOF], proof[PROOF];

    if (!token_is_one(text))
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(value_of(text[START + 2 * i]) << 4 | value_of(text[START + 2 * i + 1]));
    prove(key, bytes, proof);
    if (CRYPTO_memcmp(proof, bytes + SAID, PROOF) != 0)
        return false;
    *wall_us_r = stamp_us(bytes);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be shown as it is, and how the rest is shown: UTF-8 checked after RFC 3629 section 4 (no overlong
 * forms, no surrogates, nothing over U+10FFFF), everything else escaped byte by byte so that it can be
 * turned back.
 */
#include "probe/base/text.h"

#include "probe/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The length of the UTF-8 sequence at s (1 to 4), or 0 when it is not one; its code point in *code_r. */
static size_t decode(const unsigned char *s, size_t left, uint32_t *code_r)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } form[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t len = 1; len <= 4; len++) {
        if ((s[0] & form[len - 1].mask) != form[len - 1].lead)
            continue;
        if (len > left)
            return 0;
        uint32_t code = (uint32_t)(s[0] & ~form[len - 1].mask);
        for (size_t i = 1; i < len; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (s[i] & 0x3f);
        }
        if (code < form[len - 1].least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return 0;
        *code_r = code;
        return len;
    }
    return 0;
}

static bool is_control(uint32_t code)
{
    return (code < 0x20 && code != '\t') || (code >= 0x7f && code < 0xa0);
}

static bool check(struct span bytes, bool controls_too)
{
    const unsigned char *s = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < bytes.len;) {
        uint32_t code;
        if (s[i] >= 0x20 && s[i] < 0x7f) { /* as almost all are */
            i++;
            continue;
        }
        size_t len = decode(s + i, bytes.len - i, &code);
        if (len == 0 || (!controls_too && is_control(code)))
            return false;
        i += len;
    }
    return true;
}

bool text_is_clean(struct span bytes)
{
    return check(bytes, false);
}

bool text_is_utf8(struct span bytes)
{
    return check(bytes, true);
}

bool text_is_ascii(struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if ((unsigned char)bytes.data[i] >= 0x80)
            return false;
    return true;
}

char *text_escape(struct arena *a, struct span bytes)
{
    static const char hex[] = "0123456789ABCDEF";
    char *text = arena_alloc(a, bytes.len * 4 + 1);
    char *out = text;

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c == '\\') {
            *out++ = '\\';
            *out++ = '\\';
        } else if (c >= 0x20 && c < 0x7f) {
            *out++ = (char)c;
        } else {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        }
    }
    *out = '\0';
    return text;
}

/* The bytes up to a length, never ending inside a UTF-8 sequence. */
static struct span shorten(struct span s, size_t most)
{
    if (s.len <= most)
        return s;
    s.len = most;
    while (s.len > 0 && (s.data[s.len] & 0xc0) == 0x80)
        s.len--;
    return s;
}

char *text_show(struct arena *a, struct span bytes, size_t most)
{
    struct span shown = shorten(bytes, most);
    bool clean = text_is_clean(shown) && !(shown.len && memchr(shown.data, '\t', shown.len));

    return arena_printf(a, "%s%s", clean ? arena_dup_span(a, shown) : text_escape(a, shown),
                        shown.len < bytes.len ? "..." : "");
}

/* In so many digits at least. */
static char *put_number(char *at, int64_t number, ptrdiff_t digits)
{
    char text[24], *end = text + sizeof text, *from = end;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;

    do
        *--from = (char)('0' + left % 10);
    while ((left /= 10) > 0 || end - from < digits);
    if (number < 0)
        *--from = '-';
    memcpy(at, from, (size_t)(end - from));
    return at + (end - from);
}

void text_time(int64_t wall_us, char out_r[TEXT_TIME_SIZE])
{
    int64_t fraction = wall_us % CLOCK_US_PER_S;
    if (fraction < 0) /* before 1970 the second is the one that has begun, too */
        fraction += CLOCK_US_PER_S;
    time_t seconds = (time_t)((wall_us - fraction) / CLOCK_US_PER_S);
    struct tm t;

    gmtime_r(&seconds, &t);
    const int parts[] = {t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec};
    char *at = put_number(out_r, (int64_t)t.tm_year + 1900, 4);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *at++ = "--T::"[i];
        at = put_number(at, parts[i], 2);
    }
    *at++ = '.';
    at = put_number(at, fraction, 6);
    memcpy(at, "Z", sizeof "Z");
}

void text_date(int64_t wall_us, char out_r[TEXT_DATE_SIZE])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(wall_us / CLOCK_US_PER_S);
    struct tm t;

    gmtime_r(&seconds, &t); /* not strftime: a locale has no say here */
    snprintf(out_r, TEXT_DATE_SIZE, "%.3s, %02d %.3s %d %02d:%02d:%02d +0000", days + 3 * t.tm_wday,
             t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* In the largest unit that leaves at most three decimals and no trailing zeros. */
void text_duration(int64_t us, char out_r[TEXT_DURATION_SIZE])
{
    bool seconds = us >= CLOCK_US_PER_S;
    int64_t unit = seconds ? CLOCK_US_PER_S : CLOCK_US_PER_MS;
    int64_t thousandths = (us % unit) * 1000 / unit;
    int len = snprintf(out_r, TEXT_DURATION_SIZE, "%" PRId64, us / unit);

    if (thousandths) {
        len += snprintf(out_r + len, TEXT_DURATION_SIZE - (size_t)len, ".%03" PRId64, thousandths);
        while (out_r[len - 1] == '0')
            len--;
    }
    snprintf(out_r + len, TEXT_DURATION_SIZE - (size_t)len, seconds ? " s" : " ms");
}

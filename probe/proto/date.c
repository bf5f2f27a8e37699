/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates of header fields (RFC 5322 sections 3.3 and 4.3), read without the C library, whose locale and zone
 * have no say here. What is wrong but cannot mislead is let pass: another weekday, words behind the zone. A
 * zone that nobody knows is UTC, as section 4.3 says; none at all is no date.
 *
 *   date-time = [day-name ","] day month year hour ":" minute [":" second] zone
 */
#include "probe/proto/date.h"

#include "probe/base/clock.h"
#include "probe/proto/lexeme.h"

#include <strings.h>

/* The parts of a date; what white space, commas and comments are between them. */
struct reader {
    struct span text;
    struct span word; /* what is left of the present one */
};

static struct span next_part(struct reader *r)
{
    for (;;) {
        size_t len = 0, commas = 0;
        while (commas < r->word.len && r->word.data[commas] == ',')
            commas++;
        r->word = (struct span){r->word.data + commas, r->word.len - commas};
        while (len < r->word.len && r->word.data[len] != ',')
            len++;
        struct span part = {r->word.data, len};
        r->word = (struct span){r->word.data + len, r->word.len - len};
        if (part.len)
            return part;
        struct lexeme l = lexeme_next(&r->text);
        if (l.kind == LEXEME_END)
            return (struct span){"", 0};
        if (l.kind == LEXEME_WORD)
            r->word = l.text;
    }
}

/* So many digits at the start of text, which moves behind them. */
static int digits(struct span *text, size_t least, size_t most, int *number_r)
{
    size_t len = 0;
    int number = 0;

    for (; len < text->len && text->data[len] >= '0' && text->data[len] <= '9'; len++) {
        if (len == most)
            return -1;
        number = number * 10 + (text->data[len] - '0');
    }
    if (len < least)
        return -1;
    text->data += len;
    text->len -= len;
    *number_r = number;
    return 0;
}

static int read_month(struct span part, int *month_r)
{
    static const char names[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

    for (int i = 0; part.len >= 3 && i < 12; i++)
        if (strncasecmp(part.data, names[i], 3) == 0) {
            *month_r = i + 1;
            return 0;
        }
    return -1;
}

static int read_year(struct span part, int *year_r)
{
    size_t len = part.len;
    int year;

    if (digits(&part, 2, 4, &year) < 0 || part.len)
        return -1;
    if (len == 2)
        year += year < 50 ? 2000 : 1900;
    else if (len == 3)
        year += 1900;
    *year_r = year;
    return year < 1900 ? -1 : 0;
}

/* hour ":" minute [":" second ["." fraction]] in seconds */
static int read_time(struct span part, int64_t *seconds_r)
{
    int hour, minute, second = 0;

    if (digits(&part, 1, 2, &hour) < 0 || !part.len || *part.data != ':')
        return -1;
    part = (struct span){part.data + 1, part.len - 1};
    if (digits(&part, 2, 2, &minute) < 0)
        return -1;
    if (part.len && *part.data == ':') {
        part = (struct span){part.data + 1, part.len - 1};
        if (digits(&part, 2, 2, &second) < 0)
            return -1;
    }
    if (hour > 23 || minute > 59 || second > 60 || (part.len && *part.data != '.'))
        return -1;
    *seconds_r = (int64_t)hour * 3600 + minute * 60 + second;
    return 0;
}

/* ("+" / "-") 4DIGIT, or a name; in seconds east of UTC */
static int read_zone(struct span part, int64_t *seconds_r)
{
    static const struct {
        char name[4];
        int hours;
    } names[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    bool east = part.len && *part.data == '+';
    int number;

    *seconds_r = 0;
    if (part.len == 0)
        return -1;
    if (east || *part.data == '-') {
        part = (struct span){part.data + 1, part.len - 1};
        if (digits(&part, 4, 4, &number) < 0 || number % 100 > 59)
            return -1;
        *seconds_r = (east ? 1 : -1) * ((int64_t)(number / 100) * 3600 + number % 100 * 60);
        return 0;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_is_nocase(part, names[i].name))
            *seconds_r = (int64_t)names[i].hours * 3600;
    return (*part.data | 32) >= 'a' && (*part.data | 32) <= 'z' ? 0 : -1;
}

/* Since 1970, of the Gregorian calendar: the years are taken to begin with March, so that the leap day is the
 * last of one. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t from_march = (month + 9) % 12;

    return y * 365 + y / 4 - y / 100 + y / 400 + (from_march * 153 + 2) / 5 + day - 1 - 719468;
}

static bool is_day(int year, int month, int day)
{
    static const int last[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leaps = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return day >= 1 && day <= last[month - 1] + (month == 2 && leaps);
}

int date_read(struct span text, int64_t *wall_us_r)
{
    struct reader r = {.text = text, .word = {"", 0}};
    struct span part = next_part(&r);
    int day, month, year;
    int64_t time, zone;

    if (part.len && (*part.data < '0' || *part.data > '9'))
        part = next_part(&r);
    if (digits(&part, 1, 2, &day) < 0 || part.len || read_month(next_part(&r), &month) < 0 ||
        read_year(next_part(&r), &year) < 0 || !is_day(year, month, day) ||
        read_time(next_part(&r), &time) < 0 || read_zone(next_part(&r), &zone) < 0)
        return -1;
    *wall_us_r = (days_since_1970(year, month, day) * 86400 + time - zone) * CLOCK_US_PER_S;
    return 0;
}

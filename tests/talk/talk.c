/* SPDX-License-Identifier: Apache-2.0 */
/* Reads talk files. */
#include "tests/talk/talk.h"

#include "config/value.h"
#include "probe/base/clock.h"
#include "probe/proto/dialogue.h"
#include "tests/talk/talk_claim.h"
#include "tests/talk/talk_login.h"
#include "tests/talk/talk_route.h"
#include "tests/talk/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (1024 * 1024)

struct reader {
    struct arena *arena;
    struct talk *talk;
    int line;
    bool failed;
};

static void complain(struct reader *r, const char *what, const char *text)
{
    fprintf(stderr, "%s:%d: %s: %s\n", r->talk->path, r->line, what, text);
    r->failed = true;
}

static struct span unescape(struct reader *r, const char *text)
{
    struct span bytes = {"", 0};
    if (words_unescape(r->arena, text, &bytes) < 0)
        complain(r, "bad escape", text);
    return bytes;
}

static int64_t duration(struct reader *r, const char *text)
{
    int64_t us = 0;
    if (value_duration(text, &us) < 0)
        complain(r, "not a duration", text);
    return us;
}

static void read_warn(struct reader *r, const char *key, const char *value)
{
    struct plan *plan = &r->talk->plan;
    enum phase phase = phase_by_name(key);

    if (strcmp(key, "duration") == 0)
        plan->warn_duration_us = duration(r, value);
    else if (phase < PHASE_COUNT)
        plan->warn_us[phase] = duration(r, value);
    else
        complain(r, "unknown threshold", key);
}

static void read_login(struct reader *r, const char *key, const char *value)
{
    const char *wrong = talk_login_read(r->talk, key, value);

    if (wrong)
        complain(r, wrong, key);
}

static void read_plan_key(struct reader *r, const char *key, const char *value)
{
    struct plan *plan = &r->talk->plan;
    for (enum limit l = 0; l < LIMIT_COUNT; l++) {
        if (strcmp(key, limit_key(l)) == 0) {
            plan->limits_us[l] = duration(r, value);
            return;
        }
    }
    if (strncmp(key, "warn.", 5) == 0)
        read_warn(r, key + 5, value);
    else if (talk_claim_read(r->arena, plan, key, value))
        return;
    else if (strncmp(key, "auth.", 5) == 0)
        read_login(r, key + 5, value);
    else if (strcmp(key, "helo") == 0)
        plan->helo = value;
    else if (strcmp(key, "protocol") == 0 && strcmp(value, "lmtp") == 0)
        plan->protocol = PROTOCOL_LMTP;
    else if (strcmp(key, "stop_after") == 0 && phase_by_name(value) < PHASE_COUNT)
        plan->stop_after = phase_by_name(value);
    else
        complain(r, "unknown key or value", key);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void read_route(struct reader *r, char *rest)
{
    const char *wrong = talk_route_read(r->arena, r->talk, rest);

    if (wrong)
        complain(r, "route", wrong);
}

static struct talk_event *add_event(struct reader *r, enum talk_kind kind)
{
    struct talk *t = r->talk;
    t->events = arena_grow(r->arena, t->events, t->event_count, sizeof(*t->events));
    t->events[t->event_count] = (struct talk_event){.kind = kind, .line = r->line};
    return &t->events[t->event_count++];
}

/* Server lines that follow each other are one segment; "--" parts them. */
static void say(struct reader *r, struct span bytes)
{
    struct talk *t = r->talk;
    struct talk_event *last = t->event_count ? &t->events[t->event_count - 1] : NULL;
    if (!last || last->kind != TALK_SAY || last->us < 0) {
        add_event(r, TALK_SAY)->bytes = bytes;
        return;
    }
    char *joined = arena_alloc(r->arena, last->bytes.len + bytes.len + 1);
    memcpy(joined, last->bytes.data, last->bytes.len);
    memcpy(joined + last->bytes.len, bytes.data, bytes.len);
    last->bytes = (struct span){joined, last->bytes.len + bytes.len};
}

static struct span with_crlf(struct reader *r, struct span line)
{
    char *text = arena_alloc(r->arena, line.len + 3);
    memcpy(text, line.data, line.len);
    memcpy(text + line.len, "\r\n", 2);
    return (struct span){text, line.len + 2};
}

/* "N text": the text N times. */
static void say_often(struct reader *r, char *rest, bool lines)
{
    long times = strtol(rest, &rest, 10);
    struct span one = unescape(r, *rest == ' ' ? rest + 1 : rest);
    if (lines)
        one = with_crlf(r, one);
    char *all = arena_alloc(r->arena, one.len * (size_t)times + 1);
    for (long i = 0; i < times; i++)
        memcpy(all + (size_t)i * one.len, one.data, one.len);
    say(r, (struct span){all, one.len * (size_t)times});
}

static void read_verdict(struct reader *r, char *rest)
{
    struct talk *t = r->talk;
    t->status = words_next(r->arena, &rest);
    char *where = words_next(r->arena, &rest);
    if (!where)
        return;
    char *slash = strchr(where, '/');
    if (!slash) {
        complain(r, "phase/reason is missing", where);
        return;
    }
    *slash = '\0';
    t->phase = where;
    t->reason = slash + 1;
    for (char *word = words_next(r->arena, &rest); word; word = words_next(r->arena, &rest)) {
        char *value = words_value(word);
        if (value && strcmp(word, "code") == 0)
            t->code = atoi(value);
        else if (value && strcmp(word, "enhanced") == 0)
            t->enhanced = value;
        else if (value && strcmp(word, "route") == 0)
            t->route = value;
        else
            complain(r, "unknown key", word);
    }
}

static void read_flags(struct reader *r, char *rest)
{
    for (char *word = words_next(r->arena, &rest); word; word = words_next(r->arena, &rest)) {
        enum flag f = 0;
        while (f < FLAG_COUNT && strcmp(flag_name(f), word) != 0)
            f++;
        if (f == FLAG_COUNT)
            complain(r, "unknown flag", word);
        else
            r->talk->flags |= UINT64_C(1) << f;
    }
}

/* "NAME=A/B ...": names with two values each. */
static struct talk_wanted *read_wanted(struct reader *r, struct talk_wanted *list, size_t *count, char *rest)
{
    for (char *word = words_next(r->arena, &rest); word; word = words_next(r->arena, &rest)) {
        char *value = words_value(word);
        char *ok = value ? strrchr(value, '/') : NULL;
        if (!ok) {
            complain(r, "NAME=VALUE/OK is missing", word);
            break;
        }
        *ok++ = '\0';
        list = arena_grow(r->arena, list, *count, sizeof(*list));
        list[(*count)++] = (struct talk_wanted){word, value, ok};
    }
    return list;
}

static void read_offers(struct reader *r, char *rest)
{
    struct talk *t = r->talk;
    for (char *word = words_next(r->arena, &rest); word; word = words_next(r->arena, &rest)) {
        char *params = words_value(word);
        t->offers = arena_grow(r->arena, t->offers, t->offer_count, sizeof(*t->offers));
        t->offers[t->offer_count++] = (struct result_extension){word, or_empty(params)};
    }
    t->offers_known = true;
}

static void read_times(struct reader *r, char *rest)
{
    for (char *word = words_next(r->arena, &rest); word; word = words_next(r->arena, &rest)) {
        char *value = words_value(word);
        enum phase p = phase_by_name(word);
        if (!value || p == PHASE_COUNT)
            complain(r, "PHASE=DURATION is missing", word);
        else
            r->talk->timing_us[p] = duration(r, value);
    }
}

/* One more line of the dialogue file. */
static void add_dialogue(struct reader *r, const char *text)
{
    struct span line = unescape(r, text);
    const char *before = r->talk->dialogue ? r->talk->dialogue : "";

    r->talk->dialogue = arena_printf(r->arena, "%s%s\n", before, arena_dup_span(r->arena, line));
}

/* All of it is there: filled in with what never changes. */
static void write_dialogue(struct reader *r)
{
    static const struct placeholder vars[] = {{"user", "probe"}};
    const struct dialogue_order order = {.vars = vars,
                                         .var_count = 1,
                                         .hostname = r->talk->plan.helo,
                                         .target = r->talk->plan.target,
                                         .address = "[127.0.0.1]",
                                         .token = "ehlod-000102030405060708090a0b0c0d0e0f1011121314151617",
                                         .wall_us = INT64_C(1795400704123456)};
    struct dialogue_mistakes mistakes = {0};
    const struct dialogue *d = dialogue_read(r->arena, span_of(r->talk->dialogue), &mistakes);

    r->talk->plan.script = dialogue_write(r->arena, d, &order, &mistakes);
    for (size_t i = 0; i < mistakes.count; i++)
        complain(r, arena_printf(r->arena, "line %u of the dialogue", mistakes.list[i].line),
                 mistakes.list[i].text);
}

static const char **add_text(struct reader *r, const char **list, size_t *count, char *text)
{
    list = arena_grow(r->arena, list, *count, sizeof(*list));
    list[(*count)++] = text;
    return list;
}

static void read_plan(struct reader *r, char *rest)
{
    for (char *pair = words_next(r->arena, &rest); pair; pair = words_next(r->arena, &rest)) {
        char *value = words_value(pair);
        read_plan_key(r, pair, or_empty(value));
    }
}

/* "--": what the server says next is another segment. */
static void part(struct reader *r)
{
    struct talk *t = r->talk;
    if (t->event_count && t->events[t->event_count - 1].kind == TALK_SAY)
        t->events[t->event_count - 1].us = -1;
    else
        complain(r, "parts nothing", "--");
}

/* "NAME" or "NAME N": the client must say the route's letter, or the first N octets of it. */
static void hear_letter(struct reader *r, char *rest)
{
    const char *name = words_next(r->arena, &rest);
    const char *count = words_next(r->arena, &rest);
    struct span letter = talk_route_letter(r->talk, or_empty(name));
    struct talk_event *event = add_event(r, TALK_LETTER);

    event->part = count;
    event->bytes = letter;
    if (count)
        event->bytes.len = strtoul(count, NULL, 10);
    if (!letter.len || event->bytes.len > letter.len)
        complain(r, "no such letter", or_empty(name));
}

/* A line of the dialogue; false when the word is none of those. */
static bool read_event(struct reader *r, const char *word, char *rest)
{
    if (strcmp(word, "S") == 0)
        say(r, with_crlf(r, unescape(r, rest)));
    else if (strcmp(word, "s") == 0)
        say(r, unescape(r, rest));
    else if (strcmp(word, "S*") == 0)
        say_often(r, rest, true);
    else if (strcmp(word, "s*") == 0)
        say_often(r, rest, false);
    else if (strcmp(word, "--") == 0)
        part(r);
    else if (strcmp(word, "C") == 0)
        add_event(r, TALK_HEAR)->bytes = unescape(r, rest);
    else if (strcmp(word, "P") == 0)
        add_event(r, TALK_HEADER);
    else if (strcmp(word, "C~") == 0)
        add_event(r, TALK_HEAR_START)->bytes = unescape(r, rest);
    else if (strcmp(word, "L") == 0)
        hear_letter(r, rest);
    else if (strcmp(word, "=") == 0)
        add_event(r, TALK_PAUSE)->us = duration(r, rest);
    else if (strcmp(word, "close") == 0)
        add_event(r, TALK_CLOSE);
    else if (strcmp(word, "reset") == 0)
        add_event(r, TALK_RESET);
    else
        return false;
    return true;
}

static void read_not(struct reader *r, const char *where)
{
    if (strcmp(where, "clear") == 0)
        r->talk->not_clear = true;
    else if (strcmp(where, "tls") == 0)
        r->talk->not_tls = true;
    else if (strcmp(where, "starttls") == 0)
        r->talk->not_starttls = true;
    else
        complain(r, "unknown way to play", where);
}

static void read_line(struct reader *r, char *line)
{
    struct talk *t = r->talk;
    char *rest = line + strcspn(line, " ");
    size_t len = (size_t)(rest - line);
    char *word = arena_dup_span(r->arena, (struct span){line, len});
    rest += *rest == ' ';

    if (len == 0 || *word == '#' || read_event(r, word, rest))
        return;
    if (strcmp(word, "plan") == 0)
        read_plan(r, rest);
    else if (strcmp(word, "route") == 0)
        read_route(r, rest);
    else if (strcmp(word, "D") == 0)
        add_dialogue(r, rest);
    else if (strcmp(word, "->") == 0)
        read_verdict(r, rest);
    else if (strcmp(word, "honoured") == 0)
        t->honoured = words_next(r->arena, &rest);
    else if (strcmp(word, "flags") == 0)
        read_flags(r, rest);
    else if (strcmp(word, "routes") == 0)
        t->routes = read_wanted(r, t->routes, &t->route_count, rest);
    else if (strcmp(word, "recipients") == 0)
        t->recipients = read_wanted(r, t->recipients, &t->recipient_count, rest);
    else if (strcmp(word, "messages") == 0)
        t->messages = read_wanted(r, t->messages, &t->message_count, rest);
    else if (strcmp(word, "offers") == 0)
        read_offers(r, rest);
    else if (strcmp(word, "times") == 0)
        read_times(r, rest);
    else if (strcmp(word, "line") == 0)
        t->lines = add_text(r, t->lines, &t->line_count, rest);
    else if (strcmp(word, "login") == 0)
        t->login = rest;
    else if (strcmp(word, "not") == 0)
        read_not(r, rest);
    else if (strcmp(word, "says") == 0)
        t->says = add_text(r, t->says, &t->say_count, rest);
    else
        complain(r, "unknown word", word);
}

static struct talk *new_talk(struct arena *a, const char *path)
{
    struct talk *t = arena_alloc(a, sizeof(*t));
    const char *slash = strrchr(path, '/');

    t->path = arena_dup(a, path);
    t->name = arena_dup(a, slash ? slash + 1 : path);
    t->code = -1;
    t->plan = (struct plan){.target = "talk",
                            .host = "127.0.0.1",
                            .port = 25,
                            .helo = "client.example.org",
                            .login.mechanism = AUTH_MECHANISM_COUNT,
                            .stop_after = PHASE_COUNT};
    for (enum limit l = 0; l < LIMIT_COUNT; l++)
        t->plan.limits_us[l] = limit_default_us(l);
    for (enum phase p = 0; p < PHASE_COUNT; p++)
        t->timing_us[p] = CLOCK_NONE;
    return t;
}

/* No talk may have it that something of a login is said in the clear where that is not allowed. What is said
 * by hand is. */
static void check_login(struct reader *r)
{
    const struct talk *t = r->talk;

    if (t->dialogue)
        return;
    for (size_t i = 0; i < t->event_count && !t->not_clear && !t->plan.login.allow_plaintext; i++) {
        const struct talk_event *event = &t->events[i];
        if ((event->kind == TALK_HEAR || event->kind == TALK_HEAR_START) &&
            strncmp(event->bytes.data, "AUTH", 4) == 0)
            complain(r, "a login in the clear", event->bytes.data);
    }
}

struct talk *talk_load(struct arena *a, const char *path)
{
    struct reader r = {.arena = a, .talk = new_talk(a, path)};
    FILE *file = fopen(path, "r");
    if (!file) {
        complain(&r, "cannot be opened", path);
        return NULL;
    }
    char *text = arena_alloc(a, MAX_FILE);
    size_t len = fread(text, 1, MAX_FILE - 1, file);
    fclose(file);
    text[len] = '\0';
    for (char *line = text; *line;) {
        char *end = line + strcspn(line, "\n");
        bool last = *end == '\0';
        *end = '\0';
        r.line++;
        read_line(&r, line);
        line = last ? end : end + 1;
    }
    check_login(&r);
    if (r.talk->dialogue)
        write_dialogue(&r);
    if (!r.talk->status)
        complain(&r, "there is no verdict", "-> pass|warn|fail|unknown");
    return r.failed ? NULL : r.talk;
}

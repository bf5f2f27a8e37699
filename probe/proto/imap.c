/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's commands and what follows from their ends: a row of a table for each state. A look opens each
 * folder in turn, reads a few header fields of the messages that are new, more of those that may be ours, and
 * removes what it may. What the responses in between say is imap_hear.c's.
 * Limits: a message whose header shows nothing of ours any more is not found, since no other is read.
 */
#include "probe/proto/imap.h"

#include "probe/base/mem.h"
#include "probe/proto/imap_name.h"
#include "probe/proto/imap_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OUT 8192

/* Of ours, and what tells a report. */
#define FIELDS                                                                                               \
    "X-EHLOD-TOKEN MESSAGE-ID CONTENT-TYPE X-FAILED-RECIPIENTS RETURN-PATH FROM SUBJECT AUTO-SUBMITTED"

/* ---- commands ---- */

static void begin_command(struct imap *im, const char *verb)
{
    im->unasked = im->answers = 0;
    buffer_printf(&im->out, "E%u %s", ++im->number, verb);
}

static void end_command(struct imap *im)
{
    buffer_puts(&im->out, "\r\n");
    assert(!im->out.full);
}

static void say_capability(struct imap *im)
{
    begin_command(im, "CAPABILITY");
    end_command(im);
}

/* Which folder has which use (RFC 6154): servers may say so without being asked to. */
static void say_list(struct imap *im)
{
    bool asks = im->has_list_extended && im->has_special_use;

    begin_command(im, asks ? "LIST (SPECIAL-USE) \"\" \"*\"" : "LIST \"\" \"*\"");
    end_command(im);
}

static void say_open(struct imap *im, const char *verb)
{
    begin_command(im, verb);
    buffer_puts(&im->out, " ");
    imap_name_quote(&im->out, im->folders[im->at].name);
    end_command(im);
}

static void say_examine(struct imap *im)
{
    im->exists = im->next = im->validity = im->highest = im->dropped = 0;
    im->candidate_count = im->candidate_at = 0;
    im->selected = im->read_only = false;
    say_open(im, "EXAMINE");
}

static void put_fields(struct imap *im)
{
    buffer_printf(&im->out, " (UID BODY.PEEK[HEADER.FIELDS (" FIELDS ")]<0.%d>)", IMAP_MAX_HEADER);
}

static void say_headers(struct imap *im)
{
    begin_command(im, "UID FETCH ");
    buffer_printf(&im->out, "%" PRIu32 ":*", im->from);
    put_fields(im);
    end_command(im);
}

static void put_batch(struct imap *im)
{
    for (size_t i = 0; i < im->batch_count; i++)
        buffer_printf(&im->out, "%s%" PRIu32, i ? "," : "", im->batch[i]);
}

static void say_texts(struct imap *im)
{
    size_t left = im->candidate_count - im->candidate_at;

    im->batch_count = left < IMAP_BATCH ? left : IMAP_BATCH;
    memcpy(im->batch, im->candidates + im->candidate_at, im->batch_count * sizeof im->batch[0]);
    im->candidate_at += im->batch_count;
    begin_command(im, "UID FETCH ");
    put_batch(im);
    buffer_printf(&im->out, " (UID RFC822.SIZE BODY.PEEK[]<0.%d>)", IMAP_MAX_KEPT);
    end_command(im);
}

static void say_select(struct imap *im)
{
    im->validity = 0;
    say_open(im, "SELECT");
}

static void say_again(struct imap *im)
{
    im->same_count = 0;
    begin_command(im, "UID FETCH ");
    put_batch(im);
    put_fields(im);
    end_command(im);
}

static void say_store(struct imap *im)
{
    begin_command(im, "UID STORE ");
    put_batch(im);
    buffer_puts(&im->out, " +FLAGS.SILENT (\\Deleted)");
    end_command(im);
}

static void say_expunge(struct imap *im)
{
    begin_command(im, "UID EXPUNGE ");
    put_batch(im);
    end_command(im);
}

/* ---- what follows ---- */

static bool is_use(const char *wanted)
{
    return wanted[0] == '\\';
}

static bool wants_uses(const struct imap *im)
{
    for (size_t i = 0; i < im->folder_count; i++)
        if (is_use(im->folders[i].wanted))
            return true;
    return false;
}

/* The first folder from there on that is there; none: the look is over. */
static enum imap_state open_from(struct imap *im, size_t at)
{
    while (at < im->folder_count && !im->folders[at].name)
        at++;
    im->at = at;
    return at < im->folder_count ? IMAP_EXAMINE : IMAP_IDLE;
}

static enum imap_state begin_look(struct imap *im)
{
    if (!im->folders[0].name)
        return imap_fail(im, "the server has no folder for %s (special use, RFC 6154)",
                         imap_folder_shown(im, 0));
    return open_from(im, 0);
}

static enum imap_state after_capability(struct imap *im)
{
    return wants_uses(im) ? IMAP_LIST : begin_look(im);
}

/* The next folder, or the same one once more for what was too much. */
static enum imap_state end_folder(struct imap *im)
{
    return open_from(im, im->dropped > im->from ? im->at : im->at + 1);
}

static enum imap_state remove_or_go_on(struct imap *im)
{
    im->batch_count = im->reader->removable(im->context, im->at, IMAP_BATCH, im->batch);
    if (!im->batch_count)
        return end_folder(im);
    return im->selected ? IMAP_AGAIN : IMAP_SELECT;
}

static enum imap_state after_reading(struct imap *im)
{
    uint32_t upto = im->dropped ? im->dropped - 1 : im->highest;

    im->reader->looked(im->context, im->at, upto);
    return remove_or_go_on(im);
}

static enum imap_state after_examine(struct imap *im)
{
    if (!im->validity)
        return imap_fail(im, "the server says no UIDVALIDITY of %s, so nobody knows which message is which",
                         imap_folder_shown(im, im->at));
    im->examined = im->validity;
    im->from = im->reader->from(im->context, im->at, im->validity);
    if (!im->from || !im->exists || (im->next && im->next <= im->from))
        return after_reading(im);
    return IMAP_HEADERS;
}

static enum imap_state after_texts(struct imap *im)
{
    return im->candidate_at < im->candidate_count ? IMAP_TEXTS : after_reading(im);
}

static enum imap_state leave(struct imap *im, const char *why)
{
    im->reader->unremoved(im->context, im->at, im->batch, im->batch_count, why);
    return end_folder(im);
}

/* Of another validity the UIDs are other messages': nothing of them may be touched. */
static enum imap_state after_select(struct imap *im)
{
    im->selected = true;
    if (im->validity != im->examined)
        return leave(im, "the folder was replaced by another (UIDVALIDITY)");
    if (im->read_only)
        return leave(im, "the folder is read-only");
    return IMAP_AGAIN;
}

/* What is not there any more, or is another message now, is none of ours. */
static enum imap_state after_again(struct imap *im)
{
    uint32_t gone[IMAP_BATCH];
    size_t gone_count = 0, count = im->batch_count;

    im->batch_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (imap_is_among(im->same, im->same_count, im->batch[i]))
            im->batch[im->batch_count++] = im->batch[i];
        else
            gone[gone_count++] = im->batch[i];
    }
    if (gone_count)
        im->reader->removed(im->context, im->at, gone, gone_count);
    return im->batch_count ? IMAP_STORE : remove_or_go_on(im);
}

static enum imap_state after_removing(struct imap *im)
{
    im->reader->removed(im->context, im->at, im->batch, im->batch_count);
    return remove_or_go_on(im);
}

static enum imap_state after_store(struct imap *im)
{
    return im->has_uidplus ? IMAP_EXPUNGE : after_removing(im);
}

static const struct row {
    const char *verb; /* for people */
    void (*say)(struct imap *im);
    enum imap_state (*after)(struct imap *im); /* the server said OK */
    bool removes;                              /* if not, the folder is left; it was looked into */
} rows[] = {
    [IMAP_CAPABILITY] = {"CAPABILITY", say_capability, after_capability, false},
    [IMAP_LIST] = {"LIST", say_list, begin_look, false},
    [IMAP_EXAMINE] = {"EXAMINE", say_examine, after_examine, false},
    [IMAP_HEADERS] = {"UID FETCH", say_headers, after_texts, false},
    [IMAP_TEXTS] = {"UID FETCH", say_texts, after_texts, false},
    [IMAP_SELECT] = {"SELECT", say_select, after_select, true},
    [IMAP_AGAIN] = {"UID FETCH", say_again, after_again, true},
    [IMAP_STORE] = {"UID STORE", say_store, after_store, true},
    [IMAP_EXPUNGE] = {"UID EXPUNGE", say_expunge, after_removing, true},
};

static void enter(struct imap *im, enum imap_state state)
{
    im->state = state;
    if (state < IMAP_IDLE)
        rows[state].say(im);
}

/* ---- what is heard ---- */

enum imap_state imap_fail(struct imap *im, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    im->why = arena_dup(&im->arena, text);
    im->state = IMAP_FAILED;
    return IMAP_FAILED;
}

static const char *say_refusal(const struct imap *im, struct arena *a, const struct imap_reply *reply)
{
    const char *words = imap_quote_words(a, reply->rest);
    const char *ours = imap_code_words(reply->code);
    bool of_folder = im->state > IMAP_LIST;

    return arena_printf(a, "%s%s%s failed: %s%s%s%s", rows[im->state].verb, of_folder ? " " : "",
                        of_folder ? imap_folder_shown(im, im->at) : "", ours ? ours : words, ours ? " (" : "",
                        ours ? words : "", ours ? ")" : "");
}

static enum imap_state refused(struct imap *im, const struct imap_reply *reply)
{
    struct arena scratch = {0};
    const char *why = say_refusal(im, &scratch, reply);
    enum imap_state next = rows[im->state].removes ? leave(im, why) : imap_fail(im, "%s", why);

    arena_free(&scratch);
    return next;
}

/* The end of the command that is under way. */
static int hear_end(struct imap *im, const struct imap_reply *reply)
{
    struct span rest;

    if (im->state == IMAP_SELECT)
        im->read_only = imap_parse_word(reply->code, "READ-ONLY", &rest);
    enter(im, reply->status == IMAP_OK ? rows[im->state].after(im) : refused(im, reply));
    return im->state == IMAP_FAILED ? -1 : im->state == IMAP_IDLE;
}

static int nonsense(struct imap *im, struct span text)
{
    imap_fail(im, "the server says what nobody expects: %s", imap_quote_words(&im->arena, text));
    return -1;
}

/* One response; as imap_feed. */
static int hear(struct imap *im, struct span text)
{
    struct imap_reply reply;
    char tag[16];

    snprintf(tag, sizeof tag, "E%u", im->number);
    if (imap_parse_reply(text, &reply))
        return nonsense(im, text);
    if (span_is(reply.tag, "*"))
        return imap_hear(im, &reply);
    /* Not before the command has gone out: who guesses tags does not answer. */
    if (span_is(reply.tag, tag) && im->state < IMAP_IDLE && reply.status <= IMAP_BAD && !im->out.len)
        return hear_end(im, &reply);
    /* Half a line, whose beginning came with the reply to the login and went to somebody else. */
    if (im->state == IMAP_CAPABILITY && !im->out.len && !im->unasked++)
        return 0;
    return nonsense(im, text);
}

static int hear_wrong(struct imap *im)
{
    const struct imap_line *l = &im->line;

    if (l->wrong == IMAP_LINE_TOO_LONG)
        imap_fail(im, "the server says a line of more than %d octets", IMAP_MAX_LINE);
    else if (l->announced == SIZE_MAX)
        imap_fail(im, "the server announces a literal of more octets than can be counted");
    else
        imap_fail(im, "the server announces a literal of %zu octets, where at most %zu were asked for",
                  l->announced, imap_most_literal(im));
    return -1;
}

int imap_feed(struct imap *im, struct span bytes)
{
    int result = im->state == IMAP_FAILED ? -1 : 0;

    while (result >= 0 && bytes.len) {
        size_t used;
        int line = imap_line_feed(&im->line, bytes, imap_most_literal(im), &used);
        bytes = (struct span){bytes.data + used, bytes.len - used};
        if (line < 0)
            return hear_wrong(im);
        if (line == 0)
            break;
        int heard = hear(im, buffer_span(&im->line.text));
        imap_line_clear(&im->line);
        result = heard ? heard : result;
    }
    return result;
}

/* ---- for the caller ---- */

void imap_init(struct imap *im, const char *const *folders, size_t folder_count,
               const struct imap_reader *reader, void *context)
{
    *im = (struct imap){.reader = reader, .context = context, .folder_count = folder_count};
    imap_line_init(&im->line);
    buffer_init(&im->out, MAX_OUT);
    im->folders = arena_alloc(&im->arena, folder_count * sizeof *im->folders);
    for (size_t i = 0; i < folder_count; i++) {
        im->folders[i] = (struct imap_folder){.wanted = folders[i], .shown = folders[i]};
        if (!is_use(folders[i]))
            im->folders[i].name = imap_name_encode(&im->arena, folders[i]);
    }
    enter(im, IMAP_CAPABILITY);
}

void imap_free(struct imap *im)
{
    imap_line_free(&im->line);
    buffer_free(&im->out);
    free(im->candidates);
    arena_free(&im->arena);
}

void imap_look(struct imap *im)
{
    assert(im->state == IMAP_IDLE);
    enter(im, begin_look(im));
}

struct span imap_output(const struct imap *im)
{
    return buffer_span(&im->out);
}

void imap_sent(struct imap *im)
{
    buffer_clear(&im->out);
}

const char *imap_why(const struct imap *im)
{
    return im->why;
}

const char *imap_folder_shown(const struct imap *im, size_t folder)
{
    return im->folders[folder].shown;
}

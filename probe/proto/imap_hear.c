/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What untagged responses say (RFC 9051 section 7). They may come at any time and say what nobody asked for:
 * that is passed over, but counted, so that a server cannot keep a client busy for ever. A message counts
 * only where it was asked for, and only once.
 */
#include "probe/proto/imap_parts.h"

#include "probe/base/mem.h"
#include "probe/base/text.h"
#include "probe/proto/imap_name.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_WORDS = 200, MOST_OTHER_LITERAL = 1024 };

size_t imap_most_literal(const struct imap *im)
{
    bool is_header = im->state == IMAP_HEADERS || im->state == IMAP_AGAIN;

    return is_header ? IMAP_MAX_HEADER : im->state == IMAP_TEXTS ? IMAP_MAX_KEPT : MOST_OTHER_LITERAL;
}

const char *imap_quote_words(struct arena *a, struct span words)
{
    return arena_printf(a, "\"%s\"", text_show(a, words, MOST_WORDS));
}

const char *imap_code_words(struct span code)
{
    static const struct {
        const char *code;
        const char *words;
    } table[] = {
        {"NONEXISTENT", "there is no such folder"},
        {"TRYCREATE", "there is no such folder"},
        {"NOPERM", "the account may not do that"},
        {"AUTHENTICATIONFAILED", "the server does not accept who we say we are"},
        {"AUTHORIZATIONFAILED", "the account may not be used by us"},
        {"EXPIRED", "the password or the account has expired"},
        {"PRIVACYREQUIRED", "the server demands encryption"},
        {"CONTACTADMIN", "the server's administrators are to be asked"},
        {"UNAVAILABLE", "the server cannot for now"},
        {"INUSE", "the folder is in use"},
        {"LIMIT", "a limit of the server is reached"},
        {"OVERQUOTA", "the account is over its quota"},
        {"SERVERBUG", "the server has a bug"},
        {"CORRUPTION", "the folder is damaged"},
        {"EXPUNGEISSUED", "messages have just been removed"},
    };
    struct span rest;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (imap_parse_word(code, table[i].code, &rest))
            return table[i].words;
    return NULL;
}

/* ---- of a folder ---- */

static bool is_opening(const struct imap *im)
{
    return im->state == IMAP_EXAMINE || im->state == IMAP_SELECT;
}

/* A number that is none says nothing. */
static void hear_code(struct imap *im, struct span code)
{
    struct span rest;

    if (imap_parse_word(code, "UIDVALIDITY", &rest))
        (void)imap_parse_number(rest, &im->validity);
    else if (imap_parse_word(code, "UIDNEXT", &rest))
        (void)imap_parse_number(rest, &im->next);
}

/* ---- messages ---- */

bool imap_is_among(const uint32_t *uids, size_t count, uint32_t uid)
{
    for (size_t i = 0; i < count; i++)
        if (uids[i] == uid)
            return true;
    return false;
}

static void add_candidate(struct imap *im, uint32_t uid)
{
    if (!im->candidates)
        im->candidates = mem_alloc(IMAP_MAX_CANDIDATES * sizeof *im->candidates);
    if (im->candidate_count < IMAP_MAX_CANDIDATES)
        im->candidates[im->candidate_count++] = uid;
    else if (!im->dropped || uid < im->dropped)
        im->dropped = uid;
}

static bool take_header(struct imap *im, const struct imap_fetch *f)
{
    /* "7:*" always has the last message in it, whatever its UID. Servers answer in order; one that does not,
     * or says a message twice, only costs a look into what was looked into. */
    if (!f->header.data || f->uid < im->from || im->answers >= im->exists || f->uid == im->highest)
        return false;
    im->answers++;
    if (f->uid > im->highest)
        im->highest = f->uid;
    if (im->reader->is_candidate(im->context, im->at, f->uid, f->header) &&
        !(im->candidate_count && im->candidates[im->candidate_count - 1] == f->uid))
        add_candidate(im, f->uid);
    return true;
}

static bool take_text(struct imap *im, const struct imap_fetch *f)
{
    if (!f->body.data || !imap_is_among(im->batch, im->batch_count, f->uid))
        return false;
    for (size_t i = 0; i < im->batch_count; i++)
        if (im->batch[i] == f->uid)
            im->batch[i] = 0;
    im->reader->read(im->context, im->at, f->uid, f->body, f->has_size ? f->size : f->body.len);
    return true;
}

static bool take_again(struct imap *im, const struct imap_fetch *f)
{
    if (!f->header.data || !imap_is_among(im->batch, im->batch_count, f->uid) ||
        imap_is_among(im->same, im->same_count, f->uid))
        return false;
    if (im->reader->is_same(im->context, im->at, f->uid, f->header))
        im->same[im->same_count++] = f->uid;
    return true;
}

/* Whether it was asked for. */
static bool hear_fetch(struct imap *im, struct span text)
{
    struct imap_fetch f;
    bool reads = im->state == IMAP_HEADERS || im->state == IMAP_TEXTS || im->state == IMAP_AGAIN;

    if (!reads || imap_parse_fetch(text, &f) || !f.uid)
        return false;
    return im->state == IMAP_HEADERS ? take_header(im, &f)
           : im->state == IMAP_TEXTS ? take_text(im, &f)
                                     : take_again(im, &f);
}

/* ---- the rest ---- */

static void hear_capabilities(struct imap *im, struct span text)
{
    while (text.len) {
        struct span rest = text;
        const char *space = memchr(text.data, ' ', text.len);
        size_t len = space ? (size_t)(space - text.data) : text.len;
        im->has_uidplus = im->has_uidplus || imap_parse_word(text, "UIDPLUS", &rest) ||
                          imap_parse_word(text, "IMAP4rev2", &rest);
        im->has_list_extended = im->has_list_extended || imap_parse_word(text, "LIST-EXTENDED", &rest) ||
                                imap_parse_word(text, "IMAP4rev2", &rest);
        im->has_special_use = im->has_special_use || imap_parse_word(text, "SPECIAL-USE", &rest);
        len += space ? 1 : 0;
        text = (struct span){text.data + len, text.len - len};
    }
}

/* The first folder with that use is meant. */
static void hear_list(struct imap *im, struct span text)
{
    struct arena scratch = {0};

    for (size_t i = 0; i < im->folder_count; i++) {
        struct imap_folder *f = &im->folders[i];
        const char *name;
        if (f->name || imap_parse_list(&scratch, text, f->wanted, &name) || !imap_name_is_good(name))
            continue;
        f->name = arena_dup(&im->arena, name);
        f->shown = imap_name_decode(&im->arena, name);
    }
    arena_free(&scratch);
}

static bool hear_number(struct imap *im, const struct imap_reply *reply)
{
    struct span rest;

    if (imap_parse_word(reply->rest, "FETCH", &rest))
        return hear_fetch(im, rest);
    if (!imap_parse_word(reply->rest, "EXISTS", &rest))
        return false;
    im->exists = reply->number;
    return is_opening(im);
}

/* Whether it was an answer to the command. */
static bool hear_data(struct imap *im, const struct imap_reply *reply)
{
    struct span rest;

    if (reply->has_number)
        return hear_number(im, reply);
    if (im->state == IMAP_CAPABILITY && imap_parse_word(reply->rest, "CAPABILITY", &rest))
        hear_capabilities(im, rest);
    if (im->state == IMAP_LIST && imap_parse_word(reply->rest, "LIST", &rest))
        hear_list(im, rest);
    return false;
}

int imap_hear(struct imap *im, const struct imap_reply *reply)
{
    if (reply->status == IMAP_BYE) {
        imap_fail(im, "the server hung up: %s", imap_quote_words(&im->arena, reply->rest));
        return -1;
    }
    if (reply->status == IMAP_OK && is_opening(im))
        hear_code(im, reply->code);
    if (reply->status == IMAP_NO_STATUS && hear_data(im, reply))
        return 0;
    if (++im->unasked <= IMAP_MAX_UNASKED)
        return 0;
    imap_fail(im, "the server says more than %d things that nobody asked for", IMAP_MAX_UNASKED);
    return -1;
}

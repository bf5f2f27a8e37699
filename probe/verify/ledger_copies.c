/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has a message. A mailbox that keeps its mail may show one copy more than once: it is told by what the
 * mailbox calls it. Whose copy it is says the envelope, where the mailbox knows it, else the header; a copy
 * that does not say, or names none of the recipients (an alias led elsewhere), counts for one more recipient
 * until all have it.
 */
#include "probe/base/mem.h"
#include "probe/proto/evidence.h"
#include "probe/verify/ledger_state.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct copy *find_copy(const struct letter *p, const char *mailbox, const char *id)
{
    for (size_t i = 0; i < p->copy_count; i++)
        if (strcmp(p->copies[i].id, id) == 0 && strcmp(p->copies[i].mailbox, mailbox) == 0)
            return &p->copies[i];
    return NULL;
}

void letter_add_copy(struct letter *p, const char *mailbox, const char *id)
{
    if (p->copy_count == LEDGER_MAX_COPIES || strlen(id) > LEDGER_MAX_NAME)
        return;
    p->copies = mem_resize(p->copies, (p->copy_count + 1) * sizeof *p->copies);
    p->copies[p->copy_count++] = (struct copy){.mailbox = mem_dup(mailbox), .id = mem_dup(id)};
}

/* A mailbox that keeps none never shows one twice. */
bool letter_knows(struct letter *p, const struct sighting *s)
{
    if (s->id && find_copy(p, s->mailbox, s->id))
        return true;
    if (s->id)
        letter_add_copy(p, s->mailbox, s->id);
    return false;
}

bool letter_add_name(struct letter *p, const char *name)
{
    for (size_t i = 0; i < p->name_count; i++)
        if (strcasecmp(p->names[i], name) == 0)
            return false;
    if (p->name_count == LEDGER_MAX_COPIES)
        return true;
    p->names = mem_resize(p->names, (p->name_count + 1) * sizeof *p->names);
    p->names[p->name_count++] = mem_dup(name);
    return true;
}

bool letter_has_arrived(const struct letter *p)
{
    return p->recipients > 0 && p->name_count + p->unnamed >= p->recipients;
}

/* Before it is known to how many it was sent nobody can say that all have it. */
static bool give_somebody(struct letter *p)
{
    bool again = letter_has_arrived(p);

    if (!again && p->unnamed < LEDGER_MAX_COPIES)
        p->unnamed++;
    return again;
}

void letter_add_recipient(struct letter *p, const char *to)
{
    if (p->to_count == LEDGER_MAX_COPIES)
        return;
    p->to = mem_resize(p->to, (p->to_count + 1) * sizeof *p->to);
    p->to[p->to_count++] = mem_dup(to);
}

static bool is_recipient(const struct letter *p, const char *name)
{
    for (size_t i = 0; i < p->to_count; i++)
        if (strcasecmp(p->to[i], name) == 0)
            return true;
    return p->to_count == 0;
}

static bool give_name(struct letter *p, const char *name)
{
    return is_recipient(p, name) ? !letter_add_name(p, name) : give_somebody(p);
}

bool letter_give(struct letter *p, const struct sighting *s)
{
    struct arena scratch = {0};
    const char *named = s->to_count ? NULL : evidence_recipient(&scratch, s->kept);
    bool again = false;

    for (size_t i = 0; i < s->to_count; i++)
        again = give_name(p, s->to[i]) || again;
    if (named)
        again = give_name(p, named);
    else if (!s->to_count)
        again = give_somebody(p);
    arena_free(&scratch);
    return again;
}

void letter_copies_free(struct letter *p)
{
    for (size_t i = 0; i < p->name_count; i++)
        free(p->names[i]);
    for (size_t i = 0; i < p->to_count; i++)
        free(p->to[i]);
    for (size_t i = 0; i < p->copy_count; i++) {
        free(p->copies[i].mailbox);
        free(p->copies[i].id);
    }
    free(p->names);
    free(p->to);
    free(p->copies);
}

/* Two mailboxes may be two ways into one place (a Maildir, and IMAP of the server that has it): what the
 * wrong one shows is left there for the right one to be found in, until that does not matter any more. */
static bool is_needed(const struct letter *p, const char *mailbox)
{
    return !letter_is_settled(p) && p->delivery.mailbox && strcmp(p->delivery.mailbox, mailbox) != 0;
}

bool ledger_may_remove(struct ledger *l, const char *token, const char *mailbox, const char *id)
{
    const struct letter *p = letter_find(l, token);
    const struct copy *copy = p ? find_copy(p, mailbox, id) : NULL;

    return copy && copy->serial > 0 && copy->serial <= p->saved && !is_needed(p, mailbox);
}

void ledger_unremoved(struct ledger *l, const char *token)
{
    struct letter *p = letter_find(l, token);
    uint64_t flag = UINT64_C(1) << FLAG_NOT_REMOVED;

    if (!p || (p->delivery.flags & flag))
        return;
    p->delivery.flags |= flag;
    p->changed = true;
    if (letter_is_settled(p))
        letter_tell(p);
    letter_done(p);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LEDGER_STAGE_H
#define TESTS_LEDGER_STAGE_H

#include "probe/base/clock.h"
#include "probe/base/mem.h"
#include "probe/verify/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A ledger on a loop, with mailboxes that say what the test says, and a keeper that keeps what was saved
 * last. */
#define WITHIN_US (40 * CLOCK_US_PER_MS)

enum { STAGE_SAVES = 2048 };

struct stage {
    uv_loop_t loop;
    struct ledger *ledger;
    int changes;
    void *owner;
    bool beside;
    struct delivery told;

    int looks;
    char looked_into[2][32]; /* the last two */
    int expects;
    char expected[2][32];
    int64_t expected_until_us;

    int saves;
    int drops;
    struct ledger_row row; /* the last; its texts as long as the ledger keeps them */
};

static void on_changed(void *context, void *owner, const struct delivery *delivery, bool beside)
{
    struct stage *s = context;

    s->changes++;
    s->owner = owner;
    s->beside = beside;
    s->told = *delivery;
}

static inline int set_up(void **state)
{
    static struct stage stage;

    stage = (struct stage){0};
    uv_loop_init(&stage.loop);
    stage.ledger = ledger_new(&stage.loop, on_changed, &stage);
    *state = &stage;
    return 0;
}

static inline int tear_down(void **state)
{
    struct stage *s = *state;

    ledger_free(s->ledger);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&s->loop);
}

static inline void pass_time(struct stage *s, int64_t us)
{
    int64_t until_us = clock_mono_us() + us;

    do {
        uv_run(&s->loop, UV_RUN_NOWAIT);
        usleep(1000);
    } while (clock_mono_us() < until_us);
}

/* Until so many changes were told. */
static inline void await_changes(struct stage *s, int changes)
{
    for (int turns = 0; s->changes < changes && turns < 10000; turns++)
        pass_time(s, CLOCK_US_PER_MS);
    assert_int_equal(s->changes, changes);
}

/* ---- mailboxes ---- */

static void on_expect(void *context, const char *mailbox, int64_t until_us)
{
    struct stage *s = context;

    snprintf(s->expected[s->expects++ % 2], sizeof s->expected[0], "%s", mailbox);
    s->expected_until_us = until_us;
}

static void on_look(void *context, const char *mailbox)
{
    struct stage *s = context;

    snprintf(s->looked_into[s->looks++ % 2], sizeof s->looked_into[0], "%s", mailbox);
}

static const struct mailbox_wishes wishes = {.expect = on_expect, .look = on_look};

static inline void await_looks(struct stage *s, int looks)
{
    for (int turns = 0; s->looks < looks && turns < 10000; turns++)
        pass_time(s, CLOCK_US_PER_MS);
    assert_int_equal(s->looks, looks);
}

/* ---- letters ---- */

static inline void open_for(struct stage *s, const char *token, const char *mailbox, void *owner)
{
    ledger_open(s->ledger, &(struct ledger_letter){.token = token,
                                                   .target = "mx1",
                                                   .route = "in",
                                                   .run = "RUN",
                                                   .mailbox = mailbox,
                                                   .wish = 7,
                                                   .owner = owner});
}

static inline void send_to(struct stage *s, const char *token, int64_t sent_us, size_t recipients)
{
    ledger_sent(
        s->ledger, token,
        &(struct ledger_sending){
            .data_us = sent_us - 1, .sent_us = sent_us, .within_us = WITHIN_US, .recipients = recipients});
}

static inline void send_one(struct stage *s, const char *token, const char *mailbox, int64_t sent_us)
{
    open_for(s, token, mailbox, NULL);
    send_to(s, token, sent_us, 1);
}

/* ---- what is seen ---- */

static const char stage_text[] =
    "Received: from a by b; Mon, 23 Nov 2026 02:25:04 +0000\r\nSubject: x\r\n\r\nhi\r\n";

/* A message in a sink, for these. */
static inline bool arrive_for(struct stage *s, const char *token, const char *mailbox, const char *const *to,
                              size_t count, int64_t at_us)
{
    return ledger_seen(s->ledger, token,
                       &(struct sighting){.mailbox = mailbox,
                                          .folder = "",
                                          .to = to,
                                          .to_count = count,
                                          .kept = span_of(stage_text),
                                          .size = sizeof stage_text - 1,
                                          .at_us = at_us,
                                          .exact = true},
                       NULL);
}

static inline bool arrive(struct stage *s, const char *token, const char *mailbox, int64_t at_us)
{
    static const char *const to[] = {"www@example.org"};

    return arrive_for(s, token, mailbox, to, 1, at_us);
}

/* A copy in a store: its text says whose it is, if anything does. */
static inline struct sighting stored(const char *mailbox, const char *id, const char *text, int64_t at_us)
{
    return (struct sighting){.mailbox = mailbox,
                             .folder = "",
                             .id = id,
                             .kept = span_of(text),
                             .size = strlen(text),
                             .at_us = at_us};
}

static inline bool find_stored(struct stage *s, const char *token, const char *mailbox, const char *id,
                               int64_t at_us)
{
    struct sighting copy = stored(mailbox, id, stage_text, at_us);

    return ledger_seen(s->ledger, token, &copy, NULL);
}

static inline bool find_astray(struct stage *s, const char *token, const char *mailbox, const char *folder,
                               int64_t at_us)
{
    struct sighting copy = stored(mailbox, folder, stage_text, at_us);

    copy.folder = folder;
    copy.astray = true;
    return ledger_seen(s->ledger, token, &copy, NULL);
}

static inline bool report(struct stage *s, const char *token, const char *mailbox, const char *action,
                          int64_t at_us)
{
    struct sighting copy = stored(mailbox, "report", "Subject: returned\r\n\r\n", at_us);

    return ledger_seen(s->ledger, token, &copy,
                       &(struct bounce){.action = action,
                                        .status = "5.1.1",
                                        .diagnostic = "smtp; 550 5.1.1 no such user",
                                        .recipient = "www@example.org"});
}

static inline enum route_state state_of(const struct stage *s, const char *token)
{
    const struct delivery *d = ledger_find(s->ledger, token);

    return d ? d->state : ROUTE_STATE_COUNT;
}

static inline bool has_flag(const struct stage *s, const char *token, enum flag flag)
{
    return ledger_find(s->ledger, token)->flags >> flag & 1;
}

#define LEDGER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

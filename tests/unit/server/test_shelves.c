/* SPDX-License-Identifier: Apache-2.0 */
/* Each target has a shelf and an owner, and a reload leaves it both where it can. */
#include "server/shelves.h"

#include "server/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LOOPS   4
#define TARGETS 40

static char names[TARGETS + 1][16];
static struct plan_route sending = {.name = "out", .expect = EXPECT_DELIVERED};
static struct snapshot_target before[TARGETS], after[TARGETS];
static struct snapshot old = {.targets = before, .target_count = TARGETS};
static struct snapshot new = {.targets = after, .target_count = TARGETS};
static int references;

struct snapshot *snapshot_ref(struct snapshot *s)
{
    references++;
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    references -= s != NULL;
}

const struct snapshot_target *snapshot_target(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->target_count; i++)
        if (strcmp(s->targets[i].name, name) == 0)
            return &s->targets[i];
    return NULL;
}

/* Afterwards the first one is gone, and another is the last. */
static int set_up(void **state)
{
    (void)state;
    references = 0;
    for (size_t i = 0; i <= TARGETS; i++)
        snprintf(names[i], sizeof names[i], "mx%zu", i);
    for (size_t i = 0; i < TARGETS; i++) {
        before[i] = (struct snapshot_target){.name = names[i]};
        after[i] = (struct snapshot_target){.name = names[i + 1]};
    }
    return 0;
}

static void let_send(struct snapshot_target *target)
{
    target->plan.routes = &sending;
    target->plan.route_count = 1;
}

static void test_owners(void **state)
{
    struct shelves *shelves = shelves_new(LOOPS);
    unsigned owned[LOOPS] = {0};

    (void)state;
    let_send(&before[7]);
    shelves_follow(shelves, &old);
    for (size_t i = 0; i < TARGETS; i++) {
        const struct shelves_slot *slot = shelves_find(shelves, &before[i]);
        assert_non_null(slot->shelf);
        assert_int_equal(slot->sends, i == 7);
        assert_int_equal(slot->owner, owner_of_target(&before[i], LOOPS));
        owned[slot->owner]++;
    }
    assert_int_equal(shelves_find(shelves, &before[7])->owner, 0);
    for (size_t i = 0; i < LOOPS; i++)
        assert_true(owned[i] > 0);
    shelves_free(shelves);
    assert_int_equal(references, 0);
}

/* One that is another loop's from now on begins with nothing, since what was kept may have messages there. */
static void test_a_reload(void **state)
{
    struct shelves *shelves = shelves_new(LOOPS);
    struct shelf *kept[TARGETS];
    size_t moved = 3;

    (void)state;
    while (owner_of_target(&after[moved], LOOPS) == 0)
        moved++;
    let_send(&after[moved]);
    shelves_follow(shelves, &old);
    for (size_t i = 0; i < TARGETS; i++)
        kept[i] = shelf_ref(shelves_find(shelves, &before[i])->shelf);
    shelves_follow(shelves, &old); /* nothing new */
    assert_ptr_equal(shelves_find(shelves, &before[5])->shelf, kept[5]);
    shelves_follow(shelves, &new);
    for (size_t i = 0; i < TARGETS; i++) {
        const struct shelves_slot *slot = shelves_find(shelves, &after[i]);
        if (i == moved || i == TARGETS - 1)
            for (size_t k = 0; k < TARGETS; k++)
                assert_ptr_not_equal(slot->shelf, kept[k]);
        else
            assert_ptr_equal(slot->shelf, kept[i + 1]);
    }
    assert_int_equal(shelves_find(shelves, &after[moved])->owner, 0);
    for (size_t i = 0; i < TARGETS; i++)
        shelf_unref(kept[i]);
    shelves_free(shelves);
    assert_int_equal(references, 0);
}

/* What is kept of a target that sends nothing is shown to all loops, so nothing with messages may be there.
 */
static void test_what_was_sent_is_not_for_all(void **state)
{
    (void)state;
    for (unsigned loops = 1; loops <= LOOPS; loops++) {
        struct shelves *shelves = shelves_new(loops);
        size_t at = 1;
        while (owner_of_target(&after[at - 1], loops) != 0)
            at++;
        let_send(&before[at]);
        shelves_follow(shelves, &old);
        struct shelf *kept = shelf_ref(shelves_find(shelves, &before[at])->shelf);
        shelves_follow(shelves, &new);
        const struct shelves_slot *now = shelves_find(shelves, &after[at - 1]);
        assert_int_equal(now->owner, 0);
        assert_int_equal(now->shelf == kept, loops == 1);
        shelf_unref(kept);
        kept = shelf_ref(now->shelf);
        shelves_follow(shelves, &old); /* it sends again, and so is shown to nobody */
        assert_ptr_equal(shelves_find(shelves, &before[at])->shelf, kept);
        shelf_unref(kept);
        shelves_free(shelves);
    }
    assert_int_equal(references, 0);
}

static void test_who_leaves_takes_his_own(void **state)
{
    struct shelves *shelves = shelves_new(LOOPS);

    (void)state;
    shelves_follow(shelves, &old);
    for (unsigned owner = LOOPS; owner-- > 0;) {
        shelves_leave(shelves, owner);
        for (size_t i = 0; i < TARGETS; i++) {
            const struct shelves_slot *slot = shelves_find(shelves, &before[i]);
            assert_int_equal(slot->shelf == NULL, slot->owner >= owner);
        }
    }
    shelves_free(shelves);
    shelves_free(NULL);
    assert_int_equal(references, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_owners, set_up),
        cmocka_unit_test_setup(test_a_reload, set_up),
        cmocka_unit_test_setup(test_what_was_sent_is_not_for_all, set_up),
        cmocka_unit_test_setup(test_who_leaves_takes_his_own, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

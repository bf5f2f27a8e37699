/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array in the order of the config's targets: whose a target is follows from its name, but is asked for so
 * often that it is worth being written down.
 */
#include "server/shelves.h"

#include "probe/base/mem.h"
#include "server/owner.h"

#include <stdlib.h>

struct shelves {
    unsigned loops;
    struct snapshot *snapshot; /* null: none yet */
    struct shelves_slot *slots;
};

struct shelves *shelves_new(unsigned loops)
{
    struct shelves *s = mem_alloc(sizeof *s);

    s->loops = loops;
    return s;
}

static void free_slots(struct shelves_slot *slots, const struct snapshot *snapshot)
{
    for (size_t i = 0; snapshot != NULL && i < snapshot->target_count; i++)
        shelf_unref(slots[i].shelf);
    free(slots);
}

void shelves_free(struct shelves *s)
{
    if (s == NULL)
        return;
    free_slots(s->slots, s->snapshot);
    snapshot_unref(s->snapshot);
    free(s);
}

/* What is there of another loop stays behind: its records may have messages, which that loop knows. So does
 * what a target that sent is known by, once others may see what is kept of it: whoever is the last to leave a
 * record with messages must be that loop. */
static bool goes_on(const struct shelves *s, const struct shelves_slot *before,
                    const struct shelves_slot *now)
{
    bool shows_messages = s->loops > 1 && before->sends && !now->sends;

    return before->owner == now->owner && !shows_messages;
}

static struct shelf *take_over(const struct shelves *s, const char *name, const struct shelves_slot *now)
{
    const struct snapshot_target *before = s->snapshot != NULL ? snapshot_target(s->snapshot, name) : NULL;
    const struct shelves_slot *slot = before != NULL ? shelves_find(s, before) : NULL;

    return slot != NULL && goes_on(s, slot, now) ? shelf_ref(slot->shelf) : shelf_new();
}

void shelves_follow(struct shelves *s, struct snapshot *snapshot)
{
    if (s->snapshot == snapshot)
        return;
    struct shelves_slot *slots = mem_alloc((snapshot->target_count + 1) * sizeof *slots);
    for (size_t i = 0; i < snapshot->target_count; i++) {
        const struct snapshot_target *target = &snapshot->targets[i];
        slots[i].owner = owner_of_target(target, s->loops);
        slots[i].sends = owner_target_sends(target);
        slots[i].shelf = take_over(s, target->name, &slots[i]);
    }
    free_slots(s->slots, s->snapshot);
    snapshot_unref(s->snapshot);
    s->slots = slots;
    s->snapshot = snapshot_ref(snapshot);
}

const struct shelves_slot *shelves_find(const struct shelves *s, const struct snapshot_target *target)
{
    return &s->slots[target - s->snapshot->targets];
}

void shelves_leave(struct shelves *s, unsigned owner)
{
    for (size_t i = 0; i < s->snapshot->target_count; i++) {
        if (s->slots[i].owner != owner)
            continue;
        shelf_unref(s->slots[i].shelf);
        s->slots[i].shelf = NULL;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the fuzz targets without a fuzzer: each seed, and each input that was once found to break something
 * (tests/fuzz/found/TARGET/). Runs from the root of the tree. With a folder named, it writes the seeds there
 * instead, TARGET/NAME, for the fuzzer to begin with; with a target and files, it plays just those.
 */
#include "probe/base/arena.h"
#include "probe/base/mem.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FOUND      "tests/fuzz/found"
#define MOST_INPUT (1024 * 1024)

static const struct target {
    const char *name;
    int (*play)(const uint8_t *data, size_t size);
} targets[] = {
    {"reply", fuzz_reply},   {"client", fuzz_client},     {"sink", fuzz_sink},
    {"config", fuzz_config}, {"url", fuzz_url},           {"message", fuzz_message},
    {"dns", fuzz_dns},       {"dialogue", fuzz_dialogue}, {"template", fuzz_template},
    {"pop3", fuzz_pop3},     {"evidence", fuzz_evidence}, {"report", fuzz_report},
    {"imap", fuzz_imap},
};
#define TARGET_COUNT (sizeof(targets) / sizeof(targets[0]))

static unsigned seeds_played[TARGET_COUNT];

static size_t target_by_name(const char *name)
{
    for (size_t i = 0; i < TARGET_COUNT; i++)
        if (strcmp(targets[i].name, name) == 0)
            return i;
    fprintf(stderr, "there is no fuzz target %s\n", name);
    exit(2);
}

static void play(const struct target *target, struct span input)
{
    char *exact = fuzz_exact(input);
    target->play((const uint8_t *)exact, input.len);
    free(exact);
}

static void play_file(const struct target *target, const char *path)
{
    char *data = mem_alloc(MOST_INPUT);
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    size_t len = fread(data, 1, MOST_INPUT, file);
    fclose(file);
    fprintf(stderr, "# playing %s\n", path);
    play(target, (struct span){data, len});
    free(data);
}

/* the tests */

static void take_seed(void *context, const char *target, const char *name, struct span input)
{
    size_t i = target_by_name(target);

    (void)name;
    if (&targets[i] != context)
        return;
    play(&targets[i], input);
    seeds_played[i]++;
}

static void test_seeds(void **state)
{
    const struct target *target = *state;

    fuzz_seeds(take_seed, *state);
    assert_true(seeds_played[target - targets] > 0);
}

/* One file of FOUND/TARGET/. */
static void test_found(void **state)
{
    const char *path = *state;
    struct arena a = {0};
    const char *name = path + strlen(FOUND "/");
    size_t len = strcspn(name, "/");

    play_file(&targets[target_by_name(arena_dup_span(&a, (struct span){name, len}))], path);
    arena_free(&a);
}

/* the list of tests */

struct list {
    struct arena arena;
    struct CMUnitTest *tests;
    size_t count;
};

static void add_test(struct list *l, const char *name, CMUnitTestFunction function, const void *state)
{
    l->tests = arena_grow(&l->arena, l->tests, l->count, sizeof(*l->tests));
    l->tests[l->count++] =
        (struct CMUnitTest){.name = name, .test_func = function, .initial_state = (void *)state};
}

static void add_found(struct list *l, const char *target)
{
    const char *folder = arena_printf(&l->arena, FOUND "/%s", target);
    struct dirent **files;
    int count = scandir(folder, &files, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *path = arena_printf(&l->arena, "%s/%s", folder, files[i]->d_name);
        if (files[i]->d_name[0] != '.')
            add_test(l, path, test_found, path);
        free(files[i]);
    }
    if (count >= 0)
        free(files);
}

static int play_all(void)
{
    struct list l = {0};

    for (size_t i = 0; i < TARGET_COUNT; i++) {
        add_test(&l, arena_printf(&l.arena, "%s: seeds", targets[i].name), test_seeds, &targets[i]);
        add_found(&l, targets[i].name);
    }
    int failed = _cmocka_run_group_tests("fuzz", l.tests, l.count, NULL, NULL);
    arena_free(&l.arena);
    return failed != 0;
}

/* writing seeds */

static void write_seed(void *context, const char *target, const char *name, struct span input)
{
    static unsigned number;
    struct arena a = {0};
    const char *folder = arena_printf(&a, "%s/%s", (const char *)context, target);

    mkdir(context, 0777);
    mkdir(folder, 0777);
    FILE *file = fopen(arena_printf(&a, "%s/%04u-%s", folder, number++, name), "we");
    if (!file || fwrite(input.data, 1, input.len, file) != input.len || fclose(file) != 0) {
        perror(folder);
        exit(1);
    }
    arena_free(&a);
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return play_all();
    if (argc == 2)
        fuzz_seeds(write_seed, argv[1]);
    for (int i = 2; i < argc; i++)
        play_file(&targets[target_by_name(argv[1])], argv[i]);
    return 0;
}

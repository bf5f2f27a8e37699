/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: a table of commands, and their help. Without a command it serves. What a command does is
 * server/command's, what its options mean server/options'.
 */
#include "config/nearest.h"
#include "server/command.h"
#include "server/options.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct command {
    const char *name;
    int (*run)(const struct options *options);
    const char *help;  /* one line */
    const char *usage; /* behind "ehlod " */
    const char *about; /* what --help says between usage and options */
    const char *exits; /* and after them */
    unsigned options;  /* set of enum option_id */
    bool names;        /* takes words that are not options */
    int usage_exit;    /* when the command line is wrong */
};

static const struct command commands[] = {
    {
        .name = "serve",
        .run = command_serve,
        .help = "answer HTTP requests, running a mail dialogue for each (the default)",
        .usage = "[serve] [--config FILE] [OPTION...]",
        .about = "Runs the service in the foreground, listening where server.listen says. Ask it with\n"
                 "  curl -s http://127.0.0.1:8025/check/TARGET\n"
                 "SIGTERM or SIGINT stops it: runs under way get a few seconds to end, every waiting\n"
                 "request is answered. A second one cuts that short. No core file is ever written: it would\n"
                 "hold the passwords.",
        .exits = "  0  stopped as asked\n"
                 "  1  could not start: the configuration is wrong or an address cannot be listened on\n"
                 "  2  wrong command line",
        .options = OPTION_CONFIG | OPTION_SET | OPTION_LOG,
        .usage_exit = 2,
    },
    {
        .name = "check",
        .run = command_check,
        .help = "check targets once, here and now, and print what happened",
        .usage = "check [--config FILE] [--tag TAG] [--format text|json|nagios] [TARGET...]",
        .about = "Plays the configured dialogue with each TARGET, or with every target of the\n"
                 "configuration when none is named and no tag is given, all at the same time. Needs no\n"
                 "running service.",
        .exits = "  0  pass     all is as wanted\n"
                 "  1  warn     it works, but it is slow or something is odd\n"
                 "  2  fail     the mail server does not do as wanted\n"
                 "  3  unknown  ehlod itself could not tell; also a wrong command line or configuration\n"
                 "Of several targets the worst counts: fail, then unknown, then warn.",
        .options = OPTION_CONFIG | OPTION_SET | OPTION_TAG | OPTION_FORMAT,
        .names = true,
        .usage_exit = 3,
    },
    {
        .name = "talk",
        .run = command_talk,
        .help = "play a dialogue file with a mail server, in place of netcat",
        .usage = "talk HOST[:PORT] [FILE] [OPTION...]",
        .about =
            "Plays the dialogue in FILE, or on standard input, with the mail server: each line when the\n"
            "reply to the one before is complete. Prints it as it happens, with times. The port is 25,\n"
            "with --tls implicit 465. Needs no configuration and no running service.\n\n"
            "A file is what one would pipe into netcat: SMTP commands, and after DATA a message that ends\n"
            "with a dot. '< 250' or '< 550 5.7.1' says what the reply to the line before must be; without it\n"
            "2xx and 3xx are good. '#' begins a comment. {{hostname}} {{date}} {{token}} {{message_id}}\n"
            "{{from}} {{to}} {{target}} {{address}} and every --var are replaced. QUIT is added.",
        .exits = "  0  pass     all replies are as wanted\n"
                 "  1  warn     so they are, but something is odd\n"
                 "  2  fail     the mail server does not do as wanted\n"
                 "  3  unknown  ehlod itself could not tell; also a wrong command line or dialogue",
        .options = OPTION_TALK,
        .names = true,
        .usage_exit = 3,
    },
    {
        .name = "validate",
        .run = command_validate,
        .help = "load the configuration and say every mistake in it",
        .usage = "validate [--config FILE]",
        .about = "Reads the configuration as the service would and writes each mistake to standard error as\n"
                 "FILE:LINE:COLUMN: key: what is wrong. Touches no network.",
        .exits = "  0  good (warnings aside)\n"
                 "  1  the configuration is wrong\n"
                 "  2  wrong command line",
        .options = OPTION_CONFIG | OPTION_SET,
        .usage_exit = 2,
    },
    {
        .name = "version",
        .run = command_version,
        .help = "print the version of ehlod and of the libraries it runs with",
        .usage = "version",
        .about =
            "Prints the version of ehlod, then of each library: the one that is loaded, and the one ehlod\n"
            "was built with where that can be told.",
        .exits = "  0  always\n"
                 "  2  wrong command line",
        .usage_exit = 2,
    },
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_overview(void)
{
    printf("ehlod checks mail servers: an HTTP request runs a mail dialogue and gets every command, reply\n"
           "and time back.\n\n"
           "usage: ehlod [COMMAND] [OPTION...]\n\n"
           "commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("\n'ehlod COMMAND --help' tells more. Without a command ehlod serves; its options are:\n\n");
    options_help(stdout, commands[0].options);
}

static void print_help(const struct command *c)
{
    printf("usage: ehlod %s\n\n%s\n\noptions:\n", c->usage, c->about);
    options_help(stdout, c->options);
    printf("\nexit status:\n%s\n", c->exits);
}

/* Null after a complaint. */
static const struct command *find_command(const char *name)
{
    const char *names[COMMAND_COUNT];

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i].name;
        if (strcmp(names[i], name) == 0)
            return &commands[i];
    }
    const char *near = nearest(name, names, COMMAND_COUNT);
    fprintf(stderr, "ehlod: there is no command %s", name);
    if (near != NULL)
        fprintf(stderr, "; did you mean %s?", near);
    fprintf(stderr, "\nTry 'ehlod --help'.\n");
    return NULL;
}

static int run_command(const struct command *c, int argc, char **argv, bool named)
{
    struct options options;
    char title[32];
    int status;

    snprintf(title, sizeof title, "ehlod %s", c->name);
    argv[0] = title;
    if (options_read(argc, argv, c->options, &options) != 0) {
        fprintf(stderr, "Try 'ehlod %s --help'.\n", c->name);
        return c->usage_exit;
    }
    if (options.help) {
        if (named)
            print_help(c);
        else
            print_overview();
        status = 0;
    } else if (options.name_count > 0 && !c->names) {
        fprintf(stderr, "%s: \"%s\" is one word too many (a command stands before its options)\n", title,
                options.names[0]);
        status = c->usage_exit;
    } else {
        status = c->run(&options);
    }
    options_clear(&options);
    return status;
}

/* A descriptor that was closed at the start would be given to the next socket, and what is written to
 * standard error would go there. */
static int keep_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

/* A core would hold every password and token. */
static int forbid_cores(void)
{
    return setrlimit(RLIMIT_CORE, &(struct rlimit){0});
}

int main(int argc, char **argv)
{
    if (keep_standard_streams() != 0) {
        perror("ehlod: /dev/null");
        return 1;
    }
    if (forbid_cores() != 0) {
        perror("ehlod: RLIMIT_CORE");
        return 1;
    }
    if (argc < 2 || argv[1][0] == '-') {
        if (argc == 2 && strcmp(argv[1], "--version") == 0)
            return command_version(NULL);
        return run_command(&commands[0], argc, argv, false);
    }
    const struct command *c = find_command(argv[1]);
    return c != NULL ? run_command(c, argc - 1, argv + 1, true) : 2;
}

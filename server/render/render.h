/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_RENDER_RENDER_H
#define SERVER_RENDER_RENDER_H

#include "config/snapshot.h"
#include "probe/base/buffer.h"
#include "probe/result.h"

#include <stdint.h>

/*
 * Views: results in, bytes out, nothing else. Each appends to the buffer, which the caller made and frees
 * and whose full it asks. now_us is the monotonic time at which ages are told.
 */

/* Several targets' results, as /check answers them. Any list may be empty. */
struct render_set {
    const struct result *const *results; /* none is null */
    size_t count;
    size_t min_pass; /* so many that pass or warn are enough; 0: all must */
};

/* The worst status; unknown for none: where nothing was checked, nothing is known to work. Where fewer than
 * all are enough: pass when all pass, warn when enough do, unknown when those that are unknown might be what
 * is lacking, else fail. */
enum status render_set_status(const struct render_set *set);

/*
 * In a set, what servers said is cut short, so that a hostile one cannot make an answer of all that takes
 * seconds to write: of each reply the first 20 lines, of each line 1 KiB, of each result 32 KiB (and once
 * more so much of what EHLO offered). "..." stands for the rest; the views of one result have all of it. A
 * set that is too long for its buffer even so is shown without its targets.
 */

/* JSON: compact, status first, every key always there, no line end. A document is written
 * whole or not at all: when it does not fit, or could not be built, nothing is written and full is set. */
void json_result(struct buffer *out, const struct result *r, int64_t now_us);
void json_set(struct buffer *out, const struct render_set *set, int64_t now_us);

/* A target that is out of service. */
struct render_drain {
    const char *mode;
    int64_t since_wall_us;
    int64_t until_wall_us; /* CLOCK_NONE = until somebody says so */
    const char *reason;    /* "" = none was given */
};

/* GET /targets: latest[i] is the last result of targets[i], or null; drains[i] says that it is out of
 * service, or null. */
void json_targets(struct buffer *out, const struct snapshot *snapshot, const struct result *const *latest,
                  const struct render_drain *const *drains, int64_t now_us);
/* One of them. */
void json_target(struct buffer *out, const struct snapshot_target *target, const struct result *latest,
                 const struct render_drain *drain, int64_t now_us);

/* GET /sd, for Prometheus' http_sd: where each target is scraped. */
void json_sd(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_url *url);

/* application/problem+json (RFC 9457). parameter may be null: then the key is left out. */
struct problem {
    int status;
    const char *title;
    const char *detail;
    const char *parameter;
};
void json_problem(struct buffer *out, const struct problem *problem);

/* The version of the JSON library that is linked: "2.14". */
const char *json_version(void);

/* Once for the process, before there are threads. */
void json_prepare(void);

/* What a person reads: the transcript, then routes and flags, then the verdict that stands on its own. */
void text_result(struct buffer *out, const struct result *r, int64_t now_us);
void text_set(struct buffer *out, const struct render_set *set, int64_t now_us);
/* The same in colour, for a terminal: the words of verdicts, and what went wrong. */
void text_result_colour(struct buffer *out, const struct result *r, int64_t now_us);
void text_set_colour(struct buffer *out, const struct render_set *set, int64_t now_us);
/* All of it behind the transcript. */
void text_verdict(struct buffer *out, const struct result *r, int64_t now_us, bool colour);

/* Monitoring-plugins output: one line "SMTP OK - ... | perfdata"; for several targets the worst stands on
 * the first line and each has a line of its own below it. */
void nagios_set(struct buffer *out, const struct render_set *set);

/* The target's settings as YAML, defaults and all, as the config would say them; secrets are ***. */
void settings_target(struct buffer *out, const struct snapshot_target *target);

/* For Prometheus: server/render/metrics.h. */

/* How long a bounded view may get. */
#define RENDER_MAX_RESULT ((size_t)4 * 1024 * 1024)
#define RENDER_MAX_SET    ((size_t)256 * 1024 * 1024)

/*
 * What the views share.
 */
void render_set_count(const struct render_set *set, size_t counts_r[STATUS_COUNT]);

/* "2 of 3 targets pass, 1 fails"; "no targets"; with min_pass "; at least 2 must pass" behind it. */
#define RENDER_SUMMARY_SIZE 192
void render_set_summary(const struct render_set *set, char out_r[RENDER_SUMMARY_SIZE]);

/* Numbers as digits, without a detour over floating point. What is negative counts as 0. */
#define RENDER_NUMBER_SIZE 32
void render_ms(int64_t us, char out_r[RENDER_NUMBER_SIZE]);       /* to the microsecond: "12.412" */
void render_ms_tenth(int64_t us, char out_r[RENDER_NUMBER_SIZE]); /* rounded: "12.4" */
void render_seconds(int64_t us, char out_r[RENDER_NUMBER_SIZE]);  /* the shortest: "0.012412", "5" */

/* "mx1.example.org:25", "[2001:db8::1]:25", "unix:/run/lmtp"; host as in a plan. */
#define RENDER_HOST_SIZE 288
void render_host(const char *host, uint16_t port, char out_r[RENDER_HOST_SIZE]);
void render_address(const struct address *a, char out_r[RENDER_HOST_SIZE]);

/* Where a target's runs go, as its config says it: a host, or "mx:example.org". */
void render_target(const struct plan *plan, char out_r[RENDER_HOST_SIZE]);

/* "192.0.2.7:51514 -> 192.0.2.1:25", "-> unix:/run/lmtp", where our end has no name; of a connection that
 * was. */
#define RENDER_ENDS_SIZE (2 * RENDER_HOST_SIZE + 4)
void render_ends(const struct result *r, char out_r[RENDER_ENDS_SIZE]);

/* How old the result is, and how long something is past; never negative. */
int64_t render_age_us(const struct result *r, int64_t now_us);
int64_t render_since_us(int64_t past_us, int64_t now_us);

/* How much of what a server said is shown. */
struct render_share {
    size_t lines;  /* of a reply */
    size_t octets; /* of a line, or another text */
    size_t left;   /* octets in all */
};
extern const struct render_share render_share_whole;
extern const struct render_share render_share_set; /* of each result in a set */

/* Takes the text's part of the share: how many octets of it are shown. Less than all: "..." stands behind. */
size_t render_take(struct render_share *share, const char *text);

/* How many of a reply's lines are shown. Less than all: "..." is the line behind them. */
size_t render_lines(const struct render_share *share, const struct result_reply *reply);

/* The command that the failure is about, as an index; command_count when it is about none. */
size_t render_culprit(const struct result *r);

#endif

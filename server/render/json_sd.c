/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The targets as Prometheus' http_sd wants them. Labels that begin with __param_ become parameters of the
 * scrape, and __metrics_path__ its path; so a job needs nothing but the address of this list, no relabelling.
 * Other labels with two underscores serve relabelling and are gone afterwards.
 */
#include "server/render/doc.h"

/* ",eu,inbound,": with a comma around each, so that a regular expression can ask for one. */
static const char *tags(struct doc *d, const struct snapshot_target *target)
{
    const char *text = ",";

    for (size_t i = 0; i < target->tag_count; i++)
        text = arena_printf(&d->arena, "%s%s,", text, target->tags[i]);
    return text;
}

static json_t *labels(struct doc *d, const struct snapshot_target *target, const struct snapshot_url *url)
{
    char host[RENDER_HOST_SIZE];
    json_t *o = json_object();

    render_target(&target->plan, host);
    doc_set(d, o, "__metrics_path__", doc_string(d, arena_printf(&d->arena, "%s/probe", url->path)));
    if (url->scheme)
        doc_set(d, o, "__scheme__", json_string(url->scheme));
    doc_set(d, o, "__param_target", doc_string(d, target->name));
    doc_set(d, o, "instance", doc_string(d, target->name));
    doc_set(d, o, "__meta_ehlod_address", doc_string(d, host));
    doc_set(d, o, "__meta_ehlod_tags", doc_string(d, tags(d, target)));
    return o;
}

void json_sd(struct buffer *out, const struct snapshot *snapshot, const struct snapshot_url *url)
{
    struct doc d = {0};
    json_t *root = json_array();

    for (size_t i = 0; i < snapshot->target_count; i++) {
        json_t *group = json_object(), *list = json_array();
        doc_append(&d, list, doc_string(&d, url->authority));
        doc_set(&d, group, "targets", list);
        doc_set(&d, group, "labels", labels(&d, &snapshot->targets[i], url));
        doc_append(&d, root, group);
    }
    doc_finish(&d, root, out);
}

/* The seed of its hash tables, which the first object would draw. */
void json_prepare(void)
{
    json_object_seed(0);
}

const char *json_version(void)
{
    return jansson_version_str();
}

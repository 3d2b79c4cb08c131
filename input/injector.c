/* SPDX-License-Identifier: Apache-2.0 */
#include "input/injector.h"

#include "base/log.h"
#include "base/stats.h"
#include "base/text.h"
#include "input/backends.h"

#include <assert.h>
#include <string.h>

/* In order of preference. A backend whose library was missing is told about, too. */
static const struct entry {
    const char *name;
    const struct injector_backend *backend; /* NULL: not in this build */
    const char *missing;
} entries[] = {
#ifdef HAVE_UINPUT
    {"uinput", &injector_uinput, NULL},
#else
    {"uinput", NULL, "this program was built without libevdev"},
#endif
#ifdef HAVE_XTEST
    {"xtest", &injector_xtest, NULL},
#else
    {"xtest", NULL, "this program was built without the X11 libraries"},
#endif
};
enum { ENTRY_COUNT = sizeof(entries) / sizeof(entries[0]) };
static_assert((int)ENTRY_COUNT <= (int)INJECTOR_REPORTS_MAX, "there is a report for each");

int injector_probe(const char *wish, struct injector_report ret_reports[INJECTOR_REPORTS_MAX])
{
    int count = 0;
    for (int i = 0; i < (int)ENTRY_COUNT; i++) {
        if (strcmp(wish, "auto") != 0 && strcmp(wish, entries[i].name) != 0)
            continue;
        struct injector_report *report = &ret_reports[count++];
        *report = (struct injector_report){.name = entries[i].name};
        if (entries[i].backend)
            entries[i].backend->probe(report);
        else
            text_copy(report->reason, sizeof(report->reason), entries[i].missing);
    }
    return count;
}

struct injector *injector_create(const char *name)
{
    for (int i = 0; i < (int)ENTRY_COUNT; i++)
        if (entries[i].backend && strcmp(name, entries[i].name) == 0)
            return entries[i].backend->create();
    log_error("input: there is no injector named %s in this program", name);
    return NULL;
}

void injector_take_stats(struct injector *self, struct stats_summary *ret_delay)
{
    *ret_delay = (struct stats_summary){0};
    if (self && self->ops->take_stats)
        self->ops->take_stats(self, ret_delay);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Against the driver double, whose script changes while the process runs. */
#include "host/encoders.h"

#include "base/clock.h"
#include "net/loop.h"
#include "tests/fakegpu/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct encoders encoders;
    int changes;
};

static void on_change(void *ctx)
{
    ((struct rig *)ctx)->changes++;
}

static const struct encoder_report *find(const struct rig *self, const char *name)
{
    for (int i = 0; i < self->encoders.count; i++)
        if (strcmp(self->encoders.reports[i].name, name) == 0)
            return &self->encoders.reports[i];
    return NULL;
}

static void rig_start(struct rig *self, const char *script)
{
    *self = (struct rig){.encoders = {.loop = loop_create(), .changed = on_change, .ctx = self}};
    assert_non_null(self->encoders.loop);
    rig_script(script);
    encoders_probe(&self->encoders, "auto");
    assert_true(find(self, "nvenc") && find(self, "x264") && find(self, "x264")->usable);
}

/* A launch at this second, and all that comes of it. */
static void launch(struct rig *self, int second)
{
    encoders_try_refused(&self->encoders, second * CLOCK_SECOND_NS);
    if (self->encoders.busy)
        encoders_try_refused(&self->encoders, second * CLOCK_SECOND_NS); /* another launch meanwhile */
    loop_finish_work(self->encoders.loop);
}

static void refused_hardware_is_tried_again_at_a_launch(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "sessions=0\n");
    assert_false(find(&rig, "nvenc")->usable);
    rig_change("sessions=8\n");
    int before = rig_count("instance");
    launch(&rig, 1);
    assert_true(rig_count("instance") > before);
    for (int i = 0; i < rig.encoders.count; i++)
        assert_true(rig.encoders.reports[i].usable || strncmp(rig.encoders.reports[i].name, "nvenc", 5) != 0);
    assert_string_equal(find(&rig, "nvenc")->reason, "");
    assert_int_equal(rig.changes, 1);
    loop_destroy(rig.encoders.loop);
}

static void what_still_refuses_is_left_alone_for_a_while(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "sessions=0\n");
    int start = rig_count("instance");
    launch(&rig, 100);
    int first = rig_count("instance");
    assert_int_equal(first - start, start); /* each once more */
    assert_int_equal(rig.changes, 0);       /* the same reason */
    loop_destroy(rig.encoders.loop);

    rig.encoders.loop = loop_create(); /* the one before takes no work any more */
    encoders_try_refused(&rig.encoders, 129 * CLOCK_SECOND_NS);
    assert_false(rig.encoders.busy);
    launch(&rig, 130);
    assert_true(rig_count("instance") > first);
    loop_destroy(rig.encoders.loop);
}

static void what_works_is_not_tried_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "");
    assert_true(find(&rig, "nvenc")->usable);
    rig_change("sessions=0\n"); /* a session of ours may have taken the last one */
    int before = rig_count("instance");
    launch(&rig, 1);
    assert_true(find(&rig, "nvenc")->usable);
    assert_int_equal(rig_count("instance"), before);
    assert_int_equal(rig.changes, 0);
    loop_destroy(rig.encoders.loop);
}

int main(int argc, char **argv)
{
    (void)argc;
    rig_enter(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_hardware_is_tried_again_at_a_launch),
        cmocka_unit_test(what_still_refuses_is_left_alone_for_a_while),
        cmocka_unit_test(what_works_is_not_tried_again),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rig_leave();
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Against the driver double, whose script changes while the process runs. */
#include "host/encoders.h"

#include "base/clock.h"
#include "host/driver_thread.h"
#include "net/loop.h"
#include "tests/fakegpu/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct rig {
    struct loop *loop;
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

static void rig_begin(struct rig *self, const char *script)
{
    *self = (struct rig){.loop = loop_create()};
    assert_non_null(self->loop);
    self->encoders = (struct encoders){.drivers = driver_thread_create(self->loop), .changed = on_change, .ctx = self};
    assert_non_null(self->encoders.drivers);
    rig_script(script);
}

static void rig_start(struct rig *self, const char *script)
{
    rig_begin(self, script);
    encoders_probe(&self->encoders, "auto");
    assert_true(find(self, "nvenc") && find(self, "x264") && find(self, "x264")->usable);
}

static void rig_end(struct rig *self)
{
    driver_thread_destroy(self->encoders.drivers);
    loop_destroy(self->loop);
}

static void stop_when_idle(void *arg)
{
    struct rig *self = arg;
    if (!self->encoders.busy)
        loop_stop(self->loop);
}

/* Until all that is under way is over. */
static void settle(struct rig *self)
{
    struct loop_timer *timer = loop_timer_create(self->loop, CLOCK_MS_NS, true, stop_when_idle, self);
    loop_run(self->loop);
    loop_timer_destroy(timer);
}

/* A launch at this second, and all that comes of it. */
static void launch(struct rig *self, int second)
{
    encoders_try_refused(&self->encoders, second * CLOCK_SECOND_NS);
    if (self->encoders.busy)
        encoders_try_refused(&self->encoders, second * CLOCK_SECOND_NS); /* another launch meanwhile */
    settle(self);
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
    rig_end(&rig);
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
    encoders_try_refused(&rig.encoders, 129 * CLOCK_SECOND_NS);
    assert_false(rig.encoders.busy);
    launch(&rig, 130);
    assert_true(rig_count("instance") > first);
    rig_end(&rig);
}

static void what_the_gpu_cannot_do_at_all_is_not_tried_again(void **state)
{
    static const char *const scripts[] = {"codecs=h264\n", "driver=R450\n",
                                          "fail.OpenEncodeSessionEx=unsupported_device\nlicence=none\n",
                                          "fail.OpenEncodeSessionEx=no_encode_device\nlicence=licensed\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct rig rig;
        rig_begin(&rig, scripts[i]);
        encoders_probe(&rig.encoders, "nvenc"); /* by both ways */
        int refused = 0;
        for (int j = 0; j < rig.encoders.count; j++)
            refused += !rig.encoders.reports[j].usable;
        assert_int_equal(refused, i == 0 ? 2 : 4);
        rig_script("");
        launch(&rig, 1);
        assert_int_equal(rig_count("cuInit"), 0); /* nobody was asked */
        for (int j = 0; j < rig.encoders.count; j++)
            refused -= !rig.encoders.reports[j].usable;
        assert_int_equal(refused, 0);
        rig_end(&rig);
    }
    struct rig rig;
    rig_begin(&rig, "fail.OpenEncodeSessionEx=unsupported_device\nlicence=unlicensed\n"); /* any error then */
    encoders_probe(&rig.encoders, "nvenc");
    rig_change("");
    launch(&rig, 1);
    assert_true(find(&rig, "nvenc")->usable);
    rig_end(&rig);
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
    rig_end(&rig);
}

static bool works(const struct rig *rig, enum encoder_codec codec)
{
    const struct encoder_report *first = encoder_choose(rig->encoders.reports, rig->encoders.count, codec);
    return first && strcmp(first->name, "nvenc") == 0;
}

static void what_fails_in_a_session_is_not_offered_until_a_launch_finds_it_working(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "");
    rig.encoders.codecs = CONFIG_CODECS_AUTO;
    assert_true(works(&rig, ENCODER_H264) && works(&rig, ENCODER_HEVC));
    rig_change("fail.OpenEncodeSessionEx=out_of_memory\n");
    encoders_failed(&rig.encoders, "nvenc", false);
    assert_false(works(&rig, ENCODER_H264) || works(&rig, ENCODER_HEVC)); /* at once */
    encoders_failed(&rig.encoders, "nvenc", false);                       /* another session */
    settle(&rig);
    assert_false(works(&rig, ENCODER_H264) || works(&rig, ENCODER_HEVC));
    assert_non_null(strstr(find(&rig, "nvenc")->reason, "no further encoder session"));
    assert_true(find(&rig, "nvenc")->worked && find(&rig, "nvenc")->takes[FRAME_YUV444]);
    assert_int_equal(find(&rig, "nvenc")->limits.width_min, 145); /* as of when it worked */
    assert_false(find(&rig, "nvenc")->silent);
    encoders_failed(&rig.encoders, "nvenc", true); /* a session that asked it again */
    assert_true(find(&rig, "nvenc")->silent);
    rig_change("");
    launch(&rig, 1);
    assert_true(works(&rig, ENCODER_H264) && works(&rig, ENCODER_HEVC));
    assert_false(find(&rig, "nvenc")->worked);
    rig_end(&rig);
}

static void a_failure_of_a_session_alone_is_soon_forgiven(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "");
    encoders_failed(&rig.encoders, "nvenc", false);
    settle(&rig);
    assert_true(works(&rig, ENCODER_H264) && works(&rig, ENCODER_HEVC));
    encoders_failed(&rig.encoders, "x264", false); /* software is always there */
    assert_true(find(&rig, "x264")->usable);
    rig_end(&rig);
}

static void what_failed_while_others_are_tried_is_tried_after_them(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "codecs=h264\n");
    assert_true(works(&rig, ENCODER_H264) && !works(&rig, ENCODER_HEVC));
    encoders_try_refused(&rig.encoders, CLOCK_SECOND_NS);
    assert_true(rig.encoders.busy);
    encoders_failed(&rig.encoders, "nvenc", false);
    settle(&rig); /* the second round begins when the first is taken */
    assert_true(works(&rig, ENCODER_H264));
    rig_end(&rig);
}

static void what_hung_is_left_alone_until_a_launch(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "");
    encoders_failed(&rig.encoders, "nvenc", true);
    assert_false(rig.encoders.busy);
    assert_true(find(&rig, "nvenc")->silent);
    assert_false(works(&rig, ENCODER_H264) || works(&rig, ENCODER_HEVC));
    launch(&rig, 1);
    assert_true(works(&rig, ENCODER_H264) && works(&rig, ENCODER_HEVC));
    assert_false(find(&rig, "nvenc")->silent);
    rig_end(&rig);
}

static void what_sizes_a_gpu_makes_is_known_by_both_ways_to_it(void **state)
{
    (void)state;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    static const struct {
        const char *script;
        int width, height;
    } gpus[] = {{"cap.width_max=2048\ncap.height_max=1024\n", 2048, 1024},
                {"cap.width_max=4096\ncap.height_max=2304\n", 4096, 2304}}; /* AMD's are such */
    static const char *const wishes[] = {"nvenc", "nvenc-lavc"};
    for (int at = 0; at < 4; at++) {
        int way = at % 2, width = gpus[at / 2].width, height = gpus[at / 2].height;
        rig_script(gpus[at / 2].script);
        int count = encoder_probe(wishes[way], reports);
        assert_true(count > 0);
        for (int i = 0; i < count; i++) {
            assert_string_equal(reports[i].name, wishes[way]);
            assert_true(encoder_fits(&reports[i], width, height));
            assert_false(encoder_fits(&reports[i], width + 2, height));
            assert_false(encoder_fits(&reports[i], width, height + 2));
            assert_true(way == 1 ||
                        !encoder_fits(&reports[i], 144, height)); /* libavcodec only tells what is too large */
        }
    }
}

/* One hang costs one patience, whatever else would have been asked of that GPU, and software is there. */
static void a_driver_that_does_not_answer_at_the_start_is_passed_over(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, "hang_call=cuInit\n");
    int64_t begin_ns = clock_now_ns();
    encoders_probe(&rig.encoders, "auto");
    assert_true(clock_now_ns() - begin_ns >= ENCODERS_PATIENCE_S * CLOCK_SECOND_NS);
    assert_int_equal(rig_count("hang"), 1);
    for (int i = 0; i < rig.encoders.count; i++) {
        const struct encoder_report *report = &rig.encoders.reports[i];
        if (strncmp(report->name, "nvenc", 5) != 0)
            continue;
        assert_true(report->silent && report->hardware && !report->usable);
        assert_string_equal(report->reason, "its driver has not answered for 10 s");
    }
    assert_true(find(&rig, "x264")->usable);
    rig_change(""); /* it answers at last, to nobody */
    launch(&rig, 1);
    assert_true(works(&rig, ENCODER_H264) && works(&rig, ENCODER_HEVC));
    rig_end(&rig);
}

static void a_driver_that_hangs_at_a_launch_holds_up_nobody(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "sessions=0\n");
    rig_script("hang_call=cuInit\n");
    encoders_try_refused(&rig.encoders, CLOCK_SECOND_NS);
    assert_true(rig.encoders.busy);
    while (!rig_count("hang"))
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    loop_finish_work(rig.loop); /* whose workers are free */
    encoders_failed(&rig.encoders, "nvenc", false);
    rig_change("");
    settle(&rig);
    assert_true(works(&rig, ENCODER_H264));
    rig_end(&rig);
}

static void software_is_measured_that_would_have_to_go_on_for_a_gpu(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "");
    if (!find(&rig, "x265"))
        skip();
    rig.encoders.codecs = CONFIG_CODECS_AUTO;
    encoders_measure(&rig.encoders);
    assert_true(find(&rig, "x265")->pixels_per_s > 0);
    assert_int_equal(find(&rig, "x264")->pixels_per_s, 0); /* has a controller of its own */
    if (find(&rig, "aom"))
        assert_int_equal(find(&rig, "aom")->pixels_per_s, 0); /* no GPU makes AV1 here */
    rig_end(&rig);
}

int main(int argc, char **argv)
{
    (void)argc;
    rig_enter(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_hardware_is_tried_again_at_a_launch),
        cmocka_unit_test(what_still_refuses_is_left_alone_for_a_while),
        cmocka_unit_test(what_the_gpu_cannot_do_at_all_is_not_tried_again),
        cmocka_unit_test(what_works_is_not_tried_again),
        cmocka_unit_test(what_fails_in_a_session_is_not_offered_until_a_launch_finds_it_working),
        cmocka_unit_test(a_failure_of_a_session_alone_is_soon_forgiven),
        cmocka_unit_test(what_failed_while_others_are_tried_is_tried_after_them),
        cmocka_unit_test(what_hung_is_left_alone_until_a_launch),
        cmocka_unit_test(what_sizes_a_gpu_makes_is_known_by_both_ways_to_it),
        cmocka_unit_test(a_driver_that_does_not_answer_at_the_start_is_passed_over),
        cmocka_unit_test(a_driver_that_hangs_at_a_launch_holds_up_nobody),
        cmocka_unit_test(software_is_measured_that_would_have_to_go_on_for_a_gpu),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rig_leave();
    return failed;
}

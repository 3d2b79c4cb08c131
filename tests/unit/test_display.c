/* SPDX-License-Identifier: Apache-2.0 */
/* A display on a real X server (Xvfb): what its views show is what is on the screen, whatever happens to the server. */
#include "base/clock.h"
#include "base/heartbeat.h"
#include "capture/convert.h"
#include "capture/display.h"
#include "capture/finder.h"
#include "capture/scale.h"
#include "tests/unit/pixels.h"
#include "x_proxy.h"
#include "xvfb_rig.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WAIT_MS = 15000 }; /* for what must come; generous, the machine may be busy */

struct watcher {
    struct view *view;
    struct frame *frame; /* the last one taken */
    struct region damage;
};

static struct display *make_display(const char *name)
{
    struct display *display = display_create(&(struct display_config){.name = name, .output = "auto"});
    assert_non_null(display);
    return display;
}

static struct watcher watch(struct display *display, int width, int height, int fps, enum frame_format format)
{
    struct view_config config = {.layout = {width, height, format, FRAME_BT709, false}, .fps_x100 = fps * 100};
    struct watcher watcher = {.view = display_open_view(display, &config)};
    assert_non_null(watcher.view);
    return watcher;
}

static void unwatch(struct watcher *self)
{
    view_close(self->view);
    frame_unref(self->frame);
}

/* Whatever differs between two pictures taken one after the other is in the damage. */
static void assert_damage_covers(const struct frame *a, const struct frame *b, const struct region *damage)
{
    for (int y = 0; y < a->layout.height; y++) {
        int width = same_row(a, b, y) ? 0 : a->layout.width;
        for (int x = 0; x < width; x++)
            assert_true(same_pixel(a, b, x, y) || covered(damage, x, y));
    }
}

/* The next picture; false when none came in time. */
static bool next(struct watcher *self, int wait_ms)
{
    struct frame *frame;
    if (view_take(self->view, clock_now_ns() + wait_ms * CLOCK_MS_NS, &frame, &self->damage) != VIEW_OK)
        return false;
    assert_true(frame->captured_ns <= frame->fetched_ns && frame->fetched_ns <= frame->converted_ns);
    if (self->frame) {
        assert_true(frame->number > self->frame->number);
        assert_damage_covers(self->frame, frame, &self->damage);
    }
    frame_unref(self->frame);
    self->frame = frame;
    return true;
}

static bool same_picture(const struct frame *a, const struct frame *b)
{
    for (int y = 0; y < a->layout.height; y++)
        if (!same_row(a, b, y))
            return false;
    return true;
}

/* What a view of this layout must show now: a whole screenshot, scaled and converted in plain C. */
static struct frame *expected_picture(struct xvfb_rig *rig, const struct frame_layout *layout)
{
    struct image shot = xvfb_rig_screenshot(rig), out = shot;
    struct convert_matrix matrix = convert_matrix_for(layout);
    struct frame_pool *pool = frame_pool_create(layout, 1);
    struct frame *frame = frame_pool_take(pool);
    frame_pool_unref(pool);
    if (shot.width != layout->width || shot.height != layout->height) {
        out = (struct image){NULL, layout->width * 4, layout->width, layout->height};
        out.pixels = calloc((size_t)layout->width * (size_t)layout->height, 4);
        struct scaler *scaler = scaler_create(shot.width, shot.height, layout->width, layout->height);
        scaler_run(scaler, NULL, CONVERT_PLAIN, &shot, image_bounds(&out), &out);
        scaler_destroy(scaler);
        free(shot.pixels);
    }
    convert_area(CONVERT_PLAIN, &matrix, &out, image_bounds(&out), frame);
    free(out.pixels);
    return frame;
}

/* Takes pictures until one is exactly what is on the screen. The screen must stand still. */
static void wait_for_screen(struct xvfb_rig *rig, struct watcher *watcher)
{
    struct region all = {.count = 0};
    xvfb_rig_sync(rig);
    if (!watcher->frame)
        assert_true(next(watcher, WAIT_MS));
    struct frame *wanted = expected_picture(rig, &watcher->frame->layout);
    while (!same_picture(wanted, watcher->frame)) {
        assert_true(next(watcher, WAIT_MS));
        region_add_region(&all, &watcher->damage);
    }
    watcher->damage = all;
    frame_unref(wanted);
    assert_false(watcher->frame->is_status);
}

static void wait_for_status_picture(struct watcher *watcher, const char *cause)
{
    int64_t start = clock_now_ns();
    do
        assert_true(next(watcher, WAIT_MS));
    while (!watcher->frame->is_status);
    print_message("%s: status picture after %d ms\n", cause, (int)((clock_now_ns() - start) / CLOCK_MS_NS));
}

/* The drawing of a fresh screen has many parts; waits until nothing comes any more. */
static void settle(struct xvfb_rig *rig, struct watcher *watcher)
{
    wait_for_screen(rig, watcher);
    while (next(watcher, 400))
        ;
}

static void a_view_shows_the_painted_colours(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 1280, 720);
    xvfb_rig_fill(&rig, (struct rect){0, 0, 640, 720}, 0xff0000);
    xvfb_rig_fill(&rig, (struct rect){640, 0, 640, 720}, 0xffffff);
    struct display *display = make_display(rig.name);
    struct watcher watcher = watch(display, 1280, 720, 60, FRAME_NV12);
    wait_for_screen(&rig, &watcher);
    const struct frame *frame = watcher.frame;
    assert_int_equal(frame->planes[0][100 * frame->strides[0] + 100], 63); /* BT.709 limited red */
    assert_int_equal(frame->planes[1][50 * frame->strides[1] + 100], 102);
    assert_int_equal(frame->planes[1][50 * frame->strides[1] + 101], 240);
    assert_int_equal(frame->planes[0][100 * frame->strides[0] + 900], 235);
    struct display_status status;
    display_get_status(display, &status);
    assert_true(status.capturing);
    assert_int_equal(status.width, 1280);
    assert_string_equal(status.sentence, "");
    assert_non_null(strstr(status.source, rig.name));
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static void a_small_change_is_small_damage_and_a_still_screen_gives_nothing(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 2560, 1440);
    struct display *display = make_display(rig.name);
    struct watcher watcher = watch(display, 2560, 1440, 60, FRAME_NV12);
    settle(&rig, &watcher);
    assert_false(next(&watcher, 1500));
    xvfb_rig_fill(&rig, (struct rect){1001, 501, 10, 10}, 0x00ff00);
    wait_for_screen(&rig, &watcher);
    assert_int_equal(watcher.damage.count, 1);
    assert_true(region_area(&watcher.damage) <= 14 * 12);
    assert_true(covered(&watcher.damage, 1001, 501) && covered(&watcher.damage, 1010, 510));
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static void the_pointer_alone_makes_a_picture_and_leaves_no_trail(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    uint32_t seed = 1;
    xvfb_rig_start(&rig, -1, 1280, 720);
    xvfb_rig_fill(&rig, (struct rect){300, 100, 500, 400}, 0x336699);
    xvfb_rig_set_cursor(&rig, 0xffff, 0, 0);
    struct display *display = make_display(rig.name);
    struct watcher watcher = watch(display, 1280, 720, 60, FRAME_NV12);
    settle(&rig, &watcher);
    for (int i = 0; i < 30; i++) {
        int x = (int)(next_random(&seed) % 1280), y = (int)(next_random(&seed) % 720);
        i % 3 ? xvfb_rig_move(&rig, x, y) : xvfb_rig_warp(&rig, x, y);
        wait_for_screen(&rig, &watcher);
        assert_true(region_area(&watcher.damage) <= 2 * 20 * 18);
        assert_int_equal(watcher.frame->planes[0][y * watcher.frame->strides[0] + x], 63);
    }
    xvfb_rig_set_cursor(&rig, 0, 0xffff, 0); /* another shape at the same place */
    wait_for_screen(&rig, &watcher);
    xvfb_rig_move(&rig, 1279, 719); /* cut by the edge */
    wait_for_screen(&rig, &watcher);
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static void paint_at_random(struct xvfb_rig *rig, struct watcher *watchers, int count, int operations, uint32_t seed)
{
    for (int i = 0; i < operations; i++) {
        struct rect r = {(int)next_random(&seed) % rig->width, (int)next_random(&seed) % rig->height, 1, 1};
        int most = i % 5 ? 60 : 900;
        r.width += (int)next_random(&seed) % most;
        r.height += (int)next_random(&seed) % most;
        xvfb_rig_fill(rig, r, next_random(&seed));
        if (i % 7 == 0)
            xvfb_rig_move(rig, (int)next_random(&seed) % rig->width, (int)next_random(&seed) % rig->height);
        if (i % 4 == 0)
            xvfb_rig_sync(rig);
        for (int k = 0; k < count; k++) {
            if (i % (11 + 20 * k) == 0)
                next(&watchers[k], 20);
        }
    }
    for (int k = 0; k < count; k++)
        wait_for_screen(rig, &watchers[k]);
}

static void after_random_painting_every_view_shows_the_screen(void **state)
{
    (void)state;
    static const int screens[][2] = {{1280, 720}, {2560, 1440}};
    for (int i = 0; i < 2; i++) {
        struct xvfb_rig rig;
        xvfb_rig_start(&rig, -1, screens[i][0], screens[i][1]);
        xvfb_rig_set_cursor(&rig, 0xffff, 0x8000, 0);
        struct display *display = make_display(rig.name);
        struct watcher watchers[] = {
            watch(display, screens[i][0], screens[i][1], 60, FRAME_NV12),
            watch(display, 1000, 700, 30, FRAME_NV12), /* other size, bars, area mean or bilinear */
            watch(display, 1920, 1080, 100, FRAME_BGR0),
            watch(display, 1024, 768, 60, FRAME_YUV444),
            watch(display, 800, 602, 30, FRAME_P010),
        };
        paint_at_random(&rig, watchers, 5, 500, (uint32_t)i + 5);
        for (int k = 0; k < 5; k++)
            unwatch(&watchers[k]);
        display_destroy(display);
        xvfb_rig_stop(&rig);
    }
}

static void another_size_has_black_bars(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 1280, 720);
    xvfb_rig_fill(&rig, (struct rect){0, 0, 1280, 720}, 0xffffff);
    struct display *display = make_display(rig.name);
    struct watcher watcher = watch(display, 1024, 768, 60, FRAME_NV12);
    wait_for_screen(&rig, &watcher);
    const struct frame *frame = watcher.frame;
    assert_int_equal(frame->planes[0][10 * frame->strides[0] + 500], 16);
    assert_int_equal(frame->planes[0][384 * frame->strides[0] + 500], 235);
    assert_int_equal(frame->planes[0][760 * frame->strides[0] + 500], 16);
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static void a_killed_server_gives_the_status_picture_until_it_is_back(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 1280, 720);
    struct display *display = make_display(rig.name);
    struct watcher watcher = watch(display, 1280, 720, 60, FRAME_NV12);
    settle(&rig, &watcher);
    int number = rig.number;
    xvfb_rig_stop(&rig);
    wait_for_status_picture(&watcher, "killed");
    struct display_status status;
    display_get_status(display, &status);
    assert_false(status.capturing);
    assert_non_null(strstr(status.sentence, "went away"));
    assert_true(next(&watcher, WAIT_MS)); /* the clock runs */
    assert_true(watcher.frame->is_status);

    xvfb_rig_start(&rig, number, 800, 600); /* and it is another one now */
    xvfb_rig_fill(&rig, (struct rect){0, 0, 400, 600}, 0x123456);
    wait_for_screen(&rig, &watcher);
    display_get_status(display, &status);
    assert_int_equal(status.reconnects, 1);
    assert_int_equal(status.width, 800);
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static void a_stopped_server_gives_the_status_picture_until_it_goes_on(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 1280, 720);
    struct display *display = make_display(rig.name);
    struct watcher watcher = watch(display, 1280, 720, 60, FRAME_NV12);
    settle(&rig, &watcher);
    for (int i = 0; i < 2; i++) {
        xvfb_rig_signal(&rig, SIGSTOP);
        wait_for_status_picture(&watcher, "stopped");
        struct display_status status;
        display_get_status(display, &status);
        assert_non_null(strstr(status.sentence, "does not answer"));
        assert_true(next(&watcher, WAIT_MS));
        xvfb_rig_signal(&rig, SIGCONT);
        xvfb_rig_fill(&rig, (struct rect){i * 100, 0, 100, 600}, 0x123456);
        wait_for_screen(&rig, &watcher);
    }
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static int count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void a_server_stopped_from_the_start_holds_nobody_up(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 1280, 720);
    xvfb_rig_signal(&rig, SIGSTOP);
    int descriptors = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
    for (int i = 0; i < 3; i++) {
        struct display *display = make_display(rig.name);
        struct watcher watcher = watch(display, 640, 480, 60, FRAME_NV12);
        wait_for_status_picture(&watcher, "stopped before");
        unwatch(&watcher);
        display_destroy(display); /* while the attempt to connect hangs */
    }
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    assert_int_equal(count_entries("/proc/self/task"), threads);
    xvfb_rig_signal(&rig, SIGCONT);
    xvfb_rig_stop(&rig);
}

static void wait_until(bool condition)
{
    assert_true(condition);
    clock_sleep_until_ns(clock_now_ns() + 5 * CLOCK_MS_NS);
}

/* The library then waits for the rest, whatever limits we have: the watchdog ends it. */
static void a_server_that_stops_in_the_middle_of_a_reply_is_left_by_an_abort(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct x_proxy proxy;
    struct display_status status;
    xvfb_rig_start(&rig, -1, 1280, 720);
    x_proxy_start(&proxy, rig.number);
    struct display *display = make_display(proxy.name);
    struct watcher watcher = watch(display, 1280, 720, 60, FRAME_NV12);
    settle(&rig, &watcher);
    for (int i = 0; i < 2; i++) {
        int64_t limit_ns = clock_now_ns() + WAIT_MS * CLOCK_MS_NS;
        x_proxy_stop_in_next_long_reply(&proxy);
        xvfb_rig_set_cursor(&rig, 0xffff, 0, (uint16_t)i); /* its shape is read */
        while (heartbeat_age_ns(display_heartbeat(display), clock_now_ns()) < 800 * CLOCK_MS_NS)
            wait_until(clock_now_ns() < limit_ns);
        assert_true(proxy.stopped);
        display_abort_source(display);
        wait_for_status_picture(&watcher, "aborted");
        display_get_status(display, &status);
        assert_non_null(strstr(status.sentence, "answer")); /* "stopped answering", later "does not answer" */
        assert_int_equal(status.aborts, i + 1);
        x_proxy_go_on(&proxy);
        xvfb_rig_fill(&rig, (struct rect){i * 100, 0, 100, 600}, 0x123456);
        wait_for_screen(&rig, &watcher);
    }
    unwatch(&watcher);
    display_destroy(display);
    x_proxy_end(&proxy);
    xvfb_rig_stop(&rig);
}

static void a_server_can_neither_shorten_our_memory_nor_have_us_read_beyond_its_words(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct x_proxy proxy;
    xvfb_rig_start(&rig, -1, 1280, 720);
    xvfb_rig_set_cursor(&rig, 0xffff, 0, 0);
    x_proxy_start(&proxy, rig.number);
    proxy.spiteful = true;
    struct display *display = make_display(proxy.name);
    struct watcher watcher = watch(display, 1280, 720, 60, FRAME_NV12);
    int64_t limit_ns = clock_now_ns() + WAIT_MS * CLOCK_MS_NS;
    while (!proxy.lied)
        wait_until(clock_now_ns() < limit_ns);
    proxy.spiteful = false;
    xvfb_rig_set_cursor(&rig, 0, 0xffff, 0);
    wait_for_screen(&rig, &watcher);
    assert_false(proxy.shortened);
    unwatch(&watcher);
    display_destroy(display);
    x_proxy_end(&proxy);
    xvfb_rig_stop(&rig);
}

static void an_abort_also_ends_an_attempt_to_open(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct x_proxy proxy;
    struct display_status status;
    xvfb_rig_start(&rig, -1, 1280, 720);
    x_proxy_start(&proxy, rig.number);
    x_proxy_stop_in_next_long_reply(&proxy); /* of the greeting */
    struct display *display = make_display(proxy.name);
    struct watcher watcher = watch(display, 1280, 720, 60, FRAME_NV12);
    wait_for_status_picture(&watcher, "stopped in its greeting");
    assert_true(proxy.stopped);
    display_abort_source(display);
    display_get_status(display, &status);
    assert_non_null(strstr(status.sentence, "does not answer"));
    assert_int_equal(status.aborts, 0); /* there was no source */
    x_proxy_go_on(&proxy);
    wait_for_screen(&rig, &watcher);
    unwatch(&watcher);
    display_destroy(display);
    x_proxy_end(&proxy);
    xvfb_rig_stop(&rig);
}

static void pointing_elsewhere_leaves_a_desktop_or_an_attempt_behind(void **state)
{
    (void)state;
    struct xvfb_rig first, second;
    struct display_status status;
    xvfb_rig_start(&first, -1, 640, 480);
    xvfb_rig_start(&second, -1, 800, 600);
    xvfb_rig_fill(&second, (struct rect){0, 0, 400, 600}, 0x123456);
    xvfb_rig_signal(&first, SIGSTOP);
    struct display *display = make_display(first.name);
    struct watcher watcher = watch(display, 640, 480, 60, FRAME_NV12);
    wait_for_status_picture(&watcher, "stopped");
    display_point(display, second.name, "", "");
    wait_for_screen(&second, &watcher);
    display_point(display, "", "", "It is being changed.");
    wait_for_status_picture(&watcher, "pointed nowhere");
    display_get_status(display, &status);
    assert_string_equal(status.sentence, "It is being changed.");
    assert_false(status.capturing);
    xvfb_rig_signal(&first, SIGCONT);
    display_point(display, first.name, "", "");
    wait_for_screen(&first, &watcher);
    display_get_status(display, &status);
    assert_string_equal(status.name, first.name);
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&first);
    xvfb_rig_stop(&second);
}

static void without_a_display_the_status_picture_says_why(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "", ":4071", "elsewhere:0", "rubbish"};
    static const char *const words[] = {"none", "being started", "no X server :4071", "not a local", "not a local"};
    for (int i = 0; i < 5; i++) {
        struct display *display = make_display(names[i]);
        struct watcher watcher = watch(display, 640, 480, 60, FRAME_NV12);
        wait_for_status_picture(&watcher, names[i]);
        struct display_status status;
        display_get_status(display, &status);
        assert_non_null(strstr(status.sentence, words[i]));
        assert_true(next(&watcher, WAIT_MS));
        assert_true(region_area(&watcher.damage) < 640 * 480 / 4);
        unwatch(&watcher);
        display_destroy(display);
    }
}

/* The test's child stands for the private display that the host starts. */
static void a_server_we_have_started_is_not_found_by_auto(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct finder_candidate candidates[FINDER_MAX];
    int64_t cost_ns;
    xvfb_rig_start(&rig, -1, 320, 240);
    size_t count = finder_survey(candidates, &cost_ns);
    for (size_t i = 0; i < count; i++)
        assert_string_not_equal(candidates[i].name, rig.name);
    xvfb_rig_stop(&rig);
}

static void an_unknown_output_is_named_and_all_is_the_whole_screen(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    struct display_status status;
    xvfb_rig_start(&rig, -1, 1280, 720);
    struct display *display = display_create(&(struct display_config){.name = rig.name, .output = "DP-77"});
    struct watcher watcher = watch(display, 640, 480, 60, FRAME_NV12);
    wait_for_status_picture(&watcher, "unknown output");
    display_get_status(display, &status);
    assert_non_null(strstr(status.sentence, "DP-77"));
    unwatch(&watcher);
    display_destroy(display);

    display = display_create(&(struct display_config){.name = rig.name, .output = "all"});
    watcher = watch(display, 1280, 720, 60, FRAME_BGR0);
    wait_for_screen(&rig, &watcher);
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static void the_newest_picture_wins_with_all_damage_at_no_more_than_the_rate(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 1280, 720);
    struct display *display = make_display(rig.name);
    struct watcher watcher = watch(display, 1280, 720, 20, FRAME_NV12);
    settle(&rig, &watcher);
    struct view_counters before = view_get_counters(watcher.view), after = before;
    int64_t start = clock_now_ns();
    for (int i = 0; i < 100 && after.dropped < before.dropped + 5; i++) {
        xvfb_rig_fill(&rig, (struct rect){10 * i, 0, 10, 10}, 0x00ff00);
        xvfb_rig_sync(&rig);
        clock_sleep_until_ns(clock_now_ns() + 10 * CLOCK_MS_NS);
        after = view_get_counters(watcher.view);
    }
    int64_t intervals = (clock_now_ns() - start) / (50 * CLOCK_MS_NS);
    assert_true(after.dropped >= before.dropped + 5);
    assert_true((int64_t)(after.pictures - before.pictures) <= intervals + 3); /* one begun, two at once */
    assert_true(next(&watcher, WAIT_MS));
    assert_true(covered(&watcher.damage, 0, 0) && covered(&watcher.damage, 15, 5));
    wait_for_screen(&rig, &watcher);
    struct stats_summary fetch, convert;
    view_take_stats(watcher.view, &fetch, &convert);
    assert_true(fetch.count > 0 && convert.count == fetch.count);
    unwatch(&watcher);
    display_destroy(display);
    xvfb_rig_stop(&rig);
}

static void a_wake_ends_a_wait_and_taken_frames_outlive_all(void **state)
{
    (void)state;
    struct display *display = make_display("none");
    struct watcher watcher = watch(display, 640, 480, 60, FRAME_NV12);
    assert_true(next(&watcher, WAIT_MS));
    struct frame *frame;
    struct region damage;
    view_wake(watcher.view);
    assert_int_equal(view_take(watcher.view, clock_now_ns() + 60 * CLOCK_SECOND_NS, &frame, &damage), VIEW_WOKEN);
    view_close(watcher.view);
    display_destroy(display);
    memset(watcher.frame->planes[0], 0, 640);
    frame_unref(watcher.frame);
}

static void print_pointer_times(struct xvfb_rig *rig, struct watcher *watcher, bool warp)
{
    int64_t sum_ns = 0, worst_ns = 0;
    for (int i = 0; i < 50; i++) {
        clock_sleep_until_ns(clock_now_ns() + 1300 * CLOCK_MS_NS * warp + 37 * CLOCK_MS_NS);
        int64_t start = clock_now_ns();
        warp ? xvfb_rig_warp(rig, 100 + 5 * i, 100) : xvfb_rig_move(rig, 100 + 5 * i, 200);
        assert_true(next(watcher, WAIT_MS));
        int64_t took = clock_now_ns() - start;
        sum_ns += took;
        worst_ns = took > worst_ns ? took : worst_ns;
        i += warp * 4;
    }
    printf("pointer %s to picture: mean %d us, worst %d us\n", warp ? "warp after a pause" : "motion",
           (int)(sum_ns / CLOCK_US_NS / (warp ? 10 : 50)), (int)(worst_ns / CLOCK_US_NS));
}

static int print_times(void)
{
    struct xvfb_rig rig;
    struct stats_summary fetch, convert;
    xvfb_rig_start(&rig, -1, 2560, 1440);
    xvfb_rig_set_cursor(&rig, 0xffff, 0, 0);
    struct display *display = make_display(rig.name);
    static const struct rect areas[] = {{500, 500, 20, 20}, {500, 200, 1000, 800}, {0, 0, 2560, 1440}};
    for (int scaled = 0; scaled < 2; scaled++) {
        struct watcher watcher = watch(display, scaled ? 1920 : 2560, scaled ? 1080 : 1440, 60, FRAME_NV12);
        settle(&rig, &watcher);
        for (int i = 0; i < 3; i++) {
            view_take_stats(watcher.view, &fetch, &convert);
            for (int k = 0; k < 100; k++) {
                xvfb_rig_fill(&rig, areas[i], (uint32_t)k * 77777);
                xvfb_rig_sync(&rig);
                view_take(watcher.view, clock_now_ns() + 100 * CLOCK_MS_NS, &watcher.frame, &watcher.damage);
                frame_unref(watcher.frame);
                watcher.frame = NULL;
            }
            view_take_stats(watcher.view, &fetch, &convert);
            printf("%dx%d to %dp: fetch p50 %u p99 %u us, convert p50 %u p99 %u us\n", areas[i].width, areas[i].height,
                   scaled ? 1080 : 1440, fetch.p50_us, fetch.p99_us, convert.p50_us, convert.p99_us);
        }
        xvfb_rig_fill(&rig, (struct rect){0, 0, 9, 9}, 0x777777); /* the last frame was given back: one more */
        settle(&rig, &watcher);
        print_pointer_times(&rig, &watcher, scaled == 1);
        unwatch(&watcher);
    }
    display_destroy(display);
    xvfb_rig_stop(&rig);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "time") == 0)
        return print_times();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_shows_the_painted_colours),
        cmocka_unit_test(a_small_change_is_small_damage_and_a_still_screen_gives_nothing),
        cmocka_unit_test(the_pointer_alone_makes_a_picture_and_leaves_no_trail),
        cmocka_unit_test(after_random_painting_every_view_shows_the_screen),
        cmocka_unit_test(another_size_has_black_bars),
        cmocka_unit_test(a_killed_server_gives_the_status_picture_until_it_is_back),
        cmocka_unit_test(a_stopped_server_gives_the_status_picture_until_it_goes_on),
        cmocka_unit_test(a_server_stopped_from_the_start_holds_nobody_up),
        cmocka_unit_test(a_server_that_stops_in_the_middle_of_a_reply_is_left_by_an_abort),
        cmocka_unit_test(a_server_can_neither_shorten_our_memory_nor_have_us_read_beyond_its_words),
        cmocka_unit_test(an_abort_also_ends_an_attempt_to_open),
        cmocka_unit_test(pointing_elsewhere_leaves_a_desktop_or_an_attempt_behind),
        cmocka_unit_test(without_a_display_the_status_picture_says_why),
        cmocka_unit_test(a_server_we_have_started_is_not_found_by_auto),
        cmocka_unit_test(an_unknown_output_is_named_and_all_is_the_whole_screen),
        cmocka_unit_test(the_newest_picture_wins_with_all_damage_at_no_more_than_the_rate),
        cmocka_unit_test(a_wake_ends_a_wait_and_taken_frames_outlive_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

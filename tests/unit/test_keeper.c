/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper on real X servers: Xorg with the dummy driver, which can switch modes, and Xvfb, which cannot. What the
 * server shows is read by xrandr, so that our own reading is not trusted.
 */
#include "capture/keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "xorg_rig.h"
#include "xvfb_rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xcb/screensaver.h>

#include <cmocka.h>

#define PATIENCE_NS (20 * CLOCK_SECOND_NS)

/* What the host does with notes. */
struct store {
    pthread_mutex_t lock;
    struct keeper *keeper;
    char note[DISPLAY_NOTE_MAX];
    int notes, forgotten;
    bool refuses;
};

static void keep_note(void *ctx, const char *note)
{
    struct store *store = ctx;
    pthread_mutex_lock(&store->lock);
    snprintf(store->note, sizeof(store->note), "%s", note);
    store->notes += *note != '\0';
    store->forgotten += *note == '\0';
    struct keeper *keeper = store->keeper;
    pthread_mutex_unlock(&store->lock);
    keeper_note_stored(keeper, !store->refuses);
}

static void copy_note(struct store *store, char *ret_note)
{
    pthread_mutex_lock(&store->lock);
    memcpy(ret_note, store->note, sizeof(store->note));
    pthread_mutex_unlock(&store->lock);
}

static void nap(void)
{
    nanosleep(&(struct timespec){0, 10 * CLOCK_MS_NS}, NULL);
}

static struct keeper *make_keeper(struct store *store, const char *left_note, int64_t picture_limit_ns)
{
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_lock(&store->lock);
    struct keeper_config config = {
        .left_note = left_note, .note = keep_note, .ctx = store, .picture_limit_ns = picture_limit_ns};
    struct keeper *keeper = keeper_create(&config);
    store->keeper = keeper;
    pthread_mutex_unlock(&store->lock);
    assert_non_null(keeper);
    return keeper;
}

static struct display_mode_status await_state(struct keeper *keeper, enum display_mode_state state)
{
    struct display_mode_status status;
    int64_t until_ns = clock_now_ns() + PATIENCE_NS;
    for (;;) {
        keeper_get_status(keeper, &status);
        if (status.state == state)
            return status;
        if (clock_now_ns() > until_ns)
            fail_msg("state %d instead of %d: %s", status.state, state, status.sentence);
        nap();
    }
}

static bool has_text(const struct xorg_rig *rig, const char *text)
{
    char *all = xorg_rig_xrandr(rig, "");
    bool found = strstr(all, text) != NULL;
    free(all);
    return found;
}

static void await_text(const struct xorg_rig *rig, const char *text, bool there)
{
    int64_t until_ns = clock_now_ns() + PATIENCE_NS;
    while (has_text(rig, text) != there) {
        if (clock_now_ns() > until_ns)
            fail_msg("xrandr says %s\"%s\": %s", there ? "never " : "still ", text, xorg_rig_xrandr(rig, ""));
        nap();
    }
}

static void wish(struct keeper *keeper, int width, int height, int fps)
{
    keeper_set_wish(keeper, &(struct display_wish){.width = width, .height = height, .fps_x100 = fps * 100});
}

/* As a capture does: pictures of the new size come as soon as there is one. */
static struct display_mode_status await_applied(struct keeper *keeper, int width, int height)
{
    struct display_mode_status status;
    int64_t until_ns = clock_now_ns() + PATIENCE_NS;
    for (;;) {
        keeper_saw_picture(keeper, width, height);
        keeper_get_status(keeper, &status);
        if (status.state == DISPLAY_MODE_APPLIED && status.width == width && status.height == height)
            return status;
        if (clock_now_ns() > until_ns || (status.state == DISPLAY_MODE_REFUSED && status.width == width))
            fail_msg("state %d: %s", status.state, status.sentence);
        nap();
    }
}

/* What a run leaves that ends without putting anything back: its display does not answer when it ends. */
static void leave_switched(struct xorg_rig *rig, char *ret_note)
{
    struct store store = {0};
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, rig->name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    await_applied(keeper, 2560, 1440);
    kill(rig->pid, SIGSTOP);
    keeper_destroy(keeper);
    kill(rig->pid, SIGCONT);
    copy_note(&store, ret_note);
    assert_non_null(strstr(ret_note, "1920x1080"));
    assert_true(has_text(rig, "current 2560 x 1440"));
}

struct fixture {
    struct xorg_rig rig;
};

static int start_xorg(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    xorg_rig_start(&f->rig, 5120, 2880);
    *state = f;
    return 0;
}

static int stop_xorg(void **state)
{
    struct fixture *f = *state;
    xorg_rig_stop(&f->rig);
    free(f);
    return 0;
}

/* The screen's size in mm, as a program that starts now sees it. */
static int screen_mm(const struct xorg_rig *rig)
{
    xcb_connection_t *connection = xcb_connect(rig->name, NULL);
    assert_int_equal(xcb_connection_has_error(connection), 0);
    int mm = xcb_setup_roots_iterator(xcb_get_setup(connection)).data->width_in_millimeters;
    xcb_disconnect(connection);
    return mm;
}

static void a_wished_mode_is_switched_to_and_put_back(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    int mm = screen_mm(&f->rig);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    struct display_mode_status status = await_applied(keeper, 2560, 1440);
    assert_int_equal(status.switches, 1);
    assert_string_equal(status.sentence, "");
    assert_true(has_text(&f->rig, "current 2560 x 1440"));
    assert_true(has_text(&f->rig, "2560x1440@60-earthshine"));
    assert_int_equal(store.notes, 1);
    assert_int_equal(screen_mm(&f->rig), mm * 2560 / 1920); /* as many dots per inch */
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_int_equal(screen_mm(&f->rig), mm);
    assert_true(has_text(&f->rig, "current 1920 x 1080"));
    assert_false(has_text(&f->rig, "earthshine"));
    assert_string_equal(store.note, "");
    keeper_destroy(keeper);
}

static void any_size_is_switched_to_exactly(void **state)
{
    static const int sizes[][3] = {{1920, 1080, 120}, {3440, 1440, 60}, {1440, 2560, 60}, {3840, 2160, 60},
                                   {1366, 768, 60},   {1281, 721, 60},  {1280, 800, 90},  {2560, 1080, 144}};
    struct fixture *f = *state;
    struct store store = {0};
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char text[40];
        wish(keeper, sizes[i][0], sizes[i][1], sizes[i][2]);
        struct display_mode_status status = await_applied(keeper, sizes[i][0], sizes[i][1]);
        assert_int_equal(status.refusals, 0);
        snprintf(text, sizeof(text), "current %d x %d", sizes[i][0], sizes[i][1]);
        assert_true(has_text(&f->rig, text));
    }
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_true(has_text(&f->rig, "current 1920 x 1080"));
    assert_false(has_text(&f->rig, "earthshine"));
    keeper_destroy(keeper);
}

static void what_the_server_cannot_do_is_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    static const int sizes[][2] = {{16000, 9000}, {40000, 1440}, {10, 10}};
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        wish(keeper, sizes[i][0], sizes[i][1], 60);
        struct display_mode_status status = await_state(keeper, DISPLAY_MODE_REFUSED);
        while (status.width != sizes[i][0])
            status = await_state(keeper, DISPLAY_MODE_REFUSED);
        print_message("%s\n", status.sentence);
        assert_non_null(strstr(status.sentence, "scaled instead"));
        assert_true(has_text(&f->rig, "current 1920 x 1080"));
        assert_false(has_text(&f->rig, "earthshine"));
    }
    keeper_destroy(keeper);
    assert_string_equal(store.note, "");
}

static void a_mode_that_brings_no_picture_is_reverted_and_not_tried_again(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    struct keeper *keeper = make_keeper(&store, NULL, 300 * CLOCK_MS_NS);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    struct display_mode_status status = await_state(keeper, DISPLAY_MODE_REVERTED);
    assert_int_equal(status.reverts, 1);
    assert_int_equal(status.switches, 1);
    assert_true(has_text(&f->rig, "current 1920 x 1080"));
    assert_false(has_text(&f->rig, "earthshine"));
    assert_string_equal(store.note, "");
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    wish(keeper, 2560, 1440, 60);
    status = await_state(keeper, DISPLAY_MODE_REVERTED);
    assert_int_equal(status.switches, 1);
    assert_int_equal(status.reverts, 1);
    keeper_destroy(keeper);
}

static void nothing_is_switched_when_the_note_cannot_be_stored(void **state)
{
    struct fixture *f = *state;
    struct store store = {.refuses = true};
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    struct display_mode_status status = await_state(keeper, DISPLAY_MODE_REFUSED);
    assert_non_null(strstr(status.sentence, "noted"));
    assert_int_equal(status.switches, 0);
    assert_true(has_text(&f->rig, "current 1920 x 1080"));
    assert_false(has_text(&f->rig, "earthshine"));
    keeper_destroy(keeper);
}

static void a_display_of_our_own_needs_no_note(void **state)
{
    struct fixture *f = *state;
    struct keeper *keeper = keeper_create(&(struct keeper_config){0});
    keeper_attach(keeper, f->rig.name, "", -1, "auto", true);
    wish(keeper, 2560, 1440, 60);
    await_applied(keeper, 2560, 1440);
    keeper_destroy(keeper); /* puts it back, too */
    assert_true(has_text(&f->rig, "current 1920 x 1080"));
    assert_false(has_text(&f->rig, "earthshine"));
}

static void a_note_that_was_left_puts_the_mode_back(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    char note[DISPLAY_NOTE_MAX];
    leave_switched(&f->rig, note);
    struct keeper *keeper = make_keeper(&store, note, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    await_text(&f->rig, "current 1920 x 1080", true);
    await_text(&f->rig, "earthshine", false);
    keeper_destroy(keeper);
    assert_int_equal(store.forgotten, 1);
}

static void a_left_note_is_adopted_by_a_session_that_is_there_already(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    char note[DISPLAY_NOTE_MAX];
    leave_switched(&f->rig, note);
    struct keeper *keeper = make_keeper(&store, note, 0);
    wish(keeper, 2560, 1440, 60);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    await_applied(keeper, 2560, 1440);
    assert_true(has_text(&f->rig, "current 2560 x 1440"));
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_true(has_text(&f->rig, "current 1920 x 1080"));
    keeper_destroy(keeper);
}

static void what_another_display_is_owed_is_put_back_first(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    struct xvfb_rig other;
    char note[DISPLAY_NOTE_MAX];
    leave_switched(&f->rig, note);
    xvfb_rig_start(&other, -1, 640, 480);
    struct keeper *keeper = make_keeper(&store, note, 0);
    keeper_attach(keeper, other.name, "", -1, "auto", false);
    await_text(&f->rig, "current 1920 x 1080", true);
    keeper_destroy(keeper);
    assert_int_equal(store.forgotten, 1);
    xvfb_rig_stop(&other);
}

static void a_note_of_another_boot_or_nonsense_is_forgotten(void **state)
{
    static const char *const notes[] = {
        "nonsense",
        "earthshine mode 1\ndisplay :0\nxauthority \nowner -1\nserver 00000000-0000-0000-0000-000000000000 1 1\nbefore "
        "1 1 1 1\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
        struct store store = {0};
        struct keeper *keeper = make_keeper(&store, notes[i], 0);
        int64_t until_ns = clock_now_ns() + PATIENCE_NS;
        for (bool forgotten = false; !forgotten; nap()) {
            pthread_mutex_lock(&store.lock);
            forgotten = store.forgotten > 0;
            pthread_mutex_unlock(&store.lock);
            assert_true(clock_now_ns() < until_ns);
        }
        keeper_destroy(keeper);
    }
}

static void a_note_of_another_server_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct store store = {0}, next_store = {0};
    char note[DISPLAY_NOTE_MAX], other[DISPLAY_NOTE_MAX];
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    await_applied(keeper, 2560, 1440);
    copy_note(&store, note);
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    keeper_destroy(keeper);

    char *server = strstr(note, "server ");
    char *end = strchr(server, '\n');
    snprintf(other, sizeof(other), "%.*s9%s", (int)(end - note), note, end); /* another start time */
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY0 --mode 1024x768"));
    struct keeper *next = make_keeper(&next_store, other, 0);
    keeper_attach(next, f->rig.name, "", -1, "auto", false);
    int64_t until_ns = clock_now_ns() + PATIENCE_NS;
    for (bool forgotten = false; !forgotten; nap()) {
        pthread_mutex_lock(&next_store.lock);
        forgotten = next_store.forgotten > 0;
        pthread_mutex_unlock(&next_store.lock);
        assert_true(clock_now_ns() < until_ns);
    }
    keeper_destroy(next);
    assert_true(has_text(&f->rig, "current 1024 x 768"));
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY0 --mode 1920x1080"));
}

static void what_somebody_else_sets_meanwhile_stays(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    await_applied(keeper, 2560, 1440);
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY0 --mode 1024x768"));
    struct display_mode_status status = await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_non_null(strstr(status.sentence, "1024x768"));
    wish(keeper, 0, 0, 0);
    await_text(&f->rig, "earthshine", false);
    assert_true(has_text(&f->rig, "current 1024 x 768"));
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY0 --mode 1920x1080"));
    keeper_destroy(keeper);
}

/* Right of the first, 1024x768. The driver gives it no modes of its own. */
static void add_second_output(const struct xorg_rig *rig)
{
    free(xorg_rig_xrandr(rig, "--addmode DUMMY1 1024x768"));
    free(xorg_rig_xrandr(rig, "--output DUMMY1 --mode 1024x768 --right-of DUMMY0"));
}

static void an_output_beside_moves_only_as_far_as_needed(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    add_second_output(&f->rig);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    await_applied(keeper, 2560, 1440);
    assert_true(has_text(&f->rig, "2560x1440+0+0"));
    assert_true(has_text(&f->rig, "1024x768+2560+0"));
    wish(keeper, 1280, 720, 60);
    await_applied(keeper, 1280, 720);
    assert_true(has_text(&f->rig, "1280x720+0+0"));
    assert_true(has_text(&f->rig, "1024x768+1920+0"));
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_true(has_text(&f->rig, "1920x1080+0+0"));
    assert_true(has_text(&f->rig, "1024x768+1920+0"));
    assert_true(has_text(&f->rig, "current 2944 x 1080"));

    keeper_attach(keeper, f->rig.name, "", -1, "all", false);
    wish(keeper, 2560, 1440, 60);
    struct display_mode_status status = await_state(keeper, DISPLAY_MODE_REFUSED);
    assert_non_null(strstr(status.sentence, "All 2 outputs"));
    keeper_attach(keeper, f->rig.name, "", -1, "DUMMY1", false);
    wish(keeper, 1600, 900, 60);
    await_applied(keeper, 1600, 900);
    assert_true(has_text(&f->rig, "1600x900+1920+0"));
    assert_true(has_text(&f->rig, "1920x1080+0+0"));
    keeper_destroy(keeper);
    assert_true(has_text(&f->rig, "1024x768+1920+0"));
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY1 --off"));
}

static void the_mode_follows_the_streamed_output(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY0 --primary"));
    add_second_output(&f->rig);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 1600, 900, 60);
    await_applied(keeper, 1600, 900);
    assert_true(has_text(&f->rig, "1600x900+0+0"));
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY1 --primary"));
    await_text(&f->rig, "1600x900+1920+0", true);
    assert_true(has_text(&f->rig, "1920x1080+0+0")); /* what was streamed before has its own mode again */
    await_applied(keeper, 1600, 900);
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_true(has_text(&f->rig, "1024x768+1920+0"));
    assert_true(has_text(&f->rig, "primary 1024x768"));
    keeper_destroy(keeper);
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY1 --off --output DUMMY0 --primary"));
}

static void an_output_that_was_switched_off_stays_off(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    add_second_output(&f->rig);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "DUMMY1", false);
    wish(keeper, 1600, 900, 60);
    await_applied(keeper, 1600, 900);
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY1 --off"));
    struct display_mode_status status = await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_non_null(strstr(status.sentence, "off"));
    wish(keeper, 0, 0, 0);
    await_text(&f->rig, "earthshine", false);
    assert_false(has_text(&f->rig, "+1920+0"));
    assert_true(has_text(&f->rig, "1920x1080+0+0"));
    keeper_destroy(keeper);
}

static void an_output_that_is_off_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "DUMMY3", false);
    wish(keeper, 2560, 1440, 60);
    struct display_mode_status status = await_state(keeper, DISPLAY_MODE_REFUSED);
    assert_non_null(strstr(status.sentence, "DUMMY3"));
    keeper_destroy(keeper);
}

static void the_pointer_stays_on_the_streamed_output_while_wished(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    int x, y;
    add_second_output(&f->rig);
    xcb_warp_pointer(f->rig.connection, XCB_NONE, f->rig.root, 0, 0, 0, 0, 2500, 300); /* on the other output */
    xorg_rig_move_by(&f->rig, 0, 0);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    keeper_set_wish(keeper, &(struct display_wish){.clip = true});
    struct display_mode_status status = {0};
    for (int64_t until_ns = clock_now_ns() + PATIENCE_NS; !status.clipped; nap()) {
        keeper_get_status(keeper, &status);
        assert_true(clock_now_ns() < until_ns);
    }
    xorg_rig_pointer(&f->rig, &x, &y);
    assert_int_equal(x, 1919); /* brought in */
    for (int i = 0; i < 20; i++)
        xorg_rig_move_by(&f->rig, 90, 7);
    xorg_rig_pointer(&f->rig, &x, &y);
    assert_int_equal(x, 1919);
    assert_true(y > 300); /* along the wall it can go */
    keeper_set_wish(keeper, &(struct display_wish){0});
    for (int64_t until_ns = clock_now_ns() + PATIENCE_NS; status.clipped; nap()) {
        keeper_get_status(keeper, &status);
        assert_true(clock_now_ns() < until_ns);
    }
    xorg_rig_move_by(&f->rig, 500, 0);
    xorg_rig_pointer(&f->rig, &x, &y);
    assert_true(x > 1919);
    keeper_destroy(keeper);
    free(xorg_rig_xrandr(&f->rig, "--output DUMMY1 --off"));
}

static void await_awake(struct keeper *keeper, bool awake)
{
    struct display_mode_status status;
    int64_t until_ns = clock_now_ns() + PATIENCE_NS;
    for (keeper_get_status(keeper, &status); status.awake != awake; keeper_get_status(keeper, &status)) {
        assert_true(clock_now_ns() < until_ns);
        nap();
    }
}

/* Whether the saver covers the screen. */
static bool is_saving(struct xvfb_rig *rig)
{
    xcb_screensaver_query_info_reply_t *info =
        xcb_screensaver_query_info_reply(rig->connection, xcb_screensaver_query_info(rig->connection, rig->root), NULL);
    assert_non_null(info);
    bool saving = info->state == XCB_SCREENSAVER_STATE_ON;
    free(info);
    return saving;
}

static void await_saving(struct xvfb_rig *rig, bool saving)
{
    for (int64_t until_ns = clock_now_ns() + PATIENCE_NS; is_saving(rig) != saving; nap())
        assert_true(clock_now_ns() < until_ns);
}

static void the_screen_saver_rests_while_somebody_streams(void **state)
{
    struct xvfb_rig rig;
    struct store store = {0};
    (void)state;
    xvfb_rig_start(&rig, -1, 640, 480);
    free(
        xcb_screensaver_query_version_reply(rig.connection, xcb_screensaver_query_version(rig.connection, 1, 1), NULL));
    xcb_set_screen_saver(rig.connection, 1, 0, XCB_BLANKING_PREFERRED, XCB_EXPOSURES_ALLOWED); /* after 1 s */
    await_saving(&rig, true);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, rig.name, "", -1, "auto", false);
    keeper_set_wish(keeper, &(struct display_wish){.awake = true});
    await_awake(keeper, true);
    for (int64_t until_ns = clock_now_ns() + 3 * CLOCK_SECOND_NS; clock_now_ns() < until_ns; nap())
        assert_false(is_saving(&rig));
    keeper_set_wish(keeper, &(struct display_wish){0});
    await_awake(keeper, false);
    await_saving(&rig, true);
    keeper_set_wish(keeper, &(struct display_wish){.awake = true});
    await_saving(&rig, false);
    keeper_destroy(keeper);
    await_saving(&rig, true);
    xvfb_rig_stop(&rig);
}

static void a_stopped_server_does_not_hold_up_the_end(void **state)
{
    struct xorg_rig rig;
    struct store store = {0};
    char note[DISPLAY_NOTE_MAX];
    (void)state;
    xorg_rig_start(&rig, 2560, 1440);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, rig.name, "", -1, "auto", false);
    wish(keeper, 1600, 900, 60);
    await_applied(keeper, 1600, 900);
    kill(rig.pid, SIGSTOP);
    keeper_destroy(keeper);
    copy_note(&store, note);
    assert_true(note[0] != '\0'); /* still owed */
    kill(rig.pid, SIGCONT);
    struct store next_store = {0};
    keeper = make_keeper(&next_store, note, 0);
    keeper_attach(keeper, rig.name, "", -1, "auto", false);
    await_text(&rig, "current 1920 x 1080", true);
    keeper_destroy(keeper);
    xorg_rig_stop(&rig);
}

static void a_server_that_does_not_greet_holds_nobody_up(void **state)
{
    struct xorg_rig rig;
    struct store store = {0};
    (void)state;
    xorg_rig_start(&rig, 2560, 1440);
    kill(rig.pid, SIGSTOP);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    wish(keeper, 1600, 900, 60);
    keeper_attach(keeper, rig.name, "", -1, "auto", false);
    keeper_detach(keeper);
    keeper_attach(keeper, rig.name, "", -1, "auto", false);
    keeper_destroy(keeper);
    kill(rig.pid, SIGCONT);
    keeper = make_keeper(&store, NULL, 0);
    wish(keeper, 1600, 900, 60);
    keeper_attach(keeper, rig.name, "", -1, "auto", false);
    await_applied(keeper, 1600, 900);
    kill(rig.pid, SIGKILL); /* while it is switched */
    keeper_destroy(keeper);
    xorg_rig_stop(&rig);
}

static void a_display_that_comes_back_is_gone_on_with(void **state)
{
    struct fixture *f = *state;
    struct store store = {0};
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    wish(keeper, 2560, 1440, 60);
    await_applied(keeper, 2560, 1440);
    keeper_detach(keeper);
    wish(keeper, 0, 0, 0);
    assert_true(has_text(&f->rig, "current 2560 x 1440"));
    keeper_attach(keeper, f->rig.name, "", -1, "auto", false);
    await_text(&f->rig, "current 1920 x 1080", true);
    keeper_destroy(keeper);
}

static void xvfb_refuses_what_is_larger_with_a_reason(void **state)
{
    struct xvfb_rig rig;
    struct store store = {0};
    (void)state;
    xvfb_rig_start(&rig, -1, 1280, 720);
    struct keeper *keeper = make_keeper(&store, NULL, 0);
    keeper_attach(keeper, rig.name, "", -1, "auto", false);
    wish(keeper, 1920, 1080, 60);
    struct display_mode_status status = await_state(keeper, DISPLAY_MODE_REFUSED);
    print_message("%s\n", status.sentence);
    assert_non_null(strstr(status.sentence, "scaled instead"));
    assert_int_equal(status.switches, 0);
    wish(keeper, 1280, 720, 60); /* it is so, although Xvfb tells no rate */
    status = await_state(keeper, DISPLAY_MODE_AS_FOUND);
    assert_int_equal(status.switches, 0);
    wish(keeper, 800, 600, 60); /* what it can, it does */
    await_applied(keeper, 800, 600);
    wish(keeper, 0, 0, 0);
    await_state(keeper, DISPLAY_MODE_AS_FOUND);
    keeper_destroy(keeper);
    xcb_get_geometry_reply_t *root =
        xcb_get_geometry_reply(rig.connection, xcb_get_geometry(rig.connection, rig.root), NULL);
    assert_non_null(root);
    assert_int_equal(root->width, 1280);
    assert_int_equal(root->height, 720);
    free(root);
    xvfb_rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest on_xorg[] = {
        cmocka_unit_test(a_wished_mode_is_switched_to_and_put_back),
        cmocka_unit_test(any_size_is_switched_to_exactly),
        cmocka_unit_test(what_the_server_cannot_do_is_refused_with_the_reason),
        cmocka_unit_test(a_mode_that_brings_no_picture_is_reverted_and_not_tried_again),
        cmocka_unit_test(nothing_is_switched_when_the_note_cannot_be_stored),
        cmocka_unit_test(a_display_of_our_own_needs_no_note),
        cmocka_unit_test(a_note_that_was_left_puts_the_mode_back),
        cmocka_unit_test(a_left_note_is_adopted_by_a_session_that_is_there_already),
        cmocka_unit_test(what_another_display_is_owed_is_put_back_first),
        cmocka_unit_test(a_note_of_another_server_is_forgotten),
        cmocka_unit_test(a_note_of_another_boot_or_nonsense_is_forgotten),
        cmocka_unit_test(what_somebody_else_sets_meanwhile_stays),
        cmocka_unit_test(an_output_beside_moves_only_as_far_as_needed),
        cmocka_unit_test(the_mode_follows_the_streamed_output),
        cmocka_unit_test(an_output_that_was_switched_off_stays_off),
        cmocka_unit_test(an_output_that_is_off_is_refused),
        cmocka_unit_test(the_pointer_stays_on_the_streamed_output_while_wished),
        cmocka_unit_test(a_stopped_server_does_not_hold_up_the_end),
        cmocka_unit_test(a_server_that_does_not_greet_holds_nobody_up),
        cmocka_unit_test(a_display_that_comes_back_is_gone_on_with),
    };
    const struct CMUnitTest on_xvfb[] = {
        cmocka_unit_test(xvfb_refuses_what_is_larger_with_a_reason),
        cmocka_unit_test(the_screen_saver_rests_while_somebody_streams),
    };
    int failed = cmocka_run_group_tests(on_xvfb, NULL, NULL);
    if (!xorg_rig_is_possible())
        print_message("Xorg with the dummy driver, xrandr and root are needed for the other tests\n");
    else
        failed += cmocka_run_group_tests(on_xorg, start_xorg, stop_xorg);
    return failed;
}

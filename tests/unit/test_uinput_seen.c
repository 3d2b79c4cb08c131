/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices a real X server has; another master device of it brings slaves of its own, as a plug would. */
#include "base/clock.h"
#include "input/injector.h"
#include "input/uinput_seen.h"
#include "xvfb_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xcb/xinput.h>

#include <cmocka.h>

static const char *const plugged[] = {"Plug XTEST pointer", "Plug XTEST keyboard"};
static const char *const always[] = {"Virtual core XTEST keyboard"};
static const char *const ours[] = {"Earthshine Keyboard", "Earthshine Mouse", "Earthshine Pointer"};

static uid_t server_uid; /* 0: as it is */

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int result = __real_getsockopt(fd, level, name, value, size);
    if (name == SO_PEERCRED && server_uid)
        ((struct ucred *)value)->uid = server_uid;
    return result;
}

static struct injector_screen screen_of(const struct xvfb_rig *rig)
{
    struct injector_screen screen = {.width = 640, .height = 480, .cookie_owner = -1, .generation = 1};
    strcpy(screen.display, rig->name);
    return screen;
}

/* Within ten seconds. */
static void expect_seen(const struct uinput_seen *seen, bool wanted)
{
    int64_t until_ns = clock_now_ns() + 10 * CLOCK_SECOND_NS;
    while (uinput_seen(seen) != wanted && clock_now_ns() < until_ns)
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    assert_int_equal(uinput_seen(seen), wanted);
}

static void plug_in(struct xvfb_rig *rig)
{
    struct {
        xcb_input_add_master_t head;
        char name[4];
    } change = {{.type = XCB_INPUT_HIERARCHY_CHANGE_TYPE_ADD_MASTER,
                 .len = sizeof(change) / 4,
                 .name_len = 4,
                 .send_core = 1,
                 .enable = 1},
                "Plug"};
    xcb_discard_reply(rig->connection, xcb_input_xi_query_version(rig->connection, 2, 0).sequence);
    assert_null(xcb_request_check(
        rig->connection,
        xcb_input_xi_change_hierarchy_checked(rig->connection, 1, (const xcb_input_hierarchy_change_t *)&change)));
}

static uint16_t find_master(struct xvfb_rig *rig, const char *name)
{
    xcb_input_xi_query_device_reply_t *reply =
        xcb_input_xi_query_device_reply(rig->connection, xcb_input_xi_query_device(rig->connection, 1), NULL);
    assert_non_null(reply);
    uint16_t id = 0;
    for (xcb_input_xi_device_info_iterator_t at = xcb_input_xi_query_device_infos_iterator(reply); at.rem;
         xcb_input_xi_device_info_next(&at))
        if ((size_t)xcb_input_xi_device_info_name_length(at.data) == strlen(name) &&
            memcmp(xcb_input_xi_device_info_name(at.data), name, strlen(name)) == 0)
            id = at.data->deviceid;
    free(reply);
    return id;
}

static void plug_out(struct xvfb_rig *rig)
{
    xcb_input_remove_master_t change = {.type = XCB_INPUT_HIERARCHY_CHANGE_TYPE_REMOVE_MASTER,
                                        .len = sizeof(change) / 4,
                                        .deviceid = find_master(rig, "Plug pointer"),
                                        .return_mode = XCB_INPUT_CHANGE_MODE_FLOAT};
    assert_int_not_equal(change.deviceid, 0);
    assert_null(xcb_request_check(
        rig->connection,
        xcb_input_xi_change_hierarchy_checked(rig->connection, 1, (const xcb_input_hierarchy_change_t *)&change)));
}

static void devices_are_seen_as_soon_as_they_are_plugged_in(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 640, 480);
    struct uinput_seen *seen = uinput_seen_create(plugged, 2), *witness = uinput_seen_create(always, 1);
    struct injector_screen screen = screen_of(&rig);
    assert_false(uinput_seen(seen));
    uinput_seen_set_screen(seen, &screen);
    uinput_seen_set_screen(witness, &screen);
    expect_seen(witness, true);
    assert_false(uinput_seen(seen));
    plug_in(&rig);
    expect_seen(seen, true);
    plug_out(&rig);
    expect_seen(seen, false);
    plug_in(&rig);
    expect_seen(seen, true);
    screen.generation++; /* the same server */
    uinput_seen_set_screen(seen, &screen);
    assert_true(uinput_seen(seen));
    uinput_seen_destroy(seen);
    uinput_seen_destroy(witness);
    xvfb_rig_stop(&rig);
}

static void a_server_that_takes_no_devices_does_not_see_ours(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 640, 480);
    struct uinput_seen *seen = uinput_seen_create(ours, 3), *witness = uinput_seen_create(always, 1);
    struct injector_screen screen = screen_of(&rig);
    uinput_seen_set_screen(seen, &screen);
    uinput_seen_set_screen(witness, &screen);
    expect_seen(witness, true);
    assert_false(uinput_seen(seen));
    uinput_seen_destroy(seen);
    uinput_seen_destroy(witness);
    xvfb_rig_stop(&rig);
}

static void a_server_that_ends_sees_nothing_until_it_is_back(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 640, 480);
    struct uinput_seen *seen = uinput_seen_create(always, 1);
    struct injector_screen screen = screen_of(&rig);
    uinput_seen_set_screen(seen, &screen);
    expect_seen(seen, true);
    xvfb_rig_stop(&rig);
    expect_seen(seen, false);
    xvfb_rig_start(&rig, rig.number, 640, 480);
    expect_seen(seen, true);
    screen.display[0] = 0; /* no screen at all */
    screen.width = screen.height = 0;
    uinput_seen_set_screen(seen, &screen);
    assert_false(uinput_seen(seen));
    screen.width = screen.height = 480; /* one without an X server */
    uinput_seen_set_screen(seen, &screen);
    assert_true(uinput_seen(seen));
    uinput_seen_destroy(seen);
    xvfb_rig_stop(&rig);
}

static void a_server_that_stopped_holds_nobody(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 640, 480);
    struct injector_screen screen = screen_of(&rig);
    struct uinput_seen *early = uinput_seen_create(always, 1), *late = uinput_seen_create(always, 1);
    uinput_seen_set_screen(early, &screen);
    expect_seen(early, true);
    xvfb_rig_signal(&rig, SIGSTOP);
    uinput_seen_set_screen(late, &screen);
    uinput_seen_destroy(early);
    uinput_seen_destroy(late);
    xvfb_rig_signal(&rig, SIGCONT);
    xvfb_rig_stop(&rig);
}

static void a_stranger_s_server_is_not_believed(void **state)
{
    (void)state;
    struct xvfb_rig rig;
    xvfb_rig_start(&rig, -1, 640, 480);
    struct injector_screen screen = screen_of(&rig);
    struct uinput_seen *seen = uinput_seen_create(always, 1);
    server_uid = geteuid() + 1;
    uinput_seen_set_screen(seen, &screen);
    clock_sleep_until_ns(clock_now_ns() + 300 * CLOCK_MS_NS); /* for what must not happen */
    assert_false(uinput_seen(seen));
    uinput_seen_destroy(seen);
    server_uid = 0;
    seen = uinput_seen_create(always, 1);
    uinput_seen_set_screen(seen, &screen);
    expect_seen(seen, true);
    uinput_seen_destroy(seen);
    xvfb_rig_stop(&rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_seen_as_soon_as_they_are_plugged_in),
        cmocka_unit_test(a_server_that_takes_no_devices_does_not_see_ours),
        cmocka_unit_test(a_server_that_ends_sees_nothing_until_it_is_back),
        cmocka_unit_test(a_server_that_stopped_holds_nobody),
        cmocka_unit_test(a_stranger_s_server_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

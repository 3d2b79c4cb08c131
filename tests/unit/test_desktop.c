/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real servers: Xvfb, and for root Xorg where it and the dummy driver are installed. Root's run does all tests twice:
 * first as "nobody", who gets Xvfb.
 */
#include "host/desktop.h"

#include "base/clock.h"
#include "base/text.h"
#include "host/desktop_files.h"
#include "host/desktop_xserver.h"
#include "tests/unit/gone.h"

#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/randr.h>
#include <xcb/xcb.h>

#include <cmocka.h>

enum { LIMIT_S = 60, TEXT_MAX = 20000, XORG_NEEDS_BYTES = 250 << 20 };

struct rig {
    char folder[64];
    struct config settings;
    struct loop *loop;
    struct desktop *desktop;
    char display[32], xauthority[DESKTOP_PATH_MAX], sentence[512]; /* as moved() told them */
    bool (*until)(struct rig *self);
    int64_t limit_ns;
    char word[256]; /* what `until` looks for */
    int number;
};

static void on_moved(void *ctx, const char *display, const char *xauthority, const char *sentence)
{
    struct rig *self = ctx;
    text_copy(self->display, sizeof(self->display), display);
    text_copy(self->xauthority, sizeof(self->xauthority), xauthority);
    text_copy(self->sentence, sizeof(self->sentence), sentence);
}

static void on_changed(void *ctx)
{
    (void)ctx;
}

static void on_tick(void *arg)
{
    struct rig *self = arg;
    if (self->until(self))
        loop_stop(self->loop);
    else
        assert_true(clock_now_ns() < self->limit_ns);
}

static void wait_until(struct rig *self, bool (*until)(struct rig *self))
{
    self->until = until;
    self->limit_ns = clock_now_ns() + LIMIT_S * CLOCK_SECOND_NS;
    struct loop_timer *timer = loop_timer_create(self->loop, 5 * CLOCK_MS_NS, true, on_tick, self);
    loop_run(self->loop);
    loop_timer_destroy(timer);
}

/* What desktop_to_json() says under "key" or "session.key". */
static void status(const struct rig *self, const char *key, char ret_text[TEXT_MAX])
{
    json_t *all = desktop_to_json(self->desktop), *place = all;
    assert_non_null(all);
    if (strncmp(key, "session.", 8) == 0) {
        place = json_object_get(all, "session");
        key += 8;
    }
    json_t *value = json_object_get(place, key);
    if (json_is_integer(value))
        snprintf(ret_text, TEXT_MAX, "%d", (int)json_integer_value(value));
    else
        snprintf(ret_text, TEXT_MAX, "%s", json_is_string(value) ? json_string_value(value) : "");
    json_decref(all);
}

static void assert_status(const struct rig *self, const char *key, const char *expected)
{
    char text[TEXT_MAX];
    status(self, key, text);
    assert_string_equal(text, expected);
}

static int status_number(const struct rig *self, const char *key)
{
    char text[TEXT_MAX];
    status(self, key, text);
    return atoi(text);
}

static bool is_ready(struct rig *self)
{
    return self->display[0] != 0;
}

static bool is_gone(struct rig *self)
{
    return self->display[0] == 0;
}

static bool has_printed_word(struct rig *self)
{
    char text[TEXT_MAX];
    status(self, "session.output", text);
    return strstr(text, self->word) != NULL;
}

static void wait_printed(struct rig *self, const char *word)
{
    text_copy(self->word, sizeof(self->word), word);
    wait_until(self, has_printed_word);
}

static void prepare(struct rig *self, const char *command)
{
    *self = (struct rig){0};
    snprintf(self->folder, sizeof(self->folder), "/tmp/es-desktop-XXXXXX");
    assert_non_null(mkdtemp(self->folder));
    config_init(&self->settings);
    text_copy(self->settings.state_dir, sizeof(self->settings.state_dir), self->folder);
    text_copy(self->settings.session_command, sizeof(self->settings.session_command), command);
    self->settings.virtual_width = 640;
    self->settings.virtual_height = 480;
}

static void start(struct rig *self)
{
    self->loop = loop_create();
    const struct desktop_config config = {
        .config = &self->settings, .loop = self->loop, .moved = on_moved, .changed = on_changed, .ctx = self};
    self->desktop = desktop_create(&config);
    assert_non_null(self->desktop);
    assert_string_equal(self->display, ""); /* nothing is told from within create */
    wait_until(self, is_ready);
    self->number = atoi(self->display + 1);
}

static void start_with(struct rig *self, const char *command)
{
    prepare(self, command);
    start(self);
}

static bool number_is_in_use(int number)
{
    char lock[64], socket[64];
    snprintf(lock, sizeof(lock), "/tmp/.X%d-lock", number);
    snprintf(socket, sizeof(socket), "/tmp/.X11-unix/X%d", number);
    return access(lock, F_OK) == 0 || access(socket, F_OK) == 0;
}

static void finish(struct rig *self)
{
    char path[128];
    desktop_destroy(self->desktop);
    loop_destroy(self->loop);
    assert_false(number_is_in_use(self->number));
    snprintf(path, sizeof(path), "%s/desktop", self->folder);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(self->folder), 0); /* it is empty */
}

/* Our only child that is an X server. */
static pid_t server_pid(void)
{
    char path[64], name[32] = "";
    int pid = 0, found = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "r");
    assert_non_null(children);
    while (fscanf(children, "%d", &pid) == 1) {
        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        FILE *comm = fopen(path, "r");
        if (comm && fscanf(comm, "%31s", name) == 1 && (strcmp(name, "Xvfb") == 0 || strcmp(name, "Xorg") == 0))
            found = pid;
        if (comm)
            fclose(comm);
    }
    fclose(children);
    assert_int_not_equal(found, 0);
    return found;
}

/* A connection with the cookie told, or with none. NULL: refused. */
static xcb_connection_t *open_display(const struct rig *self, bool with_cookie)
{
    setenv("XAUTHORITY", with_cookie ? self->xauthority : "/dev/null", 1);
    xcb_connection_t *connection = xcb_connect(self->display, NULL);
    unsetenv("XAUTHORITY");
    if (!xcb_connection_has_error(connection))
        return connection;
    xcb_disconnect(connection);
    return NULL;
}

static xcb_screen_t *screen_of(xcb_connection_t *connection)
{
    return xcb_setup_roots_iterator(xcb_get_setup(connection)).data;
}

static void assert_screen(const struct rig *self, int width, int height)
{
    xcb_connection_t *connection = open_display(self, true);
    assert_non_null(connection);
    assert_int_equal(screen_of(connection)->width_in_pixels, width);
    assert_int_equal(screen_of(connection)->height_in_pixels, height);
    xcb_disconnect(connection);
}

static xcb_connection_t *open_window(const struct rig *self, bool is_dock)
{
    xcb_connection_t *connection = open_display(self, true);
    xcb_window_t window = xcb_generate_id(connection);
    xcb_create_window(connection, XCB_COPY_FROM_PARENT, window, screen_of(connection)->root, 0, 0, 50, 50, 0,
                      XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT, 0, NULL);
    if (is_dock) {
        static const char *const names[] = {"_NET_WM_WINDOW_TYPE", "_NET_WM_WINDOW_TYPE_DOCK"};
        xcb_atom_t atoms[2];
        for (int i = 0; i < 2; i++) {
            xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply(
                connection, xcb_intern_atom(connection, 0, (uint16_t)strlen(names[i]), names[i]), NULL);
            atoms[i] = reply->atom;
            free(reply);
        }
        xcb_change_property(connection, XCB_PROP_MODE_REPLACE, window, atoms[0], XCB_ATOM_ATOM, 32, 1, &atoms[1]);
    }
    xcb_map_window(connection, window);
    free(xcb_get_input_focus_reply(connection, xcb_get_input_focus(connection), NULL));
    return connection;
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777;
}

/* --- tests --- */

static void the_server_asks_for_the_cookie(void **state)
{
    (void)state;
    struct rig self;
    char folder[128];
    start_with(&self, "");
    assert_status(&self, "state", "running");
    assert_status(&self, "display", self.display);
    assert_status(&self, "sentence", "");
    assert_int_equal(mode_of(self.xauthority), 0600);
    snprintf(folder, sizeof(folder), "%s/desktop", self.folder);
    assert_int_equal(mode_of(folder), 0700);
    assert_screen(&self, 640, 480);
    assert_null(open_display(&self, false));
    json_t *all = desktop_to_json(self.desktop);
    assert_true(json_is_null(json_object_get(all, "session")));
    json_decref(all);
    assert_false(desktop_restart_session(self.desktop));
    finish(&self);
}

/* No socket in /proc/net/tcp* listens on 6000 + number. */
static void the_server_does_not_listen_on_the_network(void **state)
{
    (void)state;
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    struct rig self;
    char line[512], port[16];
    start_with(&self, "");
    snprintf(port, sizeof(port), ":%04X ", 6000 + self.number);
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(tables[i], "r");
        while (file && fgets(line, sizeof(line), file))
            assert_null(strstr(line, port));
        if (file)
            fclose(file);
    }
    finish(&self);
}

static void a_killed_server_comes_back_with_its_number_and_the_session(void **state)
{
    (void)state;
    struct rig self;
    start_with(&self, "echo on $DISPLAY $XAUTHORITY $XDG_SESSION_TYPE ${WAYLAND_DISPLAY-none}; exec sleep 600");
    int number = self.number;
    char expected[sizeof(self.word)];
    snprintf(expected, sizeof(expected), "on :%d %s/desktop/Xauthority x11 none", number, self.folder);
    wait_printed(&self, expected);
    pid_t pid = server_pid();
    kill(pid, SIGKILL);
    wait_until(&self, is_gone);
    assert_non_null(strstr(self.sentence, "The private display ended ("));
    assert_non_null(strstr(self.sentence, "signal 9 (Killed)). It is being started again."));
    assert_status(&self, "display", "");
    wait_until(&self, is_ready);
    assert_int_equal(atoi(self.display + 1), number);
    assert_int_not_equal(server_pid(), pid);
    assert_status(&self, "server_restarts", "1");
    assert_status(&self, "sentence", "");
    wait_printed(&self, expected);
    assert_int_equal(status_number(&self, "session.restarts"), 1);
    char log[TEXT_MAX];
    assert_true(desktop_server_log(self.desktop, log, sizeof(log)) < sizeof(log));
    assert_non_null(strstr(log, "--- this server ended (signal 9 (Killed)) ---"));
    finish(&self);
}

static void a_hung_server_is_killed_and_started_at_once(void **state)
{
    (void)state;
    struct rig self;
    start_with(&self, "");
    kill(server_pid(), SIGSTOP);
    desktop_restart_server(self.desktop);
    wait_until(&self, is_gone);
    assert_string_equal(self.sentence, "The private display is being started anew.");
    wait_until(&self, is_ready);
    assert_screen(&self, 640, 480);
    finish(&self);
}

static bool has_restarted_twice(struct rig *self)
{
    return status_number(self, "session.restarts") >= 2;
}

static void a_session_that_dies_at_once_is_started_after_growing_pauses(void **state)
{
    (void)state;
    struct rig self;
    start_with(&self, "echo I fail; exit 3");
    int64_t begun_ns = clock_now_ns();
    wait_until(&self, has_restarted_twice); /* after 1 and 2 s */
    assert_true(clock_now_ns() - begun_ns > 5 * CLOCK_SECOND_NS / 2);
    assert_status(&self, "session.last_end", "exit code 3");
    wait_printed(&self, "I fail");
    assert_status(&self, "state", "running");
    finish(&self);
}

static bool has_printed_something_else(struct rig *self)
{
    char text[TEXT_MAX];
    status(self, "session.output", text);
    return strstr(text, "process") && strcmp(text, self->word) != 0;
}

static void a_session_is_restarted_when_asked(void **state)
{
    (void)state;
    struct rig self;
    char before[TEXT_MAX];
    start_with(&self, "echo process $$; sleep 600");
    wait_printed(&self, "process");
    status(&self, "session.output", before);
    text_copy(self.word, sizeof(self.word), before);
    assert_true(desktop_restart_session(self.desktop));
    wait_until(&self, has_printed_something_else);
    assert_int_equal(status_number(&self, "session.restarts"), 1);
    assert_status(&self, "session.state", "running");
    finish(&self);
}

static void nothing_of_the_session_outlives_the_desktop(void **state)
{
    (void)state;
    struct rig self;
    char text[TEXT_MAX];
    start_with(&self, "sleep 600 & echo child $!; wait");
    wait_printed(&self, "child ");
    status(&self, "session.output", text);
    pid_t server = server_pid();
    finish(&self);
    assert_goes((pid_t)atoi(text + strlen("child ")));
    assert_goes(server);
}

/* In a process of its own, which says how to find what it started: "91 SERVER CHILD". */
static void be_a_host(int out)
{
    struct rig self;
    char text[TEXT_MAX], line[128];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    start_with(&self, "trap '' TERM; sleep 600 & echo child $!; wait");
    wait_printed(&self, "child ");
    status(&self, "session.output", text);
    int size = snprintf(line, sizeof(line), "%d %d %d %s", self.number, (int)server_pid(),
                        atoi(text + strlen("child ")), self.folder);
    if (write(out, line, (size_t)size) == size)
        pause();
    _exit(1);
}

static void nothing_outlives_a_host_that_is_killed(void **state)
{
    (void)state;
    int ends[2], number, server, child;
    char line[128] = "", folder[64], path[128];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t host = fork();
    if (host == 0)
        be_a_host(ends[1]);
    assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
    assert_int_equal(sscanf(line, "%d %d %d %63s", &number, &server, &child, folder), 4);
    assert_false(process_is_gone(server));
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    assert_goes(server);
    assert_goes(child);
    snprintf(path, sizeof(path), "/tmp/.X11-unix/X%d", number);
    assert_int_equal(access(path, F_OK), -1); /* a lock is left, which is void: its process is gone */

    struct rig next; /* the next host finds the files of the last one, and leaves none */
    prepare(&next, "");
    rmdir(next.folder);
    text_copy(next.folder, sizeof(next.folder), folder);
    text_copy(next.settings.state_dir, sizeof(next.settings.state_dir), folder);
    snprintf(path, sizeof(path), "%s/desktop/Xauthority", folder);
    assert_int_equal(mode_of(path), 0600);
    start(&next);
    assert_screen(&next, 640, 480);
    finish(&next);
    close(ends[0]);
    close(ends[1]);
}

static void numbers_of_others_and_remains_are_handled(void **state)
{
    (void)state;
    struct rig self;
    int first = xserver_take_number(XSERVER_NUMBER_MIN), second = xserver_take_number(first + 1);
    xserver_give_number(first);
    xserver_give_number(second);
    char path[2][64];
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof(path[i]), "/tmp/.X%d-lock", i ? second : first);
        FILE *file = fopen(path[i], "w");
        assert_non_null(file);
        /* The first belongs to a living process, the second to one that cannot exist. */
        fprintf(file, "%10d\n", i ? 0x3fffffff : (int)getppid());
        fclose(file);
    }
    start_with(&self, "");
    assert_int_equal(self.number, second);
    finish(&self);
    assert_int_equal(access(path[0], F_OK), 0);
    unlink(path[0]);
}

static void a_server_that_cannot_start_is_said_and_tried_again(void **state)
{
    (void)state;
    struct rig self;
    char path[128];
    prepare(&self, "");
    snprintf(path, sizeof(path), "%s/desktop", self.folder); /* a file where the folder is to be */
    close(open(path, O_CREAT | O_WRONLY, 0600));
    self.loop = loop_create();
    const struct desktop_config config = {
        .config = &self.settings, .loop = self.loop, .moved = on_moved, .changed = on_changed, .ctx = &self};
    self.desktop = desktop_create(&config);
    self.display[0] = '?';
    wait_until(&self, is_gone);
    assert_non_null(strstr(self.sentence, "The private display does not start: "));
    assert_non_null(strstr(self.sentence, "is not a folder of ours."));
    assert_status(&self, "state", "waiting");
    unlink(path);
    wait_until(&self, is_ready);
    self.number = atoi(self.display + 1);
    assert_status(&self, "sentence", "");
    finish(&self);
}

static bool has_sentence(struct rig *self)
{
    char text[TEXT_MAX];
    status(self, "sentence", text);
    return text[0] != 0;
}

/* Asks for 801x601, and waits until the screen is 800x600. */
static void assert_fits(struct rig *self)
{
    desktop_fit(self->desktop, 801, 601);
    wait_until(self, is_gone);
    wait_until(self, is_ready);
    assert_screen(self, 800, 600);
    assert_status(self, "sentence", "");
    assert_int_equal(status_number(self, "width"), 800);
}

static void an_xvfb_without_windows_is_started_in_the_larger_size(void **state)
{
    (void)state;
    struct rig self;
    start_with(&self, "");
    xcb_connection_t *panel = open_window(&self, true); /* no program's window */
    assert_fits(&self);
    xcb_disconnect(panel);
    desktop_fit(self.desktop, 800, 600); /* as it is: nothing happens */
    assert_int_equal(status_number(&self, "server_restarts"), 1);
    finish(&self);
}

static void an_xvfb_with_windows_is_not_made_larger(void **state)
{
    (void)state;
    struct rig self;
    char text[TEXT_MAX];
    start_with(&self, "");
    xcb_connection_t *window = open_window(&self, false);
    pid_t server = server_pid();
    desktop_fit(self.desktop, 800, 600);
    wait_until(&self, has_sentence);
    status(&self, "sentence", text);
    assert_string_equal(text,
                        "The desktop cannot be larger than 640x480 now, so it is scaled: programs have windows open, "
                        "which a new size would close. For any size at any time, install xserver-xorg-video-dummy and "
                        "run Earthshine as root, or set a larger virtual_display.");
    desktop_fit(self.desktop, 320, 480); /* RandR's business */
    assert_status(&self, "sentence", "");
    assert_int_equal(server_pid(), server);
    xcb_disconnect(window);
    assert_fits(&self);
    finish(&self);
}

static void an_xvfb_that_does_not_answer_keeps_its_size(void **state)
{
    (void)state;
    struct rig self;
    char text[TEXT_MAX];
    start_with(&self, "");
    pid_t server = server_pid();
    kill(server, SIGSTOP);
    desktop_fit(self.desktop, 800, 600);
    wait_until(&self, has_sentence);
    status(&self, "sentence", text);
    assert_non_null(strstr(text, "the private display did not answer"));
    kill(server, SIGCONT);
    finish(&self);
}

static bool has_least_width(struct rig *self)
{
    xcb_connection_t *connection = self->display[0] ? open_display(self, true) : NULL;
    bool has = connection && screen_of(connection)->width_in_pixels == 64;
    if (connection)
        xcb_disconnect(connection);
    return has;
}

static void a_size_asked_for_before_the_server_is_ready_is_kept_in_mind(void **state)
{
    (void)state;
    struct rig self;
    start_with(&self, "");
    kill(server_pid(), SIGKILL);
    wait_until(&self, is_gone);
    desktop_fit(self.desktop, 8, 99999); /* rounded to what is possible */
    wait_until(&self, has_least_width);
    assert_screen(&self, 64, 8192);
    finish(&self);
}

static void xorg_has_the_size_and_room_for_larger_modes(void **state)
{
    (void)state;
    struct rig self;
    prepare(&self, "");
    self.settings.virtual_width = 2560;
    self.settings.virtual_height = 1440;
    start(&self);
    assert_status(&self, "server", "Xorg");
    assert_screen(&self, 2560, 1440);
    xcb_connection_t *connection = open_display(&self, true);
    xcb_window_t root = screen_of(connection)->root;
    xcb_randr_get_screen_size_range_reply_t *range =
        xcb_randr_get_screen_size_range_reply(connection, xcb_randr_get_screen_size_range(connection, root), NULL);
    assert_non_null(range);
    assert_true(range->max_width >= 8192 && range->max_height >= 8192);
    free(range);
    xcb_disconnect(connection);
    desktop_fit(self.desktop, 800, 600); /* RandR's business */
    assert_status(&self, "state", "running");
    finish(&self);
}

static unsigned long long own_size_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu", &pages), 1);
    fclose(file);
    return pages * (unsigned long long)sysconf(_SC_PAGESIZE);
}

static void xorg_that_does_not_start_gives_way_to_xvfb(void **state)
{
    (void)state;
    struct rig self;
    char text[TEXT_MAX];
    if (own_size_bytes() > 4ull * XORG_NEEDS_BYTES)
        skip(); /* under a sanitizer, which needs terabytes of addresses itself */
    /* Xvfb gets by with less memory than Xorg. */
    struct rlimit before, little = {XORG_NEEDS_BYTES, XORG_NEEDS_BYTES};
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    prepare(&self, "");
    start(&self);
    setrlimit(RLIMIT_AS, &before);
    assert_status(&self, "server", "Xvfb");
    status(&self, "sentence", text);
    assert_non_null(strstr(text, "Xorg did not start ("));
    assert_string_equal(text, self.sentence);
    finish(&self);
}

static void the_session_of_another_user_has_a_cookie_of_its_own(void **state)
{
    (void)state;
    struct rig self;
    char text[TEXT_MAX], path[128];
    struct stat info;
    unsigned uid, gid;
    prepare(&self, "echo at $XAUTHORITY; id -un; xdpyinfo >/dev/null && echo allowed; exec sleep 600");
    text_copy(self.settings.session_user, sizeof(self.settings.session_user), "nobody");
    start(&self);
    wait_printed(&self, "allowed");
    status(&self, "session.output", text);
    assert_non_null(strstr(text, "\nnobody\n"));
    assert_int_equal(sscanf(text, "at %127s", path), 1);
    assert_true(child_user_ids("nobody", &uid, &gid));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_uid, uid);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_string_not_equal(path, self.xauthority);
    assert_int_equal(mode_of(self.xauthority), 0600);
    finish(&self);
    assert_int_equal(access(path, F_OK), -1);
}

static int run_for_both(const char *name)
{
    const struct CMUnitTest both[] = {
        cmocka_unit_test(the_server_asks_for_the_cookie),
        cmocka_unit_test(the_server_does_not_listen_on_the_network),
        cmocka_unit_test(a_killed_server_comes_back_with_its_number_and_the_session),
        cmocka_unit_test(a_hung_server_is_killed_and_started_at_once),
        cmocka_unit_test(a_session_that_dies_at_once_is_started_after_growing_pauses),
        cmocka_unit_test(a_session_is_restarted_when_asked),
        cmocka_unit_test(nothing_of_the_session_outlives_the_desktop),
        cmocka_unit_test(nothing_outlives_a_host_that_is_killed),
        cmocka_unit_test(numbers_of_others_and_remains_are_handled),
        cmocka_unit_test(a_server_that_cannot_start_is_said_and_tried_again),
    };
    return cmocka_run_group_tests_name(name, both, NULL, NULL);
}

static int run_for_xvfb(void)
{
    const struct CMUnitTest xvfb[] = {
        cmocka_unit_test(an_xvfb_without_windows_is_started_in_the_larger_size),
        cmocka_unit_test(an_xvfb_with_windows_is_not_made_larger),
        cmocka_unit_test(an_xvfb_that_does_not_answer_keeps_its_size),
        cmocka_unit_test(a_size_asked_for_before_the_server_is_ready_is_kept_in_mind),
    };
    return run_for_both("Xvfb") + cmocka_run_group_tests_name("Xvfb's size", xvfb, NULL, NULL);
}

static int run_for_root(void)
{
    const struct CMUnitTest xorg[] = {
        cmocka_unit_test(xorg_has_the_size_and_room_for_larger_modes),
        cmocka_unit_test(xorg_that_does_not_start_gives_way_to_xvfb),
    };
    const struct CMUnitTest root[] = {
        cmocka_unit_test(the_session_of_another_user_has_a_cookie_of_its_own),
    };
    int failed = cmocka_run_group_tests_name("another user", root, NULL, NULL);
    if (xserver_choose() == XSERVER_XORG)
        failed += run_for_both("Xorg") + cmocka_run_group_tests_name("Xorg's modes", xorg, NULL, NULL);
    return failed;
}

int main(void)
{
    unsigned uid, gid;
    int status_of_nobody = 0;
    if (geteuid() != 0)
        return run_for_xvfb();
    pid_t nobody = fork();
    if (nobody == 0) {
        if (!child_user_ids("nobody", &uid, &gid) || setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
            setresuid(uid, uid, uid) != 0)
            return 1;
        prctl(PR_SET_DUMPABLE, 1); /* cleared by the change of user; leak checkers look into themselves */
        return run_for_xvfb();
    }
    waitpid(nobody, &status_of_nobody, 0);
    return run_for_root() + (status_of_nobody != 0);
}

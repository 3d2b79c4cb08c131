/* SPDX-License-Identifier: Apache-2.0 */
/* Real commands, a real state folder; what the commands do is written to a file by them. */
#include "host/apps.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "host/assets.h"
#include "protocol/nvhttp.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { LIMIT_S = 30 };

struct rig {
    char folder[64], folder_variable[96], log[96];
    const char *environment[3];
    struct loop *loop;
    struct state *state;
    struct saver saver;
    struct config config;
    struct apps *apps;
    const char *user;
    int ended;
    uint32_t ended_id;
    int changes;
};

static const struct apps_client client = {.name = "my tablet", .width = 1920, .height = 1080, .fps = 60};

static const char *const *environment_of(void *ctx)
{
    return ((struct rig *)ctx)->environment;
}

static const char *user_of(void *ctx)
{
    return ((struct rig *)ctx)->user;
}

static void on_ended(void *ctx, uint32_t app_id)
{
    struct rig *rig = ctx;
    rig->ended++;
    rig->ended_id = app_id;
}

static void on_changed(void *ctx)
{
    ((struct rig *)ctx)->changes++;
}

static void begin(struct rig *rig)
{
    const struct apps_config config = {
        .config = &rig->config,
        .loop = rig->loop,
        .state = rig->state,
        .saver = &rig->saver,
        .environment = environment_of,
        .user = user_of,
        .command_ended = on_ended,
        .changed = on_changed,
        .ctx = rig,
    };
    rig->apps = apps_create(&config);
    assert_non_null(rig->apps);
}

static void read_config(struct rig *rig, const char *text)
{
    char error[CONFIG_ERROR_MAX] = "";
    if (!config_parse(&rig->config, "test", text, strlen(text), error))
        fail_msg("%s", error);
}

static void begin_with(struct rig *rig, const char *text)
{
    read_config(rig, text);
    begin(rig);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    strcpy(rig->folder, "/tmp/earthshine-apps-XXXXXX");
    if (!mkdtemp(rig->folder) || chmod(rig->folder, 0700) != 0)
        return -1;
    snprintf(rig->log, sizeof(rig->log), "%s/log", rig->folder);
    snprintf(rig->folder_variable, sizeof(rig->folder_variable), "FOLDER=%s", rig->folder);
    rig->environment[0] = rig->folder_variable;
    rig->environment[1] = "DISPLAY=:77";
    rig->user = geteuid() ? NULL : "root";
    config_init(&rig->config);
    rig->loop = loop_create();
    rig->state = state_open(rig->folder);
    rig->saver = (struct saver){.loop = rig->loop, .state = rig->state};
    *state = rig;
    return rig->loop && rig->state && state_save_now(rig->state) ? 0 : -1;
}

static void end(struct rig *rig)
{
    apps_destroy(rig->apps);
    rig->apps = NULL;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    char path[512];
    end(rig);
    loop_destroy(rig->loop);
    state_close(rig->state);
    config_finish(&rig->config);
    DIR *folder = opendir(rig->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(path, sizeof(path), "%s/%s", rig->folder, entry->d_name);
        unlink(path);
    }
    if (folder)
        closedir(folder);
    rmdir(rig->folder);
    free(rig);
    return 0;
}

/* --- waiting --- */

struct wait {
    struct loop *loop;
    bool (*condition)(void *arg);
    void *arg;
    bool met;
    int64_t until_ns;
};

static void look(void *arg)
{
    struct wait *wait = arg;
    wait->met = wait->condition(wait->arg);
    if (wait->met || clock_now_ns() > wait->until_ns)
        loop_stop(wait->loop);
}

static bool run_until(struct rig *rig, bool (*condition)(void *arg), void *arg)
{
    struct wait wait = {rig->loop, condition, arg, false, clock_now_ns() + LIMIT_S * CLOCK_SECOND_NS};
    struct loop_timer *timer = loop_timer_create(rig->loop, 5 * CLOCK_MS_NS, true, look, &wait);
    while (!wait.met && clock_now_ns() < wait.until_ns)
        loop_run(rig->loop);
    loop_timer_destroy(timer);
    return wait.met;
}

static char *read_log(const struct rig *rig)
{
    char *text = NULL;
    size_t size;
    return file_read(rig->log, 65536, &text, &size) == FILE_OK ? text : strdup("");
}

struct expected {
    struct rig *rig;
    const char *text;
};

static bool log_is(void *arg)
{
    const struct expected *expected = arg;
    char *text = read_log(expected->rig);
    bool same = !strcmp(text, expected->text);
    free(text);
    return same;
}

static void expect_log(struct rig *rig, const char *text)
{
    struct expected expected = {rig, text};
    if (run_until(rig, log_is, &expected))
        return;
    char *found = read_log(rig);
    print_error("found:\n%s\nexpected:\n%s\n", found, text);
    free(found);
    fail();
}

/* What the page is told of an app. */
static const char *shown(struct rig *rig, size_t index, const char *key, char *ret_text)
{
    json_t *list = apps_to_json(rig->apps);
    snprintf(ret_text, 4096, "%s", json_string_value(json_object_get(json_array_get(list, index), key)));
    json_decref(list);
    return ret_text;
}

static bool has_sentence(void *arg)
{
    char text[4096];
    const struct expected *expected = arg;
    return strstr(shown(expected->rig, 0, "sentence", text), expected->text);
}

static void expect_sentence(struct rig *rig, const char *part)
{
    char text[4096];
    struct expected expected = {rig, part};
    if (!run_until(rig, has_sentence, &expected))
        fail_msg("\"%s\" has no \"%s\"", shown(rig, 0, "sentence", text), part);
}

static bool nothing_is_owed(void *arg)
{
    return state_owed_count(((struct rig *)arg)->state) == 0;
}

static bool one_is_owed(void *arg)
{
    return state_owed_count(((struct rig *)arg)->state) == 1;
}

static bool has_ended(void *arg)
{
    return ((struct rig *)arg)->ended > 0;
}

/* Nobody of the process group whose number is in the file is alive; zombies may wait for whoever got them. */
static bool group_is_gone(void *arg)
{
    char *text = NULL, path[300], stat[512];
    size_t size;
    if (file_read(arg, 64, &text, &size) != FILE_OK)
        return false;
    int group = atoi(text), alive = 0;
    free(text);
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char state = 0;
        int pgrp = 0;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        const char *rest = file && fgets(stat, sizeof(stat), file) ? strrchr(stat, ')') : NULL;
        if (rest && sscanf(rest, ") %c %*d %d", &state, &pgrp) == 2 && pgrp == group && state != 'Z')
            alive++;
        if (file)
            fclose(file);
    }
    closedir(folder);
    return group > 1 && !alive;
}

static int64_t counter(struct rig *rig, const char *name)
{
    json_t *counters = json_object();
    apps_counters(rig->apps, counters);
    int64_t value = json_integer_value(json_object_get(counters, name));
    json_decref(counters);
    return value;
}

#define SAY(word) "echo " word " >> $FOLDER/log"

static const char all_moments[] =
    "[app \"Game\"]\n"
    "command = " SAY(
        "command") "; exec sleep 600\n"
                   "connect = " SAY("connect") "\nconnect_undo = " SAY(
                       "connect_undo") "\n"
                                       "first_picture = " SAY("picture") "\nfirst_picture_undo = " SAY(
                                           "picture_undo") "\n"
                                                           "disconnect = " SAY("disconnect") "\ndisconnect_undo = " SAY(
                                                               "disconnect_undo") "\n"
                                                                                  "quit = " SAY("quit") "\nquit_undo "
                                                                                                        "= " SAY(
                                                                                                            "qui"
                                                                                                            "t_"
                                                                                                            "und"
                                                                                                            "o") "\n";

/* --- the list --- */

static void without_sections_there_is_the_desktop(void **state)
{
    struct rig *rig = *state;
    const void *png;
    size_t size;
    begin_with(rig, "");
    assert_int_equal(apps_count(rig->apps), 1);
    assert_string_equal(apps_name(rig->apps, 0), "Desktop");
    assert_int_equal(apps_id(rig->apps, 0), 958645192);
    assert_true(apps_image(rig->apps, 958645192, &png, &size));
    assert_ptr_equal(png, asset_desktop_png);
    assert_false(apps_image(rig->apps, 1, &png, &size));
    assert_int_equal(apps_may_launch(rig->apps, 958645192), APPS_OK);
    assert_int_equal(apps_may_launch(rig->apps, 1), APPS_UNKNOWN);
    assert_null(apps_running_name(rig->apps));
    apps_session_began(rig->apps, 1, &client, true); /* of no app: nothing */
    apps_quit(rig->apps, 1);
    char text[4096];
    assert_string_equal(shown(rig, 0, "state", text), "idle");
    apps_session_began(rig->apps, 958645192, &client, true);
    assert_string_equal(shown(rig, 0, "state", text), "running");
    assert_null(apps_running_name(rig->apps)); /* it has no command */
}

static void images_are_the_apps_own_if_they_are_png(void **state)
{
    struct rig *rig = *state;
    char text[1024], path[3][128];
    static const char *const names[] = {"good.png", "bad.png", "large.png"};
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof(path[i]), "%s/%s", rig->folder, names[i]);
    assert_true(file_write_atomic(path[0], "\x89PNG\r\n\x1a\nrest", 12, 0600));
    assert_true(file_write_atomic(path[1], "GIF89a......", 12, 0600));
    assert_true(file_write_atomic(path[2], "\x89PNG\r\n\x1a\nrest", 12, 0600));
    assert_int_equal(truncate(path[2], 4 * 1024 * 1024 + 1), 0);
    snprintf(text, sizeof(text),
             "[app \"A\"]\nimage = %s\n[app \"B\"]\nimage = %s\n[app \"C\"]\nimage = %s\n[app \"D\"]\nimage = /none\n",
             path[0], path[1], path[2]);
    begin_with(rig, text);
    const void *png;
    size_t size;
    assert_true(apps_image(rig->apps, nvhttp_app_id("A"), &png, &size));
    assert_int_equal(size, 12);
    assert_memory_equal(png, "\x89PNG\r\n\x1a\nrest", 12);
    for (size_t i = 1; i < 4; i++) {
        assert_true(apps_image(rig->apps, apps_id(rig->apps, i), &png, &size));
        assert_ptr_equal(png, asset_desktop_png);
    }
}

static void only_one_app_with_a_command_runs(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"A\"]\ncommand = trap '" SAY("ended") "; exit' TERM; " SAY(
                        "a") "; while :; do sleep 0.05; done\n"
                             "[app \"B\"]\ncommand = " SAY("b") "; exec sleep 600\n[app \"C\"]\n");
    uint32_t a = apps_id(rig->apps, 0), b = apps_id(rig->apps, 1), c = apps_id(rig->apps, 2);
    apps_session_began(rig->apps, a, &client, true);
    expect_log(rig, "a\n");
    assert_string_equal(apps_running_name(rig->apps), "A");
    assert_int_equal(apps_may_launch(rig->apps, a), APPS_OK);
    assert_int_equal(apps_may_launch(rig->apps, b), APPS_OTHER_RUNS);
    assert_int_equal(apps_may_launch(rig->apps, c), APPS_OK);
    apps_quit(rig->apps, a); /* clients quit one and launch the other at once */
    assert_int_equal(apps_may_launch(rig->apps, b), APPS_OK);
    apps_session_began(rig->apps, b, &client, true);
    expect_log(rig, "a\nended\nb\n"); /* which waits until the first has ended */
    assert_string_equal(apps_running_name(rig->apps), "B");
    assert_int_equal(rig->ended, 0); /* it was asked to */
}

/* --- the moments --- */

static void commands_run_in_order(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, all_moments);
    uint32_t id = apps_id(rig->apps, 0);
    apps_session_began(rig->apps, id, &client, true);
    apps_session_began(rig->apps, id, &client, false); /* a second client joins */
    expect_log(rig, "connect\ncommand\n");             /* what follows does not wait for what the command does */
    apps_first_picture(rig->apps, id);
    apps_first_picture(rig->apps, id); /* the second one's */
    expect_log(rig, "connect\ncommand\npicture\n");
    apps_last_session_ended(rig->apps, id);
    expect_log(rig, "connect\ncommand\npicture\npicture_undo\nconnect_undo\ndisconnect\n");
    truncate(rig->log, 0);
    apps_session_began(rig->apps, id, &client, true); /* resumed: the command runs on */
    apps_first_picture(rig->apps, id);
    expect_log(rig, "disconnect_undo\nconnect\npicture\n");
    truncate(rig->log, 0);
    apps_last_session_ended(rig->apps, id);
    apps_quit(rig->apps, id);
    expect_log(rig, "picture_undo\nconnect_undo\ndisconnect\nquit\ndisconnect_undo\n");
    assert_true(run_until(rig, one_is_owed, rig)); /* of quit */
    truncate(rig->log, 0);
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "quit_undo\nconnect\ncommand\n");
    truncate(rig->log, 0);
    apps_quit(rig->apps, id); /* the end of the session is not told before */
    apps_last_session_ended(rig->apps, id);
    expect_log(rig, "connect_undo\ndisconnect\nquit\ndisconnect_undo\n");
    assert_int_equal(counter(rig, "app_hooks_failed"), 0);
    assert_int_equal(counter(rig, "app_undos_failed"), 0);
    assert_int_equal(rig->ended, 0);
    assert_true(rig->changes > 0);
    assert_true(run_until(rig, one_is_owed, rig));
    truncate(rig->log, 0);
    end(rig);
    rig->apps = NULL;
    assert_int_equal(state_owed_count(rig->state), 0);
    char *text = read_log(rig);
    assert_string_equal(text, "quit_undo\n"); /* nothing is owed when the host ends */
    free(text);
}

static void a_quit_waits_for_the_commands_of_the_connect(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\ncommand = " SAY(
                        "command") "; exec sleep 600\n"
                                   "connect = sleep 0.3; " SAY("connect") "\nconnect_undo = sleep 0.2; " SAY(
                                       "undo") "\n"
                                               "quit = " SAY("quit") "\n");
    uint32_t id = apps_id(rig->apps, 0);
    apps_session_began(rig->apps, id, &client, true);
    apps_first_picture(rig->apps, id);
    apps_last_session_ended(rig->apps, id);
    apps_quit(rig->apps, id);
    expect_log(rig, "connect\nundo\nquit\n"); /* the command was not wanted any more when its turn came */
    truncate(rig->log, 0);
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "connect\ncommand\n");
    for (int i = 0; i < 20; i++) { /* while the first undo runs */
        apps_last_session_ended(rig->apps, id);
        apps_quit(rig->apps, id);
        apps_session_began(rig->apps, id, &client, true);
        apps_first_picture(rig->apps, id);
        apps_session_began(rig->apps, id, &client, false);
    }
    expect_log(rig, "connect\ncommand\nundo\nquit\nconnect\ncommand\n");
    assert_string_equal(apps_running_name(rig->apps), "Game");
}

static void commands_have_their_surroundings(void **state)
{
    struct rig *rig = *state;
    char text[1024], expected[1024];
    snprintf(text, sizeof(text),
             "[app \"Game\"]\ndirectory = %s\nenvironment = A=1 2\nenvironment = DISPLAY=:5\n"
             "connect = echo \"$EARTHSHINE_APP|$EARTHSHINE_CLIENT|$EARTHSHINE_WIDTH|\\\n"
             "  $EARTHSHINE_HEIGHT|$EARTHSHINE_FPS|$A|$DISPLAY|$(pwd)\" >> $FOLDER/log\n"
             "[app \"Other\"]\nconnect = echo \"$DISPLAY|$A|\" >> $FOLDER/log\n",
             rig->folder);
    begin_with(rig, text);
    apps_session_began(rig->apps, apps_id(rig->apps, 0), &client, true);
    snprintf(expected, sizeof(expected), "Game|my tablet|1920|\\ 1080|60|1 2|:5|%s\n", rig->folder);
    expect_log(rig, expected);
    truncate(rig->log, 0);
    apps_session_began(rig->apps, apps_id(rig->apps, 1), &client, true);
    expect_log(rig, ":77||\n");
}

static void as_root_the_user_must_be_said(void **state)
{
    struct rig *rig = *state;
    if (geteuid() != 0)
        skip();
    rig->user = NULL;
    begin_with(rig, "[app \"A\"]\ncommand = " SAY("command") "\nconnect = " SAY(
                        "connect") "\nconnect_undo = true\n"
                                   "[app \"B\"]\nuser = root\nconnect = id -un >> $FOLDER/log\n"
                                   "[app \"C\"]\nuser = nobody\nconnect = id -un >> $FOLDER/log\n");
    apps_session_began(rig->apps, apps_id(rig->apps, 0), &client, true);
    expect_sentence(rig, "set user = NAME");
    assert_true(run_until(rig, has_ended, rig)); /* its command cannot run */
    assert_int_equal(state_owed_count(rig->state), 0);
    apps_session_began(rig->apps, apps_id(rig->apps, 1), &client, true);
    expect_log(rig, "root\n");
    chmod(rig->folder, 0711);
    chmod(rig->log, 0666);
    apps_session_began(rig->apps, apps_id(rig->apps, 2), &client, true);
    expect_log(rig, "root\nnobody\n");
}

static void a_failing_command_of_a_moment_stops_nothing(void **state)
{
    struct rig *rig = *state;
    begin_with(rig,
               "[app \"Game\"]\ncommand = " SAY(
                   "command") "; exec sleep 600\n"
                              "connect = echo one; echo \"no such screen\"; exit 3\nconnect_undo = " SAY("undo") "\n");
    uint32_t id = apps_id(rig->apps, 0);
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "command\n");
    expect_sentence(rig, "connect of \"Game\" failed (exit code 3: no such screen)");
    assert_int_equal(counter(rig, "app_hooks_failed"), 1);
    assert_int_equal(rig->ended, 0);
    apps_last_session_ended(rig->apps, id);
    expect_log(rig, "command\nundo\n"); /* it may have done half of it */
    assert_true(run_until(rig, nothing_is_owed, rig));
}

static void a_command_of_a_moment_has_ten_seconds(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\nconnect = (echo $$ >> $FOLDER/log; exec sleep 601) & sleep 602\n");
    apps_session_began(rig->apps, apps_id(rig->apps, 0), &client, true);
    expect_sentence(rig, "within 10 s");
    assert_true(run_until(rig, group_is_gone, rig->log)); /* all of it */
}

/* --- the app's command --- */

static void a_command_that_fails_ends_the_app(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\ncommand = echo first; echo \"no such game\"; exit 2\n"
                    "disconnect = " SAY("disconnect") "\nquit = " SAY("quit") "\n");
    uint32_t id = apps_id(rig->apps, 0);
    char text[4096];
    apps_session_began(rig->apps, id, &client, true);
    assert_true(run_until(rig, has_ended, rig));
    assert_int_equal(rig->ended_id, id);
    expect_sentence(rig, "the command of \"Game\" failed (exit code 2: no such game)");
    assert_string_equal(shown(rig, 0, "state", text), "ended");
    assert_string_equal(shown(rig, 0, "output", text), "first\nno such game\n");
    assert_null(apps_running_name(rig->apps));
    expect_log(rig, ""); /* its session has not ended yet */
    apps_last_session_ended(rig->apps, id);
    expect_log(rig, "disconnect\nquit\n");
    assert_int_equal(rig->ended, 1);
    assert_int_equal(counter(rig, "app_commands_failed"), 1);
    apps_session_began(rig->apps, id, &client, true); /* again */
    assert_string_equal(shown(rig, 0, "state", text), "running");
}

static bool has_two_ends(void *arg)
{
    return ((struct rig *)arg)->ended == 2;
}

static void a_command_that_runs_for_a_while_ends_the_app(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\ncommand = sleep 5.2; echo bye\nquit = " SAY("quit") "\n");
    uint32_t id = apps_id(rig->apps, 0);
    char text[4096];
    apps_session_began(rig->apps, id, &client, true);
    apps_last_session_ended(rig->apps, id); /* nobody looks */
    assert_true(run_until(rig, has_ended, rig));
    assert_string_equal(shown(rig, 0, "sentence", text), "");
    assert_string_equal(shown(rig, 0, "output", text), "bye\n");
    expect_log(rig, "quit\n");
    assert_false(has_two_ends(rig));
}

static void an_end_while_it_is_quit_does_not_end_the_next_launch(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\ncommand = " SAY(
                        "command") "; until [ -e $FOLDER/end ]; do sleep 0.02; done; exit 1\n"
                                   "connect_undo = touch $FOLDER/end; sleep 0.5; rm $FOLDER/end\n");
    uint32_t id = apps_id(rig->apps, 0);
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "command\n");
    apps_last_session_ended(rig->apps, id);
    apps_quit(rig->apps, id);
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "command\ncommand\n");
    assert_int_equal(rig->ended, 0);
    assert_string_equal(apps_running_name(rig->apps), "Game");
}

static void a_command_that_hands_over_counts_as_running(void **state)
{
    struct rig *rig = *state;
    begin_with(rig,
               "[app \"Game\"]\ncommand = " SAY("command") "\nquit = " SAY("quit") "\n[app \"B\"]\ncommand = true\n");
    uint32_t id = apps_id(rig->apps, 0);
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "command\n");
    apps_last_session_ended(rig->apps, id);
    apps_session_began(rig->apps, id, &client, true); /* it is not started again */
    assert_string_equal(apps_running_name(rig->apps), "Game");
    assert_int_equal(apps_may_launch(rig->apps, apps_id(rig->apps, 1)), APPS_OTHER_RUNS);
    apps_last_session_ended(rig->apps, id);
    apps_quit(rig->apps, id);
    expect_log(rig, "command\nquit\n");
    assert_null(apps_running_name(rig->apps));
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "command\nquit\ncommand\n");
    assert_int_equal(rig->ended, 0);
}

/* --- what is owed --- */

static void an_undo_is_on_disk_before_its_command_runs(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\nconnect = grep -o SECRET-UNDO $FOLDER/state.json >> $FOLDER/log\n"
                    "connect_undo = : SECRET-UNDO\n");
    uint32_t id = apps_id(rig->apps, 0);
    apps_session_began(rig->apps, id, &client, true);
    expect_log(rig, "SECRET-UNDO\n");
    assert_int_equal(state_owed_count(rig->state), 1);
    apps_last_session_ended(rig->apps, id);
    assert_true(run_until(rig, nothing_is_owed, rig));
}

static void without_a_disk_nothing_is_done_that_must_be_undone(void **state)
{
    struct rig *rig = *state;
    char away[96];
    begin_with(rig, "[app \"Game\"]\ncommand = exec sleep 600\nconnect = " SAY(
                        "connect") "\n"
                                   "connect_undo = true\nfirst_picture = " SAY("picture") "\n");
    uint32_t id = apps_id(rig->apps, 0);
    snprintf(away, sizeof(away), "%s.away", rig->folder);
    assert_int_equal(rename(rig->folder, away), 0);
    apps_session_began(rig->apps, id, &client, true);
    expect_sentence(rig, "connect of \"Game\" did not run: the state folder cannot be written");
    assert_int_equal(rename(away, rig->folder), 0);
    assert_int_equal(counter(rig, "app_hooks_not_stored"), 1);
    assert_int_equal(state_owed_count(rig->state), 0);
    apps_first_picture(rig->apps, id); /* has no undo */
    expect_log(rig, "picture\n");
}

static void what_a_crash_left_is_undone_backwards(void **state)
{
    struct rig *rig = *state;
    struct state_owed owed = {.app = "No more", .moment = "connect", .command = SAY("first")};
    if (rig->user)
        text_copy(owed.user, sizeof(owed.user), rig->user);
    assert_true(state_owe(rig->state, &owed));
    text_copy(owed.app, sizeof(owed.app), "Game");
    text_copy(owed.command, sizeof(owed.command), SAY("$WORD"));
    memcpy(owed.environment, "WORD=second\0", 13);
    assert_true(state_owe(rig->state, &owed));
    text_copy(owed.moment, sizeof(owed.moment), "quit");
    text_copy(owed.command, sizeof(owed.command), SAY("third") "; false");
    assert_true(state_owe(rig->state, &owed));
    assert_true(state_save_now(rig->state));
    state_close(rig->state);
    rig->state = rig->saver.state = state_open(rig->folder);
    read_config(rig, "[app \"Game\"]\nconnect = " SAY("connect") "\n");
    begin(rig);
    apps_session_began(rig->apps, apps_id(rig->apps, 0), &client, true); /* waits for it */
    expect_log(rig, "third\nsecond\nfirst\nconnect\n");
    assert_int_equal(state_owed_count(rig->state), 0);
    assert_int_equal(counter(rig, "app_undos"), 3);
    assert_int_equal(counter(rig, "app_undos_failed"), 1);
    end(rig);
    loop_finish_work(rig->loop);
    state_close(rig->state);
    rig->state = state_open(rig->folder);
    assert_int_equal(state_owed_count(rig->state), 0); /* nor on disk */
}

static void the_end_of_the_host_ends_all(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\ncommand = trap '' TERM; echo $$ > $FOLDER/pid; while :; do sleep 1; done\n"
                    "connect = " SAY("connect") "\nconnect_undo = " SAY(
                        "undo") "\n"
                                "first_picture = " SAY("picture") "; sleep 600\nfirst_picture_undo = " SAY(
                                    "picture_undo") "\n");
    uint32_t id = apps_id(rig->apps, 0);
    apps_session_began(rig->apps, id, &client, true);
    apps_first_picture(rig->apps, id);
    expect_log(rig, "connect\npicture\n");
    loop_finish_work(rig->loop); /* as the host does before */
    int64_t begun_ns = clock_now_ns();
    end(rig);
    assert_true(clock_now_ns() - begun_ns < 20 * CLOCK_SECOND_NS);
    char path[128], *text = read_log(rig);
    assert_string_equal(text, "connect\npicture\npicture_undo\nundo\n");
    free(text);
    snprintf(path, sizeof(path), "%s/pid", rig->folder);
    assert_true(run_until(rig, group_is_gone, path));
    state_close(rig->state);
    rig->state = state_open(rig->folder);
    assert_int_equal(state_owed_count(rig->state), 0);
}

static void what_there_was_no_time_for_stays_owed(void **state)
{
    struct rig *rig = *state;
    begin_with(rig, "[app \"Game\"]\nconnect = true\nconnect_undo = sleep 600\nfirst_picture = " SAY(
                        "picture") "\n"
                                   "first_picture_undo = sleep 600\n");
    apps_session_began(rig->apps, apps_id(rig->apps, 0), &client, true);
    apps_first_picture(rig->apps, apps_id(rig->apps, 0));
    expect_log(rig, "picture\n");
    struct state_owed owed = {.app = "Old", .moment = "connect", .command = "sleep 600"};
    struct state_owed kept = *state_owed_at(rig->state, 0);
    state_settle(rig->state, kept.app, kept.moment);
    if (rig->user)
        text_copy(owed.user, sizeof(owed.user), rig->user);
    assert_true(state_owe(rig->state, &owed)); /* each has 2 s, all have 5 s */
    assert_true(state_owe(rig->state, &kept));
    end(rig);
    assert_in_range(state_owed_count(rig->state), 1, 2);
}

#define WITH_RIG(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        WITH_RIG(without_sections_there_is_the_desktop),
        WITH_RIG(images_are_the_apps_own_if_they_are_png),
        WITH_RIG(only_one_app_with_a_command_runs),
        WITH_RIG(commands_run_in_order),
        WITH_RIG(a_quit_waits_for_the_commands_of_the_connect),
        WITH_RIG(commands_have_their_surroundings),
        WITH_RIG(as_root_the_user_must_be_said),
        WITH_RIG(a_failing_command_of_a_moment_stops_nothing),
        WITH_RIG(a_command_of_a_moment_has_ten_seconds),
        WITH_RIG(a_command_that_fails_ends_the_app),
        WITH_RIG(a_command_that_runs_for_a_while_ends_the_app),
        WITH_RIG(an_end_while_it_is_quit_does_not_end_the_next_launch),
        WITH_RIG(a_command_that_hands_over_counts_as_running),
        WITH_RIG(an_undo_is_on_disk_before_its_command_runs),
        WITH_RIG(without_a_disk_nothing_is_done_that_must_be_undone),
        WITH_RIG(what_a_crash_left_is_undone_backwards),
        WITH_RIG(the_end_of_the_host_ends_all),
        WITH_RIG(what_there_was_no_time_for_stays_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

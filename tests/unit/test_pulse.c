/* SPDX-License-Identifier: Apache-2.0 */
/* pulse: what needs no sound server: orders of channels, notes, and servers that are not there or do not answer. What
 * needs one is in tests/e2e/test_audio_source.py. */
#include "audio/pulse.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- orders of channels --- */

static void check_order(const char *map_text, int channels, const int *expected)
{
    pa_channel_map map;
    signed char order[AUDIO_CHANNELS_MAX];
    assert_non_null(pa_channel_map_parse(&map, map_text));
    assert_int_equal(pulse_record_order(&map, order), channels);
    for (int i = 0; i < AUDIO_CHANNELS_MAX; i++)
        assert_int_equal(order[i], i < channels ? expected[i] : -1);
}

static void the_usual_layouts_come_as_they_are(void **state)
{
    (void)state;
    const int in_order[] = {0, 1, 2, 3, 4, 5, 6, 7};
    check_order("front-left,front-right", 2, in_order);
    check_order("front-left,front-right,front-center,lfe,rear-left,rear-right", 6, in_order);
    check_order("front-left,front-right,front-center,lfe,rear-left,rear-right,side-left,side-right", 8, in_order);
}

static void an_alsa_layout_is_put_in_our_order(void **state)
{
    (void)state;
    const int six[] = {0, 1, 4, 5, 2, 3}, eight[] = {0, 1, 4, 5, 2, 3, 6, 7};
    check_order("front-left,front-right,rear-left,rear-right,front-center,lfe", 6, six);
    check_order("front-left,front-right,rear-left,rear-right,front-center,lfe,side-left,side-right", 8, eight);
}

static void side_channels_of_five_point_one_are_its_back(void **state)
{
    (void)state;
    const int expected[] = {0, 1, 2, 3, 4, 5};
    check_order("front-left,front-right,front-center,lfe,side-left,side-right", 6, expected);
}

static void mono_is_heard_on_both_sides(void **state)
{
    (void)state;
    const int expected[] = {0, 0};
    check_order("mono", 2, expected);
}

static void four_channels_come_as_six_with_two_silent(void **state)
{
    (void)state;
    const int expected[] = {0, 1, -1, -1, 2, 3};
    check_order("front-left,front-right,rear-left,rear-right", 6, expected);
}

static void channels_without_names_come_by_their_number(void **state)
{
    (void)state;
    const int six[] = {0, 1, 2, 3, 4, 5}, two[] = {0, 1};
    check_order("aux0,aux1,aux2,aux3,aux4,aux5", 6, six);
    check_order("top-center,rear-center", 2, two);
}

/* --- notes --- */

static void a_note_gives_back_what_was_written(void **state)
{
    (void)state;
    char note[PULSE_NOTE_SIZE], former[PULSE_NAME_SIZE];
    assert_true(pulse_sink_note_write("alsa_output.pci-0000_00_1b.0.analog-stereo", note, sizeof(note)));
    assert_string_equal(note, "pulse default-sink alsa_output.pci-0000_00_1b.0.analog-stereo");
    assert_true(pulse_sink_note_read(note, former, sizeof(former)));
    assert_string_equal(former, "alsa_output.pci-0000_00_1b.0.analog-stereo");
}

static void notes_of_others_and_cut_ones_are_refused(void **state)
{
    (void)state;
    char former[PULSE_NAME_SIZE] = "left alone", note[8], text[600];
    assert_false(pulse_sink_note_read("", former, sizeof(former)));
    assert_false(pulse_sink_note_read("pulse default-sin", former, sizeof(former)));
    assert_false(pulse_sink_note_read("wasapi device 1", former, sizeof(former)));
    memset(text, 'x', sizeof(text));
    memcpy(text, "pulse default-sink ", 19);
    text[sizeof(text) - 1] = '\0';
    assert_false(pulse_sink_note_read(text, former, sizeof(former)));
    assert_string_equal(former, "left alone");
    assert_false(pulse_sink_note_write("one", note, sizeof(note)));
}

/* --- the cookie --- */

static void only_a_regular_cookie_of_its_owner_is_opened(void **state)
{
    (void)state;
    char home[] = "/tmp/es-pulse-XXXXXX", config[64], folder[80], cookie[96], other[96];
    const char secret[256] = {1};
    assert_non_null(mkdtemp(home));
    snprintf(config, sizeof(config), "%s/.config", home);
    snprintf(folder, sizeof(folder), "%s/pulse", config);
    snprintf(cookie, sizeof(cookie), "%s/cookie", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    assert_return_code(mkdir(config, 0700), 0);
    assert_return_code(mkdir(folder, 0700), 0);
    assert_int_equal(pulse_cookie_open(home, geteuid()), -1); /* none */

    FILE *file = fopen(cookie, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(secret, 1, 255, file), 255);
    fflush(file);
    assert_int_equal(pulse_cookie_open(home, geteuid()), -1); /* too short */
    assert_int_equal(fwrite(secret, 1, 1, file), 1);
    fclose(file);
    int opened = pulse_cookie_open(home, geteuid());
    assert_true(opened >= 0);
    close(opened);
    assert_int_equal(pulse_cookie_open(home, geteuid() + 1), -1); /* somebody else's */

    assert_return_code(rename(cookie, other), 0);
    assert_return_code(symlink(other, cookie), 0);
    assert_int_equal(pulse_cookie_open(home, geteuid()), -1);
    assert_return_code(unlink(cookie), 0);
    assert_return_code(mkfifo(cookie, 0600), 0);
    assert_int_equal(pulse_cookie_open(home, geteuid()), -1); /* and does not wait for a writer */
    unlink(cookie);
    unlink(other);
    rmdir(folder);
    rmdir(config);
    rmdir(home);
}

static void our_own_servers_and_other_addresses_need_no_cookie(void **state)
{
    (void)state;
    assert_int_equal(pulse_cookie_for_server(""), -1);
    assert_int_equal(pulse_cookie_for_server("tcp:localhost"), -1);
    assert_int_equal(pulse_cookie_for_server("unix:/nonexistent/native"), -1);
    assert_int_equal(pulse_cookie_for_server("unix:/tmp/es-no-such-folder/native"), -1);
}

/* --- servers --- */

struct told {
    struct mutex lock;
    struct cond changed;
    int times, pushes, reconnects;
    char sentence[PULSE_SENTENCE_SIZE], note[PULSE_NOTE_SIZE];
    int channels;
};

static void on_push(void *ctx, const float *samples, size_t frames, int channels, int64_t taken_ns)
{
    (void)samples;
    (void)frames;
    (void)channels;
    (void)taken_ns;
    ((struct told *)ctx)->pushes++;
}

static void on_sink(void *ctx, const struct audio_backend_sink *sink)
{
    struct told *told = ctx;
    mutex_lock(&told->lock);
    told->times++;
    told->channels = sink->channels;
    assert_string_equal(sink->name, "");
    snprintf(told->sentence, sizeof(told->sentence), "%s", sink->sentence);
    cond_broadcast(&told->changed);
    mutex_unlock(&told->lock);
}

static void on_reconnected(void *ctx)
{
    ((struct told *)ctx)->reconnects++;
}

static void on_note(void *ctx, const char *note)
{
    snprintf(((struct told *)ctx)->note, PULSE_NOTE_SIZE, "told: %s", note);
}

static const struct audio_backend_events events = {
    .push = on_push, .sink = on_sink, .reconnected = on_reconnected, .note = on_note};

static struct audio_backend *make(struct told *told, const char *server, const char *left_note)
{
    memset(told, 0, sizeof(*told));
    mutex_init(&told->lock);
    cond_init(&told->changed);
    struct audio_backend_config config = {
        .events = &events, .ctx = told, .server = server, .left_note = left_note, .may_change_default = true};
    return audio_backend_pulse.create(&config);
}

static void finish(struct told *told)
{
    cond_finish(&told->changed);
    mutex_finish(&told->lock);
}

static void without_a_server_a_sentence_is_told_and_the_note_kept(void **state)
{
    (void)state;
    struct told told;
    struct audio_backend *backend = make(&told, "unix:/nonexistent/pulse", "pulse default-sink users");
    assert_non_null(backend);
    backend->ops->open(backend, 6);
    backend->ops->silence_host(backend, true);
    mutex_lock(&told.lock);
    while (told.times == 0)
        assert_true(cond_wait_until(&told.changed, &told.lock, clock_now_ns() + 20 * CLOCK_SECOND_NS));
    assert_non_null(strstr(told.sentence, "No sound server answers"));
    assert_int_equal(told.channels, 0);
    mutex_unlock(&told.lock);
    backend->ops->note_stored(backend, true); /* an answer that nobody waits for */
    backend->ops->silence_host(backend, false);
    backend->ops->close(backend);
    backend->ops->destroy(backend);
    assert_int_equal(told.pushes, 0);
    assert_int_equal(told.reconnects, 0);
    assert_string_equal(told.note, "");
    finish(&told);
}

static void only_a_socket_of_its_owner_is_connected_to(void **state)
{
    (void)state;
    char folder[] = "/tmp/es-pulse-XXXXXX", link_path[64], through[64];
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/native", folder);
    snprintf(link_path, sizeof(link_path), "%s/link", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_return_code(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_return_code(listen(listener, 4), 0);
    assert_return_code(symlink(address.sun_path, link_path), 0);
    assert_int_equal(pulse_socket_open(folder, geteuid()), -1);
    assert_int_equal(pulse_socket_open(link_path, geteuid() + 1), -1);
    int file = pulse_socket_open(link_path, geteuid());
    assert_true(file >= 0);
    unlink(link_path); /* what is found there later does not count */
    snprintf(through, sizeof(through), "/proc/self/fd/%d", file);
    struct sockaddr_un found = {.sun_family = AF_UNIX};
    snprintf(found.sun_path, sizeof(found.sun_path), "%s", through);
    assert_return_code(connect(client, (struct sockaddr *)&found, sizeof(found)), 0);
    close(file);
    close(client);
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
    assert_true(pulse_socket_for_server("", &file) && file == -1);
    assert_true(pulse_socket_for_server("unix:/tmp/pulse/native", &file) && file == -1);
    if (geteuid() == 0)
        assert_false(pulse_socket_for_server("unix:/run/user/4000000000/pulse/native", &file));
}

/* A socket that takes connections and says nothing. */
static void a_server_that_never_answers_does_not_hold_up_the_end(void **state)
{
    (void)state;
    char folder[] = "/tmp/es-pulse-XXXXXX", server[64];
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/native", folder);
    snprintf(server, sizeof(server), "unix:%s", address.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(listener >= 0);
    assert_return_code(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_return_code(listen(listener, 4), 0);

    struct told told;
    struct audio_backend *backend = make(&told, server, NULL);
    assert_non_null(backend);
    int connection = accept(listener, NULL, NULL); /* it has come so far */
    assert_true(connection >= 0);
    backend->ops->open(backend, 2);
    backend->ops->destroy(backend);
    assert_int_equal(told.pushes, 0);
    finish(&told);
    close(connection);
    close(listener);
    unlink(address.sun_path);
    rmdir(folder);
}

static void an_address_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char server[400];
    memset(server, 'x', sizeof(server) - 1);
    server[sizeof(server) - 1] = '\0';
    struct told told;
    assert_null(make(&told, server, NULL));
    finish(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_layouts_come_as_they_are),
        cmocka_unit_test(an_alsa_layout_is_put_in_our_order),
        cmocka_unit_test(side_channels_of_five_point_one_are_its_back),
        cmocka_unit_test(mono_is_heard_on_both_sides),
        cmocka_unit_test(four_channels_come_as_six_with_two_silent),
        cmocka_unit_test(channels_without_names_come_by_their_number),
        cmocka_unit_test(a_note_gives_back_what_was_written),
        cmocka_unit_test(notes_of_others_and_cut_ones_are_refused),
        cmocka_unit_test(only_a_regular_cookie_of_its_owner_is_opened),
        cmocka_unit_test(our_own_servers_and_other_addresses_need_no_cookie),
        cmocka_unit_test(only_a_socket_of_its_owner_is_connected_to),
        cmocka_unit_test(without_a_server_a_sentence_is_told_and_the_note_kept),
        cmocka_unit_test(a_server_that_never_answers_does_not_hold_up_the_end),
        cmocka_unit_test(an_address_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The source with a sound server that the test plays itself. Timing of silence and dropping: test_audio_ring.c. */
#include "audio/source.h"

#include "audio/mix.h"
#include "audio/source_backend.h"
#include "base/clock.h"
#include "base/thread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- the sound server --- */

struct server {
    const struct audio_backend_events *events;
    void *ctx;
    char calls[512]; /* what it was asked, in order */
};
struct played {
    struct audio_backend base;
    struct server *server;
};

static struct server server; /* create() has no other way to find it */

static void called(struct audio_backend *base, const char *what)
{
    struct server *self = ((struct played *)base)->server;
    snprintf(self->calls + strlen(self->calls), sizeof(self->calls) - strlen(self->calls), "%s ", what);
}

static void played_destroy(struct audio_backend *base)
{
    called(base, "destroy");
    free(base);
}

static void played_open(struct audio_backend *base, int channels)
{
    char text[16];
    snprintf(text, sizeof(text), "open%d", channels);
    called(base, text);
}

static void played_close(struct audio_backend *base)
{
    called(base, "close");
}

static void played_silence(struct audio_backend *base, bool silence)
{
    called(base, silence ? "silence" : "restore");
}

static void played_stored(struct audio_backend *base, bool stored)
{
    called(base, stored ? "stored" : "unstored");
}

static struct audio_backend *played_create(const struct audio_backend_config *config);

static const struct audio_backend_ops played_ops = {
    .name = "played",
    .create = played_create,
    .destroy = played_destroy,
    .open = played_open,
    .close = played_close,
    .silence_host = played_silence,
    .note_stored = played_stored,
};

static struct audio_backend *played_create(const struct audio_backend_config *config)
{
    struct played *self = calloc(1, sizeof(*self));
    assert_non_null(self);
    self->base.ops = &played_ops;
    self->server = &server;
    server = (struct server){.events = config->events, .ctx = config->ctx};
    called(&self->base, config->may_change_default ? "may" : "maynot");
    if (config->left_note)
        called(&self->base, config->left_note);
    return &self->base;
}

/* --- */

struct told {
    int changes;
    char note[64];
};

static void on_changed(void *ctx)
{
    ((struct told *)ctx)->changes++;
}

static void on_note(void *ctx, const char *note)
{
    snprintf(((struct told *)ctx)->note, 64, "%s", note);
}

static struct audio_source *create(struct told *told)
{
    struct audio_source_config config = {.ops = &played_ops, .changed = on_changed, .note = on_note, .ctx = told};
    struct audio_source *self = audio_source_create(&config);
    assert_non_null(self);
    return self;
}

/* A constant per channel, c + 1 hundredths of it. */
static void push(int channels, size_t frames)
{
    float samples[480 * 8];
    assert_true(frames <= 480);
    for (size_t i = 0; i < frames * (size_t)channels; i++)
        samples[i] = (float)(i % (size_t)channels + 1) / 100;
    server.events->push(server.ctx, samples, frames, channels, clock_now_ns());
}

static void a_backend_is_opened_for_the_first_listener_and_closed_after_the_last(void **state)
{
    (void)state;
    struct told told = {0};
    struct audio_source *source = create(&told);
    struct audio_tap *a = audio_source_open_tap(source, &(struct audio_tap_config){.channels = 6});
    struct audio_tap *b =
        audio_source_open_tap(source, &(struct audio_tap_config){.channels = 2, .silence_host = true});
    struct audio_tap *c =
        audio_source_open_tap(source, &(struct audio_tap_config){.channels = 8, .silence_host = true});
    audio_tap_close(b);
    audio_tap_close(a);
    audio_tap_close(c);
    audio_tap_close(NULL);
    audio_source_note_stored(source, true);
    audio_source_note_stored(source, false);
    audio_source_destroy(source);
    assert_string_equal(server.calls, "may open6 silence restore close stored unstored destroy ");
}

static void without_a_place_for_notes_the_default_may_not_be_changed(void **state)
{
    (void)state;
    struct audio_source_config config = {.ops = &played_ops, .left_note = "left"};
    struct audio_source *source = audio_source_create(&config);
    assert_string_equal(server.calls, "maynot left ");
    server.events->note(server.ctx, "ignored");
    server.events->reconnected(server.ctx);
    audio_source_destroy(source);
}

static void every_listener_hears_the_sink_in_its_own_layout(void **state)
{
    (void)state;
    struct told told = {0};
    struct audio_source *source = create(&told);
    struct audio_tap *taps[3];
    static const int channels[3] = {2, 6, 8};
    float out[240 * 8];
    int64_t taken_ns;
    for (int t = 0; t < 3; t++)
        taps[t] = audio_source_open_tap(source, &(struct audio_tap_config){.channels = channels[t]});
    push(6, 480);
    for (int t = 0; t < 3; t++) {
        assert_int_equal(audio_tap_read(taps[t], out, 240, &taken_ns), AUDIO_TAP_OK); /* fades in */
        assert_int_equal(audio_tap_read(taps[t], out, 240, &taken_ns), AUDIO_TAP_OK);
        const float *frame = out + 100 * channels[t];
        if (channels[t] == 2) {
            assert_float_equal(frame[0], .01 + .7071 * (.03 + .05), 1e-4);
            assert_float_equal(frame[1], .02 + .7071 * (.03 + .06), 1e-4);
        } else {
            for (int c = 0; c < channels[t]; c++)
                assert_float_equal(frame[c], c < 6 ? (c + 1) / 100.0 : 0, 1e-6);
        }
    }
    push(2, 0); /* nothing, and a layout nobody knows: left alone */
    push(3, 240);
    for (int t = 0; t < 3; t++)
        audio_tap_close(taps[t]);
    audio_source_destroy(source);
}

static void mixing_keeps_levels_and_cuts_off_what_is_too_loud(void **state)
{
    (void)state;
    float from[8] = {.1f, .2f, .3f, .4f, .05f, .06f, .07f, .08f}, to[8];
    audio_mix(from, 8, to, 8, 1);
    assert_memory_equal(from, to, sizeof(from));
    audio_mix(from, 8, to, 6, 1);
    assert_float_equal(to[4], .12, 1e-6);
    assert_float_equal(to[5], .14, 1e-6);
    assert_float_equal(to[3], .4, 1e-6);
    audio_mix(from, 2, to, 8, 1);
    for (int c = 2; c < 8; c++)
        assert_true(to[c] == 0);
    float loud[6] = {1, -1, 1, 1, 1, -1};
    audio_mix(loud, 6, to, 2, 1);
    assert_true(to[0] == 1);
    assert_float_equal(to[1], -1, 1e-4);
    float broken[2] = {NAN, .5f};
    audio_mix(broken, 2, to, 2, 1);
    assert_true(to[0] == 0 && to[1] == .5f);
    float infinite[2] = {INFINITY, -INFINITY};
    audio_mix(infinite, 2, to, 2, 1);
    assert_true(to[0] == 1 && to[1] == -1);
}

static void the_status_says_what_the_server_says(void **state)
{
    (void)state;
    struct told told = {0};
    struct audio_source *source = create(&told);
    struct audio_source_status status;
    audio_source_get_status(source, &status);
    assert_string_equal(status.backend, "played");
    assert_string_equal(status.sink, "");
    server.events->sink(server.ctx, &(struct audio_backend_sink){.name = "Speakers", .channels = 6, .sentence = ""});
    server.events->reconnected(server.ctx);
    server.events->note(server.ctx, "old default");
    assert_int_equal(told.changes, 2);
    assert_string_equal(told.note, "old default");
    struct audio_tap *tap = audio_source_open_tap(source, &(struct audio_tap_config){.channels = 2});
    for (int n = 0; n < 4; n++)
        push(2, 480);
    audio_source_get_status(source, &status);
    assert_int_equal(status.dropped_frames, 960);
    audio_tap_close(tap);
    audio_source_get_status(source, &status);
    assert_string_equal(status.sink, "Speakers");
    assert_int_equal(status.channels, 6);
    assert_int_equal(status.reconnects, 1);
    assert_int_equal(status.dropped_frames, 960); /* also of a tap that is gone */
    server.events->sink(server.ctx, &(struct audio_backend_sink){.name = "", .sentence = "gone", .silenced = true});
    audio_source_get_status(source, &status);
    assert_string_equal(status.sentence, "gone");
    assert_true(status.silenced);
    audio_source_destroy(source);
}

static void names_that_are_no_text_do_not_reach_the_page(void **state)
{
    (void)state;
    struct told told = {0};
    struct audio_source *source = create(&told);
    struct audio_source_status status;
    server.events->sink(server.ctx, &(struct audio_backend_sink){.name = "K\xc3\xbc\xff", .sentence = "cut: \xc3"});
    audio_source_get_status(source, &status);
    assert_string_equal(status.sink, "K\xc3\xbc?");
    assert_string_equal(status.sentence, "cut: ?");
    audio_source_destroy(source);
}

struct reader {
    struct audio_tap *tap;
    enum audio_tap_result result;
    int periods;
};

static void read_until_woken(void *arg)
{
    struct reader *self = arg;
    float out[240 * 2];
    int64_t taken_ns;
    while ((self->result = audio_tap_read(self->tap, out, 240, &taken_ns)) == AUDIO_TAP_OK)
        self->periods++;
}

static void a_reader_is_woken_whatever_it_waits_for(void **state)
{
    (void)state;
    struct told told = {0};
    struct audio_source *source = create(&told);
    struct reader reader = {.tap = audio_source_open_tap(source, &(struct audio_tap_config){.channels = 2})};
    float out[240 * 2];
    int64_t taken_ns;
    audio_tap_wake(reader.tap); /* before it waits */
    assert_int_equal(audio_tap_read(reader.tap, out, 240, &taken_ns), AUDIO_TAP_WOKEN);
    struct thread thread = {0};
    assert_true(thread_start(&thread, "reader", read_until_woken, &reader));
    for (int n = 0; n < 20; n++)
        push(2, 240);
    audio_tap_wake(reader.tap);
    thread_join(&thread);
    assert_int_equal(reader.result, AUDIO_TAP_WOKEN);
    audio_tap_close(reader.tap);
    audio_source_destroy(source);
}

static void without_any_server_there_is_silence_and_a_sentence(void **state)
{
    (void)state;
    struct audio_source *source = audio_source_create(&(struct audio_source_config){.backend = "silence"});
    struct audio_source_status status;
    audio_source_get_status(source, &status);
    assert_string_equal(status.backend, "silence");
    assert_true(strlen(status.sentence) > 20);
    struct audio_tap *tap =
        audio_source_open_tap(source, &(struct audio_tap_config){.channels = 6, .silence_host = true});
    float out[480 * 6];
    int64_t taken_ns, began_ns = clock_now_ns();
    for (int n = 0; n < 10; n++) {
        assert_int_equal(audio_tap_read(tap, out, 480, &taken_ns), AUDIO_TAP_OK);
        for (size_t i = 0; i < 480 * 6; i++)
            assert_true(out[i] == 0);
    }
    assert_true(clock_now_ns() - began_ns >= 100 * CLOCK_MS_NS); /* never faster than the clock */
    audio_tap_close(tap);
    audio_source_destroy(source);
    assert_null(audio_source_create(&(struct audio_source_config){.backend = "gramophone"}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backend_is_opened_for_the_first_listener_and_closed_after_the_last),
        cmocka_unit_test(without_a_place_for_notes_the_default_may_not_be_changed),
        cmocka_unit_test(every_listener_hears_the_sink_in_its_own_layout),
        cmocka_unit_test(mixing_keeps_levels_and_cuts_off_what_is_too_loud),
        cmocka_unit_test(the_status_says_what_the_server_says),
        cmocka_unit_test(names_that_are_no_text_do_not_reach_the_page),
        cmocka_unit_test(a_reader_is_woken_whatever_it_waits_for),
        cmocka_unit_test(without_any_server_there_is_silence_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

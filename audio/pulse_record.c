/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse_record: one recording of the monitor of the sink that is the default.
 *
 * It is asked for in the sink's own channels and at 48 kHz, so that the server neither mixes nor (at that rate)
 * resamples; the order of channels is ours to change. The stream must not be moved by the server: when its sink goes it
 * fails, and the next step records what is the default then.
 */
#include "audio/pulse.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

#define TRY_AGAIN_NS (300 * CLOCK_MS_NS)
#define QUIET_MAX_NS (60 * CLOCK_SECOND_NS)

enum { HOLE_FRAMES_MAX = AUDIO_RATE };

/* Where the channels of a GameStream layout are found, the best place first. A 5.1 sink calls its surround channels
 * "rear" or "side". Source of the names: pulse/channelmap.h. */
static const pa_channel_position_t places[AUDIO_CHANNELS_MAX][3] = {
    {PA_CHANNEL_POSITION_FRONT_LEFT, PA_CHANNEL_POSITION_MONO, PA_CHANNEL_POSITION_AUX0},
    {PA_CHANNEL_POSITION_FRONT_RIGHT, PA_CHANNEL_POSITION_MONO, PA_CHANNEL_POSITION_AUX1},
    {PA_CHANNEL_POSITION_FRONT_CENTER, PA_CHANNEL_POSITION_AUX2, PA_CHANNEL_POSITION_AUX2},
    {PA_CHANNEL_POSITION_LFE, PA_CHANNEL_POSITION_AUX3, PA_CHANNEL_POSITION_AUX3},
    {PA_CHANNEL_POSITION_REAR_LEFT, PA_CHANNEL_POSITION_AUX4, PA_CHANNEL_POSITION_SIDE_LEFT},
    {PA_CHANNEL_POSITION_REAR_RIGHT, PA_CHANNEL_POSITION_AUX5, PA_CHANNEL_POSITION_SIDE_RIGHT},
    {PA_CHANNEL_POSITION_SIDE_LEFT, PA_CHANNEL_POSITION_AUX6, PA_CHANNEL_POSITION_FRONT_LEFT_OF_CENTER},
    {PA_CHANNEL_POSITION_SIDE_RIGHT, PA_CHANNEL_POSITION_AUX7, PA_CHANNEL_POSITION_FRONT_RIGHT_OF_CENTER},
};

static signed char find_channel(const pa_channel_map *map, pa_channel_position_t position)
{
    for (int i = 0; i < map->channels; i++)
        if (map->map[i] == position)
            return (signed char)i;
    return -1;
}

int pulse_record_order(const pa_channel_map *map, signed char ret_order[AUDIO_CHANNELS_MAX])
{
    int channels = map->channels <= 2 ? 2 : map->channels <= 6 ? 6 : 8;
    for (int i = 0; i < AUDIO_CHANNELS_MAX; i++) {
        ret_order[i] = -1;
        /* In 7.1 the side channels have a place of their own. */
        int choices = i == 4 || i == 5 ? (channels == 8 ? 2 : 3) : 3;
        for (int choice = 0; i < channels && choice < choices && ret_order[i] < 0; choice++)
            ret_order[i] = find_channel(map, places[i][choice]);
    }
    if (ret_order[0] < 0 && ret_order[1] < 0) /* no layout we know: as they come */
        for (int i = 0; i < channels; i++)
            ret_order[i] = (signed char)(i < map->channels ? i : -1);
    return channels;
}

/* `samples` NULL: a hole of that length. */
static void push(struct pulse *self, const float *samples, size_t frames, int64_t taken_ns)
{
    size_t stride = self->recorded.map.channels, channels = (size_t)self->channels;
    while (frames > 0) {
        size_t count = frames < AUDIO_PERIOD ? frames : AUDIO_PERIOD;
        for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < channels; c++) {
                int from = self->order[c];
                self->period[i * channels + c] = samples && from >= 0 ? samples[i * stride + (size_t)from] : 0.0F;
            }
        self->events->push(self->events_ctx, self->period, count, self->channels, taken_ns);
        frames -= count;
        if (samples)
            samples += count * stride;
    }
}

static void on_samples(pa_stream *stream, size_t bytes, void *ctx)
{
    (void)bytes;
    struct pulse *self = ctx;
    int64_t taken_ns = clock_now_ns();
    size_t frame_bytes = sizeof(float) * self->recorded.map.channels;
    for (;;) {
        const void *data = NULL;
        size_t size = 0;
        if (pa_stream_peek(stream, &data, &size) < 0) {
            self->stream_failed = true;
            return;
        }
        if (size == 0)
            return;
        self->heard_ns = taken_ns;
        self->quiet_pause_ns = PULSE_QUIET_MIN_NS;
        size_t frames = size / frame_bytes;
        if (!data && frames > HOLE_FRAMES_MAX)
            frames = HOLE_FRAMES_MAX;
        if (self->now.open && !atomic_load(&self->abandoned))
            push(self, data, frames, taken_ns);
        pa_stream_drop(stream);
    }
}

static void on_state(pa_stream *stream, void *ctx)
{
    struct pulse *self = ctx;
    pa_stream_state_t state = pa_stream_get_state(stream);
    if (state == PA_STREAM_FAILED || state == PA_STREAM_TERMINATED) {
        self->stream_failed = true;
    } else if (state == PA_STREAM_READY) {
        size_t frame_bytes = sizeof(float) * self->recorded.map.channels;
        log_debug("pulse: recording %s, %d channels, %u frames at a time", pa_stream_get_device_name(stream),
                  self->channels, (unsigned)(pa_stream_get_buffer_attr(stream)->fragsize / frame_bytes));
        self->is_stale = true; /* PulseAudio may have set an idle sink to our rate */
    }
}

void pulse_record_stop(struct pulse *self)
{
    if (!self->stream)
        return;
    pa_stream_set_state_callback(self->stream, NULL, NULL);
    pa_stream_set_read_callback(self->stream, NULL, NULL);
    pa_stream_disconnect(self->stream);
    pa_stream_unref(self->stream);
    self->stream = NULL;
    self->stream_failed = false;
    self->recorded = (struct pulse_sink){0};
    self->channels = 0;
}

static void start(struct pulse *self, const struct pulse_sink *sink, int64_t now_ns)
{
    pa_sample_spec format = {.format = PA_SAMPLE_FLOAT32NE, .rate = AUDIO_RATE, .channels = sink->map.channels};
    pa_buffer_attr buffer = {.maxlength = (uint32_t)-1,
                             .tlength = (uint32_t)-1,
                             .prebuf = (uint32_t)-1,
                             .minreq = (uint32_t)-1,
                             .fragsize = (uint32_t)(AUDIO_PERIOD * sizeof(float) * sink->map.channels)};
    self->stream_failed = false;
    self->stream = pa_stream_new(self->context, "what the desktop plays", &format, &sink->map);
    if (!self->stream) {
        self->stream_failed = true;
        return;
    }
    self->recorded = *sink;
    self->heard_ns = now_ns;
    self->channels = pulse_record_order(&sink->map, self->order);
    pa_stream_set_state_callback(self->stream, on_state, self);
    pa_stream_set_read_callback(self->stream, on_samples, self);
    if (pa_stream_connect_record(self->stream, sink->monitor, &buffer,
                                 PA_STREAM_ADJUST_LATENCY | PA_STREAM_DONT_MOVE | PA_STREAM_NO_REMIX_CHANNELS) < 0)
        self->stream_failed = true;
}

static bool is_same(const struct pulse_sink *a, const struct pulse_sink *b)
{
    return a->index == b->index && strcmp(a->name, b->name) == 0 && pa_channel_map_equal(&a->map, &b->map);
}

/* Also silence arrives, so one that brings nothing is broken, or its sink is suspended. pipewire-pulse 0.3.65 at times
 * leaves a new one unanswered for good when the default has just changed. */
static bool is_quiet(struct pulse *self, int64_t now_ns)
{
    int64_t until_ns = self->heard_ns + self->quiet_pause_ns;
    if (now_ns < until_ns) {
        pulse_wake_by(self, until_ns);
        return false;
    }
    self->quiet_pause_ns = self->quiet_pause_ns * 2 < QUIET_MAX_NS ? self->quiet_pause_ns * 2 : QUIET_MAX_NS;
    return true;
}

void pulse_record_step(struct pulse *self, int64_t now_ns)
{
    if (self->stream_failed) { /* its sink may be on its way out: look at what there is before the next one */
        pulse_record_stop(self);
        self->stream_failed = false;
        self->is_stale = true;
        self->stream_again_ns = now_ns + TRY_AGAIN_NS;
    }
    const struct pulse_sink *sink = &self->facts.default_sink;
    bool wanted = self->facts_known && sink->name[0] && sink->monitor[0] && pulse_wants_sound(self, now_ns);
    if (self->stream && is_quiet(self, now_ns)) {
        log_debug("pulse: recording %s brings nothing: connecting again", self->recorded.monitor);
        pulse_connect_again(self, now_ns);
        return;
    }
    /* One that is being made cannot be ended yet: libpulse would forget it, and the server go on with it. */
    if (self->stream && (!wanted || !is_same(&self->recorded, sink)) &&
        pa_stream_get_state(self->stream) != PA_STREAM_CREATING)
        pulse_record_stop(self);
    if (!wanted || self->stream)
        return;
    if (now_ns < self->stream_again_ns)
        pulse_wake_by(self, self->stream_again_ns);
    else
        start(self, sink, now_ns);
    if (self->stream_failed)
        pulse_wake_by(self, now_ns);
}

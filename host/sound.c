/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sound.h"

#include "audio/opus_encoder.h"
#include "audio/source.h"
#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "base/thread.h"
#include "protocol/audio_packet.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { READ_FRAMES_MAX = 480, PACKET_FRAMES_MAX = 960 };

struct sound {
    struct thread thread; /* "audio" */
    atomic_bool stopping;
    struct audio_tap *tap;
    struct audio_sender *sender;
    struct heartbeat heartbeat;
    struct stats encode, latency;
    atomic_uint_fast64_t encode_failures;

    int channels; /* audio thread only, from here on */
    struct audio_encoder *encoder;
    float samples[PACKET_FRAMES_MAX * AUDIO_CHANNELS_MAX];
    uint8_t packet[AUDIO_OPUS_MAX];
};

struct sdp_layout sound_layout(const char *params, int channels, bool high_quality)
{
    struct sdp_layout layout;
    if (params && sdp_layout_read(params, high_quality, &layout) && layout.channels == channels)
        return layout;
    return *sdp_layout_standard(channels, high_quality);
}

/* The samples of one packet. False: to stop. */
static bool read_packet(struct sound *self, int64_t *ret_taken_ns)
{
    size_t frames = audio_encoder_frames(self->encoder), done = 0;
    while (done < frames) {
        size_t part = frames - done < READ_FRAMES_MAX ? frames - done : READ_FRAMES_MAX;
        float *to = self->samples + done * (size_t)self->channels;
        if (audio_tap_read(self->tap, to, part, ret_taken_ns) == AUDIO_TAP_WOKEN)
            return false;
        done += part;
    }
    return true;
}

static void send_packet(struct sound *self, int64_t taken_ns)
{
    int64_t began_ns = clock_now_ns();
    heartbeat_begin(&self->heartbeat, began_ns);
    if (audio_encoder_encode(self->encoder, self->samples, self->packet)) {
        stats_add_ns(&self->encode, clock_now_ns() - began_ns);
        audio_sender_send(self->sender, self->packet, audio_encoder_size(self->encoder));
        stats_add_ns(&self->latency, clock_now_ns() - taken_ns);
    } else {
        atomic_fetch_add(&self->encode_failures, 1);
    }
    heartbeat_end(&self->heartbeat);
}

static void run(void *arg)
{
    struct sound *self = arg;
    int64_t taken_ns;
    if (!thread_set_priority(THREAD_PRIORITY_REALTIME))
        log_debug("audio: no real-time priority");
    while (!atomic_load(&self->stopping) && read_packet(self, &taken_ns))
        send_packet(self, taken_ns);
}

static bool make_parts(struct sound *self, const struct sound_config *config)
{
    struct audio_sender_config sender = config->sender;
    sender.packet_ms = config->packet_ms;
    self->channels = config->layout.channels;
    self->encoder = audio_encoder_create(&(struct audio_encoder_config){
        .layout = config->layout, .high_quality = config->high_quality, .packet_ms = config->packet_ms});
    self->sender = self->encoder ? audio_sender_create(&sender) : NULL;
    self->tap = self->sender ? audio_source_open_tap(config->source,
                                                     &(struct audio_tap_config){.channels = config->layout.channels,
                                                                                .silence_host = config->silence_host})
                             : NULL;
    return self->tap != NULL;
}

struct sound *sound_start(const struct sound_config *config)
{
    struct sound *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("sound");
    stats_init(&self->encode);
    stats_init(&self->latency);
    if (make_parts(self, config) && thread_start(&self->thread, "audio", run, self))
        return self;
    sound_destroy(self);
    return NULL;
}

void sound_stop(struct sound *self)
{
    atomic_store(&self->stopping, true);
    if (self->tap)
        audio_tap_wake(self->tap);
}

void sound_destroy(struct sound *self)
{
    if (!self)
        return;
    sound_stop(self);
    thread_join(&self->thread);
    audio_tap_close(self->tap);
    audio_sender_destroy(self->sender);
    audio_encoder_destroy(self->encoder);
    stats_finish(&self->encode);
    stats_finish(&self->latency);
    free(self);
}

void sound_set_port(struct sound *self, uint16_t port)
{
    audio_sender_set_port(self->sender, port);
}

const struct heartbeat *sound_heartbeat(const struct sound *self)
{
    return &self->heartbeat;
}

void sound_take_report(struct sound *self, struct sound_report *ret_report)
{
    *ret_report = (struct sound_report){
        .sender = audio_sender_get_counters(self->sender),
        .encode_failures = atomic_load(&self->encode_failures),
        .encode = stats_take(&self->encode),
        .latency = stats_take(&self->latency),
    };
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sound: what one session hears: a tap of the source, an Opus encoder and a sender, on one thread of their own that is
 * paced by the source. No queue: what comes too late is dropped by the tap, before it is encoded.
 */
#pragma once

#include "base/stats.h"
#include "net/audio_sender.h"
#include "protocol/sdp.h"

#include <stdbool.h>
#include <stdint.h>

struct audio_source; /* audio/source.h */
struct heartbeat;    /* base/heartbeat.h */
struct sound;

struct sound_config {
    struct audio_source *source; /* outlives the sound */
    struct sdp_layout layout;    /* sound_layout() */
    bool high_quality;
    int packet_ms;                     /* 5, 10 or 20 */
    bool silence_host;                 /* the client does not want the host itself to be heard */
    struct audio_sender_config sender; /* packet_ms is set from the above */
};

/* The layout that the client decodes: its own when it gave an acceptable one at launch, else the standard one.
 * `params`: surroundParams, may be "" or NULL. */
struct sdp_layout sound_layout(const char *params, int channels, bool high_quality);

/* On the first valid ping of the sound stream. NULL: logged; the session goes on without sound. */
struct sound *sound_start(const struct sound_config *config);
void sound_stop(struct sound *self);    /* asks the thread to end and wakes it; does not wait. Any thread */
void sound_destroy(struct sound *self); /* stops and joins, 100 ms at most; NULL is fine. Any one thread */

void sound_set_port(struct sound *self, uint16_t port); /* any thread: the peer's, after start */

/* Busy while it encodes and sends one packet; waiting for samples is not work. */
const struct heartbeat *sound_heartbeat(const struct sound *self);

struct sound_report {
    struct audio_sender_counters sender;
    uint64_t encode_failures;
    /* Since the last call: of one packet; and last sample taken from the server -> packet handed to the kernel. */
    struct stats_summary encode, latency;
};
void sound_take_report(struct sound *self, struct sound_report *ret_report); /* one caller: main */

/* SPDX-License-Identifier: Apache-2.0 */
/* report: what a session did, as one JSON object on stdout. */
#pragma once

#include "tests/client/control.h"
#include "tests/client/decode.h"
#include "tests/client/options.h"
#include "tests/client/receiver.h"
#include "tests/client/rtsp.h"
#include "tests/client/sound.h"

enum { REPORT_SECONDS_MAX = 3600 };

struct report {
    char error[256];
    bool resumed, invalidation, control_gone;
    int launch_status, cancel_status;
    double launch_ms;
    int64_t launch_ns, first_picture_ns, end_ns;
    uint64_t idr_requests, invalidations, confirmations, statuses, audio_packets, dropped_on_purpose;
    uint64_t bytes_in_second[REPORT_SECONDS_MAX]; /* UDP payload, since the first datagram */
    int64_t first_datagram_ns, last_datagram_ns;
    struct rtsp_result rtsp;
    struct control_counters control;
    struct receiver_counters video;
    struct depacketise_counters frames;
    struct decode_result decoded;
    json_t *sound; /* taken by report_print; NULL: there was none */
};

void report_datagram(struct report *self, size_t size, int64_t arrival_ns);
void report_print(const struct report *self, const struct options *options, const struct recording *recording);

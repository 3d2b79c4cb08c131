/* SPDX-License-Identifier: Apache-2.0 */
/*
 * video_sender: the send thread of one session: packetise, FEC, seal, pace, UDP.
 * Parts go in from the encode thread; the queue holds one access unit. Of one that comes in parts, what is there leaves
 * while the rest is being encoded (protocol/video_packet.h). Nothing allocates after create.
 */
#pragma once

#include "base/stats.h"
#include "encode/part.h"
#include "net/address.h"

#include <stdbool.h>
#include <stdint.h>

struct udp_socket; /* net/udp.h */
struct gso_policy; /* net/gso.h */
struct heartbeat;  /* base/heartbeat.h */
struct video_sender;

struct video_sender_config {
    struct udp_socket *socket; /* shared by the sessions; outlives the sender; a thread left behind holds a reference */
    struct gso_policy *gso;    /* shared by the sessions; outlives the sender; any thread */
    struct address destination; /* from the ping */
    struct address source;      /* local address of the control peer; family 0: the kernel's choice */
    int packet_size;            /* x-nv-video[0].packetSize */
    int fec_percent;            /* 0..255 */
    int min_parity;             /* minRequiredFecPackets */
    const uint8_t *key;         /* 16 bytes, copied: seal every packet; NULL: plain */
    bool dscp;                  /* mark as video */
    int bitrate_kbps;           /* all UDP payload, FEC included: the pacer's bucket */
    int fps_x100;
};

struct video_sender *
video_sender_create(const struct video_sender_config *config); /* starts the thread; NULL: logged */
/* Ends the thread: parts are no longer read nor taken. A thread that hangs in the kernel is left behind after 3 s, as
 * by replace. */
void video_sender_stop(struct video_sender *self);
void video_sender_destroy(struct video_sender *self); /* stops; NULL is fine */

/* Encode thread: wait until all bytes of the last access unit are copied into packets. False:
 * `until_ns` passed, or video_sender_wake() was called. */
bool video_sender_wait_free(struct video_sender *self, int64_t until_ns);
void video_sender_wake(struct video_sender *self); /* any thread */
/* Encode thread, only after wait_free: gives an access unit, or the first part of one; its bytes are read until
 * wait_free is true again. */
void video_sender_submit(struct video_sender *self, const struct au_part *part);
/* Encode thread, after a part that was not the last: the next one, its bytes behind those of the one before. Ignored
 * when the access unit was given up, or refused, meanwhile. */
void video_sender_submit_next(struct video_sender *self, const struct au_part *part);
/* Any thread: the rest of the access unit will not come, if one is still without its last part; its bytes are not read
 * any more. What had left of it is a loss for the client: ask for an IDR. */
void video_sender_give_up(struct video_sender *self);

/* Busy while it works at a part; a wait for the pacer is not work. */
const struct heartbeat *video_sender_heartbeat(const struct video_sender *self);
/*
 * One caller: the thread hangs. If that is in the kernel, it is left behind, and a new one goes on with numbers that it
 * has not used; what was left of its frame and the part that waited are lost: ask for an IDR. Counted in `replaced`.
 * When it is not in there, or for less than half a second, nothing happens. False: no new thread, or too many hang.
 */
bool video_sender_replace(struct video_sender *self);

/* Any thread: the peer's port changed (same address). */
void video_sender_set_port(struct video_sender *self, uint16_t port);

/* Who calls replace: all UDP payload from the next frame on. */
void video_sender_set_bitrate(struct video_sender *self, int bitrate_kbps);

/* Any thread: the client told of a loss (0x5502, 0x0302 after the first, 0x0301). True when this made GSO go off: ask
 * for an IDR. */
bool video_sender_report_loss(struct video_sender *self);
/* Any thread: the client told of a block or frame that arrived whole: losses are no longer "in a row". */
void video_sender_report_arrival(struct video_sender *self);

struct video_sender_counters {
    uint64_t frames, packets, parity_packets, bytes, send_errors;
    uint64_t too_large;    /* access units that did not fit 4 blocks: not sent, an IDR is needed */
    uint64_t replaced;     /* threads left behind */
    uint32_t newest_frame; /* frameIndex last sent, 0: none */
    uint32_t
        taken_frame; /* frameIndex of what was last taken from the encoder to be sent; the next part's is one more */
    bool gso;        /* in use now */
};
struct video_sender_counters video_sender_get_counters(struct video_sender *self);
/* Durations since the last call: packetise + FEC + seal; sending with pacing; and captured -> last packet handed to the
 * kernel. */
void video_sender_take_stats(struct video_sender *self, struct stats_summary *ret_packetise,
                             struct stats_summary *ret_send, struct stats_samples *ret_latency);

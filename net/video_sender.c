/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a send thread alone uses is its lane. A thread that hangs in the kernel cannot be ended, so its lane is left
 * behind and another one goes on. Only a lane that is in the kernel can be left: it learns of that under the lock when
 * it comes out, and then only frees its own things. So it reads no more bytes of an encoder and seals no more packets,
 * and the numbers of the frame it had loaded are the last it has used.
 */
#include "net/video_sender.h"

#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "net/gso.h"
#include "net/pacer.h"
#include "net/udp.h"
#include "protocol/video_packet.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES_MAX = 5,                      /* with those left behind */
    NUMBERS_GAP = VIDEO_FRAME_DATA_MAX, /* between lanes: a whole frame, for safety; far below half of 16 bits */
    KEY_BYTES = 16,
};
#define HANG_MIN_NS   (CLOCK_SECOND_NS / 2) /* who has been in the kernel for less has come back meanwhile */
#define STOP_LIMIT_NS (3 * CLOCK_SECOND_NS)

struct lane {
    struct video_sender *sender; /* a reference */
    struct thread thread;        /* "send" */
    struct udp_socket *socket;   /* a reference */
    bool in_kernel, left, over;  /* under the sender's lock */

    struct video_packetiser *packetiser; /* send thread only, down to `is_left` */
    struct pacer pacer;
    int pacer_kbps;
    struct udp_path path;
    bool is_left; /* as it has learned */
};

struct video_sender {
    struct video_sender_config config; /* destination.port: the first one; key: ours; bitrate_kbps: under the lock */
    uint8_t key[KEY_BYTES];
    int interface; /* for gso_policy */

    struct mutex lock; /* guards the next eleven */
    struct cond work;  /* a part came, or stop */
    struct cond taken; /* the part's bytes are free, or wake */
    struct cond ended; /* a lane is over */
    int references;    /* owner and lanes */
    struct lane *lane; /* NULL: stopped, or could not be replaced */
    bool pending, woken, stopping;
    struct au_part part;
    uint16_t port;
    struct gso_watch watch;
    struct video_sender_counters counters;

    struct heartbeat heartbeat; /* the lane that is not left writes; down to `latency` */
    bool epoch_set;
    int64_t epoch_ns; /* RTP time 0 */
    struct stats packetise, send, latency;
};

/* What a frame adds to the counters; gathered without the lock. */
struct tally {
    uint64_t packets, parity, bytes, errors;
    bool gso; /* more than lone packets left by GSO */
    int64_t packetise_ns;
};

static bool stopping(struct video_sender *self)
{
    mutex_lock(&self->lock);
    bool stop = self->stopping;
    mutex_unlock(&self->lock);
    return stop;
}

/* False: stop. */
static bool sleep_until(struct video_sender *self, int64_t until_ns)
{
    if (clock_now_ns() >= until_ns)
        return !stopping(self);
    heartbeat_end(&self->heartbeat);
    mutex_lock(&self->lock);
    while (!self->stopping && clock_now_ns() < until_ns)
        cond_wait_until(&self->work, &self->lock, until_ns);
    bool go_on = !self->stopping;
    mutex_unlock(&self->lock);
    return go_on;
}

static void enter_kernel(struct lane *lane)
{
    struct video_sender *self = lane->sender;
    mutex_lock(&self->lock);
    heartbeat_begin(&self->heartbeat, clock_now_ns());
    lane->in_kernel = true;
    mutex_unlock(&self->lock);
}

/* False: left behind meanwhile; all but the lane belongs to another. */
static bool leave_kernel(struct lane *lane)
{
    mutex_lock(&lane->sender->lock);
    lane->in_kernel = false;
    lane->is_left = lane->left;
    mutex_unlock(&lane->sender->lock);
    return !lane->is_left;
}

static bool send_batch(struct lane *lane, const struct video_datagrams *datagrams, int first, int count,
                       enum udp_mode mode, struct tally *tally)
{
    size_t bytes = (size_t)count * datagrams->size;
    if (!sleep_until(lane->sender, pacer_due_ns(&lane->pacer, bytes, clock_now_ns())))
        return false;
    const uint8_t *base = datagrams->base + (size_t)first * datagrams->size;
    enter_kernel(lane);
    int sent = udp_send(lane->socket, &lane->path, base, datagrams->size, count, mode);
    if (!leave_kernel(lane))
        return false;
    pacer_sent(&lane->pacer, bytes, clock_now_ns());
    tally->packets += (uint64_t)sent;
    tally->bytes += (uint64_t)sent * datagrams->size;
    tally->errors += (uint64_t)(count - sent);
    tally->gso |= mode == UDP_GSO && count > 1 && !lane->path.gso_refused;
    return true;
}

static bool gso_allowed(const struct lane *lane)
{
    return gso_policy_allowed(lane->sender->config.gso, lane->sender->interface) && !lane->path.gso_refused;
}

static bool send_block(struct lane *lane, const struct video_datagrams *datagrams, bool lone, struct tally *tally)
{
    int most = udp_batch_max(datagrams->size), at = 0;
    bool gso = gso_allowed(lane);
    while (at < datagrams->count) {
        int left = datagrams->count - at, count = left < most ? left : most;
        if (at == 0 && gso && lone)
            count = 1;
        if (!send_batch(lane, datagrams, at, count, gso ? UDP_GSO : UDP_MMSG, tally))
            return false;
        at += count;
    }
    tally->parity += (uint64_t)datagrams->parity;
    return true;
}

/* 90 kHz since the first picture. 0 means "unknown" in later frames (video packets, docs/protocol.md). */
static uint32_t rtp_time(struct video_sender *self, int64_t timestamp_ns)
{
    if (!self->epoch_set) {
        self->epoch_set = true;
        self->epoch_ns = timestamp_ns;
        return 0;
    }
    uint32_t time = (uint32_t)((timestamp_ns - self->epoch_ns) * 9 / 100000);
    return time ? time : 1;
}

static uint16_t latency_100us(int64_t captured_ns, int64_t now_ns)
{
    int64_t units = captured_ns ? (now_ns - captured_ns) / (100 * CLOCK_US_NS) : 0;
    return units < 0 ? 0 : units > UINT16_MAX ? UINT16_MAX : (uint16_t)units;
}

/* The bytes of the part are copied, or never will be: the encoder may go on. */
static void give_back(struct lane *lane, bool fits)
{
    struct video_sender *self = lane->sender;
    mutex_lock(&self->lock);
    self->counters.taken_frame = video_packetiser_frame(lane->packetiser);
    self->pending = false;
    if (!fits)
        self->counters.too_large++;
    cond_signal(&self->taken);
    mutex_unlock(&self->lock);
}

static int load(struct lane *lane, const struct au_part *part, struct tally *tally)
{
    int64_t start_ns = clock_now_ns();
    heartbeat_begin(&lane->sender->heartbeat, start_ns);
    struct video_frame_info info = {.type = (int)part->type,
                                    .latency_100us = latency_100us(part->captured_ns, start_ns),
                                    .long_term_reference = part->long_term};
    info.timestamp_90khz = rtp_time(lane->sender, part->timestamp_ns);
    int blocks = video_packetiser_load(lane->packetiser, part->data, part->size, &info);
    tally->packetise_ns += clock_now_ns() - start_ns;
    give_back(lane, blocks > 0);
    return blocks;
}

static bool begin_frame(struct lane *lane, bool idr)
{
    struct video_sender *self = lane->sender;
    mutex_lock(&self->lock);
    address_set_port(&lane->path.destination, self->port);
    bool lone = gso_watch_careful(&self->watch, clock_now_ns(), idr);
    int kbps = self->config.bitrate_kbps;
    mutex_unlock(&self->lock);
    if (kbps != lane->pacer_kbps)
        pacer_set_rate(&lane->pacer, kbps);
    lane->pacer_kbps = kbps;
    pacer_frame(&lane->pacer, idr, clock_now_ns());
    return lone;
}

static void end_frame(struct lane *lane, const struct tally *tally)
{
    struct video_sender *self = lane->sender;
    mutex_lock(&self->lock);
    self->counters.frames++;
    self->counters.packets += tally->packets;
    self->counters.parity_packets += tally->parity;
    self->counters.bytes += tally->bytes;
    self->counters.send_errors += tally->errors;
    self->counters.newest_frame = video_packetiser_frame(lane->packetiser);
    self->counters.gso = gso_allowed(lane);
    if (tally->gso)
        gso_watch_sent(&self->watch);
    mutex_unlock(&self->lock);
}

static void send_part(struct lane *lane, const struct au_part *part)
{
    struct video_sender *self = lane->sender;
    struct tally tally = {0};
    int blocks = load(lane, part, &tally);
    if (!blocks)
        return;
    bool lone = begin_frame(lane, part->type == PART_IDR), go_on = true;
    int64_t start_ns = clock_now_ns(), before_ns = tally.packetise_ns;
    for (int b = 0; b < blocks && go_on; b++) {
        struct video_datagrams datagrams;
        int64_t build_ns = clock_now_ns();
        heartbeat_begin(&self->heartbeat, build_ns);
        bool built = video_packetiser_build(lane->packetiser, b, &datagrams);
        tally.packetise_ns += clock_now_ns() - build_ns;
        if (built)
            go_on = send_block(lane, &datagrams, lone, &tally);
        else
            tally.errors++; /* the cipher failed: the client sees a loss and asks */
    }
    if (lane->is_left)
        return;
    int64_t end_ns = clock_now_ns();
    end_frame(lane, &tally);
    stats_add_ns(&self->packetise, tally.packetise_ns);
    stats_add_ns(&self->send, end_ns - start_ns - (tally.packetise_ns - before_ns));
    if (part->captured_ns)
        stats_add_ns(&self->latency, end_ns - part->captured_ns);
}

static bool next_part(struct video_sender *self, struct au_part *ret_part)
{
    heartbeat_end(&self->heartbeat);
    mutex_lock(&self->lock);
    while (!self->pending && !self->stopping)
        cond_wait(&self->work, &self->lock);
    bool go_on = !self->stopping;
    *ret_part = self->part;
    mutex_unlock(&self->lock);
    return go_on;
}

static void unref(struct video_sender *self)
{
    mutex_lock(&self->lock);
    bool last = --self->references == 0;
    mutex_unlock(&self->lock);
    if (!last)
        return;
    OPENSSL_cleanse(self->key, sizeof(self->key));
    stats_finish(&self->packetise);
    stats_finish(&self->send);
    stats_finish(&self->latency);
    cond_finish(&self->ended);
    cond_finish(&self->taken);
    cond_finish(&self->work);
    mutex_finish(&self->lock);
    free(self);
}

/* Its thread is over, or is the caller. */
static void lane_destroy(struct lane *lane)
{
    video_packetiser_destroy(lane->packetiser);
    udp_socket_destroy(lane->socket);
    unref(lane->sender);
    free(lane);
}

static void run(void *arg)
{
    struct lane *lane = arg;
    struct video_sender *self = lane->sender;
    struct au_part part;
    if (!thread_set_priority(THREAD_PRIORITY_REALTIME))
        log_info("send: no real-time priority");
    while (!lane->is_left && next_part(self, &part))
        send_part(lane, &part);
    mutex_lock(&self->lock);
    lane->over = true;
    bool left = lane->left;
    cond_signal(&self->ended);
    mutex_unlock(&self->lock);
    if (left)
        lane_destroy(lane);
}

/* One caller at a time. NULL: logged. */
static struct lane *lane_create(struct video_sender *self, uint32_t first_frame, uint64_t first_packet,
                                bool gso_refused)
{
    const struct video_sender_config *config = &self->config;
    struct lane *lane = calloc(1, sizeof(*lane));
    if (!lane)
        return log_oom("send");
    lane->socket = config->socket;
    udp_socket_ref(lane->socket);
    lane->path = (struct udp_path){.destination = config->destination,
                                   .source = config->source,
                                   .tos = config->dscp ? UDP_TOS_VIDEO : 0,
                                   .gso_refused = gso_refused};
    pacer_init(&lane->pacer, config->bitrate_kbps, config->fps_x100);
    lane->pacer_kbps = config->bitrate_kbps;
    lane->packetiser = video_packetiser_create(&(struct video_packetiser_config){.packet_size = config->packet_size,
                                                                                 .fec_percent = config->fec_percent,
                                                                                 .min_parity = config->min_parity,
                                                                                 .key = config->key,
                                                                                 .first_frame = first_frame,
                                                                                 .first_packet = first_packet});
    mutex_lock(&self->lock);
    lane->sender = self;
    self->references++;
    self->lane = lane;
    mutex_unlock(&self->lock);
    if (lane->packetiser && thread_start(&lane->thread, "send", run, lane))
        return lane;
    mutex_lock(&self->lock);
    self->lane = NULL;
    mutex_unlock(&self->lock);
    lane_destroy(lane);
    return NULL;
}

struct video_sender *video_sender_create(const struct video_sender_config *config)
{
    struct video_sender *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("send");
    self->config = *config;
    if (config->key)
        self->config.key = memcpy(self->key, config->key, sizeof(self->key));
    self->references = 1;
    self->port = address_port(&config->destination);
    self->interface = gso_policy_interface(config->gso, &config->destination, &config->source);
    self->counters.gso = gso_policy_allowed(config->gso, self->interface);
    mutex_init(&self->lock);
    cond_init(&self->work);
    cond_init(&self->taken);
    cond_init(&self->ended);
    stats_init(&self->packetise);
    stats_init(&self->send);
    stats_init(&self->latency);
    gso_watch_init(&self->watch, clock_now_ns());
    if (lane_create(self, 0, 0, false))
        return self;
    unref(self);
    return NULL;
}

/* Under the lock, while the lane is in the kernel: only its owner's thread writes what is read here, before. */
static void leave_behind(struct video_sender *self, struct lane *lane)
{
    lane->left = true;
    self->lane = NULL;
    self->counters.replaced++;
    self->counters.newest_frame = video_packetiser_frame(lane->packetiser);
    heartbeat_end(&self->heartbeat);
    thread_abandon(&lane->thread);
}

bool video_sender_replace(struct video_sender *self)
{
    mutex_lock(&self->lock);
    struct lane *lane = self->lane;
    int64_t age_ns = heartbeat_age_ns(&self->heartbeat, clock_now_ns());
    bool hangs = lane && lane->in_kernel && age_ns >= HANG_MIN_NS, many = self->references > LANES_MAX;
    uint32_t frame = 0;
    uint64_t packet = 0;
    bool gso_refused = false;
    if (hangs && !many) {
        frame = video_packetiser_frame(lane->packetiser) + 1;
        packet = video_packetiser_next_packet(lane->packetiser) + NUMBERS_GAP;
        gso_refused = !self->counters.gso;
        leave_behind(self, lane);
        self->pending = false; /* it refers to what was lost */
        cond_signal(&self->taken);
    }
    mutex_unlock(&self->lock);
    if (!hangs)
        return lane != NULL;
    return !many && lane_create(self, frame, packet, gso_refused);
}

void video_sender_stop(struct video_sender *self)
{
    int64_t until_ns = clock_now_ns() + STOP_LIMIT_NS;
    mutex_lock(&self->lock);
    self->stopping = true;
    cond_signal(&self->work);
    struct lane *lane = self->lane;
    while (lane && !lane->over && !lane->left) {
        if (cond_wait_until(&self->ended, &self->lock, until_ns))
            continue;
        if (lane->in_kernel)
            leave_behind(self, lane);
        until_ns = clock_now_ns() + CLOCK_SECOND_NS / 10;
    }
    bool left = lane && lane->left;
    self->lane = NULL;
    mutex_unlock(&self->lock);
    if (left)
        log_error("send: the thread hangs in the kernel and is left behind");
    else if (lane) {
        thread_join(&lane->thread);
        lane_destroy(lane);
    }
}

void video_sender_destroy(struct video_sender *self)
{
    if (!self)
        return;
    video_sender_stop(self);
    unref(self);
}

const struct heartbeat *video_sender_heartbeat(const struct video_sender *self)
{
    return &self->heartbeat;
}

bool video_sender_wait_free(struct video_sender *self, int64_t until_ns)
{
    mutex_lock(&self->lock);
    while (self->pending && !self->woken) {
        if (!cond_wait_until(&self->taken, &self->lock, until_ns))
            break;
    }
    bool is_free = !self->pending;
    self->woken = false;
    mutex_unlock(&self->lock);
    return is_free;
}

void video_sender_wake(struct video_sender *self)
{
    mutex_lock(&self->lock);
    self->woken = true;
    cond_signal(&self->taken);
    mutex_unlock(&self->lock);
}

void video_sender_submit(struct video_sender *self, const struct au_part *part)
{
    mutex_lock(&self->lock);
    assert(!self->pending);
    self->part = *part;
    self->pending = true;
    cond_signal(&self->work);
    mutex_unlock(&self->lock);
}

void video_sender_set_port(struct video_sender *self, uint16_t port)
{
    mutex_lock(&self->lock);
    self->port = port;
    mutex_unlock(&self->lock);
}

void video_sender_set_bitrate(struct video_sender *self, int bitrate_kbps)
{
    mutex_lock(&self->lock);
    self->config.bitrate_kbps = bitrate_kbps;
    mutex_unlock(&self->lock);
}

bool video_sender_report_loss(struct video_sender *self)
{
    mutex_lock(&self->lock);
    bool to_blame = gso_watch_loss(&self->watch, clock_now_ns()) && self->counters.gso;
    mutex_unlock(&self->lock);
    return to_blame && gso_policy_turn_off(self->config.gso, self->interface);
}

void video_sender_report_arrival(struct video_sender *self)
{
    mutex_lock(&self->lock);
    gso_watch_arrival(&self->watch);
    mutex_unlock(&self->lock);
}

struct video_sender_counters video_sender_get_counters(struct video_sender *self)
{
    mutex_lock(&self->lock);
    struct video_sender_counters counters = self->counters;
    mutex_unlock(&self->lock);
    counters.gso = counters.gso && gso_policy_allowed(self->config.gso, self->interface);
    return counters;
}

void video_sender_take_stats(struct video_sender *self, struct stats_summary *ret_packetise,
                             struct stats_summary *ret_send, struct stats_samples *ret_latency)
{
    *ret_packetise = stats_take(&self->packetise);
    *ret_send = stats_take(&self->send);
    stats_take_samples(&self->latency, ret_latency);
}

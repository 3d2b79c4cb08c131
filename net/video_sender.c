/* SPDX-License-Identifier: Apache-2.0 */
#include "net/video_sender.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/gso.h"
#include "net/pacer.h"
#include "net/udp.h"
#include "protocol/video_packet.h"

#include <assert.h>
#include <stdlib.h>

struct video_sender {
    struct udp_socket *socket;
    struct gso_policy *gso;
    int interface;        /* for gso_policy */
    struct thread thread; /* "send"; set by create, cleared by destroy */

    struct mutex lock; /* guards the next eight */
    struct cond work;  /* a part came, or stop */
    struct cond taken; /* the part's bytes are free, or wake */
    bool pending, woken, stopping;
    struct au_part part;
    uint16_t port;
    struct gso_watch watch;
    struct video_sender_counters counters;

    struct video_packetiser *packetiser; /* send thread only, down to `epoch_ns` */
    struct pacer pacer;
    struct udp_path path;
    bool epoch_set;
    int64_t epoch_ns; /* RTP time 0 */

    struct stats packetise, send, latency; /* send thread adds */
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
    mutex_lock(&self->lock);
    while (!self->stopping && clock_now_ns() < until_ns)
        cond_wait_until(&self->work, &self->lock, until_ns);
    bool go_on = !self->stopping;
    mutex_unlock(&self->lock);
    return go_on;
}

static bool send_batch(struct video_sender *self, const struct video_datagrams *datagrams, int first, int count,
                       enum udp_mode mode, struct tally *tally)
{
    size_t bytes = (size_t)count * datagrams->size;
    if (!sleep_until(self, pacer_due_ns(&self->pacer, bytes, clock_now_ns())))
        return false;
    const uint8_t *base = datagrams->base + (size_t)first * datagrams->size;
    int sent = udp_send(self->socket, &self->path, base, datagrams->size, count, mode);
    pacer_sent(&self->pacer, bytes, clock_now_ns());
    tally->packets += (uint64_t)sent;
    tally->bytes += (uint64_t)sent * datagrams->size;
    tally->errors += (uint64_t)(count - sent);
    tally->gso |= mode == UDP_GSO && count > 1 && !self->path.gso_refused;
    return true;
}

static bool send_block(struct video_sender *self, const struct video_datagrams *datagrams, bool lone,
                       struct tally *tally)
{
    int most = udp_batch_max(datagrams->size), at = 0;
    bool gso = gso_policy_allowed(self->gso, self->interface) && !self->path.gso_refused;
    while (at < datagrams->count) {
        int left = datagrams->count - at, count = left < most ? left : most;
        if (at == 0 && gso && lone)
            count = 1;
        if (!send_batch(self, datagrams, at, count, gso ? UDP_GSO : UDP_MMSG, tally))
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
static void give_back(struct video_sender *self, bool fits)
{
    mutex_lock(&self->lock);
    self->pending = false;
    if (!fits)
        self->counters.too_large++;
    cond_signal(&self->taken);
    mutex_unlock(&self->lock);
}

static int load(struct video_sender *self, const struct au_part *part, struct tally *tally)
{
    int64_t start_ns = clock_now_ns();
    struct video_frame_info info = {.type = (int)part->type,
                                    .latency_100us = latency_100us(part->captured_ns, start_ns)};
    info.timestamp_90khz = rtp_time(self, part->timestamp_ns);
    int blocks = video_packetiser_load(self->packetiser, part->data, part->size, &info);
    tally->packetise_ns += clock_now_ns() - start_ns;
    give_back(self, blocks > 0);
    return blocks;
}

static bool begin_frame(struct video_sender *self, bool idr)
{
    mutex_lock(&self->lock);
    address_set_port(&self->path.destination, self->port);
    bool lone = gso_watch_careful(&self->watch, clock_now_ns(), idr);
    mutex_unlock(&self->lock);
    pacer_frame(&self->pacer, idr);
    return lone;
}

static void end_frame(struct video_sender *self, const struct tally *tally)
{
    mutex_lock(&self->lock);
    self->counters.frames++;
    self->counters.packets += tally->packets;
    self->counters.parity_packets += tally->parity;
    self->counters.bytes += tally->bytes;
    self->counters.send_errors += tally->errors;
    self->counters.newest_frame = video_packetiser_frame(self->packetiser);
    self->counters.gso = gso_policy_allowed(self->gso, self->interface) && !self->path.gso_refused;
    if (tally->gso)
        gso_watch_sent(&self->watch);
    mutex_unlock(&self->lock);
}

static void send_part(struct video_sender *self, const struct au_part *part)
{
    struct tally tally = {0};
    int blocks = load(self, part, &tally);
    if (!blocks)
        return;
    bool lone = begin_frame(self, part->type == PART_IDR), go_on = true;
    int64_t start_ns = clock_now_ns(), before_ns = tally.packetise_ns;
    for (int b = 0; b < blocks && go_on; b++) {
        struct video_datagrams datagrams;
        int64_t build_ns = clock_now_ns();
        bool built = video_packetiser_build(self->packetiser, b, &datagrams);
        tally.packetise_ns += clock_now_ns() - build_ns;
        if (built)
            go_on = send_block(self, &datagrams, lone, &tally);
        else
            tally.errors++; /* the cipher failed: the client sees a loss and asks */
    }
    int64_t end_ns = clock_now_ns();
    end_frame(self, &tally);
    stats_add_ns(&self->packetise, tally.packetise_ns);
    stats_add_ns(&self->send, end_ns - start_ns - (tally.packetise_ns - before_ns));
    if (part->captured_ns)
        stats_add_ns(&self->latency, end_ns - part->captured_ns);
}

static bool next_part(struct video_sender *self, struct au_part *ret_part)
{
    mutex_lock(&self->lock);
    while (!self->pending && !self->stopping)
        cond_wait(&self->work, &self->lock);
    bool go_on = !self->stopping;
    *ret_part = self->part;
    mutex_unlock(&self->lock);
    return go_on;
}

static void run(void *arg)
{
    struct video_sender *self = arg;
    struct au_part part;
    if (!thread_set_priority(THREAD_PRIORITY_REALTIME))
        log_info("send: no real-time priority");
    while (next_part(self, &part))
        send_part(self, &part);
}

static void init_path(struct video_sender *self, const struct video_sender_config *config)
{
    self->path = (struct udp_path){
        .destination = config->destination, .source = config->source, .tos = config->dscp ? UDP_TOS_VIDEO : 0};
    self->port = address_port(&config->destination);
    self->interface = gso_policy_interface(config->gso, &config->destination, &config->source);
    self->counters.gso = gso_policy_allowed(config->gso, self->interface);
}

struct video_sender *video_sender_create(const struct video_sender_config *config)
{
    struct video_sender *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("send");
    self->socket = config->socket;
    self->gso = config->gso;
    mutex_init(&self->lock);
    cond_init(&self->work);
    cond_init(&self->taken);
    stats_init(&self->packetise);
    stats_init(&self->send);
    stats_init(&self->latency);
    init_path(self, config);
    pacer_init(&self->pacer, config->bitrate_kbps, config->fps_x100);
    gso_watch_init(&self->watch, clock_now_ns());
    self->packetiser = video_packetiser_create(&(struct video_packetiser_config){.packet_size = config->packet_size,
                                                                                 .fec_percent = config->fec_percent,
                                                                                 .min_parity = config->min_parity,
                                                                                 .key = config->key});
    if (!self->packetiser || !thread_start(&self->thread, "send", run, self)) {
        video_sender_destroy(self);
        return NULL;
    }
    return self;
}

void video_sender_destroy(struct video_sender *self)
{
    if (!self)
        return;
    mutex_lock(&self->lock);
    self->stopping = true;
    cond_signal(&self->work);
    cond_signal(&self->taken);
    mutex_unlock(&self->lock);
    thread_join(&self->thread);
    video_packetiser_destroy(self->packetiser);
    stats_finish(&self->packetise);
    stats_finish(&self->send);
    stats_finish(&self->latency);
    cond_finish(&self->taken);
    cond_finish(&self->work);
    mutex_finish(&self->lock);
    free(self);
}

bool video_sender_wait_free(struct video_sender *self, int64_t until_ns)
{
    mutex_lock(&self->lock);
    while (self->pending && !self->woken && !self->stopping) {
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

bool video_sender_report_loss(struct video_sender *self)
{
    mutex_lock(&self->lock);
    bool to_blame = gso_watch_loss(&self->watch, clock_now_ns()) && self->counters.gso;
    mutex_unlock(&self->lock);
    return to_blame && gso_policy_turn_off(self->gso, self->interface);
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
    counters.gso = counters.gso && gso_policy_allowed(self->gso, self->interface);
    return counters;
}

void video_sender_take_stats(struct video_sender *self, struct stats_summary *ret_packetise,
                             struct stats_summary *ret_send, struct stats_summary *ret_latency)
{
    *ret_packetise = stats_take(&self->packetise);
    *ret_send = stats_take(&self->send);
    *ret_latency = stats_take(&self->latency);
}

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
#define WHOLE_NS                                                                                                       \
    (60 * CLOCK_SECOND_NS) /* after a loss: no parts, as one large block stands more losses than small ones */

/* What a frame adds to the counters; gathered without the lock. */
struct tally {
    uint64_t packets, parity, bytes, errors;
    bool gso; /* more than lone packets left by GSO */
    int64_t packetise_ns, send_ns;
};

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

    /* of the access unit under way */
    struct au_part first; /* as its first part said */
    uint64_t unit;        /* its number, see video_sender */
    size_t loaded;        /* bytes of it in packets */
    int parts, blocks;    /* loaded, and to be built of them; blocks -1: it does not fit */
    bool complete;        /* nothing of it is to be loaded any more */
    bool whole;           /* it is not to leave in parts */
    uint32_t timestamp_90khz;
    int64_t cut_ns;    /* when its first block was there; 0: not yet */
    int64_t spread_ns; /* of the last one that left in parts: from then until its last part was there */
    struct tally tally;
};

struct video_sender {
    struct video_sender_config config; /* destination.port: the first one; key: ours; bitrate_kbps: under the lock */
    uint8_t key[KEY_BYTES];
    int interface; /* for gso_policy */

    struct mutex lock; /* guards the next fourteen */
    struct cond work;  /* a part came, or the unit was given up, or stop */
    struct cond taken; /* the unit's bytes are free, or wake */
    struct cond ended; /* a lane is over */
    int references;    /* owner and lanes */
    struct lane *lane; /* NULL: stopped, or could not be replaced */
    bool pending, woken, stopping;
    bool reading;        /* a lane copies bytes of the unit */
    struct au_part part; /* the access unit as far as it has come */
    uint64_t unit;       /* counts the access units */
    uint16_t port;
    int64_t whole_until_ns; /* no parts until then */
    struct gso_watch watch;
    struct video_sender_counters counters;

    struct heartbeat heartbeat; /* the lane that is not left writes; down to `latency` */
    bool epoch_set;
    int64_t epoch_ns; /* RTP time 0 */
    struct stats packetise, send, latency;
};

static bool stopping(struct video_sender *self)
{
    mutex_lock(&self->lock);
    bool stop = self->stopping;
    mutex_unlock(&self->lock);
    return stop;
}

/* Under the lock: a part of the access unit under way has come and is not loaded. */
static bool has_news(const struct lane *lane)
{
    const struct video_sender *self = lane->sender;
    return self->pending && !lane->complete && self->unit == lane->unit && self->part.part >= lane->parts &&
           (self->part.last || !lane->whole);
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

/* The header leaves with the first part and tells when the last one will be there: as long after it as last time. */
static struct video_frame_info describe(const struct lane *lane, bool last, int64_t now_ns)
{
    const struct au_part *first = &lane->first;
    return (struct video_frame_info){.type = (int)first->type,
                                     .latency_100us =
                                         latency_100us(first->captured_ns, last ? now_ns : now_ns + lane->spread_ns),
                                     .timestamp_90khz = lane->timestamp_90khz,
                                     .long_term_reference = first->long_term};
}

static void note_spread(struct lane *lane, int64_t now_ns)
{
    if (lane->blocks > 0 && !lane->cut_ns)
        lane->cut_ns = now_ns;
    else if (lane->blocks > 0 && lane->complete)
        lane->spread_ns = now_ns - lane->cut_ns;
}

/* What has come of the access unit under way becomes packets. */
static void load(struct lane *lane)
{
    struct video_sender *self = lane->sender;
    int64_t start_ns = clock_now_ns();
    heartbeat_begin(&self->heartbeat, start_ns);
    mutex_lock(&self->lock);
    bool news = self->reading = has_news(lane);
    struct au_part part = self->part;
    mutex_unlock(&self->lock);
    if (!news)
        return;
    struct video_frame_info info = describe(lane, part.last, start_ns);
    lane->blocks = video_packetiser_load(lane->packetiser, part.data + lane->loaded, part.size - lane->loaded,
                                         part.part, part.parts, &info);
    lane->loaded = part.size;
    lane->parts = part.part + 1;
    lane->complete = part.last || lane->blocks < 0;
    note_spread(lane, start_ns);
    lane->tally.packetise_ns += clock_now_ns() - start_ns;
    mutex_lock(&self->lock);
    self->reading = false;
    self->counters.taken_frame = video_packetiser_frame(lane->packetiser);
    self->counters.too_large += lane->blocks < 0;
    if (lane->complete)
        self->pending = false;
    cond_broadcast(&self->taken); /* give_up may wait beside wait_free */
    mutex_unlock(&self->lock);
}

/* Loads what comes meanwhile: the encoder is not to wait for the pacer. False: stop. */
static bool sleep_until(struct lane *lane, int64_t until_ns)
{
    struct video_sender *self = lane->sender;
    if (clock_now_ns() >= until_ns)
        return !stopping(self);
    heartbeat_end(&self->heartbeat);
    mutex_lock(&self->lock);
    while (!self->stopping && clock_now_ns() < until_ns) {
        if (has_news(lane)) {
            mutex_unlock(&self->lock);
            load(lane);
            heartbeat_end(&self->heartbeat);
            mutex_lock(&self->lock);
        } else {
            cond_wait_until(&self->work, &self->lock, until_ns);
        }
    }
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
                       enum udp_mode mode)
{
    struct tally *tally = &lane->tally;
    size_t bytes = (size_t)count * datagrams->size;
    if (!sleep_until(lane, pacer_due_ns(&lane->pacer, bytes, clock_now_ns())))
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

static bool send_block(struct lane *lane, const struct video_datagrams *datagrams, bool lone)
{
    int most = udp_batch_max(datagrams->size), at = 0;
    bool gso = gso_allowed(lane);
    while (at < datagrams->count) {
        int left = datagrams->count - at, count = left < most ? left : most;
        if (at == 0 && gso && lone)
            count = 1;
        if (!send_batch(lane, datagrams, at, count, gso ? UDP_GSO : UDP_MMSG))
            return false;
        at += count;
    }
    lane->tally.parity += (uint64_t)datagrams->parity;
    return true;
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

static void end_frame(struct lane *lane)
{
    struct video_sender *self = lane->sender;
    const struct tally *tally = &lane->tally;
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

/* An access unit has begun to come; false: stop. */
static bool next_unit(struct lane *lane)
{
    struct video_sender *self = lane->sender;
    heartbeat_end(&self->heartbeat);
    mutex_lock(&self->lock);
    while (!self->pending && !self->stopping)
        cond_wait(&self->work, &self->lock);
    bool go_on = !self->stopping;
    lane->first = self->part;
    lane->unit = self->unit;
    lane->whole = clock_now_ns() < self->whole_until_ns;
    mutex_unlock(&self->lock);
    return go_on;
}

static void begin_unit(struct lane *lane)
{
    lane->loaded = 0;
    lane->parts = lane->blocks = 0;
    lane->complete = false;
    lane->cut_ns = 0;
    lane->tally = (struct tally){0};
    lane->timestamp_90khz = rtp_time(lane->sender, lane->first.timestamp_ns);
    video_packetiser_begin(lane->packetiser);
}

/* False: it will not come, or stop. */
static bool await_part(struct lane *lane)
{
    struct video_sender *self = lane->sender;
    heartbeat_end(&self->heartbeat);
    mutex_lock(&self->lock);
    while (!self->stopping && self->pending && self->unit == lane->unit && !has_news(lane))
        cond_wait(&self->work, &self->lock);
    bool go_on = !self->stopping && has_news(lane);
    mutex_unlock(&self->lock);
    return go_on;
}

/* False: stop, or left behind. */
static bool send_loaded(struct lane *lane, int block, bool lone)
{
    struct video_sender *self = lane->sender;
    struct video_datagrams datagrams;
    int64_t start_ns = clock_now_ns();
    heartbeat_begin(&self->heartbeat, start_ns);
    bool built = video_packetiser_build(lane->packetiser, block, &datagrams);
    int64_t built_ns = clock_now_ns();
    lane->tally.packetise_ns += built_ns - start_ns;
    if (!built) {
        lane->tally.errors++; /* the cipher failed: the client sees a loss and asks */
        return true;
    }
    int64_t loading_ns = lane->tally.packetise_ns;
    if (!send_block(lane, &datagrams, lone))
        return false;
    lane->tally.send_ns += clock_now_ns() - built_ns - (lane->tally.packetise_ns - loading_ns);
    return true;
}

static void note_times(struct lane *lane)
{
    struct video_sender *self = lane->sender;
    stats_add_ns(&self->packetise, lane->tally.packetise_ns);
    stats_add_ns(&self->send, lane->tally.send_ns);
    if (lane->first.captured_ns)
        stats_add_ns(&self->latency, clock_now_ns() - lane->first.captured_ns);
}

static void send_unit(struct lane *lane)
{
    bool lone = false, go_on = true;
    int sent = 0;
    begin_unit(lane);
    do {
        load(lane);
        for (; go_on && sent < lane->blocks; sent++) {
            if (sent == 0)
                lone = begin_frame(lane, lane->first.type == PART_IDR);
            go_on = send_loaded(lane, sent, lone);
        }
    } while (go_on && !lane->complete && await_part(lane));
    if (lane->is_left || !sent)
        return;
    end_frame(lane);
    note_times(lane);
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
    if (!thread_set_priority(THREAD_PRIORITY_REALTIME))
        log_info("send: no real-time priority");
    while (!lane->is_left && next_unit(lane))
        send_unit(lane);
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
    self->unit++;
    cond_signal(&self->work);
    mutex_unlock(&self->lock);
}

void video_sender_submit_next(struct video_sender *self, const struct au_part *part)
{
    mutex_lock(&self->lock);
    assert(!self->part.last && part->data == self->part.data + self->part.size);
    self->part.size += part->size;
    self->part.part = part->part;
    self->part.last = part->last;
    cond_signal(&self->work);
    mutex_unlock(&self->lock);
}

void video_sender_give_up(struct video_sender *self)
{
    mutex_lock(&self->lock);
    if (self->pending && !self->part.last) {
        self->pending = false;
        while (self->reading)
            cond_wait(&self->taken, &self->lock);
        cond_signal(&self->work);
    }
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
    self->whole_until_ns = clock_now_ns() + WHOLE_NS;
    bool to_blame = gso_watch_loss(&self->watch, clock_now_ns()) && self->counters.gso;
    mutex_unlock(&self->lock);
    return to_blame && gso_policy_turn_off(self->config.gso, self->interface);
}

void video_sender_report_arrival(struct video_sender *self)
{
    mutex_lock(&self->lock);
    self->whole_until_ns = clock_now_ns() + WHOLE_NS; /* packets were lost, too */
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

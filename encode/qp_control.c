/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/qp_control.h"

enum {
    BUCKET_SHARES = 4,      /* as net/pacer.h */
    IDR_PER_SECOND = 10,    /* an IDR: 1/10 s of the rate */
    EXEMPT_NS = 1050000000, /* between IDRs that the pacer does not count; it waits for 1 s, from their end */
    REPAY_NS = 125000000,   /* half of what is missing is repaid in this time */
    INTERVALS_MOST = 16,    /* pictures come seldom when a packet alone takes the rate */
    FORGET_NS = 250000000,  /* after such a pause what moves may be something else */
    FALL_NS = 45000000,     /* between falls while something changes */
    FALL_MIN = 2,
    RETRY_STEP = 2, /* at least, of an IDR that was too large; then 8, then 32 */
    REPEATS_AS_THEY_ARE = 2,
    COARSE_QP = 34,
    BUSY_BITS = 330, /* least of a macroblock without prediction, at QP 26, where many small differences are dear */
    REFINE_MOST = 4, /* QPs at a time: bits grow faster than foretold where the picture is smooth */
};
#define IDR_MARGIN 0.85
#define RAW_SHARE  0.3  /* of a frame's share of the rate, at most, without a quantiser */
#define AIM        0.94 /* of the rate: close to it the pacer makes pictures wait */

/* Bits per unit of activity without prediction from other pictures, at QP 2, 8, 14 ...: between those of small text
 * (0.92 at 14, 0.46 at 32) and of noise (3.1, 0.55), as libx264 took them. */
static const double bits_table[] = {3.4, 2.4, 1.7, 1.16, 0.74, 0.50, 0.30, 0.16, 0.09, 0.06};
enum { TABLE_FIRST_QP = 2, TABLE_STEP = 6 };

static double bits_at(int qp)
{
    int at = (qp - TABLE_FIRST_QP) / TABLE_STEP;
    double part = (double)((qp - TABLE_FIRST_QP) % TABLE_STEP) / TABLE_STEP;
    return bits_table[at] * (1 - part) + bits_table[at + 1] * part;
}

/* 2^(-(qp - 26) / 6) */
static double scale_at(int qp)
{
    static const double sixths[] = {1, 0.890899, 0.793701, 0.707107, 0.629961, 0.561231};
    return sixths[qp % 6] * 16 / (double)(1 << qp / 6) * 1.259921;
}

static double clamp(double value, double min, double max)
{
    return value < min ? min : value > max ? max : value;
}

static double kbps_of(const struct qp_control_config *config)
{
    return config->wire.kbps ? config->wire.kbps : config->bitrate_kbps;
}

/* Bits on the wire of an access unit. */
static double cost_of(const struct qp_control *self, double bits)
{
    const struct encoder_wire *wire = &self->config.wire;
    if (!wire->kbps)
        return bits;
    int data = (int)(bits / 8 / wire->payload_bytes) + 1, parity = (data * wire->fec_percent + 99) / 100;
    if (wire->fec_percent && parity < wire->min_parity)
        parity = wire->min_parity;
    return 8.0 * (data + parity) * wire->packet_bytes;
}

void qp_control_init(struct qp_control *self, const struct qp_control_config *config)
{
    *self = (struct qp_control){
        .config = *config,
        .rate = kbps_of(config) * 1e-6 * AIM,
        .interval_ns = 1e11 / config->fps_x100,
        .qp = QP_CONTROL_MAX,
        .refine_factor = 1.2,
        .sudden_factor = 1,
        .idr_factor = 1,
    };
    self->tokens = BUCKET_SHARES * self->interval_ns * self->rate;
}

void qp_control_set_rate(struct qp_control *self, int bitrate_kbps, int wire_kbps)
{
    self->config.bitrate_kbps = bitrate_kbps;
    self->config.wire.kbps = wire_kbps;
    self->rate = kbps_of(&self->config) * 1e-6 * AIM;
}

static double capacity_of(const struct qp_control *self)
{
    return BUCKET_SHARES * 1e11 / self->config.fps_x100 * self->rate;
}

/* The tokens at `now_ns`. */
static double tokens_at(const struct qp_control *self, int64_t now_ns)
{
    double tokens = self->tokens + (self->last_ns ? (double)(now_ns - self->last_ns) * self->rate : 0);
    return tokens < capacity_of(self) ? tokens : capacity_of(self);
}

static void pass_time(struct qp_control *self, int64_t now_ns)
{
    double frame_ns = 1e11 / self->config.fps_x100, passed_ns = (double)(now_ns - self->last_ns);
    if (self->last_ns)
        self->interval_ns += (clamp(passed_ns, frame_ns, INTERVALS_MOST * frame_ns) - self->interval_ns) / 8;
    self->tokens = tokens_at(self, now_ns);
    self->last_ns = now_ns;
}

static bool is_full(const struct qp_control *self)
{
    return self->tokens >= 0.95 * capacity_of(self);
}

static int kind_of(const struct qp_control *self, int changed)
{
    return changed * 2 >= self->config.macroblocks ? 2 : changed * 32 >= self->config.macroblocks ? 1 : 0;
}

static double share_of(const struct qp_control *self)
{
    return self->interval_ns * self->rate;
}

/* How many bits the change may take. */
static double allowance(const struct qp_control *self, const struct mb_map_change *change)
{
    double share = share_of(self), bits;
    if (self->idr) {
        double most = kbps_of(&self->config) * 1000.0 / IDR_PER_SECOND * IDR_MARGIN;
        return self->exempt ? most : clamp(self->tokens, share, most);
    }
    if (change->sudden * 4 < change->activity) {
        bits = share + (self->tokens - BUCKET_SHARES / 2 * share) * self->interval_ns / REPAY_NS;
        return clamp(bits, share / 4, self->tokens > share ? self->tokens : share);
    }
    bits = self->rests > REPEATS_AS_THEY_ARE ? self->tokens + share : self->tokens - share;
    return bits > share / 2 ? bits : share / 2;
}

/* What the change would take, and what coding the rest better. */
static void foretell(struct qp_control *self, const struct mb_map *map, const struct mb_map_change *change, int qp)
{
    double bits = bits_at(qp), known = self->moving_bits[self->kind];
    self->moving = known > 0 ? known * scale_at(qp) * change->moving : 0;
    int64_t sudden = known > 0 && !self->idr ? change->sudden : change->activity;
    double least = BUSY_BITS * scale_at(qp) * change->busy, fresh = bits * (double)sudden;
    self->sudden = self->idr ? self->idr_factor * (fresh > least ? fresh : least) : self->sudden_factor * fresh;
    self->refined = 0;
    for (int worse = qp + 1; qp < self->qp && worse < MB_MAP_QPS; worse++)
        self->refined += self->refine_factor * (bits - bits_at(worse)) * (double)map->by_qp[worse];
    self->fixed = self->config.macroblocks * 0.15;
}

static int highest(const struct qp_control *self, const struct mb_map_change *change)
{
    return !self->idr && change->moving * 2 > change->count ? QP_CONTROL_MOVING_MAX : QP_CONTROL_MAX;
}

/* The lowest QP whose picture fits. */
static int find(struct qp_control *self, const struct mb_map *map, const struct mb_map_change *change, int from)
{
    double allowed = allowance(self, change), most = self->config.burst_kbit * 1000.0 * IDR_MARGIN;
    double left = self->tokens - share_of(self), all = left > allowed ? left : allowed, least = cost_of(self, 1);
    allowed = allowed > least ? allowed : least; /* to be smaller than a packet gains nothing */
    all = all > least ? all : least;
    int end = highest(self, change);
    for (int qp = from; qp < end; qp++) {
        foretell(self, map, change, qp);
        double changed = self->moving + self->sudden + self->fixed;
        bool fits = cost_of(self, changed) <= allowed && cost_of(self, changed + self->refined) <= all;
        if (fits && (most <= 0 || changed + self->refined <= most))
            return qp;
    }
    return end;
}

/*
 * The QP of a repeat: never higher, and with a full bucket always lower, whatever is foretold. The first ones may only
 * be the gap between two pictures of something slow. One that takes far more than foretold would make the next change
 * wait, so it is made in small steps.
 */
static int refine(const struct qp_control *self, int needed)
{
    if (self->rests <= REPEATS_AS_THEY_ARE && self->qp <= COARSE_QP)
        return self->qp;
    int most = is_full(self) && self->qp > QP_CONTROL_MIN ? self->qp - 1 : self->qp;
    int least = self->qp > COARSE_QP ? 0 : self->qp - REFINE_MOST;
    return needed < least ? least : needed < most ? needed : most;
}

/* One step down although it is more than there is: otherwise a low rate would never get there. */
static bool can_step(struct qp_control *self, const struct mb_map *map, const struct mb_map_change *change)
{
    if (!is_full(self) || self->qp <= QP_CONTROL_MIN)
        return false;
    foretell(self, map, change, self->qp - 1);
    return cost_of(self, self->moving + self->sudden + self->refined) <= self->tokens + 2 * share_of(self);
}

/* The QP of a picture in which something changes, when `needed` would fit. */
static int hold(struct qp_control *self, const struct mb_map *map, const struct mb_map_change *change, int needed,
                int64_t now_ns)
{
    if (needed == self->qp + 1 && self->tokens > 1.5 * share_of(self))
        return self->qp;
    if (needed > self->qp)
        return needed;
    if (self->kind == QP_CONTROL_KINDS - 1)
        return needed < self->qp ? self->qp - 1 : self->qp;
    if (now_ns - self->fell_ns < FALL_NS)
        return self->qp;
    if (self->qp - needed < FALL_MIN) {
        if (!can_step(self, map, change))
            return self->qp;
        needed = self->qp - 1;
    }
    self->fell_ns = now_ns;
    return needed;
}

/* One IDR a second is not counted. */
static void exempt(struct qp_control *self, int64_t now_ns)
{
    self->exempt = !self->exempt_ns || now_ns - self->exempt_ns >= EXEMPT_NS;
    if (self->exempt)
        self->exempt_ns = now_ns;
}

int qp_control_choose(struct qp_control *self, const struct mb_map *map, const struct mb_map_change *change, bool idr,
                      int64_t now_ns)
{
    pass_time(self, now_ns);
    self->idr = idr;
    if (idr && !self->tries)
        exempt(self, now_ns);
    self->kind = kind_of(self, change->count);
    self->rests = change->count ? 0 : self->rests + 1;
    if (change->count) {
        if (!change->moving || now_ns - self->moved_ns[self->kind] > FORGET_NS)
            self->moving_bits[self->kind] = 0;
        self->moved_ns[self->kind] = now_ns;
    }
    int from = idr && self->tries ? self->qp + (RETRY_STEP << 2 * (self->tries - 1)) : QP_CONTROL_MIN;
    int qp = find(self, map, change, from);
    if (!idr)
        qp = change->count ? hold(self, map, change, qp, now_ns) : refine(self, qp);
    qp = qp < highest(self, change) ? qp : highest(self, change);
    foretell(self, map, change, qp);
    self->qp = qp;
    return qp;
}

static void learn(double *factor, double foretold, double taken, double weight)
{
    if (foretold >= 1)
        *factor = clamp(*factor * (1 - weight + weight * clamp(taken / foretold, 0.1, 10)), 0.05, 4);
}

static void learn_moving(struct qp_control *self, double taken, int count)
{
    double *bits = &self->moving_bits[self->kind], now = taken / count / scale_at(self->qp);
    *bits = now < *bits ? (*bits + now) / 2 : now; /* what is harder than foretold is believed at once */
}

bool qp_control_coded(struct qp_control *self, const struct mb_map_change *change, int64_t bits)
{
    double limit = kbps_of(&self->config) * 1000.0 / IDR_PER_SECOND, burst = self->config.burst_kbit * 1000.0;
    double total = self->moving + self->sudden + self->refined, taken = (double)bits;
    double rest = clamp(taken - self->fixed, 1, taken);
    double cost = cost_of(self, taken);
    if (self->idr)
        learn(&self->idr_factor, total, rest, 1);
    else if (self->refined > 0.7 * total)
        learn(&self->refine_factor, total, rest, 0.5);
    else if (self->refined < 0.3 * total && change->moving * 2 > change->count)
        learn_moving(self, rest, change->count);
    else if (self->sudden > 0.7 * total)
        learn(&self->sudden_factor, total, rest, 0.1);
    bool too_large = cost > limit || (burst > 0 && taken > burst);
    bool again = self->idr && too_large && self->qp < QP_CONTROL_MAX;
    if (!again)
        self->tokens -= self->idr && self->exempt ? clamp(cost - limit, 0, cost) : cost;
    self->tries = again ? self->tries + 1 : 0;
    return again;
}

bool qp_control_admits(const struct qp_control *self, int64_t bits, int64_t now_ns)
{
    double cost = cost_of(self, (double)bits), burst = self->config.burst_kbit * 1000.0;
    double share = capacity_of(self) / BUCKET_SHARES; /* of a frame, however seldom they come */
    if (cost <= cost_of(self, 1))
        return true;
    return cost <= share * RAW_SHARE && tokens_at(self, now_ns) - cost >= share &&
           (burst <= 0 || (double)bits <= burst);
}

void qp_control_coded_raw(struct qp_control *self, const struct mb_map_change *change, int64_t bits, int64_t now_ns)
{
    pass_time(self, now_ns);
    self->tokens -= cost_of(self, (double)bits);
    self->rests = change->count ? 0 : self->rests + 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/quality/contest.h"

#include "base/clock.h"
#include "tests/quality/metrics.h"

#include <math.h>

const char *contest_name(enum contestant who)
{
    return who == CONTEST_OURS ? "ours" : "superfast";
}

static double bits_per_ns(const struct contest_config *config)
{
    return config->bitrate_kbps / 1e6;
}

static double bucket_bits(const struct contest_config *config)
{
    return config->bitrate_kbps * 1000.0 * CONTEST_BUCKET_SHARES / config->fps;
}

bool contest_init(struct contest *self, const struct contest_config *config)
{
    struct encoder_config ours = {.codec = ENCODER_H264,
                                  .layout = config->layout,
                                  .fps_x100 = config->fps * 100,
                                  .bitrate_kbps = config->bitrate_kbps,
                                  .slices = 1,
                                  .max_reference_frames = 1,
                                  .threads = config->threads};
    struct reference_config reference = {.layout = config->layout,
                                         .fps = config->fps,
                                         .bitrate_kbps = config->bitrate_kbps,
                                         .slices = config->threads, /* ours makes a slice per thread */
                                         .vbv_percent = config->vbv_percent};
    *self = (struct contest){.config = *config};
    for (int i = 0; i < CONTESTANTS; i++) {
        self->tallies[i].psnr_y_min = METRICS_PSNR_MAX;
        self->links[i].tokens = bucket_bits(config);
    }
    return (self->ours = encoder_create("x264", &ours)) && (self->reference = reference_create(&reference)) &&
           (self->judges[0] = judge_create()) && (self->judges[1] = judge_create());
}

void contest_finish(struct contest *self)
{
    encoder_destroy(self->ours);
    reference_destroy(self->reference);
    for (int i = 0; i < CONTESTANTS; i++)
        judge_destroy(self->judges[i]);
}

static bool encode(struct contest *self, enum contestant who, const struct frame *frame, struct au_part *ret_part)
{
    *ret_part = (struct au_part){.parts = 1, .last = true};
    if (who == CONTEST_OURS)
        return encoder_encode(self->ours, frame, &frame->damage, frame->captured_ns, false, ret_part) == ENCODE_OK;
    return reference_encode(self->reference, frame, ret_part);
}

/* False: it is not over when the next picture is due. */
static bool send(struct contest *self, enum contestant who, int64_t bytes, int64_t now_ns)
{
    struct contest_link *link = &self->links[who];
    double rate = bits_per_ns(&self->config), filled = link->tokens + (double)(now_ns - link->last_ns) * rate;
    link->tokens = fmin(filled, bucket_bits(&self->config)) - (double)bytes * 8;
    link->last_ns = now_ns;
    link->arrived_ns = now_ns + (int64_t)(fmax(0, -link->tokens) / rate);
    return link->arrived_ns <= now_ns + CLOCK_SECOND_NS / self->config.fps;
}

static void count(struct contest_tally *self, int64_t bytes, bool in_time)
{
    self->late += !in_time;
    self->pictures++;
    self->counted_bytes += bytes;
    if (bytes > self->largest_bytes)
        self->largest_bytes = bytes;
}

static void add(struct contest_tally *self, const struct judge_score *score)
{
    self->scored++;
    self->sum.psnr_y += score->psnr_y;
    self->sum.psnr_c += score->psnr_c;
    self->sum.psnr_y_area += score->psnr_y_area;
    self->sum.ssim += score->ssim;
    self->sum.qp += score->qp;
    if (score->psnr_y < self->psnr_y_min)
        self->psnr_y_min = score->psnr_y;
}

bool contest_show(struct contest *self, const struct frame *frame, struct rect area, enum contest_look look,
                  struct judge_score ret_scores[CONTESTANTS])
{
    for (int i = 0; i < CONTESTANTS; i++) {
        struct contest_tally *tally = &self->tallies[i];
        struct judge_score score;
        struct au_part part;
        if (!encode(self, (enum contestant)i, frame, &part) ||
            !judge_see(self->judges[i], &part, frame, area, look == CONTEST_SCORE ? &score : NULL))
            return false;
        if (i == CONTEST_OURS)
            self->refining = part.refining;
        bool in_time = send(self, (enum contestant)i, (int64_t)part.size, frame->captured_ns);
        tally->bytes += (int64_t)part.size;
        if (look != CONTEST_PASS)
            count(tally, (int64_t)part.size, in_time);
        if (look != CONTEST_SCORE)
            continue;
        add(tally, &score);
        if (ret_scores)
            ret_scores[i] = score;
    }
    return true;
}

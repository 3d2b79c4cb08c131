/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/x264_bands.h"

#include "base/log.h"
#include "encode/h264_sps.h"

#include <stdlib.h>
#include <string.h>

enum { SKIPPED_BYTES = 2048 /* of a band of skipped macroblocks, more than enough up to 8192 of them */ };

struct x264_bands_undo {
    int64_t pts, base; /* of the picture that changed it, and of libx264's that was changed; pts 0: nothing to undo */
    int column, row;
    uint8_t samples[H264_PATCH_MB_BYTES];
};

static void add_header(struct x264_bands *self, const uint8_t *bytes, size_t size)
{
    memcpy(self->unit + self->headers, bytes, size);
    self->headers += size;
}

/* Where pictures may be missing, with wide frame numbers. `sps`: with its start code. */
static void add_sps(struct x264_bands *self, const uint8_t *sps, size_t size)
{
    enum { START_CODE = 4 };
    uint8_t wide[H264_SPS_MAX + H264_SPS_GROWTH_MAX];
    size_t wide_size = self->references > 1 ? h264_sps_widen(sps + START_CODE, size - START_CODE, wide) : 0;
    add_header(self, sps, wide_size ? START_CODE : size);
    add_header(self, wide, wide_size);
}

/* The parameter sets of a libx264 for the whole picture. */
static bool take_headers(struct x264_bands *self, x264_t *x264)
{
    x264_nal_t *nals;
    int count;
    if (x264_encoder_headers(x264, &nals, &count) <= 0)
        return false;
    for (int i = 0; i < count; i++) {
        if (nals[i].i_type == NAL_SPS)
            add_sps(self, nals[i].p_payload, (size_t)nals[i].i_payload);
        if (nals[i].i_type == NAL_PPS)
            add_header(self, nals[i].p_payload, (size_t)nals[i].i_payload);
    }
    return h264_stream_read(&self->stream, self->unit, self->headers);
}

static bool open_one(struct x264_bands *self, const x264_param_t *param, const struct mb_map *map)
{
    self->count = 1;
    return x264_band_open(&self->bands[0], param, map, 0, map->rows) && take_headers(self, self->bands[0].x264);
}

struct opening {
    struct x264_bands *bands;
    const x264_param_t *param;
    const struct mb_map *map;
    int count;
    bool done[X264_BANDS_MOST + 1];
};

/* A band, or, as the last one, what is only asked for the whole picture's parameter sets. */
static void open_piece(void *arg, int index)
{
    struct opening *opening = arg;
    const struct mb_map *map = opening->map;
    struct x264_bands *self = opening->bands;
    if (index < opening->count) {
        int first = map->rows * index / opening->count, end = map->rows * (index + 1) / opening->count;
        opening->done[index] = x264_band_open(&self->bands[index], opening->param, map, first, end - first);
        return;
    }
    x264_t *x264 = x264_encoder_open((x264_param_t *)opening->param);
    opening->done[index] = x264 && take_headers(self, x264);
    if (x264)
        x264_encoder_close(x264);
}

static bool open_many(struct x264_bands *self, const x264_param_t *param, const struct mb_map *map, int count)
{
    x264_param_t whole = *param;
    struct opening opening = {.bands = self, .param = &whole, .map = map, .count = count};
    whole.i_threads = whole.i_slice_count = 1;
    whole.b_sliced_threads = 0;
    self->count = count;
    crew_run(&self->crew, count + 1, open_piece, &opening);
    bool fine = opening.done[count];
    for (int i = 0; i < count; i++)
        fine &= opening.done[i] && h264_stream_is_same(&self->bands[i].stream, &self->stream);
    return fine;
}

/* Room for all that can be forgotten at once. */
static bool make_undo(struct x264_bands *self)
{
    self->undo_room = self->can_patch ? (self->references - 1) * H264_PATCH_MOST : 0;
    if (!self->undo_room)
        return true;
    self->undo = calloc((size_t)self->undo_room, sizeof(*self->undo));
    return self->undo != NULL;
}

bool x264_bands_open(struct x264_bands *self, const x264_param_t *param, const struct mb_map *map, int count,
                     int threads)
{
    int most = map->rows / X264_BAND_ROWS_MIN;
    *self = (struct x264_bands){.references = param->i_dpb_size > 1 ? param->i_dpb_size : 1};
    count = count < X264_BANDS_MOST ? count : X264_BANDS_MOST;
    count = count < most ? count : most;
    self->room = (size_t)map->count * H264_PATCH_MB_BYTES * 4 + (size_t)X264_BANDS_MOST * SKIPPED_BYTES;
    self->unit = malloc(self->room);
    crew_init(&self->crew, "x264", (threads < count ? threads : count) - 1);
    self->has_crew = true;
    bool fine = self->unit &&
                (X264_BAND_IS_KNOWN && count > 1 ? open_many(self, param, map, count) : open_one(self, param, map));
    self->can_patch = fine && self->stream.is_420;
    if (!fine || !h264_patch_init(&self->patch, &self->stream, map) || !make_undo(self)) {
        x264_bands_close(self);
        return false;
    }
    return true;
}

void x264_bands_close(struct x264_bands *self)
{
    if (self->has_crew)
        crew_finish(&self->crew);
    for (int i = 0; i < self->count; i++)
        x264_band_close(&self->bands[i]);
    h264_patch_finish(&self->patch);
    free(self->undo);
    free(self->unit);
    *self = (struct x264_bands){.count = 0};
}

/* Macroblocks that libx264 has work with: those that change, or would look better with this QP. */
static int work_in(const struct x264_band *band, const struct x264_band_job *job)
{
    const struct mb_map *map = job->map;
    int work = 0, begin = band->first_row * map->columns, end = begin + band->rows * map->columns;
    for (int at = begin; at < end; at++)
        work += map->constant[at] == MB_MAP_CHANGED || map->qp[at] > job->qp;
    return work;
}

/* The bands for libx264, those with most work first. */
static void choose(struct x264_bands *self)
{
    int work[X264_BANDS_MOST];
    self->active_count = 0;
    for (int i = 0; i < self->count; i++) {
        int mine = work_in(&self->bands[i], &self->job), at = self->active_count;
        self->done[i] = false;
        if (self->count > 1 && !self->job.idr && !mine)
            continue;
        for (; at > 0 && work[at - 1] < mine; at--) {
            work[at] = work[at - 1];
            self->active[at] = self->active[at - 1];
        }
        work[at] = mine;
        self->active[at] = i;
        self->active_count++;
    }
}

static void encode_one(void *arg, int index)
{
    struct x264_bands *self = arg;
    int at = self->active[index];
    struct x264_band *band = &self->bands[at];
    if (self->count > 1 && !self->job.idr)
        x264_band_look_around(band, at ? band - 1 : NULL, at + 1 < self->count ? band + 1 : NULL);
    self->done[at] = x264_band_encode(band, &self->job);
}

/* Behind `size` bytes of the access unit: the size then, or 0. */
static size_t append(struct x264_bands *self, size_t size, int index)
{
    struct x264_band *band = &self->bands[index];
    for (int i = 0; i < self->active_count; i++) {
        if (self->active[i] != index)
            continue;
        if (!self->done[index] || self->room - size < band->size)
            return 0;
        memcpy(self->unit + size, band->bytes, band->size);
        return size + band->size;
    }
    struct h264_patch_area area = {
        .map = self->job.map, .first_row = band->first_row, .end_row = band->first_row + band->rows};
    size_t skipped = h264_patch_write(&self->patch, &self->job.order, &area, self->unit + size, self->room - size);
    return skipped ? size + skipped : 0;
}

/* Of the next picture. */
static struct h264_order next_order(const struct x264_bands *self, bool idr)
{
    struct h264_order order = {
        .frame_num = idr ? 0 : self->frame_num + 1, .frame_num_bits = self->stream.frame_num_bits, .distance = 1};
    for (uint32_t known = self->known; !idr && !(known & 1); known >>= 1)
        order.distance++;
    return order;
}

static void add_picture(struct x264_bands *self, unsigned frame_num)
{
    self->pictures++;
    self->frame_num = frame_num;
    self->known = frame_num ? self->known << 1 | 1 : 1;
}

size_t x264_bands_encode(struct x264_bands *self, const struct x264_band_job *job, const uint8_t **ret_unit)
{
    size_t size = self->headers;
    self->job = *job;
    self->job.order = next_order(self, job->idr);
    self->job.pts = self->pictures;
    choose(self);
    crew_run(&self->crew, self->active_count, encode_one, self);
    for (int i = 0; i < self->count && size; i++)
        size = append(self, size, i);
    for (int i = 0; i < self->count; i++)
        x264_band_settle(&self->bands[i]);
    if (!size) {
        log_error("x264: picture %lld failed", (long long)self->pictures);
        return 0;
    }
    add_picture(self, self->job.order.frame_num);
    *ret_unit = job->idr ? self->unit : self->unit + self->headers;
    return job->idr ? size : size - self->headers;
}

bool x264_bands_can_patch(const struct x264_bands *self, int changed)
{
    return self->can_patch && self->known & 1 && changed <= H264_PATCH_MOST &&
           x264_band_is_open_to_change(&self->bands[0]);
}

static const struct x264_band *band_of(const struct x264_bands *self, int row)
{
    const struct x264_band *band = self->bands;
    while (row >= band->first_row + band->rows)
        band++;
    return band;
}

static void put(struct x264_bands *self, const struct frame *frame, int column, int row)
{
    const struct x264_band *band = band_of(self, row);
    uint8_t samples[H264_PATCH_MB_BYTES];
    if (self->undo) {
        struct x264_bands_undo *undo = &self->undo[self->undo_next];
        *undo = (struct x264_bands_undo){.pts = self->pictures, .base = band->now.pts, .column = column, .row = row};
        x264_band_take(band, column, row, undo->samples);
        self->undo_next = (self->undo_next + 1) % self->undo_room;
    }
    h264_patch_take(frame, column, row, samples);
    x264_band_put(band, column, row, samples);
}

/* The small changes from this picture on, the last one first. What libx264 made since it refers to no more either. */
static void undo_from(struct x264_bands *self, int64_t pts)
{
    while (self->undo) {
        int last = (self->undo_next ? self->undo_next : self->undo_room) - 1;
        struct x264_bands_undo *undo = &self->undo[last];
        const struct x264_band *band = band_of(self, undo->row);
        if (undo->pts < pts)
            break;
        if (band->now.pts == undo->base)
            x264_band_put(band, undo->column, undo->row, undo->samples);
        undo->pts = 0;
        self->undo_next = last;
    }
}

/* Whether frame numbers do not begin anew between the newest picture of `known` and the next one: see h264_sps.h. */
static bool is_followed(const struct x264_bands *self, uint32_t known)
{
    unsigned next = self->frame_num + 1, newest = self->frame_num;
    for (; !(known & 1); known >>= 1)
        newest--;
    return next >> self->stream.frame_num_bits == newest >> self->stream.frame_num_bits;
}

bool x264_bands_forget(struct x264_bands *self, int count)
{
    uint32_t left = self->known & ~((UINT32_C(1) << count) - 1);
    if (!(left & ((UINT32_C(1) << self->references) - 1)) || !is_followed(self, left))
        return false;
    self->known = left;
    for (int i = 0; i < self->count; i++)
        x264_band_forget(&self->bands[i], self->pictures - count);
    undo_from(self, self->pictures - count);
    return true;
}

size_t x264_bands_patch(struct x264_bands *self, const struct frame *frame, const struct mb_map *map,
                        const uint8_t **ret_unit)
{
    size_t size = self->headers;
    struct h264_order order = next_order(self, false);
    for (int i = 0; i < self->count; i++) {
        const struct x264_band *band = &self->bands[i];
        struct h264_patch_area area = {
            .map = map, .first_row = band->first_row, .end_row = band->first_row + band->rows, .frame = frame};
        size_t slice = h264_patch_write(&self->patch, &order, &area, self->unit + size, self->room - size);
        if (!slice)
            return 0;
        size += slice;
    }
    for (int at = 0; at < map->count; at++)
        if (map->constant[at] == MB_MAP_CHANGED)
            put(self, frame, at % map->columns, at / map->columns);
    add_picture(self, order.frame_num);
    *ret_unit = self->unit + self->headers;
    return size - self->headers;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/x264_band.h"

#include "base/log.h"
#include "encode/h264_slice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAD = 32, /* samples on each side, luma */
    MB_BYTES =
        1200, /* most that a macroblock takes, 3200 bits, or raw in 4:4:4, and half of that for emulation prevention */
    SLICES_BYTES = 4096,
    HALF_PX = MB_MAP_PX / 2,
    LUMA = MB_MAP_PX * MB_MAP_PX, /* samples of a macroblock */
    CHROMA = HALF_PX * HALF_PX,
    /* Samples, with which libx264's vectors get no longer than 40: to the end of what a band's last row but one sees.
     * The last row is a slice of its own. See x264_band.h. */
    MV_RANGE = 46,
};

/* A macroblock in a plane of libx264's. */
struct block {
    uint8_t *at;
    ptrdiff_t stride;
    int width, height; /* bytes, rows */
    int pad_rows;
    bool left, right, top, bottom; /* at this edge of the picture */
};

static bool read_stream(struct x264_band *self)
{
    x264_nal_t *nals;
    int count, size = x264_encoder_headers(self->x264, &nals, &count);
    return size > 0 && h264_stream_read(&self->stream, nals[0].p_payload, (size_t)size);
}

bool x264_band_open(struct x264_band *self, const x264_param_t *param, const struct mb_map *map, int first_row,
                    int rows)
{
    x264_param_t mine = *param;
    *self = (struct x264_band){.first_row = first_row, .rows = rows, .columns = map->columns};
    self->is_first = first_row == 0;
    self->is_last = first_row + rows == map->rows;
    mine.i_height = (self->is_last ? map->height : (first_row + rows) * MB_MAP_PX) - first_row * MB_MAP_PX;
    if (!self->is_last) {
        mine.analyse.i_mv_range = MV_RANGE;
        mine.i_slice_max_mbs = (rows - 1) * map->columns;
    }
    self->room = (size_t)(rows * map->columns) * MB_BYTES + SLICES_BYTES;
    self->bytes = malloc(self->room);
    self->x264 = self->bytes ? x264_encoder_open(&mine) : NULL;
    return self->x264 && read_stream(self);
}

void x264_band_close(struct x264_band *self)
{
    if (self->x264)
        x264_encoder_close(self->x264);
    free(self->bytes);
    *self = (struct x264_band){.x264 = NULL};
}

/* How many samples high a plane's macroblock is. */
static int mb_height(const struct x264_band *self, int plane)
{
    return plane && self->now.image.i_plane == 2 ? MB_MAP_PX / 2 : MB_MAP_PX;
}

void x264_band_look_around(const struct x264_band *self, const struct x264_band *above, const struct x264_band *below)
{
    for (int i = 0; i < self->now.image.i_plane; i++) {
        int height = mb_height(self, i), pad_rows = PAD * height / MB_MAP_PX;
        ptrdiff_t stride = self->now.image.i_stride[i];
        uint8_t *top = self->now.image.plane[i] - PAD, *bottom = top + stride * self->rows * height;
        size_t width = (size_t)self->columns * MB_MAP_PX + 2 * PAD;
        for (int y = 0; y < pad_rows; y++) {
            if (above)
                memcpy(top - (pad_rows - y) * stride,
                       above->now.image.plane[i] - PAD +
                           (above->rows * height - pad_rows + y) * above->now.image.i_stride[i],
                       width);
            if (below)
                memcpy(bottom + y * stride, below->now.image.plane[i] - PAD + y * below->now.image.i_stride[i], width);
        }
    }
}

static void fill_picture(const struct x264_band *self, const struct x264_band_job *job, x264_picture_t *ret)
{
    const struct frame *frame = job->frame;
    x264_picture_init(ret);
    ret->img.i_csp = frame->layout.format == FRAME_NV12 ? X264_CSP_NV12 : X264_CSP_I444;
    ret->img.i_plane = frame_shape_of(frame->layout.format)->planes;
    for (int i = 0; i < ret->img.i_plane; i++) {
        int mb_rows = i && frame_shape_of(frame->layout.format)->half_rows ? MB_MAP_PX / 2 : MB_MAP_PX;
        ret->img.i_stride[i] = frame->strides[i];
        ret->img.plane[i] = frame->planes[i] + (ptrdiff_t)frame->strides[i] * self->first_row * mb_rows;
    }
    ret->i_type = job->idr ? X264_TYPE_IDR : X264_TYPE_AUTO;
    ret->i_pts = job->pts;
    ret->i_qpplus1 = job->qp + 1;
    ret->prop.mb_info = job->map->constant + self->first_row * self->columns;
}

/* The slices as the stream carries them. */
static bool take_slices(struct x264_band *self, const struct x264_band_job *job, const x264_nal_t *nals, int count)
{
    struct h264_slice_place place = {.first_mb = (uint32_t)(self->first_row * self->columns),
                                     .order = job->order,
                                     .alone = !self->is_first || !self->is_last};
    self->size = 0;
    for (int i = 0; i < count; i++) {
        if (nals[i].i_type != (job->idr ? NAL_SLICE_IDR : NAL_SLICE))
            continue;
        int code = nals[i].p_payload[2] ? 3 : 4;
        size_t size =
            h264_slice_move(&self->stream, &place, nals[i].p_payload + code, (size_t)(nals[i].i_payload - code),
                            self->bytes + self->size, self->room - self->size);
        if (!size)
            return false;
        self->size += size;
    }
    return self->size > 0;
}

bool x264_band_encode(struct x264_band *self, const struct x264_band_job *job)
{
    x264_picture_t in, out;
    x264_nal_t *nals = NULL;
    int count = 0;
    fill_picture(self, job, &in);
    int size = x264_encoder_encode(self->x264, &nals, &count, &in, &out);
    if (size <= 0 || !take_slices(self, job, nals, count)) {
        log_error("x264: encoding rows %d to %d of picture %lld failed (%d)", self->first_row,
                  self->first_row + self->rows, (long long)job->pts, size);
        return false;
    }
    self->made = (struct x264_band_picture){.image = out.img, .pts = job->pts};
    self->made_idr = job->idr;
    self->has_made = true;
    return true;
}

void x264_band_settle(struct x264_band *self)
{
    enum { MOST = sizeof(self->older) / sizeof(self->older[0]) };
    if (!self->has_made)
        return;
    if (self->older_count == MOST)
        memmove(self->older, self->older + 1, (size_t)--self->older_count * sizeof(self->older[0]));
    self->older[self->older_count++] = self->now;
    if (self->made_idr)
        self->older_count = 0;
    self->now = self->made;
    self->has_made = false;
}

void x264_band_forget(struct x264_band *self, int64_t pts)
{
    x264_encoder_invalidate_reference(self->x264, pts);
    while (self->now.pts >= pts) {
        assert(self->older_count > 0);
        self->now = self->older[--self->older_count];
    }
}

bool x264_band_is_open_to_change(const struct x264_band *self)
{
    for (int i = 0; i < self->now.image.i_plane; i++)
        if (self->now.image.i_stride[i] < self->columns * MB_MAP_PX + 2 * PAD)
            return false;
    return X264_BAND_IS_KNOWN && self->now.image.i_plane > 0;
}

/* What lies beyond the picture's edges repeats them. `sample`: bytes, 2 for Cb and Cr side by side. */
static void pad(const struct block *block, int sample)
{
    uint8_t *from = block->at - (block->left ? PAD : 0);
    size_t width = (size_t)(block->width + (block->left ? PAD : 0) + (block->right ? PAD : 0));
    for (int y = 0; y < block->height; y++) {
        uint8_t *row = block->at + y * block->stride;
        for (int x = 1; x <= PAD && block->left; x++)
            row[-x] = row[(sample - x % sample) % sample];
        for (int x = 0; x < PAD && block->right; x++)
            row[block->width + x] = row[block->width - sample + x % sample];
    }
    for (int y = 1; y <= block->pad_rows; y++) {
        if (block->top)
            memcpy(from - y * block->stride, from, width);
        if (block->bottom)
            memcpy(from + (block->height - 1 + y) * block->stride, from + (block->height - 1) * block->stride, width);
    }
}

static struct block block_at(const struct x264_band *self, int plane, int column, int row)
{
    int height = mb_height(self, plane);
    ptrdiff_t stride = self->now.image.i_stride[plane];
    return (struct block){.at = self->now.image.plane[plane] + row * height * stride + column * MB_MAP_PX,
                          .stride = stride,
                          .width = MB_MAP_PX,
                          .height = height,
                          .pad_rows = PAD * height / MB_MAP_PX,
                          .left = column == 0,
                          .right = column == self->columns - 1,
                          .top = self->is_first && row == 0,
                          .bottom = self->is_last && row == self->rows - 1};
}

void x264_band_take(const struct x264_band *self, int column, int row, uint8_t ret[H264_PATCH_MB_BYTES])
{
    struct block luma = block_at(self, 0, column, row - self->first_row);
    struct block chroma = block_at(self, 1, column, row - self->first_row);
    for (int y = 0; y < luma.height; y++)
        memcpy(ret + y * MB_MAP_PX, luma.at + y * luma.stride, MB_MAP_PX);
    for (int i = 0; i < CHROMA; i++) {
        const uint8_t *pair = chroma.at + i / HALF_PX * chroma.stride + i % HALF_PX * 2;
        ret[LUMA + i] = pair[0];
        ret[LUMA + CHROMA + i] = pair[1];
    }
}

void x264_band_put(const struct x264_band *self, int column, int row, const uint8_t samples[H264_PATCH_MB_BYTES])
{
    struct block luma = block_at(self, 0, column, row - self->first_row);
    struct block chroma = block_at(self, 1, column, row - self->first_row);
    for (int y = 0; y < luma.height; y++)
        memcpy(luma.at + y * luma.stride, samples + y * MB_MAP_PX, MB_MAP_PX);
    for (int i = 0; i < CHROMA; i++) {
        uint8_t *pair = chroma.at + i / HALF_PX * chroma.stride + i % HALF_PX * 2;
        pair[0] = samples[LUMA + i];
        pair[1] = samples[LUMA + CHROMA + i];
    }
    pad(&luma, 1);
    pad(&chroma, 2);
}

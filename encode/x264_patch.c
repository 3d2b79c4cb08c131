/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/x264_patch.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUILD_READ = 164, /* X264_BUILD, which is in the library's name, of the sources whose padding was read */
    PAD = 32,         /* samples on each side, luma; motion vectors reach 24 beyond the edge */
};

/* A macroblock in a plane of libx264's. */
struct block {
    uint8_t *at;
    ptrdiff_t stride;
    int width, height; /* bytes, rows */
    int pad_rows;
    bool left, right, top, bottom; /* at this edge of the picture */
};

void x264_patch_init(struct x264_patch *self, x264_t *x264, const struct mb_map *map)
{
    x264_nal_t *nals;
    int count, size = X264_BUILD == BUILD_READ ? x264_encoder_headers(x264, &nals, &count) : 0;
    *self = (struct x264_patch){.possible = false};
    if (size <= 0 || !h264_patch_init(&self->patch, map, nals[0].p_payload, (size_t)size))
        return;
    self->room = h264_patch_bound(&self->patch, H264_PATCH_MOST);
    self->bytes = malloc(self->room);
    self->possible = self->bytes != NULL;
}

void x264_patch_finish(struct x264_patch *self)
{
    h264_patch_finish(&self->patch);
    free(self->bytes);
}

/* Of an IDR or a picture that refers to the last one. */
static bool renumber(const struct x264_patch *self, const x264_nal_t *nals, int count)
{
    static const uint8_t start_code[] = {0, 0, 1};
    for (int i = 0; i < count; i++) {
        if (nals[i].i_type != NAL_SLICE)
            continue;
        size_t code = memcmp(nals[i].p_payload, start_code, sizeof(start_code)) ? 4 : 3;
        if (!h264_patch_renumber(&self->patch, nals[i].p_payload + code, (size_t)nals[i].i_payload - code,
                                 self->frame_num)) {
            log_error("x264: a slice of picture %u cannot be numbered anew", self->frame_num);
            return false;
        }
    }
    return true;
}

bool x264_patch_follow(struct x264_patch *self, const x264_nal_t *nals, int count, const x264_picture_t *picture)
{
    if (!self->possible)
        return true;
    self->reference = picture->img;
    self->frame_num = picture->b_keyframe ? 0 : self->frame_num + 1;
    self->behind &= !picture->b_keyframe;
    return !self->behind || renumber(self, nals, count);
}

bool x264_patch_can(const struct x264_patch *self, int changed)
{
    int width = self->patch.columns * MB_MAP_PX;
    return self->possible && changed <= H264_PATCH_MOST && self->reference.i_plane == 2 &&
           self->reference.i_stride[0] >= width + 2 * PAD && self->reference.i_stride[1] >= width + 2 * PAD;
}

/* What lies beyond the edges of libx264's picture repeats the edge. `sample`: bytes, 2 for Cb and Cr side by side. */
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

static struct block block_at(const struct x264_patch *self, int plane, int column, int row)
{
    int height = plane ? MB_MAP_PX / 2 : MB_MAP_PX;
    ptrdiff_t stride = self->reference.i_stride[plane];
    return (struct block){.at = self->reference.plane[plane] + row * height * stride + column * MB_MAP_PX,
                          .stride = stride,
                          .width = MB_MAP_PX,
                          .height = height,
                          .pad_rows = plane ? PAD / 2 : PAD,
                          .left = column == 0,
                          .right = column == self->patch.columns - 1,
                          .top = row == 0,
                          .bottom = row == self->patch.rows - 1};
}

static void put(const struct x264_patch *self, const struct frame *frame, int column, int row)
{
    enum { LUMA = MB_MAP_PX * MB_MAP_PX, CHROMA = LUMA / 4 };
    uint8_t samples[H264_PATCH_MB_BYTES];
    struct block luma = block_at(self, 0, column, row), chroma = block_at(self, 1, column, row);
    h264_patch_take(frame, column, row, samples);
    for (int y = 0; y < luma.height; y++)
        memcpy(luma.at + y * luma.stride, samples + y * MB_MAP_PX, MB_MAP_PX);
    for (int i = 0; i < CHROMA; i++) {
        uint8_t *pair = chroma.at + i / (MB_MAP_PX / 2) * chroma.stride + i % (MB_MAP_PX / 2) * 2;
        pair[0] = samples[LUMA + i];
        pair[1] = samples[LUMA + CHROMA + i];
    }
    pad(&luma, 1);
    pad(&chroma, 2);
}

size_t x264_patch_make(struct x264_patch *self, const struct mb_map *map, const struct frame *frame,
                       uint8_t **ret_bytes)
{
    size_t size = h264_patch_write(&self->patch, self->frame_num + 1, map, frame, self->bytes, self->room);
    if (!size)
        return 0;
    for (int at = 0; at < map->count; at++)
        if (map->constant[at] == MB_MAP_CHANGED)
            put(self, frame, at % map->columns, at / map->columns);
    self->frame_num++;
    self->behind = true;
    *ret_bytes = self->bytes;
    return size;
}

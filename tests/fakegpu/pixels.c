/* SPDX-License-Identifier: Apache-2.0 */
/* pixels: input formats to those of the coders. RGB becomes limited range YUV, chroma the mean of four pixels. */
#include "tests/fakegpu/session.h"

struct matrix {
    int y[3], u[3], v[3]; /* of R, G, B, times 65536 */
};

static const struct matrix bt601 = {{16829, 33039, 6416}, {-9714, -19070, 28784}, {28784, -24103, -4681}};
static const struct matrix bt709 = {{11966, 40254, 4064}, {-6596, -22189, 28784}, {28784, -26145, -2639}};

size_t pixels_scratch_bytes(const struct coder_config *config)
{
    size_t pixels = (size_t)config->width * (size_t)config->height;
    if (config->format == CODER_I410)
        return pixels * 6;
    return config->format == CODER_I010 ? pixels * 3 : pixels * 3 / 2;
}

static uint8_t weigh(const int factors[3], const int rgb[3], int count, int offset)
{
    int sum = factors[0] * rgb[0] + factors[1] * rgb[1] + factors[2] * rgb[2];
    return (uint8_t)((sum / count + (offset << 16) + 32768) >> 16);
}

static void read_rgb(const uint8_t *pixel, bool red_first, int ret[3])
{
    ret[0] = pixel[red_first ? 0 : 2];
    ret[1] = pixel[1];
    ret[2] = pixel[red_first ? 2 : 0];
}

/* Two by two pixels. */
static void convert_block(const struct surface *from, const struct matrix *matrix, int x, int y, uint8_t *luma,
                          uint8_t *chroma, int stride)
{
    int sum[3] = {0, 0, 0};
    for (int i = 0; i < 4; i++) {
        int px = x + (i & 1), py = y + (i >> 1), rgb[3];
        read_rgb(from->bytes + (size_t)py * from->pitch + (size_t)px * 4, from->format == NV_ENC_BUFFER_FORMAT_ABGR,
                 rgb);
        luma[(ptrdiff_t)py * stride + px] = weigh(matrix->y, rgb, 1, 16);
        for (int c = 0; c < 3; c++)
            sum[c] += rgb[c];
    }
    chroma[(ptrdiff_t)(y / 2) * stride + x] = weigh(matrix->u, sum, 4, 128);
    chroma[(ptrdiff_t)(y / 2) * stride + x + 1] = weigh(matrix->v, sum, 4, 128);
}

static void convert_rgb(const struct surface *from, const struct coder_config *config, const struct matrix *matrix,
                        uint8_t *scratch, struct coder_picture *ret)
{
    uint8_t *chroma = scratch + (size_t)config->width * (size_t)config->height;
    for (int y = 0; y < config->height; y += 2)
        for (int x = 0; x < config->width; x += 2)
            convert_block(from, matrix, x, y, scratch, chroma, config->width);
    ret->planes[0] = scratch;
    ret->planes[1] = chroma;
    ret->strides[0] = ret->strides[1] = config->width;
}

/* Ten bits are the upper ones of sixteen there, the lower ones here. */
static void convert_p010(const struct surface *from, const struct coder_config *config, uint8_t *scratch,
                         struct coder_picture *ret)
{
    int width = config->width, height = config->height;
    uint16_t *y_out = (uint16_t *)(void *)scratch, *u_out = y_out + (size_t)width * (size_t)height;
    uint16_t *v_out = u_out + (size_t)width * (size_t)height / 4;
    for (int i = 0; i < 3; i++)
        ret->strides[i] = i ? width : width * 2;
    ret->planes[0] = (uint8_t *)y_out, ret->planes[1] = (uint8_t *)u_out, ret->planes[2] = (uint8_t *)v_out;
    for (int y = 0; y < height; y++) {
        const uint16_t *row = (const uint16_t *)(const void *)(from->bytes + (size_t)y * from->pitch);
        for (int x = 0; x < width; x++)
            *y_out++ = row[x] >> 6;
    }
    for (int y = 0; y < height / 2; y++) {
        const uint16_t *row =
            (const uint16_t *)(const void *)(from->bytes + (size_t)(from->height + (uint32_t)y) * from->pitch);
        for (int x = 0; x < width; x += 2) {
            *u_out++ = row[x] >> 6;
            *v_out++ = row[x + 1] >> 6;
        }
    }
}

static void convert_444_10(const struct surface *from, const struct coder_config *config, uint8_t *scratch,
                           struct coder_picture *ret)
{
    uint16_t *out = (uint16_t *)(void *)scratch;
    for (int i = 0; i < 3; i++) {
        ret->planes[i] = (uint8_t *)out;
        ret->strides[i] = config->width * 2;
        for (int y = 0; y < config->height; y++) {
            size_t row = (size_t)i * from->height + (size_t)y;
            const uint16_t *samples = (const uint16_t *)(const void *)(from->bytes + row * from->pitch);
            for (int x = 0; x < config->width; x++)
                *out++ = samples[x] >> 6;
        }
    }
}

static void point_at(const struct surface *from, int planes, struct coder_picture *ret)
{
    for (int i = 0; i < planes; i++) {
        ret->planes[i] = from->bytes + (size_t)i * from->pitch * from->height;
        ret->strides[i] = (int)from->pitch;
    }
}

bool pixels_convert(const struct surface *surface, const struct coder_config *config, int rgb_matrix, uint8_t *scratch,
                    struct coder_picture *ret)
{
    if ((int)surface->width < config->width || (int)surface->height < config->height)
        return false;
    switch (surface->format) {
    case NV_ENC_BUFFER_FORMAT_NV12:
        point_at(surface, 2, ret);
        return config->format == CODER_NV12;
    case NV_ENC_BUFFER_FORMAT_YUV444:
        point_at(surface, 3, ret);
        return config->format == CODER_YUV444;
    case NV_ENC_BUFFER_FORMAT_YUV420_10BIT:
        if (config->format == CODER_I010)
            convert_p010(surface, config, scratch, ret);
        return config->format == CODER_I010;
    case NV_ENC_BUFFER_FORMAT_YUV444_10BIT:
        if (config->format == CODER_I410)
            convert_444_10(surface, config, scratch, ret);
        return config->format == CODER_I410;
    case NV_ENC_BUFFER_FORMAT_ARGB:
    case NV_ENC_BUFFER_FORMAT_ABGR:
        if (config->format == CODER_NV12)
            convert_rgb(surface, config, rgb_matrix == 709 ? &bt709 : &bt601, scratch, ret);
        return config->format == CODER_NV12;
    default:
        return false;
    }
}

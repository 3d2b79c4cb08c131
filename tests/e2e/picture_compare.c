/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture_compare: how far a client's picture is from what the display showed, found without any code of the host.
 *
 * usage: picture_compare DISPLAY.ppm CLIENT.y4m
 *
 * The display's picture is scaled into the client's size as capture/scale.h promises (aspect kept, even, centred
 * between black bars; the mean over each pixel's area when it shrinks by more than 1.5, else bilinear), turned into
 * BT.709 limited range with chroma sited left, all in floating point, and compared sample by sample in tiles of 8x8
 * pixels. A tile is wrong when a sample in it is off by more than BOUND. In 300 right pictures none was off by
 * more than 8, whatever the contrast around it; a forgotten chroma column, the smallest error of those put in on
 * purpose, is off by 28 to 59. Not the mean of a tile is judged: one missed pixel moves it no more than coding of text
 * does. One JSON object is printed; exit code 0 unless a file cannot be read.
 */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { TILE_PX = 8, BOUND = 16, SIDE_MAX = 16384 };

struct plane {
    int width, height;
    float *samples;
};

struct tile {
    float error; /* of its worst sample */
    int x, y;    /* of that sample */
};

struct verdict {
    struct tile worst;
    long wrong_tiles;
    int left, top, right, bottom; /* of the wrong tiles, in pixels */
};

static bool plane_init(struct plane *self, int width, int height)
{
    *self = (struct plane){width, height, calloc((size_t)width * (size_t)height, sizeof(float))};
    return self->samples != NULL;
}

static float *plane_at(const struct plane *self, int x, int y)
{
    return self->samples + (size_t)y * (size_t)self->width + x;
}

static bool is_size(int width, int height)
{
    return width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX;
}

/* Interleaved bytes of `channels` into planes. */
static bool read_planes(FILE *file, struct plane *planes, int channels)
{
    size_t count = (size_t)planes[0].width * (size_t)planes[0].height * (size_t)channels;
    unsigned char *bytes = malloc(count);
    bool good = bytes && fread(bytes, 1, count, file) == count;
    for (size_t i = 0; good && i < count; i++)
        planes[i % (size_t)channels].samples[i / (size_t)channels] = bytes[i];
    free(bytes);
    return good;
}

static bool read_ppm(const char *path, struct plane ret_rgb[3])
{
    int width, height;
    FILE *file = fopen(path, "rb");
    bool good =
        file && fscanf(file, "P6 %d %d 255", &width, &height) == 2 && fgetc(file) == '\n' && is_size(width, height);
    for (int c = 0; good && c < 3; c++)
        good = plane_init(&ret_rgb[c], width, height);
    good = good && read_planes(file, ret_rgb, 3);
    if (file)
        fclose(file);
    return good;
}

static bool read_y4m(const char *path, struct plane ret_yuv[3])
{
    int width, height;
    FILE *file = fopen(path, "rb");
    bool good = file && fscanf(file, "YUV4MPEG2 W%d H%d F1:1 Ip C420mpeg2 FRAME", &width, &height) == 2 &&
                fgetc(file) == '\n' && is_size(width, height) && width % 2 == 0 && height % 2 == 0;
    for (int c = 0; good && c < 3; c++)
        good = plane_init(&ret_yuv[c], c ? width / 2 : width, c ? height / 2 : height) &&
               read_planes(file, &ret_yuv[c], 1);
    if (file)
        fclose(file);
    return good;
}

/* One output position of a line of `count` samples `step` apart; `ratio`: source pixels per output pixel. */
static double resample(const float *line, int count, int step, int position, double ratio)
{
    double sum = 0;
    if (ratio > 1.5) {
        double from = position * ratio, to = from + ratio;
        for (int i = (int)from; i < count && i < to; i++)
            sum += line[(ptrdiff_t)i * step] * (fmin(to, i + 1) - fmax(from, i));
        return sum / ratio;
    }
    double centre = (position + 0.5) * ratio - 0.5, below = floor(centre), part = centre - below;
    int first = below < 0 ? 0 : (int)below, second = (int)below + 1;
    second = second > count - 1 ? count - 1 : second;
    return line[(ptrdiff_t)first * step] * (1 - part) + line[(ptrdiff_t)second * step] * part;
}

/* Where the picture lies within the client's. */
static void place(const struct plane *source, const struct plane *target, int ret_rect[4])
{
    double scale = fmin((double)target->width / source->width, (double)target->height / source->height);
    int width = ((int)lround(source->width * scale) + 1) / 2 * 2;
    int height = ((int)lround(source->height * scale) + 1) / 2 * 2;
    ret_rect[0] = (target->width - width) / 4 * 2;
    ret_rect[1] = (target->height - height) / 4 * 2;
    ret_rect[2] = width;
    ret_rect[3] = height;
}

static bool scale(const struct plane *source, const struct plane *target)
{
    int rect[4];
    struct plane narrow;
    place(source, target, rect);
    if (!plane_init(&narrow, rect[2], source->height))
        return false;
    for (int y = 0; y < source->height; y++)
        for (int x = 0; x < rect[2]; x++)
            *plane_at(&narrow, x, y) =
                (float)resample(plane_at(source, 0, y), source->width, 1, x, (double)source->width / rect[2]);
    for (int y = 0; y < rect[3]; y++)
        for (int x = 0; x < rect[2]; x++)
            *plane_at(target, rect[0] + x, rect[1] + y) =
                (float)resample(plane_at(&narrow, x, 0), source->height, rect[2], y, (double)source->height / rect[3]);
    free(narrow.samples);
    return true;
}

static double luma(const struct plane rgb[3], int x, int y)
{
    return 0.2126 * *plane_at(&rgb[0], x, y) + 0.7152 * *plane_at(&rgb[1], x, y) + 0.0722 * *plane_at(&rgb[2], x, y);
}

/* BT.709, limited range. Chroma: columns 2x-1, 2x, 2x+1 by 1 2 1, two rows; the left edge repeats. */
static void to_yuv(const struct plane rgb[3], const struct plane yuv[3])
{
    for (int y = 0; y < yuv[0].height; y++)
        for (int x = 0; x < yuv[0].width; x++)
            *plane_at(&yuv[0], x, y) = (float)(16 + luma(rgb, x, y) * 219 / 255);
    for (int y = 0; y < yuv[1].height; y++)
        for (int x = 0; x < yuv[1].width; x++) {
            double cb = 0, cr = 0;
            for (int i = 0; i < 6; i++) {
                int from_x = 2 * x - 1 + i % 3, from_y = 2 * y + i / 3, weight = i % 3 == 1 ? 2 : 1;
                from_x = from_x < 0 ? 0 : from_x;
                double grey = luma(rgb, from_x, from_y);
                cb += weight * (*plane_at(&rgb[2], from_x, from_y) - grey) / 1.8556;
                cr += weight * (*plane_at(&rgb[0], from_x, from_y) - grey) / 1.5748;
            }
            *plane_at(&yuv[1], x, y) = (float)(128 + cb / 8 * 224 / 255);
            *plane_at(&yuv[2], x, y) = (float)(128 + cr / 8 * 224 / 255);
        }
}

/* The picture that `size_of` should show. */
static bool expect(const struct plane display[3], const struct plane *size_of, struct plane ret_yuv[3])
{
    struct plane scaled[3];
    int width = size_of->width, height = size_of->height;
    bool same = display->width == width && display->height == height;
    for (int c = 0; c < 3; c++) {
        if (!plane_init(&ret_yuv[c], c ? width / 2 : width, c ? height / 2 : height))
            return false;
        if (!same && !(plane_init(&scaled[c], width, height) && scale(&display[c], &scaled[c])))
            return false;
    }
    to_yuv(same ? display : scaled, ret_yuv);
    return true;
}

static struct tile look(const struct plane *expected, const struct plane *got, int x0, int y0, int size)
{
    struct tile tile = {.error = -1};
    for (int y = y0; y < y0 + size && y < got->height; y++)
        for (int x = x0; x < x0 + size && x < got->width; x++) {
            float error = fabsf(*plane_at(expected, x, y) - *plane_at(got, x, y));
            if (error > tile.error)
                tile = (struct tile){error, x, y};
        }
    return tile;
}

static void note_wrong(struct verdict *self, int x, int y)
{
    bool first = self->wrong_tiles++ == 0;
    self->left = first || x < self->left ? x : self->left;
    self->top = first || y < self->top ? y : self->top;
    self->right = first || x + TILE_PX > self->right ? x + TILE_PX : self->right;
    self->bottom = first || y + TILE_PX > self->bottom ? y + TILE_PX : self->bottom;
}

/* `subsampling`: pixels per sample. */
static void judge(const struct plane *expected, const struct plane *got, int subsampling, struct verdict *self)
{
    int size = TILE_PX / subsampling;
    for (int y = 0; y < got->height; y += size)
        for (int x = 0; x < got->width; x += size) {
            struct tile tile = look(expected, got, x, y, size);
            if (tile.error > BOUND)
                note_wrong(self, x * subsampling, y * subsampling);
            if (tile.error <= self->worst.error)
                continue;
            self->worst = tile;
            self->worst.x *= subsampling;
            self->worst.y *= subsampling;
        }
}

static void print_verdict(const char *name, const struct verdict *self)
{
    printf("\"%s\": {\"error\": %.1f, \"at\": [%d, %d], \"wrong_tiles\": %ld, \"box\": [%d, %d, %d, %d]}", name,
           self->worst.error, self->worst.x, self->worst.y, self->wrong_tiles, self->left, self->top, self->right,
           self->bottom);
}

int main(int argc, char **argv)
{
    struct plane display[3], expected[3], got[3]; /* freed with the process */
    struct verdict luma_verdict = {0}, chroma_verdict = {0};
    if (argc != 3 || !read_ppm(argv[1], display) || !read_y4m(argv[2], got) || !expect(display, &got[0], expected)) {
        fprintf(stderr, "usage: picture_compare DISPLAY.ppm CLIENT.y4m; or a file cannot be read\n");
        return 2;
    }
    judge(&expected[0], &got[0], 1, &luma_verdict);
    for (int c = 1; c < 3; c++)
        judge(&expected[c], &got[c], 2, &chroma_verdict);
    printf("{");
    print_verdict("luma", &luma_verdict);
    printf(", ");
    print_verdict("chroma", &chroma_verdict);
    printf("}\n");
    return 0;
}

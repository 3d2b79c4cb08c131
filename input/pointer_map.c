/* SPDX-License-Identifier: Apache-2.0 */
#include "input/pointer_map.h"

#include <math.h>
#include <stdint.h>

#define PI 3.14159265358979323846

/* As scale_content() of capture/scale.h, which the tests compare it with: even coordinates, centred. */
static struct rect content_of(int source_width, int source_height, int width, int height)
{
    int w = width, h = height;
    if ((int64_t)source_width * height > (int64_t)width * source_height)
        h = (int)lround((double)width * source_height / source_width);
    else
        w = (int)lround((double)height * source_width / source_height);
    w = w < 2 ? 2 : (w + 1) & ~1;
    h = h < 2 ? 2 : (h + 1) & ~1;
    w = w > width ? width : w;
    h = h > height ? height : h;
    return (struct rect){(width - w) / 2 & ~1, (height - h) / 2 & ~1, w, h};
}

bool pointer_map_init(struct pointer_map *self, int picture_width, int picture_height, struct rect area)
{
    if (picture_width <= 0 || picture_height <= 0 || rect_is_empty(area))
        return false;
    *self = (struct pointer_map){
        .width = picture_width,
        .height = picture_height,
        .content = content_of(area.width, area.height, picture_width, picture_height),
        .area = area,
    };
    return true;
}

static double clamp(double value, double max)
{
    return value < 0 ? 0 : value > max ? max : value;
}

/* One axis: `share` of a picture of `size` pixels, of which `count` from `first` on show `area` pixels. */
static double map(double share, int size, int first, int count, int area)
{
    double pixel = clamp(share, 1) * (size - 1) - first;
    return count > 1 ? clamp(pixel * (area - 1) / (count - 1), area - 1) : 0;
}

void pointer_map_point(const struct pointer_map *self, double x, double y, double *ret_x, double *ret_y)
{
    *ret_x = self->area.x + map(x, self->width, self->content.x, self->content.width, self->area.width);
    *ret_y = self->area.y + map(y, self->height, self->content.y, self->content.height, self->area.height);
}

double pointer_map_axis(const struct pointer_map *self, double share, double degrees)
{
    double angle = degrees * PI / 180;
    double width = (double)self->width * self->area.width / self->content.width;
    double height = (double)self->height * self->area.height / self->content.height;
    return share * hypot(width * cos(angle), height * sin(angle));
}

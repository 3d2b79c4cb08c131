/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/nvenc_preset.h"

int nvenc_preset(const struct encoder_config *config)
{
    static const struct {
        int64_t pixels_per_s;
        int preset;
    } limits[] = {{INT64_C(1920) * 1088 * 60, 4}, {INT64_C(2560) * 1440 * 60, 3}, {INT64_C(1920) * 1088 * 120, 2}};
    int64_t rate = (int64_t)config->layout.width * config->layout.height * config->fps_x100 / 100;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        if (rate <= limits[i].pixels_per_s)
            return limits[i].preset;
    return 1;
}

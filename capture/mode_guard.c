/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/mode_guard.h"

#include <stdio.h>
#include <string.h>

enum { EDID_BLOCK = 128, DESCRIPTORS = 54, DESCRIPTOR_SIZE = 18, RANGE_LIMITS = 0xfd };

/* VESA E-EDID 1.4, 3.10.3.3.1: display range limits. The rates of version 1.4 may be moved by 255. */
static void read_range(const uint8_t *d, struct mode_limits *ret_limits)
{
    ret_limits->min_fps = d[5] + (d[4] & 0x01 ? 255 : 0);
    ret_limits->max_fps = d[6] + (d[4] & 0x02 ? 255 : 0);
    ret_limits->min_hsync_khz = d[7] + (d[4] & 0x04 ? 255 : 0);
    ret_limits->max_hsync_khz = d[8] + (d[4] & 0x08 ? 255 : 0);
    ret_limits->max_clock_mhz = d[9] == 0xff ? 0 : d[9] * 10; /* 0xff was "not known" in version 1.2 */
}

bool mode_limits_from_edid(const uint8_t *edid, size_t size, struct mode_limits *ret_limits)
{
    static const uint8_t header[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
    uint8_t sum = 0;
    if (size < EDID_BLOCK || memcmp(edid, header, sizeof(header)) != 0)
        return false;
    for (int i = 0; i < EDID_BLOCK; i++)
        sum = (uint8_t)(sum + edid[i]);
    if (sum)
        return false;
    for (int i = 0; i < 4; i++) {
        const uint8_t *d = edid + DESCRIPTORS + i * DESCRIPTOR_SIZE;
        if (d[0] || d[1] || d[2] || d[3] != RANGE_LIMITS || d[6] == 0 || d[8] == 0)
            continue;
        read_range(d, ret_limits);
        return true;
    }
    return false;
}

void mode_limits_from_modes(const struct mode_line *modes, int mode_count, struct mode_limits *ret_limits)
{
    struct mode_limits most = {0};
    for (int i = 0; i < mode_count; i++) {
        int clock_mhz = (int)((modes[i].clock_hz + 999999) / 1000000), fps = (mode_line_fps_x100(&modes[i]) + 99) / 100;
        int hsync_khz = (mode_line_hsync_hz(&modes[i]) + 999) / 1000;
        most.max_clock_mhz = clock_mhz > most.max_clock_mhz ? clock_mhz : most.max_clock_mhz;
        most.max_fps = fps > most.max_fps ? fps : most.max_fps;
        most.max_hsync_khz = hsync_khz > most.max_hsync_khz ? hsync_khz : most.max_hsync_khz;
    }
    *ret_limits = most;
}

/* Half a percent is not lower: 59.94 is 60, and so is 59.88. A virtual output that tells no rate has any. */
static bool is_not_lower(int fps_x100, int wished_x100)
{
    return fps_x100 == 0 || fps_x100 + wished_x100 / 200 >= wished_x100;
}

static bool is_usable(const struct mode_line *line, int width, int height)
{
    return line->width == width && line->height == height && !(line->flags & MODE_LINE_INTERLACE);
}

/* The offered mode that is nearest, not lower; else the fastest. NULL: none of this size. */
static const struct mode_line *best_offered(const struct mode_facts *facts, int width, int height, int fps_x100)
{
    const struct mode_line *best = NULL;
    for (int i = 0; i < facts->mode_count; i++) {
        const struct mode_line *line = &facts->modes[i];
        if (!is_usable(line, width, height))
            continue;
        int fps = mode_line_fps_x100(line), best_fps = best ? mode_line_fps_x100(best) : 0;
        bool enough = is_not_lower(fps, fps_x100), best_is_enough = is_not_lower(best_fps, fps_x100);
        if (!best || (enough && (!best_is_enough || fps < best_fps)) || (!enough && !best_is_enough && fps > best_fps))
            best = line;
    }
    return best;
}

static bool within(const struct mode_limits *limits, const struct mode_line *line)
{
    int fps_x100 = mode_line_fps_x100(line), hsync_hz = mode_line_hsync_hz(line);
    return (!limits->max_clock_mhz || line->clock_hz <= (uint32_t)limits->max_clock_mhz * 1000000u) &&
           (!limits->max_fps || (fps_x100 <= limits->max_fps * 100 + 50 && fps_x100 >= limits->min_fps * 100 - 50)) &&
           (!limits->max_hsync_khz ||
            (hsync_hz <= limits->max_hsync_khz * 1000 + 500 && hsync_hz >= limits->min_hsync_khz * 1000 - 500));
}

/* A new mode within the limits: as wished, else the fastest usual rate below, else the slowest above. */
static bool make_line(const struct mode_facts *facts, int width, int height, int fps_x100, struct mode_line *ret_line)
{
    static const int rates_x100[] = {24000, 16500, 14400, 12000, 10000, 7500, 6000, 5000, 3000, 2500, 2400};
    const int count = (int)(sizeof(rates_x100) / sizeof(rates_x100[0]));
    struct mode_line line;
    if (mode_timing_reduced(width, height, fps_x100, &line) && within(&facts->limits, &line)) {
        *ret_line = line;
        return true;
    }
    for (int i = count - 1; i >= 0; i--) { /* a panel that cannot be as slow as that */
        if (rates_x100[i] > fps_x100 && mode_timing_reduced(width, height, rates_x100[i], &line) &&
            within(&facts->limits, &line)) {
            *ret_line = line;
            return true;
        }
    }
    for (int i = 0; i < count; i++) {
        if (rates_x100[i] < fps_x100 && mode_timing_reduced(width, height, rates_x100[i], &line) &&
            within(&facts->limits, &line)) {
            *ret_line = line;
            return true;
        }
    }
    return false;
}

static void write_rate(int fps_x100, char *ret_text, size_t size)
{
    if (fps_x100 % 100)
        snprintf(ret_text, size, "%d.%02d", fps_x100 / 100, fps_x100 % 100);
    else
        snprintf(ret_text, size, "%d", fps_x100 / 100);
}

static void refuse(const struct mode_facts *facts, int width, int height, int fps_x100, struct mode_choice *choice)
{
    char rate[16];
    struct mode_line line;
    write_rate(fps_x100, rate, sizeof(rate));
    choice->verdict = MODE_REFUSE;
    if (facts->takes_no_new)
        snprintf(choice->sentence, sizeof(choice->sentence), "%s", facts->takes_no_new);
    else if (!mode_timing_reduced(width, height, fps_x100, &line))
        snprintf(choice->sentence, sizeof(choice->sentence),
                 "%dx%d@%s is not a mode that a display can have. The picture is scaled instead.", width, height, rate);
    else if (facts->limits.max_clock_mhz && line.clock_hz > (uint32_t)facts->limits.max_clock_mhz * 1000000u)
        snprintf(choice->sentence, sizeof(choice->sentence),
                 "The output %s can do at most %d MHz; %dx%d@%s needs %u MHz. The picture is scaled instead.",
                 facts->output, facts->limits.max_clock_mhz, width, height, rate, (line.clock_hz + 500000) / 1000000);
    else
        snprintf(choice->sentence, sizeof(choice->sentence),
                 "The output %s does %d to %d Hz and %d to %d kHz; %dx%d@%s is outside. The picture is scaled instead.",
                 facts->output, facts->limits.min_fps, facts->limits.max_fps, facts->limits.min_hsync_khz,
                 facts->limits.max_hsync_khz, width, height, rate);
}

static void tell_lower_rate(const struct mode_facts *facts, int wished_x100, struct mode_choice *choice)
{
    int fps_x100 = mode_line_fps_x100(&choice->line);
    char rate[16], wished[16];
    if (is_not_lower(fps_x100, wished_x100))
        return;
    write_rate(fps_x100, rate, sizeof(rate));
    write_rate(wished_x100, wished, sizeof(wished));
    snprintf(choice->sentence, sizeof(choice->sentence),
             "The output %s shows %dx%d at %s Hz, not at the %s that were wished.", facts->output, choice->line.width,
             choice->line.height, rate, wished);
}

void mode_guard_choose(const struct mode_facts *facts, int width, int height, int fps_x100,
                       struct mode_choice *ret_choice)
{
    struct mode_choice choice = {.verdict = MODE_REFUSE};
    const struct mode_line *offered = best_offered(facts, width, height, fps_x100);
    int offered_fps = offered ? mode_line_fps_x100(offered) : 0;
    const struct mode_line *current = facts->current;
    if (current && is_usable(current, width, height) && is_not_lower(mode_line_fps_x100(current), fps_x100)) {
        choice.verdict = MODE_KEEP;
        choice.line = *current;
    } else if (offered && is_not_lower(offered_fps, fps_x100)) {
        choice.verdict = MODE_USE;
        choice.line = *offered;
    } else if (!facts->takes_no_new && make_line(facts, width, height, fps_x100, &choice.line) &&
               mode_line_fps_x100(&choice.line) > offered_fps) {
        choice.verdict = MODE_MAKE;
    } else if (offered) {
        choice.verdict = current && current->id == offered->id ? MODE_KEEP : MODE_USE;
        choice.line = *offered;
    } else {
        refuse(facts, width, height, fps_x100, &choice);
    }
    if (choice.verdict != MODE_REFUSE)
        tell_lower_rate(facts, fps_x100, &choice);
    *ret_choice = choice;
}

bool mode_guard_fits_screen(const struct mode_screen_limits *limits, int width, int height, char *ret_sentence,
                            size_t sentence_size)
{
    if (width >= limits->min_width && height >= limits->min_height && width <= limits->max_width &&
        height <= limits->max_height)
        return true;
    snprintf(ret_sentence, sentence_size,
             "The X server's screen can be %dx%d to %dx%d; %dx%d is needed. The picture is scaled instead.",
             limits->min_width, limits->min_height, limits->max_width, limits->max_height, width, height);
    return false;
}

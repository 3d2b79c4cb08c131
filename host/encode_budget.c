/* SPDX-License-Identifier: Apache-2.0 */
#include "host/encode_budget.h"

#include "base/clock.h"

#include <stdio.h>

static const int64_t patience_ns = 5 * CLOCK_SECOND_NS;
static const int64_t patience_max_ns = 80 * CLOCK_SECOND_NS;
static const int64_t taken_back_ns = 15 * CLOCK_SECOND_NS; /* an increase that is reverted sooner was a mistake */

enum {
    BUDGET_PERCENT = 75, /* of the cores; the rest is for capture, conversion, sending and the desktop itself */
    THREADS_MAX = 8,     /* what our software encoder uses */
    THREAD_PERCENT = 30, /* of the duration, for each thread beyond the first */
    NS_PER_PIXEL = 3,    /* of core time, when nothing was measured: 1.9 to 4.4, see the header */
};

static const int steps_x100[] = {24000, 16500, 14400, 12000, 9000, 7500, 6000,
                                 5000,  4000,  3000,  2500,  2000, 1500, ENCODE_BUDGET_FPS_X100_MIN};

static int64_t core_ns(int64_t encode_ns, int cores)
{
    int threads = cores < 1 ? 1 : cores < THREADS_MAX ? cores : THREADS_MAX;
    return encode_ns * (100 + THREAD_PERCENT * (threads - 1)) / 100;
}

/* Core time per picture: measured, else as the pixels of the other sessions, else a usual figure. */
static int64_t cost_ns(const struct encode_budget_entry *entry, const struct encode_budget_entry *entries, size_t count,
                       int cores)
{
    if (entry->encode_ns)
        return core_ns(entry->encode_ns, cores);
    int64_t known_ns = 0, pixels = 0;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].software && entries[i].encode_ns) {
            known_ns += core_ns(entries[i].encode_ns, cores);
            pixels += entries[i].pixels;
        }
    }
    return pixels ? (int64_t)((double)known_ns / (double)pixels * (double)entry->pixels) : entry->pixels * NS_PER_PIXEL;
}

/* What may be given at most. */
static int most_fps_x100(const struct encode_budget_entry *entry)
{
    int held = entry->held_fps_x100, wished = entry->wished_fps_x100;
    if (!entry->software || !held || held >= wished)
        return wished;
    return held > ENCODE_BUDGET_FPS_X100_MIN || wished < ENCODE_BUDGET_FPS_X100_MIN ? held : ENCODE_BUDGET_FPS_X100_MIN;
}

/* The highest rate up to the wish that `left_ns` of core time in a second carries, but never less than the minimum. */
static int fitting(const struct encode_budget_entry *entry, int64_t cost, int64_t left_ns)
{
    int wished = most_fps_x100(entry);
    if (wished <= ENCODE_BUDGET_FPS_X100_MIN || cost * wished <= left_ns * 100)
        return wished;
    for (size_t i = 0; i < sizeof(steps_x100) / sizeof(steps_x100[0]); i++) {
        if (steps_x100[i] < wished && cost * steps_x100[i] <= left_ns * 100)
            return steps_x100[i];
    }
    return ENCODE_BUDGET_FPS_X100_MIN;
}

static void lower(struct encode_budget_entry *entry, int fps_x100, int64_t now_ns)
{
    int64_t patience = entry->patience_ns ? entry->patience_ns : patience_ns;
    bool mistake = entry->raised_ns && now_ns - entry->raised_ns < taken_back_ns;
    entry->patience_ns = !mistake ? patience_ns : patience * 2 < patience_max_ns ? patience * 2 : patience_max_ns;
    entry->raised_ns = 0;
    entry->room_ns = 0;
    entry->fps_x100 = fps_x100;
}

static void raise_after_a_while(struct encode_budget_entry *entry, int fps_x100, int64_t now_ns)
{
    if (!entry->room_ns) {
        entry->room_ns = now_ns;
        entry->room_fps_x100 = fps_x100;
    }
    if (fps_x100 < entry->room_fps_x100)
        entry->room_fps_x100 = fps_x100;
    if (now_ns - entry->room_ns < (entry->patience_ns ? entry->patience_ns : patience_ns))
        return;
    entry->fps_x100 = entry->room_fps_x100;
    entry->raised_ns = now_ns;
    entry->room_ns = 0;
}

static void set_all(struct encode_budget_entry *entry)
{
    entry->fps_x100 = most_fps_x100(entry);
    entry->room_ns = entry->raised_ns = entry->patience_ns = 0;
}

static int used_fps_x100(const struct encode_budget_entry *entry)
{
    bool makes_less = entry->made_fps_x100 && entry->made_fps_x100 < entry->fps_x100;
    return makes_less ? entry->made_fps_x100 : entry->fps_x100;
}

void encode_budget_share(struct encode_budget_entry *entries, size_t count, int cores, int64_t now_ns)
{
    int64_t left_ns = (cores < 1 ? 1 : cores) * CLOCK_SECOND_NS * BUDGET_PERCENT / 100;
    bool is_first = true;
    for (size_t i = 0; i < count; i++) {
        struct encode_budget_entry *entry = &entries[i];
        if (!entry->software) {
            set_all(entry);
            continue;
        }
        int64_t cost = cost_ns(entry, entries, count, cores);
        int fits = fitting(entry, cost, left_ns);
        if (is_first)
            set_all(entry);
        else if (!entry->fps_x100)
            entry->fps_x100 = fits;
        else if (fits < entry->fps_x100)
            lower(entry, fits, now_ns);
        else if (fits > entry->fps_x100)
            raise_after_a_while(entry, fits, now_ns);
        else
            entry->room_ns = 0;
        is_first = false;
        left_ns -= cost * used_fps_x100(entry) / 100;
    }
}

void encode_budget_reason(const struct encode_budget_entry *entry, const struct encode_budget_entry *entries,
                          size_t count, int cores, char ret_text[ENCODE_BUDGET_REASON_MAX])
{
    static const char *const words[] = {"No",  "One",   "Two",   "Three", "Four", "Five",
                                        "Six", "Seven", "Eight", "Nine",  "Ten"};
    ret_text[0] = '\0';
    if (entry->fps_x100 >= entry->wished_fps_x100)
        return;
    if (entry->fps_x100 == most_fps_x100(entry)) {
        snprintf(ret_text, ENCODE_BUDGET_REASON_MAX,
                 "Software holds %d of %d pictures per second of this codec at this size. A GPU that works, H.264, or "
                 "colours without 4:4:4 would give the full rate to who connects anew.",
                 (entry->fps_x100 + 50) / 100, (entry->wished_fps_x100 + 50) / 100);
        return;
    }
    size_t encodes = 0;
    for (size_t i = 0; i < count; i++)
        encodes += entries[i].software;
    char number[24];
    if (encodes < sizeof(words) / sizeof(words[0]))
        snprintf(number, sizeof(number), "%s", words[encodes]);
    else
        snprintf(number, sizeof(number), "%zu", encodes);
    snprintf(ret_text, ENCODE_BUDGET_REASON_MAX,
             "%s software encodes do not fit %d core%s: %d of %d pictures per second. A hardware encoder, or a smaller "
             "picture, would give the full rate.",
             number, cores, cores == 1 ? "" : "s", (entry->fps_x100 + 50) / 100, (entry->wished_fps_x100 + 50) / 100);
}

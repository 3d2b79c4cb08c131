/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audio_source_main: an audio source with one tap, driven by lines on stdin; for test_audio_source.py.
 * usage: audio_source_main SERVER [LEFT_NOTE]     "": libpulse's own default, no note
 *
 *   open CHANNELS SILENCE   a tap; SILENCE 0 or 1
 *   close                   the tap
 *   answer 0|1              whether notes are stored from now on
 *   quit
 *
 * One JSON object a line on stdout: {"note": text}, {"status": ...} when it is different, and for each 100 ms of sound
 * {"sound": {"rms": [a channel each], "hz": [...], "age_us": median time from taken to read}}.
 */
#include "audio/source.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_PERIODS = 20, BLOCK_FRAMES = BLOCK_PERIODS * AUDIO_PERIOD };

struct rig {
    struct audio_source *source;
    struct audio_tap *tap;
    struct thread reader;
    int channels;
    atomic_bool stopping, stores;
    atomic_int notes; /* to be answered */
    float block[BLOCK_FRAMES * AUDIO_CHANNELS_MAX];
    int64_t ages_ns[BLOCK_PERIODS];
};

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text >= ' ')
            putchar(*text);
    putchar('"');
}

static void on_note(void *ctx, const char *note)
{
    struct rig *rig = ctx;
    flockfile(stdout);
    printf("{\"note\": ");
    print_text(note);
    printf("}\n");
    fflush(stdout);
    funlockfile(stdout);
    atomic_fetch_add(&rig->notes, 1);
}

static void answer_notes(struct rig *rig)
{
    for (int notes = atomic_exchange(&rig->notes, 0); notes > 0; notes--)
        audio_source_note_stored(rig->source, atomic_load(&rig->stores));
}

static int compare_ages(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of a sine: from the distance of its first and its last rising zero crossing. */
static double frequency(const float *samples, int stride)
{
    double first = -1, last = -1;
    int periods = -1;
    for (int i = 1; i < BLOCK_FRAMES; i++) {
        double a = samples[(i - 1) * stride], b = samples[i * stride];
        if (a >= 0 || b < 0)
            continue;
        last = i - 1 + a / (a - b);
        if (periods < 0)
            first = last;
        periods++;
    }
    return periods > 0 ? periods * (double)AUDIO_RATE / (last - first) : 0;
}

static void print_block(struct rig *rig)
{
    qsort(rig->ages_ns, BLOCK_PERIODS, sizeof(rig->ages_ns[0]), compare_ages);
    flockfile(stdout);
    printf("{\"sound\": {\"rms\": [");
    for (int c = 0; c < rig->channels; c++) {
        double sum = 0;
        for (int i = 0; i < BLOCK_FRAMES; i++)
            sum += pow(rig->block[i * rig->channels + c], 2);
        printf("%s%.4f", c ? ", " : "", sqrt(sum / BLOCK_FRAMES));
    }
    printf("], \"hz\": [");
    for (int c = 0; c < rig->channels; c++)
        printf("%s%.1f", c ? ", " : "", frequency(rig->block + c, rig->channels));
    printf("], \"age_us\": %.1f}}\n", (double)rig->ages_ns[BLOCK_PERIODS / 2] / 1e3);
    fflush(stdout);
    funlockfile(stdout);
}

static void read_sound(void *arg)
{
    struct rig *rig = arg;
    int periods = 0;
    while (!atomic_load(&rig->stopping)) {
        int64_t taken_ns = 0;
        float *at = rig->block + (size_t)(periods * AUDIO_PERIOD * rig->channels);
        if (audio_tap_read(rig->tap, at, AUDIO_PERIOD, &taken_ns) != AUDIO_TAP_OK)
            continue;
        rig->ages_ns[periods++] = clock_now_ns() - taken_ns;
        if (periods == BLOCK_PERIODS) {
            print_block(rig);
            periods = 0;
        }
    }
}

static void close_tap(struct rig *rig)
{
    if (!rig->tap)
        return;
    atomic_store(&rig->stopping, true);
    audio_tap_wake(rig->tap);
    thread_join(&rig->reader);
    audio_tap_close(rig->tap);
    rig->tap = NULL;
}

static bool obey(struct rig *rig, const char *line)
{
    int channels, silence, stores;
    if (sscanf(line, "open %d %d", &channels, &silence) == 2) {
        close_tap(rig);
        struct audio_tap_config config = {.channels = channels, .silence_host = silence != 0};
        rig->channels = channels;
        atomic_store(&rig->stopping, false);
        rig->tap = audio_source_open_tap(rig->source, &config);
        return rig->tap && thread_start(&rig->reader, "reader", read_sound, rig);
    }
    if (strncmp(line, "close", 5) == 0)
        close_tap(rig);
    else if (sscanf(line, "answer %d", &stores) == 1)
        atomic_store(&rig->stores, stores != 0);
    return strncmp(line, "quit", 4) != 0;
}

static void print_status(const struct audio_source_status *status)
{
    flockfile(stdout);
    printf("{\"status\": {\"backend\": \"%s\", \"sink\": ", status->backend);
    print_text(status->sink);
    printf(", \"sentence\": ");
    print_text(status->sentence);
    printf(", \"channels\": %d, \"silenced\": %s, \"reconnects\": %llu}}\n", status->channels,
           status->silenced ? "true" : "false", (unsigned long long)status->reconnects);
    fflush(stdout);
    funlockfile(stdout);
}

static bool is_different(const struct audio_source_status *a, const struct audio_source_status *b)
{
    return strcmp(a->sink, b->sink) != 0 || strcmp(a->sentence, b->sentence) != 0 || a->channels != b->channels ||
           a->silenced != b->silenced || a->reconnects != b->reconnects;
}

static void serve(struct rig *rig)
{
    struct audio_source_status told = {.channels = -1}, now;
    char line[128];
    for (;;) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&in, 1, 20) > 0 && (!fgets(line, sizeof(line), stdin) || !obey(rig, line)))
            return;
        answer_notes(rig);
        audio_source_get_status(rig->source, &now);
        if (is_different(&told, &now))
            print_status(&now);
        told = now;
    }
}

int main(int count, char **words)
{
    static struct rig rig;
    if (count < 2)
        return 2;
    log_set_level(LOG_LEVEL_DEBUG);
    setvbuf(stdin, NULL, _IONBF, 0); /* poll() sees all that was not read */
    atomic_store(&rig.stores, true);
    struct audio_source_config config = {
        .backend = "pulse", .note = on_note, .server = words[1], .left_note = count > 2 ? words[2] : NULL, .ctx = &rig};
    rig.source = audio_source_create(&config);
    if (!rig.source)
        return 1;
    serve(&rig);
    close_tap(&rig);
    audio_source_destroy(rig.source);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/sound.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

#include <complex.h>
#include <math.h>
#include <openssl/evp.h>
#include <opus_multistream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 48000, FRAMES_MAX = 960, WINDOW = 4096, LOG2_WINDOW = 12, SECONDS_MAX = 3600, WAV_HEADER = 44 };
#define SILENCE_DB (-120.0)

struct channel {
    float window[WINDOW];
    double spectrum[WINDOW / 2]; /* sum of powers over all windows */
    double square_sum, second_sum;
};

struct sound {
    struct sound_config config;
    struct sound_queue *queue;
    EVP_CIPHER_CTX *cipher;
    OpusMSDecoder *decoder;
    FILE *wav;
    uint8_t key[16];
    char layout[16]; /* digits of the line in use */
    uint64_t dropped, broken, decode_errors, gaps, frames, windows;
    int64_t last_arrival_ns, gap_max_ns;
    size_t fill;
    int second_frames, seconds;
    double seconds_db[SECONDS_MAX];
    struct channel channels[SOUND_CHANNELS_MAX];
};

/* --- the layout, as stock clients read it --- */

/* The first line of this channel count is normal quality, the second one high. */
static bool find_layout(struct sound *self, bool *ret_high)
{
    char prefix[40];
    int found = 0;
    snprintf(prefix, sizeof(prefix), "a=fmtp:97 surround-params=%d", self->config.channels);
    for (const char *at = self->config.describe; (at = strstr(at, prefix)) && found < 2; at += strlen(prefix)) {
        if (found == 0 || self->config.high_quality) {
            const char *digits = strchr(at, '=') + 1;
            digits = strchr(digits, '=') + 1;
            snprintf(self->layout, sizeof(self->layout), "%.*s", (int)strcspn(digits, "\r\n "), digits);
            *ret_high = found == 1;
        }
        found++;
    }
    return found > 0 && strlen(self->layout) == (size_t)(3 + self->config.channels);
}

static bool make_decoder(struct sound *self)
{
    int channels = self->config.channels, streams = 1, coupled = 1, problem = 0;
    unsigned char mapping[SOUND_CHANNELS_MAX] = {0, 1};
    bool high = false;
    if (channels > 2) {
        if (!find_layout(self, &high)) {
            log_error("sound: DESCRIBE has no line for %d channels", channels);
            return false;
        }
        streams = self->layout[1] - '0';
        coupled = self->layout[2] - '0';
        for (int c = 0; c < channels; c++)
            mapping[c] = (unsigned char)(self->layout[3 + c] - '0');
        if (!high) { /* the order is taken for FL FR FC BL BR SL SR LFE */
            unsigned char last = mapping[channels - 1];
            memmove(mapping + 4, mapping + 3, (size_t)channels - 4);
            mapping[3] = last;
        }
    }
    self->decoder = opus_multistream_decoder_create(RATE, channels, streams, coupled, mapping, &problem);
    if (!self->decoder)
        log_error("sound: no decoder for \"%s\": %s", self->layout, opus_strerror(problem));
    return self->decoder != NULL;
}

/* --- looking at samples --- */

static void transform(double complex *data) /* in place, WINDOW points */
{
    for (unsigned i = 0; i < WINDOW; i++) {
        unsigned reversed = 0;
        for (unsigned bit = 0; bit < LOG2_WINDOW; bit++)
            reversed |= (i >> bit & 1) << (LOG2_WINDOW - 1 - bit);
        if (reversed > i) {
            double complex t = data[i];
            data[i] = data[reversed];
            data[reversed] = t;
        }
    }
    for (unsigned size = 2; size <= WINDOW; size *= 2) {
        double complex step = cexp(-2 * M_PI * I / size);
        for (unsigned start = 0; start < WINDOW; start += size) {
            double complex turn = 1;
            for (unsigned i = start; i < start + size / 2; i++, turn *= step) {
                double complex odd = turn * data[i + size / 2];
                data[i + size / 2] = data[i] - odd;
                data[i] += odd;
            }
        }
    }
}

static void add_window(struct channel *channel)
{
    double complex data[WINDOW];
    for (int i = 0; i < WINDOW; i++)
        data[i] = channel->window[i] * (0.5 - 0.5 * cos(2 * M_PI * i / WINDOW));
    transform(data);
    for (int i = 0; i < WINDOW / 2; i++)
        channel->spectrum[i] += creal(data[i] * conj(data[i]));
}

static double decibel(double power)
{
    return power > 1e-12 ? 10 * log10(power) : SILENCE_DB;
}

static void end_second(struct sound *self)
{
    double loudest = 0;
    for (int c = 0; c < self->config.channels; c++) {
        if (self->channels[c].second_sum > loudest)
            loudest = self->channels[c].second_sum;
        self->channels[c].second_sum = 0;
    }
    if (self->seconds < SECONDS_MAX)
        self->seconds_db[self->seconds++] = decibel(loudest / RATE);
    self->second_frames = 0;
}

static void look_at(struct sound *self, const float *samples, int frames)
{
    int channels = self->config.channels;
    for (int i = 0; i < frames; i++) {
        for (int c = 0; c < channels; c++) {
            float value = samples[i * channels + c];
            self->channels[c].window[self->fill] = value;
            self->channels[c].square_sum += value * value;
            self->channels[c].second_sum += value * value;
        }
        if (++self->second_frames == RATE)
            end_second(self);
        if (++self->fill < WINDOW)
            continue;
        for (int c = 0; c < channels; c++)
            add_window(&self->channels[c]);
        self->fill = 0;
        self->windows++;
    }
    self->frames += (uint64_t)frames;
}

/* --- WAV: 16 bits --- */

static void write_wav_header(struct sound *self)
{
    uint8_t head[WAV_HEADER] = "RIFF....WAVEfmt ";
    unsigned frame = (unsigned)self->config.channels * 2;
    uint32_t bytes = (uint32_t)(self->frames * frame);
    bytes_put_u32le(head + 4, bytes + WAV_HEADER - 8);
    bytes_put_u32le(head + 16, 16);
    head[20] = 1; /* PCM */
    head[22] = (uint8_t)self->config.channels;
    bytes_put_u32le(head + 24, RATE);
    bytes_put_u32le(head + 28, RATE * frame);
    head[32] = (uint8_t)frame;
    head[34] = 16;
    memcpy(head + 36, "data", 4);
    bytes_put_u32le(head + 40, bytes);
    rewind(self->wav);
    fwrite(head, 1, sizeof(head), self->wav);
}

static void write_wav(struct sound *self, const float *samples, int count)
{
    for (int i = 0; i < count; i++) {
        float value = samples[i] > 1 ? 1 : samples[i] < -1 ? -1 : samples[i];
        int16_t number = (int16_t)lrintf(value * 32767);
        fputc(number & 0xff, self->wav);
        fputc(number >> 8 & 0xff, self->wav);
    }
}

/* --- packets --- */

static int open_payload(struct sound *self, uint16_t sequence, const uint8_t *data, size_t size, uint8_t *ret_plain)
{
    uint8_t iv[16] = {0};
    int written = 0, rest = 0;
    bytes_put_u32be(iv, self->config.key_id + sequence);
    if (EVP_DecryptInit_ex(self->cipher, EVP_aes_128_cbc(), NULL, self->key, iv) != 1 ||
        EVP_DecryptUpdate(self->cipher, ret_plain, &written, data, (int)size) != 1 ||
        EVP_DecryptFinal_ex(self->cipher, ret_plain + written, &rest) != 1)
        return 0;
    return written + rest;
}

static void on_payload(void *ctx, uint16_t sequence, const uint8_t *data, size_t size)
{
    struct sound *self = ctx;
    uint8_t plain[SOUND_PAYLOAD_MAX + 16];
    float samples[FRAMES_MAX * SOUND_CHANNELS_MAX];
    int frames = RATE / 1000 * self->config.packet_ms, length = (int)size;
    if (data && self->cipher) {
        length = open_payload(self, sequence, data, size, plain);
        data = length ? plain : NULL;
        self->broken += !length;
    }
    if (!self->decoder)
        return;
    int decoded = opus_multistream_decode_float(self->decoder, data, data ? length : 0, samples, frames, 0);
    if (decoded != frames) {
        self->decode_errors++;
        return;
    }
    look_at(self, samples, frames);
    if (self->wav)
        write_wav(self, samples, frames * self->config.channels);
}

/* Which of the six packets of a block are lost: the same in every run. */
static bool is_lost(const struct sound *self, uint16_t base, int index)
{
    uint64_t random = self->config.seed * 0x9e3779b97f4a7c15u + base / 4 * 0xbf58476d1ce4e5b9u;
    int order[6] = {0, 1, 2, 3, 4, 5};
    for (int i = 5; i > 0; i--) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int other = (int)((random >> 33) % (unsigned)(i + 1)), t = order[i];
        order[i] = order[other];
        order[other] = t;
    }
    for (int i = 0; i < self->config.loss_per_block && i < 6; i++) {
        if (order[i] == index)
            return true;
    }
    return false;
}

void sound_packet(struct sound *self, const uint8_t *data, size_t size, int64_t arrival_ns)
{
    int64_t gap_ns = self->last_arrival_ns ? arrival_ns - self->last_arrival_ns : 0;
    self->last_arrival_ns = arrival_ns;
    self->gaps += gap_ns > 20 * CLOCK_MS_NS;
    if (gap_ns > self->gap_max_ns)
        self->gap_max_ns = gap_ns;
    if (self->config.loss_per_block && size > 24) {
        uint16_t number = bytes_get_u16be(data + (data[1] == 97 ? 2 : 14));
        if (is_lost(self, number & 0xfffc, data[1] == 97 ? number % 4 : 4 + data[12])) {
            self->dropped++;
            return;
        }
    }
    sound_queue_packet(self->queue, data, size, arrival_ns);
}

/* --- begin and end --- */

struct sound *sound_create(const struct sound_config *config)
{
    struct sound *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("sound");
    self->config = *config;
    if (config->key)
        memcpy(self->key, config->key, sizeof(self->key));
    self->queue = sound_queue_create(
        &(struct sound_queue_config){.packet_ms = config->packet_ms, .ctx = self, .payload = on_payload});
    self->cipher = config->key ? EVP_CIPHER_CTX_new() : NULL;
    self->wav = config->record ? fopen(config->record, "wb") : NULL;
    bool listens = config->listen || config->record;
    if (self->wav)
        write_wav_header(self);
    if (self->queue && (self->cipher || !config->key) && (self->wav || !config->record) &&
        (!listens || make_decoder(self)))
        return self;
    log_error("sound: cannot listen%s%s", config->record ? " or record to " : "", config->record ? config->record : "");
    sound_destroy(self);
    return NULL;
}

void sound_destroy(struct sound *self)
{
    if (!self)
        return;
    if (self->wav) {
        write_wav_header(self);
        fclose(self->wav);
    }
    if (self->decoder)
        opus_multistream_decoder_destroy(self->decoder);
    EVP_CIPHER_CTX_free(self->cipher);
    sound_queue_destroy(self->queue);
    free(self);
}

/* The strongest tone: its place between two lines from the ratio of their powers. */
static json_t *channel_report(const struct sound *self, const struct channel *channel)
{
    int best = 1;
    for (int i = 2; i < WINDOW / 2 - 1; i++) {
        if (channel->spectrum[i] > channel->spectrum[best])
            best = i;
    }
    const double *s = channel->spectrum;
    double a = log(s[best - 1] + 1e-30), b = log(s[best] + 1e-30), c = log(s[best + 1] + 1e-30);
    double shift = a + c - 2 * b != 0 ? (a - c) / (2 * (a + c - 2 * b)) : 0;
    double power = 0; /* a tone covers a few lines; the window lets 3/8 of its power through */
    for (int i = best > 2 ? best - 2 : 0; i <= best + 2 && i < WINDOW / 2; i++)
        power += s[i];
    power = self->windows ? power / (double)self->windows * 2 / (0.375 * WINDOW * (double)WINDOW) : 0;
    return json_pack("{sf sf sf}", "hz", self->windows ? (best + shift) * RATE / WINDOW : 0.0, "db",
                     decibel(self->frames ? channel->square_sum / (double)self->frames : 0), "tone_db", decibel(power));
}

json_t *sound_report(struct sound *self)
{
    struct sound_queue_counters c = sound_queue_get_counters(self->queue);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"packets", c.data},
        {"parity", c.parity},
        {"bytes", c.bytes},
        {"payload_bytes", c.payload_size},
        {"played", c.played},
        {"recovered", c.recovered},
        {"lost", c.lost},
        {"at_start", c.at_start},
        {"late", c.late},
        {"duplicates", c.duplicates},
        {"malformed", c.malformed + c.other},
        {"bad_timestamps", c.bad_timestamps},
        {"dropped_on_purpose", self->dropped},
        {"broken", self->broken},
        {"decode_errors", self->decode_errors},
        {"gaps", self->gaps},
    };
    json_t *report = json_object();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        json_object_set_new(report, rows[i].name, json_integer((json_int_t)rows[i].value));
    json_object_set_new(report, "fec_off", json_boolean(c.fec_off));
    json_object_set_new(report, "layout", json_string(self->layout));
    json_object_set_new(report, "gap_max_ms", json_real((double)self->gap_max_ns / 1e6));
    json_t *channels = json_array(), *seconds = json_array();
    for (int i = 0; self->decoder && i < self->config.channels; i++)
        json_array_append_new(channels, channel_report(self, &self->channels[i]));
    for (int i = 0; i < self->seconds; i++)
        json_array_append_new(seconds, json_real(self->seconds_db[i]));
    json_object_set_new(report, "channels", channels);
    json_object_set_new(report, "seconds_db", seconds);
    return report;
}

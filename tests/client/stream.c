/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/stream.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "tests/client/control.h"
#include "tests/client/receiver.h"
#include "tests/client/report.h"
#include "tests/client/script.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    TYPE_PING = 0x0200,
    TYPE_INVALIDATE = 0x0301,
    TYPE_IDR = 0x0302,
    TYPE_START = 0x0307,
    TYPE_KEPT = 0x0350,
    TYPE_STATUS = 0x5502,
    CHANNEL_GENERAL = 0,
    CHANNEL_URGENT = 1,
    STATUS_PER_WINDOW = 8,
    FRAME_NUMBER_AT = 20, /* in a video packet */
};
#define PING_NS          (500 * CLOCK_MS_NS)
#define CONTROL_PING_NS  (100 * CLOCK_MS_NS)
#define STATUS_WINDOW_NS (100 * CLOCK_MS_NS)
#define CONNECT_NS       (10 * CLOCK_SECOND_NS)
#define NO_VIDEO_NS      (10 * CLOCK_SECOND_NS)
#define HELD_BACK_NS     (2 * CLOCK_MS_NS)

struct session {
    const struct options *options;
    struct report report;
    struct control *control;
    struct receiver *video, *audio;
    struct depacketise *depacketise;
    struct impair *impair;
    struct recording recording;
    FILE *packets; /* NULL: not recorded */
    struct sound *sound;
    struct script *script; /* NULL: no input is sent */
    int64_t pings_due_ns, control_ping_due_ns, idr_due_ns, status_window_ns, last_datagram_ns, end_ns;
    unsigned statuses_in_window;
};

static bool fail(struct session *self, const char *stage, const char *why)
{
    snprintf(self->report.error, sizeof(self->report.error), "%s: %.180s", stage, why);
    return false;
}

/* For who waits until nothing changes any more. */
static void tell_rest(const struct session *self)
{
    const struct recording *recording = &self->recording;
    if (!recording->count || !recording_rested(recording, recording->count - 1, self->options->look.rest_ms))
        return;
    const struct recording_entry *last = &recording->entries[recording->count - 1];
    printf("REST %u %" PRId64 "\n", last->number, last[-1].last_ns);
    fflush(stdout);
}

static void confirm(struct session *self, uint32_t frame)
{
    uint8_t payload[8] = {0};
    bytes_put_u32le(payload, frame);
    self->report.confirmations++;
    control_send(self->control, TYPE_KEPT, payload, sizeof(payload), CHANNEL_URGENT, CONTROL_RELIABLE);
}

static void on_frame(void *ctx, const struct depacketise_frame *frame)
{
    struct session *self = ctx;
    recording_add(&self->recording, frame);
    if (!frame->delivered)
        return;
    if (frame->long_term && self->report.invalidation)
        confirm(self, frame->number);
    if (!self->report.first_picture_ns) {
        self->report.first_picture_ns = frame->last_ns;
        self->end_ns = frame->last_ns + (int64_t)(self->options->seconds * 1e9);
        printf("STREAMING %.1f\n", (double)(frame->last_ns - self->report.launch_ns) / 1e6);
        fflush(stdout);
    }
    if (self->options->look.rest_folder)
        tell_rest(self);
}

static void on_input(void *ctx, const struct input_packet *packet)
{
    struct session *self = ctx;
    control_send(self->control, INPUT_TYPE, packet->bytes, packet->size, packet->channel,
                 packet->unreliable ? CONTROL_UNRELIABLE : CONTROL_RELIABLE);
}

static void send_idr_request(struct session *self)
{
    static const uint8_t payload[2] = {0};
    self->report.idr_requests++;
    control_send(self->control, TYPE_IDR, payload, sizeof(payload), CHANNEL_URGENT, CONTROL_RELIABLE);
}

static void on_request_idr(void *ctx)
{
    send_idr_request(ctx);
}

static void on_invalidate(void *ctx, uint32_t first, uint32_t last)
{
    struct session *self = ctx;
    uint8_t payload[24] = {0};
    bytes_put_u32le(payload, first);
    bytes_put_u32le(payload + 8, last);
    self->report.invalidations++;
    control_send(self->control, TYPE_INVALIDATE, payload, sizeof(payload), CHANNEL_URGENT, CONTROL_RELIABLE);
}

static void on_status(void *ctx, const struct depacketise_status *status)
{
    struct session *self = ctx;
    uint8_t payload[21];
    int64_t now_ns = clock_now_ns();
    if (now_ns - self->status_window_ns > STATUS_WINDOW_NS) {
        self->status_window_ns = now_ns;
        self->statuses_in_window = 0;
    }
    if (self->statuses_in_window++ >= STATUS_PER_WINDOW)
        return;
    bytes_put_u32be(payload, status->frame);
    bytes_put_u16be(payload + 4, status->highest_seq);
    bytes_put_u16be(payload + 6, status->next_seq);
    bytes_put_u16be(payload + 8, status->missing);
    bytes_put_u16be(payload + 10, status->data_total);
    bytes_put_u16be(payload + 12, status->parity_total);
    bytes_put_u16be(payload + 14, status->data_received);
    bytes_put_u16be(payload + 16, status->parity_received);
    payload[18] = status->percent;
    payload[19] = status->block;
    payload[20] = status->block_count;
    self->report.statuses++;
    control_send(self->control, TYPE_STATUS, payload, sizeof(payload), CHANNEL_GENERAL, CONTROL_UNSEQUENCED);
}

/* "arrival ns, bytes of UDP payload, frame number", one line a packet. */
static void record_packet(FILE *file, const struct receiver_datagram *datagram)
{
    if (file && datagram->size >= FRAME_NUMBER_AT + 4)
        fprintf(file, "%" PRId64 " %zu %u\n", datagram->arrival_ns, datagram->wire_bytes,
                bytes_get_u32le(datagram->data + FRAME_NUMBER_AT));
}

static void on_video(void *ctx, const struct receiver_datagram *datagram)
{
    struct session *self = ctx;
    self->last_datagram_ns = datagram->arrival_ns;
    report_datagram(&self->report, datagram->wire_bytes, datagram->arrival_ns);
    record_packet(self->packets, datagram);
    impair_packet(self->impair, datagram->data, datagram->size, datagram->arrival_ns);
}

static void on_audio(void *ctx, const struct receiver_datagram *datagram)
{
    struct session *self = ctx;
    self->report.audio_packets++;
    sound_packet(self->sound, datagram->data, datagram->size, datagram->arrival_ns);
}

enum { RIKEY_ID = -559038737 };

/* "surroundAudioInfo": mask and count of the channels. */
static int surround_info(const struct options *options)
{
    int channels = options->wish.audio_channels;
    return (channels == 2 ? 0x3 : channels == 6 ? 0x3f : 0x63f) << 16 | channels;
}

bool stream_launch(const struct options *options, const struct http_target *target, const struct identity *identity,
                   const char *path, int app_id, const char *rikey, struct http_reply *ret_reply)
{
    char query[1024], mode[64], corever[32] = "";
    snprintf(mode, sizeof(mode), "%dx%dx%d", options->wish.width, options->wish.height, options->wish.fps);
    if (options->corever && !options->plain_rtsp)
        snprintf(corever, sizeof(corever), "&corever=%d", options->corever);
    snprintf(query, sizeof(query),
             "appid=%d&mode=%s&additionalStates=1&sops=%d&rikey=%s&rikeyid=%d&localAudioPlayMode=%d"
             "&surroundAudioInfo=%d&remoteControllersBitmap=0&gcmap=0&gcpersist=0%s%s%s",
             app_id, options->mode ? options->mode : mode, options->sops, rikey, RIKEY_ID, options->local_audio,
             surround_info(options), corever, options->query ? "&" : "", options->query ? options->query : "");
    struct http_target patient = *target;
    if (patient.timeout_ms < 60000)
        patient.timeout_ms = 60000;
    return http_get(&patient, identity, path, query, ret_reply);
}

static int choose_app(struct session *self, const struct http_target *target, const struct identity *identity,
                      bool *ret_resume)
{
    struct http_reply reply;
    char text[32] = "0";
    int running, app = self->options->app_id;
    bool got = http_get(target, identity, "/serverinfo", NULL, &reply) && reply.status_code == 200;
    if (!got)
        fail(self, "serverinfo", reply.error[0] ? reply.error : "not paired, or refused");
    else
        http_xml_value(&reply, "currentgame", text, sizeof(text));
    http_reply_finish(&reply);
    running = atoi(text);
    *ret_resume = self->options->resume || (running && !self->options->launch);
    if (!got || running || app >= 0)
        return got ? (app >= 0 ? app : running) : -1;
    got = http_get(target, identity, "/applist", NULL, &reply) && http_xml_value(&reply, "ID", text, sizeof(text));
    http_reply_finish(&reply);
    return got ? atoi(text) : -1;
}

static bool start_app(struct session *self, const struct http_target *target, const struct identity *identity,
                      uint8_t key[16], char *ret_url, size_t capacity)
{
    struct http_reply reply;
    char rikey[33];
    bool resume;
    int app = choose_app(self, target, identity, &resume);
    if (app < 0)
        return self->report.error[0] ? false : fail(self, "applist", "no application");
    if (!random_bytes(key, 16))
        return false;
    text_hex(key, 16, rikey);
    self->report.resumed = resume;
    self->report.launch_ns = clock_now_ns();
    bool got = stream_launch(self->options, target, identity, resume ? "/resume" : "/launch", app, rikey, &reply);
    if (resume && !self->options->resume && reply.status_code == 503) { /* quit by another client meanwhile */
        http_reply_finish(&reply);
        self->report.resumed = false;
        got = stream_launch(self->options, target, identity, "/launch", app, rikey, &reply);
    }
    self->report.launch_status = reply.status_code;
    self->report.launch_ms = (double)(clock_now_ns() - self->report.launch_ns) / 1e6;
    bool good = got && reply.status_code == 200 && http_xml_value(&reply, "sessionUrl0", ret_url, capacity);
    if (!good) {
        const char *text = reply.body ? strstr(reply.body, "status_message") : NULL;
        fail(self, "launch", text ? text : reply.error[0] ? reply.error : "refused");
    }
    http_reply_finish(&reply);
    return good;
}

static bool create_parts(struct session *self, const struct http_target *target, const uint8_t key[16])
{
    const struct rtsp_result *rtsp = &self->report.rtsp;
    bool sealed = rtsp->encryption_enabled & 2;
    self->report.invalidation = self->options->invalidate && rtsp->invalidation_offered;
    struct depacketise_config config = {
        .packet_size = rtsp->packet_size,
        .codec = rtsp->codec,
        .invalidation = self->report.invalidation,
        .events = {.ctx = self,
                   .frame = on_frame,
                   .request_idr = on_request_idr,
                   .invalidate = on_invalidate,
                   .status = on_status},
    };
    struct impair_config bad = self->options->impair;
    bad.shard_size = (size_t)rtsp->packet_size + 16;
    struct receiver_config video = {
        .host = target->address,
        .ping = rtsp->video_ping,
        .datagram_max = bad.shard_size + (sealed ? 32 : 0),
        .key = sealed ? key : NULL,
        .ctx = self,
        .datagram = on_video,
    };
    struct receiver_config audio = {
        .host = target->address, .ping = rtsp->audio_ping, .datagram_max = 2048, .ctx = self, .datagram = on_audio};
    video.host.sin_port = htons(rtsp->video_port);
    audio.host.sin_port = htons(rtsp->audio_port);
    struct sound_config sound = {
        .describe = rtsp->describe,
        .channels = self->options->wish.audio_channels,
        .packet_ms = self->options->wish.audio_ms,
        .high_quality = self->options->wish.audio_high,
        .key = rtsp->encryption_enabled & 4 ? key : NULL,
        .key_id = (uint32_t)RIKEY_ID,
        .listen = self->options->listen,
        .record = self->options->record_audio,
        .loss_per_block = self->options->audio_loss,
        .seed = self->options->impair.seed,
    };
    self->sound = sound_create(&sound);
    self->depacketise = depacketise_create(&config);
    self->impair = self->depacketise ? impair_create(&bad, self->depacketise) : NULL;
    self->video = receiver_create(&video);
    self->audio = receiver_create(&audio);
    self->control = control_create(&target->address, rtsp->control_port, rtsp->connect_data, key);
    return self->sound && self->impair && self->video && self->audio && self->control
               ? true
               : fail(self, "client", "out of memory");
}

static bool connect_control(struct session *self)
{
    static const uint8_t zeros[2] = {0}, ping[8] = {4};
    int64_t until_ns = clock_now_ns() + CONNECT_NS;
    enum control_state state;
    receiver_ping(self->audio);
    while ((state = control_service(self->control)) == CONTROL_CONNECTING && clock_now_ns() < until_ns) {
        struct pollfd wait = {.fd = control_fd(self->control), .events = POLLIN};
        poll(&wait, 1, 5);
    }
    if (state != CONTROL_CONNECTED)
        return fail(self, "control", state == CONTROL_GONE ? "connection refused" : "no connection in 10 s");
    control_send(self->control, TYPE_IDR, zeros, 2, CHANNEL_GENERAL, CONTROL_RELIABLE);
    control_send(self->control, TYPE_START, zeros, 1, CHANNEL_GENERAL, CONTROL_RELIABLE);
    control_send(self->control, TYPE_PING, ping, sizeof(ping), CHANNEL_GENERAL, CONTROL_RELIABLE);
    return true;
}

static void do_due(struct session *self, int64_t now_ns)
{
    static const uint8_t ping[8] = {4};
    if (now_ns >= self->pings_due_ns) {
        if (!self->options->no_video_ping)
            receiver_ping(self->video);
        receiver_ping(self->audio);
        self->pings_due_ns = now_ns + PING_NS;
    }
    if (now_ns >= self->control_ping_due_ns && !self->options->silent) {
        control_send(self->control, TYPE_PING, ping, sizeof(ping), CHANNEL_GENERAL, CONTROL_RELIABLE);
        self->control_ping_due_ns = now_ns + CONTROL_PING_NS;
    }
    if (self->options->idr_every_s > 0 && self->report.first_picture_ns && now_ns >= self->idr_due_ns) {
        if (self->idr_due_ns)
            send_idr_request(self);
        self->idr_due_ns = now_ns + (int64_t)(self->options->idr_every_s * 1e9);
    }
    if (self->script && self->report.first_picture_ns &&
        !script_run(self->script, self->report.first_picture_ns, now_ns))
        fail(self, "input", "a line of the script cannot be read");
    if (now_ns - self->last_datagram_ns > HELD_BACK_NS)
        impair_flush(self->impair, now_ns);
}

static bool wants_more(struct session *self, int64_t now_ns)
{
    const struct options *options = self->options;
    if (!self->report.first_picture_ns && now_ns > self->end_ns)
        return fail(self, "video", "no picture in 10 s");
    uint64_t delivered = depacketise_get_counters(self->depacketise).frames_delivered;
    if (self->report.error[0])
        return false;
    return now_ns < self->end_ns && !(options->frames && delivered >= (uint64_t)options->frames);
}

/* Readable once somebody wants us to leave now, politely. -1: none to be had. */
static int interrupt_fd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    return sigprocmask(SIG_BLOCK, &set, NULL) ? -1 : signalfd(-1, &set, SFD_CLOEXEC);
}

static void receive(struct session *self)
{
    int64_t now_ns = clock_now_ns();
    int interrupt = interrupt_fd();
    self->end_ns = now_ns + NO_VIDEO_NS;
    while (wants_more(self, now_ns)) {
        struct pollfd wait[4] = {{.fd = receiver_fd(self->video), .events = POLLIN},
                                 {.fd = receiver_fd(self->audio), .events = POLLIN},
                                 {.fd = self->options->silent ? -1 : control_fd(self->control), .events = POLLIN},
                                 {.fd = interrupt, .events = POLLIN}};
        poll(wait, 4, 5);
        if (wait[3].revents)
            break;
        receiver_drain(self->video);
        receiver_drain(self->audio);
        now_ns = clock_now_ns();
        do_due(self, now_ns);
        if (!self->options->silent && control_service(self->control) == CONTROL_GONE) {
            self->report.control_gone = true;
            receiver_drain(self->video);
            break;
        }
    }
    if (interrupt >= 0)
        close(interrupt);
    impair_flush(self->impair, now_ns);
    self->report.end_ns = clock_now_ns();
}

static void leave(struct session *self, const struct http_target *target, const struct identity *identity)
{
    struct http_reply reply;
    if (self->options->die)
        return;
    if (self->options->quit) {
        http_get(target, identity, "/cancel", NULL, &reply);
        self->report.cancel_status = reply.status_code;
        http_reply_finish(&reply);
    }
    if (self->control)
        control_leave(self->control);
}

static void finish(struct session *self)
{
    struct report *report = &self->report;
    if (self->control)
        report->control = control_get_counters(self->control);
    if (self->video)
        report->video = receiver_get_counters(self->video);
    if (self->depacketise)
        report->frames = depacketise_get_counters(self->depacketise);
    if (self->impair)
        report->dropped_on_purpose = impair_dropped(self->impair);
    if (self->options->decode && self->recording.file)
        decode_recording(&self->recording, report->rtsp.codec, &self->options->look, &report->decoded);
    if (self->packets && fclose(self->packets))
        log_error("client: packets %s cannot be written", self->options->packets);
    if (self->options->index && !recording_write_index(&self->recording, self->options->index))
        log_error("client: index %s cannot be written", self->options->index);
    if (self->sound)
        report->sound = sound_report(self->sound);
    report_print(report, self->options, &self->recording);
    script_close(self->script);
    control_destroy(self->control);
    receiver_destroy(self->video);
    receiver_destroy(self->audio);
    sound_destroy(self->sound);
    impair_destroy(self->impair);
    depacketise_destroy(self->depacketise);
    recording_close(&self->recording);
}

int stream_run(const struct options *options, const struct http_target *target, const struct identity *identity)
{
    struct session *self = calloc(1, sizeof(*self));
    uint8_t key[16];
    char url[160];
    if (!self)
        return 1;
    self->options = options;
    if (!recording_open(&self->recording, options->record, options->decode)) {
        fail(self, "record", "cannot be opened");
    } else if (options->packets && !(self->packets = fopen(options->packets, "w"))) {
        fail(self, "packets", "cannot be opened");
    } else if (options->input && !(self->script = script_open(options->input, on_input, self))) {
        fail(self, "input", "cannot be opened");
    } else if (start_app(self, target, identity, key, url, sizeof(url))) {
        if (!rtsp_run(target, url, key, &options->wish, &self->report.rtsp))
            fail(self, "rtsp", self->report.rtsp.error);
        else if (create_parts(self, target, key) && connect_control(self))
            receive(self);
        leave(self, target, identity);
    }
    finish(self);
    int code = self->report.first_picture_ns && !self->report.error[0] ? 0 : 1;
    free(self);
    return code;
}

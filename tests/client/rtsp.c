/* SPDX-License-Identifier: Apache-2.0 */
/* One TCP connection per request. The replies are read by the rules of the stock client, blanks included. */
#include "tests/client/rtsp.h"

#include "base/bytes.h"
#include "tests/client/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 65536, SEAL_HEADER = 24, STEP_TIMEOUT_MS = 15000 };

struct dialog {
    const struct http_target *target;
    const struct rtsp_wish *wish;
    const char *url;
    uint16_t port;
    struct seal *seal; /* NULL: plain */
    uint32_t sent, received;
    int cseq;
    char session[64];
    char *request, *reply, *wire; /* MESSAGE_MAX each */
    struct rtsp_result *result;
};

static bool fail(struct dialog *self, const char *step, const char *why)
{
    snprintf(self->result->error, sizeof(self->result->error), "%.60s: %.90s", step, why);
    return false;
}

static size_t close_message(struct dialog *self, size_t size)
{
    uint8_t iv[12], *wire = (uint8_t *)self->wire;
    if (!self->seal) {
        memcpy(wire, self->request, size);
        return size;
    }
    seal_iv(++self->sent, "CR", iv);
    bytes_put_u32be(wire, 0x80000000u | (uint32_t)size);
    bytes_put_u32be(wire + 4, self->sent);
    seal_close(self->seal, iv, (uint8_t *)self->request, size, wire + SEAL_HEADER, wire + 8);
    return size + SEAL_HEADER;
}

static bool open_message(struct dialog *self, size_t size)
{
    uint8_t iv[12], *wire = (uint8_t *)self->wire;
    if (!self->seal) {
        memcpy(self->reply, wire, size);
        self->reply[size] = 0;
        return true;
    }
    if (size <= SEAL_HEADER || bytes_get_u32be(wire) != (0x80000000u | (uint32_t)(size - SEAL_HEADER)))
        return false;
    uint32_t seq = bytes_get_u32be(wire + 4);
    seal_iv(seq, "HR", iv);
    if (seq <= self->received ||
        !seal_open(self->seal, iv, wire + 8, wire + SEAL_HEADER, size - SEAL_HEADER, (uint8_t *)self->reply))
        return false;
    self->received = seq;
    self->reply[size - SEAL_HEADER] = 0;
    return true;
}

/* Value of a header, exactly one blank after the colon. NULL: not there. */
static const char *header_value(const struct dialog *self, const char *name)
{
    char line[64];
    snprintf(line, sizeof(line), "\r\n%s: ", name);
    const char *head_end = strstr(self->reply, "\r\n\r\n"), *at = strstr(self->reply, line);
    return at && at < head_end ? at + strlen(line) : NULL;
}

static bool exchange(struct dialog *self, const char *step, size_t size)
{
    char error[128];
    int fd = http_connect(&self->target->address, self->port, STEP_TIMEOUT_MS, error, sizeof(error));
    if (fd < 0)
        return fail(self, step, error);
    size_t wire_size = close_message(self, size), used = 0;
    ssize_t got = send(fd, self->wire, wire_size, MSG_NOSIGNAL) == (ssize_t)wire_size ? 1 : -1;
    while (got > 0 && used < MESSAGE_MAX - 1) {
        got = recv(fd, self->wire + used, MESSAGE_MAX - 1 - used, 0);
        used += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (got < 0)
        return fail(self, step, "connection broke or timed out");
    if (!used || !open_message(self, used))
        return fail(self, step, "no reply, or one that cannot be opened");
    const char *end = strstr(self->reply, "\r\n\r\n");
    int cseq = 0;
    if (sscanf(self->reply, "RTSP/1.0 %d %*c", &self->result->status) != 1 || !end)
        return fail(self, step, "malformed reply");
    if (self->result->status != 200)
        return fail(self, step, "status is not 200");
    const char *value = header_value(self, "CSeq");
    if (!value || sscanf(value, "%d", &cseq) != 1 || cseq != self->cseq)
        return fail(self, step, "CSeq is not echoed");
    self->result->steps++;
    return true;
}

/* Sends "METHOD target" with the usual headers, `headers` (each with CRLF) and the body. */
static bool ask(struct dialog *self, const char *line, const char *headers, const char *body)
{
    int used = snprintf(self->request, MESSAGE_MAX, "%s RTSP/1.0\r\nCSeq: %d\r\nX-GS-ClientVersion: 14\r\nHost: %s\r\n",
                        line, ++self->cseq, self->wish->audio_normal ? "0.0.0.0" : self->target->host);
    if (self->session[0])
        used += snprintf(self->request + used, (size_t)(MESSAGE_MAX - used), "Session: %s\r\n", self->session);
    used += snprintf(self->request + used, (size_t)(MESSAGE_MAX - used), "%s\r\n%s", headers, body);
    return exchange(self, line, (size_t)used);
}

static uint32_t describe_number(const struct dialog *self, const char *name)
{
    const char *at = strstr(self->result->describe, name);
    at = at ? strchr(at + strlen(name), ':') : NULL;
    return at ? (uint32_t)strtoul(at + 1, NULL, 10) : 0;
}

static bool describe(struct dialog *self)
{
    char line[160];
    snprintf(line, sizeof(line), "DESCRIBE %s", self->url);
    if (!ask(self, line, "Accept: application/sdp\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n", ""))
        return false;
    struct rtsp_result *result = self->result;
    snprintf(result->describe, sizeof(result->describe), "%s", strstr(self->reply, "\r\n\r\n") + 4);
    result->invalidation_offered = strstr(result->describe, "x-nv-video[0].refPicInvalidation") != NULL;
    result->encryption_supported = describe_number(self, "x-ss-general.encryptionSupported");
    result->encryption_requested = describe_number(self, "x-ss-general.encryptionRequested");
    static const char *const lines[] = {"", "sprop-parameter-sets=AAAAAU", "AV1/90000"};
    if (strstr(result->describe, lines[self->wish->codec]))
        result->codec = self->wish->codec;
    uint32_t wished = 1 | (self->wish->encrypt_video ? 2 : 0) | (self->wish->encrypt_audio ? 4 : 0);
    result->encryption_enabled = result->encryption_supported & (wished | result->encryption_requested);
    result->packet_size = self->wish->packet_size - (result->encryption_enabled & 2 ? 32 : 0);
    return true;
}

static bool setup(struct dialog *self, const char *stream, uint16_t *ret_port, char ret_ping[17])
{
    static const char headers[] = "Transport: unicast;X-GS-ClientPort=50000-50001\r\n"
                                  "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    char line[64];
    unsigned port = 0;
    snprintf(line, sizeof(line), "SETUP streamid=%s", stream);
    if (!ask(self, line, headers, ""))
        return false;
    const char *value = header_value(self, "Transport");
    value = value ? strstr(value, "server_port=") : NULL;
    if (!value || sscanf(value, "server_port=%u", &port) != 1 || !port || port > 65535)
        return fail(self, line, "no server_port");
    *ret_port = (uint16_t)port;
    value = header_value(self, "Session");
    if (!self->session[0] && (!value || sscanf(value, "%63[^;\r\n]", self->session) != 1))
        return fail(self, line, "no Session");
    value = ret_ping ? header_value(self, "X-SS-Ping-Payload") : NULL;
    if (value && strcspn(value, "\r\n") == 16)
        memcpy(ret_ping, value, 16);
    value = header_value(self, "X-SS-Connect-Data");
    if (value)
        self->result->connect_data = (uint32_t)strtoul(value, NULL, 0);
    return true;
}

static void write_sdp(const struct dialog *self, struct byte_writer *to)
{
    const struct rtsp_wish *wish = self->wish;
    int kbps = wish->bitrate_kbps * 8 / 10;
    byte_writer_printf(to, "v=0\r\no=android 0 14 IN IPv4 %s\r\ns=NVIDIA Streaming Client\r\n", self->target->host);
    byte_writer_printf(to, "a=x-ml-general.featureFlags:3 \r\na=x-ss-general.encryptionEnabled:%u \r\n",
                       self->result->encryption_enabled);
    byte_writer_printf(to, "a=x-ss-video[0].chromaSamplingType:%d \r\na=x-nv-video[0].clientViewportWd:%d \r\n",
                       wish->chroma444, wish->width);
    byte_writer_printf(to, "a=x-nv-video[0].clientViewportHt:%d \r\na=x-nv-video[0].maxFPS:%d \r\n", wish->height,
                       wish->fps);
    byte_writer_printf(to, "a=x-nv-video[0].packetSize:%d \r\na=x-nv-video[0].rateControlMode:4 \r\n",
                       self->result->packet_size);
    byte_writer_printf(to, "a=x-nv-video[0].timeoutLengthMs:7000 \r\n"
                           "a=x-nv-video[0].framesWithInvalidRefThreshold:0 \r\n");
    byte_writer_printf(to,
                       "a=x-nv-video[0].initialBitrateKbps:%d \r\na=x-nv-video[0].initialPeakBitrateKbps:%d \r\n"
                       "a=x-nv-vqos[0].bw.minimumBitrateKbps:%d \r\na=x-nv-vqos[0].bw.maximumBitrateKbps:%d \r\n",
                       kbps, kbps, kbps, kbps);
    byte_writer_printf(to, "a=x-ml-video.configuredBitrateKbps:%d \r\na=x-nv-vqos[0].fec.enable:1 \r\n",
                       wish->bitrate_kbps);
    byte_writer_printf(to, "a=x-nv-vqos[0].videoQualityScoreUpdateTime:5000 \r\na=x-nv-vqos[0].qosTrafficType:5 \r\n"
                           "a=x-nv-aqos.qosTrafficType:4 \r\na=x-nv-general.featureFlags:135 \r\n"
                           "a=x-nv-general.useReliableUdp:13 \r\n");
    byte_writer_printf(to, "a=x-nv-vqos[0].fec.minRequiredFecPackets:%d \r\n", wish->min_parity);
    byte_writer_printf(to, "a=x-nv-vqos[0].bllFec.enable:0 \r\na=x-nv-vqos[0].drc.enable:0 \r\n"
                           "a=x-nv-general.enableRecoveryMode:0 \r\n");
    byte_writer_printf(to, "a=x-nv-video[0].videoEncoderSlicesPerFrame:%d \r\na=x-nv-clientSupportHevc:%d \r\n",
                       wish->slices, self->result->codec == DEPACKETISE_HEVC);
    byte_writer_printf(to,
                       "a=x-nv-vqos[0].bitStreamFormat:%d \r\na=x-nv-video[0].dynamicRangeMode:%d \r\n"
                       "a=x-nv-video[0].maxNumReferenceFrames:%d \r\n",
                       (int)self->result->codec, wish->ten_bit, wish->one_reference ? 1 : 0);
    byte_writer_printf(to, "a=x-nv-video[0].clientRefreshRateX100:%d \r\n", wish->fps * 100);
    int channels = wish->audio_channels;
    byte_writer_printf(to, "a=x-nv-audio.surround.numChannels:%d \r\na=x-nv-audio.surround.channelMask:%d \r\n",
                       channels,
                       channels == 2   ? 0x3
                       : channels == 6 ? 0x3f
                                       : 0x63f);
    byte_writer_printf(to,
                       "a=x-nv-audio.surround.enable:%d \r\na=x-nv-audio.surround.AudioQuality:%d \r\n"
                       "a=x-nv-aqos.packetDuration:%d \r\n",
                       channels > 2, wish->audio_high && channels > 2, wish->audio_ms);
    byte_writer_printf(to, "a=x-nv-video[0].encoderCscMode:%d \r\n%s", wish->csc, wish->extra ? wish->extra : "");
    byte_writer_printf(to, "t=0 0\r\nm=video %u  \r\n", self->result->video_port);
}

static bool announce(struct dialog *self)
{
    char body[4096], headers[80];
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    write_sdp(self, &writer);
    if (writer.failed)
        return fail(self, "ANNOUNCE", "does not fit");
    snprintf(headers, sizeof(headers), "Content-type: application/sdp\r\nContent-length: %zu\r\n", writer.used);
    return ask(self, "ANNOUNCE streamid=control/13/0", headers, body);
}

static bool run(struct dialog *self)
{
    char line[160];
    snprintf(line, sizeof(line), "OPTIONS %s", self->url);
    return ask(self, line, "", "") && describe(self) &&
           setup(self, "audio/0/0", &self->result->audio_port, self->result->audio_ping) &&
           setup(self, "video/0/0", &self->result->video_port, self->result->video_ping) &&
           setup(self, "control/13/0", &self->result->control_port, NULL) && announce(self) &&
           ask(self, "PLAY /", "", "");
}

bool rtsp_run(const struct http_target *target, const char *url, const uint8_t key[16], const struct rtsp_wish *wish,
              struct rtsp_result *ret_result)
{
    struct dialog self = {.target = target, .wish = wish, .url = url, .result = ret_result};
    const char *colon = strrchr(url, ':');
    *ret_result = (struct rtsp_result){.sealed = !strncmp(url, "rtspenc://", 10)};
    self.port = colon ? (uint16_t)atoi(colon + 1) : 0;
    self.seal = ret_result->sealed ? seal_create(key) : NULL;
    self.request = malloc(3 * MESSAGE_MAX);
    bool done = false;
    if (self.request && self.port && (self.seal || !ret_result->sealed)) {
        self.reply = self.request + MESSAGE_MAX;
        self.wire = self.reply + MESSAGE_MAX;
        done = run(&self);
    } else {
        fail(&self, "sessionUrl0", url);
    }
    free(self.request);
    seal_destroy(self.seal);
    return done;
}

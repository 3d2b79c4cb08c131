/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/sdp.h"

#include "control_vectors.h"
#include "protocol/rtsp.h"

#include <stdio.h>

static const struct sdp_limits all_offered = {
    .codec = {true, true, true},
    .ten_bit = {false, true, true},
    .chroma444 = {true, true, true},
    .chroma444_ten_bit = {false, true, false},
    .policy = SDP_POLICY_OPPORTUNISTIC,
};

static struct sdp_announce announce;
static char reason[SDP_REASON_MAX];

static int parse_request(const char *text, const struct sdp_limits *limits)
{
    static struct rtsp_request request;
    int status = 0;
    assert_int_equal(rtsp_parse(text, strlen(text), &request, &status), RTSP_PARSE_DONE);
    memset(&announce, 0xee, sizeof(announce));
    return sdp_parse_announce(request.body.text, request.body.size, limits, rtsp_host_is_any(&request), &announce,
                              reason);
}

static int parse(const char *body)
{
    size_t size = strlen(body);
    char *copy = malloc(size + !size);
    memcpy(copy, body, size);
    int status = sdp_parse_announce(copy, size, &all_offered, false, &announce, reason);
    free(copy);
    return status;
}

/* The least a client must say; a test puts its own line before or after. */
#define MINIMAL                                                                                                        \
    "a=x-ss-general.encryptionEnabled:1 \r\n"                                                                          \
    "a=x-nv-video[0].clientViewportWd:1280 \r\n"                                                                       \
    "a=x-nv-video[0].clientViewportHt:720 \r\n"                                                                        \
    "a=x-nv-video[0].maxFPS:60 \r\n"                                                                                   \
    "a=x-nv-video[0].packetSize:1392 \r\n"                                                                             \
    "a=x-nv-vqos[0].bw.maximumBitrateKbps:8000 \r\n"                                                                   \
    "a=x-nv-audio.surround.numChannels:2 \r\n"                                                                         \
    "a=x-nv-audio.surround.channelMask:3 \r\n"                                                                         \
    "a=x-nv-general.useReliableUdp:13 \r\n"

/* The first one counts, so a line in front replaces the one of MINIMAL. */
static int parse_with(const char *line)
{
    char body[4096];
    snprintf(body, sizeof(body), "%s\r\n" MINIMAL, line);
    return parse(body);
}

static void is_refused_with(const char *line, int status)
{
    announce.fps = 4711;
    assert_int_equal(parse_with(line), status);
    assert_true(strlen(reason) > 0);
    assert_int_equal(announce.fps, 4711); /* nothing is written */
}

static void the_recorded_session_is_understood(void **state)
{
    (void)state;
    json_t *root = vectors_load();
    json_t *dialog = json_object_get(json_array_get(json_object_get(root, "rtsp_plaintext"), 0), "dialog");
    const char *text = vectors_text(json_array_get(dialog, 5), "request_text");
    assert_int_equal(parse_request(text, &all_offered), 200);
    assert_int_equal(announce.width, 1920);
    assert_int_equal(announce.height, 1080);
    assert_int_equal(announce.fps, 60);
    assert_int_equal(announce.fps_x100, 6000);
    assert_int_equal(announce.packet_size, 1392);
    assert_int_equal(announce.bitrate_kbps, 20000);
    assert_int_equal(announce.codec, SDP_H264);
    assert_false(announce.ten_bit || announce.chroma444 || announce.intra_refresh);
    assert_int_equal(announce.min_fec_packets, 2);
    assert_true(announce.fec && announce.fec_status && announce.session_id_v1);
    assert_true(announce.video_qos && announce.audio_qos);
    assert_int_equal(announce.audio_channels, 2);
    assert_true(announce.audio_high_quality);
    assert_int_equal(announce.audio_packet_ms, 5);

    json_t *old = json_object_get(json_array_get(json_object_get(root, "rtsp_plaintext"), 1), "dialog");
    assert_int_equal(parse_request(vectors_text(json_array_get(old, 1), "request_text"), &all_offered), 403);
    json_decref(root);
}

static void recorded_variants_are_understood(void **state)
{
    (void)state;
    json_t *root = vectors_load(), *list = json_object_get(root, "rtsp_announce_variants");
    assert_int_equal(json_array_size(list), 3);
    assert_int_equal(parse_request(vectors_text(json_array_get(list, 0), "request_text"), &all_offered), 200);
    assert_int_equal(announce.codec, SDP_HEVC);
    assert_true(announce.ten_bit && announce.audio_high_quality);
    assert_int_equal(announce.audio_channels, 6);
    assert_int_equal(announce.audio_channel_mask, 63);
    assert_int_equal(announce.encryption, 7);
    assert_int_equal(announce.packet_size, 1360);
    assert_int_equal(announce.colour_space, 1);
    assert_false(announce.full_range);

    assert_int_equal(parse_request(vectors_text(json_array_get(list, 1), "request_text"), &all_offered), 200);
    assert_int_equal(announce.codec, SDP_AV1);
    assert_int_equal(announce.width, 3840);
    assert_int_equal(announce.fps_x100, 11988);
    assert_int_equal(announce.audio_channels, 8);
    assert_true(announce.audio_high_quality); /* of surround, Host does not say it */
    assert_int_equal(announce.colour_space, 2);
    assert_int_equal(announce.encryption, 5);
    assert_false(announce.video_qos || announce.audio_qos);

    assert_int_equal(parse_request(vectors_text(json_array_get(list, 2), "request_text"), &all_offered), 200);
    assert_int_equal(announce.bitrate_kbps, 3000);
    assert_int_equal(announce.slices, 1);
    assert_int_equal(announce.audio_packet_ms, 10);
    assert_false(announce.audio_high_quality); /* Host: 0.0.0.0 */
    json_decref(root);
}

static void recorded_malformed_bodies_are_refused(void **state)
{
    (void)state;
    json_t *root = vectors_load(), *list = json_object_get(root, "rtsp_malformed_plaintext");
    static const char *const names[] = {"attribute without colon", "attribute with empty value", "zero fps"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(parse_request(vectors_text(vectors_named(list, names[i]), "request_text"), &all_offered), 400);
    json_decref(root);
}

static void missing_lines_take_their_defaults_or_refuse(void **state)
{
    (void)state;
    assert_int_equal(parse(MINIMAL), 200);
    assert_int_equal(announce.bitrate_kbps, 8000);
    assert_int_equal(announce.codec, SDP_H264);
    assert_int_equal(announce.slices, 1);
    assert_int_equal(announce.min_fec_packets, 0);
    assert_int_equal(announce.encryption, SDP_ENCRYPT_CONTROL);
    assert_int_equal(announce.audio_packet_ms, 5);
    assert_true(announce.fec && announce.video_qos && announce.audio_qos);
    assert_false(announce.session_id_v1 || announce.fec_status);

    /* each line of MINIMAL is needed */
    const char *at = MINIMAL;
    int lines = 0;
    while (*at) {
        const char *end = strstr(at, "\r\n") + 2;
        char body[1024];
        snprintf(body, sizeof(body), "%.*s%s", (int)(at - MINIMAL), MINIMAL, end);
        assert_int_equal(parse(body), lines == 0 ? 403 : 400);
        at = end;
        lines++;
    }
    assert_int_equal(lines, 9);
}

static void numbers_are_strict(void **state)
{
    (void)state;
    static const char *const values[] = {
        "", "-", "+60", "60x", "0x3c", "6 0", " 60", "60.0", "1e2", "99999999999999999999", "-60"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char line[128];
        snprintf(line, sizeof(line), "a=x-nv-video[0].maxFPS:%s", values[i]);
        is_refused_with(line, 400);
        snprintf(line, sizeof(line), "a=x-ml-video.configuredBitrateKbps:%s", values[i]);
        is_refused_with(line, 400);
    }
}

static void ranges_are_kept(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long long low, high; /* the last that are accepted */
    } rows[] = {
        {"x-nv-video[0].maxFPS", 1, 500},
        {"x-nv-video[0].packetSize", 200, 1456},
        {"x-nv-vqos[0].fec.minRequiredFecPackets", 0, 16},
        {"x-nv-video[0].encoderCscMode", 0, 5},
        {"x-nv-vqos[0].bitStreamFormat", 0, 2},
        {"x-nv-video[0].maxNumReferenceFrames", 0, 255},
        {"x-nv-audio.surround.AudioQuality", 0, 1},
        {"x-ml-general.featureFlags", 0, UINT32_MAX},
        {"x-ml-video.configuredBitrateKbps", 0, UINT32_MAX},
        {"x-nv-general.useReliableUdp", 13, 13},
        {"x-ss-video[0].chromaSamplingType", 0, 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[128];
        for (int step = -1; step <= 1; step++) {
            snprintf(line, sizeof(line), "a=%s:%lld", rows[i].name, rows[i].low + step);
            if (rows[i].low != rows[i].high || step <= 0)
                assert_int_equal(parse_with(line), step < 0 ? 400 : 200);
            snprintf(line, sizeof(line), "a=%s:%lld", rows[i].name, rows[i].high + step);
            if (rows[i].low != rows[i].high || step >= 0)
                assert_int_equal(parse_with(line), step > 0 ? 400 : 200);
        }
    }
}

static void sides_are_even_and_limited(void **state)
{
    (void)state;
    is_refused_with("a=x-nv-video[0].clientViewportWd:14", 400);
    is_refused_with("a=x-nv-video[0].clientViewportWd:1281", 400);
    is_refused_with("a=x-nv-video[0].clientViewportHt:721", 400);
    is_refused_with("a=x-nv-video[0].clientViewportWd:4098", 400); /* H.264 */
    is_refused_with("a=x-nv-video[0].clientViewportWd:8194\r\na=x-nv-vqos[0].bitStreamFormat:1", 400);
    assert_int_equal(parse_with("a=x-nv-video[0].clientViewportWd:4096"), 200);
    assert_int_equal(parse_with("a=x-nv-video[0].clientViewportWd:8192\r\na=x-nv-vqos[0].bitStreamFormat:1"), 200);
    struct sdp_limits small = all_offered;
    small.pixels_max = 1280 * 720;
    assert_int_equal(sdp_parse_announce(MINIMAL, strlen(MINIMAL), &small, false, &announce, reason), 200);
    small.pixels_max--;
    assert_int_equal(sdp_parse_announce(MINIMAL, strlen(MINIMAL), &small, false, &announce, reason), 400);
}

static void what_was_not_offered_is_refused(void **state)
{
    (void)state;
    struct sdp_limits plain = {.codec = {true}, .policy = SDP_POLICY_OFF};
    static const char *const lines[] = {"a=x-nv-vqos[0].bitStreamFormat:1", "a=x-nv-vqos[0].bitStreamFormat:2",
                                        "a=x-ss-video[0].chromaSamplingType:1", "a=x-nv-video[0].dynamicRangeMode:1",
                                        "a=x-ss-general.encryptionEnabled:3"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char body[2048];
        snprintf(body, sizeof(body), "%s\r\n" MINIMAL, lines[i]);
        assert_int_equal(sdp_parse_announce(body, strlen(body), &plain, false, &announce, reason), 400);
    }
    is_refused_with("a=x-nv-video[0].dynamicRangeMode:1", 400); /* H.264 has none, whatever is offered */
    is_refused_with("a=x-nv-video[0].dynamicRangeMode:1\r\na=x-ss-video[0].chromaSamplingType:1\r\n"
                    "a=x-nv-vqos[0].bitStreamFormat:2",
                    400); /* each of them is offered, together they are not */
    is_refused_with("a=x-nv-general.useReliableUdp:1", 400);
}

static void finer_pictures_are_what_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(parse_with("a=x-nv-video[0].maxFPS:60"), 200);
    assert_false(announce.ten_bit || announce.chroma444);
    assert_int_equal(parse_with("a=x-ss-video[0].chromaSamplingType:1"), 200);
    assert_true(announce.chroma444 && !announce.ten_bit);
    assert_int_equal(parse_with("a=x-nv-vqos[0].bitStreamFormat:1\r\na=x-nv-video[0].dynamicRangeMode:1"), 200);
    assert_true(announce.ten_bit && !announce.chroma444);
    assert_int_equal(parse_with("a=x-nv-vqos[0].bitStreamFormat:1\r\na=x-nv-video[0].dynamicRangeMode:1\r\n"
                                "a=x-ss-video[0].chromaSamplingType:1"),
                     200);
    assert_true(announce.ten_bit && announce.chroma444);
}

static void audio_takes_only_known_channels_and_durations(void **state)
{
    (void)state;
    for (int n = 0; n <= 30; n++) {
        char line[128];
        snprintf(line, sizeof(line), "a=x-nv-audio.surround.numChannels:%d", n);
        assert_int_equal(parse_with(line), n == 2 || n == 6 || n == 8 ? 200 : 400);
        snprintf(line, sizeof(line), "a=x-nv-aqos.packetDuration:%d", n);
        assert_int_equal(parse_with(line), n == 5 || n == 10 || n == 20 ? 200 : 400);
    }
}

static void useful_values_are_brought_into_range(void **state)
{
    (void)state;
    assert_int_equal(parse_with("a=x-nv-video[0].videoEncoderSlicesPerFrame:255"), 200);
    assert_int_equal(announce.slices, 16);
    assert_int_equal(parse_with("a=x-nv-video[0].videoEncoderSlicesPerFrame:0"), 200);
    assert_int_equal(announce.slices, 1);
    assert_int_equal(parse_with("a=x-ml-video.configuredBitrateKbps:1"), 200);
    assert_int_equal(announce.bitrate_kbps, 500);
    assert_int_equal(parse_with("a=x-ml-video.configuredBitrateKbps:4294967295"), 200);
    assert_int_equal(announce.bitrate_kbps, 800000);
    assert_int_equal(parse_with("a=x-nv-video[0].clientRefreshRateX100:5994"), 200);
    assert_int_equal(announce.fps_x100, 5994);
    assert_int_equal(parse_with("a=x-nv-video[0].clientRefreshRateX100:5939"), 200);
    assert_int_equal(announce.fps_x100, 6000);
    assert_int_equal(parse_with("a=x-nv-video[0].clientRefreshRateX100:14400"), 200);
    assert_int_equal(announce.fps_x100, 6000);
}

static void the_first_of_duplicates_counts_and_unknown_lines_do_not(void **state)
{
    (void)state;
    assert_int_equal(parse_with("a=x-nv-video[0].maxFPS:30\r\na=x-nv-video[0].maxFPS:garbage"), 200);
    assert_int_equal(announce.fps, 30);
    assert_int_equal(parse_with("a=x-nv-video[0].maxFPS"), 200); /* no colon: ignored */
    assert_int_equal(announce.fps, 60);
    assert_int_equal(parse_with("a=x-nv-video[1].maxFPS:99\r\na=x-nv-video0.maxFPS:98\r\nb=x-nv-video[0].maxFPS:97\r\n"
                                "a=:\r\na=\r\na\r\n\r\n:\r\na=x-nv-video[0].transferProtocol:\x01\x02"),
                     200);
    assert_int_equal(announce.fps, 60);
}

static void lines_may_end_in_lf_alone_or_at_the_end_of_the_body(void **state)
{
    (void)state;
    char body[2048];
    size_t used = 0;
    for (const char *at = MINIMAL; *at; at++) {
        if (*at != '\r')
            body[used++] = *at;
    }
    body[used - 1] = '\0';
    assert_int_equal(parse(body), 200);
}

static void policies_decide_over_encryption(void **state)
{
    (void)state;
    static const struct {
        enum sdp_policy policy;
        unsigned supported, requested;
        int status[8]; /* by encryptionEnabled */
    } rows[] = {
        {SDP_POLICY_OFF, 5, 1, {403, 200, 400, 400, 403, 200, 400, 400}},
        {SDP_POLICY_OPPORTUNISTIC, 7, 1, {403, 200, 403, 200, 403, 200, 403, 200}},
        {SDP_POLICY_MANDATORY, 7, 7, {403, 403, 403, 403, 403, 403, 403, 200}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(sdp_policy_supported(rows[i].policy), rows[i].supported);
        assert_int_equal(sdp_policy_requested(rows[i].policy), rows[i].requested);
        struct sdp_limits limits = all_offered;
        limits.policy = rows[i].policy;
        for (int enabled = 0; enabled < 8; enabled++) {
            char body[2048];
            snprintf(body, sizeof(body), "a=x-ss-general.encryptionEnabled:%d \r\n" MINIMAL, enabled);
            assert_int_equal(sdp_parse_announce(body, strlen(body), &limits, false, &announce, reason),
                             rows[i].status[enabled]);
        }
    }
    assert_int_equal(parse_with("a=x-nv-general.featureFlags:167"), 200); /* 0x20: sound is encrypted all the same */
    assert_int_equal(announce.encryption, SDP_ENCRYPT_CONTROL | SDP_ENCRYPT_AUDIO);
}

static void every_truncation_of_a_recorded_body_is_answered(void **state)
{
    (void)state;
    json_t *root = vectors_load();
    const char *text = vectors_text(json_array_get(json_object_get(root, "rtsp_announce_variants"), 0), "request_text");
    const char *body = strstr(text, "\r\n\r\n") + 4;
    size_t size = strlen(body);
    for (size_t part = 0; part <= size; part++) {
        char *copy = malloc(part + !part);
        memcpy(copy, body, part);
        int status = sdp_parse_announce(copy, part, &all_offered, false, &announce, reason);
        assert_true(status == 200 || status == 400);
        free(copy);
    }
    json_decref(root);
}

static void describe_says_what_is_offered_in_the_order_that_clients_need(void **state)
{
    (void)state;
    char text[SDP_DESCRIBE_MAX];
    struct sdp_offer offer = {.feature_flags = 3,
                              .policy = SDP_POLICY_OPPORTUNISTIC,
                              .reference_invalidation = true,
                              .hevc = true,
                              .av1 = true};
    size_t size = sdp_describe(&offer, text);
    assert_string_equal(text, "a=x-ss-general.featureFlags:3\r\n"
                              "a=x-ss-general.encryptionSupported:7\r\n"
                              "a=x-ss-general.encryptionRequested:1\r\n"
                              "a=x-nv-video[0].refPicInvalidation:1\r\n"
                              "a=fmtp:96 sprop-parameter-sets=AAAAAU\r\n"
                              "a=rtpmap:98 AV1/90000\r\n"
                              "a=fmtp:97 surround-params=21101\r\n"
                              "a=fmtp:97 surround-params=21101\r\n"
                              "a=fmtp:97 surround-params=642014235\r\n"
                              "a=fmtp:97 surround-params=660012345\r\n"
                              "a=fmtp:97 surround-params=85301623457\r\n"
                              "a=fmtp:97 surround-params=88001234567\r\n");
    assert_int_equal(size, strlen(text));
    assert_int_equal(size, 425);

    offer = (struct sdp_offer){.policy = SDP_POLICY_OFF, .client_layout = "642012453"};
    sdp_describe(&offer, text);
    const char *client = strstr(text, "a=fmtp:97 surround-params=642012453\r\na=fmtp:97 surround-params=642012453\r\n");
    assert_non_null(client);
    assert_ptr_equal(strstr(text, "a=fmtp:97"), client); /* before the standard ones */
    assert_null(strstr(text, "refPicInvalidation"));
    assert_null(strstr(text, "AAAAAU"));
    assert_null(strstr(text, "AV1/90000"));
    offer.client_layout = "642012453\r\na=evil";
    sdp_describe(&offer, text);
    assert_null(strstr(text, "evil"));
}

static void recorded_layouts_are_written_and_read_back(void **state)
{
    (void)state;
    json_t *root = vectors_load();
    json_t *samples = json_object_get(json_object_get(root, "surround_params"), "samples");
    assert_int_equal(json_array_size(samples), 6);
    for (size_t i = 0; i < json_array_size(samples); i++) {
        json_t *sample = json_array_get(samples, i), *mapping = json_object_get(sample, "encoder_mapping");
        const char *params = vectors_text(sample, "advertised") + strlen("surround-params=");
        bool high = strstr(vectors_text(sample, "name"), "high");
        struct sdp_layout layout = {
            .channels = (int)json_array_size(mapping), .streams = params[1] - '0', .coupled = params[2] - '0'};
        for (int c = 0; c < layout.channels; c++)
            layout.mapping[c] = (uint8_t)json_integer_value(json_array_get(mapping, (size_t)c));
        char text[SDP_LAYOUT_TEXT];
        sdp_layout_write(&layout, high, text);
        assert_string_equal(text, params);
        struct sdp_layout read = {0};
        assert_true(sdp_layout_read(params, high, &read));
        assert_memory_equal(&read, &layout, sizeof(layout));
    }
    json_decref(root);
}

static void layouts_that_no_encoder_can_make_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          "21101",     "6420124",   "6420124533",  "642012456",  "64201245x",    "632012345", "624012345",
        "742012345", "64201244a", "642012344", "85301245678", "8530124567", "853012456733", "-42012345", "642 12345"};
    struct sdp_layout layout;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(sdp_layout_read(texts[i], false, &layout));
}

static void encoder_rates_are_those_recorded(void **state)
{
    (void)state;
    json_t *root = vectors_load(), *samples = json_object_get(json_object_get(root, "bitrate"), "samples");
    assert_int_equal(json_array_size(samples), 8);
    for (size_t i = 0; i < json_array_size(samples); i++) {
        json_t *s = json_array_get(samples, i);
        int rate = sdp_encoder_bitrate_kbps((int)json_integer_value(json_object_get(s, "configured")),
                                            (int)json_integer_value(json_object_get(s, "fec_percent")),
                                            (int)json_integer_value(json_object_get(s, "channels")),
                                            json_is_true(json_object_get(s, "high_quality")));
        assert_int_equal(rate, json_integer_value(json_object_get(s, "result")));
    }
    json_decref(root);
    /* No encoder takes less than 100. */
    assert_int_equal(sdp_encoder_bitrate_kbps(500, 80, 2, false), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_recorded_session_is_understood),
        cmocka_unit_test(recorded_variants_are_understood),
        cmocka_unit_test(recorded_malformed_bodies_are_refused),
        cmocka_unit_test(missing_lines_take_their_defaults_or_refuse),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(ranges_are_kept),
        cmocka_unit_test(sides_are_even_and_limited),
        cmocka_unit_test(what_was_not_offered_is_refused),
        cmocka_unit_test(finer_pictures_are_what_was_asked_for),
        cmocka_unit_test(audio_takes_only_known_channels_and_durations),
        cmocka_unit_test(useful_values_are_brought_into_range),
        cmocka_unit_test(the_first_of_duplicates_counts_and_unknown_lines_do_not),
        cmocka_unit_test(lines_may_end_in_lf_alone_or_at_the_end_of_the_body),
        cmocka_unit_test(policies_decide_over_encryption),
        cmocka_unit_test(every_truncation_of_a_recorded_body_is_answered),
        cmocka_unit_test(describe_says_what_is_offered_in_the_order_that_clients_need),
        cmocka_unit_test(recorded_layouts_are_written_and_read_back),
        cmocka_unit_test(layouts_that_no_encoder_can_make_are_refused),
        cmocka_unit_test(encoder_rates_are_those_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of ANNOUNCE; whatever is accepted must be safe to calculate with. The first byte chooses the policy. */
#include "protocol/sdp.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sdp_limits limits = {.codec = {true, true, true},
                                .ten_bit = {false, true, true},
                                .chroma444 = {true, true, true},
                                .chroma444_ten_bit = {false, true, false},
                                .policy = (enum sdp_policy)(data[0] % 3)};
    struct sdp_announce announce;
    char reason[SDP_REASON_MAX];
    int status = sdp_parse_announce((const char *)data + 1, size - 1, &limits, data[0] & 4, &announce, reason);
    assert(strlen(reason) < SDP_REASON_MAX);
    if (status == 200) {
        assert(announce.fps >= 1 && announce.fps <= 500 && announce.fps_x100 > 0);
        assert(announce.width >= 16 && announce.width <= 8192 && announce.width % 2 == 0);
        assert(announce.height >= 16 && announce.height <= 8192 && announce.height % 2 == 0);
        assert(announce.packet_size >= 200 && announce.packet_size <= 1456);
        assert(announce.bitrate_kbps >= 500 && announce.bitrate_kbps <= 800000);
        assert(!announce.ten_bit || announce.codec != SDP_H264);
        assert(!announce.ten_bit || !announce.chroma444 || announce.codec == SDP_HEVC);
        assert(announce.slices >= 1 && announce.slices <= 16);
        assert(announce.encryption & SDP_ENCRYPT_CONTROL);
        assert(sdp_layout_standard(announce.audio_channels, announce.audio_high_quality));
        assert(sdp_encoder_bitrate_kbps(announce.bitrate_kbps, 255, announce.audio_channels, true) > 0);
    } else {
        assert((status == 400 || status == 403) && reason[0]);
    }

    char text[32], described[SDP_DESCRIBE_MAX], written[SDP_LAYOUT_TEXT];
    size_t used = size - 1 < sizeof(text) - 1 ? size - 1 : sizeof(text) - 1;
    memcpy(text, data + 1, used);
    text[used] = '\0';
    struct sdp_layout layout;
    if (sdp_layout_read(text, data[0] & 1, &layout)) {
        sdp_layout_write(&layout, data[0] & 1, written);
        assert(strcmp(written, text) == 0);
    }
    struct sdp_offer offer = {.client_layout = text};
    assert(sdp_describe(&offer, described) < SDP_DESCRIBE_MAX);
    return 0;
}

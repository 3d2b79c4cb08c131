/* SPDX-License-Identifier: Apache-2.0 */
/* The driver double itself, asked as a direct backend asks a driver: dlopen, the two symbols, the table. */
#include "base/clock.h"
#include "tests/fakegpu/rig.h"

#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/nvEncodeAPI.h>
#include <libavcodec/avcodec.h>

enum { WIDTH = 320, HEIGHT = 192, BYTES_MAX = 1 << 20, LUMA_PIXELS = WIDTH * HEIGHT };

static struct {
    void *nvenc, *cuda, *nvml;
    NVENCSTATUS (*create_instance)(NV_ENCODE_API_FUNCTION_LIST *);
    NVENCSTATUS (*max_version)(uint32_t *);
    tcuInit *init;
    tcuCtxCreate_v2 *context_create;
    tcuCtxPopCurrent_v2 *context_pop;
    tcuCtxPushCurrent_v2 *context_push;
    tcuCtxDestroy_v2 *context_destroy;
    tcuMemAllocPitch_v2 *alloc_pitch;
    tcuMemFree_v2 *mem_free;
    tcuMemcpy2D_v2 *copy_2d;
} lib;

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found)
        fail_msg("no symbol %s", name);
    return found;
}

static int load(void **state)
{
    (void)state;
    lib.nvenc = dlopen("libnvidia-encode.so.1", RTLD_NOW);
    lib.cuda = dlopen("libcuda.so.1", RTLD_NOW);
    lib.nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    assert_true(lib.nvenc && lib.cuda && lib.nvml);
    *(void **)&lib.create_instance = symbol(lib.nvenc, "NvEncodeAPICreateInstance");
    *(void **)&lib.max_version = symbol(lib.nvenc, "NvEncodeAPIGetMaxSupportedVersion");
    *(void **)&lib.init = symbol(lib.cuda, "cuInit");
    *(void **)&lib.context_create = symbol(lib.cuda, "cuCtxCreate_v2");
    *(void **)&lib.context_pop = symbol(lib.cuda, "cuCtxPopCurrent_v2");
    *(void **)&lib.context_push = symbol(lib.cuda, "cuCtxPushCurrent_v2");
    *(void **)&lib.context_destroy = symbol(lib.cuda, "cuCtxDestroy_v2");
    *(void **)&lib.alloc_pitch = symbol(lib.cuda, "cuMemAllocPitch_v2");
    *(void **)&lib.mem_free = symbol(lib.cuda, "cuMemFree_v2");
    *(void **)&lib.copy_2d = symbol(lib.cuda, "cuMemcpy2D_v2");
    return 0;
}

static int unload(void **state)
{
    (void)state;
    return dlclose(lib.nvenc) | dlclose(lib.cuda) | dlclose(lib.nvml);
}

/* One session with one input and one output buffer, and a decoder that is given only some of the pictures. */
struct rig {
    NV_ENCODE_API_FUNCTION_LIST api;
    CUcontext context;
    void *encoder;
    NV_ENC_PRESET_CONFIG preset;
    NV_ENC_INITIALIZE_PARAMS init;
    NV_ENC_BUFFER_FORMAT format;
    NV_ENC_INPUT_PTR input;
    NV_ENC_OUTPUT_PTR output;
    NV_ENC_LOCK_BITSTREAM locked;
    uint32_t slice_offsets[64];
    uint8_t bytes[BYTES_MAX];
    uint8_t luma[LUMA_PIXELS]; /* of the picture last given */
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *decoded;
};

static void rig_open(struct rig *self)
{
    memset(self, 0, sizeof(*self));
    assert_int_equal(lib.init(0), 0);
    assert_int_equal(lib.context_create(&self->context, 0, 0), 0);
    assert_int_equal(lib.context_pop(NULL), 0);
    self->api.version = NV_ENCODE_API_FUNCTION_LIST_VER;
    assert_int_equal(lib.create_instance(&self->api), NV_ENC_SUCCESS);
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS open = {.version = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER,
                                                 .deviceType = NV_ENC_DEVICE_TYPE_CUDA,
                                                 .device = self->context,
                                                 .apiVersion = NVENCAPI_VERSION};
    assert_int_equal(self->api.nvEncOpenEncodeSessionEx(&open, &self->encoder), NV_ENC_SUCCESS);
    self->format = NV_ENC_BUFFER_FORMAT_NV12;
}

static void rig_preset(struct rig *self, GUID codec)
{
    self->preset.version = NV_ENC_PRESET_CONFIG_VER;
    self->preset.presetCfg.version = NV_ENC_CONFIG_VER;
    assert_int_equal(self->api.nvEncGetEncodePresetConfigEx(self->encoder, codec, NV_ENC_PRESET_P4_GUID,
                                                            NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY, &self->preset),
                     NV_ENC_SUCCESS);
    self->init = (NV_ENC_INITIALIZE_PARAMS){.version = NV_ENC_INITIALIZE_PARAMS_VER,
                                            .encodeGUID = codec,
                                            .presetGUID = NV_ENC_PRESET_P4_GUID,
                                            .tuningInfo = NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY,
                                            .encodeWidth = WIDTH,
                                            .encodeHeight = HEIGHT,
                                            .frameRateNum = 60,
                                            .frameRateDen = 1,
                                            .enablePTD = 1,
                                            .encodeConfig = &self->preset.presetCfg};
    NV_ENC_CONFIG_H264 *h264 = &self->preset.presetCfg.encodeCodecConfig.h264Config;
    self->preset.presetCfg.rcParams.averageBitRate = 8000000;
    if (!memcmp(&codec, &NV_ENC_CODEC_HEVC_GUID, sizeof(codec))) {
        self->preset.presetCfg.encodeCodecConfig.hevcConfig.repeatSPSPPS = 1;
        return;
    }
    h264->repeatSPSPPS = 1;
    h264->maxNumRefFrames = 5;
}

static void rig_buffers(struct rig *self)
{
    NV_ENC_CREATE_INPUT_BUFFER input = {
        .version = NV_ENC_CREATE_INPUT_BUFFER_VER, .width = WIDTH, .height = HEIGHT, .bufferFmt = self->format};
    NV_ENC_CREATE_BITSTREAM_BUFFER output = {.version = NV_ENC_CREATE_BITSTREAM_BUFFER_VER};
    assert_int_equal(self->api.nvEncInitializeEncoder(self->encoder, &self->init), NV_ENC_SUCCESS);
    assert_int_equal(self->api.nvEncCreateInputBuffer(self->encoder, &input), NV_ENC_SUCCESS);
    assert_int_equal(self->api.nvEncCreateBitstreamBuffer(self->encoder, &output), NV_ENC_SUCCESS);
    self->input = input.inputBuffer;
    self->output = output.bitstreamBuffer;
}

static void rig_decoder(struct rig *self, enum AVCodecID codec)
{
    self->decoder = avcodec_alloc_context3(avcodec_find_decoder(codec));
    self->packet = av_packet_alloc();
    self->decoded = av_frame_alloc();
    assert_true(self->decoder && self->packet && self->decoded);
    self->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY | AV_CODEC_FLAG_OUTPUT_CORRUPT; /* also behind a gap */
    self->decoder->thread_count = 1;
    self->decoder->err_recognition = AV_EF_EXPLODE;
    assert_int_equal(avcodec_open2(self->decoder, NULL, NULL), 0);
}

static void rig_start(struct rig *self)
{
    rig_open(self);
    rig_preset(self, NV_ENC_CODEC_H264_GUID);
    rig_buffers(self);
    rig_decoder(self, AV_CODEC_ID_H264);
}

static void rig_finish(struct rig *self)
{
    assert_int_equal(self->api.nvEncDestroyEncoder(self->encoder), NV_ENC_SUCCESS);
    assert_int_equal(lib.context_destroy(self->context), 0);
    avcodec_free_context(&self->decoder);
    av_packet_free(&self->packet);
    av_frame_free(&self->decoded);
}

/* A moving gradient with a block of noise that is new in every picture: damage would show. */
static uint8_t luma_at(int n, int x, int y)
{
    bool noisy = x / 32 == n % 8 && y > 64 && y < 128;
    uint32_t noise = (uint32_t)(x * 73 + y * 179 + n * 283) * 2654435761U;
    return noisy ? (uint8_t)(64 + (noise >> 25)) : (uint8_t)(40 + (x + y + n * 3) % 128);
}

static void paint(struct rig *self, int n)
{
    NV_ENC_LOCK_INPUT_BUFFER lock = {.version = NV_ENC_LOCK_INPUT_BUFFER_VER, .inputBuffer = self->input};
    assert_int_equal(self->api.nvEncLockInputBuffer(self->encoder, &lock), NV_ENC_SUCCESS);
    int planes = self->format == NV_ENC_BUFFER_FORMAT_YUV444 ? 3 : 1;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            self->luma[y * WIDTH + x] = luma_at(n, x, y);
    for (int y = 0; y < HEIGHT; y++) {
        uint8_t *row = (uint8_t *)lock.bufferDataPtr + (size_t)y * lock.pitch;
        for (int x = 0; x < WIDTH; x++) {
            uint8_t value = self->luma[y * WIDTH + x];
            if (self->format == NV_ENC_BUFFER_FORMAT_ARGB)
                memcpy(row + x * 4, (uint8_t[4]){0x20, 0x60, 0xC0, 0}, 4);
            else if (self->format == NV_ENC_BUFFER_FORMAT_YUV420_10BIT)
                memcpy(row + x * 2, (uint8_t[2]){0, value}, 2);
            else
                row[x] = value;
        }
    }
    uint8_t *chroma = (uint8_t *)lock.bufferDataPtr + (size_t)HEIGHT * lock.pitch;
    if (self->format == NV_ENC_BUFFER_FORMAT_NV12 || self->format == NV_ENC_BUFFER_FORMAT_YUV420_10BIT)
        memset(chroma, 128, (size_t)lock.pitch * HEIGHT / 2);
    for (int i = 1; i < planes; i++)
        memset((uint8_t *)lock.bufferDataPtr + (size_t)i * HEIGHT * lock.pitch, 128, (size_t)lock.pitch * HEIGHT);
    assert_int_equal(self->api.nvEncUnlockInputBuffer(self->encoder, self->input), NV_ENC_SUCCESS);
}

static NV_ENC_PIC_PARAMS picture_params(const struct rig *self, int n)
{
    return (NV_ENC_PIC_PARAMS){.version = NV_ENC_PIC_PARAMS_VER,
                               .inputWidth = WIDTH,
                               .inputHeight = HEIGHT,
                               .inputPitch = WIDTH,
                               .inputTimeStamp = (uint64_t)n * 1000,
                               .inputBuffer = self->input,
                               .outputBitstream = self->output,
                               .bufferFmt = self->format,
                               .pictureStruct = NV_ENC_PIC_STRUCT_FRAME};
}

static NVENCSTATUS lock_output(struct rig *self, bool do_not_wait)
{
    self->locked = (NV_ENC_LOCK_BITSTREAM){.version = NV_ENC_LOCK_BITSTREAM_VER,
                                           .outputBitstream = self->output,
                                           .doNotWait = do_not_wait,
                                           .sliceOffsets = self->slice_offsets};
    return self->api.nvEncLockBitstream(self->encoder, &self->locked);
}

static void fetch(struct rig *self)
{
    assert_int_equal(lock_output(self, false), NV_ENC_SUCCESS);
    assert_true(self->locked.bitstreamSizeInBytes < BYTES_MAX);
    memcpy(self->bytes, self->locked.bitstreamBufferPtr, self->locked.bitstreamSizeInBytes);
    assert_int_equal(self->api.nvEncUnlockBitstream(self->encoder, self->output), NV_ENC_SUCCESS);
}

static void encode_with(struct rig *self, NV_ENC_PIC_PARAMS *params)
{
    paint(self, (int)(params->inputTimeStamp / 1000));
    assert_int_equal(self->api.nvEncEncodePicture(self->encoder, params), NV_ENC_SUCCESS);
    fetch(self);
    assert_int_equal(self->locked.outputTimeStamp, params->inputTimeStamp);
}

static void encode(struct rig *self, int n, uint32_t flags)
{
    NV_ENC_PIC_PARAMS params = picture_params(self, n);
    params.encodePicFlags = flags;
    encode_with(self, &params);
}

static void decode(struct rig *self)
{
    assert_int_equal(av_new_packet(self->packet, (int)self->locked.bitstreamSizeInBytes), 0);
    memcpy(self->packet->data, self->bytes, self->locked.bitstreamSizeInBytes);
    assert_int_equal(avcodec_send_packet(self->decoder, self->packet), 0);
    av_packet_unref(self->packet);
    assert_int_equal(avcodec_receive_frame(self->decoder, self->decoded), 0);
}

static double psnr(const struct rig *self)
{
    double sum = 0;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int d = self->luma[y * WIDTH + x] - self->decoded->data[0][y * self->decoded->linesize[0] + x];
            sum += d * d;
        }
    return sum > 0 ? 10 * log10(255.0 * 255.0 * WIDTH * HEIGHT / sum) : 99;
}

static void versions_are_checked_against_the_driver(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        uint32_t api;
        bool takes_ours;
    } cases[] = {{"driver=R450\n", 0xa0, false}, {"api=11.0\n", 0xb0, false},   {"driver=R470\n", 0xb1, true},
                 {"driver=R535\n", 0xc1, true},  {"driver=R550\n", 0xc2, true}, {"driver=R570\n", 0xd0, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t version = 0;
        NV_ENCODE_API_FUNCTION_LIST api = {.version = NV_ENCODE_API_FUNCTION_LIST_VER};
        rig_script(cases[i].script);
        assert_int_equal(lib.max_version(&version), NV_ENC_SUCCESS);
        assert_int_equal(version, cases[i].api);
        assert_int_equal(lib.create_instance(&api), cases[i].takes_ours ? NV_ENC_SUCCESS : NV_ENC_ERR_INVALID_VERSION);
    }
}

static void a_wrong_version_word_is_refused_in_each_structure(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("");
    rig_open(&rig);
    rig_preset(&rig, NV_ENC_CODEC_H264_GUID);
    NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS open = {.version = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER,
                                                 .deviceType = NV_ENC_DEVICE_TYPE_CUDA,
                                                 .device = rig.context,
                                                 .apiVersion = 13}; /* 13.0: of a newer header */
    void *none;
    assert_int_equal(rig.api.nvEncOpenEncodeSessionEx(&open, &none), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_CAPS_PARAM caps = {.version = NV_ENC_CAPS_PARAM_VER + 1};
    int value;
    assert_int_equal(rig.api.nvEncGetEncodeCaps(rig.encoder, NV_ENC_CODEC_H264_GUID, &caps, &value),
                     NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_CONFIG *config = rig.init.encodeConfig;
    config->version = NV_ENC_CONFIG_VER & ~(1U << 31);
    assert_int_equal(rig.api.nvEncInitializeEncoder(rig.encoder, &rig.init), NV_ENC_ERR_INVALID_VERSION);
    config->version = NV_ENC_CONFIG_VER;
    rig.init.version = NVENCAPI_STRUCT_VERSION(6) | 1U << 31; /* of API 12 */
    assert_int_equal(rig.api.nvEncInitializeEncoder(rig.encoder, &rig.init), NV_ENC_ERR_INVALID_VERSION);
    assert_non_null(strstr(rig.api.nvEncGetLastErrorString(rig.encoder), "NV_ENC_INITIALIZE_PARAMS"));
    rig.init.version = NV_ENC_INITIALIZE_PARAMS_VER;
    rig_buffers(&rig);
    NV_ENC_CREATE_INPUT_BUFFER input = {.width = WIDTH, .height = HEIGHT, .bufferFmt = NV_ENC_BUFFER_FORMAT_NV12};
    assert_int_equal(rig.api.nvEncCreateInputBuffer(rig.encoder, &input), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_CREATE_BITSTREAM_BUFFER output = {0};
    assert_int_equal(rig.api.nvEncCreateBitstreamBuffer(rig.encoder, &output), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_LOCK_INPUT_BUFFER lock_input = {.inputBuffer = rig.input};
    assert_int_equal(rig.api.nvEncLockInputBuffer(rig.encoder, &lock_input), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_PIC_PARAMS picture = picture_params(&rig, 0);
    picture.version = 0;
    assert_int_equal(rig.api.nvEncEncodePicture(rig.encoder, &picture), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_LOCK_BITSTREAM lock = {.outputBitstream = rig.output};
    assert_int_equal(rig.api.nvEncLockBitstream(rig.encoder, &lock), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_RECONFIGURE_PARAMS reconfigure = {.reInitEncodeParams = rig.init};
    assert_int_equal(rig.api.nvEncReconfigureEncoder(rig.encoder, &reconfigure), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_REGISTER_RESOURCE resource = {0};
    assert_int_equal(rig.api.nvEncRegisterResource(rig.encoder, &resource), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_MAP_INPUT_RESOURCE map = {0};
    assert_int_equal(rig.api.nvEncMapInputResource(rig.encoder, &map), NV_ENC_ERR_INVALID_VERSION);
    NV_ENC_SEQUENCE_PARAM_PAYLOAD payload = {0};
    assert_int_equal(rig.api.nvEncGetSequenceParams(rig.encoder, &payload), NV_ENC_ERR_INVALID_VERSION);
    rig_finish(&rig);
}

/* The client lost the pictures `lost`..`told - 1`, where it told the host before `told` was encoded. */
static void invalidate(struct rig *self, int lost, int told)
{
    for (int n = lost; n < told; n++)
        assert_int_equal(self->api.nvEncInvalidateRefFrames(self->encoder, (uint64_t)n * 1000), NV_ENC_SUCCESS);
}

/*
 * libx264 counts frame_num to 15 here; libavcodec's decoder puts pictures behind a gap that spans the wrap into the
 * past and shows none. So no gap does.
 */
static void after_invalidation_no_picture_refers_to_the_lost_ones(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("");
    rig_start(&rig);
    for (int n = 0; n < 96; n++) {
        if (n % 16 == 9)
            invalidate(&rig, n - 3, n);
        encode(&rig, n, 0);
        assert_int_equal(rig.locked.pictureType, n ? NV_ENC_PIC_TYPE_P : NV_ENC_PIC_TYPE_IDR);
        if (n % 16 >= 6 && n % 16 <= 8)
            continue; /* lost */
        decode(&rig);
        assert_true(psnr(&rig) > 30);
    }
    assert_int_equal(rig_count("invalidate"), 18);
    assert_true(rig_has(rig_line("invalidate", 0), "ts=6000"));
    rig_finish(&rig);
}

/* The counterpart: that the test above can fail. */
static void without_invalidation_the_loss_shows(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("");
    rig_start(&rig);
    rig.decoder->err_recognition = 0;
    double worst = 99;
    for (int n = 0; n < 20; n++) {
        encode(&rig, n, 0);
        if (n >= 6 && n <= 8)
            continue;
        decode(&rig);
        worst = psnr(&rig) < worst ? psnr(&rig) : worst;
    }
    assert_true(worst < 25);
    rig_finish(&rig);
}

static void nothing_left_to_refer_to_makes_an_intra_picture(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("");
    rig_start(&rig);
    for (int n = 0; n < 20; n++) {
        if (n == 12)
            invalidate(&rig, 4, 12); /* more than the five it keeps */
        encode(&rig, n, 0);
        assert_int_equal(rig.locked.pictureType, n == 0    ? NV_ENC_PIC_TYPE_IDR
                                                 : n == 12 ? NV_ENC_PIC_TYPE_I
                                                           : NV_ENC_PIC_TYPE_P);
        if (n >= 4 && n < 12)
            continue;
        decode(&rig);
        assert_true(psnr(&rig) > 30);
    }
    assert_int_equal(rig.api.nvEncInvalidateRefFrames(rig.encoder, 123456), NV_ENC_ERR_INVALID_PARAM);
    rig_change("cap.invalidation=0\n");
    assert_int_equal(rig.api.nvEncInvalidateRefFrames(rig.encoder, 19000), NV_ENC_ERR_UNSUPPORTED_PARAM);
    rig_finish(&rig);
}

static void a_long_term_reference_is_marked_and_used(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("");
    rig_open(&rig);
    rig_preset(&rig, NV_ENC_CODEC_H264_GUID);
    NV_ENC_CONFIG_H264 *h264 = &rig.preset.presetCfg.encodeCodecConfig.h264Config;
    h264->enableLTR = 1;
    h264->ltrNumFrames = 2;
    rig_buffers(&rig);
    rig_decoder(&rig, AV_CODEC_ID_H264);
    for (int n = 0; n < 20; n++) {
        NV_ENC_PIC_PARAMS params = picture_params(&rig, n);
        NV_ENC_PIC_PARAMS_H264 *h264_picture = &params.codecPicParams.h264PicParams;
        h264_picture->ltrMarkFrame = n == 3;
        h264_picture->ltrMarkFrameIdx = 1;
        h264_picture->ltrUseFrames = n == 12;
        h264_picture->ltrUseFrameBitmap = 1 << 1;
        encode_with(&rig, &params);
        assert_int_equal(rig.locked.ltrFrame, n == 3);
        assert_int_equal(rig.locked.ltrFrameBitmap, n == 12 ? 2 : 0);
        if (n > 3 && n < 12)
            continue; /* lost */
        decode(&rig);
        assert_true(psnr(&rig) > 30);
    }
    assert_true(rig_has(rig_line("picture", 3), "ltr_mark=1"));
    assert_true(rig_has(rig_line("picture", 12), "ltr_use=0x2"));
    assert_true(rig_has(rig_line("picture", 12), "type=p"));
    rig_finish(&rig);
}

static void idr_and_headers_come_when_asked(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("");
    rig_start(&rig);
    for (int n = 0; n < 12; n++) {
        uint32_t flags = n == 5 ? NV_ENC_PIC_FLAG_FORCEIDR : n == 8 ? NV_ENC_PIC_FLAG_OUTPUT_SPSPPS : 0;
        encode(&rig, n, flags);
        assert_int_equal(rig.locked.pictureType == NV_ENC_PIC_TYPE_IDR, n == 0 || n == 5);
        bool sps = (rig.bytes[4] & 31) == 7;
        assert_int_equal(sps, n == 0 || n == 5 || n == 8);
        decode(&rig);
        assert_true(psnr(&rig) > 30);
    }
    uint8_t bytes[256];
    uint32_t size = 0;
    NV_ENC_SEQUENCE_PARAM_PAYLOAD payload = {.version = NV_ENC_SEQUENCE_PARAM_PAYLOAD_VER,
                                             .inBufferSize = sizeof(bytes),
                                             .spsppsBuffer = bytes,
                                             .outSPSPPSPayloadSize = &size};
    assert_int_equal(rig.api.nvEncGetSequenceParams(rig.encoder, &payload), NV_ENC_SUCCESS);
    assert_true(size > 10 && (bytes[4] & 31) == 7);
    rig_finish(&rig);
}

static void the_rate_changes_without_an_idr(void **state)
{
    (void)state;
    static struct rig rig;
    size_t bytes[2] = {0, 0};
    rig_script("");
    rig_start(&rig);
    for (int n = 0; n < 120; n++) {
        if (n == 60) {
            rig.preset.presetCfg.rcParams.averageBitRate = 300000;
            rig.preset.presetCfg.rcParams.vbvBufferSize = 20000;
            NV_ENC_RECONFIGURE_PARAMS params = {.version = NV_ENC_RECONFIGURE_PARAMS_VER,
                                                .reInitEncodeParams = rig.init};
            assert_int_equal(rig.api.nvEncReconfigureEncoder(rig.encoder, &params), NV_ENC_SUCCESS);
        }
        encode(&rig, n, 0);
        assert_int_equal(rig.locked.pictureType == NV_ENC_PIC_TYPE_IDR, n == 0);
        if (n >= 90 || (n >= 30 && n < 60))
            bytes[n >= 60] += rig.locked.bitstreamSizeInBytes;
        decode(&rig);
    }
    print_message("30 pictures: %zu bytes, then %zu\n", bytes[0], bytes[1]);
    assert_true(bytes[1] * 2 < bytes[0]);
    assert_true(rig_has(rig_line("reconfigure", 0), "average=300000"));
    rig_finish(&rig);
}

static void slices_can_be_fetched_before_the_picture_is_complete(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("ms=400\n");
    rig_open(&rig);
    rig_preset(&rig, NV_ENC_CODEC_H264_GUID);
    NV_ENC_CONFIG_H264 *h264 = &rig.preset.presetCfg.encodeCodecConfig.h264Config;
    h264->sliceMode = 3;
    h264->sliceModeData = 4;
    rig.init.enableSubFrameWrite = rig.init.reportSliceOffsets = 1;
    rig_buffers(&rig);
    rig_decoder(&rig, AV_CODEC_ID_H264);
    NV_ENC_PIC_PARAMS params = picture_params(&rig, 0);
    paint(&rig, 0);
    assert_int_equal(rig.api.nvEncEncodePicture(rig.encoder, &params), NV_ENC_SUCCESS);
    uint32_t slices = 0, size = 0, steps = 0;
    do {
        assert_int_equal(lock_output(&rig, true), NV_ENC_SUCCESS);
        assert_true(rig.locked.numSlices >= slices && rig.locked.bitstreamSizeInBytes >= size);
        memcpy(rig.bytes + size, (uint8_t *)rig.locked.bitstreamBufferPtr + size,
               rig.locked.bitstreamSizeInBytes - size);
        steps += rig.locked.numSlices > slices;
        slices = rig.locked.numSlices, size = rig.locked.bitstreamSizeInBytes;
        assert_int_equal(rig.api.nvEncUnlockBitstream(rig.encoder, rig.output), NV_ENC_SUCCESS);
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    } while (rig.locked.hwEncodeStatus != 2);
    assert_int_equal(slices, 4);
    assert_true(steps >= 2); /* four on an idle machine */
    for (uint32_t i = 0; i < slices; i++)
        assert_int_equal(rig.bytes[rig.slice_offsets[i] + (rig.bytes[rig.slice_offsets[i] + 2] == 1 ? 3 : 4)] & 31, 5);
    decode(&rig);
    assert_true(psnr(&rig) > 30);
    rig_finish(&rig);
}

static void a_slow_gpu_is_busy_until_it_is_done(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("ms=40\n");
    rig_start(&rig);
    NV_ENC_PIC_PARAMS params = picture_params(&rig, 0);
    paint(&rig, 0);
    int64_t begin_ns = clock_now_ns();
    assert_int_equal(rig.api.nvEncEncodePicture(rig.encoder, &params), NV_ENC_SUCCESS);
    assert_int_equal(rig.api.nvEncEncodePicture(rig.encoder, &params), NV_ENC_ERR_ENCODER_BUSY);
    fetch(&rig);
    assert_true(clock_now_ns() - begin_ns >= 40 * CLOCK_MS_NS);
    rig_change("hang=1\n");
    params.inputTimeStamp++;
    assert_int_equal(rig.api.nvEncEncodePicture(rig.encoder, &params), NV_ENC_SUCCESS);
    assert_int_equal(lock_output(&rig, true), NV_ENC_ERR_LOCK_BUSY);
    rig_change("");
    fetch(&rig);
    rig_finish(&rig);
}

static void cuda_memory_is_taken_as_input(void **state)
{
    (void)state;
    static struct rig rig;
    CUdeviceptr memory;
    size_t pitch;
    rig_script("");
    rig_start(&rig);
    assert_int_equal(lib.alloc_pitch(&memory, &pitch, WIDTH, HEIGHT * 3 / 2, 16), 201); /* no current context */
    assert_int_equal(lib.context_push(rig.context), 0);
    assert_int_equal(lib.alloc_pitch(&memory, &pitch, WIDTH, HEIGHT * 3 / 2, 16), 0);
    NV_ENC_REGISTER_RESOURCE resource = {.version = NV_ENC_REGISTER_RESOURCE_VER,
                                         .resourceType = NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR,
                                         .width = WIDTH,
                                         .height = HEIGHT,
                                         .pitch = (uint32_t)pitch,
                                         .resourceToRegister = (void *)(uintptr_t)memory,
                                         .bufferFormat = NV_ENC_BUFFER_FORMAT_NV12};
    assert_int_equal(rig.api.nvEncRegisterResource(rig.encoder, &resource), NV_ENC_SUCCESS);
    paint(&rig, 7);
    memset((uint8_t *)(uintptr_t)memory + pitch * HEIGHT, 128, pitch * HEIGHT / 2);
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
                          .srcHost = rig.luma,
                          .srcPitch = WIDTH,
                          .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                          .dstDevice = memory,
                          .dstPitch = pitch,
                          .WidthInBytes = WIDTH,
                          .Height = HEIGHT};
    assert_int_equal(lib.copy_2d(&copy), 0);
    copy.Height = HEIGHT * 2;
    assert_int_equal(lib.copy_2d(&copy), 1); /* beyond its end */
    NV_ENC_PIC_PARAMS params = picture_params(&rig, 7);
    params.inputBuffer = resource.registeredResource;
    assert_int_equal(rig.api.nvEncEncodePicture(rig.encoder, &params), NV_ENC_ERR_RESOURCE_NOT_MAPPED);
    NV_ENC_MAP_INPUT_RESOURCE map = {.version = NV_ENC_MAP_INPUT_RESOURCE_VER,
                                     .registeredResource = resource.registeredResource};
    assert_int_equal(rig.api.nvEncMapInputResource(rig.encoder, &map), NV_ENC_SUCCESS);
    assert_int_equal(map.mappedBufferFmt, NV_ENC_BUFFER_FORMAT_NV12);
    params.inputBuffer = map.mappedResource;
    assert_int_equal(rig.api.nvEncEncodePicture(rig.encoder, &params), NV_ENC_SUCCESS);
    fetch(&rig);
    decode(&rig);
    assert_true(psnr(&rig) > 30);
    assert_int_equal(rig.api.nvEncUnmapInputResource(rig.encoder, map.mappedResource), NV_ENC_SUCCESS);
    assert_int_equal(rig.api.nvEncUnregisterResource(rig.encoder, resource.registeredResource), NV_ENC_SUCCESS);
    assert_int_equal(lib.mem_free(memory), 0);
    assert_int_equal(lib.context_pop(NULL), 0);
    rig_finish(&rig);
}

static void rgb_becomes_yuv_by_the_matrix_of_the_script(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int y, u, v;
    } cases[] = {{"rgb_matrix=601\n", 117, 86, 175}, {"rgb_matrix=709\n", 112, 90, 173}}; /* of R C0, G 60, B 20 */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct rig rig;
        rig_script(cases[i].script);
        rig_open(&rig);
        rig.format = NV_ENC_BUFFER_FORMAT_ARGB;
        rig_preset(&rig, NV_ENC_CODEC_H264_GUID);
        rig_buffers(&rig);
        rig_decoder(&rig, AV_CODEC_ID_H264);
        encode(&rig, 0, 0);
        decode(&rig);
        assert_true(abs(rig.decoded->data[0][1000] - cases[i].y) <= 2);
        assert_true(abs(rig.decoded->data[1][100] - cases[i].u) <= 2);
        assert_true(abs(rig.decoded->data[2][100] - cases[i].v) <= 2);
        rig_finish(&rig);
    }
}

static void h264_444_has_whole_chroma(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("");
    rig_open(&rig);
    rig.format = NV_ENC_BUFFER_FORMAT_YUV444;
    rig_preset(&rig, NV_ENC_CODEC_H264_GUID);
    rig.preset.presetCfg.encodeCodecConfig.h264Config.chromaFormatIDC = 3;
    rig.preset.presetCfg.profileGUID = NV_ENC_H264_PROFILE_HIGH_444_GUID;
    rig_buffers(&rig);
    rig_decoder(&rig, AV_CODEC_ID_H264);
    for (int n = 0; n < 5; n++) {
        encode(&rig, n, 0);
        decode(&rig);
        assert_int_equal(rig.decoded->format, AV_PIX_FMT_YUV444P);
        assert_true(psnr(&rig) > 30);
    }
    rig_finish(&rig);
}

static void hevc_is_made_in_eight_and_ten_bit(void **state)
{
    (void)state;
    for (int depth = 8; depth <= 10; depth += 2) {
        static struct rig rig;
        rig_script("");
        rig_open(&rig);
        rig.format = depth == 10 ? NV_ENC_BUFFER_FORMAT_YUV420_10BIT : NV_ENC_BUFFER_FORMAT_NV12;
        rig_preset(&rig, NV_ENC_CODEC_HEVC_GUID);
        rig.preset.presetCfg.encodeCodecConfig.hevcConfig.pixelBitDepthMinus8 = (uint32_t)depth - 8;
        rig_buffers(&rig);
        rig_decoder(&rig, AV_CODEC_ID_HEVC);
        for (int n = 0; n < 20; n++) {
            if (n == 9)
                invalidate(&rig, 6, 9);
            encode(&rig, n, n == 15 ? NV_ENC_PIC_FLAG_FORCEIDR : 0);
            assert_int_equal(rig.locked.pictureType == NV_ENC_PIC_TYPE_IDR, n == 0 || n == 15);
            assert_int_equal(rig.locked.pictureType == NV_ENC_PIC_TYPE_I, n == 9);
            if (n >= 6 && n < 9)
                continue;
            decode(&rig);
            assert_int_equal(rig.decoded->format, depth == 10 ? AV_PIX_FMT_YUV420P10 : AV_PIX_FMT_YUV420P);
            assert_true(depth == 10 || psnr(&rig) > 30);
        }
        rig_finish(&rig);
    }
}

static void a_small_frame_buffer_is_used_up_and_given_back(void **state)
{
    (void)state;
    static struct rig rig;
    rig_script("memory_mb=8\n");
    for (int round = 0; round < 2; round++) {
        rig_start(&rig);
        NV_ENC_CREATE_BITSTREAM_BUFFER output = {.version = NV_ENC_CREATE_BITSTREAM_BUFFER_VER};
        int made = 0;
        while (rig.api.nvEncCreateBitstreamBuffer(rig.encoder, &output) == NV_ENC_SUCCESS)
            assert_true(++made < 9);
        assert_true(made > 0);
        assert_int_equal(rig.api.nvEncCreateBitstreamBuffer(rig.encoder, &output), NV_ENC_ERR_OUT_OF_MEMORY);
        rig_finish(&rig);
    }
}

static void nvml_tells_device_driver_and_licence(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        int supported;
        unsigned int count, licensed;
    } cases[] = {{"licence=licensed\n", 1, 1, 1}, {"licence=unlicensed\n", 1, 1, 0}, {"licence=none\n", 0, 0, 0}};
    struct features {
        int supported;
        unsigned int count;
        struct {
            int code;
            unsigned int state;
            char info[128], product[128];
            unsigned int enabled;
            struct {
                unsigned int year;
                unsigned short rest[5];
                unsigned char status;
            } expiry;
        } features[3];
    } features;
    void *device;
    char text[96];
    int (*init)(void), (*device_at)(unsigned int, void **), (*name)(void *, char *, unsigned int);
    int (*driver)(char *, unsigned int), (*licences)(void *, struct features *);
    *(void **)&init = symbol(lib.nvml, "nvmlInit_v2");
    *(void **)&device_at = symbol(lib.nvml, "nvmlDeviceGetHandleByIndex_v2");
    *(void **)&name = symbol(lib.nvml, "nvmlDeviceGetName");
    *(void **)&driver = symbol(lib.nvml, "nvmlSystemGetDriverVersion");
    *(void **)&licences = symbol(lib.nvml, "nvmlDeviceGetGridLicensableFeatures_v4");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_script(cases[i].script);
        assert_int_equal(init(), 0);
        assert_int_equal(device_at(0, &device), 0);
        assert_int_equal(name(device, text, sizeof(text)), 0);
        assert_string_equal(text, "GRID P4-4Q");
        assert_int_equal(driver(text, sizeof(text)), 0);
        assert_string_equal(text, "535.161.05");
        assert_int_equal(licences(device, &features), 0);
        assert_int_equal(features.supported, cases[i].supported);
        assert_int_equal(features.count, cases[i].count);
        assert_true(!features.count || features.features[0].state == cases[i].licensed);
    }
    rig_script("gpu=none\n");
    assert_int_not_equal(init(), 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_checked_against_the_driver),
        cmocka_unit_test(a_wrong_version_word_is_refused_in_each_structure),
        cmocka_unit_test(after_invalidation_no_picture_refers_to_the_lost_ones),
        cmocka_unit_test(without_invalidation_the_loss_shows),
        cmocka_unit_test(nothing_left_to_refer_to_makes_an_intra_picture),
        cmocka_unit_test(a_long_term_reference_is_marked_and_used),
        cmocka_unit_test(idr_and_headers_come_when_asked),
        cmocka_unit_test(the_rate_changes_without_an_idr),
        cmocka_unit_test(slices_can_be_fetched_before_the_picture_is_complete),
        cmocka_unit_test(a_slow_gpu_is_busy_until_it_is_done),
        cmocka_unit_test(cuda_memory_is_taken_as_input),
        cmocka_unit_test(rgb_becomes_yuv_by_the_matrix_of_the_script),
        cmocka_unit_test(h264_444_has_whole_chroma),
#ifdef HAVE_X265
        cmocka_unit_test(hevc_is_made_in_eight_and_ten_bit),
#endif
        cmocka_unit_test(a_small_frame_buffer_is_used_up_and_given_back),
        cmocka_unit_test(nvml_tells_device_driver_and_licence),
    };
    rig_enter(argv);
    int failures = cmocka_run_group_tests(tests, load, unload);
    rig_leave();
    return failures;
}

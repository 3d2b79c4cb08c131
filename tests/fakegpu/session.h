/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session: one encoder session of the imagined libnvidia-encode.so.1, and what its files share. Calls for one session
 * come one at a time; only Lock/UnlockBitstream may run beside others, for a buffer whose EncodePicture has returned.
 */
#pragma once

#include "tests/fakegpu/coder.h"
#include "tests/fakegpu/script.h"

#include <ffnvcodec/nvEncodeAPI.h>

enum { HEADERS_MAX = 512, SLICES_MAX = 64, LTR_MAX = 16, STAMPS_MAX = 64, NO_LTR = -1 };

/* Memory for one input picture: an input buffer of the session, or a registered resource. */
struct surface {
    struct surface *next;
    uint32_t width, height, pitch;
    NV_ENC_BUFFER_FORMAT format;
    uint8_t *bytes;
    size_t size;
    bool registered; /* the bytes are the client's, and EncodePicture takes `mapping` */
    bool locked, mapped;
    char mapping; /* its address is the handle while it is mapped */
};

enum bitstream_state { BITSTREAM_EMPTY, BITSTREAM_FILLED, BITSTREAM_LOCKED };

struct bitstream {
    struct bitstream *next;
    enum bitstream_state state;
    const struct surface *source; /* of the picture that is in it */
    uint8_t *bytes;
    size_t size, capacity;
    uint32_t slice_offsets[SLICES_MAX];
    uint32_t slice_count;
    bool seen;     /* by somebody who did not wait for it */
    uint32_t torn; /* place of a byte that is shown as another one; 0: none */
    int64_t begin_ns, ready_ns;
    int number; /* of the picture */
    uint64_t timestamp, duration;
    NV_ENC_PIC_TYPE type;
    int qp;
    int ltr_index;
    uint32_t ltr_bitmap;
};

struct stamp {
    uint64_t timestamp;
    int number;
};

struct session {
    uint32_t magic;
    int id; /* counts the sessions of this process, from 1 */
    NVENCSTATUS lost;
    bool hindered; /* a call failed, as the script wanted: the client may not have been able to clean up */
    NV_ENC_INITIALIZE_PARAMS init; /* encodeConfig is NULL: it is the next */
    NV_ENC_CONFIG config;
    struct coder *coder; /* NULL: not initialized */
    struct coder_config coder_config;
    uint8_t headers[HEADERS_MAX]; /* parameter sets */
    size_t headers_size;
    uint8_t *scratch; /* an input picture in the coder's format */
    int64_t memory_bytes;
    struct surface *surfaces;
    struct bitstream *bitstreams;
    int pictures;
    bool idr_wanted;
    int64_t busy_until_ns;
    struct stamp stamps[STAMPS_MAX]; /* ring by picture number */
    int ltr[LTR_MAX];                /* picture number, or NO_LTR */
    char error[200];
};

#define SESSION_CALL(name, ...) NVENCSTATUS NVENCAPI session_##name(void *encoder, __VA_ARGS__)

/* session.c: what every call begins with: a live session and no failure by script. */
NVENCSTATUS session_enter(void *encoder, const char *call, struct session **ret);
/* Notes why, for GetLastErrorString and the log; returns `status`. */
__attribute__((format(printf, 3, 4))) NVENCSTATUS session_fail(struct session *self, NVENCSTATUS status,
                                                               const char *format, ...);
/* Whether the imagined driver takes a structure of this version word; `own` is that of our header. */
bool session_knows_version(uint32_t word, uint32_t own);
NVENCSTATUS session_check_version(struct session *self, const char *what, uint32_t word, uint32_t own);
/* Frame buffer memory, of all sessions of this process. */
bool session_take_memory(struct session *self, int64_t bytes);
void session_give_memory(struct session *self, int64_t bytes);
NVENCSTATUS NVENCAPI session_open(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *params, void **ret);
NVENCSTATUS NVENCAPI session_destroy(void *encoder);
const char *NVENCAPI session_last_error(void *encoder);

/* query.c: what the encoder can. */
bool query_has_codec(const struct script *script, const GUID *codec);
bool query_is_hevc(const GUID *codec);
const char *query_preset_name(const GUID *preset); /* NULL: there is none such */
const char *query_profile_name(const GUID *profile);
SESSION_CALL(guid_count, uint32_t *count);
SESSION_CALL(guids, GUID *guids, uint32_t room, uint32_t *count);
SESSION_CALL(profile_count, GUID codec, uint32_t *count);
SESSION_CALL(profiles, GUID codec, GUID *guids, uint32_t room, uint32_t *count);
SESSION_CALL(format_count, GUID codec, uint32_t *count);
SESSION_CALL(formats, GUID codec, NV_ENC_BUFFER_FORMAT *formats, uint32_t room, uint32_t *count);
SESSION_CALL(caps, GUID codec, NV_ENC_CAPS_PARAM *param, int *value);
SESSION_CALL(preset_count, GUID codec, uint32_t *count);
SESSION_CALL(presets, GUID codec, GUID *guids, uint32_t room, uint32_t *count);
SESSION_CALL(preset_config, GUID codec, GUID preset, NV_ENC_PRESET_CONFIG *config);
SESSION_CALL(preset_config_ex, GUID codec, GUID preset, NV_ENC_TUNING_INFO tuning, NV_ENC_PRESET_CONFIG *config);
void query_fill_config(NV_ENC_CONFIG *ret, const GUID *codec);

/* configure.c */
SESSION_CALL(initialize, NV_ENC_INITIALIZE_PARAMS *params);
SESSION_CALL(reconfigure, NV_ENC_RECONFIGURE_PARAMS *params);
SESSION_CALL(sequence_params, NV_ENC_SEQUENCE_PARAM_PAYLOAD *payload);

/* buffers.c */
const char *buffers_format_name(NV_ENC_BUFFER_FORMAT format);
struct surface *buffers_find_surface(struct session *self, const void *handle); /* not by its mapping */
struct surface *buffers_find_mapping(struct session *self, const void *handle);
struct bitstream *buffers_find_bitstream(struct session *self, const void *handle);
/* Ends the process if the client has left a resource registered: a test must fail then. */
void buffers_free_all(struct session *self);
SESSION_CALL(create_input, NV_ENC_CREATE_INPUT_BUFFER *params);
SESSION_CALL(destroy_input, NV_ENC_INPUT_PTR buffer);
SESSION_CALL(lock_input, NV_ENC_LOCK_INPUT_BUFFER *params);
SESSION_CALL(unlock_input, NV_ENC_INPUT_PTR buffer);
SESSION_CALL(create_bitstream, NV_ENC_CREATE_BITSTREAM_BUFFER *params);
SESSION_CALL(destroy_bitstream, NV_ENC_OUTPUT_PTR buffer);
SESSION_CALL(register_resource, NV_ENC_REGISTER_RESOURCE *params);
SESSION_CALL(unregister_resource, NV_ENC_REGISTERED_PTR resource);
SESSION_CALL(map_resource, NV_ENC_MAP_INPUT_RESOURCE *params);
SESSION_CALL(unmap_resource, NV_ENC_INPUT_PTR resource);

/* pixels.c: an input picture as the coder takes it; parts of it may lie in `scratch`. False: formats do not fit. */
size_t pixels_scratch_bytes(const struct coder_config *config);
bool pixels_convert(const struct surface *surface, const struct coder_config *config, int rgb_matrix, uint8_t *scratch,
                    struct coder_picture *ret);

/* encode.c */
SESSION_CALL(encode, NV_ENC_PIC_PARAMS *params);
SESSION_CALL(lock_bitstream, NV_ENC_LOCK_BITSTREAM *params);
SESSION_CALL(unlock_bitstream, NV_ENC_OUTPUT_PTR buffer);
SESSION_CALL(invalidate, uint64_t timestamp);

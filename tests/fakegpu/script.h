/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script: what this machine's imagined GPU is, and what goes wrong with it. Compiled into each of the three libraries.
 *
 * FAKEGPU_SCRIPT names a text file of `key=value` lines; `#` begins a comment. It is read anew at every call that looks
 * at it, so that a test can change its mind while the host runs (write a new file and rename it). An unknown key, a
 * value out of range or a file that cannot be read ends the process: a test must not pass because of a typing error.
 * Without the variable all values are those in brackets.
 *
 *   driver=R535             R450, R470, R535, R550 or R570: the highest NVENC API and the version string [R535]
 *   api=11.0                the highest NVENC API, against that of the driver
 *   driver_version=535.1    the version string, against that of the driver
 *   gpu=GRID P4-4Q          the device's name; `none`: the driver finds no device [GRID P4-4Q]
 *   compute=61              compute capability, times ten [61: Pascal]
 *   memory_mb=4096          frame buffer [4096]. The encoder's and CUDA's allocations are counted apart, each against
 * it codecs=h264,hevc        what the encoder says it can [h264, and hevc if libx265 is built in]. `av1` may be named;
 *                           opening one then fails, as there is no coder for it here
 *   sessions=8              encoder sessions that one process may have open at once [8]
 *   session_error=ERROR     what opening one more gives [out_of_memory]; newer drivers: incompatible_client_key
 *   cap.NAME=N              width_max 4096, height_max 4096, width_min 145, height_min 49, bframes 0, yuv444 1,
 *                           10bit 1, invalidation 1, ltr 8, intra_refresh 1, subframe 1, custom_vbv 1,
 *                           dynamic_bitrate 1, multiple_references 1, lookahead 1, temporal_aq 1, async 0, weighted 1
 *   rgb_matrix=601          how ARGB input becomes YUV, limited range: 601 or 709 [601]
 *   ms=4                    from EncodePicture until its whole bitstream is there, one picture after the other [0]
 *   hang=N                  from the N-th (from 0) on, no picture of a session gets ready as long as this line stands
 *   hang_call=NAME          cuInit or nvmlInit does not come back as long as this line stands
 *   shows=N                 no more slices of a picture are shown, nor that it is complete, to who does not wait for it
 *   hasty=N                 of the N-th, a slice is shown at first of which only the start code is there
 *   torn=N                  of the N-th, what is shown before it is complete is not what it is in the end
 *   grey=N                  from the N-th on, grey is encoded instead of the pictures given
 *   fail.NAME=ERROR         every call of that name (`fail.InitializeEncoder=generic`); of CUDA's, cuMemAllocPitch and
 *                           cuMemcpy2D (and Async): error 2 for out_of_memory, else 999
 *   fail.picture.N=ERROR    EncodePicture of the N-th picture of each session. After device_not_exist, from here or the
 *                           line above, the session is lost: each further call gives it again, but DestroyEncoder
 *   cuda_error=100          what cuInit gives [0]
 *   nvml_error=18           what nvmlInit gives; 18: kernel module and libraries of different versions [0]
 *   memory_used_mb=N        of the frame buffer, by others, as NVML tells it [a sixteenth]
 *   licence=licensed        licensed, unlicensed or none (not a vGPU: nothing to license) [licensed]
 *
 * ERROR: generic, out_of_memory, device_not_exist, invalid_param, unsupported_device, no_encode_device, encoder_busy,
 * incompatible_client_key, unsupported_param.
 *
 * FAKEGPU_LOG names a file to which each library appends what it was asked, a line a call: `word key=value ...`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum script_cap {
    CAP_WIDTH_MAX,
    CAP_HEIGHT_MAX,
    CAP_WIDTH_MIN,
    CAP_HEIGHT_MIN,
    CAP_BFRAMES,
    CAP_YUV444,
    CAP_10BIT,
    CAP_INVALIDATION,
    CAP_LTR,
    CAP_INTRA_REFRESH,
    CAP_SUBFRAME,
    CAP_CUSTOM_VBV,
    CAP_DYNAMIC_BITRATE,
    CAP_MULTIPLE_REFERENCES,
    CAP_LOOKAHEAD,
    CAP_TEMPORAL_AQ,
    CAP_ASYNC,
    CAP_WEIGHTED,
    CAP_COUNT
};

enum script_licence { LICENCE_NONE, LICENCE_MISSING, LICENCE_HELD };

enum { SCRIPT_FAILS_MAX = 8, SCRIPT_NO_PICTURE = -1 };

struct script_fail {
    char call[40]; /* empty: `picture` counts */
    int picture;
    int error; /* NVENCSTATUS */
};

struct script {
    int api_major, api_minor;
    char driver_version[32], gpu[64];
    bool no_device;
    int compute;
    int64_t memory_bytes;
    bool h264, hevc, av1;
    int sessions, session_error;
    int caps[CAP_COUNT];
    int rgb_matrix;
    int ms;
    int shows;                   /* SCRIPT_NO_PICTURE: all */
    int hang, hasty, torn, grey; /* SCRIPT_NO_PICTURE: none */
    char hang_call[16];
    int cuda_error, nvml_error;
    int memory_used_mb; /* 0: a sixteenth */
    enum script_licence licence;
    struct script_fail fails[SCRIPT_FAILS_MAX];
    int fail_count;
};

/* Reads the file. Any thread. */
void script_read(struct script *ret);

/* The error that the script wants for this call, or 0. */
int script_call_error(const struct script *script, const char *call);
/* Returns when the script has no hang_call of that name. */
void script_hang(const char *call);
int script_picture_error(const struct script *script, int picture);

/* One line for FAKEGPU_LOG, whole even if several write. Any thread. */
__attribute__((format(printf, 1, 2))) void script_trace(const char *format, ...);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvenc_output: the way of bitstreams out of a session of NVENC, into memory of ours as access units of the stream. A
 * session that writes sub-frames shows the slices that are finished while it works on the rest: they come as parts.
 * The API has no event for that; one has to ask again and again. Between two questions the thread sleeps for 200 us,
 * and for the last slice it waits in the driver, which it does as well when nothing has come for 100 ms, and for
 * good after three such pictures.
 *
 * What is said here of the fields of an unfinished picture no GPU has shown us. So when the picture is complete, all
 * that was given before is compared with it; a difference makes this picture useless, and ends the parts for good.
 *
 * One thread at a time, between nvenc_driver_enter() and nvenc_driver_leave().
 */
#pragma once

#include "encode/encoder.h"
#include "encode/nvenc_driver.h"

struct nvenc_output {
    struct nvenc_driver *driver;
    enum encoder_codec codec;
    NV_ENC_OUTPUT_PTR buffer; /* what NvEncEncodePicture takes */
    uint8_t *unit;            /* the access unit under way, or the last one */
    size_t capacity;
    uint32_t *slice_offsets; /* written by the driver; NULL: it does not write sub-frames */
    int parts;               /* 1: access units come as a whole */
    int late;                /* pictures in a row of which nothing was shown in 100 ms */

    /* of this access unit */
    size_t fetched; /* bytes of the bitstream that are copied */
    size_t kept;    /* from here on the copy is the same, `moved` bytes further on in `unit` */
    ptrdiff_t moved;
};

/* `driver` stays the caller's, its session initialized; `parts`: slices of a picture, if it writes sub-frames, or 1.
 * False: close it all the same. */
bool nvenc_output_open(struct nvenc_output *self, struct nvenc_driver *driver, const struct encoder_config *config,
                       int parts, char *ret_reason, size_t reason_size);
/* No picture is being encoded. A half-opened or zeroed one is fine, as also for the next. */
void nvenc_output_close(struct nvenc_output *self);
/* Its memory, with or without a driver. */
void nvenc_output_free(struct nvenc_output *self);

/* After NvEncEncodePicture: the access unit, or the first part of it. False: the session is of no use any more. */
bool nvenc_output_first(struct nvenc_output *self, struct au_part *ret_part, char *ret_reason, size_t reason_size);
/* The part after *part. With ENCODE_TORN the picture is complete, too. */
enum encode_result nvenc_output_next(struct nvenc_output *self, struct au_part *part, char *ret_reason,
                                     size_t reason_size);

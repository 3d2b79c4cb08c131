/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvenc_input: the way of pictures into a session of NVENC. It is one piece of CUDA memory, registered with the
 * session, which keeps the picture given last: only what has changed since is uploaded. Where the driver refuses that,
 * it is an input buffer of the session, which takes whole pictures.
 *
 * One thread at a time, between nvenc_driver_enter() and nvenc_driver_leave().
 */
#pragma once

#include "capture/frame.h"
#include "encode/nvenc_driver.h"

struct nvenc_input {
    struct nvenc_driver *driver;
    struct frame_layout layout;
    NV_ENC_INPUT_PTR picture; /* what NvEncEncodePicture takes, from nvenc_input_give() to _take_back() */
    uint32_t pitch;           /* of the rows of all planes, which lie one after the other */

    NV_ENC_INPUT_PTR buffer; /* NULL: CUDA memory, that is the rest */
    CUdeviceptr memory;
    NV_ENC_REGISTERED_PTR resource;
    bool filled; /* with the picture given last */
};

/* `driver` stays the caller's, its session initialized for this layout. False: close it all the same. */
bool nvenc_input_open(struct nvenc_input *self, struct nvenc_driver *driver, const struct frame_layout *layout,
                      char *ret_reason, size_t reason_size);
/* No picture is being encoded. A half-opened or zeroed one is fine. */
void nvenc_input_close(struct nvenc_input *self);

/* `damage`: what differs from the picture given last; of the first one all is taken. The frame is read until it is
 * taken back, or the input is closed. False: nothing can be given any more, which holds for the next one, too. */
bool nvenc_input_give(struct nvenc_input *self, const struct frame *frame, const struct region *damage,
                      char *ret_reason, size_t reason_size);
/* When its bitstream has been fetched. */
bool nvenc_input_take_back(struct nvenc_input *self, char *ret_reason, size_t reason_size);

/* SPDX-License-Identifier: Apache-2.0 */
/* encoder_speed: how fast this machine's cores encode, measured: software HEVC and AV1 are offered by it. */
#pragma once

#include "encode/encoder.h"

#include <stdint.h>

/*
 * Pixels a second that the software encoder `name` makes of a page of text that scrolls, 1280x720 at 10 Mbit/s, on as
 * many threads as it likes: by the fastest of a few pictures, as what else goes on at that moment does not count. 0: it
 * failed, logged. Any thread but the main one: takes some 0.2 s on a machine that can use the result.
 */
int64_t encoder_speed_measure(const char *name, enum encoder_codec codec);

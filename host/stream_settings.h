/* SPDX-License-Identifier: Apache-2.0 */
/* stream_settings: what a client's wishes and the operator's settings make of a stream. Pure. */
#pragma once

#include "host/config.h"
#include "host/stream.h"
#include "protocol/sdp.h"

/* View, encoder, the sender's sizes and rates, idle_fps. What a stream borrows (display, encoders, socket, gso, key),
 * `failed` and `ctx` are NULL and 0: the caller's to set. */
/* Of all the client's budget, in kbit/s: what the operator lets it have. */
int stream_settings_allowed_kbps(const struct config *config, const struct sdp_announce *wish);
/* What of so much the encoder gets, besides parity and sound. */
int stream_settings_encoder_kbps(const struct config *config, const struct sdp_announce *wish, int kbps);

struct stream_config stream_settings(const struct config *config, const struct sdp_announce *wish);

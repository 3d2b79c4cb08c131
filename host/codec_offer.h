/* SPDX-License-Identifier: Apache-2.0 */
/* codec_offer: which codecs a client may ask for: what the probes proved, as far as the operator's `codecs` lets. Pure.
 */
#pragma once

#include "encode/encoder.h"
#include "host/config.h"

#include <stdbool.h>
#include <stdint.h>

/* The lists of DESCRIBE, of what ANNOUNCE may name, and of /serverinfo are this one. */
bool codec_offer_has(const struct config *config, const struct encoder_report *reports, int count,
                     enum encoder_codec codec);
bool codec_offer_is_empty(const struct config *config, const struct encoder_report *reports, int count);
/* ServerCodecModeSupport. Never 0, which is no answer to clients: H.264 stands in when nothing is offered. */
uint32_t codec_offer_bits(const struct config *config, const struct encoder_report *reports, int count);

const char *codec_name(enum encoder_codec codec); /* for people: "H.264" */

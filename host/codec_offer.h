/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec_offer: which codecs a client may ask for: what the probes proved, at the sizes that the GPU makes, as far as
 * the operator's `codecs` lets, and in software what the cores hold. Pure.
 *
 * Beyond H.264 software must have been measured to make twice the pixels that are asked for: the desktop needs cores,
 * too, and a picture must be out long before the next one comes.
 */
#pragma once

#include "encode/encoder.h"
#include "host/config.h"

#include <stdbool.h>
#include <stdint.h>

/* What a client asks for; 0: it has not said. */
struct codec_wish {
    int width, height; /* both or none */
    int64_t pixels_per_s;
};

/* What DESCRIBE offers to a client with this wish, and ANNOUNCE may name. `wish` NULL: to any. */
bool codec_offer_has(const struct config *config, const struct encoder_report *reports, int count,
                     enum encoder_codec codec, const struct codec_wish *wish);
/* The same of another kind of picture than 8 bit 4:2:0, which may take up to twice the time: clients learn of it before
 * they say a size, so that it cannot be offered at some sizes only (a session that is too large gets fewer pictures,
 * host/sessions_share.c); only of the encoder that is tried first, so that
 * nobody gets finer colours from a slower encoder without knowing. */
bool codec_offer_takes(const struct config *config, const struct encoder_report *reports, int count,
                       enum encoder_codec codec, enum frame_format format, const struct codec_wish *wish);
/* The first usable encoder of the codec that makes pictures of the wished size, or NULL. Of H.264, when there is no
 * other, also one that failed in a session: better to ask it again than to refuse everybody. */
const struct encoder_report *codec_offer_encoder(const struct encoder_report *reports, int count,
                                                 enum encoder_codec codec, const struct codec_wish *wish);
/* Pictures of so many pixels that this encoder may be asked for; 0: nothing limits it, or it was not measured. */
int codec_offer_held_fps_x100(const struct encoder_report *report, int64_t pixels);
/* Nothing is offered for this wish; NULL: to anybody. */
bool codec_offer_is_empty(const struct config *config, const struct encoder_report *reports, int count,
                          const struct codec_wish *wish);
/* ServerCodecModeSupport: what is offered at some size and rate; clients go by DESCRIBE then. Never 0, which is no
 * answer to them: H.264 stands in when nothing is offered. */
uint32_t codec_offer_bits(const struct config *config, const struct encoder_report *reports, int count);
/* Whether the operator lets this encoder be offered as far as it is fast enough. */
bool codec_offer_depends_on_speed(enum config_codecs codecs, const struct encoder_report *report);

const char *codec_name(enum encoder_codec codec); /* for people: "H.264" */

/* SPDX-License-Identifier: Apache-2.0 */
/* backends: what encoder.c lists; each is defined in the file of its API. */
#pragma once

#include "encode/encoder.h"

extern const struct encoder_ops encoder_x264;       /* x264.c */
extern const struct encoder_ops encoder_nvenc;      /* nvenc.c */
extern const struct encoder_ops encoder_nvenc_lavc; /* lavc_nvenc.c */
extern const struct encoder_ops encoder_vaapi;      /* lavc_vaapi.c */
extern const struct encoder_ops encoder_x265;       /* lavc_software.c */
extern const struct encoder_ops encoder_aom;        /* lavc_software.c */

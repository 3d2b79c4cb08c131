/* SPDX-License-Identifier: Apache-2.0 */
/* av1_unit: looks at what an encoder of AV1 wrote: one temporal unit, its OBUs with their sizes. */
#pragma once

#include "encode/part.h"

/*
 * data      `size` bytes as they go out: nothing has to be taken out of AV1; borrowed
 * ret_part  data, size and type are filled. Clients do not look into AV1: the type is all they know
 * False: it is no temporal unit with one picture to show, or a key picture without its sequence header. Pure.
 */
bool av1_unit_finish(const uint8_t *data, size_t size, struct au_part *ret_part);

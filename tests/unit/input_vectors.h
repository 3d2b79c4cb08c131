/* SPDX-License-Identifier: Apache-2.0 */
/* input_vectors: reading tests/vectors/input.json: recorded packets of a client, and the table of keys. */
#pragma once

#include "tests/unit/vectors.h"

static inline json_t *input_vectors_load(void)
{
    return vectors_open(VECTORS_DIR "/input.json");
}

/* The packet of a vector, in an allocation of exactly its size; freed by the caller. */
static inline uint8_t *input_vectors_packet(const json_t *vector, size_t *ret_size)
{
    const char *hex = vectors_text(vector, "input_hex");
    *ret_size = strlen(hex) / 2;
    uint8_t *bytes = malloc(*ret_size);
    assert_non_null(bytes);
    assert_true(text_unhex(hex, strlen(hex), bytes, *ret_size));
    return bytes;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* control_vectors: reading tests/vectors/control.json, for the tests of RTSP, SDP and the control stream. */
#pragma once

#include "tests/unit/vectors.h"

static inline json_t *vectors_load(void)
{
    return vectors_open(VECTORS_DIR "/control.json");
}

/* Bytes of a hex member; freed by the caller. One more byte is allocated, so that an empty row has an address. */
static inline uint8_t *vectors_bytes(const json_t *object, const char *name, size_t *ret_size)
{
    const char *hex = vectors_text(object, name);
    *ret_size = strlen(hex) / 2;
    uint8_t *bytes = malloc(*ret_size + 1);
    assert_non_null(bytes);
    assert_true(text_unhex(hex, strlen(hex), bytes, *ret_size));
    return bytes;
}

static inline void vectors_key(const json_t *root, uint8_t ret_key[16])
{
    const char *hex = vectors_text(root, "key");
    assert_true(text_unhex(hex, strlen(hex), ret_key, 16));
}

static inline json_t *vectors_named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        if (strcmp(vectors_text(item, "name"), name) == 0)
            return item;
    }
    fail_msg("no vector is named %s", name);
    return NULL;
}

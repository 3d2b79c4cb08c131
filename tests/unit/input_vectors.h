/* SPDX-License-Identifier: Apache-2.0 */
/* input_vectors: reading tests/vectors/input.json: recorded packets of a client, and the table of keys. */
#pragma once

#include "base/text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline json_t *input_vectors_load(void)
{
    json_error_t error;
    json_t *root = json_load_file(VECTORS_DIR "/input.json", 0, &error);
    if (!root)
        fail_msg("input.json: %s", error.text);
    return root;
}

static inline const char *input_vectors_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

/* The packet of a vector, in an allocation of exactly its size; freed by the caller. */
static inline uint8_t *input_vectors_packet(const json_t *vector, size_t *ret_size)
{
    const char *hex = input_vectors_text(vector, "input_hex");
    *ret_size = strlen(hex) / 2;
    uint8_t *bytes = malloc(*ret_size);
    assert_non_null(bytes);
    assert_true(text_unhex(hex, strlen(hex), bytes, *ret_size));
    return bytes;
}

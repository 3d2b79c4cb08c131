/* SPDX-License-Identifier: Apache-2.0 */
/* pairing_vectors: tests/vectors/pairing.json, open while the tests of a group run. */
#pragma once

#include "tests/unit/vectors.h"

static json_t *vectors;

static inline int pairing_vectors_load(void **state)
{
    (void)state;
    vectors = vectors_open(VECTORS_DIR "/pairing.json");
    return 0;
}

static inline int pairing_vectors_unload(void **state)
{
    (void)state;
    json_decref(vectors);
    return 0;
}

static inline const char *vector(const char *group, const char *name)
{
    return vectors_text(json_object_get(vectors, group), name);
}

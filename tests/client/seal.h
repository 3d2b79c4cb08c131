/* SPDX-License-Identifier: Apache-2.0 */
/* seal: AES-128-GCM as the stream's layers use it: 12-byte IV, 16-byte tag, no additional data. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seal;

struct seal *seal_create(const uint8_t key[16]); /* NULL: failed */
void seal_destroy(struct seal *self);
bool seal_close(struct seal *self, const uint8_t iv[12], const uint8_t *data, size_t size, uint8_t *ret_data,
                uint8_t ret_tag[16]);
/* False: the tag does not fit; the output is then to be ignored. */
bool seal_open(struct seal *self, const uint8_t iv[12], const uint8_t tag[16], const uint8_t *data, size_t size,
               uint8_t *ret_data);
/* Little-endian counter, zeros, two letters: the IV of RTSP and control messages. */
void seal_iv(uint32_t counter, const char letters[2], uint8_t ret_iv[12]);

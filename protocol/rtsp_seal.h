/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtsp_seal: the envelope of encrypted RTSP ("rtspenc"), AES-128-GCM with the key of the launch. Pure.
 *
 *   0        4          8           24
 *   +--------+----------+-----------+---------------- - -
 *   | 1|size | sequence | GCM tag   | size bytes of ciphertext
 *   +--------+----------+-----------+---------------- - -
 *     u32be    u32be
 *
 * IV: sequence little-endian, six zero bytes, "CR" (client to host) or "HR". One object serves one launch: both
 * counters go on over its connections. Source: docs/protocol.md, "RTSP".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtsp_seal;

enum {
    RTSP_SEAL_HEADER = 24,
    RTSP_SEAL_PLAIN_MAX = 16 * 1024,
};

struct rtsp_seal *rtsp_seal_create(const uint8_t key[16]); /* NULL: logged */
void rtsp_seal_destroy(struct rtsp_seal *self);            /* wipes; NULL is fine */

/* By the first byte: an envelope, not plain text. */
static inline bool rtsp_seal_is_sealed(uint8_t first)
{
    return first & 0x80;
}
/* Size of the whole envelope that begins with `header`. 0: no envelope, empty, or above the limit: close. */
size_t rtsp_seal_size(const uint8_t header[RTSP_SEAL_HEADER]);

enum rtsp_seal_result {
    RTSP_SEAL_OK,
    RTSP_SEAL_NOT_MINE, /* the tag is of another key (try the next launch) or the bytes were changed */
    RTSP_SEAL_REFUSED,  /* wrong size, or a sequence number not above the last one: close without an answer */
};
/* Opens one envelope of the client. `ret_plain`: room for size - RTSP_SEAL_HEADER bytes; on failure it may be
 * overwritten with zeros, never with text. */
enum rtsp_seal_result rtsp_seal_open(struct rtsp_seal *self, const void *envelope, size_t size, void *ret_plain,
                                     size_t *ret_size);
/* Seals a reply. Returns the size of the envelope, or 0: no room in `capacity`, or the counter has run out. */
size_t rtsp_seal_reply(struct rtsp_seal *self, const void *plain, size_t size, void *ret_envelope, size_t capacity);

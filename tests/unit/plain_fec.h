/* SPDX-License-Identifier: Apache-2.0 */
/* plain_fec: the erasure code of the video stream written out plainly, to check the fast one against. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint8_t plain_gf_multiply(uint8_t a, uint8_t b);
uint8_t plain_gf_inverse(uint8_t a);
void plain_fec_parity(int k, int m, size_t size, uint8_t *const *data, uint8_t *const *parity);
/* shards: k data, then m parity; `present` says which are there. Restores the data shards. False: fewer than k. */
bool plain_fec_recover(int k, int m, size_t size, uint8_t *const *shards, const bool *present);

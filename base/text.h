/* SPDX-License-Identifier: Apache-2.0 */
/* text: small strict helpers for text and hex. Any thread; nothing allocates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copy with NUL, cut to fit. False when it was cut. */
bool text_copy(char *ret_text, size_t capacity, const char *text);

/* Decimal integer filling exactly `length` characters: optional '-', digits, nothing else. False outside min..max. */
bool text_parse_i64(const char *text, size_t length, int64_t min, int64_t max, int64_t *ret_value);

/* `size` bytes as 2*size hex digits and a NUL. */
void text_hex(const uint8_t *data, size_t size, char *ret_text);
/* Exactly 2*size hex digits of either case. False: wrong length or character, nothing written. */
bool text_unhex(const char *text, size_t length, uint8_t *ret_data, size_t size);

/* For showing what a program has printed: control characters but newline and tab become '?', what is not UTF-8 too. In
 * place. */
void text_make_printable(char *text);

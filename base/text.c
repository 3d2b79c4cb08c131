/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <string.h>

bool text_copy(char *ret_text, size_t capacity, const char *text)
{
    size_t length = strlen(text), kept = length < capacity ? length : capacity - 1;
    memcpy(ret_text, text, kept);
    ret_text[kept] = 0;
    return kept == length;
}

bool text_parse_i64(const char *text, size_t length, int64_t min, int64_t max, int64_t *ret_value)
{
    bool negative = length > 0 && text[0] == '-';
    size_t at = negative;
    if (at == length || length - at > 18) /* 18 digits always fit */
        return false;
    int64_t value = 0;
    for (; at < length; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        value = value * 10 + (text[at] - '0');
    }
    if (negative)
        value = -value;
    if (value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

void text_hex(const uint8_t *data, size_t size, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *ret_text++ = digits[data[i] >> 4];
        *ret_text++ = digits[data[i] & 15];
    }
    *ret_text = 0;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_unhex(const char *text, size_t length, uint8_t *ret_data, size_t size)
{
    if (length != 2 * size)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (digit_value(text[i]) < 0)
            return false;
    }
    for (size_t i = 0; i < size; i++)
        ret_data[i] = (uint8_t)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
    return true;
}

/* Bytes of the UTF-8 character at `text`, 0: it is none (also overlong ones, surrogates, beyond U+10FFFF). */
static int utf8_length(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead, second_min, second_max;
        int length;
    } forms[] = {
        {0x80, 0x00, 0, 0, 1},       {0xe0, 0xc0, 0x80, 0xbf, 2}, {0xff, 0xe0, 0xa0, 0xbf, 3},
        {0xff, 0xed, 0x80, 0x9f, 3}, {0xf0, 0xe0, 0x80, 0xbf, 3}, {0xff, 0xf0, 0x90, 0xbf, 4},
        {0xff, 0xf4, 0x80, 0x8f, 4}, {0xf8, 0xf0, 0x80, 0xbf, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if ((text[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (forms[i].length > 1 && (text[1] < forms[i].second_min || text[1] > forms[i].second_max))
            return 0;
        for (int at = 2; at < forms[i].length; at++) {
            if ((text[at] & 0xc0) != 0x80)
                return 0;
        }
        return text[0] == 0xc0 || text[0] == 0xc1 || text[0] > 0xf4 ? 0 : forms[i].length;
    }
    return 0;
}

void text_make_printable(char *text)
{
    unsigned char *at = (unsigned char *)text;
    while (*at) {
        int length = utf8_length(at);
        bool control = (*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f;
        if (!length || control)
            *at = '?';
        at += length ? length : 1;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/xml.h"

#include <inttypes.h>
#include <string.h>

static void put(struct byte_writer *writer, const char *text)
{
    byte_writer_printf(writer, "%s", text); /* unlike append it keeps a NUL behind the document */
}

/* Length of the UTF-8 character at `p`, 0: not one (overlong, surrogate, too large or cut). */
static size_t utf8_length(const uint8_t *p, size_t size)
{
    if (*p < 0x80)
        return 1;
    size_t length = *p >= 0xc2 && *p <= 0xdf ? 2 : (*p & 0xf0) == 0xe0 ? 3 : *p >= 0xf0 && *p <= 0xf4 ? 4 : 0;
    if (!length || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool bad = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
               (*p == 0xf4 && p[1] > 0x8f) || (*p == 0xef && p[1] == 0xbf && p[2] >= 0xbe); /* U+FFFE, U+FFFF */
    return bad ? 0 : length;
}

static const char *entity(uint8_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    default:
        return NULL;
    }
}

void xml_escape(struct byte_writer *writer, const char *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(p + i, size - i);
        const char *escaped = entity(p[i]);
        if (escaped)
            put(writer, escaped);
        else if (length && (p[i] >= 0x20 || p[i] == '\t' || p[i] == '\n') && p[i] != 0x7f)
            byte_writer_append(writer, p + i, length);
        i += length ? length : 1;
    }
}

static void attribute(struct byte_writer *writer, const char *name, const char *value, size_t size)
{
    byte_writer_printf(writer, " %s=\"", name);
    xml_escape(writer, value, size);
    put(writer, "\"");
}

static void root(struct byte_writer *writer, int status_code)
{
    byte_writer_printf(writer, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root status_code=\"%d\"", status_code);
}

void xml_begin(struct byte_writer *writer, int status_code, const char *message)
{
    root(writer, status_code);
    if (message)
        attribute(writer, "status_message", message, strlen(message));
    put(writer, ">");
}

void xml_end(struct byte_writer *writer)
{
    put(writer, "</root>");
}

void xml_empty(struct byte_writer *writer, int status_code, const char *query, size_t query_size, const char *message)
{
    root(writer, status_code);
    if (query)
        attribute(writer, "query", query, query_size);
    if (message)
        attribute(writer, "status_message", message, strlen(message));
    put(writer, "/>");
}

void xml_open(struct byte_writer *writer, const char *name)
{
    byte_writer_printf(writer, "<%s>", name);
}

void xml_close(struct byte_writer *writer, const char *name)
{
    byte_writer_printf(writer, "</%s>", name);
}

void xml_text(struct byte_writer *writer, const char *name, const char *value)
{
    xml_open(writer, name);
    xml_escape(writer, value, strlen(value));
    xml_close(writer, name);
}

void xml_number(struct byte_writer *writer, const char *name, int64_t value)
{
    byte_writer_printf(writer, "<%s>%" PRId64 "</%s>", name, value, name);
}

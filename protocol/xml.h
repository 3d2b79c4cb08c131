/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml: the small documents of the GameStream API. No blanks between elements (Android's parser fails on them), every
 * root carries status_code, values are direct children of the root. Source: docs/protocol.md, "HTTP rules".
 */
#pragma once

#include "base/bytes.h"

#include <stddef.h>
#include <stdint.h>

/* Declaration and root. `message` (optional): status_message, shown to the user by clients. */
void xml_begin(struct byte_writer *writer, int status_code, const char *message);
void xml_end(struct byte_writer *writer);
/* A whole document of one empty root. `query` (optional): attribute of that name, not NUL-terminated. */
void xml_empty(struct byte_writer *writer, int status_code, const char *query, size_t query_size, const char *message);

void xml_open(struct byte_writer *writer, const char *name);
void xml_close(struct byte_writer *writer, const char *name);
void xml_text(struct byte_writer *writer, const char *name, const char *value); /* escaped */
void xml_number(struct byte_writer *writer, const char *name, int64_t value);

/* & < > " ' escaped; control characters other than tab and newline, and bytes that are not UTF-8, left out. */
void xml_escape(struct byte_writer *writer, const char *text, size_t size);

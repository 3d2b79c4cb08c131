/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>

void byte_writer_append(struct byte_writer *self, const void *data, size_t count)
{
    if (self->failed || count > self->capacity - self->used) {
        self->failed = true;
        return;
    }
    if (count)
        memcpy(self->data + self->used, data, count);
    self->used += count;
}

void byte_writer_printf(struct byte_writer *self, const char *format, ...)
{
    if (self->failed)
        return;
    va_list args;
    va_start(args, format);
    size_t room = self->capacity - self->used;
    int length = vsnprintf((char *)self->data + self->used, room, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= room) /* the NUL needs room too */
        self->failed = true;
    else
        self->used += (size_t)length;
}

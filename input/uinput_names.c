/* SPDX-License-Identifier: Apache-2.0 */
#include "input/uinput_names.h"

#include <assert.h>
#include <string.h>

enum { SLAVE_POINTER = 3, SLAVE_KEYBOARD = 4 };
enum { DEVICE_SIZE = 12, CLASS_HEAD = 4 };

struct device {
    uint16_t id, type, attachment, class_count, name_length;
    uint8_t is_enabled, pad;
};
static_assert(sizeof(struct device) == DEVICE_SIZE, "as it comes");

/* What is left behind `size` bytes; false: there are not so many. */
static bool skip(const uint8_t **data, size_t *left, size_t size)
{
    if (*left < size)
        return false;
    *data += size;
    *left -= size;
    return true;
}

static bool skip_classes(const uint8_t **data, size_t *left, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t head[2]; /* type, length in units of 4 bytes */
        if (*left < CLASS_HEAD)
            return false;
        memcpy(head, *data, sizeof(head));
        if (head[1] == 0 || !skip(data, left, (size_t)head[1] * 4))
            return false;
    }
    return true;
}

bool uinput_names_are_listed(const uint8_t *data, size_t size, unsigned device_count, const char *const *names,
                             int count)
{
    unsigned missing = count >= 32 ? UINT32_MAX : (1u << count) - 1;
    for (unsigned i = 0; i < device_count && missing; i++) {
        struct device device;
        if (size < sizeof(device))
            return false;
        memcpy(&device, data, sizeof(device));
        const uint8_t *name = data + sizeof(device);
        size_t padded = ((size_t)device.name_length + 3) & ~(size_t)3;
        if (!skip(&data, &size, sizeof(device) + padded) || !skip_classes(&data, &size, device.class_count))
            return false;
        if (!device.is_enabled || (device.type != SLAVE_POINTER && device.type != SLAVE_KEYBOARD))
            continue;
        for (int n = 0; n < count; n++) {
            if (strlen(names[n]) == device.name_length && memcmp(names[n], name, device.name_length) == 0)
                missing &= ~(1u << n);
        }
    }
    return !missing;
}

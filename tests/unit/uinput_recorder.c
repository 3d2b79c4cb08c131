/* SPDX-License-Identifier: Apache-2.0 */
#include "uinput_recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <libevdev/libevdev-uinput.h>
#include <libevdev/libevdev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEVICES_MAX = 64, FDS_MAX = 1024 };

struct libevdev_uinput {
    char name[32];
    int fd; /* that the other side writes to; theirs */
};

static struct {
    int open_error, device_error, count;
    int readers[FDS_MAX]; /* by the descriptor that was given out */
    struct libevdev_uinput *devices[DEVICES_MAX];
    char shapes[8][8192];
    char shape_names[8][32];
    char log[262144];
    size_t used;
} kernel;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(kernel.log + kernel.used, sizeof(kernel.log) - kernel.used, format, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < sizeof(kernel.log) - kernel.used);
    kernel.used += (size_t)length;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    if (strcmp(path, "/dev/uinput") != 0)
        return __real_open(path, flags, mode);
    errno = kernel.open_error;
    if (kernel.open_error)
        return -1;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    assert_true(ends[0] < FDS_MAX);
    kernel.readers[ends[0]] = ends[1];
    return ends[0];
}

/* One line of the log for each write to it so far. */
static void read_device(const struct libevdev_uinput *device)
{
    struct input_event events[512];
    ssize_t size;
    while ((size = recv(kernel.readers[device->fd], events, sizeof(events), MSG_DONTWAIT)) > 0) {
        note("%s:", device->name);
        assert_int_equal((size_t)size % sizeof(events[0]), 0);
        for (size_t i = 0; i < (size_t)size / sizeof(events[0]); i++)
            note("%s %s %d", i ? "," : "", libevdev_event_code_get_name(events[i].type, events[i].code),
                 events[i].value);
        note("\n");
    }
}

static void read_all(void)
{
    for (int i = 0; i < kernel.count; i++)
        read_device(kernel.devices[i]);
}

static void describe(const struct libevdev *dev, char *text, size_t size)
{
    static const unsigned types[] = {EV_KEY, EV_REL, EV_ABS, EV_MSC, EV_REP};
    size_t used = 0;
    for (unsigned i = 0; i < INPUT_PROP_CNT; i++)
        if (libevdev_has_property(dev, i))
            used += (size_t)snprintf(text + used, size - used, "%s; ", libevdev_property_get_name(i));
    for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
        for (unsigned code = 0; libevdev_has_event_type(dev, types[t]) && code < KEY_CNT; code++) {
            if (!libevdev_has_event_code(dev, types[t], code))
                continue;
            used += (size_t)snprintf(text + used, size - used, "%s", libevdev_event_code_get_name(types[t], code));
            const struct input_absinfo *info = types[t] == EV_ABS ? libevdev_get_abs_info(dev, code) : NULL;
            if (info)
                used += (size_t)snprintf(text + used, size - used, " %d..%d (%d)", info->minimum, info->maximum,
                                         info->resolution);
            used += (size_t)snprintf(text + used, size - used, "; ");
        }
    }
    assert_true(used < size);
}

int libevdev_uinput_create_from_device(const struct libevdev *dev, int fd, struct libevdev_uinput **ret)
{
    static const char prefix[] = "Earthshine ";
    if (kernel.device_error)
        return -kernel.device_error;
    struct libevdev_uinput *device = calloc(1, sizeof(*device));
    assert_non_null(device);
    assert_true(kernel.count < DEVICES_MAX);
    assert_memory_equal(libevdev_get_name(dev), prefix, sizeof(prefix) - 1);
    snprintf(device->name, sizeof(device->name), "%s", libevdev_get_name(dev) + sizeof(prefix) - 1);
    assert_int_equal(libevdev_get_id_bustype(dev), BUS_USB);
    device->fd = fd;
    kernel.devices[kernel.count++] = device;
    int place = 0;
    while (kernel.shape_names[place][0] && strcmp(kernel.shape_names[place], device->name) != 0)
        place++;
    snprintf(kernel.shape_names[place], sizeof(kernel.shape_names[place]), "%s", device->name);
    describe(dev, kernel.shapes[place], sizeof(kernel.shapes[place]));
    note("%s: made\n", device->name);
    *ret = device;
    return 0;
}

void libevdev_uinput_destroy(struct libevdev_uinput *device)
{
    read_device(device);
    note("%s: gone\n", device->name);
    close(kernel.readers[device->fd]);
    for (int i = 0; i < kernel.count; i++)
        if (kernel.devices[i] == device)
            kernel.devices[i] = kernel.devices[--kernel.count];
    free(device);
}

void uinput_recorder_refuse_open(int error)
{
    kernel.open_error = error;
}

void uinput_recorder_refuse_device(int error)
{
    kernel.device_error = error;
}

void uinput_recorder_expect(const char *lines)
{
    read_all();
    kernel.log[kernel.used] = 0;
    assert_string_equal(kernel.log, lines);
    kernel.used = 0;
}

void uinput_recorder_forget(void)
{
    read_all();
    kernel.used = 0;
}

const char *uinput_recorder_shape(const char *name)
{
    for (size_t i = 0; i < 8; i++)
        if (strcmp(kernel.shape_names[i], name) == 0)
            return kernel.shapes[i];
    return "";
}

int uinput_recorder_device_count(void)
{
    return kernel.count;
}

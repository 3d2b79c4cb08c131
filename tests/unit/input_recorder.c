/* SPDX-License-Identifier: Apache-2.0 */
#include "input_recorder.h"

#include "base/container_of.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct input_recorder *self_of(const struct injector *base)
{
    return container_of(base, struct input_recorder, base);
}

__attribute__((format(printf, 2, 3))) static void note(const struct injector *base, const char *format, ...)
{
    struct input_recorder *self = self_of(base);
    va_list args;
    va_start(args, format);
    int length = vsnprintf(self->log + self->used, sizeof(self->log) - self->used, format, args);
    va_end(args);
    assert_true(length >= 0 && (size_t)length < sizeof(self->log) - self->used);
    self->used += (size_t)length;
}

static unsigned can(const struct injector *base)
{
    return self_of(base)->can;
}

static void destroy(struct injector *base)
{
    note(base, "destroy\n");
}

static void set_screen(struct injector *base, const struct injector_screen *screen)
{
    note(base, "screen %dx%d %s %u\n", screen->width, screen->height, screen->display, screen->generation);
}

static void key(struct injector *base, uint16_t code, uint32_t keysym, bool down)
{
    note(base, "key %u %x %s\n", code, (unsigned)keysym, down ? "down" : "up");
}

static void text(struct injector *base, const uint32_t *code_points, size_t count)
{
    note(base, "text");
    for (size_t i = 0; i < count; i++)
        note(base, " %x", (unsigned)code_points[i]);
    note(base, "\n");
}

static void move(struct injector *base, int dx, int dy)
{
    note(base, "move %d %d\n", dx, dy);
}

static void move_to(struct injector *base, double x, double y)
{
    note(base, "move_to %.1f %.1f\n", x, y);
}

static void button(struct injector *base, uint16_t code, bool down)
{
    note(base, "button %u %s\n", code, down ? "down" : "up");
}

static void scroll(struct injector *base, enum injector_axis axis, int amount)
{
    note(base, "scroll %s %d\n", axis == INJECTOR_VERTICAL ? "vertical" : "horizontal", amount);
}

static int add_device(struct injector *base, bool pen)
{
    struct input_recorder *self = self_of(base);
    if (self->no_devices) {
        note(base, "add_device none\n");
        return -1;
    }
    note(base, "add_device %d %s\n", self->devices, pen ? "pen" : "touch");
    return self->devices++;
}

static void remove_device(struct injector *base, int device)
{
    note(base, "remove_device %d\n", device);
}

static void touch(struct injector *base, int device, const struct injector_contact contacts[INJECTOR_CONTACTS_MAX])
{
    note(base, "touch %d", device);
    for (int i = 0; i < INJECTOR_CONTACTS_MAX; i++) {
        const struct injector_contact *c = &contacts[i];
        if (c->active)
            note(base, " | %d: %.1f %.1f p%.2f %.1fx%.1f %d", i, c->x, c->y, c->pressure, c->major, c->minor,
                 c->orientation);
    }
    note(base, "\n");
}

static void pen(struct injector *base, int device, const struct injector_pen *p)
{
    note(base, "pen %d%s%s%s b%u %.1f %.1f p%.2f d%.2f t%d %d\n", device, p->in_range ? " range" : "",
         p->touches ? " touches" : "", p->eraser ? " eraser" : "", p->buttons, p->x, p->y, p->pressure, p->distance,
         p->tilt_x, p->tilt_y);
}

static void flush(struct injector *base)
{
    note(base, "flush\n");
}

static const struct injector_ops ops = {
    .name = "recorder",
    .can = can,
    .destroy = destroy,
    .set_screen = set_screen,
    .key = key,
    .text = text,
    .move = move,
    .move_to = move_to,
    .button = button,
    .scroll = scroll,
    .add_device = add_device,
    .remove_device = remove_device,
    .touch = touch,
    .pen = pen,
    .flush = flush,
};

void input_recorder_init(struct input_recorder *self, unsigned what)
{
    *self = (struct input_recorder){.base.ops = &ops, .can = what};
}

void input_recorder_finish(struct input_recorder *self)
{
    input_recorder_forget(self);
}

void input_recorder_forget(struct input_recorder *self)
{
    self->used = 0;
    self->log[0] = 0;
}

static void drop_flushes(char *log)
{
    static const char flushed[] = "flush\n";
    size_t length = sizeof(flushed) - 1;
    char *from = log, *to = log;
    while (*from) {
        size_t line = strcspn(from, "\n") + 1;
        if (line != length || strncmp(from, flushed, length) != 0) {
            memmove(to, from, line);
            to += line;
        }
        from += line;
    }
    *to = 0;
}

void input_recorder_expect(struct input_recorder *self, const char *lines)
{
    drop_flushes(self->log);
    assert_string_equal(self->log, lines);
    input_recorder_forget(self);
}

int input_recorder_count(const struct input_recorder *self, const char *line)
{
    int count = 0;
    size_t wanted = strlen(line);
    for (const char *at = self->log; *at; at += strcspn(at, "\n") + 1)
        count += strcspn(at, "\n") == wanted && strncmp(at, line, wanted) == 0;
    return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/script.h"

#include "base/clock.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8192, KEY_PREFIX = 0x8000, UNKNOWN_ANGLE = 0xffff, UNKNOWN_TILT = 0xff };

struct script {
    int fd;
    script_send_fn send;
    void *ctx;
    char text[LINE_MAX_BYTES]; /* read and not yet done; ends with 0 */
    size_t size;
    int64_t sent_ns; /* the last line, since the first picture */
};

struct out {
    script_send_fn send;
    void *ctx;
};

static bool put(const struct out *out, struct input_packet packet)
{
    out->send(out->ctx, &packet);
    return true;
}

static bool is_down(const char *word, bool *ret_down)
{
    *ret_down = strcmp(word, "down") == 0;
    return *ret_down || strcmp(word, "up") == 0;
}

/* --- the actions: the rest of the line --- */

static bool do_key(const struct out *out, const char *rest)
{
    unsigned vk, modifiers = 0, flags = 0;
    char word[8];
    bool down;
    if (sscanf(rest, "%x %7s %x %x", &vk, word, &modifiers, &flags) < 2 || !is_down(word, &down) || vk > 0xff)
        return false;
    return put(out, input_key((uint16_t)(KEY_PREFIX | vk), down, (uint8_t)modifiers, (uint8_t)flags));
}

/* Bytes of the character that begins here. */
static size_t character_size(const char *text)
{
    size_t size = 1;
    while (((unsigned char)text[size] & 0xc0) == 0x80)
        size++;
    return size;
}

static bool do_text(const struct out *out, const char *rest)
{
    while (*rest) {
        const char *escaped = *rest == '\\' ? strchr("n\nt\t\\\\", rest[1]) : NULL;
        size_t size = escaped && rest[1] ? 2 : character_size(rest);
        put(out, size == 2 && escaped ? input_text(escaped + 1, 1) : input_text(rest, size));
        rest += size;
    }
    return true;
}

static bool do_move(const struct out *out, const char *rest)
{
    short dx, dy;
    return sscanf(rest, "%hd %hd", &dx, &dy) == 2 && put(out, input_move(dx, dy));
}

static bool do_position(const struct out *out, const char *rest)
{
    short x, y, width, height;
    return sscanf(rest, "%hd %hd %hd %hd", &x, &y, &width, &height) == 4 &&
           put(out, input_position(x, y, width, height));
}

static bool do_button(const struct out *out, const char *rest)
{
    unsigned char button;
    char word[8];
    bool down;
    return sscanf(rest, "%hhu %7s", &button, word) == 2 && is_down(word, &down) && put(out, input_button(button, down));
}

static bool do_wheel(const struct out *out, const char *rest)
{
    short amount;
    return sscanf(rest, "%hd", &amount) == 1 && put(out, input_wheel(amount, false));
}

static bool do_hwheel(const struct out *out, const char *rest)
{
    short amount;
    return sscanf(rest, "%hd", &amount) == 1 && put(out, input_wheel(amount, true));
}

static bool do_touch(const struct out *out, const char *rest)
{
    struct input_contact contact = {.rotation = UNKNOWN_ANGLE};
    return sscanf(rest, "%hhu %u %f %f %f", &contact.event, &contact.pointer, &contact.x, &contact.y,
                  &contact.pressure) >= 4 &&
           put(out, input_touch(&contact));
}

static bool do_pen(const struct out *out, const char *rest)
{
    struct input_contact contact = {.rotation = UNKNOWN_ANGLE, .tilt = UNKNOWN_TILT};
    return sscanf(rest, "%hhu %f %f %f %hhu %hhu", &contact.event, &contact.x, &contact.y, &contact.pressure,
                  &contact.buttons, &contact.tool) >= 3 &&
           put(out, input_pen(&contact));
}

static bool do_raw(const struct out *out, const char *rest)
{
    struct input_packet packet = {.size = 0};
    int used = 0;
    if (sscanf(rest, "%hhu %n", &packet.channel, &used) != 1 || !used)
        return false;
    size_t digits = strlen(rest + used);
    packet.size = digits / 2;
    return packet.size <= sizeof(packet.bytes) && text_unhex(rest + used, digits, packet.bytes, packet.size) &&
           put(out, packet);
}

static bool do_hello(const struct out *out, const char *rest)
{
    return !*rest && put(out, input_haptics(true)) && put(out, input_move(1, 1)) && put(out, input_move(-1, -1));
}

bool script_do(const char *action, script_send_fn send, void *ctx)
{
    static const struct {
        const char *name;
        bool (*run)(const struct out *out, const char *rest);
    } actions[] = {{"key", do_key},       {"text", do_text},   {"move", do_move},     {"position", do_position},
                   {"button", do_button}, {"wheel", do_wheel}, {"hwheel", do_hwheel}, {"touch", do_touch},
                   {"pen", do_pen},       {"raw", do_raw},     {"hello", do_hello}};
    const struct out out = {send, ctx};
    size_t length = strcspn(action, " ");
    const char *rest = action + length + (action[length] == ' ');
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strlen(actions[i].name) == length && strncmp(action, actions[i].name, length) == 0)
            return actions[i].run(&out, rest);
    return false;
}

/* --- the file --- */

struct script *script_open(const char *path, script_send_fn send, void *ctx)
{
    struct script *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    *self = (struct script){.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .send = send, .ctx = ctx};
    if (self->fd >= 0)
        return self;
    perror(path);
    free(self);
    return NULL;
}

void script_close(struct script *self)
{
    if (!self)
        return;
    close(self->fd);
    free(self);
}

/* The time in front of a line, if there is one. */
static const char *take_time(const struct script *self, const char *line, int64_t *ret_due_ns)
{
    double ms;
    int used = 0;
    *ret_due_ns = self->sent_ns;
    if (sscanf(line, "after %lf %n", &ms, &used) == 1 && used)
        *ret_due_ns += (int64_t)(ms * 1e6);
    else if (sscanf(line, "at %lf %n", &ms, &used) == 1 && used)
        *ret_due_ns = (int64_t)(ms * 1e6);
    return line + used;
}

static void read_more(struct script *self)
{
    ssize_t got = read(self->fd, self->text + self->size, sizeof(self->text) - 1 - self->size);
    if (got > 0)
        self->size += (size_t)got;
    self->text[self->size] = 0;
}

bool script_run(struct script *self, int64_t start_ns, int64_t now_ns)
{
    char *end;
    read_more(self);
    while ((end = strchr(self->text, '\n'))) {
        int64_t due_ns;
        *end = 0;
        const char *action = take_time(self, self->text, &due_ns);
        if (start_ns + due_ns > now_ns) {
            *end = '\n';
            return true;
        }
        if (*action && *action != '#' && !script_do(action, self->send, self->ctx)) {
            fprintf(stderr, "es_client: what is \"%s\"?\n", action);
            return false;
        }
        self->sent_ns = now_ns - start_ns;
        self->size -= (size_t)(end + 1 - self->text);
        memmove(self->text, end + 1, self->size + 1);
    }
    return true;
}

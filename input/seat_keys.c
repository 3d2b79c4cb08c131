/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and text. A client's keys are tracked by their code only: it may let go with other flags and modifiers than it
 * pressed with. Repeat is the desktop's own.
 */
#include "base/clock.h"
#include "input/seat_internal.h"

enum {
    VK_SHIFT = 0x10,
    VK_MENU = 0x12,
    VK_LWIN = 0x5b,
    VK_RWIN = 0x5c,
    VK_RETURN = 0x0d,
    VK_TAB = 0x09,
    VK_LSHIFT = 0xa0,
    VK_LCONTROL = 0xa2,
    VK_LMENU = 0xa4,
    VK_RMENU = 0xa5,
};
enum { TEXT_PER_SECOND = 200 };

static bool is_modifier(uint8_t vk)
{
    return (vk >= VK_SHIFT && vk <= VK_MENU) || vk == VK_LWIN || vk == VK_RWIN || (vk >= VK_LSHIFT && vk <= VK_RMENU);
}

static void emit(struct seat *self, const struct keymap_key *key, bool down)
{
    self->injector->ops->key(self->injector, key->code, key->keysym, down);
    self->wrote = true;
}

static void hold(struct seat *self, const struct keymap_key *key)
{
    if (self->key_holders[key->code]++ == 0)
        emit(self, key, true);
}

static void let_go(struct seat *self, const struct keymap_key *key)
{
    if (--self->key_holders[key->code] == 0)
        emit(self, key, false);
}

/* On-screen keyboards send '+' as '=' with Shift in the modifiers, and never Shift itself: it is pressed around the
 * key when neither side of it is down. `press`: else the ones pressed are let go of. Returns those concerned. */
static unsigned synthesise(struct seat *self, unsigned wanted, bool press)
{
    static const struct {
        unsigned bit;
        uint8_t left;
    } modifiers[] = {
        {INPUT_MODIFIER_SHIFT, VK_LSHIFT}, {INPUT_MODIFIER_CTRL, VK_LCONTROL}, {INPUT_MODIFIER_ALT, VK_LMENU}};
    unsigned concerned = 0;
    for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++) {
        if (!(wanted & modifiers[i].bit))
            continue;
        const struct keymap_key *left = keymap_find(modifiers[i].left, KEYMAP_PLAIN);
        const struct keymap_key *right = keymap_find((uint8_t)(modifiers[i].left + 1), KEYMAP_PLAIN);
        if (!press) {
            let_go(self, left);
        } else if (!self->key_holders[left->code] && !self->key_holders[right->code]) {
            hold(self, left);
            concerned |= modifiers[i].bit;
        }
    }
    return concerned;
}

static enum seat_count key_down(struct seat_client *client, const struct input_event *event)
{
    /* The layout of the desktop is not known: codes that are not normalised count as those of a US keyboard. */
    bool extended = event->key.modifiers & INPUT_MODIFIER_EXTENDED;
    const struct keymap_key *key = keymap_find(event->key.vk, extended ? KEYMAP_EXTENDED : KEYMAP_PLAIN);
    if (!key || client->keys[event->key.vk])
        return SEAT_IGNORED;
    struct seat *self = client->seat;
    unsigned synthetic = is_modifier(event->key.vk) ? 0 : synthesise(self, event->key.modifiers, true);
    hold(self, key);
    synthesise(self, synthetic, false);
    client->keys[event->key.vk] = key;
    return SEAT_DONE;
}

static enum seat_count key_up(struct seat_client *client, uint8_t vk)
{
    if (!client->keys[vk])
        return SEAT_IGNORED;
    let_go(client->seat, client->keys[vk]);
    client->keys[vk] = NULL;
    return SEAT_DONE;
}

enum seat_count seat_key(struct seat_client *client, const struct input_event *event)
{
    if (!seat_can(client->seat, INJECTOR_CAN_KEYS))
        return SEAT_UNSUPPORTED;
    return event->key.down ? key_down(client, event) : key_up(client, event->key.vk);
}

/* Modifiers last: a key must not be seen without those it was pressed with. Waiting text would hold them all up. */
void seat_release_keys(struct seat_client *client)
{
    struct injector *injector = client->seat->injector;
    if (client->text_until_ns && injector->ops->drop_text)
        injector->ops->drop_text(injector);
    client->text_until_ns = 0;
    for (int modifiers = 0; modifiers < 2; modifiers++)
        for (int vk = 0; vk < 256; vk++)
            if (is_modifier((uint8_t)vk) == (modifiers == 1))
                key_up(client, (uint8_t)vk);
}

/* --- text --- */

static void tap(struct seat *self, uint8_t vk)
{
    const struct keymap_key *key = keymap_find(vk, KEYMAP_PLAIN);
    if (!seat_can(self, INJECTOR_CAN_KEYS) || self->key_holders[key->code])
        return;
    hold(self, key);
    let_go(self, key);
}

static void type(struct seat *self, const uint32_t *code_points, size_t count)
{
    if (!count)
        return;
    self->injector->ops->text(self->injector, code_points, count);
    self->wrote = true;
}

static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

/* A second's worth may come at once. */
static bool is_flood(struct seat_client *client, size_t count)
{
    int64_t now_ns = clock_now_ns();
    int64_t from_ns = client->text_until_ns > now_ns ? client->text_until_ns : now_ns;
    int64_t until_ns = from_ns + (int64_t)count * (CLOCK_SECOND_NS / TEXT_PER_SECOND);
    if (until_ns - now_ns > CLOCK_SECOND_NS)
        return true;
    client->text_until_ns = until_ns;
    return false;
}

/* Control characters are not text: line ends and tabs are typed as keys, others are left out. */
enum seat_count seat_text(struct seat_client *client, const struct input_event *event)
{
    struct seat *self = client->seat;
    const uint32_t *text = event->text.code_points;
    if (!seat_can(self, INJECTOR_CAN_TEXT))
        return SEAT_UNSUPPORTED;
    if (is_flood(client, event->text.count))
        return SEAT_FLOODED;
    size_t from = 0;
    for (size_t i = 0; i < event->text.count; i++) {
        if (!is_control(text[i]))
            continue;
        type(self, text + from, i - from);
        from = i + 1;
        if (text[i] == '\t')
            tap(self, VK_TAB);
        else if (text[i] == '\n' || text[i] == '\r')
            tap(self, VK_RETURN);
    }
    type(self, text + from, event->text.count - from);
    return SEAT_DONE;
}

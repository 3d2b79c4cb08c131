/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/input.h"

#include "base/bytes.h"
#include "input_vectors.h"

#include <math.h>

static int whole(const json_t *params, const char *name)
{
    const json_t *value = json_object_get(params, name);
    if (!json_is_integer(value))
        fail_msg("no number is named %s", name);
    return (int)json_integer_value(value);
}

static void assert_real(const json_t *params, const char *name, float value)
{
    const json_t *expected = json_object_get(params, name);
    assert_true(json_is_number(expected));
    assert_float_equal(value, json_number_value(expected), 1e-6);
}

static int angle(const json_t *params, const char *name, int unknown)
{
    int value = whole(params, name);
    return value == unknown ? INPUT_UNKNOWN_ANGLE : value;
}

static void assert_key(const struct input_event *event, const json_t *params, bool down)
{
    assert_int_equal(event->kind, INPUT_KEY);
    assert_int_equal(event->key.vk, whole(params, "vk"));
    assert_int_equal(event->key.flags, whole(params, "flags"));
    assert_int_equal(event->key.modifiers, whole(params, "modifiers"));
    assert_int_equal(event->key.down, down);
}

static void check_key_down(const struct input_event *event, const json_t *params)
{
    assert_key(event, params, true);
}

static void check_key_up(const struct input_event *event, const json_t *params)
{
    assert_key(event, params, false);
}

static void check_move(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_MOVE);
    assert_int_equal(event->move.dx, whole(params, "dx"));
    assert_int_equal(event->move.dy, whole(params, "dy"));
}

static int within(int value, int max)
{
    return value < 0 ? 0 : value > max ? max : value;
}

static void check_move_to(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_MOVE_TO);
    assert_int_equal(event->move_to.far_x, whole(params, "ref_w"));
    assert_int_equal(event->move_to.far_y, whole(params, "ref_h"));
    assert_int_equal(event->move_to.x, within(whole(params, "x"), event->move_to.far_x));
    assert_int_equal(event->move_to.y, within(whole(params, "y"), event->move_to.far_y));
}

static void check_button_down(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_BUTTON);
    assert_int_equal(event->button.button, whole(params, "button"));
    assert_true(event->button.down);
}

static void check_button_up(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_BUTTON);
    assert_int_equal(event->button.button, whole(params, "button"));
    assert_false(event->button.down);
}

static void check_scroll(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_SCROLL);
    assert_false(event->scroll.horizontal);
    assert_int_equal(event->scroll.amount, whole(params, "amount"));
}

static void check_scroll_sideways(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_SCROLL);
    assert_true(event->scroll.horizontal);
    assert_int_equal(event->scroll.amount, whole(params, "amount"));
}

static void check_text(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_TEXT);
    /* The other way round than the decoder: code points to UTF-8. */
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    uint8_t text[4 * INPUT_TEXT_MAX + 1], *p = text;
    for (size_t i = 0; i < event->text.count; i++) {
        uint32_t c = event->text.code_points[i];
        if (c < 0x80) {
            *p++ = (uint8_t)c;
            continue;
        }
        int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        *p++ = (uint8_t)(lead[more] | c >> (6 * more));
        while (more-- > 0)
            *p++ = (uint8_t)(0x80 | (c >> (6 * more) & 0x3f));
    }
    *p = 0;
    assert_string_equal((char *)text, vectors_text(params, "text"));
}

static void check_touch(const struct input_event *event, const json_t *params)
{
    const struct input_touch *touch = &event->touch;
    assert_int_equal(event->kind, INPUT_TOUCH);
    assert_int_equal(touch->event, whole(params, "event"));
    assert_int_equal(touch->pointer, whole(params, "pointer_id"));
    assert_int_equal(touch->rotation, angle(params, "rotation", 0xffff));
    if (touch->event == INPUT_CANCEL || touch->event == INPUT_CANCEL_ALL)
        return;
    assert_real(params, "x", touch->x);
    assert_real(params, "y", touch->y);
    assert_real(params, "pressure_or_distance", touch->pressure);
    assert_real(params, "major", touch->major);
    assert_real(params, "minor", touch->minor);
}

static void check_pen(const struct input_event *event, const json_t *params)
{
    const struct input_pen *pen = &event->pen;
    assert_int_equal(event->kind, INPUT_PEN);
    assert_int_equal(pen->event, whole(params, "event"));
    assert_int_equal(pen->tool, whole(params, "tool"));
    assert_int_equal(pen->buttons, whole(params, "buttons"));
    assert_int_equal(pen->rotation, angle(params, "rotation", 0xffff));
    assert_int_equal(pen->tilt, angle(params, "tilt", 0xff));
    if (pen->event == INPUT_CANCEL || pen->event == INPUT_CANCEL_ALL || pen->event == INPUT_BUTTON_ONLY)
        return;
    assert_real(params, "x", pen->x);
    assert_real(params, "y", pen->y);
    assert_real(params, "pressure_or_distance", pen->pressure);
    assert_real(params, "major", pen->major);
    assert_real(params, "minor", pen->minor);
}

static void check_pad_state(const struct input_event *event, const json_t *params)
{
    const struct input_pad_state *pad = &event->pad_state;
    assert_int_equal(event->kind, INPUT_PAD_STATE);
    assert_int_equal(pad->number, whole(params, "controller"));
    assert_int_equal(pad->active, whole(params, "active_mask"));
    assert_int_equal(pad->buttons, whole(params, "buttons"));
    assert_int_equal(pad->left_trigger, whole(params, "lt"));
    assert_int_equal(pad->right_trigger, whole(params, "rt"));
    assert_int_equal(pad->left_x, whole(params, "lx"));
    assert_int_equal(pad->left_y, whole(params, "ly"));
    assert_int_equal(pad->right_x, whole(params, "rx"));
    assert_int_equal(pad->right_y, whole(params, "ry"));
}

static void check_pad_arrival(const struct input_event *event, const json_t *params)
{
    const struct input_pad_arrival *arrival = &event->pad_arrival;
    assert_int_equal(event->kind, INPUT_PAD_ARRIVAL);
    assert_int_equal(arrival->number, whole(params, "controller"));
    assert_int_equal(arrival->type, whole(params, "type"));
    assert_int_equal(arrival->capabilities, whole(params, "capabilities"));
    assert_int_equal(arrival->buttons, whole(params, "supported_buttons"));
}

static void check_pad_touch(const struct input_event *event, const json_t *params)
{
    const struct input_pad_touch *touch = &event->pad_touch;
    assert_int_equal(event->kind, INPUT_PAD_TOUCH);
    assert_int_equal(touch->number, whole(params, "controller"));
    assert_int_equal(touch->event, whole(params, "event"));
    assert_int_equal(touch->pad, whole(params, "touchpad"));
    assert_int_equal(touch->pointer, whole(params, "pointer_id"));
    if (touch->event == INPUT_CANCEL || touch->event == INPUT_CANCEL_ALL)
        return;
    assert_real(params, "x", touch->x);
    assert_real(params, "y", touch->y);
    assert_real(params, "pressure", touch->pressure);
}

static void check_pad_motion(const struct input_event *event, const json_t *params)
{
    const struct input_pad_motion *motion = &event->pad_motion;
    assert_int_equal(event->kind, INPUT_PAD_MOTION);
    assert_int_equal(motion->number, whole(params, "controller"));
    assert_int_equal(motion->sensor, whole(params, "motion_type"));
    assert_real(params, "x", motion->x);
    assert_real(params, "y", motion->y);
    assert_real(params, "z", motion->z);
}

static void check_pad_battery(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_PAD_BATTERY);
    assert_int_equal(event->pad_battery.number, whole(params, "controller"));
    assert_int_equal(event->pad_battery.state, whole(params, "state"));
    assert_int_equal(event->pad_battery.percent, whole(params, "percentage"));
}

static void check_haptics(const struct input_event *event, const json_t *params)
{
    assert_int_equal(event->kind, INPUT_PAD_HAPTICS);
    assert_int_equal(event->pad_haptics, whole(params, "enable"));
}

static const struct check {
    const char *name;
    size_t packets; /* recorded */
    void (*run)(const struct input_event *event, const json_t *params);
} checks[] = {
    {"enable_haptics", 1, check_haptics},
    {"mouse_move_relative", 8, check_move},
    {"mouse_move_absolute", 6, check_move_to},
    {"mouse_button_down", 5, check_button_down},
    {"mouse_button_up", 5, check_button_up},
    {"scroll_vertical", 6, check_scroll},
    {"scroll_horizontal", 5, check_scroll_sideways},
    {"key_down", 18, check_key_down},
    {"key_up", 18, check_key_up},
    {"utf8_text", 8, check_text},
    {"controller_arrival", 5, check_pad_arrival},
    {"controller_multi", 14, check_pad_state},
    {"touch", 7, check_touch},
    {"pen", 8, check_pen},
    {"controller_touch", 7, check_pad_touch},
    {"controller_motion", 4, check_pad_motion},
    {"controller_battery", 6, check_pad_battery},
};
enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

static const struct check *check_of(const json_t *vector, size_t *ret_index)
{
    const char *name = vectors_text(vector, "name");
    size_t length = strcspn(name, "#");
    for (size_t i = 0; i < CHECKS; i++)
        if (strlen(checks[i].name) == length && strncmp(checks[i].name, name, length) == 0) {
            *ret_index = i;
            return &checks[i];
        }
    fail_msg("nothing checks %s", name);
    return NULL;
}

static int load(void **state)
{
    *state = input_vectors_load();
    return 0;
}

static int unload(void **state)
{
    json_decref(*state);
    return 0;
}

static json_t *valid_of(void **state)
{
    return json_object_get(*state, "valid");
}

static void recorded_packets_are_decoded_field_by_field(void **state)
{
    size_t seen[CHECKS] = {0}, i, which;
    json_t *vector;
    json_array_foreach(valid_of(state), i, vector)
    {
        size_t size;
        uint8_t *packet = input_vectors_packet(vector, &size);
        struct input_event event;
        assert_int_equal(input_decode(packet, size, &event), INPUT_OK);
        check_of(vector, &which)->run(&event, json_object_get(vector, "params"));
        seen[which]++;
        free(packet);
    }
    for (i = 0; i < CHECKS; i++)
        assert_int_equal(seen[i], checks[i].packets);
}

static const struct {
    const char *name;
    enum input_result result;
} outcomes[] = {
    {"bad_short_header", INPUT_MALFORMED},
    {"bad_size_too_big", INPUT_MALFORMED},
    {"bad_size_zero", INPUT_MALFORMED},
    {"bad_truncated_multi_controller", INPUT_MALFORMED},
    {"bad_truncated_touch", INPUT_MALFORMED},
    {"bad_controller_number", INPUT_MALFORMED},
    {"bad_controller_number_16", INPUT_MALFORMED},
    {"bad_touch_nan", INPUT_MALFORMED},
    {"bad_touch_out_of_range", INPUT_OK},
    {"bad_abs_zero_reference", INPUT_MALFORMED},
    {"bad_abs_negative_reference", INPUT_MALFORMED},
    {"bad_mouse_button_0", INPUT_MALFORMED},
    {"bad_mouse_button_200", INPUT_MALFORMED},
    {"bad_battery_percentage", INPUT_OK},
    {"bad_utf8_invalid", INPUT_MALFORMED},
    {"bad_utf8_overlong", INPUT_MALFORMED},
    {"bad_utf8_empty", INPUT_MALFORMED},
    {"unknown_magic", INPUT_UNKNOWN},
    {"future_extension_longer_packet", INPUT_OK},
};

static void malformed_packets_have_the_outcome_written_beside_them(void **state)
{
    json_t *list = json_object_get(*state, "malformed");
    assert_int_equal(json_array_size(list), sizeof(outcomes) / sizeof(outcomes[0]));
    size_t i;
    json_t *vector;
    json_array_foreach(list, i, vector)
    {
        size_t size;
        uint8_t *packet = input_vectors_packet(vector, &size);
        struct input_event event;
        assert_string_equal(vectors_text(vector, "name"), outcomes[i].name);
        assert_int_equal(input_decode(packet, size, &event), outcomes[i].result);
        if (strcmp(outcomes[i].name, "bad_touch_out_of_range") == 0)
            assert_true(event.touch.x == 0.0f && event.touch.y == 1.0f);
        if (strcmp(outcomes[i].name, "bad_battery_percentage") == 0)
            assert_int_equal(event.pad_battery.percent, 100);
        if (strcmp(outcomes[i].name, "future_extension_longer_packet") == 0)
            assert_int_equal(event.button.button, 1);
        free(packet);
    }
}

/* The first `kept` bytes, alone in an allocation, and with the size field made to match. */
static enum input_result decode_part(const uint8_t *packet, size_t kept, bool mended)
{
    uint8_t *part = malloc(kept + !kept);
    memcpy(part, packet, kept);
    if (mended && kept >= 4)
        bytes_put_u32be(part, (uint32_t)kept - 4);
    struct input_event event;
    enum input_result result = input_decode(part, kept, &event);
    free(part);
    return result;
}

static void a_packet_cut_at_any_length_is_malformed(void **state)
{
    size_t i;
    json_t *vector;
    json_array_foreach(valid_of(state), i, vector)
    {
        size_t size;
        uint8_t *packet = input_vectors_packet(vector, &size);
        bool is_text = bytes_get_u32le(packet + 4) == 0x17;
        for (size_t kept = 0; kept < size; kept++) {
            assert_int_equal(decode_part(packet, kept, false), INPUT_MALFORMED);
            if (!is_text) /* shorter text is text */
                assert_int_equal(decode_part(packet, kept, true), INPUT_MALFORMED);
        }
        free(packet);
    }
}

static void assert_in_bounds(const struct input_event *event)
{
    switch (event->kind) {
    case INPUT_MOVE_TO:
        assert_in_range(event->move_to.x, 0, event->move_to.far_x);
        assert_in_range(event->move_to.y, 0, event->move_to.far_y);
        assert_true(event->move_to.far_x > 0 && event->move_to.far_y > 0);
        break;
    case INPUT_BUTTON:
        assert_in_range(event->button.button, 1, 5);
        break;
    case INPUT_TEXT:
        assert_in_range(event->text.count, 1, INPUT_TEXT_MAX);
        break;
    case INPUT_TOUCH:
        assert_true(event->touch.x >= 0 && event->touch.x <= 1 && event->touch.y >= 0 && event->touch.y <= 1);
        assert_true(event->touch.pressure >= 0 && event->touch.pressure <= 1);
        assert_true(event->touch.rotation >= -1 && event->touch.rotation < 360);
        break;
    case INPUT_PEN:
        assert_true(event->pen.x >= 0 && event->pen.x <= 1 && event->pen.y >= 0 && event->pen.y <= 1);
        assert_true(event->pen.rotation >= -1 && event->pen.rotation < 360);
        assert_true(event->pen.tilt >= -1 && event->pen.tilt <= 90);
        break;
    case INPUT_PAD_STATE:
        assert_in_range(event->pad_state.number, 0, INPUT_CONTROLLERS_MAX - 1);
        break;
    case INPUT_PAD_TOUCH:
        assert_in_range(event->pad_touch.number, 0, INPUT_CONTROLLERS_MAX - 1);
        assert_in_range(event->pad_touch.pad, 0, 1);
        break;
    case INPUT_PAD_MOTION:
        assert_true(isfinite(event->pad_motion.x) && isfinite(event->pad_motion.y) && isfinite(event->pad_motion.z));
        break;
    default:
        break;
    }
}

static void a_flipped_bit_never_leads_out_of_bounds(void **state)
{
    size_t i;
    json_t *vector;
    json_array_foreach(valid_of(state), i, vector)
    {
        size_t size;
        uint8_t *packet = input_vectors_packet(vector, &size);
        for (size_t bit = 0; bit < size * 8; bit++) {
            packet[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            struct input_event event;
            if (input_decode(packet, size, &event) == INPUT_OK)
                assert_in_bounds(&event);
            packet[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        free(packet);
    }
}

static enum input_result decode_text(const char *text, size_t size, struct input_event *ret_event)
{
    uint8_t packet[INPUT_PACKET_MAX] = {0};
    bytes_put_u32be(packet, (uint32_t)size + 4);
    bytes_put_u32le(packet + 4, 0x17);
    memcpy(packet + 8, text, size);
    return input_decode(packet, 8 + size, ret_event);
}

static void text_is_strict_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",             /* a continuation alone */
        "\xc3",             /* nothing follows */
        "\xc1\xbf",         /* overlong, two bytes */
        "\xe0\x9f\xbf",     /* overlong, three */
        "\xf0\x8f\xbf\xbf", /* overlong, four */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "a\xe2\x82",
        "\xe2\x28\xa1",
    };
    struct input_event event;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(decode_text(bad[i], strlen(bad[i]), &event), INPUT_MALFORMED);

    static const char good[] =
        "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";
    static const uint32_t expected[] = {0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0x10000, 0x10ffff};
    assert_int_equal(decode_text(good, sizeof(good) - 1, &event), INPUT_OK);
    assert_int_equal(event.text.count, 8);
    assert_memory_equal(event.text.code_points, expected, sizeof(expected));
}

static void text_may_be_32_bytes_long(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdef0123456789abcdefg";
    struct input_event event;
    assert_int_equal(decode_text(text, 32, &event), INPUT_OK);
    assert_int_equal(event.text.count, 32);
    assert_int_equal(decode_text(text, 33, &event), INPUT_MALFORMED);
}

static void a_packet_over_256_bytes_is_malformed(void **state)
{
    (void)state;
    uint8_t packet[INPUT_PACKET_MAX + 1] = {0};
    struct input_event event;
    bytes_put_u32be(packet, 8);
    bytes_put_u32le(packet + 4, 0x07);
    assert_int_equal(input_decode(packet, INPUT_PACKET_MAX, &event), INPUT_OK); /* the tail is an extension */
    assert_int_equal(input_decode(packet, INPUT_PACKET_MAX + 1, &event), INPUT_MALFORMED);
}

static uint8_t *finger(uint8_t packet[36], uint8_t event)
{
    memset(packet, 0, 36);
    bytes_put_u32be(packet, 32);
    bytes_put_u32le(packet + 4, 0x55000002);
    packet[8] = event;
    return packet;
}

static void a_cancel_needs_no_valid_place(void **state)
{
    (void)state;
    uint8_t packet[36];
    struct input_event event;
    for (uint8_t kind = 0; kind < 9; kind++) {
        finger(packet, kind);
        bytes_put_u32le(packet + 16, 0x7fc00000); /* x is not a number */
        bool placeless = kind == INPUT_CANCEL || kind == INPUT_CANCEL_ALL || kind == INPUT_BUTTON_ONLY;
        assert_int_equal(input_decode(packet, 36, &event), placeless ? INPUT_OK : INPUT_MALFORMED);
        if (placeless)
            assert_true(event.touch.x == 0.0f);
    }
    assert_int_equal(input_decode(finger(packet, 8), 36, &event), INPUT_MALFORMED); /* no such event */
}

static void no_float_of_a_touch_may_be_infinite(void **state)
{
    (void)state;
    for (size_t at = 16; at < 36; at += 4) {
        uint8_t packet[36];
        struct input_event event;
        bytes_put_u32le(finger(packet, INPUT_DOWN) + at, 0xff800000);
        assert_int_equal(input_decode(packet, 36, &event), INPUT_MALFORMED);
    }
}

static void rotation_is_reduced_to_a_circle(void **state)
{
    (void)state;
    uint8_t packet[36];
    struct input_event event;
    bytes_put_u16le(finger(packet, INPUT_DOWN) + 10, 725);
    assert_int_equal(input_decode(packet, 36, &event), INPUT_OK);
    assert_int_equal(event.touch.rotation, 5);
}

static void a_key_code_counts_by_its_low_byte(void **state)
{
    (void)state;
    uint8_t packet[14] = {0, 0, 0, 10, 3, 0, 0, 0, /* flags */ 1, /* code */ 0x41, 0x00, /* modifiers */ 0x81, 0, 0};
    struct input_event event;
    assert_int_equal(input_decode(packet, sizeof(packet), &event), INPUT_OK);
    assert_int_equal(event.key.vk, 0x41);
    assert_int_equal(event.key.modifiers, 0x81);
    assert_true(event.key.down);
}

static void a_controller_with_two_touchpads_has_one(void **state)
{
    (void)state;
    uint8_t packet[16] = {0, 0, 0, 12, 4, 0, 0, 0x55, /* number, type */ 15, 9, /* capabilities */ 0, 1, 0, 0, 0, 0};
    struct input_event event;
    assert_int_equal(input_decode(packet, sizeof(packet), &event), INPUT_OK);
    assert_int_equal(event.pad_arrival.capabilities, 0x108);
    assert_int_equal(event.pad_arrival.type, 0); /* one we do not know */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recorded_packets_are_decoded_field_by_field, load, unload),
        cmocka_unit_test_setup_teardown(malformed_packets_have_the_outcome_written_beside_them, load, unload),
        cmocka_unit_test_setup_teardown(a_packet_cut_at_any_length_is_malformed, load, unload),
        cmocka_unit_test_setup_teardown(a_flipped_bit_never_leads_out_of_bounds, load, unload),
        cmocka_unit_test(text_is_strict_utf8),
        cmocka_unit_test(text_may_be_32_bytes_long),
        cmocka_unit_test(a_packet_over_256_bytes_is_malformed),
        cmocka_unit_test(a_cancel_needs_no_valid_place),
        cmocka_unit_test(no_float_of_a_touch_may_be_infinite),
        cmocka_unit_test(rotation_is_reduced_to_a_circle),
        cmocka_unit_test(a_key_code_counts_by_its_low_byte),
        cmocka_unit_test(a_controller_with_two_touchpads_has_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

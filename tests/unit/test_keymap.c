/* SPDX-License-Identifier: Apache-2.0 */
#include "input/keymap.h"

#include "input_vectors.h"

static uint32_t number(const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    if (json_is_integer(value))
        return (uint32_t)json_integer_value(value);
    return json_is_string(value) ? (uint32_t)strtoul(json_string_value(value), NULL, 16) : 0;
}

static void assert_row(const struct keymap_key *key, const json_t *row)
{
    assert_non_null(key);
    assert_int_equal(key->code, number(row, "evdev_code"));
    assert_int_equal(key->keysym, number(row, "keysym_code"));
    assert_int_equal(key->hid, number(row, "hid_usage"));
}

static void every_key_of_the_table_is_known(void **state)
{
    (void)state;
    json_t *root = input_vectors_load();
    json_t *table = json_object_get(json_object_get(root, "keymap"), "table");
    assert_int_equal(json_array_size(table), 154);
    bool listed[256] = {false};
    size_t i;
    json_t *row;
    json_array_foreach(table, i, row)
    {
        uint8_t vk = (uint8_t)number(row, "vk");
        listed[vk] = true;
        assert_row(keymap_find(vk, KEYMAP_PLAIN), row);
        assert_int_equal(keymap_hid((uint16_t)number(row, "evdev_code")), number(row, "hid_usage"));
    }
    for (int vk = 0; vk < 256; vk++)
        assert_int_equal(keymap_find((uint8_t)vk, KEYMAP_PLAIN) != NULL, listed[vk]);
    json_decref(root);
}

static void special_keys_are_found_only_when_asked_for(void **state)
{
    (void)state;
    json_t *root = input_vectors_load();
    json_t *extra = json_object_get(json_object_get(root, "keymap"), "extra");
    assert_int_equal(json_array_size(extra), 3);
    assert_row(keymap_find(0x0d, KEYMAP_EXTENDED), json_array_get(extra, 0));
    assert_row(keymap_find(0xdc, KEYMAP_JAPANESE), json_array_get(extra, 1));
    assert_row(keymap_find(0xe2, KEYMAP_JAPANESE), json_array_get(extra, 2));
    assert_int_equal(keymap_find(0x0d, KEYMAP_PLAIN)->code, 28);
    assert_int_equal(keymap_find(0xdc, KEYMAP_PLAIN)->code, 43);
    assert_int_equal(keymap_find(0xe2, KEYMAP_PLAIN)->code, 86);
    json_decref(root);
}

static void keys_without_a_special_meaning_are_plain(void **state)
{
    (void)state;
    assert_ptr_equal(keymap_find(0x41, KEYMAP_EXTENDED), keymap_find(0x41, KEYMAP_PLAIN));
    assert_ptr_equal(keymap_find(0x41, KEYMAP_JAPANESE), keymap_find(0x41, KEYMAP_PLAIN));
    assert_null(keymap_find(0xff, KEYMAP_EXTENDED));
}

static void all_keys_can_be_listed(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct keymap_key *key; (key = keymap_at(count)); count++) {
        assert_in_range(key->code, 1, 767);
        assert_ptr_equal(keymap_find(key->vk, key->when), key);
    }
    assert_int_equal(count, 157);
    assert_null(keymap_at(count + 1));
    assert_int_equal(keymap_hid(0x110), 0); /* a mouse button */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_the_table_is_known),
        cmocka_unit_test(special_keys_are_found_only_when_asked_for),
        cmocka_unit_test(keys_without_a_special_meaning_are_plain),
        cmocka_unit_test(all_keys_can_be_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "input/uinput_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct list {
    uint8_t data[512];
    size_t size;
    unsigned count;
};

enum { MASTER_POINTER = 1, SLAVE_POINTER = 3, SLAVE_KEYBOARD = 4, FLOATING = 5 };

static void add(struct list *list, const char *name, uint16_t type, uint8_t enabled, uint16_t classes)
{
    const uint16_t head[5] = {9, type, 2, classes, (uint16_t)strlen(name)};
    uint8_t *at = list->data + list->size;
    memcpy(at, head, sizeof(head));
    at[10] = enabled;
    at[11] = 0;
    memcpy(at + 12, name, strlen(name));
    list->size += 12 + (strlen(name) + 3) / 4 * 4;
    for (uint16_t i = 0; i < classes; i++) {
        const uint16_t class[4] = {(uint16_t)(i % 3), 2, 9, 0};
        memcpy(list->data + list->size, class, sizeof(class));
        list->size += sizeof(class);
    }
    list->count++;
}

static const char *const names[] = {"Keys", "Mouse 1"};

/* From a buffer of exactly that size, so that a sanitizer sees what is read beyond. */
static bool listed(const struct list *list, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memset(exact, 0, size ? size : 1);
    memcpy(exact, list->data, size);
    bool all = uinput_names_are_listed(exact, size, list->count, names, 2);
    free(exact);
    return all;
}

static void all_names_must_be_there(void **state)
{
    (void)state;
    struct list list = {.size = 0};
    assert_false(listed(&list, 0));
    add(&list, "Virtual core pointer", MASTER_POINTER, 1, 3);
    add(&list, "Keys", SLAVE_KEYBOARD, 1, 1);
    assert_false(listed(&list, list.size));
    add(&list, "Mouse 10", SLAVE_POINTER, 1, 0);
    add(&list, "Mouse", SLAVE_POINTER, 1, 0);
    assert_false(listed(&list, list.size));
    add(&list, "Mouse 1", SLAVE_POINTER, 1, 2);
    assert_true(listed(&list, list.size));
}

static void only_enabled_slaves_count(void **state)
{
    (void)state;
    struct list list = {.size = 0};
    add(&list, "Keys", SLAVE_KEYBOARD, 0, 1);
    add(&list, "Mouse 1", SLAVE_POINTER, 1, 2);
    assert_false(listed(&list, list.size));
    add(&list, "Keys", FLOATING, 1, 1);
    assert_false(listed(&list, list.size));
    add(&list, "Keys", SLAVE_KEYBOARD, 1, 1);
    assert_true(listed(&list, list.size));
}

static void what_is_cut_off_is_not_listed(void **state)
{
    (void)state;
    struct list list = {.size = 0};
    add(&list, "Keys", SLAVE_KEYBOARD, 1, 3);
    add(&list, "Mouse 1", SLAVE_POINTER, 1, 3);
    for (size_t size = 0; size < list.size; size++)
        assert_false(listed(&list, size));
    assert_true(listed(&list, list.size));
}

static void flipped_bits_are_survived(void **state)
{
    (void)state;
    struct list list = {.size = 0};
    add(&list, "Keys", SLAVE_KEYBOARD, 1, 3);
    add(&list, "Mouse 1", SLAVE_POINTER, 1, 3);
    for (size_t bit = 0; bit < list.size * 8; bit++) {
        list.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        listed(&list, list.size);
        list.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    list.count = 65535; /* more than there are: the names come first */
    assert_true(listed(&list, list.size));
    list.data[12] = 'k';
    assert_false(listed(&list, list.size));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_names_must_be_there),
        cmocka_unit_test(only_enabled_slaves_count),
        cmocka_unit_test(what_is_cut_off_is_not_listed),
        cmocka_unit_test(flipped_bits_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

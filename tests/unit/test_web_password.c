/* SPDX-License-Identifier: Apache-2.0 */
#include "web/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Computed with Python's
 * hashlib.scrypt(b"open sesame", salt=bytes(range(16)), n=1024, r=8, p=1, dklen=32). */
#define SALT "000102030405060708090a0b0c0d0e0f"
#define HASH "7b3642486b4e1eb058b3803815a9423e8a4469064857d1e4356ca5e00000c1f5"

static void a_new_record_matches_only_its_password(void **state)
{
    (void)state;
    char record[WEB_RECORD_MAX], other[WEB_RECORD_MAX];
    assert_true(web_password_hash("correct horse", record, sizeof(record)));
    assert_true(web_password_hash("correct horse", other, sizeof(other)));
    assert_string_not_equal(record, other); /* salted */
    assert_int_equal(strncmp(record, "scrypt$32768$8$1$", 17), 0);
    assert_true(web_password_matches(record, "correct horse"));
    assert_false(web_password_matches(record, "correct horsf"));
    assert_false(web_password_matches(record, ""));
}

static void a_record_made_elsewhere_is_understood(void **state)
{
    (void)state;
    assert_true(web_password_matches("scrypt$1024$8$1$" SALT "$" HASH, "open sesame"));
    assert_false(web_password_matches("scrypt$1024$8$1$" SALT "$" HASH, "open sesamf"));
}

static void a_small_buffer_gets_no_record(void **state)
{
    (void)state;
    char record[40] = "untouched";
    assert_false(web_password_hash("correct horse", record, sizeof(record)));
    assert_string_equal(record, "untouched");
}

static void a_damaged_record_matches_nothing(void **state)
{
    (void)state;
    static const char *const records[] = {
        "",
        "scrypt",
        "bcrypt$1024$8$1$" SALT "$" HASH,
        "scrypt$1000$8$1$" SALT "$" HASH,    /* not a power of two */
        "scrypt$1$8$1$" SALT "$" HASH,       /* no work */
        "scrypt$1048576$8$1$" SALT "$" HASH, /* too much work */
        "scrypt$1024$0$1$" SALT "$" HASH,
        "scrypt$1024$99$1$" SALT "$" HASH,
        "scrypt$1024$8$9$" SALT "$" HASH,
        "scrypt$-1024$8$1$" SALT "$" HASH,
        "scrypt$1024$8$1$" SALT "00$" HASH,
        "scrypt$1024$8$1$" SALT "$" HASH "00",
        "scrypt$1024$8$1$" SALT "$" HASH "$more",
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
        assert_false(web_password_matches(records[i], "open sesame"));
}

static void a_record_cut_anywhere_matches_nothing(void **state)
{
    (void)state;
    const char *whole = "scrypt$1024$8$1$" SALT "$" HASH;
    char cut[WEB_RECORD_MAX];
    for (size_t size = 0; size < strlen(whole); size++) {
        snprintf(cut, sizeof(cut), "%.*s", (int)size, whole);
        assert_false(web_password_matches(cut, "open sesame"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_record_matches_only_its_password),
        cmocka_unit_test(a_record_made_elsewhere_is_understood),
        cmocka_unit_test(a_small_buffer_gets_no_record),
        cmocka_unit_test(a_damaged_record_matches_nothing),
        cmocka_unit_test(a_record_cut_anywhere_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/ping.h"

#include "control_vectors.h"

static void recorded_pings_match_their_payload(void **state)
{
    (void)state;
    json_t *root = vectors_load(), *pings = json_object_get(root, "udp_ping");
    const char *payload = vectors_text(pings, "payload");
    json_t *samples = json_object_get(pings, "samples");
    assert_int_equal(json_array_size(samples), 4);
    for (size_t i = 0; i < json_array_size(samples); i++) {
        size_t size;
        uint8_t *bytes = vectors_bytes(json_array_get(samples, i), "wire_hex", &size);
        assert_true(ping_matches(bytes, size, payload, false));
        assert_false(ping_matches(bytes, size, "0123456789ABCDEE", false));
        assert_false(ping_matches(bytes, size, "1123456789ABCDEF", true));
        free(bytes);
    }
    size_t size;
    uint8_t *legacy = vectors_bytes(pings, "legacy_wire_hex", &size);
    assert_true(ping_matches(legacy, size, payload, true));
    assert_false(ping_matches(legacy, size, payload, false));
    free(legacy);
    json_decref(root);
}

static void length_beyond_the_payload_does_not_matter(void **state)
{
    (void)state;
    uint8_t bytes[64] = "0123456789ABCDEF";
    for (size_t size = 0; size <= sizeof(bytes); size++)
        assert_int_equal(ping_matches(bytes, size, "0123456789ABCDEF", true), size >= PING_PAYLOAD_SIZE);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    for (int bit = 0; bit < PING_PAYLOAD_SIZE * 8; bit++) {
        uint8_t bytes[21] = "0123456789ABCDEF";
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ping_matches(bytes, 20, "0123456789ABCDEF", true));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_pings_match_their_payload),
        cmocka_unit_test(length_beyond_the_payload_does_not_matter),
        cmocka_unit_test(every_flipped_bit_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

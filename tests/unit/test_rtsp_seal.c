/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/rtsp_seal.h"

#include "base/bytes.h"
#include "control_vectors.h"

struct fixture {
    json_t *root;
    struct rtsp_seal *seal;
};

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));
    uint8_t key[16];
    self->root = vectors_load();
    vectors_key(self->root, key);
    self->seal = rtsp_seal_create(key);
    *state = self;
    return !self->seal;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;
    rtsp_seal_destroy(self->seal);
    json_decref(self->root);
    free(self);
    return 0;
}

static enum rtsp_seal_result open_copy(struct rtsp_seal *seal, const uint8_t *bytes, size_t size, uint8_t *ret_plain,
                                       size_t *ret_size)
{
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, bytes, size);
    enum rtsp_seal_result result = rtsp_seal_open(seal, copy, size, ret_plain, ret_size);
    free(copy);
    return result;
}

static void the_recorded_dialog_opens_and_its_replies_are_sealed_byte_for_byte(void **state)
{
    struct fixture *self = *state;
    json_t *dialog = json_object_get(json_object_get(self->root, "rtsp_encrypted"), "dialog");
    assert_int_equal(json_array_size(dialog), 7);
    for (size_t i = 0; i < json_array_size(dialog); i++) {
        json_t *step = json_array_get(dialog, i);
        const char *request = vectors_text(step, "request_text"), *reply = vectors_text(step, "reply_text");
        size_t size, plain_size;
        uint8_t *wire = vectors_bytes(json_object_get(step, "request"), "wire_hex", &size);
        uint8_t plain[4096], sealed[4096];
        assert_true(rtsp_seal_is_sealed(wire[0]));
        assert_int_equal(rtsp_seal_size(wire), size);
        assert_int_equal(open_copy(self->seal, wire, size, plain, &plain_size), RTSP_SEAL_OK);
        assert_int_equal(plain_size, strlen(request));
        assert_memory_equal(plain, request, plain_size);
        free(wire);

        wire = vectors_bytes(json_object_get(step, "reply"), "wire_hex", &size);
        assert_int_equal(rtsp_seal_reply(self->seal, reply, strlen(reply), sealed, sizeof(sealed)), size);
        assert_memory_equal(sealed, wire, size);
        free(wire);
    }
}

static enum rtsp_seal_result open_named(struct fixture *self, const char *name)
{
    json_t *list = json_object_get(json_object_get(self->root, "rtsp_encrypted"), "malformed");
    size_t size, plain_size;
    uint8_t plain[4096];
    uint8_t *wire = vectors_bytes(vectors_named(list, name), "wire_hex", &size);
    enum rtsp_seal_result result = open_copy(self->seal, wire, size, plain, &plain_size);
    free(wire);
    return result;
}

static void recorded_malformed_envelopes_are_refused(void **state)
{
    struct fixture *self = *state;
    assert_int_equal(open_named(self, "MSB clear on an rtspenc session"), RTSP_SEAL_REFUSED);
    assert_int_equal(open_named(self, "plaintext request on an rtspenc session"), RTSP_SEAL_REFUSED);
    assert_int_equal(open_named(self, "ciphertext bit flipped"), RTSP_SEAL_NOT_MINE);
    assert_int_equal(open_named(self, "reflected host IV domain"), RTSP_SEAL_NOT_MINE);
    assert_int_equal(open_named(self, "length 0x7fffffff"), RTSP_SEAL_REFUSED);
    assert_int_equal(open_named(self, "length 0"), RTSP_SEAL_REFUSED);
    assert_int_equal(open_named(self, "truncated after header"), RTSP_SEAL_REFUSED);
    assert_int_equal(open_named(self, "valid reference message"), RTSP_SEAL_OK);
    assert_int_equal(open_named(self, "replay of seq 900"), RTSP_SEAL_REFUSED);
}

static void another_launch_is_told_apart_by_the_tag(void **state)
{
    struct fixture *self = *state;
    const uint8_t key[16] = {1, 2, 3};
    struct rtsp_seal *mine = self->seal;
    self->seal = rtsp_seal_create(key);
    assert_int_equal(open_named(self, "valid reference message"), RTSP_SEAL_NOT_MINE);
    rtsp_seal_destroy(self->seal);
    self->seal = mine;
    assert_int_equal(open_named(self, "valid reference message"), RTSP_SEAL_OK);
}

static void every_truncation_and_every_flipped_bit_is_refused(void **state)
{
    struct fixture *self = *state;
    json_t *list = json_object_get(json_object_get(self->root, "rtsp_encrypted"), "malformed");
    size_t size, plain_size;
    uint8_t plain[4096];
    uint8_t *wire = vectors_bytes(vectors_named(list, "valid reference message"), "wire_hex", &size);
    for (size_t part = 0; part < size; part++)
        assert_int_equal(open_copy(self->seal, wire, part, plain, &plain_size), RTSP_SEAL_REFUSED);
    for (size_t bit = 0; bit < size * 8; bit++) {
        wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(open_copy(self->seal, wire, size, plain, &plain_size), RTSP_SEAL_OK);
        wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(open_copy(self->seal, wire, size, plain, &plain_size), RTSP_SEAL_OK);
    free(wire);
}

static void lengths_are_limited_before_anything_else(void **state)
{
    (void)state;
    uint8_t header[RTSP_SEAL_HEADER] = {0};
    bytes_put_u32be(header, 0x80000000u | RTSP_SEAL_PLAIN_MAX);
    assert_int_equal(rtsp_seal_size(header), RTSP_SEAL_HEADER + RTSP_SEAL_PLAIN_MAX);
    bytes_put_u32be(header, 0x80000000u | (RTSP_SEAL_PLAIN_MAX + 1));
    assert_int_equal(rtsp_seal_size(header), 0);
    bytes_put_u32be(header, 0x80000001u);
    assert_int_equal(rtsp_seal_size(header), RTSP_SEAL_HEADER + 1);
}

static void a_reply_without_room_is_not_written(void **state)
{
    struct fixture *self = *state;
    uint8_t sealed[30];
    assert_int_equal(rtsp_seal_reply(self->seal, "1234567", 7, sealed, sizeof(sealed)), 0);
    assert_int_equal(rtsp_seal_reply(self->seal, "", 0, sealed, sizeof(sealed)), 0);
    assert_int_equal(rtsp_seal_reply(self->seal, "123456", 6, sealed, sizeof(sealed)), 30);
    assert_int_equal(bytes_get_u32be(sealed + 4), 1); /* refused ones used up no number */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_recorded_dialog_opens_and_its_replies_are_sealed_byte_for_byte, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(recorded_malformed_envelopes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_launch_is_told_apart_by_the_tag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_and_every_flipped_bit_is_refused, set_up, tear_down),
        cmocka_unit_test(lengths_are_limited_before_anything_else),
        cmocka_unit_test_setup_teardown(a_reply_without_room_is_not_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

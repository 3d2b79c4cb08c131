/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/control.h"

#include "base/bytes.h"
#include "control_vectors.h"
#include "protocol/crypto.h"

struct fixture {
    json_t *root;
    struct gcm *client; /* what a client seals with */
    struct control_seal *seal;
};

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));
    uint8_t key[16];
    self->root = vectors_load();
    vectors_key(self->root, key);
    self->seal = control_seal_create(key);
    self->client = gcm_create(key);
    *state = self;
    return !self->seal || !self->client;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;
    control_seal_destroy(self->seal);
    gcm_destroy(self->client);
    json_decref(self->root);
    free(self);
    return 0;
}

static json_t *vectors_of(const struct fixture *self, const char *list)
{
    return json_object_get(json_object_get(self->root, "control_v2"), list);
}

struct opened {
    enum control_open_result result;
    uint8_t plain[CONTROL_PACKET_MAX];
    uint16_t type;
    const uint8_t *payload;
    size_t size;
};

static enum control_open_result open_bytes(struct fixture *self, const uint8_t *bytes, size_t size,
                                           struct opened *ret_opened)
{
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, bytes, size);
    ret_opened->result = control_open(self->seal, copy, size, ret_opened->plain, &ret_opened->type,
                                      &ret_opened->payload, &ret_opened->size);
    free(copy);
    return ret_opened->result;
}

static enum control_open_result open_vector(struct fixture *self, const json_t *vector, struct opened *ret_opened)
{
    size_t size;
    uint8_t *wire = vectors_bytes(vector, "wire_hex", &size);
    open_bytes(self, wire, size, ret_opened);
    free(wire);
    return ret_opened->result;
}

/* What a client would send with this number. Returns the size. */
static size_t seal_as_client(struct fixture *self, uint32_t sequence, const uint8_t *plain, size_t size,
                             uint8_t *ret_packet)
{
    uint8_t iv[12] = {0};
    bytes_put_u32le(iv, sequence);
    iv[10] = iv[11] = 'C';
    bytes_put_u16le(ret_packet, 1);
    bytes_put_u16le(ret_packet + 2, (uint16_t)(20 + size));
    bytes_put_u32le(ret_packet + 4, sequence);
    assert_true(gcm_seal(self->client, iv, sizeof(iv), plain, size, ret_packet + 24, ret_packet + 8));
    return 24 + size;
}

static enum control_open_result open_number(struct fixture *self, uint32_t sequence)
{
    static const uint8_t idr[] = {0x02, 0x03, 0x02, 0x00, 0x00, 0x00};
    uint8_t packet[64];
    struct opened opened;
    return open_bytes(self, packet, seal_as_client(self, sequence, idr, sizeof(idr), packet), &opened);
}

static void recorded_client_messages_open(void **state)
{
    struct fixture *self = *state;
    static const char *const lists[] = {"client_to_host", "byte_order"};
    static const size_t counts[] = {10, 4};
    for (size_t l = 0; l < 2; l++) {
        json_t *list = vectors_of(self, lists[l]);
        assert_int_equal(json_array_size(list), counts[l]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            json_t *vector = json_array_get(list, i);
            struct opened opened;
            assert_int_equal(open_vector(self, vector, &opened), CONTROL_OPEN_OK);
            size_t size;
            uint8_t *plain = vectors_bytes(vector, "plaintext_hex", &size);
            assert_int_equal(opened.type, bytes_get_u16le(plain));
            assert_int_equal(opened.size, size - 4);
            assert_memory_equal(opened.payload, plain + 4, size - 4);
            free(plain);
            struct control_message message;
            assert_true(control_decode(opened.type, opened.payload, opened.size, &message));
            assert_int_equal(open_vector(self, vector, &opened), CONTROL_OPEN_REPLAY);
        }
    }
}

static void recorded_host_messages_are_sealed_byte_for_byte(void **state)
{
    struct fixture *self = *state;
    json_t *list = vectors_of(self, "host_to_client");
    assert_int_equal(json_array_size(list), 10);
    uint32_t next = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *vector = json_array_get(list, i);
        size_t size, plain_size;
        uint8_t *wire = vectors_bytes(vector, "wire_hex", &size);
        uint8_t *plain = vectors_bytes(vector, "plaintext_hex", &plain_size);
        uint8_t packet[CONTROL_ENVELOPE + CONTROL_PAYLOAD_MAX];
        for (uint32_t wanted = bytes_get_u32le(wire + 4); next < wanted; next++) /* messages that were not recorded */
            assert_int_not_equal(control_write(self->seal, 1234, "", 0, packet, sizeof(packet)), 0);
        next++;
        assert_int_equal(
            control_write(self->seal, bytes_get_u16le(plain), plain + 4, plain_size - 4, packet, sizeof(packet)), size);
        assert_memory_equal(packet, wire, size);
        free(wire);
        free(plain);
    }
}

static void is_payload(struct fixture *self, size_t index, struct control_payload made, size_t ignored)
{
    size_t size;
    uint8_t *plain = vectors_bytes(json_array_get(vectors_of(self, "host_to_client"), index), "plaintext_hex", &size);
    assert_int_equal(made.type, bytes_get_u16le(plain));
    assert_int_equal(made.size, size - 4);
    assert_memory_equal(made.bytes + ignored, plain + 4 + ignored, made.size - ignored);
    free(plain);
}

static void host_payloads_are_those_that_a_client_accepted(void **state)
{
    struct fixture *self = *state;
    struct control_trigger left = {.set = true, .effect = 0x21}, right = {.set = true, .effect = 0x26};
    for (int i = 0; i < 10; i++) {
        left.parameters[i] = (uint8_t)i;
        right.parameters[i] = (uint8_t)(0xa0 + i);
    }
    const struct control_hdr hdr = {.enabled = true,
                                    .primaries = {{35400, 14600}, {8500, 39850}, {6550, 2300}},
                                    .white = {15635, 16450},
                                    .max_luminance = 1000,
                                    .min_luminance = 50,
                                    .max_content_light = 1000,
                                    .max_frame_average_light = 400,
                                    .max_full_frame_luminance = 600};
    const struct control_hdr off = {0};
    is_payload(self, 0, control_rumble(1, 0x1234, 0xabcd), 4); /* the first four bytes have no meaning */
    is_payload(self, 1, control_rumble_triggers(2, 0x8000, 0xffff), 0);
    is_payload(self, 2, control_motion(0, 100, CONTROL_SENSOR_GYROSCOPE), 0);
    is_payload(self, 3, control_led(3, 0x11, 0x22, 0x33), 0);
    is_payload(self, 4, control_adaptive_triggers(1, &left, &right), 0);
    is_payload(self, 5, control_hdr_mode(&hdr), 0);
    is_payload(self, 6, control_hdr_mode(&off), 0);
    is_payload(self, 7, control_termination(CONTROL_CODE_GRACEFUL), 0);
    is_payload(self, 8, control_termination(CONTROL_CODE_PROTECTED), 0);
    is_payload(self, 9, control_termination(CONTROL_CODE_CONVERSION), 0);
}

static void recorded_malformed_messages_are_refused(void **state)
{
    struct fixture *self = *state;
    json_t *list = vectors_of(self, "malformed");
    struct opened opened;
    struct control_message message;
    assert_int_equal(json_array_size(list), 16);
#define OPEN(name) open_vector(self, vectors_named(list, name), &opened)
    assert_int_equal(OPEN("ciphertext bit flipped"), CONTROL_OPEN_BAD_TAG);
    assert_int_equal(OPEN("tag bit flipped"), CONTROL_OPEN_BAD_TAG);
    assert_int_equal(OPEN("seq changed without re-encryption"), CONTROL_OPEN_BAD_TAG);
    assert_int_equal(OPEN("host-to-client IV domain used by a client"), CONTROL_OPEN_BAD_TAG);
    assert_int_equal(OPEN("replay: same bytes delivered twice"), CONTROL_OPEN_OK);
    assert_int_equal(OPEN("replay: same bytes delivered twice"), CONTROL_OPEN_REPLAY);
    assert_int_equal(OPEN("header only, 8 bytes"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("runt: length field 23"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("length field larger than the packet"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("length field smaller than the packet (4 trailing bytes)"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("inner payload length larger than the plaintext"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("nested encrypted type"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("plaintext message on an encrypted control stream"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("one byte ENet packet"), CONTROL_OPEN_BAD_ENVELOPE);
    assert_int_equal(OPEN("RFI with 8 byte payload"), CONTROL_OPEN_OK);
    assert_false(control_decode(opened.type, opened.payload, opened.size, &message));
    static const char *const ranges[] = {"RFI with first frame after last frame", "RFI with range 0..0xffffffff"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(OPEN(ranges[i]), CONTROL_OPEN_OK);
        assert_true(control_decode(opened.type, opened.payload, opened.size, &message));
        assert_int_equal(message.kind, CONTROL_INVALIDATE);
        assert_false(control_invalidate_fits(&message.invalidate, 1000, 16));
        assert_false(control_invalidate_fits(&message.invalidate, UINT32_MAX, 16));
    }
#undef OPEN
}

static void envelopes_of_version_1_are_refused(void **state)
{
    struct fixture *self = *state;
    json_t *list = json_object_get(json_object_get(self->root, "control_v1"), "client_to_host");
    assert_int_equal(json_array_size(list), 10);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct opened opened;
        assert_int_equal(open_vector(self, json_array_get(list, i), &opened), CONTROL_OPEN_BAD_TAG);
    }
}

static void every_truncation_and_every_flipped_bit_is_refused(void **state)
{
    struct fixture *self = *state;
    size_t size;
    uint8_t *wire = vectors_bytes(json_array_get(vectors_of(self, "client_to_host"), 9), "wire_hex", &size);
    struct opened opened;
    for (size_t part = 0; part < size; part++)
        assert_int_equal(open_bytes(self, wire, part, &opened), CONTROL_OPEN_BAD_ENVELOPE);
    for (size_t bit = 0; bit < size * 8; bit++) {
        wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_bytes(self, wire, size, &opened),
                         bit < 32 ? CONTROL_OPEN_BAD_ENVELOPE : CONTROL_OPEN_BAD_TAG);
        wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(open_bytes(self, wire, size, &opened), CONTROL_OPEN_OK); /* none of them moved the window */
    free(wire);
}

static void the_window_tells_4096_numbers_apart(void **state)
{
    struct fixture *self = *state;
    assert_int_equal(open_number(self, 10000), CONTROL_OPEN_OK);
    assert_int_equal(open_number(self, 10000), CONTROL_OPEN_REPLAY);
    assert_int_equal(open_number(self, 10000 - 4095), CONTROL_OPEN_OK);
    assert_int_equal(open_number(self, 10000 - 4095), CONTROL_OPEN_REPLAY);
    assert_int_equal(open_number(self, 10000 - 4096), CONTROL_OPEN_REPLAY); /* too old to tell */
    assert_int_equal(open_number(self, 0), CONTROL_OPEN_REPLAY);
    assert_int_equal(open_number(self, 9999), CONTROL_OPEN_OK);
    /* the ring is moved on: places of old numbers are free for new ones */
    assert_int_equal(open_number(self, 14000), CONTROL_OPEN_OK);
    assert_int_equal(open_number(self, 10000 - 4095 + 4096), CONTROL_OPEN_OK);
    assert_int_equal(open_number(self, 10000), CONTROL_OPEN_REPLAY);
    assert_int_equal(open_number(self, 9998), CONTROL_OPEN_OK);
    /* a leap clears all */
    assert_int_equal(open_number(self, 14000 + 4096), CONTROL_OPEN_OK);
    assert_int_equal(open_number(self, 14000), CONTROL_OPEN_REPLAY);
    assert_int_equal(open_number(self, 14001), CONTROL_OPEN_OK);
    assert_int_equal(open_number(self, UINT32_MAX), CONTROL_OPEN_OK);
    assert_int_equal(open_number(self, 14002), CONTROL_OPEN_REPLAY);
    assert_int_equal(open_number(self, UINT32_MAX - 1), CONTROL_OPEN_OK);
}

static void shuffled_messages_are_each_accepted_once(void **state)
{
    struct fixture *self = *state;
    unsigned order[3000], seed = 1;
    for (unsigned i = 0; i < 3000; i++)
        order[i] = i;
    for (unsigned i = 2999; i > 0; i--) {
        seed = seed * 1103515245 + 12345;
        unsigned other = (seed >> 8) % (i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3000; i++)
            assert_int_equal(open_number(self, order[i]), round ? CONTROL_OPEN_REPLAY : CONTROL_OPEN_OK);
    }
}

static void client_payloads_are_decoded(void **state)
{
    struct fixture *self = *state;
    static const enum control_kind kinds[] = {
        CONTROL_REQUEST_IDR, CONTROL_START,       CONTROL_PING,       CONTROL_INPUT,   CONTROL_INPUT,
        CONTROL_PING,        CONTROL_REQUEST_IDR, CONTROL_INVALIDATE, CONTROL_LTR_ACK, CONTROL_FEC_STATUS};
    json_t *list = vectors_of(self, "client_to_host");
    for (size_t i = 0; i < 10; i++) {
        struct opened opened;
        struct control_message message;
        assert_int_equal(open_vector(self, json_array_get(list, i), &opened), CONTROL_OPEN_OK);
        assert_true(control_decode(opened.type, opened.payload, opened.size, &message));
        assert_int_equal(message.kind, kinds[i]);
        if (i == 3)
            assert_int_equal(message.input.size, 10);
        if (i == 7) {
            assert_int_equal(message.invalidate.first_frame, 100);
            assert_int_equal(message.invalidate.last_frame, 105);
        }
        if (i == 8)
            assert_int_equal(message.ltr_frame, 77);
        if (i == 9) {
            const struct control_fec_status expected = {.frame = 258,
                                                        .highest_received = 4128,
                                                        .next_contiguous = 4126,
                                                        .missing_before_highest = 2,
                                                        .data_total = 20,
                                                        .parity_total = 4,
                                                        .data_received = 17,
                                                        .parity_received = 3,
                                                        .fec_percent = 20,
                                                        .block = 0,
                                                        .block_count = 1};
            assert_memory_equal(&message.fec_status, &expected, offsetof(struct control_fec_status, block_count) + 1);
        }
    }
}

static void each_type_has_its_least_size_and_ignores_what_follows(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        size_t size;
    } rows[] = {{0x0302, 2}, {0x0307, 1},  {0x0200, 8},  {0x0301, 24},
                {0x0350, 8}, {0x5502, 21}, {0x0201, 32}, {0x0206, 0}};
    struct control_message message;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t size = 0; size < 40; size++) {
            uint8_t *payload = calloc(1, size + !size);
            assert_int_equal(control_decode(rows[i].type, payload, size, &message), size >= rows[i].size);
            free(payload);
        }
    }
    static const uint8_t payload[64];
    static const uint16_t unknown[] = {0, 1, 0x0100, 0x0109, 0x0305, 0x3000, 0x3007, 0x5503, 0x6000, 0xffff};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(control_decode(unknown[i], payload, sizeof(payload), &message));
}

static void loss_statistics_are_decoded(void **state)
{
    (void)state;
    const uint8_t payload[32] = {3,
                                 0,
                                 0,
                                 0,
                                 /* lost */ 50,
                                 0,
                                 0,
                                 0,
                                 /* interval */ 0xe8,
                                 3,
                                 0,
                                 0, /* 1000 */
                                 1,
                                 2,
                                 3,
                                 4,
                                 5,
                                 6,
                                 7,
                                 8,
                                 /* last good frame */ 0,
                                 0,
                                 0,
                                 0,
                                 0,
                                 0,
                                 0,
                                 0,
                                 0x14,
                                 0,
                                 0,
                                 0};
    struct control_message message;
    assert_true(control_decode(0x0201, payload, sizeof(payload), &message));
    assert_int_equal(message.loss_stats.lost, 3);
    assert_int_equal(message.loss_stats.interval_ms, 50);
    assert_true(message.loss_stats.last_good_frame == UINT64_C(0x0807060504030201));
}

static void ranges_to_invalidate_are_bounded(void **state)
{
    (void)state;
    struct control_invalidate range = {100, 105};
    assert_true(control_invalidate_fits(&range, 105, 6));
    assert_false(control_invalidate_fits(&range, 104, 16)); /* not sent yet */
    assert_false(control_invalidate_fits(&range, 105, 5));  /* no longer kept */
    assert_true(control_invalidate_fits(&range, 110, 11));
}

static void messages_without_room_or_too_large_are_not_written(void **state)
{
    struct fixture *self = *state;
    uint8_t packet[CONTROL_ENVELOPE + CONTROL_PAYLOAD_MAX + 1], payload[CONTROL_PAYLOAD_MAX + 1] = {0};
    assert_int_equal(control_write(self->seal, 5, payload, CONTROL_PAYLOAD_MAX + 1, packet, sizeof(packet)), 0);
    assert_int_equal(control_write(self->seal, 5, payload, 10, packet, CONTROL_ENVELOPE + 9), 0);
    assert_int_equal(control_write(self->seal, 5, payload, 10, packet, CONTROL_ENVELOPE + 10), CONTROL_ENVELOPE + 10);
    assert_int_equal(bytes_get_u32le(packet + 4), 0);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(recorded_client_messages_open),
        WITH_FIXTURE(recorded_host_messages_are_sealed_byte_for_byte),
        WITH_FIXTURE(host_payloads_are_those_that_a_client_accepted),
        WITH_FIXTURE(recorded_malformed_messages_are_refused),
        WITH_FIXTURE(envelopes_of_version_1_are_refused),
        WITH_FIXTURE(every_truncation_and_every_flipped_bit_is_refused),
        WITH_FIXTURE(the_window_tells_4096_numbers_apart),
        WITH_FIXTURE(shuffled_messages_are_each_accepted_once),
        WITH_FIXTURE(client_payloads_are_decoded),
        cmocka_unit_test(each_type_has_its_least_size_and_ignores_what_follows),
        cmocka_unit_test(loss_statistics_are_decoded),
        cmocka_unit_test(ranges_to_invalidate_are_bounded),
        WITH_FIXTURE(messages_without_room_or_too_large_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

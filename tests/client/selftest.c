/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/selftest.h"

#include "base/bytes.h"
#include "base/text.h"
#include "tests/client/depacketise.h"
#include "tests/client/impair.h"
#include "tests/client/input.h"
#include "tests/client/packetise.h"
#include "tests/client/pair.h"
#include "tests/client/script.h"
#include "tests/client/seal.h"
#include "tests/client/sound_queue.h"

#include <jansson.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_MAX = 1 << 20, SHARD_MAX = 2048 };

struct selftest {
    const char *folder;
    struct fec *fec;
    int checks, failures;
    /* what the depacketiser under test said last */
    uint8_t *frame;
    struct depacketise_frame info;
    int frames, idr_requests, invalidations, statuses;
    uint32_t invalid_first, invalid_last;
};

static bool check(struct selftest *self, bool good, const char *what, const char *which)
{
    self->checks++;
    if (!good) {
        self->failures++;
        fprintf(stderr, "selftest: FAILED: %s (%s)\n", what, which);
    }
    return good;
}

static void on_frame(void *ctx, const struct depacketise_frame *frame)
{
    struct selftest *self = ctx;
    self->frames++;
    self->info = *frame;
    memcpy(self->frame, frame->data, frame->size);
}

static void on_idr(void *ctx)
{
    ((struct selftest *)ctx)->idr_requests++;
}

static void on_invalidate(void *ctx, uint32_t first, uint32_t last)
{
    struct selftest *self = ctx;
    self->invalidations++;
    self->invalid_first = first;
    self->invalid_last = last;
}

static void on_status(void *ctx, const struct depacketise_status *status)
{
    (void)status;
    ((struct selftest *)ctx)->statuses++;
}

static struct depacketise *begin(struct selftest *self, int packet_size, enum depacketise_codec codec,
                                 bool invalidation)
{
    struct depacketise_config config = {
        .packet_size = packet_size,
        .codec = codec,
        .invalidation = invalidation,
        .events = {self, on_frame, on_idr, on_invalidate, on_status},
    };
    self->frames = self->idr_requests = self->invalidations = self->statuses = 0;
    return depacketise_create(&config);
}

static json_t *load(const struct selftest *self, const char *name)
{
    char path[1024];
    json_error_t error;
    snprintf(path, sizeof(path), "%s/%s", self->folder, name);
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        fprintf(stderr, "selftest: %s: %s\n", path, error.text);
    return root;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int number_of(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

/* Bytes of a hex field. Returns the size; 0 when it is missing or does not fit. */
static size_t bytes_of(const char *hex, uint8_t *ret_data, size_t capacity)
{
    size_t size = strlen(hex) / 2;
    return size <= capacity && text_unhex(hex, strlen(hex), ret_data, size) ? size : 0;
}

/* The frame of a case, spelled out or by its rule. */
static size_t frame_of(const json_t *entry, uint8_t *ret_frame)
{
    const json_t *rule = json_object_get(entry, "frame_rule");
    if (!rule)
        return bytes_of(text_of(entry, "frame"), ret_frame, FRAME_MAX);
    size_t prefix = bytes_of(text_of(rule, "prefix"), ret_frame, FRAME_MAX);
    size_t total = (size_t)number_of(rule, "total_len");
    unsigned number = (unsigned)number_of(entry, "frameIndex");
    for (size_t x = 0; x + prefix < total; x++)
        ret_frame[prefix + x] = (uint8_t)(((31 * x + 17 * (x >> 8) + 7 * number) & 255) | 128);
    return total;
}

static enum depacketise_codec codec_of(const json_t *entry)
{
    const char *name = text_of(entry, "codec");
    return !strcmp(name, "hevc") ? DEPACKETISE_HEVC : !strcmp(name, "av1") ? DEPACKETISE_AV1 : DEPACKETISE_H264;
}

/* Shards of a case: the vector's own packets (opened if sealed), or ours compared with its headers and hashes. */
static size_t shards_of(struct selftest *self, const json_t *entry, const uint8_t *frame, size_t frame_size,
                        uint8_t *ret_shards, size_t *ret_sizes)
{
    const json_t *packets = json_object_get(entry, "packets");
    size_t shard_size = (size_t)number_of(entry, "packetSize") + 16, count = json_array_size(packets);
    uint8_t key[16] = {0}, wire[SHARD_MAX];
    bool sealed = bytes_of(text_of(entry, "key"), key, sizeof(key)) == 16;
    struct seal *seal = sealed ? seal_create(key) : NULL;
    for (size_t i = 0; i < count; i++) {
        size_t size = bytes_of(json_string_value(json_array_get(packets, i)), wire, sizeof(wire));
        ret_sizes[i] = size - (sealed ? 32 : 0);
        if (!sealed)
            memcpy(ret_shards + i * shard_size, wire, size);
        else
            check(self, seal_open(seal, wire, wire + 16, wire + 32, size - 32, ret_shards + i * shard_size),
                  "packet opens", text_of(entry, "name"));
    }
    seal_destroy(seal);
    if (count)
        return count;
    struct packetise_config config = {.packet_size = number_of(entry, "packetSize"),
                                      .fec_percent = number_of(entry, "fec_percent"),
                                      .min_parity = number_of(entry, "min_parity"),
                                      .frame = (uint32_t)number_of(entry, "frameIndex"),
                                      .timestamp = (uint32_t)number_of(entry, "rtp_timestamp"),
                                      .first_seq = (uint32_t)number_of(entry, "first_seq"),
                                      .type = (uint8_t)number_of(entry, "frame_type"),
                                      .latency_100us = (uint16_t)number_of(entry, "latency_100us")};
    uint8_t *made = packetise_frame(self->fec, &config, frame, frame_size, &count);
    packets = json_object_get(entry, "packets_header32_and_sha256");
    check(self, made && count == json_array_size(packets), "number of packets", text_of(entry, "name"));
    for (size_t i = 0; made && i < count && i < json_array_size(packets); i++) {
        char both[64 + 1 + 65]; /* "header hash" */
        uint8_t digest[32];
        EVP_Digest(made + i * shard_size, shard_size, digest, NULL, EVP_sha256(), NULL);
        text_hex(made + i * shard_size, 32, both);
        both[64] = ' ';
        text_hex(digest, 32, both + 65);
        bool same = !strcmp(both, json_string_value(json_array_get(packets, i)));
        check(self, same, "our packetiser agrees", text_of(entry, "name"));
        ret_sizes[i] = shard_size;
    }
    if (made)
        memcpy(ret_shards, made, count * shard_size);
    free(made);
    return made ? count : 0;
}

/* Feed all but the packets whose bit in `lost` is set (first 20 packets), or all but every ninth when `sparse`. */
static void feed_case(struct selftest *self, const json_t *entry, const uint8_t *shards, const size_t *sizes,
                      size_t count, uint32_t lost, bool sparse)
{
    int packet_size = number_of(entry, "packetSize");
    struct depacketise *d = begin(self, packet_size, codec_of(entry), false);
    for (size_t i = 0; d && i < count; i++)
        if (!(i < 20 && lost >> i & 1) && !(sparse && i % 9 == 4))
            depacketise_packet(d, shards + i * ((size_t)packet_size + 16), sizes[i], (int64_t)i);
    depacketise_destroy(d);
}

static void check_case(struct selftest *self, const json_t *entry)
{
    enum { SHARDS = 600 };
    const char *name = text_of(entry, "name");
    uint8_t *frame = malloc(FRAME_MAX), *shards = calloc(SHARDS, SHARD_MAX);
    size_t *sizes = calloc(SHARDS, sizeof(*sizes));
    const json_t *block = json_array_get(json_object_get(entry, "blocks"), 0);
    size_t size = frame && shards && sizes ? frame_of(entry, frame) : 0;
    if (check(self, size > 0, "case can be read", name)) {
        size_t count = shards_of(self, entry, frame, size, shards, sizes);
        bool small = count <= 8;
        unsigned m = (unsigned)number_of(block, "m");
        for (uint32_t lost = 0; lost < (small ? 1u << count : 2u); lost++) {
            feed_case(self, entry, shards, sizes, count, small ? lost : 0, !small && lost);
            bool enough = !small || (unsigned)__builtin_popcount(lost) <= m;
            bool got = self->frames == 1 && self->info.size == size && !memcmp(self->frame, frame, size) &&
                       self->info.type == number_of(entry, "frame_type") &&
                       self->info.latency_100us == number_of(entry, "latency_100us");
            check(self, enough ? got : self->frames == 0, "frame arrives as it should", name);
            if (enough)
                check(self, self->info.idr == (number_of(entry, "frame_type") == 2), "key frame is recognised", name);
        }
    }
    free(frame);
    free(shards);
    free(sizes);
}

static void test_video_vectors(struct selftest *self)
{
    json_t *root = load(self, "video.json"), *entry;
    size_t i;
    check(self, root != NULL, "video.json", "load");
    json_array_foreach(json_object_get(root, "cases"), i, entry) check_case(self, entry);
    json_decref(root);
}

/* A stream of `count` frames through a bad link; keys at 1 and wherever one was asked for. */
static struct depacketise_counters run_link(struct selftest *self, const struct impair_config *bad, int count,
                                            size_t frame_size, bool invalidation)
{
    static const uint8_t key_start[] = {0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65};
    static const uint8_t start[] = {0, 0, 0, 1, 0x41};
    struct depacketise *d = begin(self, 256, DEPACKETISE_H264, invalidation);
    struct impair_config config = *bad;
    config.shard_size = 272;
    struct impair *impair = d ? impair_create(&config, d) : NULL;
    uint8_t *data = malloc(frame_size);
    uint32_t seq = 0;
    int answered_idr = 0, answered_invalidations = 0;
    for (int n = 1; impair && data && n <= count; n++) {
        bool key = n == 1 || self->idr_requests > answered_idr, clean = self->invalidations > answered_invalidations;
        answered_idr = self->idr_requests;
        answered_invalidations = self->invalidations;
        struct packetise_config packets = {.packet_size = 256,
                                           .fec_percent = 20,
                                           .min_parity = 2,
                                           .frame = (uint32_t)n,
                                           .timestamp = (uint32_t)n * 1500,
                                           .first_seq = seq,
                                           .type = key     ? 2
                                                   : clean ? 5
                                                           : 1};
        for (size_t b = 0; b < frame_size; b++)
            data[b] = (uint8_t)(b * 7 + (size_t)n) | 128;
        memcpy(data, key ? key_start : start, key ? sizeof(key_start) : sizeof(start));
        size_t shards;
        uint8_t *wire = packetise_frame(self->fec, &packets, data, frame_size, &shards);
        int before = self->frames;
        for (size_t i = 0; wire && i < shards; i++)
            impair_packet(impair, wire + i * 272, 272, (int64_t)n * 1000000);
        impair_flush(impair, (int64_t)n * 1000000);
        if (self->frames == before + 1)
            check(self, self->info.size == frame_size && !memcmp(self->frame, data, frame_size), "frame is whole",
                  "link");
        seq += (uint32_t)shards;
        free(wire);
    }
    struct depacketise_counters counters = {0};
    if (d)
        counters = depacketise_get_counters(d);
    free(data);
    impair_destroy(impair);
    depacketise_destroy(d);
    return counters;
}

static void test_links(struct selftest *self)
{
    struct depacketise_counters c;
    const struct impair_config none = {.seed = 1};
    c = run_link(self, &none, 50, 4000, false);
    check(self, c.frames_delivered == 50 && !c.malformed && !c.frames_lost, "clean link", "link");
    const struct impair_config full = {.seed = 2, .drop_per_block = IMPAIR_PARITY};
    c = run_link(self, &full, 50, 60000, false);
    check(self, c.frames_delivered == 50 && c.max_blocks == 2 && !c.frames_lost, "m lost in each block", "link");
    const struct impair_config reorder = {.seed = 3, .reorder = 16, .duplicate_percent = 20};
    c = run_link(self, &reorder, 50, 20000, false);
    check(self, c.frames_delivered == 50 && !c.frames_lost, "reordered and repeated", "link");
    const struct impair_config beyond = {.seed = 4, .drop_per_block = IMPAIR_PARITY_AND_ONE, .every = 10};
    c = run_link(self, &beyond, 60, 20000, false);
    check(self, c.frames_lost == 6 && self->idr_requests >= 5 && c.idr >= 6, "beyond parity: IDR", "link");
    check(self, c.frames_complete == 54 && !c.malformed, "beyond parity: others whole", "link");
    c = run_link(self, &beyond, 60, 20000, true);
    check(self, self->idr_requests == 0 && self->invalidations == 6 && c.frames_delivered == 54,
          "beyond parity: invalidation", "link");
    const struct impair_config noise = {.seed = 5, .loss_percent = 5, .burst = 3, .reorder = 4, .duplicate_percent = 5};
    c = run_link(self, &noise, 200, 20000, false);
    check(self, c.frames_complete + c.frames_lost >= 199 && !c.malformed, "noisy link", "link");
}

static bool same_hex(const uint8_t *data, size_t size, const char *hex)
{
    char *text = malloc(2 * size + 1);
    bool same = false;
    if (text) {
        text_hex(data, size, text);
        same = !strcmp(text, hex);
    }
    free(text);
    return same;
}

static void check_pairing(struct selftest *self, const json_t *root, X509 *host, X509 *client, EVP_PKEY *key)
{
    const json_t *in = json_object_get(root, "inputs"), *two = json_object_get(root, "phase2");
    const json_t *three = json_object_get(root, "phase3"), *four = json_object_get(root, "phase4");
    uint8_t salt[16], challenge[16], secret[16], server_secret[16], server_challenge[16], out[272], proof[272];
    struct pair_key k;
    bytes_of(text_of(in, "salt"), salt, 16);
    bytes_of(text_of(in, "client_challenge"), challenge, 16);
    bytes_of(text_of(in, "client_secret"), secret, 16);
    bytes_of(text_of(in, "server_secret"), server_secret, 16);
    bytes_of(text_of(in, "server_challenge"), server_challenge, 16);
    check(self, pair_derive_key(salt, text_of(in, "pin_ascii"), &k), "key", "pairing");
    check(self, same_hex(k.bytes, 16, text_of(json_object_get(root, "key"), "aes_key")), "key bytes", "pairing");
    pair_encrypt(&k, challenge, 16, out);
    check(self, same_hex(out, 16, text_of(two, "request_clientchallenge")), "clientchallenge", "pairing");
    bytes_of(text_of(two, "response_challengeresponse"), proof, sizeof(proof));
    pair_decrypt(&k, proof, 48, out);
    check(self, same_hex(out, 48, text_of(two, "response_plaintext")), "challengeresponse", "pairing");
    pair_commitment(challenge, host, server_secret, proof);
    check(self, !memcmp(proof, out, 32), "hash of the host", "pairing");
    pair_commitment(server_challenge, client, secret, out);
    pair_encrypt(&k, out, 32, proof);
    check(self, same_hex(proof, 32, text_of(three, "request_serverchallengeresp")), "serverchallengeresp", "pairing");
    check(self, bytes_of(text_of(three, "response_pairingsecret"), proof, sizeof(proof)) == 272, "length", "pairing");
    check(self, pair_verify(host, proof, proof + 16, 256), "signature of the host", "pairing");
    proof[40] ^= 1;
    check(self, !pair_verify(host, proof, proof + 16, 256), "changed signature", "pairing");
    memcpy(out, secret, 16);
    check(self, pair_sign(key, secret, out + 16), "sign", "pairing");
    check(self, same_hex(out, 272, text_of(four, "request_clientpairingsecret")), "clientpairingsecret", "pairing");
}

static void test_pairing_vectors(struct selftest *self)
{
    json_t *root = load(self, "pairing.json");
    const json_t *in = json_object_get(root, "inputs");
    X509 *host = identity_parse_pem(text_of(in, "host_cert_pem"));
    X509 *client = identity_parse_pem(text_of(in, "client_cert_pem"));
    BIO *bio = BIO_new_mem_buf(text_of(in, "client_key_pem"), -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    if (check(self, host && client && key, "pairing.json", "load"))
        check_pairing(self, root, host, client, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
    X509_free(client);
    X509_free(host);
    json_decref(root);
}

/* Sealed messages byte for byte, by the same seal and IVs that control.c and rtsp.c use. `from` is where the
 * ciphertext begins; the tag stands before it. */
static void check_sealed(struct selftest *self, const json_t *entry, const char *letters, size_t from)
{
    uint8_t key[16], iv[12], plain[8192], wire[8192], out[8192], tag[16];
    const char *name = text_of(entry, "name");
    size_t size = bytes_of(text_of(entry, "plaintext_hex"), plain, sizeof(plain));
    size_t total = bytes_of(text_of(entry, "wire_hex"), wire, sizeof(wire));
    bytes_of(text_of(entry, "key"), key, sizeof(key));
    struct seal *seal = seal_create(key);
    seal_iv((uint32_t)number_of(entry, "seq"), letters, iv);
    if (check(self, seal && size && total == size + from, "sealed sizes", name)) {
        check(self, same_hex(iv, 12, text_of(entry, "iv")), "IV", name);
        check(self, seal_close(seal, iv, plain, size, out, tag) && !memcmp(out, wire + from, size), "seal", name);
        check(self, !memcmp(tag, wire + from - 16, 16), "tag", name);
        check(self, seal_open(seal, iv, tag, wire + from, size, out) && !memcmp(out, plain, size), "open", name);
        tag[0] ^= 1;
        check(self, !seal_open(seal, iv, tag, wire + from, size, out), "wrong tag", name);
    }
    seal_destroy(seal);
}

static void test_sealed_vectors(struct selftest *self)
{
    enum { ENVELOPE = 24 };
    json_t *root = load(self, "control.json"), *entry;
    const json_t *control = json_object_get(root, "control_v2"), *rtsp = json_object_get(root, "rtsp_encrypted");
    size_t i;
    check(self, root != NULL, "control.json", "load");
    json_array_foreach(json_object_get(control, "client_to_host"), i, entry) check_sealed(self, entry, "CC", ENVELOPE);
    json_array_foreach(json_object_get(control, "host_to_client"), i, entry) check_sealed(self, entry, "HC", ENVELOPE);
    json_array_foreach(json_object_get(rtsp, "dialog"), i, entry)
    {
        check_sealed(self, json_object_get(entry, "request"), "CR", ENVELOPE);
        check_sealed(self, json_object_get(entry, "reply"), "HR", ENVELOPE);
    }
    json_decref(root);
}

struct played {
    uint8_t bytes[8][SOUND_PAYLOAD_MAX];
    size_t sizes[8];
    int count, concealed;
};

static void on_payload(void *ctx, uint16_t sequence, const uint8_t *data, size_t size)
{
    struct played *self = ctx;
    (void)sequence;
    self->concealed += !data;
    if (!data || self->count == 8)
        return;
    memcpy(self->bytes[self->count], data, size);
    self->sizes[self->count++] = size;
}

/* One recorded block without the packets of `lost` (a bit each), then the beginning of the next one. */
static void check_sound_block(struct selftest *self, const json_t *block, unsigned lost)
{
    struct played played = {.count = 0};
    uint8_t packet[2 * SOUND_PAYLOAD_MAX], frame[SOUND_PAYLOAD_MAX];
    const json_t *data = json_object_get(block, "data_packets"), *parity = json_object_get(block, "fec_packets");
    struct sound_queue *queue =
        sound_queue_create(&(struct sound_queue_config){.packet_ms = number_of(block, "packet_duration_ms"),
                                                        .keep_start = true,
                                                        .ctx = &played,
                                                        .payload = on_payload});
    char which[96];
    snprintf(which, sizeof(which), "%s without %02x", text_of(block, "name"), lost);
    for (size_t i = 0; i < 6; i++) {
        const json_t *hex = i < 4 ? json_array_get(data, i) : json_array_get(parity, i - 4);
        size_t size = bytes_of(json_string_value(hex), packet, sizeof(packet));
        if (!(lost >> i & 1))
            sound_queue_packet(queue, packet, size, 1);
    }
    size_t size = bytes_of(json_string_value(json_array_get(data, 0)), packet, sizeof(packet));
    bytes_put_u16be(packet + 2, (uint16_t)(number_of(block, "base_seq") + 4));
    sound_queue_packet(queue, packet, size, 2);
    int losses = __builtin_popcount(lost), lost_data = __builtin_popcount(lost & 15);
    check(self, played.count == (losses > 2 ? 4 - lost_data : 4) + 1, "sound packets played", which);
    check(self, played.concealed == (losses > 2 ? lost_data : 0), "sound packets concealed", which);
    for (size_t i = 0; i < 4 && losses <= 2; i++) {
        const json_t *entry = json_array_get(json_object_get(block, "frames"), i);
        size_t expected = bytes_of(text_of(entry, "payload"), frame, sizeof(frame));
        check(self, expected == played.sizes[i] && !memcmp(frame, played.bytes[i], expected), "sound payload", which);
    }
    struct sound_queue_counters counters = sound_queue_get_counters(queue);
    check(self, !counters.fec_off && !counters.malformed, "sound rules", which);
    sound_queue_destroy(queue);
}

static void test_sound_vectors(struct selftest *self)
{
    json_t *root = load(self, "audio.json"), *block;
    size_t i;
    check(self, root != NULL, "audio.json", "load");
    json_array_foreach(json_object_get(root, "blocks"), i, block)
    {
        for (unsigned lost = 0; lost < 64; lost++) {
            if (__builtin_popcount(lost) <= 3)
                check_sound_block(self, block, lost);
        }
    }
    json_decref(root);
}

/* A recorded packet made anew from what it says. False: a kind that we do not send. */
static bool packet_of(const char *name, const json_t *p, struct input_packet *ret_packet)
{
    struct input_contact contact = {
        .event = (uint8_t)number_of(p, "event"),
        .pointer = (uint32_t)json_integer_value(json_object_get(p, "pointer_id")),
        .tool = (uint8_t)number_of(p, "tool"),
        .buttons = (uint8_t)number_of(p, "buttons"),
        .tilt = (uint8_t)number_of(p, "tilt"),
        .rotation = (uint16_t)number_of(p, "rotation"),
        .x = (float)json_number_value(json_object_get(p, "x")),
        .y = (float)json_number_value(json_object_get(p, "y")),
        .pressure = (float)json_number_value(json_object_get(p, "pressure_or_distance")),
        .major = (float)json_number_value(json_object_get(p, "major")),
        .minor = (float)json_number_value(json_object_get(p, "minor")),
    };
    int16_t x = (int16_t)number_of(p, "x"), y = (int16_t)number_of(p, "y"), amount = (int16_t)number_of(p, "amount");
    const char *text = text_of(p, "text");
    bool down = strstr(name, "_down#");
    if (!strncmp(name, "key_", 4))
        *ret_packet = input_key((uint16_t)number_of(p, "key_code"), down, (uint8_t)number_of(p, "modifiers"),
                                (uint8_t)number_of(p, "flags"));
    else if (!strncmp(name, "utf8_", 5))
        *ret_packet = input_text(text, strlen(text));
    else if (!strncmp(name, "mouse_move_rel", 14))
        *ret_packet = input_move((int16_t)number_of(p, "dx"), (int16_t)number_of(p, "dy"));
    else if (!strncmp(name, "mouse_move_abs", 14))
        *ret_packet = input_position(x, y, (int16_t)(number_of(p, "ref_w") + 1), (int16_t)(number_of(p, "ref_h") + 1));
    else if (!strncmp(name, "mouse_button", 12))
        *ret_packet = input_button((uint8_t)number_of(p, "button"), down);
    else if (!strncmp(name, "scroll", 6))
        *ret_packet = input_wheel(amount, !strncmp(name, "scroll_h", 8));
    else if (!strncmp(name, "touch", 5))
        *ret_packet = input_touch(&contact);
    else if (!strncmp(name, "pen", 3))
        *ret_packet = input_pen(&contact);
    else if (!strncmp(name, "enable_haptics", 14))
        *ret_packet = input_haptics(number_of(p, "enable"));
    else
        return false;
    return true;
}

static void test_input_vectors(struct selftest *self)
{
    json_t *root = load(self, "input.json"), *entry;
    size_t i;
    int known = 0, pen_buttons = 0;
    check(self, root != NULL, "input.json", "load");
    json_array_foreach(json_object_get(root, "valid"), i, entry)
    {
        const char *name = text_of(entry, "name");
        const json_t *params = json_object_get(entry, "params");
        uint8_t expected[INPUT_BYTES_MAX];
        struct input_packet packet;
        if (!packet_of(name, params, &packet))
            continue;
        known++;
        if (!strncmp(name, "pen", 3)) {
            packet.unreliable &= pen_buttons == number_of(params, "buttons");
            pen_buttons = number_of(params, "buttons");
        }
        size_t size = bytes_of(text_of(entry, "input_hex"), expected, sizeof(expected));
        check(self, size && size == packet.size && !memcmp(expected, packet.bytes, size), "input packet", name);
        check(self, packet.channel == number_of(entry, "channel"), "input channel", name);
        check(self, packet.unreliable == !!strncmp(text_of(entry, "enet_flags"), "reliable", 8), "input's way", name);
    }
    check(self, known > 80, "recorded input packets", "input.json");
    json_decref(root);
}

static void note_packet(void *ctx, const struct input_packet *packet)
{
    char *hex = ctx;
    text_hex(packet->bytes, packet->size, hex + strlen(hex));
}

static void test_script(struct selftest *self)
{
    static const struct {
        const char *line, *packets; /* NULL: not understood */
    } rows[] = {
        {"key 41 down 1", "0000000a03000000004180010000"},
        {"key dc up 0 1", "0000000a0400000001dc80000000"},
        {"text \u20acH\\n", "0000000717000000e282ac0000000517000000480000000517000000"
                            "0a"},
        {"move -300 250", "0000000807000000fed400fa"},
        {"position 400 300 812 429", "0000000e050000000190012c0000032b01ac"},
        {"button 5 up", "000000050900000005"},
        {"wheel -17", "0000000a0a000000ffefffef0000"},
        {"hwheel 600", "00000006010000550258"},
        {"raw 3 0102ff", "0102ff"},
        {"hello", "000000060d00000001000000000807000000000100010000000807000000ffffffff"},
        {"key 41", NULL},
        {"key 41 sideways", NULL},
        {"button 1", NULL},
        {"raw 3 0", NULL},
        {"jump", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char hex[512] = "";
        bool good = script_do(rows[i].line, note_packet, hex);
        check(self, good == !!rows[i].packets, "script line understood", rows[i].line);
        check(self, !good || !strcmp(hex, rows[i].packets), "script's packets", rows[i].line);
    }
}

int selftest_run(int argc, char **argv)
{
    struct selftest self = {.folder = argc > 0 ? argv[0] : "tests/vectors"};
    self.fec = fec_create();
    self.frame = malloc(FRAME_MAX);
    if (self.fec && self.frame) {
        test_video_vectors(&self);
        test_links(&self);
        test_pairing_vectors(&self);
        test_sealed_vectors(&self);
        test_sound_vectors(&self);
        test_input_vectors(&self);
        test_script(&self);
    }
    printf("{\"checks\": %d, \"failures\": %d}\n", self.checks, self.failures);
    fec_destroy(self.fec);
    free(self.frame);
    return self.failures || !self.checks;
}

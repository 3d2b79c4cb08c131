/* SPDX-License-Identifier: Apache-2.0 */
/* control_host with real libenet clients on loopback. Callbacks run on the control thread; the test waits for them. */
#include "net/control_host.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/thread.h"
#include "control_vectors.h"
#include "protocol/control.h"
#include "protocol/crypto.h"

#include <arpa/inet.h>
#include <enet/enet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGES_MAX = 4096 };
static const int64_t patience_ns = 30 * CLOCK_SECOND_NS; /* only reached when something is broken */
static const uint8_t key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

struct listener {
    struct mutex lock;
    struct cond changed;
    int connected, ended;
    enum control_end why;
    struct address peer, local;
    int message_count;
    uint16_t types[MESSAGES_MAX];
};

struct client {
    ENetHost *enet;
    ENetPeer *peer;
    struct gcm *gcm;
    uint32_t sequence;
    int connected, disconnected;
    uint8_t received[64][64];
    int received_count;
};

struct rig {
    struct control_host *host;
    struct listener listener;
};

static void on_connected(void *ctx, const struct address *peer, const struct address *local)
{
    struct listener *self = ctx;
    mutex_lock(&self->lock);
    self->connected++;
    self->peer = *peer;
    self->local = *local;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->lock);
}

static void on_message(void *ctx, uint16_t type, const uint8_t *payload, size_t size)
{
    struct listener *self = ctx;
    (void)payload, (void)size;
    mutex_lock(&self->lock);
    if (self->message_count < MESSAGES_MAX)
        self->types[self->message_count++] = type;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->lock);
}

static void on_ended(void *ctx, enum control_end why)
{
    struct listener *self = ctx;
    mutex_lock(&self->lock);
    self->ended++;
    self->why = why;
    cond_broadcast(&self->changed);
    mutex_unlock(&self->lock);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct address any;
    assert_true(address_parse("0.0.0.0", 0, &any));
    mutex_init(&rig->listener.lock);
    cond_init(&rig->listener.changed);
    rig->host = control_host_create(&any);
    *state = rig;
    return !rig->host;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    control_host_destroy(rig->host);
    cond_finish(&rig->listener.changed);
    mutex_finish(&rig->listener.lock);
    free(rig);
    return 0;
}

static uint32_t add(struct rig *rig, uint32_t data, struct listener *listener)
{
    struct control_session_config config = {
        .connect_data = data, .connected = on_connected, .message = on_message, .ended = on_ended, .ctx = listener};
    memcpy(config.key, key, sizeof(key));
    return control_host_add(rig->host, &config);
}

static void client_connect(struct client *client, struct rig *rig, const char *from, uint32_t data)
{
    *client = (struct client){0};
    ENetAddress local = {.port = 0}, remote = {.port = control_host_port(rig->host)};
    enet_address_set_host_ip(&local, from);
    enet_address_set_host_ip(&remote, "127.0.0.1");
    client->enet = enet_host_create(&local, 1, 64, 0, 0);
    assert_non_null(client->enet);
    client->enet->peers[0].mtu = 900; /* as clients ask */
    client->peer = enet_host_connect(client->enet, &remote, 48, data);
    client->gcm = gcm_create(key);
    assert_non_null(client->gcm);
}

static void client_close(struct client *client)
{
    enet_host_destroy(client->enet);
    gcm_destroy(client->gcm);
}

static void client_service(struct client *client, uint32_t wait_ms)
{
    ENetEvent event;
    while (enet_host_service(client->enet, &event, wait_ms) > 0) {
        wait_ms = 0;
        if (event.type == ENET_EVENT_TYPE_CONNECT)
            client->connected++;
        if (event.type == ENET_EVENT_TYPE_DISCONNECT)
            client->disconnected++;
        if (event.type != ENET_EVENT_TYPE_RECEIVE)
            continue;
        if (event.packet->dataLength <= 64 && client->received_count < 64)
            memcpy(client->received[client->received_count], event.packet->data, event.packet->dataLength);
        client->received_count++;
        enet_packet_destroy(event.packet);
    }
}

/* Services the client until `*value` (of the listener: read under its lock) is at least `wanted`. */
static bool reaches(struct client *client, struct listener *listener, const int *value, int wanted)
{
    int64_t until_ns = clock_now_ns() + patience_ns;
    while (clock_now_ns() < until_ns) {
        client_service(client, 5);
        mutex_lock(&listener->lock);
        bool reached = *value >= wanted;
        mutex_unlock(&listener->lock);
        if (reached)
            return true;
    }
    return false;
}

static size_t seal(struct client *client, uint32_t sequence, uint16_t type, uint8_t ret_packet[64])
{
    uint8_t plain[12] = {0}, iv[12] = {0};
    bytes_put_u16le(plain, type);
    bytes_put_u16le(plain + 2, 8);
    bytes_put_u32le(iv, sequence);
    iv[10] = iv[11] = 'C';
    bytes_put_u16le(ret_packet, 1);
    bytes_put_u16le(ret_packet + 2, 20 + sizeof(plain));
    bytes_put_u32le(ret_packet + 4, sequence);
    assert_true(gcm_seal(client->gcm, iv, sizeof(iv), plain, sizeof(plain), ret_packet + 24, ret_packet + 8));
    return 24 + sizeof(plain);
}

static void client_send_bytes(struct client *client, uint8_t channel, uint32_t flags, const uint8_t *bytes, size_t size)
{
    ENetPacket *packet = enet_packet_create(bytes, size, flags);
    assert_int_equal(enet_peer_send(client->peer, channel, packet), 0);
}

static void client_send(struct client *client, uint8_t channel, uint32_t flags, uint16_t type)
{
    uint8_t bytes[64];
    size_t size = seal(client, client->sequence++, type, bytes);
    client_send_bytes(client, channel, flags, bytes, size);
}

static uint64_t counter_when(struct rig *rig, struct client *client, size_t offset, uint64_t wanted)
{
    int64_t until_ns = clock_now_ns() + patience_ns;
    uint64_t value = 0;
    while (value < wanted && clock_now_ns() < until_ns) {
        if (client)
            client_service(client, 5);
        else
            poll(NULL, 0, 5);
        struct control_counters counters = control_host_counters(rig->host);
        memcpy(&value, (const char *)&counters + offset, sizeof(value));
    }
    return value;
}
#define COUNTER_WHEN(rig, client, name, wanted)                                                                        \
    counter_when(rig, client, offsetof(struct control_counters, name), wanted)

static void a_client_connects_and_its_messages_on_all_channels_arrive(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    assert_int_not_equal(add(rig, 0xdeadbeef, listener), 0);
    struct client client;
    client_connect(&client, rig, "127.0.0.1", 0xdeadbeef);
    assert_true(reaches(&client, listener, &listener->connected, 1));
    char text[ADDRESS_TEXT_MAX];
    address_text(&listener->local, text);
    assert_string_equal(text, "127.0.0.1");
    assert_int_equal(address_port(&listener->local), control_host_port(rig->host));
    address_text(&listener->peer, text);
    assert_string_equal(text, "127.0.0.1");
    assert_true(reaches(&client, listener, &client.connected, 1));
    assert_int_equal(client.peer->channelCount, 48);
    assert_int_equal(client.peer->mtu, 900);

    for (uint8_t channel = 0; channel < 48; channel++)
        client_send(&client, channel, ENET_PACKET_FLAG_RELIABLE, 0x0200);
    client_send(&client, 5, 0, 0x0206);
    client_send(&client, 0, ENET_PACKET_FLAG_UNSEQUENCED, 0x3000);
    assert_true(reaches(&client, listener, &listener->message_count, 50));
    struct control_counters counters = control_host_counters(rig->host);
    assert_int_equal(counters.messages, 50);
    assert_int_equal(counters.unknown, 1); /* 0x3000 */
    assert_int_equal(counters.tags_bad + counters.envelopes_bad + counters.replays, 0);

    enet_peer_disconnect(client.peer, 0);
    assert_true(reaches(&client, listener, &listener->ended, 1));
    assert_int_equal(listener->why, CONTROL_END_PEER);
    client_close(&client);
}

static void replays_and_broken_messages_are_dropped_and_counted(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    assert_int_not_equal(add(rig, 7, listener), 0);
    struct client client;
    client_connect(&client, rig, "127.0.0.1", 7);
    assert_true(reaches(&client, listener, &client.connected, 1));
    uint8_t bytes[64], broken[64];
    size_t size = seal(&client, 9, 0x0200, bytes);
    memcpy(broken, bytes, size);
    broken[30] ^= 1;
    client_send_bytes(&client, 0, ENET_PACKET_FLAG_RELIABLE, bytes, size);
    client_send_bytes(&client, 1, ENET_PACKET_FLAG_RELIABLE, bytes, size);
    client_send_bytes(&client, 2, ENET_PACKET_FLAG_RELIABLE, broken, size);
    client_send_bytes(&client, 3, ENET_PACKET_FLAG_RELIABLE, bytes, size - 1);
    client_send_bytes(&client, 3, ENET_PACKET_FLAG_RELIABLE, bytes, 1);
    assert_int_equal(COUNTER_WHEN(rig, &client, envelopes_bad, 2), 2);
    assert_int_equal(COUNTER_WHEN(rig, &client, replays, 1), 1);
    assert_int_equal(COUNTER_WHEN(rig, &client, tags_bad, 1), 1);
    assert_int_equal(COUNTER_WHEN(rig, &client, messages, 1), 1);
    assert_int_equal(listener->ended, 0);
    client_close(&client);
}

static void the_64th_broken_message_ends_the_session(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    assert_int_not_equal(add(rig, 8, listener), 0);
    struct client client;
    client_connect(&client, rig, "127.0.0.1", 8);
    assert_true(reaches(&client, listener, &client.connected, 1));
    uint8_t bytes[64];
    size_t size = seal(&client, 0, 0x0200, bytes);
    bytes[10] ^= 1;
    for (int i = 0; i < 63; i++)
        client_send_bytes(&client, 0, ENET_PACKET_FLAG_RELIABLE, bytes, size);
    assert_int_equal(COUNTER_WHEN(rig, &client, tags_bad, 63), 63);
    assert_int_equal(listener->ended, 0);
    client_send_bytes(&client, 0, ENET_PACKET_FLAG_RELIABLE, bytes, size);
    assert_true(reaches(&client, listener, &listener->ended, 1));
    assert_int_equal(listener->why, CONTROL_END_ABUSE);
    assert_true(reaches(&client, listener, &client.disconnected, 1));
    client_close(&client);
}

static void messages_of_the_host_and_the_termination_code_arrive_in_order(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    uint32_t id = add(rig, 9, listener);
    struct control_hdr off = {0};
    struct control_payload hdr = control_hdr_mode(&off);
    control_host_send(rig->host, id, hdr.type, hdr.bytes, hdr.size); /* waits for the client */
    struct client client;
    client_connect(&client, rig, "127.0.0.1", 9);
    assert_true(reaches(&client, listener, &client.connected, 1));
    assert_true(reaches(&client, listener, &client.received_count, 1));
    control_host_end(rig->host, id, CONTROL_CODE_GRACEFUL);
    assert_true(reaches(&client, listener, &client.disconnected, 1));
    assert_true(reaches(&client, listener, &listener->ended, 1));
    assert_int_equal(listener->why, CONTROL_END_OURS);
    assert_int_equal(client.received_count, 2);

    uint8_t plain[8], iv[12] = {1, [10] = 'H', [11] = 'C'};
    const uint8_t *packet = client.received[1];
    assert_true(gcm_open(client.gcm, iv, sizeof(iv), packet + 24, 8, packet + 8, plain));
    const uint8_t termination[] = {0x09, 0x01, 4, 0, 0x80, 0x03, 0x00, 0x23};
    assert_memory_equal(plain, termination, sizeof(termination));
    client_close(&client);
}

static void a_full_queue_gives_up_the_oldest_of_the_same_type(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    uint32_t id = add(rig, 10, listener);
    for (uint8_t i = 0; i < 63; i++)
        control_host_send(rig->host, id, 0x010b, &i, 1);
    for (uint8_t i = 100; i < 103; i++)
        control_host_send(rig->host, id, 0x5502, &i, 1);
    struct client client;
    client_connect(&client, rig, "127.0.0.1", 10);
    assert_true(reaches(&client, listener, &client.received_count, 64));
    int rumbles = 0;
    for (int i = 0; i < 64; i++) {
        uint8_t plain[5], iv[12] = {(uint8_t)i, [10] = 'H', [11] = 'C'};
        assert_true(gcm_open(client.gcm, iv, sizeof(iv), client.received[i] + 24, 5, client.received[i] + 8, plain));
        rumbles += bytes_get_u16le(plain) == 0x010b;
        if (i == 63)
            assert_int_equal(plain[4], 102);
    }
    assert_int_equal(rumbles, 63);
    client_close(&client);
}

static void strangers_get_no_peer(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    assert_int_not_equal(add(rig, 11, listener), 0);
    struct client stranger, client;
    client_connect(&stranger, rig, "127.0.0.2", 12);
    assert_true(COUNTER_WHEN(rig, &stranger, connects_refused, 1) >= 1);
    assert_int_equal(stranger.connected, 0);

    client_connect(&client, rig, "127.0.0.1", 11);
    assert_true(reaches(&client, listener, &client.connected, 1));
    client_close(&stranger);
    uint64_t refused = control_host_counters(rig->host).connects_refused;
    client_connect(&stranger, rig, "127.0.0.2", 11); /* the right data, but its session has its peer */
    assert_true(COUNTER_WHEN(rig, &stranger, connects_refused, refused + 1) > refused);
    assert_int_equal(stranger.connected, 0);
    assert_int_equal(listener->connected, 1);
    client_close(&stranger);
    client_close(&client);
}

static void a_session_matched_by_address_takes_any_data_from_there_only(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    struct control_session_config config = {.connect_data = 77,
                                            .match_by_ip = true,
                                            .connected = on_connected,
                                            .message = on_message,
                                            .ended = on_ended,
                                            .ctx = listener};
    assert_true(address_parse("127.0.0.3", 4711, &config.peer_ip));
    assert_int_not_equal(control_host_add(rig->host, &config), 0);
    struct client client;
    client_connect(&client, rig, "127.0.0.2", 0);
    assert_true(COUNTER_WHEN(rig, &client, connects_refused, 1) >= 1);
    assert_int_equal(listener->connected, 0);
    client_close(&client);
    client_connect(&client, rig, "127.0.0.3", 0);
    assert_true(reaches(&client, listener, &client.connected, 1));
    assert_true(reaches(&client, listener, &listener->connected, 1));
    client_close(&client);
}

/* A client in one datagram: what comes back, within the patience, or 0 bytes when the host has counted a refusal. */
static ssize_t send_datagram(struct rig *rig, const uint8_t *bytes, size_t size, uint8_t *ret_answer, size_t capacity)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(control_host_port(rig->host)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t refused = control_host_counters(rig->host).connects_refused;
    assert_int_equal(sendto(fd, bytes, size, 0, (struct sockaddr *)&to, sizeof(to)), size);
    ssize_t got = 0;
    int64_t until_ns = clock_now_ns() + patience_ns;
    while (clock_now_ns() < until_ns) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        if (poll(&readable, 1, 5) > 0) {
            got = recv(fd, ret_answer, capacity, 0);
            break;
        }
        if (control_host_counters(rig->host).connects_refused > refused)
            break;
    }
    close(fd);
    return got;
}

static void the_recorded_connect_is_answered_only_with_the_right_data(void **state)
{
    struct rig *rig = *state;
    json_t *root = vectors_load();
    json_t *datagrams = json_object_get(json_object_get(root, "enet_datagrams"), "datagrams");
    size_t size, verify_size;
    uint8_t answer[256];
    uint8_t *connect_bytes = vectors_bytes(json_array_get(datagrams, 0), "wire_hex", &size);
    uint8_t *verify_bytes = vectors_bytes(json_array_get(datagrams, 1), "wire_hex", &verify_size);
    assert_int_equal(send_datagram(rig, connect_bytes, size, answer, sizeof(answer)), 0); /* no session */
    assert_int_not_equal(add(rig, 0xdeadbeee, &rig->listener), 0);
    assert_int_equal(send_datagram(rig, connect_bytes, size, answer, sizeof(answer)), 0); /* of another one */
    assert_int_not_equal(add(rig, 0xdeadbeef, &rig->listener), 0);
    assert_int_equal(send_datagram(rig, connect_bytes, size, answer, sizeof(answer)), verify_size);
    bytes_put_u16be(verify_bytes + 2, bytes_get_u16be(answer + 2)); /* time sent */
    memcpy(verify_bytes + 8, answer + 8, 4);                        /* the host's choice: peer id and session ids */
    assert_memory_equal(answer, verify_bytes, verify_size);
    free(connect_bytes);
    free(verify_bytes);
    json_decref(root);
}

static void junk_on_the_port_is_counted_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    assert_int_not_equal(add(rig, 1, &rig->listener), 0);
    uint8_t wake_on_lan[102], answer[64];
    memset(wake_on_lan, 0xff, 6);
    for (size_t i = 6; i < sizeof(wake_on_lan); i++)
        wake_on_lan[i] = (uint8_t)(i % 6);
    assert_int_equal(send_datagram(rig, wake_on_lan, sizeof(wake_on_lan), answer, sizeof(answer)), 0);
    assert_int_equal(send_datagram(rig, (const uint8_t *)"\x8f", 1, answer, sizeof(answer)), 0);
    json_t *root = vectors_load();
    json_t *datagrams = json_object_get(json_object_get(root, "enet_datagrams"), "datagrams");
    size_t size;
    uint8_t *connect_bytes = vectors_bytes(json_array_get(datagrams, 0), "wire_hex", &size);
    for (size_t part = 1; part < size; part++)
        assert_int_equal(send_datagram(rig, connect_bytes, part, answer, sizeof(answer)), 0);
    assert_int_equal(control_host_counters(rig->host).connects_refused, 2 + size - 1);
    assert_int_equal(json_array_size(datagrams), 16);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(control_host_port(rig->host)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 1; i < 16; i++) { /* of a conversation that does not exist here */
        size_t part_size;
        uint8_t *bytes = vectors_bytes(json_array_get(datagrams, i), "wire_hex", &part_size);
        sendto(fd, bytes, part_size, 0, (struct sockaddr *)&to, sizeof(to));
        free(bytes);
    }
    close(fd);
    free(connect_bytes);
    json_decref(root);
    struct client client; /* and a client still gets in */
    client_connect(&client, rig, "127.0.0.1", 1);
    assert_true(reaches(&client, &rig->listener, &client.connected, 1));
    client_close(&client);
}

static void a_silent_client_times_out(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    assert_int_not_equal(add(rig, 13, listener), 0);
    struct client client;
    client_connect(&client, rig, "127.0.0.1", 13);
    assert_true(reaches(&client, listener, &client.connected, 1));
    int64_t until_ns = clock_now_ns() + patience_ns;
    mutex_lock(&listener->lock); /* from here on nobody serves the client */
    while (!listener->ended && cond_wait_until(&listener->changed, &listener->lock, until_ns))
        ;
    assert_int_equal(listener->ended, 1);
    assert_int_equal(listener->why, CONTROL_END_TIMEOUT);
    mutex_unlock(&listener->lock);
    client_close(&client);
}

static void sessions_that_never_connected_end_at_once(void **state)
{
    struct rig *rig = *state;
    struct listener *listener = &rig->listener;
    uint32_t id = add(rig, 14, listener);
    assert_int_not_equal(id, 0);
    assert_int_equal(add(rig, 14, listener), 0); /* repeated */
    control_host_end(rig->host, id, CONTROL_CODE_GRACEFUL);
    int64_t until_ns = clock_now_ns() + patience_ns;
    mutex_lock(&listener->lock);
    while (!listener->ended && cond_wait_until(&listener->changed, &listener->lock, until_ns))
        ;
    assert_int_equal(listener->why, CONTROL_END_OURS);
    mutex_unlock(&listener->lock);
    assert_int_not_equal(add(rig, 14, listener), 0); /* free again */
    control_host_send(rig->host, id, 1234, "", 0);   /* of one that is gone: nothing */
    control_host_end(rig->host, id, 0);
}

static void the_table_of_sessions_is_bounded(void **state)
{
    struct rig *rig = *state;
    uint32_t added = 0;
    while (added < 1000 && add(rig, 1000 + added, &rig->listener))
        added++;
    assert_int_equal(added, 32);
}

static void destroying_the_host_tells_the_client(void **state)
{
    (void)state;
    struct rig *rig;
    assert_int_equal(set_up((void **)&rig), 0);
    assert_int_not_equal(add(rig, 15, &rig->listener), 0);
    struct client client;
    client_connect(&client, rig, "127.0.0.1", 15);
    assert_true(reaches(&client, &rig->listener, &client.connected, 1));
    assert_true(reaches(&client, &rig->listener, &rig->listener.connected, 1)); /* its acknowledgement has come, too */
    control_host_destroy(rig->host); /* the client does not answer meanwhile: it is given 2 s */
    rig->host = NULL;
    assert_int_equal(rig->listener.ended, 1);
    assert_int_equal(rig->listener.why, CONTROL_END_OURS);
    assert_true(reaches(&client, &rig->listener, &client.received_count, 1));
    client_close(&client);
    assert_int_equal(tear_down((void **)&rig), 0);
}

static void a_taken_port_is_refused(void **state)
{
    struct rig *rig = *state;
    struct address same;
    assert_true(address_parse("0.0.0.0", control_host_port(rig->host), &same));
    assert_null(control_host_create(&same));
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_RIG(a_client_connects_and_its_messages_on_all_channels_arrive),
        WITH_RIG(replays_and_broken_messages_are_dropped_and_counted),
        WITH_RIG(the_64th_broken_message_ends_the_session),
        WITH_RIG(messages_of_the_host_and_the_termination_code_arrive_in_order),
        WITH_RIG(a_full_queue_gives_up_the_oldest_of_the_same_type),
        WITH_RIG(strangers_get_no_peer),
        WITH_RIG(a_session_matched_by_address_takes_any_data_from_there_only),
        WITH_RIG(the_recorded_connect_is_answered_only_with_the_right_data),
        WITH_RIG(junk_on_the_port_is_counted_and_changes_nothing),
        WITH_RIG(a_silent_client_times_out),
        WITH_RIG(sessions_that_never_connected_end_at_once),
        WITH_RIG(the_table_of_sessions_is_bounded),
        cmocka_unit_test(destroying_the_host_tells_the_client),
        WITH_RIG(a_taken_port_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

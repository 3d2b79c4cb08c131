/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/control.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/client/seal.h"

#include <enet/enet.h>
#include <stdlib.h>

enum {
    CHANNELS = 48,
    MTU = 900,
    ENVELOPE = 24,
    PLAIN_MAX = 255, /* clients never send more */
    TYPE_SEALED = 0x0001,
    TYPE_TERMINATION = 0x0109,
    TYPE_HDR = 0x010e,
    TIMEOUT_MS = 10000,
    LINGER_MS = 2000,
};

struct control {
    ENetHost *host;
    ENetPeer *peer;
    struct seal *seal;
    enum control_state state;
    uint32_t next_seq;
    struct control_counters counters;
};

struct control *control_create(const struct sockaddr_in *host, uint16_t port, uint32_t connect_data,
                               const uint8_t key[16])
{
    struct control *self = calloc(1, sizeof(*self));
    if (!self || enet_initialize())
        goto fail;
    self->seal = seal_create(key);
    self->host = enet_host_create(NULL, 1, CHANNELS, 0, 0);
    if (!self->seal || !self->host)
        goto fail;
    self->host->mtu = MTU;
    ENetAddress address = {.host = host->sin_addr.s_addr, .port = port};
    self->peer = enet_host_connect(self->host, &address, CHANNELS, connect_data);
    if (!self->peer)
        goto fail;
    enet_peer_timeout(self->peer, 2, TIMEOUT_MS, TIMEOUT_MS);
    return self;

fail:
    control_destroy(self);
    return NULL;
}

void control_destroy(struct control *self)
{
    if (!self)
        return;
    if (self->host)
        enet_host_destroy(self->host);
    seal_destroy(self->seal);
    free(self);
}

int control_fd(const struct control *self)
{
    return self->host->socket;
}

static void receive(struct control *self, const ENetPacket *packet)
{
    uint8_t iv[12], plain[4096];
    const uint8_t *data = packet->data;
    size_t size = packet->dataLength;
    if (size < ENVELOPE + 4 || size > sizeof(plain) || bytes_get_u16le(data) != TYPE_SEALED ||
        bytes_get_u16le(data + 2) + 4u != size) {
        self->counters.broken++;
        return;
    }
    seal_iv(bytes_get_u32le(data + 4), "HC", iv);
    size -= ENVELOPE;
    if (!seal_open(self->seal, iv, data + 8, data + ENVELOPE, size, plain) || bytes_get_u16le(plain + 2) + 4u != size) {
        self->counters.broken++;
        return;
    }
    self->counters.received++;
    uint16_t type = bytes_get_u16le(plain);
    if (type == TYPE_TERMINATION && size >= 8) {
        self->counters.terminated = true;
        self->counters.termination = bytes_get_u32be(plain + 4);
    } else if (type == TYPE_HDR) {
        self->counters.hdr++;
    } else {
        self->counters.unknown++;
    }
}

enum control_state control_service(struct control *self)
{
    ENetEvent event;
    while (self->state != CONTROL_GONE && enet_host_service(self->host, &event, 0) > 0) {
        if (event.type == ENET_EVENT_TYPE_CONNECT)
            self->state = CONTROL_CONNECTED;
        else if (event.type == ENET_EVENT_TYPE_DISCONNECT)
            self->state = CONTROL_GONE;
        else if (event.type == ENET_EVENT_TYPE_RECEIVE) {
            receive(self, event.packet);
            enet_packet_destroy(event.packet);
        }
    }
    return self->state;
}

void control_send(struct control *self, uint16_t type, const void *payload, size_t size, uint8_t channel,
                  enum control_way way)
{
    uint8_t plain[PLAIN_MAX], wire[ENVELOPE + PLAIN_MAX], iv[12];
    if (self->state != CONTROL_CONNECTED || size + 4 > PLAIN_MAX)
        return;
    bytes_put_u16le(plain, type);
    bytes_put_u16le(plain + 2, (uint16_t)size);
    memcpy(plain + 4, payload, size);
    bytes_put_u16le(wire, TYPE_SEALED);
    bytes_put_u16le(wire + 2, (uint16_t)(4 + 16 + 4 + size));
    bytes_put_u32le(wire + 4, self->next_seq);
    seal_iv(self->next_seq++, "CC", iv);
    seal_close(self->seal, iv, plain, size + 4, wire + ENVELOPE, wire + 8);
    static const enet_uint32 flags[] = {
        [CONTROL_RELIABLE] = ENET_PACKET_FLAG_RELIABLE, [CONTROL_UNSEQUENCED] = ENET_PACKET_FLAG_UNSEQUENCED};
    ENetPacket *packet = enet_packet_create(wire, ENVELOPE + 4 + size, way == CONTROL_UNRELIABLE ? 0 : flags[way]);
    if (!packet)
        return;
    if (enet_peer_send(self->peer, channel, packet) < 0)
        enet_packet_destroy(packet);
    else
        self->counters.sent++;
}

void control_leave(struct control *self)
{
    int64_t until_ns = clock_now_ns() + LINGER_MS * CLOCK_MS_NS;
    ENetEvent event;
    if (self->state == CONTROL_GONE)
        return;
    enet_peer_disconnect_later(self->peer, 0);
    while (clock_now_ns() < until_ns && enet_host_service(self->host, &event, 10) >= 0) {
        if (event.type == ENET_EVENT_TYPE_RECEIVE) {
            receive(self, event.packet);
            enet_packet_destroy(event.packet);
        } else if (event.type == ENET_EVENT_TYPE_DISCONNECT) {
            break;
        }
    }
    self->state = CONTROL_GONE;
}

struct control_counters control_get_counters(const struct control *self)
{
    struct control_counters counters = self->counters;
    counters.round_trip_ms = self->peer->roundTripTime;
    return counters;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/audio_sender.h"

#include "base/log.h"
#include "net/udp.h"
#include "protocol/audio_packet.h"

#include <stdatomic.h>
#include <stdlib.h>

struct audio_sender {
    struct udp_socket *socket;           /* a reference */
    struct audio_packetiser *packetiser; /* sending thread only, with `path` */
    struct udp_path path;
    atomic_uint port; /* any thread */
    /* the sending thread writes, others read */
    atomic_uint_fast64_t packets, parity_packets, bytes, send_errors, refused;
};

struct audio_sender *audio_sender_create(const struct audio_sender_config *config)
{
    struct audio_sender *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("audio_sender");
    self->packetiser = audio_packetiser_create(&(struct audio_packetiser_config){
        .key = config->key, .key_id = config->key_id, .packet_ms = config->packet_ms});
    if (!self->packetiser) {
        audio_sender_destroy(self);
        return NULL;
    }
    self->socket = config->socket;
    udp_socket_ref(self->socket);
    self->path = (struct udp_path){
        .destination = config->destination, .source = config->source, .tos = config->dscp ? UDP_TOS_AUDIO : 0};
    atomic_init(&self->port, address_port(&config->destination));
    return self;
}

void audio_sender_destroy(struct audio_sender *self)
{
    if (!self)
        return;
    audio_packetiser_destroy(self->packetiser);
    udp_socket_destroy(self->socket);
    free(self);
}

void audio_sender_set_port(struct audio_sender *self, uint16_t port)
{
    atomic_store(&self->port, port);
}

static void send_datagrams(struct audio_sender *self, const struct audio_datagrams *out, atomic_uint_fast64_t *counter)
{
    int sent = udp_send(self->socket, &self->path, out->base, out->size, out->count, UDP_MMSG);
    atomic_fetch_add(counter, (uint64_t)sent);
    atomic_fetch_add(&self->bytes, (uint64_t)sent * out->size);
    atomic_fetch_add(&self->send_errors, (uint64_t)(out->count - sent));
}

bool audio_sender_send(struct audio_sender *self, const uint8_t *opus, size_t size)
{
    struct audio_datagrams out;
    if (!audio_packetiser_add(self->packetiser, opus, size, &out)) {
        atomic_fetch_add(&self->refused, 1);
        return false;
    }
    address_set_port(&self->path.destination, (uint16_t)atomic_load(&self->port));
    send_datagrams(self, &out, &self->packets);
    if (audio_packetiser_parity(self->packetiser, &out))
        send_datagrams(self, &out, &self->parity_packets);
    return true;
}

struct audio_sender_counters audio_sender_get_counters(const struct audio_sender *self)
{
    return (struct audio_sender_counters){
        .packets = atomic_load(&self->packets),
        .parity_packets = atomic_load(&self->parity_packets),
        .bytes = atomic_load(&self->bytes),
        .send_errors = atomic_load(&self->send_errors),
        .refused = atomic_load(&self->refused),
    };
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audio_sender: Opus packets of one session onto the wire: each at once, two parity packets right after every fourth.
 * It has no thread: the one that encodes sends. Nothing allocates after create.
 */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udp_socket; /* net/udp.h */
struct audio_sender;

struct audio_sender_config {
    struct udp_socket *socket;  /* shared by the sessions; a reference is kept */
    struct address destination; /* from the ping */
    struct address source;      /* local address of the control peer; family 0: the kernel's choice */
    const uint8_t *key;         /* 16 bytes, copied: encrypt; NULL: plain */
    uint32_t key_id;            /* rikeyid */
    int packet_ms;              /* duration of a packet */
    bool dscp;                  /* mark as sound */
};

struct audio_sender *audio_sender_create(const struct audio_sender_config *config); /* NULL: logged */
void audio_sender_destroy(struct audio_sender *self);                               /* NULL is fine */

/* One thread. Waits 100 ms at most for room in the socket. False: the packet does not fit its block (see
 * audio_packetiser_add()); what the network does not take is lost and counted instead. */
bool audio_sender_send(struct audio_sender *self, const uint8_t *opus, size_t size);

/* Any thread: the peer's port changed (same address). */
void audio_sender_set_port(struct audio_sender *self, uint16_t port);

struct audio_sender_counters {
    uint64_t packets, parity_packets, bytes, send_errors;
    uint64_t refused; /* packets that did not fit their block */
};
struct audio_sender_counters audio_sender_get_counters(const struct audio_sender *self); /* any thread */

/* SPDX-License-Identifier: Apache-2.0 */
/* receiver: a UDP socket of the client: pings out, datagrams in with the kernel's arrival time, sealed ones opened. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct receiver_datagram {
    const uint8_t *data; /* opened; borrowed for the call */
    size_t size;
    size_t wire_bytes;  /* UDP payload as it came, with what seals it */
    int64_t arrival_ns; /* in the kernel, monotonic clock */
};

struct receiver_config {
    struct sockaddr_in host; /* with port */
    const char *ping;        /* 16 characters, or "" for the legacy ping */
    size_t datagram_max;     /* larger ones are cut and counted, as in clients */
    const uint8_t *key;      /* 16 bytes: datagrams are sealed; NULL: plain */
    void *ctx;
    void (*datagram)(void *ctx, const struct receiver_datagram *datagram);
};

struct receiver_counters {
    uint64_t datagrams, bytes, cut, broken, stale_counter;
    int64_t first_ns;
};

struct receiver;

struct receiver *receiver_create(const struct receiver_config *config); /* NULL: logged */
void receiver_destroy(struct receiver *self);
int receiver_fd(const struct receiver *self);
void receiver_ping(struct receiver *self);
/* Works off all that is there; the number of datagrams. */
unsigned receiver_drain(struct receiver *self);
struct receiver_counters receiver_get_counters(const struct receiver *self);

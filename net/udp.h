/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp: an IPv4 UDP socket shared by sessions. Source address and DSCP go with each message, never with the socket.
 * Sending and receiving from any thread at the same time.
 */
#pragma once

#include "net/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct udp_socket;

/* Bound, non-blocking, 1 MiB and more of send buffer asked for. NULL: logged with address, port and reason. */
struct udp_socket *udp_socket_create(const struct address *bind);
void udp_socket_destroy(struct udp_socket *self); /* gives back a reference, the last one closes; NULL is fine */
/* One more reference, for a thread that may be left behind in a call. Any thread. */
void udp_socket_ref(struct udp_socket *self);
int udp_socket_fd(const struct udp_socket *self); /* for the event loop: readable */
/* The bound address; the port is the chosen one when `bind` had port 0. */
void udp_socket_local(const struct udp_socket *self, struct address *ret_local);

enum udp_receive_result { UDP_RECEIVED, UDP_EMPTY, UDP_FAILED };
/* One datagram, cut at `capacity`. `ret_local`: the address it was sent to, with the socket's port. */
enum udp_receive_result udp_receive(struct udp_socket *self, void *buffer, size_t capacity, size_t *ret_size,
                                    struct address *ret_peer, struct address *ret_local);

enum udp_mode {
    UDP_SINGLE, /* one system call per datagram */
    UDP_MMSG,   /* one per batch */
    UDP_GSO,    /* one per batch, cut into datagrams by the kernel or the network card */
};
enum { UDP_TOS_VIDEO = 40 << 2, UDP_TOS_AUDIO = 48 << 2 };

/* Where to, and what was learned about the way. Belongs to one sending thread. */
struct udp_path {
    struct address destination;
    struct address source; /* family 0: the kernel's choice */
    int tos;               /* 0: unmarked */
    bool gso_refused;      /* set when the kernel refused a batch whose datagrams could be sent one by one */
};

/* Datagrams that one UDP_GSO or UDP_MMSG message may carry: 64 at most, and less than 64 KiB. At least 1. */
int udp_batch_max(size_t datagram_size);

/*
 * Sends `count` datagrams of `size` bytes that lie back to back. A mode the kernel refuses falls back to the next
 * simpler one. When the socket's buffer is full it waits, 100 ms at most in all.
 * Returns how many the kernel took; the rest is lost.
 */
int udp_send(struct udp_socket *self, struct udp_path *path, const uint8_t *base, size_t size, int count,
             enum udp_mode mode);

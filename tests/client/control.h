/* SPDX-License-Identifier: Apache-2.0 */
/* control: the client's end of the control stream, ENet with sealed messages (docs/protocol.md, "Control stream"). */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum control_way { CONTROL_RELIABLE, CONTROL_UNSEQUENCED, CONTROL_UNRELIABLE }; /* the last: in order */

enum control_state { CONTROL_CONNECTING, CONTROL_CONNECTED, CONTROL_GONE };

struct control_counters {
    uint64_t sent, received, broken, hdr, unknown;
    uint32_t round_trip_ms, termination; /* code of 0x0109, 0: none came */
    bool terminated;
};

struct control;

struct control *control_create(const struct sockaddr_in *host, uint16_t port, uint32_t connect_data,
                               const uint8_t key[16]);
void control_destroy(struct control *self); /* without a goodbye */
int control_fd(const struct control *self);
/* Work off what arrived and what is due. Call at least every 10 ms. */
enum control_state control_service(struct control *self);
void control_send(struct control *self, uint16_t type, const void *payload, size_t size, uint8_t channel,
                  enum control_way way);
/* Tell the host, linger up to 2 s. */
void control_leave(struct control *self);
struct control_counters control_get_counters(const struct control *self);

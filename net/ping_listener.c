/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ping_listener.h"

#include "base/log.h"
#include "net/udp.h"

#include <event2/event.h>
#include <stdlib.h>

enum { DATAGRAM_MAX = 64, DATAGRAMS_PER_TURN = 64 }; /* a flood must not starve the loop */

struct ping_listener {
    struct udp_socket *socket;
    struct event *event;
    void (*received)(void *ctx, const uint8_t *data, size_t size, const struct address *peer,
                     const struct address *local);
    void *ctx;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct ping_listener *self = arg;
    uint8_t data[DATAGRAM_MAX];
    struct address peer, local;
    for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
        size_t size;
        if (udp_receive(self->socket, data, sizeof(data), &size, &peer, &local) != UDP_RECEIVED)
            return;
        self->received(self->ctx, data, size, &peer, &local);
    }
}

struct ping_listener *ping_listener_create(struct loop *loop, struct udp_socket *socket,
                                           void (*received)(void *ctx, const uint8_t *data, size_t size,
                                                            const struct address *peer, const struct address *local),
                                           void *ctx)
{
    struct ping_listener *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("ping");
    *self = (struct ping_listener){.socket = socket, .received = received, .ctx = ctx};
    self->event = event_new(loop_base(loop), udp_socket_fd(socket), EV_READ | EV_PERSIST, on_readable, self);
    if (!self->event || event_add(self->event, NULL) != 0) {
        log_error("ping: cannot watch the UDP socket");
        ping_listener_destroy(self);
        return NULL;
    }
    return self;
}

void ping_listener_destroy(struct ping_listener *self)
{
    if (!self)
        return;
    if (self->event)
        event_free(self->event);
    free(self);
}

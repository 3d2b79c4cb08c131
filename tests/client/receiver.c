/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/client/receiver.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/client/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,
    SEAL_PREFIX = 32,
    RECEIVE_BUFFER = 8 << 20,
    CONTROL_BYTES = 64,
    OFFSET_TRIES = 5,
    OFFSET_ERROR_NS = 10000,
};

struct receiver {
    struct receiver_config config;
    struct receiver_counters counters;
    struct seal *seal;
    int fd;
    uint32_t ping_number;
    bool any_sealed;
    uint64_t highest_counter;
    uint8_t *memory; /* BATCH datagrams, then one opened */
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    uint8_t control[BATCH][CONTROL_BYTES];
};

struct receiver *receiver_create(const struct receiver_config *config)
{
    struct receiver *self = calloc(1, sizeof(*self));
    int on = 1, bytes = RECEIVE_BUFFER;
    if (!self)
        return log_oom("receiver");
    self->config = *config;
    self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    self->memory = malloc((BATCH + 1) * config->datagram_max);
    self->seal = config->key ? seal_create(config->key) : NULL;
    if (self->fd < 0 || !self->memory || (config->key && !self->seal)) {
        log_error("receiver: no socket or memory: %s", strerror(errno));
        receiver_destroy(self);
        return NULL;
    }
    setsockopt(self->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    if (setsockopt(self->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
        setsockopt(self->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    for (int i = 0; i < BATCH; i++)
        self->vectors[i] = (struct iovec){.iov_base = self->memory + (size_t)i * config->datagram_max,
                                          .iov_len = config->datagram_max};
    return self;
}

void receiver_destroy(struct receiver *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
    seal_destroy(self->seal);
    free(self->memory);
    free(self);
}

int receiver_fd(const struct receiver *self)
{
    return self->fd;
}

void receiver_ping(struct receiver *self)
{
    uint8_t ping[20] = "PING";
    size_t size = 4;
    if (self->config.ping[0]) {
        memcpy(ping, self->config.ping, 16);
        bytes_put_u32be(ping + 16, ++self->ping_number);
        size = sizeof(ping);
    }
    sendto(self->fd, ping, size, 0, (struct sockaddr *)&self->config.host, sizeof(self->config.host));
}

static void open_datagram(struct receiver *self, const uint8_t *data, size_t size, int64_t arrival_ns)
{
    uint8_t *plain = self->memory + BATCH * self->config.datagram_max;
    static const uint8_t iv_tail[4] = {0, 0, 0, 'V'};
    if (size <= SEAL_PREFIX || memcmp(data + 8, iv_tail, 4) ||
        !seal_open(self->seal, data, data + 16, data + SEAL_PREFIX, size - SEAL_PREFIX, plain)) {
        self->counters.broken++;
        return;
    }
    uint64_t counter = bytes_get_u32le(data) | (uint64_t)bytes_get_u32le(data + 4) << 32;
    if (size < SEAL_PREFIX + 24 || bytes_get_u32le(data + 12) != bytes_get_u32le(plain + 20)) {
        self->counters.broken++;
        return;
    }
    if (self->any_sealed && counter <= self->highest_counter)
        self->counters.stale_counter++; /* reordered, or an IV used twice */
    else
        self->highest_counter = counter;
    self->any_sealed = true;
    struct receiver_datagram datagram = {
        .data = plain, .size = size - SEAL_PREFIX, .wire_bytes = size, .arrival_ns = arrival_ns};
    self->config.datagram(self->config.ctx, &datagram);
}

static int64_t arrival_of(struct msghdr *message, int64_t monotonic_minus_wall_ns)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        struct timespec wall;
        memcpy(&wall, CMSG_DATA(c), sizeof(wall));
        return wall.tv_sec * CLOCK_SECOND_NS + wall.tv_nsec + monotonic_minus_wall_ns;
    }
    return clock_now_ns();
}

static int64_t wall_now_ns(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return wall.tv_sec * CLOCK_SECOND_NS + wall.tv_nsec;
}

/* Kernels stamp by the wall clock. Read between two looks at it: who is interrupted in there looks again. */
static int64_t monotonic_minus_wall(void)
{
    int64_t best_ns = 0, least_ns = INT64_MAX;
    for (int tries = 0; tries < OFFSET_TRIES && least_ns > OFFSET_ERROR_NS; tries++) {
        int64_t before_ns = wall_now_ns(), now_ns = clock_now_ns(), took_ns = wall_now_ns() - before_ns;
        if (took_ns >= least_ns)
            continue;
        least_ns = took_ns;
        best_ns = now_ns - before_ns - took_ns / 2;
    }
    return best_ns;
}

static void take(struct receiver *self, struct mmsghdr *message, int64_t offset_ns)
{
    const uint8_t *data = message->msg_hdr.msg_iov->iov_base;
    struct receiver_datagram datagram = {.data = data,
                                         .size = message->msg_len,
                                         .wire_bytes = message->msg_len,
                                         .arrival_ns = arrival_of(&message->msg_hdr, offset_ns)};
    if (message->msg_hdr.msg_flags & MSG_TRUNC)
        self->counters.cut++;
    if (!self->counters.datagrams++)
        self->counters.first_ns = datagram.arrival_ns;
    self->counters.bytes += message->msg_len;
    if (self->seal)
        open_datagram(self, data, message->msg_len, datagram.arrival_ns);
    else
        self->config.datagram(self->config.ctx, &datagram);
}

unsigned receiver_drain(struct receiver *self)
{
    unsigned total = 0;
    int count;
    do {
        for (int i = 0; i < BATCH; i++)
            self->messages[i].msg_hdr = (struct msghdr){.msg_iov = &self->vectors[i],
                                                        .msg_iovlen = 1,
                                                        .msg_control = self->control[i],
                                                        .msg_controllen = CONTROL_BYTES};
        count = recvmmsg(self->fd, self->messages, BATCH, 0, NULL);
        int64_t offset_ns = monotonic_minus_wall();
        for (int i = 0; i < count; i++)
            take(self, &self->messages[i], offset_ns);
        total += count > 0 ? (unsigned)count : 0;
    } while (count == BATCH);
    return total;
}

struct receiver_counters receiver_get_counters(const struct receiver *self)
{
    return self->counters;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bench_receiver.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "host/bench_cpu.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,
    DATAGRAM_MAX = 2048,
    BUFFER_BYTES = 8 << 20,
    STOP_LOOK_MS = 50,
    OFFSET_TRIES = 4,
    OFFSET_FINE_NS = 20000
};
/* docs/protocol.md, "Video packets" */
enum { HEADER_BYTES = 40, OFFSET_FRAME = 20, OFFSET_BLOCKS = 27, OFFSET_FEC = 28, OFFSET_FRAME_HEADER = 32 };

struct bench_receiver {
    struct thread thread; /* "receive" */
    atomic_bool stopping;
    atomic_int_fast64_t first_ns;
    int fd;

    struct bench_frame *frames; /* receive thread until stop; down to `datagrams` */
    size_t capacity, count;
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } stamps[BATCH];
    uint8_t datagrams[BATCH][DATAGRAM_MAX];
};

/* --- frames --- */

static uint32_t read_u32le(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* What the first packet of a frame says: 01 | latency LE16, 1/10 ms, 0 for a repeat | ... */
static void take_frame_header(struct bench_frame *frame, const uint8_t *header, int64_t arrived_ns)
{
    int latency_100us = header[1] | header[2] << 8;
    frame->is_repeat = latency_100us == 0;
    frame->captured_ns = arrived_ns - latency_100us * 100 * CLOCK_US_NS;
}

static bool is_complete(const struct bench_frame *frame)
{
    for (int i = 0; i < frame->blocks; i++)
        if (!frame->data[i] || frame->got[i] < frame->data[i])
            return false;
    return frame->blocks > 0;
}

bool bench_frame_take(struct bench_frame *frames, size_t capacity, size_t *count, const uint8_t *data, size_t size,
                      int64_t arrived_ns)
{
    if (size < HEADER_BYTES || data[0] != 0x90)
        return false;
    uint32_t number = read_u32le(data + OFFSET_FRAME), fec = read_u32le(data + OFFSET_FEC);
    int block = data[OFFSET_BLOCKS] >> 4 & 3, last_block = data[OFFSET_BLOCKS] >> 6;
    int data_count = (int)(fec >> 22), index = (int)(fec >> 12 & 1023);
    if (!*count || frames[*count - 1].number != number) {
        if (*count == capacity)
            return false;
        frames[(*count)++] = (struct bench_frame){.number = number};
    }
    struct bench_frame *frame = &frames[*count - 1];
    frame->blocks = last_block + 1;
    frame->data[block] = (uint16_t)data_count;
    frame->bytes += size;
    if (block == 0 && index == 0)
        take_frame_header(frame, data + OFFSET_FRAME_HEADER, arrived_ns);
    if (index >= data_count)
        return true; /* parity */
    frame->got[block]++;
    if (!frame->completed_ns && is_complete(frame))
        frame->completed_ns = arrived_ns;
    return true;
}

/* --- the thread --- */

static int64_t timespec_ns(const struct timespec *time)
{
    return time->tv_sec * CLOCK_SECOND_NS + time->tv_nsec;
}

/* By the kernel, on the wall clock; `offset_ns` leads to the monotonic one. */
static int64_t arrival_ns(struct msghdr *message, int64_t offset_ns)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(c), sizeof(time));
            return timespec_ns(&time) + offset_ns;
        }
    return clock_now_ns();
}

static void prepare_messages(struct bench_receiver *self)
{
    for (int i = 0; i < BATCH; i++) {
        self->pieces[i] = (struct iovec){self->datagrams[i], DATAGRAM_MAX};
        self->messages[i].msg_hdr = (struct msghdr){.msg_iov = &self->pieces[i],
                                                    .msg_iovlen = 1,
                                                    .msg_control = self->stamps[i].bytes,
                                                    .msg_controllen = sizeof(self->stamps[i].bytes)};
    }
}

/* From the wall clock to the monotonic one. Anew each time: the wall clock is being set. The reading that was least
 * disturbed counts. */
static int64_t clock_offset_ns(void)
{
    int64_t offset_ns = 0, best_ns = INT64_MAX;
    for (int i = 0; i < OFFSET_TRIES && best_ns > OFFSET_FINE_NS; i++) {
        struct timespec wall;
        int64_t before_ns = clock_now_ns();
        clock_gettime(CLOCK_REALTIME, &wall);
        int64_t after_ns = clock_now_ns();
        if (after_ns - before_ns >= best_ns)
            continue;
        best_ns = after_ns - before_ns;
        offset_ns = before_ns + best_ns / 2 - timespec_ns(&wall);
    }
    return offset_ns;
}

static void take_batch(struct bench_receiver *self, int count)
{
    int64_t offset_ns = clock_offset_ns();
    for (int i = 0; i < count; i++) {
        struct mmsghdr *message = &self->messages[i];
        bench_frame_take(self->frames, self->capacity, &self->count, self->datagrams[i], message->msg_len,
                         arrival_ns(&message->msg_hdr, offset_ns));
    }
    if (!self->first_ns && self->count)
        atomic_store(&self->first_ns, self->frames[0].completed_ns);
}

static void receive_main(void *arg)
{
    struct bench_receiver *self = arg;
    while (!atomic_load(&self->stopping)) {
        prepare_messages(self);
        int got = recvmmsg(self->fd, self->messages, BATCH, MSG_WAITFORONE, NULL);
        if (got > 0)
            take_batch(self, got);
        else if (errno != EAGAIN && errno != EINTR)
            break;
    }
}

static bool open_socket(struct bench_receiver *self)
{
    struct address address;
    const int on = 1, bytes = BUFFER_BYTES;
    const struct timeval look = {.tv_usec = STOP_LOOK_MS * 1000};
    self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (self->fd < 0 || !address_parse("127.0.0.1", 0, &address) ||
        bind(self->fd, (const struct sockaddr *)&address.os, address.size) != 0)
        return false;
    if (setsockopt(self->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(self->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); /* as much as the system allows */
    return setsockopt(self->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) == 0 &&
           setsockopt(self->fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof(look)) == 0;
}

struct bench_receiver *bench_receiver_create(size_t frames_max)
{
    struct bench_receiver *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("bench");
    self->fd = -1;
    self->capacity = frames_max;
    self->frames = calloc(frames_max, sizeof(*self->frames));
    if (self->frames && open_socket(self) && thread_start(&self->thread, "receive", receive_main, self))
        return self;
    fprintf(stderr, "earthshine: bench: cannot receive on 127.0.0.1: %s\n", strerror(errno));
    bench_receiver_destroy(self);
    return NULL;
}

void bench_receiver_stop(struct bench_receiver *self)
{
    atomic_store(&self->stopping, true);
    thread_join(&self->thread);
}

void bench_receiver_destroy(struct bench_receiver *self)
{
    if (!self)
        return;
    bench_receiver_stop(self);
    if (self->fd >= 0)
        close(self->fd);
    free(self->frames);
    free(self);
}

void bench_receiver_address(const struct bench_receiver *self, struct address *ret_address)
{
    *ret_address = (struct address){.size = sizeof(ret_address->os)};
    getsockname(self->fd, (struct sockaddr *)&ret_address->os, &ret_address->size);
}

int64_t bench_receiver_first_ns(struct bench_receiver *self)
{
    return atomic_load(&self->first_ns);
}

int64_t bench_receiver_cpu_ns(const struct bench_receiver *self)
{
    return bench_thread_cpu_ns(&self->thread);
}

const struct bench_frame *bench_receiver_frames(const struct bench_receiver *self, size_t *ret_count)
{
    *ret_count = self->count;
    return self->frames;
}

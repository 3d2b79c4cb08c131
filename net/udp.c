/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h, since 4.18 */
#endif

enum {
    BATCH_MAX = 64,
    BATCH_BYTES_MAX = 65000, /* with IP and UDP headers below 64 KiB */
    BUFFER_BYTES = 2 << 20,
    RECEIVE_BUFFER_BYTES = 256 << 10,
    WAIT_MS = 100,
    CONTROL_BYTES = CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t)),
};

struct udp_socket {
    atomic_int references;
    int fd;
    struct address local;
};

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static struct udp_socket *fail(struct udp_socket *self, const char *what, const struct address *bind)
{
    int error = errno;
    char text[ADDRESS_TEXT_MAX];
    address_text(bind, text);
    log_error("udp: cannot %s %s:%u: %s", what, text, address_port(bind), strerror(error));
    udp_socket_destroy(self);
    return NULL;
}

struct udp_socket *udp_socket_create(const struct address *address)
{
    struct udp_socket *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("udp");
    atomic_init(&self->references, 1);
    self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (self->fd < 0)
        return fail(self, "make a socket for", address);
    /* Without privilege the kernel grants at most net.core.wmem_max; pacing keeps bursts below that. */
    if (!set_option(self->fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES))
        set_option(self->fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
    set_option(self->fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    if (!set_option(self->fd, IPPROTO_IP, IP_PKTINFO, 1))
        return fail(self, "ask for packet addresses on", address);
    if (bind(self->fd, (const struct sockaddr *)&address->os, address->size))
        return fail(self, "bind", address);
    self->local.size = sizeof(self->local.os);
    if (getsockname(self->fd, (struct sockaddr *)&self->local.os, &self->local.size))
        return fail(self, "read the address of", address);
    return self;
}

void udp_socket_destroy(struct udp_socket *self)
{
    if (!self || atomic_fetch_sub(&self->references, 1) > 1)
        return;
    if (self->fd >= 0)
        close(self->fd);
    free(self);
}

void udp_socket_ref(struct udp_socket *self)
{
    atomic_fetch_add(&self->references, 1);
}

int udp_socket_fd(const struct udp_socket *self)
{
    return self->fd;
}

void udp_socket_local(const struct udp_socket *self, struct address *ret_local)
{
    *ret_local = self->local;
}

static void take_local(struct msghdr *message, struct address *ret_local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
            continue;
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        ((struct sockaddr_in *)&ret_local->os)->sin_addr = info.ipi_addr;
    }
}

enum udp_receive_result udp_receive(struct udp_socket *self, void *buffer, size_t capacity, size_t *ret_size,
                                    struct address *ret_peer, struct address *ret_local)
{
    struct address peer = {0};
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct iovec part = {.iov_base = buffer, .iov_len = capacity};
    struct msghdr message = {.msg_name = &peer.os,
                             .msg_namelen = sizeof(peer.os),
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t size;
    do {
        size = recvmsg(self->fd, &message, 0);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? UDP_EMPTY : UDP_FAILED;
    peer.size = message.msg_namelen;
    *ret_size = (size_t)size;
    *ret_peer = peer;
    *ret_local = self->local;
    take_local(&message, ret_local);
    return UDP_RECEIVED;
}

int udp_batch_max(size_t datagram_size)
{
    size_t fits = datagram_size ? BATCH_BYTES_MAX / datagram_size : BATCH_MAX;
    return fits > BATCH_MAX ? BATCH_MAX : fits > 1 ? (int)fits : 1;
}

/* A message head with the control data that all datagrams of a path share. */
struct head {
    struct msghdr message;
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
};

static void add_control(struct head *head, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)(head->control + head->message.msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), data, size);
    head->message.msg_controllen += CMSG_SPACE(size);
}

static void head_init(struct head *head, struct udp_path *path, size_t segment)
{
    memset(head, 0, sizeof(*head));
    head->message = (struct msghdr){
        .msg_name = &path->destination.os, .msg_namelen = path->destination.size, .msg_control = head->control};
    if (path->source.os.ss_family == AF_INET) {
        struct in_pktinfo info = {.ipi_spec_dst = ((const struct sockaddr_in *)&path->source.os)->sin_addr};
        add_control(head, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    }
    if (path->tos)
        add_control(head, IPPROTO_IP, IP_TOS, &path->tos, sizeof(path->tos));
    if (segment) {
        uint16_t size = (uint16_t)segment;
        add_control(head, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
    }
    if (!head->message.msg_controllen)
        head->message.msg_control = NULL;
}

/* After a failed call: true to try again. */
static bool wait_for_room(int fd, int64_t until_ns)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS)
        return false;
    int64_t left_ns = until_ns - clock_now_ns();
    if (left_ns <= 0)
        return false;
    if (errno == ENOBUFS) { /* the card's queue: poll() would not wait for that */
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
        return true;
    }
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    poll(&wait, 1, (int)(left_ns / CLOCK_MS_NS) + 1);
    return true;
}

static bool send_message(int fd, const struct msghdr *message, int64_t until_ns)
{
    while (sendmsg(fd, message, MSG_NOSIGNAL) < 0) {
        if (!wait_for_room(fd, until_ns))
            return false;
    }
    return true;
}

static int send_singly(int fd, struct udp_path *path, const uint8_t *base, size_t size, int count, int64_t until_ns)
{
    struct head head;
    int sent = 0;
    head_init(&head, path, 0);
    for (int i = 0; i < count; i++) {
        struct iovec part = {.iov_base = (void *)(base + (size_t)i * size), .iov_len = size};
        head.message.msg_iov = &part;
        head.message.msg_iovlen = 1;
        sent += send_message(fd, &head.message, until_ns);
    }
    return sent;
}

/* One call for the batch; what the kernel does not take that way goes singly. */
static int send_many(int fd, struct udp_path *path, const uint8_t *base, size_t size, int count, int64_t until_ns)
{
    struct head head;
    struct iovec parts[BATCH_MAX];
    struct mmsghdr messages[BATCH_MAX];
    assert(count <= BATCH_MAX);
    head_init(&head, path, 0);
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){.iov_base = (void *)(base + (size_t)i * size), .iov_len = size};
        messages[i] = (struct mmsghdr){.msg_hdr = head.message};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int at = 0;
    while (at < count) {
        int taken = sendmmsg(fd, messages + at, (unsigned)(count - at), MSG_NOSIGNAL);
        if (taken > 0)
            at += taken;
        else if (taken == 0 || !wait_for_room(fd, until_ns))
            return at + send_singly(fd, path, base + (size_t)at * size, size, count - at, until_ns);
    }
    return at;
}

/* Sets gso_refused only when the same datagrams go one by one: else the fault is elsewhere. */
static int send_segmented(int fd, struct udp_path *path, const uint8_t *base, size_t size, int count, int64_t until_ns)
{
    struct head head;
    struct iovec part = {.iov_base = (void *)base, .iov_len = size * (size_t)count};
    head_init(&head, path, size);
    head.message.msg_iov = &part;
    head.message.msg_iovlen = 1;
    if (send_message(fd, &head.message, until_ns))
        return count;
    bool refused = errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS;
    int sent = send_many(fd, path, base, size, count, until_ns);
    path->gso_refused = refused && sent == count;
    return sent;
}

int udp_send(struct udp_socket *self, struct udp_path *path, const uint8_t *base, size_t size, int count,
             enum udp_mode mode)
{
    int64_t until_ns = clock_now_ns() + WAIT_MS * CLOCK_MS_NS;
    int sent = 0, most = mode == UDP_SINGLE ? 1 : udp_batch_max(size);
    for (int at = 0; at < count;) {
        int batch = count - at < most ? count - at : most;
        const uint8_t *from = base + (size_t)at * size;
        if (batch == 1)
            sent += send_singly(self->fd, path, from, size, 1, until_ns);
        else if (mode == UDP_GSO && !path->gso_refused)
            sent += send_segmented(self->fd, path, from, size, batch, until_ns);
        else
            sent += send_many(self->fd, path, from, size, batch, until_ns);
        at += batch;
    }
    return sent;
}

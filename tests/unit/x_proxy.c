/* SPDX-License-Identifier: Apache-2.0 */
#include "x_proxy.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    CHUNK = 65536,
    MOST_FDS = 8,
    LONG_BYTES = 64,  /* more than a header: such a reply is long */
    BYTES_OF_IT = 40, /* of a long reply, what still comes after its head, at most */
};

/* What was read and is not handed on yet. */
struct load {
    uint8_t bytes[CHUNK];
    size_t size;
    int fds[MOST_FDS], fd_count;
};

struct x_proxy_link {
    int client, server;
    bool greeted;     /* the server's first message has been seen */
    uint8_t head[32]; /* of the server's present message */
    size_t head_size; /* of it */
    size_t skip;      /* bytes of the present message after its head */
    struct load held; /* from the server, when stopped */
};

static struct sockaddr_un address_of(int number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/.X11-unix/X%d", number);
    return address;
}

static bool take(int fd, struct load *load)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * MOST_FDS)];
    } control;
    struct iovec part = {load->bytes, sizeof(load->bytes)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    load->size = got > 0 ? (size_t)got : 0;
    load->fd_count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); got > 0 && c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        load->fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(load->fds, CMSG_DATA(c), sizeof(int) * (size_t)load->fd_count);
    }
    return got > 0;
}

static bool give(int fd, struct load *load, size_t size)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * MOST_FDS)];
    } control;
    size_t done = 0;
    while (done < size) {
        struct iovec part = {load->bytes + done, size - done};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        if (load->fd_count) {
            memset(&control, 0, sizeof(control));
            message.msg_control = &control;
            message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)load->fd_count);
            control.head.cmsg_level = SOL_SOCKET;
            control.head.cmsg_type = SCM_RIGHTS;
            control.head.cmsg_len = CMSG_LEN(sizeof(int) * (size_t)load->fd_count);
            memcpy(CMSG_DATA(&control.head), load->fds, sizeof(int) * (size_t)load->fd_count);
        }
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        for (int i = 0; i < load->fd_count; i++)
            close(load->fds[i]);
        load->fd_count = 0;
        if (sent <= 0)
            return false;
        done += (size_t)sent;
    }
    memmove(load->bytes, load->bytes + size, load->size - size);
    load->size -= size;
    return true;
}

/* Bytes of a message after its head: 32 bytes and a length in words; the first message has a head of 8. */
static size_t rest_of(const struct x_proxy_link *link)
{
    uint16_t words;
    uint32_t length;
    memcpy(&words, link->head + 6, sizeof(words));
    memcpy(&length, link->head + 4, sizeof(length));
    if (!link->greeted)
        return words * 4u;
    return link->head[0] == 1 || link->head[0] == 35 ? length * 4u : 0;
}

/* A cursor's picture, told by its length being width by height, is said to be as large as can be. */
static void lie(struct x_proxy *self, uint8_t *head)
{
    uint16_t size[2];
    uint32_t length;
    memcpy(&length, head + 4, sizeof(length));
    memcpy(size, head + 12, sizeof(size));
    if (head[0] != 1 || !length || length != (uint32_t)size[0] * size[1])
        return;
    memset(head + 12, 0xff, sizeof(size));
    self->lied = true;
}

static void shorten(struct x_proxy *self, const struct load *load)
{
    for (int i = 0; i < load->fd_count; i++)
        if (ftruncate(load->fds[i], 0) == 0)
            self->shortened = true;
}

/* Follows the server's messages; how much of the load is handed on before the stop, all if there is none. */
static size_t look_for_stop(struct x_proxy *self, struct x_proxy_link *link, struct load *load)
{
    for (size_t at = 0; at < load->size;) {
        size_t wanted = link->greeted ? 32 : 8, left = load->size - at;
        if (link->skip) {
            size_t step = link->skip < left ? link->skip : left;
            link->skip -= step;
            at += step;
            continue;
        }
        size_t step = wanted - link->head_size < left ? wanted - link->head_size : left;
        memcpy(link->head + link->head_size, load->bytes + at, step);
        link->head_size += step;
        at += step;
        if (link->head_size < wanted)
            break;
        link->skip = rest_of(link);
        if (self->spiteful && link->greeted && step == wanted)
            lie(self, load->bytes + at - wanted);
        link->head_size = 0;
        link->greeted = true;
        if (self->armed && link->skip > LONG_BYTES) {
            left = load->size - at;
            self->armed = false;
            self->stopped = true;
            link->skip -= left < link->skip ? left : link->skip;
            return at + (left < BYTES_OF_IT ? left : BYTES_OF_IT);
        }
    }
    return load->size;
}

static void close_link(struct x_proxy *self, int i)
{
    close(self->links[i]->client);
    close(self->links[i]->server);
    free(self->links[i]);
    self->links[i] = NULL;
}

static void accept_link(struct x_proxy *self)
{
    struct sockaddr_un address = address_of(self->target);
    int client = accept(self->listener, NULL, NULL);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < X_PROXY_LINKS; i++) {
        if (self->links[i])
            continue;
        self->links[i] = calloc(1, sizeof(*self->links[i]));
        self->links[i]->client = client;
        self->links[i]->server = server;
        if (connect(server, (struct sockaddr *)&address, sizeof(address)) != 0)
            close_link(self, i);
        return;
    }
    close(client);
    close(server);
}

static void hand_on(struct x_proxy *self, int i, bool from_client, bool from_server)
{
    static _Thread_local struct load load;
    struct x_proxy_link *link = self->links[i];
    bool good = true;
    if (link->held.size)
        good = give(link->client, &link->held, link->held.size);
    if (good && from_client) {
        good = take(link->client, &load);
        if (self->spiteful)
            shorten(self, &load);
        good = good && give(link->server, &load, load.size);
    }
    if (good && from_server) {
        good = take(link->server, &link->held);
        good = good && give(link->client, &link->held, look_for_stop(self, link, &link->held));
    }
    if (!good)
        close_link(self, i);
}

static void turn(struct x_proxy *self)
{
    struct pollfd fds[2 + 2 * X_PROXY_LINKS] = {{.fd = self->wake[0], .events = POLLIN},
                                                {.fd = self->stopped ? -1 : self->listener, .events = POLLIN}};
    for (int i = 0; i < X_PROXY_LINKS; i++) {
        const struct x_proxy_link *link = self->stopped ? NULL : self->links[i];
        fds[2 + 2 * i] = (struct pollfd){.fd = link ? link->client : -1, .events = POLLIN};
        fds[3 + 2 * i] = (struct pollfd){.fd = link ? link->server : -1, .events = POLLIN};
    }
    poll(fds, 2 + 2 * X_PROXY_LINKS, -1);
    char byte;
    if (fds[0].revents && read(self->wake[0], &byte, 1) != 1)
        return;
    for (int i = 0; i < X_PROXY_LINKS && !self->stopped; i++) {
        if (self->links[i] && (fds[2 + 2 * i].revents || fds[3 + 2 * i].revents || self->links[i]->held.size))
            hand_on(self, i, fds[2 + 2 * i].revents != 0, fds[3 + 2 * i].revents != 0);
    }
    if (fds[1].revents && !self->stopped)
        accept_link(self);
}

static void *run(void *arg)
{
    struct x_proxy *self = arg;
    while (!self->ending)
        turn(self);
    return NULL;
}

void x_proxy_start(struct x_proxy *self, int target)
{
    *self = (struct x_proxy){.target = target, .number = 3000 + target};
    self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (;; self->number++) {
        struct sockaddr_un address = address_of(self->number);
        if (bind(self->listener, (struct sockaddr *)&address, sizeof(address)) == 0)
            break;
        assert_int_equal(errno, EADDRINUSE);
    }
    assert_int_equal(listen(self->listener, 16), 0);
    assert_int_equal(pipe(self->wake), 0);
    snprintf(self->name, sizeof(self->name), ":%d", self->number);
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
}

static void wake(struct x_proxy *self)
{
    assert_int_equal(write(self->wake[1], "", 1), 1);
}

void x_proxy_stop_in_next_long_reply(struct x_proxy *self)
{
    self->armed = true;
}

void x_proxy_go_on(struct x_proxy *self)
{
    self->stopped = false;
    wake(self);
}

void x_proxy_end(struct x_proxy *self)
{
    struct sockaddr_un address = address_of(self->number);
    self->ending = true;
    wake(self);
    pthread_join(self->thread, NULL);
    for (int i = 0; i < X_PROXY_LINKS; i++) {
        if (self->links[i])
            close_link(self, i);
    }
    unlink(address.sun_path);
    close(self->listener);
    close(self->wake[0]);
    close(self->wake[1]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/local_socket.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DEADLINE_NS (10 * CLOCK_SECOND_NS)

struct local_call {
    struct local_socket *server;
    struct local_call *previous, *next;
    struct bufferevent *stream; /* NULL: the peer has gone */
    struct event *timer;
    bool handled; /* the handler has it: freed by its reply only */
    bool replied;
};

struct local_socket {
    struct local_socket_config config;
    struct event_base *base;
    struct evconnlistener *listener;
    struct local_call *calls;
    unsigned open; /* calls with a stream */
    struct log_limit log;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void hang_up(struct local_call *self)
{
    if (!self->stream)
        return;
    bufferevent_free(self->stream);
    self->stream = NULL;
    self->server->open--;
    event_del(self->timer);
}

static void call_free(struct local_call *self)
{
    hang_up(self);
    *(self->previous ? &self->previous->next : &self->server->calls) = self->next;
    if (self->next)
        self->next->previous = self->previous;
    event_free(self->timer);
    free(self);
}

/* The peer has gone or was too slow. */
static void call_lost(struct local_call *self)
{
    if (self->handled && !self->replied)
        hang_up(self);
    else
        call_free(self);
}

static void arm(struct local_call *self)
{
    int64_t ns = self->server->config.deadline_ns;
    struct timeval left = {ns / CLOCK_SECOND_NS, ns % CLOCK_SECOND_NS / CLOCK_US_NS};
    event_add(self->timer, &left);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    call_lost(arg);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    (void)what;
    call_lost(arg);
}

static void on_write(struct bufferevent *stream, void *arg)
{
    struct local_call *self = arg;
    if (self->replied && !evbuffer_get_length(bufferevent_get_output(stream)))
        call_free(self);
}

static void on_read(struct bufferevent *stream, void *arg)
{
    struct local_call *self = arg;
    struct evbuffer *from = bufferevent_get_input(stream);
    size_t size = 0;
    if (self->handled) {
        evbuffer_drain(from, evbuffer_get_length(from));
        return;
    }
    char *line = evbuffer_readln(from, &size, EVBUFFER_EOL_LF);
    if (!line && evbuffer_get_length(from) <= LOCAL_SOCKET_REQUEST_MAX)
        return;
    if (!line || size > LOCAL_SOCKET_REQUEST_MAX || strlen(line) != size) {
        free(line);
        call_free(self);
        return;
    }
    event_del(self->timer); /* the handler takes the time it needs */
    self->handled = true;
    self->server->config.handle(self->server->config.ctx, self, line);
    free(line);
}

void local_call_reply(struct local_call *self, const char *reply)
{
    self->replied = true;
    if (!self->stream) {
        call_free(self);
        return;
    }
    bufferevent_write(self->stream, reply, strlen(reply));
    bufferevent_write(self->stream, "\n", 1);
    arm(self);
}

static bool is_ours(evutil_socket_t fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static struct local_call *call_create(struct local_socket *server, evutil_socket_t fd)
{
    struct local_call *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("local");
    self->timer = evtimer_new(server->base, on_timer, self);
    /* Deferred: a reply from within the handler does not free the call under it. */
    self->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!self->timer || !self->stream) {
        if (self->timer)
            event_free(self->timer);
        free(self);
        return log_oom("local");
    }
    self->server = server;
    self->next = server->calls;
    if (self->next)
        self->next->previous = self;
    server->calls = self;
    server->open++;
    return self;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int from_size,
                      void *arg)
{
    struct local_socket *self = arg;
    (void)listener;
    (void)from;
    (void)from_size;
    unsigned swallowed;
    if (!is_ours(fd)) {
        if (log_limit_pass(&self->log, 1, clock_now_ns(), &swallowed))
            log_warn("local: refused another user on %s", self->path);
        close(fd);
        return;
    }
    struct local_call *call = self->open < LOCAL_SOCKET_CONNECTIONS_MAX ? call_create(self, fd) : NULL;
    if (!call) {
        close(fd);
        return;
    }
    bufferevent_setcb(call->stream, on_read, on_write, on_event, call);
    bufferevent_enable(call->stream, EV_READ | EV_WRITE);
    arm(call);
}

/* False: somebody answers there. */
static bool remove_stale(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; /* bind() will say what is wrong */
    int result = connect(fd, (const struct sockaddr *)at, sizeof(*at));
    int error = errno;
    close(fd);
    if (result == 0 || error == EAGAIN)
        return false;
    struct stat info;
    if (error == ECONNREFUSED && lstat(at->sun_path, &info) == 0 && S_ISSOCK(info.st_mode))
        unlink(at->sun_path);
    return true;
}

static int bind_private(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    /* Before bind: the file is made with the socket's mode, so it is never open to others. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool listen_on(struct local_socket *self, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!text_copy(at.sun_path, sizeof(at.sun_path), path)) {
        log_error("local: the path is too long for a socket: %s", path);
        return false;
    }
    if (!remove_stale(&at)) {
        log_error("local: another host is running, it answers on %s", path);
        return false;
    }
    int fd = bind_private(&at);
    if (fd >= 0) {
        self->listener =
            evconnlistener_new(self->base, on_accept, self, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, fd);
        if (!self->listener)
            close(fd);
    }
    if (!self->listener) {
        log_error("local: cannot listen on %s: %s", path, strerror(errno));
        return false;
    }
    text_copy(self->path, sizeof(self->path), path);
    return true;
}

struct local_socket *local_socket_create(struct loop *loop, const struct local_socket_config *config)
{
    struct local_socket *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("local");
    self->config = *config;
    if (!self->config.deadline_ns)
        self->config.deadline_ns = DEADLINE_NS;
    self->base = loop_base(loop);
    if (!listen_on(self, config->path)) {
        local_socket_destroy(self);
        return NULL;
    }
    return self;
}

void local_socket_destroy(struct local_socket *self)
{
    if (!self)
        return;
    if (self->listener) {
        evconnlistener_free(self->listener);
        unlink(self->path);
    }
    while (self->calls)
        call_free(self->calls);
    free(self);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local_socket: the command line's way into a running host: a unix stream socket, mode 0600, for the host's own user
 * and root (SO_PEERCRED). One request line and one reply line per connection; lines are UTF-8 text without newlines
 * (JSON), their meaning is the handler's. Server: loop thread only.
 */
#pragma once

#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOCAL_SOCKET_REQUEST_MAX = 4 * 1024,  /* bytes, without the newline */
    LOCAL_SOCKET_REPLY_MAX = 1024 * 1024, /* longer ones are refused by the client */
    LOCAL_SOCKET_CONNECTIONS_MAX = 8,     /* further ones are closed */
};

struct local_socket;
struct local_call; /* one request; valid until it is replied to, even when the peer has gone */

struct local_socket_config {
    const char *path; /* a stale file of a dead host is replaced, a living host's is not */
    /* Must call local_call_reply() now or later. `request` is NUL-terminated and borrowed. */
    void (*handle)(void *ctx, struct local_call *call, const char *request);
    void *ctx;
    int64_t deadline_ns; /* for the request, and again for the reply to be taken; 0: 10 s */
};

/* NULL: logged with the path and the reason. */
struct local_socket *local_socket_create(struct loop *loop, const struct local_socket_config *config);
/* Removes the file. Calls not replied to yet are gone: do not reply to them afterwards. NULL is fine. */
void local_socket_destroy(struct local_socket *self);

void local_call_reply(struct local_call *self, const char *reply);

enum local_call_result {
    LOCAL_CALL_OK,
    LOCAL_CALL_NO_HOST, /* nobody listens there; not logged */
    LOCAL_CALL_FAILED,  /* no permission, no answer in time, ...; logged */
};
/* Blocking, for the command line. `*ret_reply` is NUL-terminated, without the newline, freed by the caller. */
enum local_call_result local_socket_call(const char *path, const char *request, int64_t timeout_ns, char **ret_reply);

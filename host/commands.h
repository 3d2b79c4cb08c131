/* SPDX-License-Identifier: Apache-2.0 */
/* commands: what the host answers on its local socket; the other end is cli.c. Main thread. */
#pragma once

#include "net/local_socket.h"
#include "web/web.h"

struct commands {
    const struct web_backend *backend;
    const char *(*setup_code)(void *ctx); /* NULL when a password is set */
    void (*password_changed)(void *ctx);
    void *ctx;
};

/* For local_socket_config.handle; `ctx` is the struct commands. */
void commands_handle(void *ctx, struct local_call *call, const char *request);

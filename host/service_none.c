/* SPDX-License-Identifier: Apache-2.0 */
/* A system without systemd: nobody is told anything. */
#include "host/service.h"

#include "base/log.h"

#include <stdlib.h>

struct service {
    char unused;
};

struct service *service_create(struct loop *loop)
{
    (void)loop;
    struct service *self = calloc(1, sizeof(*self));
    return self ? self : log_oom("service");
}

void service_destroy(struct service *self)
{
    free(self);
}

void service_ready(struct service *self, const char *status)
{
    (void)self;
    (void)status;
}

void service_stopping(struct service *self)
{
    (void)self;
}

int64_t service_watch_interval_ns(const struct service *self)
{
    (void)self;
    return 0;
}

void service_alive(struct service *self)
{
    (void)self;
}

void service_keep_awake(struct service *self, bool awake)
{
    (void)self;
    (void)awake;
}

const char *service_awake_text(const struct service *self)
{
    (void)self;
    return "not held: this program was built without libsystemd";
}

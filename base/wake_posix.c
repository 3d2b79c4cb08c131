/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wake.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

bool wake_init(struct wake *self)
{
    self->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd < 0)
        log_error("wake: no descriptor: %s", strerror(errno));
    return self->fd >= 0;
}

void wake_finish(struct wake *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

void wake_signal(struct wake *self)
{
    const uint64_t one = 1;
    ssize_t written = write(self->fd, &one, sizeof(one));
    (void)written; /* fails only when it is set already */
}

void wake_clear(struct wake *self)
{
    uint64_t count;
    ssize_t got = read(self->fd, &count, sizeof(count));
    (void)got; /* fails only when it is not set */
}

void wake_wait(struct wake *self, int fd, int64_t until_ns)
{
    struct pollfd fds[2] = {{.fd = self->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    struct timespec left = {0}, *limit = NULL;
    if (until_ns != INT64_MAX) {
        int64_t left_ns = until_ns - clock_now_ns();
        left_ns = left_ns < 0 ? 0 : left_ns;
        left = (struct timespec){left_ns / CLOCK_SECOND_NS, left_ns % CLOCK_SECOND_NS};
        limit = &left;
    }
    if (ppoll(fds, 2, limit, NULL) > 0 && fds[0].revents)
        wake_clear(self);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's side of net/local_socket.h: blocking, one absolute deadline. */
#include "net/local_socket.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool wait_for(int fd, short what, int64_t until_ns)
{
    struct pollfd entry = {.fd = fd, .events = what};
    int count;
    do {
        int64_t left_ns = until_ns - clock_now_ns();
        count = left_ns > 0 ? poll(&entry, 1, (int)(left_ns / CLOCK_MS_NS) + 1) : 0;
    } while (count < 0 && errno == EINTR);
    if (count == 0)
        errno = ETIMEDOUT;
    return count > 0;
}

static bool send_all(int fd, const char *data, size_t size, int64_t until_ns)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent < 0 && !wait_for(fd, POLLOUT, until_ns))
            return false;
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        }
    }
    return true;
}

/* NULL, errno set: no whole line came. */
static char *receive_line(int fd, int64_t until_ns)
{
    size_t capacity = 4096, used = 0;
    char *line = malloc(capacity);
    while (line) {
        if (used == capacity) {
            char *larger = capacity < LOCAL_SOCKET_REPLY_MAX ? realloc(line, capacity *= 2) : NULL;
            if (!larger) {
                errno = EMSGSIZE;
                break;
            }
            line = larger;
        }
        ssize_t got = recv(fd, line + used, capacity - used, 0);
        if (got > 0) {
            char *end = memchr(line + used, '\n', (size_t)got);
            used += (size_t)got;
            if (end) {
                *end = 0;
                return line;
            }
        } else if (got == 0) {
            errno = ECONNRESET;
            break;
        } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLIN, until_ns)) {
            break;
        }
    }
    int error = errno;
    free(line);
    errno = error;
    return NULL;
}

enum local_call_result local_socket_call(const char *path, const char *request, int64_t timeout_ns, char **ret_reply)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!text_copy(at.sun_path, sizeof(at.sun_path), path)) {
        log_error("local: the path is too long for a socket: %s", path);
        return LOCAL_CALL_FAILED;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        if (error == ENOENT || error == ECONNREFUSED)
            return LOCAL_CALL_NO_HOST;
        log_error("local: cannot connect to %s: %s", path, strerror(error));
        return LOCAL_CALL_FAILED;
    }
    int64_t until_ns = clock_now_ns() + timeout_ns;
    char *reply = NULL;
    if (send_all(fd, request, strlen(request), until_ns) && send_all(fd, "\n", 1, until_ns))
        reply = receive_line(fd, until_ns);
    int error = errno;
    close(fd);
    if (!reply) {
        log_error("local: no answer from the host on %s: %s", path, strerror(error));
        return LOCAL_CALL_FAILED;
    }
    *ret_reply = reply;
    return LOCAL_CALL_OK;
}

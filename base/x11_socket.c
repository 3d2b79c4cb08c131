/* SPDX-License-Identifier: Apache-2.0 */
#include "base/x11_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* 0 or the errno. The connection of a local stream socket succeeds or fails at once. */
static int connect_to(int fd, const char *path, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    memcpy(address.sun_path + (abstract ? 1 : 0), path, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return connect(fd, (struct sockaddr *)&address, size) == 0 ? 0 : errno;
}

int x11_socket_open(int number, int *ret_error)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/.X11-unix/X%d", number);
    /* The file first: nobody can replace it, but anybody can have the name of a server that does without the other. */
    for (int abstract = 0; abstract <= 1; abstract++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            *ret_error = errno;
            return -1;
        }
        *ret_error = connect_to(fd, path, abstract);
        if (*ret_error == 0)
            return fd;
        close(fd);
        if (*ret_error == EAGAIN) /* its queue is full: it does not accept */
            return -1;
    }
    return -1;
}

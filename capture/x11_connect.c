/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an X display without ever hanging. xcb connects and reads the server's greeting in one blocking call, so the
 * socket is made here, without waiting, and the call runs on a thread of its caller's; a second descriptor of the same
 * socket lets another thread end it by a shutdown.
 */
#include "capture/x11.h"

#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

#include <X11/Xauth.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct x11_connect {
    char display[32], xauthority[256]; /* xauthority "": the usual place */
    int number;
    int socket;   /* given to xcb by finish; -1 then */
    int shutdown; /* a second descriptor of it */
};

/* 0 or the errno. The connection of a local stream socket succeeds or fails at once. */
static int connect_to(int fd, const char *path, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    memcpy(address.sun_path + (abstract ? 1 : 0), path, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return connect(fd, (struct sockaddr *)&address, size) == 0 ? 0 : errno;
}

static int open_socket(int number, int *ret_error)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/.X11-unix/X%d", number);
    for (int abstract = 1; abstract >= 0; abstract--) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            *ret_error = errno;
            return -1;
        }
        *ret_error = connect_to(fd, path, abstract == 1);
        if (*ret_error == 0)
            return fd;
        close(fd);
        if (*ret_error == EAGAIN) /* its queue is full: it does not accept */
            return -1;
    }
    return -1;
}

/* The number of a local display. */
static bool parse_local(const char *display, int *ret_number)
{
    char *host = NULL;
    int screen;
    if (!xcb_parse_display(display, &host, ret_number, &screen))
        return false;
    bool local = !*host || strcmp(host, "unix") == 0;
    free(host);
    return local && *ret_number >= 0;
}

struct x11_connect *x11_connect_begin(const char *display, const char *xauthority, char *ret_sentence,
                                      size_t sentence_size)
{
    int number, error;
    if (!parse_local(display, &number)) {
        snprintf(ret_sentence, sentence_size, "\"%s\" is not a local X display like :0.", display);
        return NULL;
    }
    int fd = open_socket(number, &error);
    if (fd < 0) {
        if (error == EAGAIN)
            snprintf(ret_sentence, sentence_size, "The X server :%d does not answer.", number);
        else if (error == ECONNREFUSED || error == ENOENT)
            snprintf(ret_sentence, sentence_size, "There is no X server :%d. Waiting for it to start.", number);
        else
            snprintf(ret_sentence, sentence_size, "Cannot connect to the X server :%d: %s.", number, strerror(error));
        return NULL;
    }
    struct x11_connect *self = calloc(1, sizeof(*self));
    int second = dup(fd);
    if (!self || second < 0) {
        snprintf(ret_sentence, sentence_size, "Not enough memory or descriptors to open the display.");
        free(self);
        close(fd);
        if (second >= 0)
            close(second);
        return NULL;
    }
    snprintf(self->display, sizeof(self->display), ":%d", number);
    text_copy(self->xauthority, sizeof(self->xauthority), xauthority);
    self->number = number;
    self->socket = fd;
    self->shutdown = second;
    return self;
}

/* The first cookie for display `number` in a file, whatever host it names: the file was found for this server. */
static Xauth *read_cookie(const char *path, const char *digits, const char *type)
{
    FILE *file = fopen(path, "re");
    Xauth *entry = NULL;
    while (file && (entry = XauReadAuth(file))) {
        bool any_number = entry->number_length == 0;
        bool same_number =
            entry->number_length == strlen(digits) && !memcmp(entry->number, digits, entry->number_length);
        bool same_type = entry->name_length == strlen(type) && !memcmp(entry->name, type, entry->name_length);
        if ((any_number || same_number) && same_type)
            break;
        XauDisposeAuth(entry);
    }
    if (file)
        fclose(file);
    return entry;
}

/* The cookie for a local display from the given file, else from $XAUTHORITY or ~/.Xauthority; NULL: none. */
static Xauth *find_cookie(int number, const char *path)
{
    char host[256] = "", digits[16];
    static const char type[] = "MIT-MAGIC-COOKIE-1";
    char *types[] = {(char *)(uintptr_t)type}; /* the library only reads it */
    int lengths[] = {(int)sizeof(type) - 1};
    snprintf(digits, sizeof(digits), "%d", number);
    if (*path)
        return read_cookie(path, digits, type);
    gethostname(host, sizeof(host) - 1);
    return XauGetBestAuthByAddr(FamilyLocal, (unsigned short)strlen(host), host, (unsigned short)strlen(digits), digits,
                                1, types, lengths);
}

xcb_connection_t *x11_connect_open(struct x11_connect *self, char *ret_sentence, size_t sentence_size)
{
    Xauth *cookie = find_cookie(self->number, self->xauthority);
    xcb_auth_info_t info = {0};
    if (cookie)
        info = (xcb_auth_info_t){cookie->name_length, cookie->name, cookie->data_length, cookie->data};
    xcb_connection_t *connection = xcb_connect_to_fd(self->socket, cookie ? &info : NULL); /* takes the socket */
    self->socket = -1;
    if (cookie)
        XauDisposeAuth(cookie);
    if (!xcb_connection_has_error(connection))
        return connection;
    snprintf(ret_sentence, sentence_size, "The X server %s refused the connection.", self->display);
    xcb_disconnect(connection);
    return NULL;
}

struct source *x11_connect_finish(struct x11_connect *self, const char *output, char *ret_sentence,
                                  size_t sentence_size)
{
    xcb_connection_t *connection = x11_connect_open(self, ret_sentence, sentence_size);
    if (!connection)
        return NULL;
    struct source *source = x11_create(connection, self->display, output, ret_sentence, sentence_size);
    if (source) {
        text_copy(source->display, sizeof(source->display), self->display);
        text_copy(source->xauthority, sizeof(source->xauthority), self->xauthority);
    }
    return source;
}

void x11_connect_cancel(struct x11_connect *self)
{
    shutdown(self->shutdown, SHUT_RDWR);
}

void x11_connect_destroy(struct x11_connect *self)
{
    if (!self)
        return;
    if (self->socket >= 0)
        close(self->socket);
    close(self->shutdown);
    free(self);
}

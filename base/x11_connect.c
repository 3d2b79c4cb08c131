/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an X display without ever hanging. xcb connects and reads the server's greeting in one blocking call, so the
 * socket is made here, without waiting, and the call runs on a thread of its caller's; a second descriptor of the same
 * socket lets another thread end it by a shutdown.
 *
 * xcb does not tell why a server said no (it writes the words to standard error instead), so the cookie is first tried
 * on a connection of our own. That one stays open until xcb's is: a server may reset itself when its last client goes.
 */
#include "base/x11_connect.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/x11_socket.h"

#include <X11/Xauth.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xcb/xcb.h>

#define GREETING_LIMIT_NS (6 * CLOCK_SECOND_NS) /* for callers that do not cancel before */
enum { COOKIES_MAX_BYTES = 1024 * 1024 /* a file without an end, as another user may make one, is not read */ };

struct x11_connect {
    char display[32], xauthority[256]; /* xauthority "": the usual place */
    int64_t owner;                     /* of that file; -1: whoever */
    int number;
    int trial;    /* tells whether we are let in */
    int socket;   /* given to xcb by open; -1 then */
    int shutdown; /* a second descriptor of it */
    bool is_barred;
};

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

static struct x11_connect *fail(struct x11_connect *self)
{
    x11_connect_destroy(self);
    return NULL;
}

static bool open_sockets(struct x11_connect *self, char *ret_sentence, size_t sentence_size)
{
    int error = 0;
    self->trial = x11_socket_open(self->number, &error);
    if (self->trial >= 0)
        self->socket = x11_socket_open(self->number, &error);
    if (self->socket >= 0) {
        self->shutdown = fcntl(self->socket, F_DUPFD_CLOEXEC, 0);
        error = errno;
    }
    if (self->shutdown >= 0)
        return true;
    if (error == EAGAIN)
        snprintf(ret_sentence, sentence_size, "The X server :%d does not answer.", self->number);
    else if (error == ECONNREFUSED || error == ENOENT)
        snprintf(ret_sentence, sentence_size, "There is no X server :%d. Waiting for it to start.", self->number);
    else
        snprintf(ret_sentence, sentence_size, "Cannot connect to the X server :%d: %s.", self->number, strerror(error));
    return false;
}

struct x11_connect *x11_connect_begin(const char *display, const char *xauthority, char *ret_sentence,
                                      size_t sentence_size)
{
    int number;
    if (!parse_local(display, &number)) {
        snprintf(ret_sentence, sentence_size, "\"%s\" is not a local X display like :0.", display);
        return NULL;
    }
    struct x11_connect *self = calloc(1, sizeof(*self));
    if (!self) {
        text_copy(ret_sentence, sentence_size, "Not enough memory to open the display.");
        return log_oom("x11");
    }
    snprintf(self->display, sizeof(self->display), ":%d", number);
    text_copy(self->xauthority, sizeof(self->xauthority), xauthority);
    self->owner = -1;
    self->number = number;
    self->trial = self->socket = self->shutdown = -1;
    return open_sockets(self, ret_sentence, sentence_size) ? self : fail(self);
}

void x11_connect_require_owner(struct x11_connect *self, int64_t uid)
{
    self->owner = uid;
}

/* Looks before it opens, and at what it opens: a file may have been replaced by now. NULL: not to be read. */
static FILE *open_cookies(const char *path, int64_t owner)
{
    struct stat file;
    char link[64];
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0)
        return NULL;
    bool good = fstat(place, &file) == 0 && S_ISREG(file.st_mode) && file.st_size <= COOKIES_MAX_BYTES &&
                (owner < 0 || file.st_uid == (uid_t)owner);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
    FILE *opened = good ? fopen(link, "re") : NULL;
    close(place);
    return opened;
}

/* $XAUTHORITY or ~/.Xauthority. libXau's own function for this keeps the name at file scope, for all threads. */
static bool usual_place(char *ret_path, size_t capacity)
{
    const char *wish = getenv("XAUTHORITY"), *home = getenv("HOME");
    int size = wish   ? snprintf(ret_path, capacity, "%s", wish)
               : home ? snprintf(ret_path, capacity, "%s/.Xauthority", home)
                      : 0;
    return size > 0 && (size_t)size < capacity;
}

static bool is_word(const char *bytes, unsigned short size, const char *word)
{
    return size == strlen(word) && memcmp(bytes, word, size) == 0;
}

/*
 * The cookie for a local display: the first one for this host, else the first one, because a file that was found for
 * this server may name its host otherwise (it was renamed since). NULL: none.
 */
static Xauth *find_cookie(const struct x11_connect *self)
{
    char host[256] = "", digits[16], path[512];
    snprintf(digits, sizeof(digits), "%d", self->number);
    gethostname(host, sizeof(host) - 1);
    if (*self->xauthority)
        text_copy(path, sizeof(path), self->xauthority);
    else if (!usual_place(path, sizeof(path)))
        return NULL;
    FILE *file = open_cookies(path, self->owner);
    Xauth *first = NULL, *entry;
    while (file && (entry = XauReadAuth(file))) {
        bool fits = is_word(entry->name, entry->name_length, "MIT-MAGIC-COOKIE-1") &&
                    (entry->number_length == 0 || is_word(entry->number, entry->number_length, digits));
        bool is_here = entry->family == FamilyWild ||
                       (entry->family == FamilyLocal && is_word(entry->address, entry->address_length, host));
        if (fits && (is_here || !first)) {
            XauDisposeAuth(first);
            first = entry;
        } else {
            XauDisposeAuth(entry);
        }
        if (fits && is_here)
            break;
    }
    if (file)
        fclose(file);
    return first;
}

/* False: the connection ended, perhaps because we were cancelled, or the time is over. */
static bool receive(int fd, void *ret_bytes, size_t size, int64_t until_ns)
{
    for (size_t have = 0; have < size;) {
        struct pollfd news = {.fd = fd, .events = POLLIN};
        int64_t left_ns = until_ns - clock_now_ns();
        ssize_t got = recv(fd, (char *)ret_bytes + have, size - have, 0);
        if (got > 0)
            have += (size_t)got;
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return false;
        else if (left_ns <= 0)
            return false;
        else
            poll(&news, 1, (int)(left_ns / CLOCK_MS_NS) + 1);
    }
    return true;
}

static bool send_greeting(int fd, const Xauth *cookie)
{
    enum { ROOM = 512 };
    uint16_t name = cookie ? cookie->name_length : 0, data = cookie ? cookie->data_length : 0;
    uint8_t bytes[ROOM] = {0};
    const uint16_t one = 1;
    size_t name_room = (name + 3u) & ~3u, size = 12 + name_room + ((data + 3u) & ~3u);
    if (size > ROOM)
        return false;
    bytes[0] = *(const uint8_t *)&one ? 'l' : 'B'; /* numbers are sent as this machine writes them */
    memcpy(bytes + 2, &(uint16_t){11}, 2);
    memcpy(bytes + 6, &name, 2);
    memcpy(bytes + 8, &data, 2);
    if (cookie) {
        memcpy(bytes + 12, cookie->name, name);
        memcpy(bytes + 12 + name_room, cookie->data, data);
    }
    return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* The server's first word: 0 no, followed by the reason; 1 welcome; 2 asks for more than a cookie. */
static bool is_admitted(struct x11_connect *self, const Xauth *cookie, char *ret_sentence, size_t sentence_size)
{
    uint8_t head[8];
    char reason[256] = "";
    const char *name = self->display;
    int64_t until_ns = clock_now_ns() + GREETING_LIMIT_NS;
    if (!send_greeting(self->trial, cookie) || !receive(self->trial, head, sizeof(head), until_ns)) {
        snprintf(ret_sentence, sentence_size, "The X server %s %s.", name,
                 clock_now_ns() < until_ns ? "ended the connection" : "does not answer");
        return false;
    }
    if (head[0] == 1)
        return true;
    if (head[0] == 0 && !receive(self->trial, reason, head[1], until_ns))
        reason[0] = 0;
    for (char *c = reason; *c; c++)
        *c = *c < ' ' || *c > '~' ? ' ' : *c;
    if (strstr(reason, "aximum number of clients"))
        snprintf(ret_sentence, sentence_size, "The X server %s has no room for one more program.", name);
    else
        self->is_barred = true;
    if (self->is_barred && cookie)
        snprintf(ret_sentence, sentence_size,
                 "The X server %s refused our cookie. Run this program as the desktop's user.", name);
    else if (self->is_barred)
        snprintf(ret_sentence, sentence_size,
                 "The X server %s asks for a cookie, and we have none. Run this program as the desktop's user, or set "
                 "XAUTHORITY.",
                 name);
    log_debug("x11: %s: no: %s", name, reason);
    return false;
}

/* Whether the greeting holds the screen it tells of: xcb takes the server's word for it. */
static bool is_whole(const xcb_setup_t *setup)
{
    const char *end = (const char *)setup + 8 + 4 * (size_t)setup->length;
    if ((const char *)(setup + 1) > end)
        return false;
    xcb_screen_iterator_t screen = xcb_setup_roots_iterator(setup);
    if (!screen.rem)
        return true;
    if ((const char *)(screen.data + 1) > end)
        return false;
    for (xcb_depth_iterator_t depth = xcb_screen_allowed_depths_iterator(screen.data); depth.rem;
         xcb_depth_next(&depth))
        if ((const char *)(depth.data + 1) > end ||
            (const char *)(xcb_depth_visuals(depth.data) + xcb_depth_visuals_length(depth.data)) > end)
            return false;
    return true;
}

xcb_connection_t *x11_connect_open(struct x11_connect *self, char *ret_sentence, size_t sentence_size)
{
    Xauth *cookie = find_cookie(self);
    xcb_auth_info_t info = {0};
    xcb_connection_t *connection = NULL;
    if (cookie)
        info = (xcb_auth_info_t){cookie->name_length, cookie->name, cookie->data_length, cookie->data};
    if (is_admitted(self, cookie, ret_sentence, sentence_size)) {
        connection = xcb_connect_to_fd(self->socket, cookie ? &info : NULL); /* takes the socket */
        self->socket = -1;
        shutdown(self->trial, SHUT_RDWR); /* closed later: another thread may be about to cancel */
    }
    if (cookie)
        XauDisposeAuth(cookie);
    if (connection && (xcb_connection_has_error(connection) || !is_whole(xcb_get_setup(connection)))) {
        snprintf(ret_sentence, sentence_size, "The X server %s ended the connection.", self->display);
        xcb_disconnect(connection);
        return NULL;
    }
    return connection;
}

bool x11_connect_is_barred(const struct x11_connect *self)
{
    return self->is_barred;
}

void x11_connect_cancel(struct x11_connect *self)
{
    shutdown(self->trial, SHUT_RDWR);
    shutdown(self->shutdown, SHUT_RDWR);
}

void x11_connect_destroy(struct x11_connect *self)
{
    if (!self)
        return;
    if (self->socket >= 0)
        close(self->socket);
    if (self->trial >= 0)
        close(self->trial);
    if (self->shutdown >= 0)
        close(self->shutdown);
    free(self);
}

const char *x11_connect_display(const struct x11_connect *self)
{
    return self->display;
}

const char *x11_connect_xauthority(const struct x11_connect *self)
{
    return self->xauthority;
}

int64_t x11_connect_owner(const struct x11_connect *self)
{
    return self->owner;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulse_cookie: the sound server of another user. PulseAudio lets another user in, root too, who knows the secret in a
 * file of its user's home. PipeWire asks for nothing.
 *
 * A root process that opens a file in a home must not be led elsewhere by its user: the file counts only when it is a
 * regular one of that same user, looked at after it was opened, and libpulse then gets the open file and no path to
 * follow a second time.
 *
 * The same goes for the socket below /run/user/UID: it leads only to a server of that very user. Else a link there
 * would let one user hear another one's sound through us.
 */
#include "audio/pulse.h"

#include "base/log.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COOKIE_SIZE = 256, PATH_SIZE = 512 };

int pulse_cookie_open(const char *home, unsigned owner)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof(path), "%s/.config/pulse/cookie", home);
    if (length < 0 || (size_t)length >= sizeof(path))
        return -1;
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return -1;
    struct stat found;
    if (fstat(file, &found) == 0 && S_ISREG(found.st_mode) && found.st_uid == owner && found.st_size == COOKIE_SIZE)
        return file;
    close(file);
    return -1;
}

int pulse_socket_open(const char *path, unsigned owner)
{
    int file = open(path, O_PATH | O_CLOEXEC);
    if (file < 0)
        return -1;
    struct stat found;
    if (fstat(file, &found) == 0 && S_ISSOCK(found.st_mode) && found.st_uid == owner)
        return file;
    log_debug("pulse: %s is no socket of user %u", path, owner);
    close(file);
    return -1;
}

bool pulse_socket_for_server(const char *server, int *ret_socket)
{
    unsigned owner;
    *ret_socket = -1;
    if (geteuid() != 0 || sscanf(server, "unix:/run/user/%u/", &owner) != 1)
        return true;
    *ret_socket = pulse_socket_open(server + 5, owner);
    return *ret_socket >= 0;
}

int pulse_cookie_for_server(const char *server)
{
    struct stat socket;
    struct passwd entry, *user = NULL;
    char texts[2048];
    if (strncmp(server, "unix:", 5) != 0 || getenv("PULSE_COOKIE"))
        return -1;
    if (stat(server + 5, &socket) != 0 || socket.st_uid == geteuid())
        return -1;
    if (getpwuid_r(socket.st_uid, &entry, texts, sizeof(texts), &user) != 0 || !user)
        return -1;
    return pulse_cookie_open(user->pw_dir, socket.st_uid);
}

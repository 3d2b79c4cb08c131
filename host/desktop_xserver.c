/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Xorg with the dummy driver is a whole X server whose modes RandR switches; it needs root. Xvfb's modes end at the
 * size it was started in.
 *
 * Numbers: a server that is to tell when it is ready (-displayfd) leaves the usual lock file out, and would take over
 * the socket of another one. So we lock the number, for as long as the desktop exists, in the way all X servers know:
 * /tmp/.X91-lock with a process id, which is void when that process is gone.
 *
 * Facts about the configuration (xserver 1.21, dummy 0.4.0): the dummy driver asks for no console, so no virtual
 * terminal is opened or switched. Its memory is only touched where the screen is, so room for the largest screen costs
 * nothing. It refuses modes above DacSpeed (300 MHz if not given), and modes with reduced blanking. Graphics cards are
 * not to be added as second screens, nor keyboards and mice as devices: they belong to the console's desktop. Given
 * files replace those of /etc/X11, which describe that desktop too.
 */
#include "host/desktop_xserver.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WORDS_MAX = 40, BLANK_X = 200, BLANK_Y = 40, REFRESH_HZ = 60, LARGEST = 8192 /* of the configuration */ };

static const char xorg_program[] = "/usr/lib/xorg/Xorg"; /* /usr/bin/Xorg is a script around it */
static const char *const dummy_drivers[] = {"/usr/lib/xorg/modules/drivers/dummy_drv.so",
                                            "/usr/lib64/xorg/modules/drivers/dummy_drv.so"};

static const char xorg_format[] = "Section \"ServerFlags\"\n"
                                  "  Option \"AutoAddGPU\" \"false\"\n"
                                  "  Option \"AutoBindGPU\" \"false\"\n"
                                  "  Option \"DontVTSwitch\" \"true\"\n"
                                  "  Option \"AllowMouseOpenFail\" \"true\"\n"
                                  "EndSection\n"
                                  "Section \"InputClass\"\n"
                                  "  Identifier \"none\"\n"
                                  "  Option \"Ignore\" \"true\"\n"
                                  "EndSection\n"
                                  "Section \"Device\"\n"
                                  "  Identifier \"card\"\n"
                                  "  Driver \"dummy\"\n"
                                  "  VideoRam %d\n"
                                  "  DacSpeed 10000\n"
                                  "EndSection\n"
                                  "Section \"Monitor\"\n"
                                  "  Identifier \"monitor\"\n"
                                  "  HorizSync 1.0-2000.0\n"
                                  "  VertRefresh 1.0-1000.0\n"
                                  "  Modeline \"%dx%d\" %.3f %d %d %d %d %d %d %d %d\n"
                                  "EndSection\n"
                                  "Section \"Screen\"\n"
                                  "  Identifier \"screen\"\n"
                                  "  Device \"card\"\n"
                                  "  Monitor \"monitor\"\n"
                                  "  DefaultDepth 24\n"
                                  "  SubSection \"Display\"\n"
                                  "    Depth 24\n"
                                  "    Virtual %d %d\n"
                                  "    Modes \"%dx%d\"\n"
                                  "  EndSubSection\n"
                                  "EndSection\n";

const char *xserver_name(enum xserver_kind kind)
{
    return kind == XSERVER_XORG ? "Xorg" : "Xvfb";
}

enum xserver_kind xserver_choose(void)
{
    if (geteuid() != 0 || access(xorg_program, X_OK) != 0)
        return XSERVER_XVFB;
    for (size_t i = 0; i < sizeof(dummy_drivers) / sizeof(dummy_drivers[0]); i++)
        if (access(dummy_drivers[i], R_OK) == 0)
            return XSERVER_XORG;
    return XSERVER_XVFB;
}

/* --- numbers --- */

/* The process that holds a number; 0: none says so. */
static int read_lock(int number)
{
    char path[32], text[16] = "";
    snprintf(path, sizeof(path), "/tmp/.X%d-lock", number);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof(text) - 1); /* the number in ten columns, and a newline */
    close(fd);
    return got > 0 ? atoi(text) : 0;
}

static bool answers(int number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/.X11-unix/X%d", number);
    bool there = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
    close(fd);
    return there;
}

/* A new lock file, whole from its first moment on. */
static bool make_lock(int number)
{
    char path[32], unfinished[64], text[16];
    snprintf(path, sizeof(path), "/tmp/.X%d-lock", number);
    snprintf(unfinished, sizeof(unfinished), "/tmp/.tX%d-lock.%d", number, (int)getpid());
    int size = snprintf(text, sizeof(text), "%10d\n", (int)getpid());
    int fd = open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
    if (fd < 0)
        return false;
    bool made = write(fd, text, (size_t)size) == size && link(unfinished, path) == 0;
    close(fd);
    unlink(unfinished);
    return made;
}

static bool lock_number(int number)
{
    char path[32];
    int owner = read_lock(number);
    if (answers(number))
        return false;
    if (owner == getpid())
        return true;
    if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH) {
        snprintf(path, sizeof(path), "/tmp/.X%d-lock", number);
        unlink(path);
    }
    return make_lock(number);
}

int xserver_take_number(int first)
{
    int count = XSERVER_NUMBER_MAX - XSERVER_NUMBER_MIN + 1;
    for (int i = 0; i < count; i++) {
        int number = XSERVER_NUMBER_MIN + (first - XSERVER_NUMBER_MIN + i) % count;
        if (lock_number(number))
            return number;
    }
    return 0;
}

void xserver_give_number(int number)
{
    char path[32];
    if (!number || read_lock(number) != getpid())
        return;
    snprintf(path, sizeof(path), "/tmp/.X11-unix/X%d", number);
    if (!answers(number))
        unlink(path);
    snprintf(path, sizeof(path), "/tmp/.X%d-lock", number);
    unlink(path);
}

bool xserver_number_was_taken(const char *output)
{
    return strstr(output, "already active for display") || strstr(output, "Cannot establish any listening sockets");
}

/* --- the command line --- */

struct command {
    const char *words[WORDS_MAX];
    size_t count;
    char number[16], screen[32], config[DESKTOP_PATH_MAX], no_config[DESKTOP_PATH_MAX];
};

static void add(struct command *self, const char *const *words)
{
    while (*words && self->count + 1 < WORDS_MAX)
        self->words[self->count++] = *words++;
}

/* The file in the folder that Xorg takes as its xorg.conf.d, and an empty one in place of the machine's xorg.conf. */
static bool write_xorg_config(struct command *self, const struct xserver_config *config, char *ret_reason)
{
    char text[sizeof(xorg_format) + 256];
    int w = config->width, h = config->height;
    double clock_mhz = (double)(w + BLANK_X) * (h + BLANK_Y) * REFRESH_HZ / 1e6;
    snprintf(text, sizeof(text), xorg_format, LARGEST / 1024 * LARGEST * 4, w, h, clock_mhz, w, w + 48, w + 100,
             w + BLANK_X, h, h + 3, h + 8, h + BLANK_Y, LARGEST, LARGEST, w, h);
    return desktop_files_write(config->files, "xorg.conf", text, self->config, ret_reason) &&
           desktop_files_write(config->files, "none", "# nothing\n", self->no_config, ret_reason);
}

/* No console, no keyboard of its own, and all it says goes to us. */
static bool add_xorg(struct command *self, const struct xserver_config *config, char *ret_reason)
{
    if (!write_xorg_config(self, config, ret_reason))
        return false;
    add(self, (const char *const[]){xorg_program, self->number, "-config", self->no_config, "-configdir",
                                    config->files->folder, "-logfile", "/dev/null", "-verbose", "3", "-novtswitch",
                                    "-sharevts", "-auth", config->files->xauthority, NULL});
    return true;
}

static void add_xvfb(struct command *self, const struct xserver_config *config)
{
    const char *cookie = config->files->user_xauthority[0] ? config->files->user_xauthority : config->files->xauthority;
    snprintf(self->screen, sizeof(self->screen), "%dx%dx24", config->width, config->height);
    add(self, (const char *const[]){"Xvfb", self->number, "-screen", "0", self->screen, "-auth", cookie, NULL});
}

struct program *xserver_start(const struct xserver_config *config, int *ret_ready_fd, char ret_reason[CHILD_REASON_MAX])
{
    struct command command = {0};
    int ends[2];
    snprintf(command.number, sizeof(command.number), ":%d", config->number);
    if (config->kind == XSERVER_XVFB)
        add_xvfb(&command, config);
    else if (!add_xorg(&command, config, ret_reason))
        return NULL;
    /* Never blank, no network, and nothing starts over when the last program leaves. */
    add(&command, (const char *const[]){"-nolisten", "tcp", "-noreset", "-s", "0", "-displayfd", "3", NULL});
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        snprintf(ret_reason, CHILD_REASON_MAX, "there are no more file descriptors");
        return NULL;
    }
    const struct program_config program = {
        .loop = config->loop,
        .name = xserver_name(config->kind),
        .spec = {.argv = command.words,
                 .directory = "/",
                 .user = config->kind == XSERVER_XVFB ? config->user : NULL,
                 .pass = ends[1]},
        .ended = config->ended,
        .ctx = config->ctx,
    };
    struct program *started = program_start(&program, ret_reason);
    close(ends[1]);
    if (started)
        *ret_ready_fd = ends[0];
    else
        close(ends[0]);
    return started;
}

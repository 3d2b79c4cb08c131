/* SPDX-License-Identifier: Apache-2.0 */
#include "hang.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct x264_t;
struct x264_picture_t;
struct x264_nal_t;

/* The real functions' own headers need not agree on these in every libc, so they are declared as they are called. */
__attribute__((visibility("default"))) int x264_encoder_encode(struct x264_t *encoder, struct x264_nal_t **nals,
                                                               int *count, struct x264_picture_t *in,
                                                               struct x264_picture_t *out);

enum { HELD_MAX = 64 };

static const char *const variables[] = {[HANG_ENCODE] = "HANG_ENCODE", [HANG_SEND] = "HANG_SEND"};
static const char fail_variable[] = "HANG_FAIL";

static void pause_10ms(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    nanosleep(&pause, NULL);
}

static void held_name(const char *file, int number, char ret_name[PATH_MAX])
{
    snprintf(ret_name, PATH_MAX, "%s.held.%d", file, number);
}

static void hang_here(enum hang_place place)
{
    static atomic_int count;
    const char *file = getenv(variables[place]);
    char held[PATH_MAX];
    if (!file || access(file, F_OK) != 0)
        return;
    held_name(file, atomic_fetch_add(&count, 1) % HELD_MAX, held);
    if (rename(file, held) != 0)
        return; /* another call was faster */
    while (access(held, F_OK) == 0)
        pause_10ms();
}

int x264_encoder_encode(struct x264_t *encoder, struct x264_nal_t **nals, int *count, struct x264_picture_t *in,
                        struct x264_picture_t *out)
{
    int (*real)(struct x264_t *, struct x264_nal_t **, int *, struct x264_picture_t *, struct x264_picture_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "x264_encoder_encode");
    hang_here(HANG_ENCODE);
    const char *fail = getenv(fail_variable);
    if (fail && unlink(fail) == 0)
        return -1;
    return real(encoder, nals, count, in, out);
}

/* Others send too, like the control thread by libenet. */
static bool is_send_thread(void)
{
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    return strcmp(name, "send") == 0;
}

__attribute__((visibility("default"))) ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t (*real)(int, const struct msghdr *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
    if (is_send_thread())
        hang_here(HANG_SEND);
    return real(fd, message, flags);
}

__attribute__((visibility("default"))) int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int (*real)(int, struct mmsghdr *, unsigned, int);
    *(void **)&real = dlsym(RTLD_NEXT, "sendmmsg");
    if (is_send_thread())
        hang_here(HANG_SEND);
    return real(fd, messages, count, flags);
}

void hang_set_up(void)
{
    char folder[] = "/tmp/es-hang-XXXXXX", file[64];
    if (!mkdtemp(folder))
        abort();
    snprintf(file, sizeof(file), "%s/encode", folder);
    setenv(variables[HANG_ENCODE], file, 1);
    snprintf(file, sizeof(file), "%s/send", folder);
    setenv(variables[HANG_SEND], file, 1);
    snprintf(file, sizeof(file), "%s/fail", folder);
    setenv(fail_variable, file, 1);
}

void hang_tear_down(void)
{
    char folder[PATH_MAX];
    unlink(getenv(fail_variable));
    for (int place = HANG_ENCODE; place <= HANG_SEND; place++) {
        unlink(getenv(variables[place]));
        hang_release((enum hang_place)place);
    }
    snprintf(folder, sizeof(folder), "%s", getenv(variables[HANG_SEND]));
    *strrchr(folder, '/') = 0;
    rmdir(folder);
}

static void make_file(const char *name)
{
    FILE *file = fopen(name, "we");
    if (!file)
        abort();
    fclose(file);
}

void hang_next(enum hang_place place)
{
    make_file(getenv(variables[place]));
}

void hang_fail_encode(void)
{
    make_file(getenv(fail_variable));
}

void hang_await(enum hang_place place)
{
    for (int tries = 0; access(getenv(variables[place]), F_OK) == 0; tries++) {
        if (tries == 3000) {
            fprintf(stderr, "nothing hangs\n");
            abort();
        }
        pause_10ms();
    }
    for (int i = 0; i < 55; i++)
        pause_10ms();
}

void hang_release(enum hang_place place)
{
    char held[PATH_MAX];
    for (int i = 0; i < HELD_MAX; i++) {
        held_name(getenv(variables[place]), i, held);
        unlink(held);
    }
}

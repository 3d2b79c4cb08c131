/* SPDX-License-Identifier: Apache-2.0 */
#include "input/guard.h"

#include "base/log.h"
#include "input/backends.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GUARD_PIPE = 3, GUARD_LIMIT_S = 10 };

struct guard {
    int pipe;
    pid_t pid;
};

/* In a session of its own: Ctrl-C in the host's terminal is not for it. */
static int spawn(int pipe, pid_t *ret_pid)
{
    extern char **environ;
    static char name[] = "earthshine-guard", argument[] = GUARD_ARGUMENT;
    char *words[] = {name, argument, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    int error = posix_spawn_file_actions_adddup2(&actions, pipe, GUARD_PIPE);
    if (!error)
        error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn(ret_pid, "/proc/self/exe", &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

struct guard *guard_start(void)
{
    struct guard *self = calloc(1, sizeof(*self));
    int ends[2];
    if (!self)
        return log_oom("guard");
    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_warn("guard: no pipe: %s", strerror(errno));
        free(self);
        return NULL;
    }
    /* A copy above the number that the child's end gets: equal ones would stay close-on-exec. */
    int child_end = fcntl(ends[0], F_DUPFD_CLOEXEC, GUARD_PIPE + 1);
    int error = child_end < 0 ? errno : spawn(child_end, &self->pid);
    close(ends[0]);
    if (child_end >= 0)
        close(child_end);
    if (error) {
        log_warn("guard: cannot be started (%s): keys may stay down on the desktop if this host crashes",
                 strerror(error));
        close(ends[1]);
        free(self);
        return NULL;
    }
    self->pipe = ends[1];
    fcntl(self->pipe, F_SETFL, O_NONBLOCK);
    return self;
}

void guard_follow(struct guard *self, const struct injector_screen *screen)
{
    _Static_assert(sizeof(*screen) <= 512, "a pipe takes so much at once, or nothing");
    if (!self)
        return;
    ssize_t written = write(self->pipe, screen, sizeof(*screen));
    if (written < 0 && errno != EPIPE)
        log_debug("guard: does not read: %s", strerror(errno));
}

void guard_stop(struct guard *self)
{
    const struct injector_screen nowhere = {.width = 0};
    if (!self)
        return;
    guard_follow(self, &nowhere);
    close(self->pipe);
    while (waitpid(self->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(self);
}

int guard_run(void)
{
    /* Also SIGABRT: a service manager that loses patience with the host sends it to all of its processes. */
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGABRT};
    struct injector_screen screen = {.width = 0}, news;
    ssize_t got;
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    while ((got = read(GUARD_PIPE, &news, sizeof(news))) > 0 || (got < 0 && errno == EINTR)) {
        if (got == (ssize_t)sizeof(news))
            screen = news;
    }
    if (!screen.display[0])
        return 0;
    alarm(GUARD_LIMIT_S); /* a server that does not answer */
    log_info("guard: the host is gone: letting go of all keys on %s", screen.display);
    return injector_let_go(&screen) ? 0 : 1;
}

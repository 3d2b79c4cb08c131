/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn cannot set a parent-death signal nor change the user, and code of ours between fork and exec is not to be
 * had in a process with threads; so programs are started through setpriv (util-linux), which does both and then becomes
 * the program: the process id stays. What could make setpriv itself, while it is root still, run another user's code
 * (LD_PRELOAD, LD_LIBRARY_PATH as games want them) is left to env, which setpriv starts as that user.
 *
 * A process id is only signalled while its process has not been reaped: until then the kernel cannot give it to another
 * one. The end is therefore looked at without reaping first, what is left of the group is killed, then it is reaped.
 */
#include "base/child.h"

#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 1024, WORDS_BEFORE_MAX = 8, ENVIRONMENT_MAX = 1024, LATE_MAX = 64, ABOVE_STANDARD = 10 };

static const char default_path[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";

/* Ours alone: where to report to the service manager, and sockets it gave us. */
static const char *const kept_back[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID", "LISTEN_FDS",
                                        "LISTEN_PID",    "LISTEN_FDNAMES", "MAINPID"};

struct user {
    uid_t uid;
    gid_t gid;
    char name[64], home[PATH_MAX_BYTES], shell[PATH_MAX_BYTES];
};

static bool find_user(const char *name, struct user *ret_user)
{
    char text[16 * 1024];
    struct passwd entry, *found = NULL;
    if (getpwnam_r(name, &entry, text, sizeof(text), &found) != 0 || !found)
        return false;
    *ret_user = (struct user){.uid = entry.pw_uid, .gid = entry.pw_gid};
    return text_copy(ret_user->name, sizeof(ret_user->name), entry.pw_name) &&
           text_copy(ret_user->home, sizeof(ret_user->home), entry.pw_dir) &&
           text_copy(ret_user->shell, sizeof(ret_user->shell), *entry.pw_shell ? entry.pw_shell : "/bin/sh");
}

bool child_user_exists(const char *user)
{
    struct user found;
    return find_user(user, &found);
}

bool child_user_ids(const char *user, unsigned *ret_uid, unsigned *ret_gid)
{
    struct user found;
    if (!find_user(user, &found))
        return false;
    *ret_uid = found.uid;
    *ret_gid = found.gid;
    return true;
}

/* --- environment --- */

struct environment {
    char *entries[ENVIRONMENT_MAX + 1]; /* NULL-terminated; each is allocated */
    size_t count;
    char *late[LATE_MAX]; /* not for root's eyes */
    size_t late_count;
    bool failed;
};

static void environment_unset(struct environment *self, const char *name, size_t length)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strncmp(self->entries[i], name, length) != 0 || self->entries[i][length] != '=')
            continue;
        free(self->entries[i]);
        self->entries[i] = self->entries[--self->count];
        self->entries[self->count] = NULL;
        return;
    }
}

/* "NAME=value", or "NAME" to have it no more. */
static void environment_set(struct environment *self, const char *entry)
{
    const char *equals = strchr(entry, '=');
    environment_unset(self, entry, equals ? (size_t)(equals - entry) : strlen(entry));
    if (!equals)
        return;
    char *copy = self->count < ENVIRONMENT_MAX ? strdup(entry) : NULL;
    if (copy)
        self->entries[self->count++] = copy;
    else
        self->failed = true;
}

static void environment_set_pair(struct environment *self, const char *name, const char *value)
{
    char entry[PATH_MAX_BYTES + 64];
    if (snprintf(entry, sizeof(entry), "%s=%s", name, value) < (int)sizeof(entry))
        environment_set(self, entry);
    else
        self->failed = true;
}

static const char *environment_get(const struct environment *self, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < self->count; i++)
        if (strncmp(self->entries[i], name, length) == 0 && self->entries[i][length] == '=')
            return self->entries[i] + length + 1;
    return "";
}

static void environment_finish(struct environment *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->entries[i]);
    for (size_t i = 0; i < self->late_count; i++)
        free(self->late[i]);
}

/* What the C library does not heed in a program with rights that its caller lacks (glibc, unsecvars.h). */
static bool is_for_the_user_alone(const char *entry)
{
    static const char *const heads[] = {
        "LD_",     "GCONV_PATH=", "GETCONF_DIR=", "GLIBC_TUNABLES=", "HOSTALIASES=", "LOCALDOMAIN=", "LOCPATH=",
        "MALLOC_", "NIS_PATH=",   "NLSPATH=",     "RES_OPTIONS=",    "RESOLV_",      "TMPDIR=",      "TZDIR="};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        if (strncmp(entry, heads[i], strlen(heads[i])) == 0)
            return true;
    return false;
}

static void environment_hold_back(struct environment *self)
{
    for (size_t i = 0; i < self->count;) {
        if (!is_for_the_user_alone(self->entries[i])) {
            i++;
        } else if (self->late_count == LATE_MAX) {
            self->failed = true;
            return;
        } else {
            self->late[self->late_count++] = self->entries[i];
            self->entries[i] = self->entries[--self->count];
            self->entries[self->count] = NULL;
        }
    }
}

/* What login would set. */
static void add_user_environment(struct environment *self, const struct user *user)
{
    char folder[64];
    struct stat info;
    const char *language = getenv("LANG");
    environment_set(self, default_path);
    environment_set_pair(self, "HOME", user->home);
    environment_set_pair(self, "USER", user->name);
    environment_set_pair(self, "LOGNAME", user->name);
    environment_set_pair(self, "SHELL", user->shell);
    environment_set_pair(self, "LANG", language && *language ? language : "C.UTF-8");
    snprintf(folder, sizeof(folder), "/run/user/%u", (unsigned)user->uid);
    if (lstat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == user->uid)
        environment_set_pair(self, "XDG_RUNTIME_DIR", folder);
}

static bool make_environment(struct environment *self, const struct child_spec *spec, const struct user *user)
{
    if (user)
        add_user_environment(self, user);
    for (size_t i = 0; !user && environ[i]; i++)
        environment_set(self, environ[i]);
    for (size_t i = 0; i < sizeof(kept_back) / sizeof(kept_back[0]); i++)
        environment_set(self, kept_back[i]);
    for (size_t i = 0; spec->environment && spec->environment[i]; i++)
        environment_set(self, spec->environment[i]);
    if (user)
        environment_hold_back(self);
    return !self->failed;
}

/* --- the program --- */

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* As execvp() does. A name with a slash is taken as it is: it may be relative to the child's folder. */
static bool find_program(const char *name, const char *path, char ret_path[PATH_MAX_BYTES])
{
    if (strchr(name, '/'))
        return text_copy(ret_path, PATH_MAX_BYTES, name) && (name[0] != '/' || is_program(name));
    for (const char *part = path; part && *part;) {
        const char *colon = strchr(part, ':');
        int length = colon ? (int)(colon - part) : (int)strlen(part);
        int written = snprintf(ret_path, PATH_MAX_BYTES, "%.*s/%s", length, part, name);
        if (length && written < PATH_MAX_BYTES && is_program(ret_path))
            return true;
        part = colon ? colon + 1 : NULL;
    }
    return false;
}

/* setpriv's words, env's, then the program's. NULL: out of memory. */
static const char **make_words(const struct child_spec *spec, const struct user *user,
                               const struct environment *environment, const char *setpriv, const char *program,
                               char ret_ids[2][32])
{
    size_t count = 0, used = 0;
    while (spec->argv[count])
        count++;
    const char **words = calloc(count + WORDS_BEFORE_MAX + environment->late_count + 1, sizeof(*words));
    if (!words)
        return NULL;
    words[used++] = setpriv;
    words[used++] = "--pdeathsig=TERM";
    if (user) {
        snprintf(ret_ids[0], sizeof(ret_ids[0]), "--reuid=%u", (unsigned)user->uid);
        snprintf(ret_ids[1], sizeof(ret_ids[1]), "--regid=%u", (unsigned)user->gid);
        words[used++] = ret_ids[0];
        words[used++] = ret_ids[1];
        words[used++] = "--init-groups";
    }
    words[used++] = "--";
    if (environment->late_count)
        words[used++] = "/usr/bin/env";
    for (size_t i = 0; i < environment->late_count; i++)
        words[used++] = environment->late[i];
    words[used++] = program;
    for (size_t i = 1; i < count; i++)
        words[used++] = spec->argv[i];
    return words;
}

/* --- starting --- */

/* Copies of the caller's descriptors out of the way of 0 to 3, where they are put in the child. */
struct descriptors {
    int output, pass; /* -1: none */
};

static bool copy_descriptors(struct descriptors *self, const struct child_spec *spec)
{
    *self = (struct descriptors){-1, -1};
    if (spec->output >= 0 && (self->output = fcntl(spec->output, F_DUPFD_CLOEXEC, ABOVE_STANDARD)) < 0)
        return false;
    return spec->pass < 0 || (self->pass = fcntl(spec->pass, F_DUPFD_CLOEXEC, ABOVE_STANDARD)) >= 0;
}

static void close_descriptors(struct descriptors *self)
{
    if (self->output >= 0)
        close(self->output);
    if (self->pass >= 0)
        close(self->pass);
}

static void add_actions(posix_spawn_file_actions_t *actions, const struct descriptors *fds, const char *folder)
{
    posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (fds->output >= 0)
        posix_spawn_file_actions_adddup2(actions, fds->output, STDOUT_FILENO);
    else
        posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    if (fds->pass >= 0)
        posix_spawn_file_actions_adddup2(actions, fds->pass, 3);
    posix_spawn_file_actions_addclosefrom_np(actions, fds->pass >= 0 ? 4 : 3);
    if (folder)
        posix_spawn_file_actions_addchdir_np(actions, folder);
}

/* 0 or the errno. */
static int spawn(const char *const *words, char *const *environment, const struct descriptors *fds, const char *folder,
                 pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    add_actions(&actions, fds, folder);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    int error = posix_spawn(ret_pid, words[0], &actions, &attributes, (char *const *)(uintptr_t)words, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The child is there; what tells its end is added. */
static bool watch_child(struct child *self, pid_t pid, char *ret_reason)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        snprintf(ret_reason, CHILD_REASON_MAX, "its end could not be watched for (pidfd_open: %s)", strerror(errno));
        kill(-pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return false;
    }
    *self = (struct child){.pid = pid, .exit_fd = fd};
    return true;
}

/* With the environment made. */
static bool start_in(struct child *self, const struct child_spec *spec, const struct user *user,
                     const struct environment *environment, char *ret_reason)
{
    char program[PATH_MAX_BYTES], setpriv[PATH_MAX_BYTES], ids[2][32];
    const char *folder = spec->directory;
    if (!find_program(spec->argv[0], environment_get(environment, "PATH"), program)) {
        snprintf(ret_reason, CHILD_REASON_MAX, "the program %.90s is not installed", spec->argv[0]);
        return false;
    }
    if (!find_program("setpriv", strchr(default_path, '=') + 1, setpriv)) {
        snprintf(ret_reason, CHILD_REASON_MAX, "the program setpriv (package util-linux) is not installed");
        return false;
    }
    if (folder && !is_folder(folder)) {
        snprintf(ret_reason, CHILD_REASON_MAX, "there is no folder %.90s", folder);
        return false;
    }
    if (!folder && user)
        folder = is_folder(user->home) ? user->home : "/";
    struct descriptors fds;
    pid_t pid = 0;
    const char **words = make_words(spec, user, environment, setpriv, program, ids);
    int error = !words ? ENOMEM : copy_descriptors(&fds, spec) ? 0 : errno;
    if (!error)
        error = spawn(words, environment->entries, &fds, folder, &pid);
    if (words)
        close_descriptors(&fds);
    free(words);
    if (error) {
        snprintf(ret_reason, CHILD_REASON_MAX, "the program %.80s could not be started: %.40s", spec->argv[0],
                 strerror(error));
        return false;
    }
    return watch_child(self, pid, ret_reason);
}

bool child_start(struct child *self, const struct child_spec *spec, char ret_reason[CHILD_REASON_MAX])
{
    struct user user;
    const struct user *other = NULL;
    *self = (struct child){0};
    if (spec->user && *spec->user) {
        if (!find_user(spec->user, &user)) {
            snprintf(ret_reason, CHILD_REASON_MAX, "there is no user %.64s", spec->user);
            return false;
        }
        other = user.uid == geteuid() ? NULL : &user;
        if (other && geteuid() != 0) {
            snprintf(ret_reason, CHILD_REASON_MAX, "only root can start a program as another user (%.64s)", spec->user);
            return false;
        }
    }
    struct environment *environment = calloc(1, sizeof(*environment));
    bool started = false;
    if (environment && make_environment(environment, spec, other))
        started = start_in(self, spec, other, environment, ret_reason);
    else
        snprintf(ret_reason, CHILD_REASON_MAX, "there is not enough memory, or the environment is too large");
    if (environment)
        environment_finish(environment);
    free(environment);
    return started;
}

/* --- its end --- */

bool child_reap(struct child *self, struct child_end *ret_end)
{
    siginfo_t info = {0};
    if (!self->pid || waitid(P_PID, (id_t)self->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || !info.si_pid)
        return false;
    kill(-self->pid, SIGKILL);
    waitid(P_PID, (id_t)self->pid, &info, WEXITED | WNOHANG);
    close(self->exit_fd);
    *self = (struct child){0};
    *ret_end = (struct child_end){.by_signal = info.si_code != CLD_EXITED, .code = info.si_status};
    return true;
}

void child_signal(struct child *self, enum child_signal signal)
{
    if (!self->pid)
        return;
    kill(-self->pid, signal == CHILD_KILL ? SIGKILL : SIGTERM);
    if (signal == CHILD_TERMINATE)
        kill(-self->pid, SIGCONT); /* a stopped one does not hear */
}

void child_end_text(const struct child_end *end, char *ret_text, size_t capacity)
{
    const char *name = sigdescr_np(end->code);
    if (!end->by_signal)
        snprintf(ret_text, capacity, "exit code %d", end->code);
    else if (name)
        snprintf(ret_text, capacity, "signal %d (%s)", end->code, name);
    else
        snprintf(ret_text, capacity, "signal %d", end->code);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All folders are writable for us alone, so that nobody can put a link where we write, and a file is made anew each
 * time.
 */
#include "host/desktop_files.h"

#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char shared_root[] = "/run/earthshine";

static bool failed(char *ret_reason, const char *what, const char *path)
{
    snprintf(ret_reason, CHILD_REASON_MAX, "%s %.80s: %.40s", what, path, strerror(errno));
    return false;
}

/* A folder that only we can write to. */
static bool make_folder(const char *path, mode_t mode, char *ret_reason)
{
    struct stat info;
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return failed(ret_reason, "cannot make the folder", path);
    if (lstat(path, &info) != 0)
        return failed(ret_reason, "cannot use the folder", path);
    if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid()) {
        snprintf(ret_reason, CHILD_REASON_MAX, "%.100s is not a folder of ours", path);
        return false;
    }
    if (chmod(path, mode) != 0)
        return failed(ret_reason, "cannot protect the folder", path);
    return true;
}

/* A new file, 0600, of that owner. */
static bool write_file(const char *path, uid_t uid, gid_t gid, const void *data, size_t size, char *ret_reason)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(ret_reason, "cannot write", path);
    bool good = fchown(fd, uid, gid) == 0 && fchmod(fd, 0600) == 0 && write(fd, data, size) == (ssize_t)size;
    if (close(fd) != 0 || !good) {
        failed(ret_reason, "cannot write", path);
        unlink(path);
        return false;
    }
    return true;
}

/*
 * One entry for whatever display and host name, as the number is known only later and a machine's name changes:
 * u16 family, then address, number, name and data, each a u16 length and bytes, big-endian (libXau, Xauth.h).
 */
static size_t make_entry(const uint8_t *cookie, uint8_t ret_entry[64])
{
    static const char protocol[] = "MIT-MAGIC-COOKIE-1";
    enum { FAMILY_WILD = 0xffff, NAME_BYTES = sizeof(protocol) - 1 };
    uint8_t *at = ret_entry;
    const uint16_t head[] = {FAMILY_WILD, 0, 0, NAME_BYTES};
    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++, at += 2)
        at[0] = (uint8_t)(head[i] >> 8), at[1] = (uint8_t)head[i];
    memcpy(at, protocol, NAME_BYTES);
    at += NAME_BYTES;
    at[0] = 0, at[1] = DESKTOP_COOKIE_BYTES;
    memcpy(at + 2, cookie, DESKTOP_COOKIE_BYTES);
    return (size_t)(at + 2 + DESKTOP_COOKIE_BYTES - ret_entry);
}

/* One folder for each state folder, of which only one host at a time has the lock. FNV-1a. */
static void name_user_folder(struct desktop_files *self)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *at = self->folder; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    snprintf(self->user_folder, sizeof(self->user_folder), "%s/%016llx", shared_root, (unsigned long long)hash);
    snprintf(self->user_xauthority, sizeof(self->user_xauthority), "%s/Xauthority", self->user_folder);
}

/* He may enter the folder, and read his file. */
static bool make_user_copy(struct desktop_files *self, unsigned uid, unsigned gid, const uint8_t *entry, size_t size,
                           char *ret_reason)
{
    name_user_folder(self);
    return make_folder(shared_root, 0711, ret_reason) && make_folder(self->user_folder, 0711, ret_reason) &&
           write_file(self->user_xauthority, uid, gid, entry, size, ret_reason);
}

bool desktop_files_make(struct desktop_files *self, const char *state_dir, const char *user,
                        char ret_reason[CHILD_REASON_MAX])
{
    uint8_t entry[64];
    unsigned uid = geteuid(), gid = getegid();
    char *real = realpath(state_dir, NULL);
    *self = (struct desktop_files){0};
    if (*user && !child_user_ids(user, &uid, &gid)) {
        snprintf(ret_reason, CHILD_REASON_MAX, "there is no user %.64s", user);
        free(real);
        return false;
    }
    if (uid != geteuid() && geteuid() != 0) {
        snprintf(ret_reason, CHILD_REASON_MAX, "only root can run the session as another user (session_user = %.64s)",
                 user);
        free(real);
        return false;
    }
    snprintf(self->folder, sizeof(self->folder), "%.*s/desktop", CONFIG_PATH_MAX, real ? real : state_dir);
    snprintf(self->xauthority, sizeof(self->xauthority), "%.*s/Xauthority", DESKTOP_PATH_MAX - 16, self->folder);
    free(real);
    if (!random_bytes(self->cookie, sizeof(self->cookie))) {
        snprintf(ret_reason, CHILD_REASON_MAX, "the system gives no random numbers");
        return false;
    }
    size_t size = make_entry(self->cookie, entry);
    return make_folder(self->folder, 0700, ret_reason) &&
           write_file(self->xauthority, geteuid(), getegid(), entry, size, ret_reason) &&
           (uid == geteuid() || make_user_copy(self, uid, gid, entry, size, ret_reason));
}

bool desktop_files_write(const struct desktop_files *self, const char *name, const char *text,
                         char ret_path[DESKTOP_PATH_MAX], char ret_reason[CHILD_REASON_MAX])
{
    snprintf(ret_path, DESKTOP_PATH_MAX, "%.*s/%.30s", CONFIG_PATH_MAX, self->folder, name);
    return write_file(ret_path, geteuid(), getegid(), text, strlen(text), ret_reason);
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(path);
}

void desktop_files_remove(const struct desktop_files *self)
{
    if (self->folder[0])
        remove_folder(self->folder);
    if (self->user_folder[0]) {
        remove_folder(self->user_folder);
        rmdir(shared_root); /* unless another host uses it */
    }
}

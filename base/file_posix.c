/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum file_result file_read(const char *path, size_t max_size, char **ret_data, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT)
            return FILE_MISSING;
        log_error("file: cannot open %s: %s", path, strerror(errno));
        return FILE_FAILED;
    }
    char *data = malloc(max_size + 2);
    size_t used = 0;
    const char *why = data ? NULL : "out of memory";
    while (!why) {
        ssize_t got = read(fd, data + used, max_size + 1 - used);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            why = strerror(errno);
        else if (got > 0 && (used += (size_t)got) > max_size)
            why = "it is too large";
    }
    close(fd);
    if (why) {
        log_error("file: cannot read %s: %s", path, why);
        free(data);
        return FILE_FAILED;
    }
    data[used] = 0;
    *ret_data = data;
    *ret_size = used;
    return FILE_OK;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        data += put;
        size -= (size_t)put;
    }
    return true;
}

static void sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    text_copy(folder, sizeof(folder), path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    *(slash == folder ? slash + 1 : slash) = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

bool file_write_atomic(const char *path, const void *data, size_t size, unsigned mode)
{
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary)) {
        log_error("file: path too long: %s", path);
        return false;
    }
    int fd = mkostemp(temporary, O_CLOEXEC); /* 0600 until the end */
    bool good = fd >= 0 && write_all(fd, data, size) && fsync(fd) == 0 && fchmod(fd, (mode_t)mode) == 0;
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        error = errno;
        good = false;
    }
    if (good && rename(temporary, path) != 0) {
        error = errno;
        good = false;
    }
    if (!good) {
        log_error("file: cannot write %s: %s", path, strerror(error));
        if (fd >= 0)
            unlink(temporary);
        return false;
    }
    sync_folder_of(path);
    return true;
}

bool file_make_folder(const char *path)
{
    char part[PATH_MAX];
    if (!text_copy(part, sizeof(part), path)) {
        log_error("file: path too long: %s", path);
        return false;
    }
    for (char *c = part + 1;; c++) {
        bool end = !*c;
        if (*c != '/' && !end)
            continue;
        *c = 0;
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            log_error("file: cannot make folder %s: %s", part, strerror(errno));
            return false;
        }
        if (end)
            return true;
        *c = '/';
    }
}

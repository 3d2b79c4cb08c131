/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image that the server writes into: a memfd passed over the socket (SHM 1.2: works between containers, leaves
 * nothing behind), else a System V segment. Whether the server took it is told by the first picture read into it.
 * The memfd is sealed: a server that made it shorter would end us by SIGBUS.
 */
#include "capture/x11.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#define SIZE_MAX_BYTES ((size_t)1 << 30) /* 16384x16384: what claims to be larger is no desktop */

static bool attach_memfd(struct x11_source *self, size_t size_bytes)
{
    int fd = memfd_create("earthshine-picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return false;
    void *memory = MAP_FAILED;
    if (ftruncate(fd, (off_t)size_bytes) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        close(fd);
        return false;
    }
    self->shm = (struct x11_shm){xcb_generate_id(self->connection), XCB_NONE, memory, size_bytes, false};
    xcb_shm_attach_fd(self->connection, self->shm.segment, fd, 0); /* closes fd */
    return true;
}

static bool attach_sysv(struct x11_source *self, size_t size_bytes)
{
    int id = shmget(IPC_PRIVATE, size_bytes, IPC_CREAT | 0600);
    if (id < 0)
        return false;
    void *memory = shmat(id, NULL, 0);
    self->shm = (struct x11_shm){xcb_generate_id(self->connection), XCB_NONE, memory, size_bytes, true};
    bool attached = memory != (void *)-1;
    if (attached) {
        xcb_shm_attach(self->connection, self->shm.segment, (uint32_t)id, 0);
        /* The segment is to vanish with its last user, but the server must have it by then. */
        void *reply = NULL;
        unsigned sequence = xcb_query_pointer(self->connection, self->root).sequence;
        attached = x11_wait(self, sequence, clock_now_ns() + X11_REPLY_LIMIT_NS, &reply) == X11_REPLY_OK;
        free(reply);
    } else {
        self->shm = (struct x11_shm){0};
    }
    shmctl(id, IPC_RMID, NULL);
    return attached;
}

bool x11_shm_attach(struct x11_source *self, int width, int height)
{
    size_t size_bytes = (size_t)width * (size_t)height * 4;
    x11_shm_detach(self);
    bool attached = size_bytes <= SIZE_MAX_BYTES &&
                    (self->can_pass_fd ? attach_memfd(self, size_bytes) : attach_sysv(self, size_bytes));
    if (!attached) {
        snprintf(self->base.sentence, sizeof(self->base.sentence),
                 "No shared memory of %zu MB for the screen's picture.", size_bytes >> 20);
        return false;
    }
    if (self->can_copy) {
        self->shm.pixmap = xcb_generate_id(self->connection);
        xcb_shm_create_pixmap(self->connection, self->shm.pixmap, self->root, (uint16_t)width, (uint16_t)height,
                              self->root_depth, self->shm.segment, 0);
    }
    return true;
}

void x11_shm_detach(struct x11_source *self)
{
    if (!self->shm.memory)
        return;
    if (self->connection && self->shm.pixmap)
        xcb_free_pixmap(self->connection, self->shm.pixmap); /* would keep the segment */
    if (self->connection)
        xcb_shm_detach(self->connection, self->shm.segment);
    if (self->shm.is_sysv)
        shmdt(self->shm.memory);
    else
        munmap(self->shm.memory, self->shm.size_bytes);
    self->shm = (struct x11_shm){0};
}

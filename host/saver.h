/* SPDX-License-Identifier: Apache-2.0 */
/* saver: the state on its way to disk: a snapshot now, the write on a worker, word of it back on the main thread. */
#pragma once

#include "host/state.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct saver {
    struct loop *loop;
    struct state *state;
    uint64_t failures; /* writes that did not reach the disk */
    bool at_end;       /* the workers go, or have gone: save at once */
};

/* `done` may be NULL. With all workers busy, or no memory, it is told `false` at once; a later save stores it all. */
void saver_save(struct saver *self, void (*done)(void *arg, bool stored), void *arg);

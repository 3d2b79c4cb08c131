/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program: a child on the loop: its last output is kept, its end is told, and it is killed when it does not end when
 * asked. Main thread.
 */
#pragma once

#include "base/child.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct program;

enum { PROGRAM_OUTPUT_MAX = 8192, PROGRAM_STOP_S = 3 };

struct program_end {
    struct child_end child;
    bool asked;     /* program_stop() came before */
    bool timed_out; /* killed at its limit */
    int64_t ran_ns;
};

struct program_config {
    struct loop *loop;
    const char *name;       /* for the log; copied */
    struct child_spec spec; /* borrowed for the call; `output` is set by the program */
    int limit_s;            /* the whole group is killed then; 0: no limit */
    /* May destroy the program. Not called after program_destroy. */
    void (*ended)(void *ctx, const struct program_end *end);
    void *ctx;
};

/* NULL: `ret_reason` says why, for people; also logged. */
struct program *program_start(const struct program_config *config, char ret_reason[CHILD_REASON_MAX]);
/* Asks its group to end (SIGTERM), kills it after PROGRAM_STOP_S; `ended` follows. */
void program_stop(struct program *self);
/* Kills its group at once, as one that hangs needs it; `ended` follows. */
void program_kill(struct program *self);
/* For the end of the host: as program_stop, but waits for it and calls nothing. NULL is fine. */
void program_stop_and_wait(struct program *self);
/* Kills it at once if it runs. NULL is fine. */
void program_destroy(struct program *self);
bool program_runs(const struct program *self); /* NULL: false */
int program_pid(const struct program *self);   /* and process group; 0: it does not run */
/* The last of stdout and stderr, at most PROGRAM_OUTPUT_MAX bytes, NUL-terminated, control characters but newlines
 * replaced, valid UTF-8. Returns the length. */
size_t program_output(const struct program *self, char ret_text[PROGRAM_OUTPUT_MAX + 1]);

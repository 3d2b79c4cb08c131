/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity: keys and certificates of the host, and whether this machine is the one they were made for.
 * Two pairs: "gamestream" is pinned by clients and never changes by itself; "web" is the page's, with its names in it.
 */
#pragma once

#include "host/state.h"

#include <stdbool.h>
#include <stdint.h>

enum identity_kind { IDENTITY_GAMESTREAM, IDENTITY_WEB };

struct identity {
    char *key_pem, *certificate_pem; /* NULL: none */
};
void identity_finish(struct identity *self); /* wipes and frees; may be called twice */

enum identity_result {
    IDENTITY_OK,
    IDENTITY_MISSING, /* none was made yet */
    IDENTITY_BROKEN,  /* logged: key and certificate cannot be used; to be mended or removed by the operator */
};
enum identity_result identity_load(const char *folder, enum identity_kind kind, struct identity *ret_identity);

/* What goes into a new certificate. Pointers are borrowed. */
struct identity_names {
    const char *hostname;         /* IDENTITY_WEB: subjectAltName, besides "localhost" */
    const char *const *addresses; /* IDENTITY_WEB: NULL-terminated, "192.0.2.1"; 127.0.0.1 is added; NULL: none */
    int64_t now_s;                /* wall clock */
};
/* Makes and writes key (0600) and certificate (0644). Slow: on a worker. False: logged. */
bool identity_make(const char *folder, enum identity_kind kind, const struct identity_names *names,
                   struct identity *ret_identity);

enum identity_machine {
    IDENTITY_MACHINE_SAME,
    IDENTITY_MACHINE_CLONE,  /* logged; keys and state set aside, the state is new (not yet written) */
    IDENTITY_MACHINE_FAILED, /* logged */
};
/* Compares this machine with the one the state remembers, and remembers it. `sysroot`: "" or a folder that stands for
 * "/". `fixed`: the operator says that the identity stays, whatever the machine. Before identity_load(). */
enum identity_machine identity_check_machine(struct state *state, const char *sysroot, bool fixed);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: what the host remembers: its id, the paired clients, the page's password. One process at a time (flock).
 *
 * Memory belongs to the main thread. Writing is split: state_serialise() there gives a snapshot, state_write() puts it
 * on disk from any thread, in the right order and with the previous generation kept as state.json.1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATE_SCHEMA = 1,
    STATE_FILE_MAX = 4 * 1024 * 1024,
    STATE_CLIENTS_MAX = 256,
    STATE_ID_TEXT = 37,   /* UUID and NUL */
    STATE_NAME_MAX = 128, /* bytes without the NUL */
    STATE_RECORD_MAX = 256,
    STATE_SETUP_CODE_TEXT = 10, /* "ABCD-EFGH" and NUL */
    STATE_NOTE_MAX = 2048,
    STATE_GSO_OFF_MAX = 16,
    STATE_INTERFACE_TEXT = 16,
    STATE_OWED_MAX = 64,
    STATE_MOMENT_MAX = 16,
    STATE_COMMAND_MAX = 1024, /* with the NUL, as are the others here */
    STATE_DIRECTORY_MAX = 1024,
    STATE_USER_MAX = 128,
    STATE_ENVIRONMENT_MAX = 4096,
};

struct state_client {
    char id[STATE_ID_TEXT];
    char name[STATE_NAME_MAX + 1];
    char *certificate_pem;
    uint8_t sha256[32];
    int64_t paired_ms, seen_ms; /* wall clock */
    unsigned rights;            /* enum seat_right, input/seat.h; all of them at first */
    bool enabled;
    bool pending; /* not on disk yet: unknown to state_find_client() */
};

/* Which machine the identity belongs to; see host/identity.h. Salted hashes only. */
struct state_machine {
    uint8_t salt[16], uuid_hash[32], machine_id_hash[32];
    bool has_uuid, has_machine_id;
};

struct state;

/* Makes and locks the folder (0700), reads state.json, else its previous generation. NULL, logged, nothing written:
 * another process has it, both files are bad, or they are of a newer version. A new state has an id and a setup code
 * and is not yet on disk. */
struct state *state_open(const char *folder);
void state_close(struct state *self); /* unlocks; writes nothing; NULL is fine */
const char *state_folder(const struct state *self);
bool state_is_new(const struct state *self);

/* --- writing --- */
struct state_snapshot;
struct state_snapshot *state_serialise(struct state *self); /* NULL: out of memory, logged */
/* Any thread. A snapshot older than what is on disk counts as written. False: logged, the files are as before.
 * The snapshot stays the caller's. */
bool state_write(struct state *self, const struct state_snapshot *snapshot);
void state_snapshot_destroy(struct state_snapshot *self); /* NULL is fine */
bool state_save_now(struct state *self);                  /* both at once: at start and in the command line tool */

/* --- identity --- */
const char *state_uniqueid(const struct state *self);
struct state_machine *state_machine(struct state *self);
/* On a clone: renames the state files aside and starts with a new id and setup code, no clients, no password. */
bool state_start_anew(struct state *self);

/* --- clients --- */
size_t state_client_count(const struct state *self);
const struct state_client *state_client_at(const struct state *self, size_t index); /* until the next change */
/* The enabled client with this certificate; looks at all entries, compares in constant time. NULL: none. */
const struct state_client *state_find_client(const struct state *self, const uint8_t sha256[32]);
/* A client that has just paired. A known certificate gets the new name and time (what it may do stays as it
 * was); a new one is pending until state_confirm_client(). `name` "": a name is made up. False: full, or no memory. */
bool state_put_client(struct state *self, const char *name, const char *certificate_pem, const uint8_t sha256[32],
                      int64_t now_ms, char ret_id[STATE_ID_TEXT]);
/* Whether it is on disk: visible now, or (a new one) gone again. */
void state_confirm_client(struct state *self, const char *id, bool stored);
bool state_remove_client(struct state *self, const char *id);
bool state_rename_client(struct state *self, const char *id, const char *name);
bool state_enable_client(struct state *self, const char *id, bool enabled);
bool state_set_rights(struct state *self, const char *id, unsigned rights);
void state_saw_client(struct state *self, const uint8_t sha256[32], int64_t now_ms);

/* --- the page --- */
const char *state_password(const struct state *self);            /* "scrypt$...", NULL: none set */
bool state_set_password(struct state *self, const char *record); /* NULL forgets it; a setup code ends with it */
/* Takes a change of the password back that could not be stored: what state_password() and state_setup_code() were
 * before, either may be NULL. */
void state_put_back_password(struct state *self, const char *record, const char *setup_code);
const char *state_setup_code(const struct state *self);                    /* NULL when a password is set */
bool state_new_setup_code(struct state *self);                             /* forgets the password too */
bool state_setup_code_matches(const struct state *self, const char *code); /* constant time; case, '-', ' ' ignored */

/* --- what the display was like before its mode was changed; see capture/display.h --- */
const char *state_mode_note(const struct state *self);          /* NULL: nothing is changed */
bool state_set_mode_note(struct state *self, const char *note); /* "" forgets it; false: too long */

/* --- which sink was the default one before ours was; see audio/source.h --- */
const char *state_sound_note(const struct state *self);          /* NULL: nothing is changed */
bool state_set_sound_note(struct state *self, const char *note); /* "" forgets it; false: too long */

/* --- interfaces on which GSO was found to be swallowed --- */
size_t state_gso_off(const struct state *self, const char *ret_names[STATE_GSO_OFF_MAX]);
bool state_set_gso_off(struct state *self, const char *const *names, size_t count);

/* --- commands that undo what an app's commands did, and have not run yet; see host/apps.h --- */
struct state_owed {
    char app[STATE_NAME_MAX + 1];
    char moment[STATE_MOMENT_MAX]; /* "connect"; with `app` it names the entry */
    char command[STATE_COMMAND_MAX];
    char directory[STATE_DIRECTORY_MAX];     /* "": the user's home */
    char user[STATE_USER_MAX];               /* "": as the host */
    char environment[STATE_ENVIRONMENT_MAX]; /* NAME=value, each with its NUL, one after another; then an empty one */
};
size_t state_owed_count(const struct state *self);
const struct state_owed *state_owed_at(const struct state *self, size_t index); /* oldest first; until a change */
/* Copied; takes the place of an entry of the same name, as the newest. False: full, no memory, or text that cannot be
 * stored. */
bool state_owe(struct state *self, const struct state_owed *owed);
bool state_settle(struct state *self, const char *app, const char *moment); /* false: there is none */

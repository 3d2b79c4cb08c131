/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and clone detection, with a made-up /etc and /sys. */
#include "host/identity.h"

#include "base/file.h"
#include "base/text.h"
#include "protocol/crypto.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define UUID_A "4c4c4544-0042-3510-8051-b4c04f4a4d32"
#define UUID_B "11112222-3333-4444-5555-666677778888"
#define ID_A   "0123456789abcdef0123456789abcdef"
#define ID_B   "fedcba9876543210fedcba9876543210"

struct bench {
    char root[64], folder[96];
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    strcpy(b->root, "/tmp/earthshine-identity-XXXXXX");
    if (!mkdtemp(b->root))
        return -1;
    snprintf(b->folder, sizeof(b->folder), "%s/state", b->root);
    *state = b;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct bench *b = *state;
    nftw(b->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(b);
    return 0;
}

static const char *path_of(const struct bench *b, const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", b->root, name);
    return path;
}

/* NULL: not there. */
static void be_machine(const struct bench *b, const char *uuid, const char *id)
{
    file_make_folder(path_of(b, "etc"));
    file_make_folder(path_of(b, "sys/class/dmi/id"));
    unlink(path_of(b, "etc/machine-id"));
    unlink(path_of(b, "sys/class/dmi/id/product_uuid"));
    char line[128];
    snprintf(line, sizeof(line), "%s\n", uuid ? uuid : "");
    if (uuid)
        assert_true(file_write_atomic(path_of(b, "sys/class/dmi/id/product_uuid"), line, strlen(line), 0400));
    snprintf(line, sizeof(line), "%s\n", id ? id : "");
    if (id)
        assert_true(file_write_atomic(path_of(b, "etc/machine-id"), line, strlen(line), 0444));
}

/* One start of the host on that machine. */
static enum identity_machine start(const struct bench *b, const char *uuid, const char *id, bool fixed)
{
    be_machine(b, uuid, id);
    struct state *s = state_open(b->folder);
    assert_non_null(s);
    enum identity_machine result = identity_check_machine(s, b->root, fixed);
    assert_true(state_save_now(s));
    state_close(s);
    return result;
}

static void a_clone_is_recognised_by_what_is_known_both_times(void **state)
{
    static const struct {
        const char *uuid, *id, *next_uuid, *next_id;
        bool clone;
    } cases[] = {
        {UUID_A, ID_A, UUID_A, ID_A, false},
        {UUID_A, ID_A, UUID_B, ID_A, true},
        {UUID_A, ID_A, UUID_B, ID_B, true},
        {UUID_A, ID_A, UUID_A, ID_B, true},
        {UUID_A, ID_A, NULL, ID_A, false}, /* not readable now */
        {UUID_A, ID_A, NULL, ID_B, true},
        {NULL, ID_A, UUID_B, ID_A, false}, /* not readable then */
        {UUID_A, NULL, UUID_A, ID_A, false},
        {UUID_A, ID_A, UUID_A, NULL, false},
        {NULL, NULL, UUID_A, ID_A, false},
        {UUID_A, ID_A, "00000000-0000-0000-0000-000000000000", ID_A, false}, /* the firmware has none */
        {UUID_A, ID_A, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", ID_A, false},
        {UUID_A, ID_A, "Not Settable", ID_A, false},
        {UUID_A, ID_A, "4C4C4544-0042-3510-8051-B4C04F4A4D32", ID_A, false}, /* the same in capitals */
        {UUID_A, ID_A, UUID_A, "uninitialized", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        setup(state);
        assert_int_equal(start(*state, cases[i].uuid, cases[i].id, false), IDENTITY_MACHINE_SAME);
        enum identity_machine result = start(*state, cases[i].next_uuid, cases[i].next_id, false);
        if ((result == IDENTITY_MACHINE_CLONE) != cases[i].clone || result == IDENTITY_MACHINE_FAILED)
            fail_msg("case %zu", i);
        assert_int_equal(start(*state, cases[i].next_uuid, cases[i].next_id, false), IDENTITY_MACHINE_SAME);
        teardown(state);
    }
}

static void what_is_not_readable_for_a_while_is_not_forgotten(void **state)
{
    assert_int_equal(start(*state, UUID_A, ID_A, false), IDENTITY_MACHINE_SAME);
    assert_int_equal(start(*state, NULL, NULL, false), IDENTITY_MACHINE_SAME);
    assert_int_equal(start(*state, UUID_B, ID_A, false), IDENTITY_MACHINE_CLONE);
}

static void a_fixed_identity_stays_and_follows_the_machine(void **state)
{
    assert_int_equal(start(*state, UUID_A, ID_A, false), IDENTITY_MACHINE_SAME);
    assert_int_equal(start(*state, UUID_B, ID_B, true), IDENTITY_MACHINE_SAME);
    assert_int_equal(start(*state, UUID_B, ID_B, false), IDENTITY_MACHINE_SAME);
}

static struct identity_names names(void)
{
    static const char *const addresses[] = {"192.0.2.7", NULL};
    return (struct identity_names){.hostname = "vm-desk-07", .addresses = addresses, .now_s = 1700000000};
}

static void keys_are_made_once_and_private(void **state)
{
    struct bench *b = *state;
    struct identity made = {0}, loaded = {0};
    struct identity_names config = names();
    struct stat info;
    file_make_folder(b->folder);
    for (int kind = IDENTITY_GAMESTREAM; kind <= IDENTITY_WEB; kind++) {
        assert_int_equal(identity_load(b->folder, (enum identity_kind)kind, &loaded), IDENTITY_MISSING);
        assert_true(identity_make(b->folder, (enum identity_kind)kind, &config, &made));
        assert_int_equal(identity_load(b->folder, (enum identity_kind)kind, &loaded), IDENTITY_OK);
        assert_string_equal(made.certificate_pem, loaded.certificate_pem);
        assert_string_equal(made.key_pem, loaded.key_pem);
        identity_finish(&made);
        identity_finish(&loaded);
    }
    assert_int_equal(stat(path_of(b, "state/key.pem"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of(b, "state/web-key.pem"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_pair_that_does_not_fit_is_told_and_kept(void **state)
{
    struct bench *b = *state;
    struct identity made = {0}, other = {0}, loaded = {0};
    struct identity_names config = names();
    file_make_folder(b->folder);
    assert_true(identity_make(b->folder, IDENTITY_GAMESTREAM, &config, &made));
    assert_true(identity_make(b->folder, IDENTITY_WEB, &config, &other));
    file_write_atomic(path_of(b, "state/key.pem"), other.key_pem, strlen(other.key_pem), 0600);
    assert_int_equal(identity_load(b->folder, IDENTITY_GAMESTREAM, &loaded), IDENTITY_BROKEN);
    file_write_atomic(path_of(b, "state/key.pem"), "", 0, 0600);
    assert_int_equal(identity_load(b->folder, IDENTITY_GAMESTREAM, &loaded), IDENTITY_BROKEN);
    unlink(path_of(b, "state/key.pem"));
    assert_int_equal(identity_load(b->folder, IDENTITY_GAMESTREAM, &loaded), IDENTITY_BROKEN);
    assert_null(loaded.key_pem);
    assert_int_equal(access(path_of(b, "state/cert.pem"), F_OK), 0);
    unlink(path_of(b, "state/cert.pem"));
    assert_int_equal(identity_load(b->folder, IDENTITY_GAMESTREAM, &loaded), IDENTITY_MISSING);
    identity_finish(&made);
    identity_finish(&other);
}

static void a_clone_starts_anew_and_keeps_the_old_files_aside(void **state)
{
    struct bench *b = *state;
    struct identity made = {0}, loaded = {0};
    struct identity_names config = names();
    char uniqueid[STATE_ID_TEXT], code[STATE_SETUP_CODE_TEXT];
    be_machine(b, UUID_A, ID_A);
    struct state *s = state_open(b->folder);
    assert_int_equal(identity_check_machine(s, b->root, false), IDENTITY_MACHINE_SAME);
    text_copy(uniqueid, sizeof(uniqueid), state_uniqueid(s));
    text_copy(code, sizeof(code), state_setup_code(s));
    assert_true(state_set_password(s, "scrypt$"));
    assert_true(identity_make(b->folder, IDENTITY_GAMESTREAM, &config, &made));
    assert_true(state_save_now(s));
    be_machine(b, UUID_B, ID_B);
    assert_int_equal(identity_check_machine(s, b->root, false), IDENTITY_MACHINE_CLONE);
    assert_string_not_equal(state_uniqueid(s), uniqueid);
    assert_null(state_password(s));
    assert_string_not_equal(state_setup_code(s), code);
    assert_int_equal(state_client_count(s), 0);
    assert_int_equal(identity_load(b->folder, IDENTITY_GAMESTREAM, &loaded), IDENTITY_MISSING);
    assert_int_equal(access(path_of(b, "state/key.pem.clone"), F_OK), 0);
    assert_int_equal(access(path_of(b, "state/state.json.clone"), F_OK), 0);
    assert_int_equal(access(path_of(b, "state/state.json"), F_OK), -1);
    state_close(s);
    identity_finish(&made);
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clone_is_recognised_by_what_is_known_both_times),
        WITH_FOLDER(what_is_not_readable_for_a_while_is_not_forgotten),
        WITH_FOLDER(a_fixed_identity_stays_and_follows_the_machine),
        WITH_FOLDER(keys_are_made_once_and_private),
        WITH_FOLDER(a_pair_that_does_not_fit_is_told_and_kept),
        WITH_FOLDER(a_clone_starts_anew_and_keeps_the_old_files_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

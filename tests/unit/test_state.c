/* SPDX-License-Identifier: Apache-2.0 */
#include "host/state.h"

#include "base/file.h"
#include "base/text.h"
#include "host/state_data.h"
#include "input/seat.h"
#include "tests/unit/pairing_vectors.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct bench {
    char root[64], folder[96], file[128], previous[128];
};

static const char *pem_of(int index, uint8_t sha256[32])
{
    json_t *entry = json_array_get(json_object_get(vectors, "tls_client_certs"), (size_t)index);
    text_unhex(json_string_value(json_object_get(entry, "cert_sha256")), 64, sha256, 32);
    return json_string_value(json_object_get(entry, "pem"));
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    strcpy(b->root, "/tmp/earthshine-state-XXXXXX");
    if (!mkdtemp(b->root))
        return -1;
    snprintf(b->folder, sizeof(b->folder), "%s/a/state", b->root);
    snprintf(b->file, sizeof(b->file), "%s/state.json", b->folder);
    snprintf(b->previous, sizeof(b->previous), "%s/state.json.1", b->folder);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    char path[512];
    DIR *folder = opendir(b->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        snprintf(path, sizeof(path), "%s/%s", b->folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (folder)
        closedir(folder);
    rmdir(b->folder);
    snprintf(path, sizeof(path), "%s/a", b->root);
    rmdir(path);
    rmdir(b->root);
    free(b);
    return 0;
}

static void put_file(const char *path, const char *text)
{
    assert_true(file_write_atomic(path, text, strlen(text), 0600));
}

static char *get_file(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    return file_read(path, STATE_FILE_MAX, &text, &size) == FILE_OK ? text : NULL;
}

static struct state *open_good(const struct bench *b)
{
    struct state *s = state_open(b->folder);
    assert_non_null(s);
    return s;
}

static void add(struct state *s, int certificate, const char *name)
{
    uint8_t sha256[32];
    char id[STATE_ID_TEXT];
    const char *pem = pem_of(certificate, sha256);
    assert_true(state_put_client(s, name, pem, sha256, 1000, id));
    state_confirm_client(s, id, true);
}

static void a_new_state_is_private_and_locked(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    struct stat info;
    assert_true(state_is_new(s));
    assert_true(state_data_is_uuid(state_uniqueid(s)));
    assert_int_equal(strlen(state_setup_code(s)), 9);
    assert_int_equal(stat(b->folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(access(b->file, F_OK), -1);
    assert_null(state_open(b->folder)); /* in use */
    assert_true(state_save_now(s));
    assert_int_equal(stat(b->file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    state_close(s);
}

static void everything_comes_back(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    char uniqueid[STATE_ID_TEXT];
    const char *names[] = {"eth0", "ens18"}, *off[STATE_GSO_OFF_MAX];
    text_copy(uniqueid, sizeof(uniqueid), state_uniqueid(s));
    add(s, 0, "my \"tablet\" \xc3\xa4");
    add(s, 3, "");
    assert_true(state_set_password(s, "scrypt$1$2$3$4$5"));
    assert_true(state_set_gso_off(s, names, 2));
    state_machine(s)->has_uuid = true;
    assert_true(state_save_now(s));
    state_close(s);
    s = open_good(b);
    assert_false(state_is_new(s));
    assert_string_equal(state_uniqueid(s), uniqueid);
    assert_int_equal(state_client_count(s), 2);
    assert_string_equal(state_client_at(s, 0)->name, "my \"tablet\" \xc3\xa4");
    assert_string_equal(state_client_at(s, 1)->name, "Client afba0b8e");
    uint8_t sha256[32];
    assert_string_equal(state_client_at(s, 0)->certificate_pem, pem_of(0, sha256));
    assert_string_equal(state_password(s), "scrypt$1$2$3$4$5");
    assert_null(state_setup_code(s));
    assert_int_equal(state_gso_off(s, off), 2);
    assert_string_equal(off[1], "ens18");
    assert_true(state_machine(s)->has_uuid && !state_machine(s)->has_machine_id);
    state_close(s);
}

static struct state_owed owed_of(const char *app, const char *moment, const char *command)
{
    struct state_owed owed = {0};
    text_copy(owed.app, sizeof(owed.app), app);
    text_copy(owed.moment, sizeof(owed.moment), moment);
    text_copy(owed.command, sizeof(owed.command), command);
    return owed;
}

static void what_apps_owe_is_kept_in_order(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    struct state_owed first = owed_of("Sch\xc3\xb6n \"1\"", "connect", "a \\ b\t'c'"),
                      second = owed_of("B", "quit", "x");
    text_copy(first.directory, sizeof(first.directory), "/srv");
    text_copy(first.user, sizeof(first.user), "player");
    memcpy(first.environment, "A=1\0B=x y\0", 11);
    assert_int_equal(state_owed_count(s), 0);
    assert_null(state_owed_at(s, 0));
    assert_true(state_owe(s, &second));
    assert_true(state_owe(s, &first));
    assert_true(state_owe(s, state_owed_at(s, 0))); /* again: as the newest */
    assert_true(state_save_now(s));
    state_close(s);
    s = open_good(b);
    assert_int_equal(state_owed_count(s), 2);
    assert_memory_equal(state_owed_at(s, 0), &first, sizeof(first));
    assert_memory_equal(state_owed_at(s, 1), &second, sizeof(second));
    assert_false(state_settle(s, "B", "connect"));
    assert_true(state_settle(s, first.app, "connect"));
    assert_memory_equal(state_owed_at(s, 0), &second, sizeof(second));
    assert_true(state_settle(s, "B", "quit"));
    assert_true(state_save_now(s));
    state_close(s);
    char *text = get_file(b->file);
    assert_null(strstr(text, "owed")); /* as before there were any */
    free(text);
}

static void what_apps_owe_has_limits(void **state)
{
    struct state *s = open_good(*state);
    struct state_owed owed = owed_of("A", "connect", "x");
    for (int i = 0; i < STATE_OWED_MAX; i++) {
        snprintf(owed.app, sizeof(owed.app), "app %d", i);
        assert_true(state_owe(s, &owed));
    }
    assert_true(state_owe(s, &owed)); /* in its own place */
    text_copy(owed.app, sizeof(owed.app), "one more");
    assert_false(state_owe(s, &owed));
    assert_int_equal(state_owed_count(s), STATE_OWED_MAX);
    state_settle(s, "app 0", "connect");
    static const char *const bad[][3] = {
        {"", "connect", "x"},    {"A", "", "x"},           {"A", "connect", ""},     {"A", "Connect", "x"},
        {"A\n", "connect", "x"}, {"A", "connect", "\xff"}, {"A", "connect", "x\ny"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        owed = owed_of(bad[i][0], bad[i][1], bad[i][2]);
        assert_false(state_owe(s, &owed));
    }
    owed = owed_of("A", "connect", "x");
    text_copy(owed.environment, sizeof(owed.environment), "NAME");
    assert_false(state_owe(s, &owed));
    state_close(s);
}

static void odd_entries_of_apps_are_refused(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    struct state_owed owed = owed_of("A", "connect", "undo it");
    memcpy(owed.environment, "N=1\0", 5);
    assert_true(state_owe(s, &owed));
    assert_true(state_save_now(s));
    state_close(s);
    char *text = get_file(b->file);
    const struct {
        const char *from, *to;
    } cases[] = {
        {"\"N=1\"", "\"N1\""},
        {"\"N=1\"", "7"},
        {"\"N=1\"", "\"N=1\\n\""},
        {"\"undo it\"", "\"\""},
        {"\"undo it\"", "7"},
        {"\"undo it\"", "\"x\", \"directory\": \"srv\""},
        {"\"undo it\"", "\"x\", \"user\": 0"},
        {"\"connect\"", "\"con nect\""},
        {"\"connect\"", "\"connect_and_disconnect\""},
        {"\"owed\"", "\"owed\": 1, \"x\""},
    };
    struct state_data *data = calloc(1, sizeof(*data));
    const char *why;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char changed[4096];
        const char *at = strstr(text, cases[i].from);
        assert_non_null(at);
        snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, cases[i].to, at + strlen(cases[i].from));
        if (state_data_parse(changed, strlen(changed), data, &why) != STATE_DATA_BAD)
            fail_msg("%s", changed);
        assert_string_equal(why, "owed");
    }
    free(data);
    free(text);
}

static void clients_are_known_by_the_exact_certificate(void **state)
{
    struct state *s = open_good(*state);
    uint8_t sha256[32];
    static const bool before[] = {true, false, false, false}; /* client, impostor, derived, old_v2_expired */
    add(s, 0, "first");
    for (int i = 0; i < 4; i++) {
        pem_of(i, sha256);
        assert_int_equal(state_find_client(s, sha256) != NULL, before[i]);
    }
    add(s, 3, "old");
    pem_of(3, sha256);
    assert_string_equal(state_find_client(s, sha256)->name, "old");
    pem_of(0, sha256); /* the mismatch of another entry does not hide it */
    assert_string_equal(state_find_client(s, sha256)->name, "first");
    state_close(s);
}

static void removed_and_disabled_clients_are_unknown_at_once(void **state)
{
    struct state *s = open_good(*state);
    uint8_t sha256[32];
    char id[STATE_ID_TEXT], again[STATE_ID_TEXT];
    const char *pem = pem_of(0, sha256);
    add(s, 3, "other");
    add(s, 0, "name");
    text_copy(id, sizeof(id), state_find_client(s, sha256)->id);
    assert_true(state_enable_client(s, id, false));
    assert_null(state_find_client(s, sha256));
    assert_true(state_put_client(s, "new name", pem, sha256, 2000, again)); /* pairs again: an update, still off */
    assert_string_equal(id, again);
    state_confirm_client(s, again, false); /* an entry that was there before stays */
    assert_int_equal(state_client_count(s), 2);
    assert_null(state_find_client(s, sha256));
    assert_true(state_enable_client(s, id, true));
    assert_string_equal(state_find_client(s, sha256)->name, "new name");
    assert_true(state_rename_client(s, id, "third"));
    assert_false(state_rename_client(s, id, ""));
    assert_false(state_rename_client(s, id, "a\nb"));
    assert_false(state_rename_client(s, id, "\xff"));
    assert_true(state_remove_client(s, id));
    assert_false(state_remove_client(s, id));
    assert_null(state_find_client(s, sha256));
    assert_int_equal(state_client_count(s), 1);
    state_close(s);
}

static void what_a_client_may_do_is_kept(void **state)
{
    const struct bench *b = *state;
    struct state *s = open_good(b);
    uint8_t sha256[32];
    char again[STATE_ID_TEXT];
    const char *pem = pem_of(0, sha256);
    add(s, 0, "first");
    add(s, 3, "second");
    assert_int_equal(state_client_at(s, 0)->rights, SEAT_EVERYTHING);
    assert_true(state_set_rights(s, state_client_at(s, 0)->id, SEAT_MOUSE | SEAT_GAMEPAD));
    assert_true(state_set_rights(s, state_client_at(s, 1)->id, 0));
    assert_false(state_set_rights(s, "nobody", 0));
    assert_true(state_put_client(s, "first", pem, sha256, 2000, again)); /* pairs again */
    assert_true(state_save_now(s));
    state_close(s);
    s = open_good(b);
    assert_int_equal(state_client_at(s, 0)->rights, SEAT_MOUSE | SEAT_GAMEPAD);
    assert_int_equal(state_client_at(s, 1)->rights, 0);
    assert_true(state_set_rights(s, state_client_at(s, 0)->id, SEAT_EVERYTHING));
    assert_true(state_save_now(s));
    state_close(s);
    s = open_good(b);
    assert_int_equal(state_client_at(s, 0)->rights, SEAT_EVERYTHING);
    state_close(s);
}

static void odd_rights_make_the_file_bad(void **state)
{
    const struct bench *b = *state;
    struct state *s = open_good(b);
    add(s, 0, "first");
    state_set_rights(s, state_client_at(s, 0)->id, SEAT_MOUSE);
    assert_true(state_save_now(s));
    state_close(s);
    char *text;
    size_t size;
    assert_int_equal(file_read(b->file, STATE_FILE_MAX, &text, &size), FILE_OK);
    static const char found[] = "\"rights\": \"mouse\"";
    static const struct {
        const char *value;
        enum state_data_result result;
    } cases[] = {{"\"\"", STATE_DATA_OK},        {"\"touch keyboard\"", STATE_DATA_OK},
                 {"\"mouse \"", STATE_DATA_BAD}, {"\"mouse mouse\"", STATE_DATA_BAD},
                 {"\"magic\"", STATE_DATA_BAD},  {"15", STATE_DATA_BAD},
                 {"null", STATE_DATA_BAD}};
    const char *at = strstr(text, found), *why;
    assert_non_null(at);
    struct state_data *data = calloc(1, sizeof(*data));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char changed[8192];
        int length = snprintf(changed, sizeof(changed), "%.*s\"rights\": %s%s", (int)(at - text), text, cases[i].value,
                              at + strlen(found));
        assert_in_range(length, 1, sizeof(changed) - 1);
        assert_int_equal(state_data_parse(changed, (size_t)length, data, &why), cases[i].result);
        if (cases[i].result == STATE_DATA_BAD)
            assert_string_equal(why, "a client's rights");
        else
            state_data_finish(data);
    }
    free(data);
    free(text);
}

static void a_client_counts_only_when_it_is_on_disk(void **state)
{
    struct state *s = open_good(*state);
    uint8_t sha256[32];
    char id[STATE_ID_TEXT];
    const char *pem = pem_of(0, sha256);
    assert_true(state_put_client(s, "x", pem, sha256, 1, id));
    assert_null(state_find_client(s, sha256));
    state_confirm_client(s, id, false);
    assert_int_equal(state_client_count(s), 0);
    assert_true(state_put_client(s, "x", pem, sha256, 1, id));
    state_confirm_client(s, id, true);
    assert_non_null(state_find_client(s, sha256));
    state_close(s);
}

static void the_setup_code_is_forgiving_in_form_only(void **state)
{
    struct state *s = open_good(*state);
    char code[16], typed[32];
    text_copy(code, sizeof(code), state_setup_code(s));
    assert_true(state_setup_code_matches(s, code));
    snprintf(typed, sizeof(typed), " %.4s %s", code, code + 5);
    for (char *c = typed; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    assert_true(state_setup_code_matches(s, typed));
    assert_false(state_setup_code_matches(s, ""));
    assert_false(state_setup_code_matches(s, "----------------------"));
    code[8] = code[8] == 'A' ? 'B' : 'A';
    assert_false(state_setup_code_matches(s, code));
    code[8] = 0;
    assert_false(state_setup_code_matches(s, code));
    assert_false(state_setup_code_matches(s, "AAAABBBBCCCCDDDD"));
    assert_true(state_set_password(s, "scrypt$"));
    assert_false(state_setup_code_matches(s, ""));
    assert_true(state_new_setup_code(s));
    assert_null(state_password(s));
    assert_non_null(state_setup_code(s));
    state_close(s);
}

static void the_previous_generation_is_kept_and_used(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    assert_true(state_save_now(s));
    add(s, 0, "first");
    assert_true(state_save_now(s));
    add(s, 3, "second");
    assert_true(state_save_now(s));
    state_close(s);
    put_file(b->file, "{\"schema\": 1, ");
    s = open_good(b); /* says so, and has the generation before */
    assert_int_equal(state_client_count(s), 1);
    char *before = get_file(b->previous);
    assert_true(state_save_now(s)); /* the damaged file must not take the good one's place */
    char *after = get_file(b->previous);
    assert_string_equal(before, after);
    free(before);
    free(after);
    assert_true(state_save_now(s));
    state_close(s);
    unlink(b->file);
    s = open_good(b); /* missing: likewise */
    assert_int_equal(state_client_count(s), 1);
    state_close(s);
}

static void what_cannot_be_used_is_left_alone(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *file, *previous;
    } cases[] = {
        {"damaged", "damaged too"}, {"", NULL}, {"{\"schema\": 2}", "{\"schema\": 1}"}, {"damaged", "{\"schema\": 99}"},
        {"{\"schema\": 0}", NULL},
    };
    state_close(open_good(b)); /* makes the folder */
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        put_file(b->file, cases[i].file);
        unlink(b->previous);
        if (cases[i].previous)
            put_file(b->previous, cases[i].previous);
        assert_null(state_open(b->folder));
        char *file = get_file(b->file), *previous = get_file(b->previous);
        assert_string_equal(file, cases[i].file);
        assert_true(cases[i].previous ? !strcmp(previous, cases[i].previous) : !previous);
        free(file);
        free(previous);
    }
}

static void an_older_snapshot_never_replaces_a_newer_one(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    struct state_snapshot *older = state_serialise(s);
    add(s, 0, "new");
    struct state_snapshot *newer = state_serialise(s);
    assert_true(state_write(s, newer));
    assert_true(state_write(s, older));
    state_snapshot_destroy(older);
    state_snapshot_destroy(newer);
    state_close(s);
    s = open_good(b);
    assert_int_equal(state_client_count(s), 1);
    state_close(s);
}

static void a_full_disk_leaves_both_generations_whole(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    assert_true(state_save_now(s));
    add(s, 0, "first");
    assert_true(state_save_now(s));
    char *before = get_file(b->file);
    add(s, 3, "second");
    struct rlimit old, tiny;
    getrlimit(RLIMIT_FSIZE, &old);
    tiny = old;
    tiny.rlim_cur = 100;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tiny);
    bool stored = state_save_now(s);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_false(stored);
    char *after = get_file(b->file);
    assert_string_equal(before, after);
    free(before);
    free(after);
    assert_int_equal(state_client_count(s), 2); /* memory goes on; the caller decides */
    assert_true(state_save_now(s));
    state_close(s);
    s = open_good(b);
    assert_int_equal(state_client_count(s), 2);
    state_close(s);
}

static void damaged_texts_are_refused_whole(void **state)
{
    struct bench *b = *state;
    struct state *s = open_good(b);
    add(s, 0, "first");
    struct state_owed owed = owed_of("A", "connect", "undo it");
    memcpy(owed.environment, "N=1\0M=2\0", 9);
    assert_true(state_owe(s, &owed));
    assert_true(state_save_now(s));
    state_close(s);
    char *text = get_file(b->file);
    size_t size = strlen(text);
    struct state_data *data = calloc(1, sizeof(*data));
    const char *why = NULL;
    for (size_t cut = 0; cut + 1 < size; cut++)
        assert_int_equal(state_data_parse(text, cut, data, &why), STATE_DATA_BAD);
    for (size_t bit = 0; bit < 8 * size; bit += 5) {
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        if (state_data_parse(text, size, data, &why) == STATE_DATA_OK)
            state_data_finish(data);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
    }
    free(data);
    free(text);
}

#define WITH_FOLDER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_new_state_is_private_and_locked),
        WITH_FOLDER(everything_comes_back),
        WITH_FOLDER(what_apps_owe_is_kept_in_order),
        WITH_FOLDER(what_apps_owe_has_limits),
        WITH_FOLDER(odd_entries_of_apps_are_refused),
        WITH_FOLDER(clients_are_known_by_the_exact_certificate),
        WITH_FOLDER(removed_and_disabled_clients_are_unknown_at_once),
        WITH_FOLDER(what_a_client_may_do_is_kept),
        WITH_FOLDER(odd_rights_make_the_file_bad),
        WITH_FOLDER(a_client_counts_only_when_it_is_on_disk),
        WITH_FOLDER(the_setup_code_is_forgiving_in_form_only),
        WITH_FOLDER(the_previous_generation_is_kept_and_used),
        WITH_FOLDER(what_cannot_be_used_is_left_alone),
        WITH_FOLDER(an_older_snapshot_never_replaces_a_newer_one),
        WITH_FOLDER(a_full_disk_leaves_both_generations_whole),
        WITH_FOLDER(damaged_texts_are_refused_whole),
    };
    return cmocka_run_group_tests(tests, pairing_vectors_load, pairing_vectors_unload);
}

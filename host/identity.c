/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate file is written last: without it a pair was never in use and is made again. The GameStream pair is
 * never replaced by itself, as that un-pairs every client; it goes aside only when the machine is a clone.
 */
#include "host/identity.h"

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "protocol/crypto.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 32, MACHINE_TEXT = 64 };

static const struct {
    const char *key, *certificate, *common_name;
} files[] = {
    [IDENTITY_GAMESTREAM] = {"key.pem", "cert.pem", "Earthshine GameStream Host"},
    [IDENTITY_WEB] = {"web-key.pem", "web-cert.pem", "Earthshine"},
};

void identity_finish(struct identity *self)
{
    if (self->key_pem)
        crypto_wipe(self->key_pem, strlen(self->key_pem));
    free(self->key_pem);
    free(self->certificate_pem);
    *self = (struct identity){0};
}

static bool path_in(const char *folder, const char *name, char ret_path[PATH_MAX])
{
    return (size_t)snprintf(ret_path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

static bool is_usable(const struct identity *identity)
{
    struct crypto_certificate certificate;
    size_t size = strlen(identity->certificate_pem);
    struct crypto_key *key = crypto_key_from_pem(identity->key_pem, strlen(identity->key_pem));
    bool good = key && crypto_certificate_parse(identity->certificate_pem, size, &certificate) &&
                crypto_key_fits(key, identity->certificate_pem, size);
    crypto_key_destroy(key);
    return good;
}

enum identity_result identity_load(const char *folder, enum identity_kind kind, struct identity *ret_identity)
{
    char key_path[PATH_MAX], certificate_path[PATH_MAX];
    struct identity loaded = {0};
    size_t size = 0;
    if (!path_in(folder, files[kind].key, key_path) || !path_in(folder, files[kind].certificate, certificate_path))
        return IDENTITY_BROKEN;
    enum file_result result = file_read(certificate_path, CRYPTO_CERTIFICATE_PEM_MAX, &loaded.certificate_pem, &size);
    if (result == FILE_MISSING)
        return IDENTITY_MISSING;
    if (result == FILE_OK) {
        result = file_read(key_path, CRYPTO_CERTIFICATE_PEM_MAX, &loaded.key_pem, &size);
        if (result == FILE_MISSING)
            log_error("identity: there is %s but no %s", certificate_path, key_path);
    }
    if (result == FILE_OK && is_usable(&loaded)) {
        *ret_identity = loaded;
        return IDENTITY_OK;
    }
    if (result == FILE_OK)
        log_error("identity: %s and %s do not belong together or are damaged", key_path, certificate_path);
    log_error("identity: put back %s and %s%s", key_path, certificate_path,
              kind == IDENTITY_GAMESTREAM ? ", or remove both: then every client must pair again" : ", or remove both");
    identity_finish(&loaded);
    return IDENTITY_BROKEN;
}

/* A name that may stand in a certificate; others (an odd host name) are left out rather than failing it. */
static bool is_dns_name(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '.')
            return false;
    }
    return length > 0 && length <= 253;
}

bool identity_make(const char *folder, enum identity_kind kind, const struct identity_names *names,
                   struct identity *ret_identity)
{
    char key_path[PATH_MAX], certificate_path[PATH_MAX], local_name[260];
    const char *dns[4] = {"localhost"}, *ip[NAMES_MAX + 2] = {"127.0.0.1"};
    if (is_dns_name(names->hostname)) {
        dns[1] = names->hostname;
        snprintf(local_name, sizeof(local_name), "%s.local", names->hostname);
        if (!strchr(names->hostname, '.'))
            dns[2] = local_name; /* as announced by mDNS */
    }
    for (int i = 0; names->addresses && names->addresses[i] && i < NAMES_MAX; i++)
        ip[i + 1] = names->addresses[i];
    struct crypto_new_identity config = {.common_name = files[kind].common_name, .now_s = names->now_s};
    if (kind == IDENTITY_WEB) {
        config.dns_names = dns;
        config.ip_numbers = ip;
    }
    struct identity made = {0};
    bool good = path_in(folder, files[kind].key, key_path) &&
                path_in(folder, files[kind].certificate, certificate_path) &&
                crypto_make_identity(&config, &made.key_pem, &made.certificate_pem) &&
                file_write_atomic(key_path, made.key_pem, strlen(made.key_pem), 0600) &&
                file_write_atomic(certificate_path, made.certificate_pem, strlen(made.certificate_pem), 0644);
    if (good)
        *ret_identity = made;
    else
        identity_finish(&made);
    return good;
}

/* --- which machine --- */

/* The first line of `path` below `sysroot`, lower case, hex digits and dashes only. False: not there or not readable.
 */
static bool read_id(const char *sysroot, const char *path, char ret_text[MACHINE_TEXT])
{
    char full[PATH_MAX];
    if ((size_t)snprintf(full, sizeof(full), "%s%s", sysroot, path) >= sizeof(full))
        return false;
    FILE *file = fopen(full, "re"); /* not file_read: product_uuid is for root only, and that is no error */
    if (!file)
        return false;
    char line[MACHINE_TEXT] = "";
    bool got = fgets(line, sizeof(line), file);
    fclose(file);
    size_t length = strcspn(line, " \t\r\n");
    line[length] = 0;
    bool all_equal = true;
    char first = 0;
    for (size_t i = 0; i < length; i++) {
        line[i] = (char)tolower((unsigned char)line[i]);
        if (line[i] == '-')
            continue;
        if (!isxdigit((unsigned char)line[i]))
            return false; /* "uninitialized", "Not Settable" ... */
        first = first ? first : line[i];
        all_equal = all_equal && line[i] == first;
    }
    if (!got || length < 32 || all_equal) /* all 0 or f: the firmware has none */
        return false;
    memcpy(ret_text, line, sizeof(line));
    return true;
}

static bool hash_id(const uint8_t salt[16], const char *id, uint8_t ret_hash[32])
{
    uint8_t salted[16 + MACHINE_TEXT];
    size_t length = strlen(id);
    memcpy(salted, salt, 16);
    memcpy(salted + 16, id, length);
    return crypto_sha256(salted, 16 + length, ret_hash);
}

/* What this machine looks like under the salt in `ret_machine`. */
static bool look(const char *sysroot, struct state_machine *ret_machine)
{
    char id[MACHINE_TEXT];
    ret_machine->has_uuid = read_id(sysroot, "/sys/class/dmi/id/product_uuid", id);
    if (ret_machine->has_uuid && !hash_id(ret_machine->salt, id, ret_machine->uuid_hash))
        return false;
    ret_machine->has_machine_id = read_id(sysroot, "/etc/machine-id", id);
    return !ret_machine->has_machine_id || hash_id(ret_machine->salt, id, ret_machine->machine_id_hash);
}

/* Known both times and different; what is unknown has not changed. */
static bool is_clone(const struct state_machine *then, const struct state_machine *now)
{
    if (then->has_uuid && now->has_uuid && crypto_compare(then->uuid_hash, now->uuid_hash, 32) != 0)
        return true;
    return then->has_machine_id && now->has_machine_id &&
           crypto_compare(then->machine_id_hash, now->machine_id_hash, 32) != 0;
}

static bool set_keys_aside(const char *folder)
{
    for (size_t kind = 0; kind < sizeof(files) / sizeof(*files); kind++) {
        const char *names[] = {files[kind].certificate, files[kind].key}; /* this order: see the top */
        for (int i = 0; i < 2; i++) {
            char path[PATH_MAX], aside[PATH_MAX + 8];
            if (!path_in(folder, names[i], path))
                return false;
            snprintf(aside, sizeof(aside), "%s.clone", path);
            if (rename(path, aside) != 0 && errno != ENOENT) {
                log_error("identity: cannot rename %s: %s", path, strerror(errno));
                return false;
            }
        }
    }
    return true;
}

enum identity_machine identity_check_machine(struct state *state, const char *sysroot, bool fixed)
{
    struct state_machine *remembered = state_machine(state), now = *remembered;
    bool known = remembered->has_uuid || remembered->has_machine_id;
    if (!known && !random_bytes(now.salt, sizeof(now.salt)))
        return IDENTITY_MACHINE_FAILED;
    if (!look(sysroot ? sysroot : "", &now))
        return IDENTITY_MACHINE_FAILED;
    bool clone = !fixed && is_clone(remembered, &now);
    if (clone) {
        log_warn("identity: this machine is a copy: it gets its own key, id and setup code; paired clients and the "
                 "password are those of the original and were dropped here (the old files: *.clone in %s)",
                 state_folder(state));
        if (!set_keys_aside(state_folder(state)) || !state_start_anew(state))
            return IDENTITY_MACHINE_FAILED;
        if (!random_bytes(now.salt, sizeof(now.salt)) || !look(sysroot ? sysroot : "", &now))
            return IDENTITY_MACHINE_FAILED;
        remembered = state_machine(state);
    } else {
        if (!now.has_uuid && remembered->has_uuid) { /* not readable this time: what was known stays */
            now.has_uuid = true;
            memcpy(now.uuid_hash, remembered->uuid_hash, sizeof(now.uuid_hash));
        }
        if (!now.has_machine_id && remembered->has_machine_id) {
            now.has_machine_id = true;
            memcpy(now.machine_id_hash, remembered->machine_id_hash, sizeof(now.machine_id_hash));
        }
    }
    *remembered = now;
    return clone ? IDENTITY_MACHINE_CLONE : IDENTITY_MACHINE_SAME;
}

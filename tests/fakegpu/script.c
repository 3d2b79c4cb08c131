/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fakegpu/script.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ffnvcodec/nvEncodeAPI.h>

/*
 * The highest NVENC API of a driver branch. Public knowledge: the release notes of NVIDIA's Video Codec SDK give the
 * lowest Linux driver for each API: 10.0: 450.51, 11.0: 455.28, 11.1: 470.57.02, 12.0: 520.56.06, 12.1: 530.41.03,
 * 12.2: 550.54.14, 13.0: 570. FFmpeg repeats this table in libavcodec/nvenc.c (nvenc_print_driver_requirement).
 */
static const struct driver {
    const char *name, *version;
    int api_major, api_minor;
} drivers[] = {
    {"R450", "450.248.02", 10, 0}, {"R470", "470.256.02", 11, 1}, {"R535", "535.161.05", 12, 1},
    {"R550", "550.54.14", 12, 2},  {"R570", "570.86.10", 13, 0},
};

static const struct {
    const char *name;
    int preset;
} caps[CAP_COUNT] = {
    [CAP_WIDTH_MAX] = {"width_max", 4096},
    [CAP_HEIGHT_MAX] = {"height_max", 4096},
    [CAP_WIDTH_MIN] = {"width_min", 145},
    [CAP_HEIGHT_MIN] = {"height_min", 49},
    [CAP_BFRAMES] = {"bframes", 0},
    [CAP_YUV444] = {"yuv444", 1},
    [CAP_10BIT] = {"10bit", 1},
    [CAP_INVALIDATION] = {"invalidation", 1},
    [CAP_LTR] = {"ltr", 8},
    [CAP_INTRA_REFRESH] = {"intra_refresh", 1},
    [CAP_SUBFRAME] = {"subframe", 1},
    [CAP_CUSTOM_VBV] = {"custom_vbv", 1},
    [CAP_DYNAMIC_BITRATE] = {"dynamic_bitrate", 1},
    [CAP_MULTIPLE_REFERENCES] = {"multiple_references", 1},
    [CAP_LOOKAHEAD] = {"lookahead", 1},
    [CAP_TEMPORAL_AQ] = {"temporal_aq", 1},
    [CAP_ASYNC] = {"async", 0},
    [CAP_WEIGHTED] = {"weighted", 1},
};

static const struct {
    const char *name;
    int error;
} errors[] = {
    {"generic", NV_ENC_ERR_GENERIC},
    {"out_of_memory", NV_ENC_ERR_OUT_OF_MEMORY},
    {"device_not_exist", NV_ENC_ERR_DEVICE_NOT_EXIST},
    {"invalid_param", NV_ENC_ERR_INVALID_PARAM},
    {"unsupported_param", NV_ENC_ERR_UNSUPPORTED_PARAM},
    {"unsupported_device", NV_ENC_ERR_UNSUPPORTED_DEVICE},
    {"no_encode_device", NV_ENC_ERR_NO_ENCODE_DEVICE},
    {"encoder_busy", NV_ENC_ERR_ENCODER_BUSY},
    {"incompatible_client_key", NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY},
};

static _Noreturn void give_up(const char *what, const char *word)
{
    fprintf(stderr, "fakegpu: FAKEGPU_SCRIPT: %s: %s\n", what, word);
    abort();
}

static int to_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (end == text || *end || number < 0 || number > 1000000)
        give_up("not a number", text);
    return (int)number;
}

static int to_error(const char *text)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (!strcmp(errors[i].name, text))
            return errors[i].error;
    give_up("not an error", text);
}

static void set_text(char *place, size_t room, const char *text)
{
    size_t length = strlen(text);
    if (length >= room)
        give_up("too long", text);
    memcpy(place, text, length + 1);
}

static void set_driver(struct script *self, const char *name)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        if (strcmp(drivers[i].name, name) != 0)
            continue;
        self->api_major = drivers[i].api_major;
        self->api_minor = drivers[i].api_minor;
        set_text(self->driver_version, sizeof(self->driver_version), drivers[i].version);
        return;
    }
    give_up("not a driver", name);
}

static void set_api(struct script *self, const char *text)
{
    if (sscanf(text, "%d.%d", &self->api_major, &self->api_minor) != 2)
        give_up("not an API version", text);
}

static void set_codecs(struct script *self, const char *text)
{
    self->h264 = strstr(text, "h264") != NULL;
    self->hevc = strstr(text, "hevc") != NULL;
    self->av1 = strstr(text, "av1") != NULL;
}

static void set_licence(struct script *self, const char *text)
{
    static const char *const names[] = {
        [LICENCE_NONE] = "none", [LICENCE_MISSING] = "unlicensed", [LICENCE_HELD] = "licensed"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(names[i], text) != 0)
            continue;
        self->licence = (enum script_licence)i;
        return;
    }
    give_up("not a licence state", text);
}

static void set_cap(struct script *self, const char *name, const char *value)
{
    for (int i = 0; i < CAP_COUNT; i++) {
        if (strcmp(caps[i].name, name) != 0)
            continue;
        self->caps[i] = to_number(value);
        return;
    }
    give_up("not a capability", name);
}

static void add_fail(struct script *self, const char *name, const char *value)
{
    if (self->fail_count == SCRIPT_FAILS_MAX)
        give_up("too many", "fail");
    struct script_fail *fail = &self->fails[self->fail_count++];
    *fail = (struct script_fail){.picture = SCRIPT_NO_PICTURE, .error = to_error(value)};
    if (!strncmp(name, "picture.", 8))
        fail->picture = to_number(name + 8);
    else
        set_text(fail->call, sizeof(fail->call), name);
}

static bool set_number(struct script *self, const char *key, const char *value)
{
    const struct {
        const char *key;
        int *place;
    } numbers[] = {
        {"compute", &self->compute},
        {"sessions", &self->sessions},
        {"ms", &self->ms},
        {"rgb_matrix", &self->rgb_matrix},
        {"hang", &self->hang},
        {"cuda_error", &self->cuda_error},
        {"shows", &self->shows},
        {"hasty", &self->hasty},
        {"torn", &self->torn},
        {"grey", &self->grey},
        {"nvml_error", &self->nvml_error},
        {"memory_used_mb", &self->memory_used_mb},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(numbers[i].key, key) != 0)
            continue;
        *numbers[i].place = to_number(value);
        return true;
    }
    return false;
}

static void set_gpu(struct script *self, const char *name)
{
    self->no_device = !strcmp(name, "none");
    set_text(self->gpu, sizeof(self->gpu), name);
}

static void set_key(struct script *self, const char *key, const char *value)
{
    if (!strncmp(key, "cap.", 4))
        set_cap(self, key + 4, value);
    else if (!strncmp(key, "fail.", 5))
        add_fail(self, key + 5, value);
    else if (!strcmp(key, "driver"))
        set_driver(self, value);
    else if (!strcmp(key, "api"))
        set_api(self, value);
    else if (!strcmp(key, "driver_version"))
        set_text(self->driver_version, sizeof(self->driver_version), value);
    else if (!strcmp(key, "hang_call"))
        set_text(self->hang_call, sizeof(self->hang_call), value);
    else if (!strcmp(key, "gpu"))
        set_gpu(self, value);
    else if (!strcmp(key, "memory_mb"))
        self->memory_bytes = (int64_t)to_number(value) << 20;
    else if (!strcmp(key, "codecs"))
        set_codecs(self, value);
    else if (!strcmp(key, "session_error"))
        self->session_error = to_error(value);
    else if (!strcmp(key, "licence"))
        set_licence(self, value);
    else if (!set_number(self, key, value))
        give_up("unknown key", key);
}

static void set_presets(struct script *self)
{
    *self = (struct script){
        .compute = 61,
        .memory_bytes = (int64_t)4096 << 20,
        .h264 = true,
        .sessions = 8,
        .session_error = NV_ENC_ERR_OUT_OF_MEMORY,
        .rgb_matrix = 601,
        .hang = SCRIPT_NO_PICTURE,
        .shows = SCRIPT_NO_PICTURE,
        .hasty = SCRIPT_NO_PICTURE,
        .torn = SCRIPT_NO_PICTURE,
        .grey = SCRIPT_NO_PICTURE,
        .licence = LICENCE_HELD,
    };
#ifdef HAVE_X265
    self->hevc = true;
#endif
    set_gpu(self, "GRID P4-4Q");
    set_driver(self, "R535");
    for (int i = 0; i < CAP_COUNT; i++)
        self->caps[i] = caps[i].preset;
}

void script_read(struct script *ret)
{
    char line[256];
    const char *path = getenv("FAKEGPU_SCRIPT");
    set_presets(ret);
    if (!path || !*path)
        return;
    FILE *file = fopen(path, "re");
    if (!file)
        give_up("cannot be read", path);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "#\r\n")] = '\0';
        char *value = strchr(line, '=');
        if (!value && line[strspn(line, " ")])
            give_up("no key=value", line);
        if (!value)
            continue;
        *value++ = '\0';
        set_key(ret, line, value);
    }
    fclose(file);
}

int script_call_error(const struct script *script, const char *call)
{
    for (int i = 0; i < script->fail_count; i++)
        if (!strcmp(script->fails[i].call, call))
            return script->fails[i].error;
    return 0;
}

void script_hang(const char *call)
{
    struct script script;
    bool told = false;
    for (script_read(&script); !strcmp(script.hang_call, call); script_read(&script)) {
        if (!told)
            script_trace("hang call=%s", call);
        told = true;
        usleep(10000);
    }
}

int script_picture_error(const struct script *script, int picture)
{
    for (int i = 0; i < script->fail_count; i++)
        if (script->fails[i].picture == picture)
            return script->fails[i].error;
    return 0;
}

void script_trace(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    const char *path = getenv("FAKEGPU_LOG");
    if (!path || !*path)
        return;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= (int)sizeof(line) - 1)
        give_up("too long for FAKEGPU_LOG", format);
    line[length++] = '\n';
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line, (size_t)length) != length)
        give_up("FAKEGPU_LOG cannot be written", path);
    close(file);
}

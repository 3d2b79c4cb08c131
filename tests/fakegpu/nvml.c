/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvml: a libnvidia-ml.so.1 that knows the device, the driver and the licence. Debian's main archive has no nvml.h, so
 * the few types are written down here; their layout is that of NVIDIA's public nvml.h (the same text is in the public
 * repository of go-nvml).
 */
#include "tests/fakegpu/script.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define EXPORT(...)                                                                                                    \
    __attribute__((visibility("default"))) __VA_ARGS__;                                                                \
    __VA_ARGS__

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, DRIVER_NOT_LOADED = 9 };
enum { FEATURES_MAX = 3, TEXT_SIZE = 128, VIRTUALIZATION_NONE = 0, VIRTUALIZATION_VGPU = 2, FEATURE_VWORKSTATION = 2 };

struct memory {
    unsigned long long total, free, used;
};

struct utilization {
    unsigned int gpu, memory;
};

struct expiry {
    unsigned int year;
    unsigned short month, day, hour, min, sec;
    unsigned char status;
};

struct feature_v3 {
    int code;
    unsigned int state; /* not 0: licensed */
    char info[TEXT_SIZE], product[TEXT_SIZE];
    unsigned int enabled;
};

struct features_v3 {
    int supported;
    unsigned int count;
    struct feature_v3 features[FEATURES_MAX];
};

struct feature_v4 {
    int code;
    unsigned int state;
    char info[TEXT_SIZE], product[TEXT_SIZE];
    unsigned int enabled;
    struct expiry expiry;
};

struct features_v4 {
    int supported;
    unsigned int count;
    struct feature_v4 features[FEATURES_MAX];
};

static char device; /* its address is the handle */

static struct script read_script(void)
{
    struct script script;
    script_read(&script);
    return script;
}

EXPORT(int nvmlInit_v2(void))
{
    struct script script = read_script();
    script_trace("nvmlInit");
    script_hang("nvmlInit");
    return script.no_device ? DRIVER_NOT_LOADED : script.nvml_error;
}

EXPORT(int nvmlShutdown(void))
{
    return SUCCESS;
}

EXPORT(const char *nvmlErrorString(int error))
{
    static const char *const texts[] = {[SUCCESS] = "Success",
                                        [UNINITIALIZED] = "Uninitialized",
                                        [INVALID_ARGUMENT] = "Invalid Argument",
                                        [NOT_SUPPORTED] = "Not Supported",
                                        [NOT_FOUND] = "Not Found",
                                        [DRIVER_NOT_LOADED] = "Driver Not Loaded"};
    bool known = error >= 0 && error <= DRIVER_NOT_LOADED && texts[error];
    return known ? texts[error] : "Unknown Error";
}

static int put_text(char *place, unsigned int length, const char *text)
{
    if (!place || length <= strlen(text))
        return INVALID_ARGUMENT;
    snprintf(place, length, "%s", text);
    return SUCCESS;
}

EXPORT(int nvmlSystemGetDriverVersion(char *version, unsigned int length))
{
    struct script script = read_script();
    return put_text(version, length, script.driver_version);
}

EXPORT(int nvmlDeviceGetCount_v2(unsigned int *count))
{
    *count = 1;
    return SUCCESS;
}

EXPORT(int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **ret_device))
{
    *ret_device = &device;
    return index ? INVALID_ARGUMENT : SUCCESS;
}

EXPORT(int nvmlDeviceGetName(const void *handle, char *name, unsigned int length))
{
    struct script script = read_script();
    return handle == &device ? put_text(name, length, script.gpu) : INVALID_ARGUMENT;
}

EXPORT(int nvmlDeviceGetMemoryInfo(const void *handle, struct memory *memory))
{
    struct script script = read_script();
    unsigned long long total = (unsigned long long)script.memory_bytes, used = total / 16;
    if (script.memory_used_mb)
        used = (unsigned long long)script.memory_used_mb << 20;
    *memory = (struct memory){total, total - used, used};
    return handle == &device ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT(int nvmlDeviceGetUtilizationRates(const void *handle, struct utilization *rates))
{
    *rates = (struct utilization){10, 5};
    return handle == &device ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT(int nvmlDeviceGetEncoderUtilization(const void *handle, unsigned int *percent, unsigned int *period_us))
{
    *percent = 10;
    *period_us = 167000;
    return handle == &device ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT(int nvmlDeviceGetEncoderStats(const void *handle, unsigned int *sessions, unsigned int *fps,
                                     unsigned int *latency_us))
{
    *sessions = 2;
    *fps = 60;
    *latency_us = 4000;
    return handle == &device ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT(int nvmlDeviceGetVirtualizationMode(const void *handle, int *mode))
{
    struct script script = read_script();
    *mode = script.licence == LICENCE_NONE ? VIRTUALIZATION_NONE : VIRTUALIZATION_VGPU;
    return handle == &device ? SUCCESS : INVALID_ARGUMENT;
}

#define PRODUCT "NVIDIA RTX Virtual Workstation"

EXPORT(int nvmlDeviceGetGridLicensableFeatures_v3(const void *handle, struct features_v3 *features))
{
    struct script script = read_script();
    if (handle != &device)
        return INVALID_ARGUMENT;
    *features = (struct features_v3){.supported = script.licence != LICENCE_NONE, .count = 1};
    features->features[0] = (struct feature_v3){
        .code = FEATURE_VWORKSTATION, .state = script.licence == LICENCE_HELD, .product = PRODUCT, .enabled = 1};
    features->count = script.licence != LICENCE_NONE;
    return SUCCESS;
}

EXPORT(int nvmlDeviceGetGridLicensableFeatures_v4(const void *handle, struct features_v4 *features))
{
    struct script script = read_script();
    if (handle != &device)
        return INVALID_ARGUMENT;
    *features = (struct features_v4){.supported = script.licence != LICENCE_NONE};
    features->features[0] = (struct feature_v4){
        .code = FEATURE_VWORKSTATION, .state = script.licence == LICENCE_HELD, .product = PRODUCT, .enabled = 1};
    features->count = script.licence != LICENCE_NONE;
    return SUCCESS;
}

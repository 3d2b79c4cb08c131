/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No header of NVML is in Debian's main archive, so the few types and numbers are written down here, after NVIDIA's
 * public "NVML API Reference Guide". Calls that a driver lacks, or answers with an error, leave their fact unknown.
 */
#include "encode/nvml.h"

#include "base/text.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SUCCESS = 0, DRIVER_NOT_LOADED = 9, LIB_RM_VERSION_MISMATCH = 18 };
enum { FEATURES_MAX = 3, FEATURE_TEXT = 128 };

typedef void *device_handle;

struct memory {
    unsigned long long total, free, used; /* bytes */
};

struct expiry {
    unsigned int year;
    unsigned short month, day, hour, min, sec;
    unsigned char status;
};

/* Versions 3 and 4 differ by the last member. */
struct feature_v3 {
    int code;
    unsigned int state; /* not 0: licensed */
    char info[FEATURE_TEXT], product[FEATURE_TEXT];
    unsigned int enabled;
};
struct feature_v4 {
    struct feature_v3 feature;
    struct expiry expiry;
};
struct features_v3 {
    int supported; /* not 0: there is something to license */
    unsigned int count;
    struct feature_v3 features[FEATURES_MAX];
};
struct features_v4 {
    int supported;
    unsigned int count;
    struct feature_v4 features[FEATURES_MAX];
};

struct nvml {
    void *library;
    device_handle device;
};

/* The call of that name, or NULL: this library has none. */
#define CALL(self, name, ...) ((int (*)(__VA_ARGS__))dlsym((self)->library, name))

/* --- the GPU --- */

static void read_names(struct nvml *self, struct nvml_report *report)
{
    int (*get_name)(device_handle, char *, unsigned) = CALL(self, "nvmlDeviceGetName", device_handle, char *, unsigned);
    if (!get_name || get_name(self->device, report->gpu, sizeof(report->gpu)) != SUCCESS)
        report->gpu[0] = '\0';
    text_make_printable(report->gpu);
}

static void read_kind(struct nvml *self, struct nvml_report *report)
{
    static const enum nvml_kind kinds[] = {NVML_BARE, NVML_PASSTHROUGH, NVML_VGPU, NVML_HYPERVISOR, NVML_HYPERVISOR};
    int (*get_mode)(device_handle, int *) = CALL(self, "nvmlDeviceGetVirtualizationMode", device_handle, int *);
    int mode = -1;
    if (get_mode && get_mode(self->device, &mode) == SUCCESS && mode >= 0 &&
        mode < (int)(sizeof(kinds) / sizeof(kinds[0])))
        report->kind = kinds[mode];
}

static void read_memory(struct nvml *self, struct nvml_report *report)
{
    int (*get_memory)(device_handle, struct memory *) =
        CALL(self, "nvmlDeviceGetMemoryInfo", device_handle, struct memory *);
    struct memory memory;
    if (!get_memory || get_memory(self->device, &memory) != SUCCESS)
        return;
    report->memory_bytes = (int64_t)memory.total;
    report->memory_free_bytes = (int64_t)memory.free;
}

static void read_encoder(struct nvml *self, struct nvml_report *report)
{
    int (*get_load)(device_handle, unsigned *, unsigned *) =
        CALL(self, "nvmlDeviceGetEncoderUtilization", device_handle, unsigned *, unsigned *);
    int (*get_stats)(device_handle, unsigned *, unsigned *, unsigned *) =
        CALL(self, "nvmlDeviceGetEncoderStats", device_handle, unsigned *, unsigned *, unsigned *);
    unsigned percent, period_us, sessions, fps, latency_us;
    if (get_load && get_load(self->device, &percent, &period_us) == SUCCESS)
        report->encoder_percent = (int)percent;
    if (get_stats && get_stats(self->device, &sessions, &fps, &latency_us) == SUCCESS) {
        report->sessions = (int)sessions;
        report->sessions_fps = (int)fps;
    }
}

/* --- its licence --- */

static bool read_features(struct nvml *self, struct features_v3 *ret_features)
{
    int (*get_v4)(device_handle, struct features_v4 *) =
        CALL(self, "nvmlDeviceGetGridLicensableFeatures_v4", device_handle, struct features_v4 *);
    int (*get_v3)(device_handle, struct features_v3 *) =
        CALL(self, "nvmlDeviceGetGridLicensableFeatures_v3", device_handle, struct features_v3 *);
    struct features_v4 features = {0};
    *ret_features = (struct features_v3){0};
    if (!get_v4 || get_v4(self->device, &features) != SUCCESS)
        return get_v3 && get_v3(self->device, ret_features) == SUCCESS;
    ret_features->supported = features.supported;
    ret_features->count = features.count;
    for (int i = 0; i < FEATURES_MAX; i++)
        ret_features->features[i] = features.features[i].feature;
    return true;
}

/* A vGPU is licensed when one of its features is; the product is that one, else the one that wants a licence. */
static void read_licence(struct nvml *self, struct nvml_report *report)
{
    struct features_v3 features;
    const struct feature_v3 *named = NULL;
    if (!read_features(self, &features))
        return;
    report->licence = features.supported && features.count ? NVML_LICENCE_MISSING : NVML_LICENCE_NOT_NEEDED;
    if (!features.supported)
        return;
    for (unsigned i = 0; i < features.count && i < FEATURES_MAX; i++) {
        const struct feature_v3 *feature = &features.features[i];
        if (feature->state)
            report->licence = NVML_LICENCE_HELD;
        if (feature->state || !named)
            named = feature;
    }
    if (named)
        snprintf(report->product, sizeof(report->product), "%.*s", FEATURE_TEXT - 1, named->product);
    text_make_printable(report->product);
}

/* --- the library --- */

static enum nvml_state find_gpu(struct nvml *self, struct nvml_report *report)
{
    int (*get_count)(unsigned *) = CALL(self, "nvmlDeviceGetCount_v2", unsigned *);
    int (*get_device)(unsigned, device_handle *) =
        CALL(self, "nvmlDeviceGetHandleByIndex_v2", unsigned, device_handle *);
    unsigned count = 0;
    if (!get_count || !get_device || get_count(&count) != SUCCESS) {
        text_copy(report->error, sizeof(report->error), "it does not count its GPUs");
        return NVML_FAILED;
    }
    report->gpus = (int)count;
    if (!count)
        return NVML_NO_GPU;
    int error = get_device(0, &self->device);
    if (error)
        snprintf(report->error, sizeof(report->error), "the first GPU cannot be asked: error %d", error);
    return error ? NVML_FAILED : NVML_WORKS;
}

static void read_driver(struct nvml *self, struct nvml_report *report)
{
    int (*get_version)(char *, unsigned) = CALL(self, "nvmlSystemGetDriverVersion", char *, unsigned);
    if (!get_version || get_version(report->driver, sizeof(report->driver)) != SUCCESS)
        report->driver[0] = '\0';
    text_make_printable(report->driver);
}

static void explain(struct nvml *self, int error, struct nvml_report *report)
{
    const char *(*get_text)(int) = (const char *(*)(int))dlsym(self->library, "nvmlErrorString");
    const char *text = get_text ? get_text(error) : NULL;
    snprintf(report->error, sizeof(report->error), "%s (%d)", text ? text : "error", error);
    text_make_printable(report->error);
    report->state = error == DRIVER_NOT_LOADED         ? NVML_NO_DRIVER
                    : error == LIB_RM_VERSION_MISMATCH ? NVML_MISMATCH
                                                       : NVML_FAILED;
}

static void read_all(struct nvml *self, struct nvml_report *report)
{
    read_driver(self, report);
    report->state = find_gpu(self, report);
    if (report->state != NVML_WORKS)
        return;
    read_names(self, report);
    read_kind(self, report);
    read_memory(self, report);
    read_encoder(self, report);
    read_licence(self, report);
}

void nvml_read(struct nvml_report *ret_report)
{
    struct nvml nvml = {.library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)};
    *ret_report =
        (struct nvml_report){.state = NVML_NOT_INSTALLED, .encoder_percent = -1, .sessions = -1, .sessions_fps = -1};
    if (!nvml.library)
        return;
    int (*init)(void) = CALL(&nvml, "nvmlInit_v2", void);
    int (*shut_down)(void) = CALL(&nvml, "nvmlShutdown", void);
    int error = init ? init() : -1;
    if (error) {
        explain(&nvml, error, ret_report);
    } else {
        read_all(&nvml, ret_report);
        if (shut_down)
            shut_down();
    }
    dlclose(nvml.library);
}

void nvml_explain_refusal(char *reason, size_t reason_size)
{
    char detail[200];
    struct nvml_report report;
    nvml_read(&report);
    if (report.kind != NVML_VGPU || report.licence != NVML_LICENCE_MISSING)
        return;
    snprintf(detail, sizeof(detail), "%s", reason);
    snprintf(reason, reason_size, NVML_NO_LICENCE " (%s)", detail);
}

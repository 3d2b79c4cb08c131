/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvml: what NVIDIA's management library (libnvidia-ml.so.1, loaded for the call) says of the guest's first GPU. Any
 * thread; takes some tens of milliseconds, so not the main one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum nvml_state {
    NVML_NOT_INSTALLED, /* there is no such library */
    NVML_NO_DRIVER,     /* the kernel module is not loaded, or has no GPU to drive */
    NVML_MISMATCH,      /* kernel module and libraries are of different versions */
    NVML_FAILED,        /* `error` says how */
    NVML_NO_GPU,
    NVML_SILENT, /* not of nvml_read(), which then does not return */
    NVML_WORKS,
};

enum nvml_kind {
    NVML_KIND_UNKNOWN,
    NVML_BARE,        /* no virtual machine, as far as the driver knows */
    NVML_PASSTHROUGH, /* a whole GPU in a virtual machine */
    NVML_VGPU,        /* a slice of one */
    NVML_HYPERVISOR,  /* this is the machine that gives slices away */
};

enum nvml_licence { NVML_LICENCE_UNKNOWN, NVML_LICENCE_NOT_NEEDED, NVML_LICENCE_MISSING, NVML_LICENCE_HELD };

/* What the driver does not tell is "", 0 for memory, and -1 for the rest. From `gpu` on only when it works. */
struct nvml_report {
    enum nvml_state state;
    char error[80];
    char driver[80]; /* "535.161.05" */
    char gpu[96];    /* "GRID P4-4Q" */
    int gpus;
    enum nvml_kind kind;
    enum nvml_licence licence;
    char product[128];                       /* the licence's */
    int64_t memory_bytes, memory_free_bytes; /* frame buffer */
    int encoder_percent;                     /* how busy the encoder is, with all its users */
    int sessions, sessions_fps;              /* encoder sessions open, the mean of their pictures a second */
};

void nvml_read(struct nvml_report *ret_report);
#define NVML_NO_LICENCE "this vGPU has no licence"
/* `reason`: why CUDA or NVENC refused. A driver without a licence does so with general errors: if this is a vGPU
 * without one, the reason begins with NVML_NO_LICENCE. */
void nvml_explain_refusal(char *reason, size_t reason_size);

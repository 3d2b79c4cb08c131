/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpu: what this machine's GPU is, and, when its encoder cannot be used or will disappoint, what is wrong with it and
 * what to do. Of NVIDIA's GPUs only; of others it knows the driver's name.
 */
#pragma once

#include "encode/encoder.h"
#include "encode/nvml.h"

#include <jansson.h>

enum gpu_files { GPU_FILES_MISSING, GPU_FILES_DENIED, GPU_FILES_THERE };

/* What is not there or cannot be read is "". */
struct gpu_facts {
    char pci[16];            /* of the first display controller of NVIDIA, "10de:1bb3" */
    char pci_driver[32];     /* the kernel module that has it: "nvidia", "nouveau", "vfio-pci" */
    char module_version[32]; /* of NVIDIA's module, if it is loaded: "535.161.05" */
    enum gpu_files files;    /* /dev/nvidiactl and /dev/nvidia0 */
    char render_driver[32];  /* of /dev/dri/renderD128: "i915", "amdgpu" */
    struct nvml_report nvml;
};

/* All but `nvml`. `root` stands before /sys and /dev; "" usually. */
void gpu_read_files(const char *root, struct gpu_facts *ret_facts);
/* And `nvml`: takes some tens of milliseconds, or as long as a driver hangs. */
void gpu_read(const char *root, struct gpu_facts *ret_facts);

struct gpu_finding {
    char what[320], todo[256]; /* sentences for people */
};
enum { GPU_FINDINGS_MAX = 4, GPU_SENTENCE_MAX = 320 };

/* `reports`: of encoder_probe(). Pure. Returns how many it found; none is good news. */
int gpu_find(const struct gpu_facts *facts, const struct encoder_report *reports, int count,
             struct gpu_finding ret_findings[GPU_FINDINGS_MAX]);

/* One line about the GPU; "no GPU is known". Pure. */
void gpu_sentence(const struct gpu_facts *facts, char ret_text[GPU_SENTENCE_MAX]);
/* Facts, sentence and findings. NULL: no memory. */
json_t *gpu_to_json(const struct gpu_facts *facts, const struct gpu_finding *findings, int count);

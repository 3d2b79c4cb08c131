/* SPDX-License-Identifier: Apache-2.0 */
#include "host/gpu.h"

#include "base/text.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 512, MEMORY_LEAST_MB = 256, DRIVER_MAJOR = 470, DRIVER_MINOR = 57 };

/* --- what /sys and /dev tell --- */

/* The first line of a file, without its newline; "" if there is none. */
static void read_line(const char *path, char *ret_text, size_t size)
{
    FILE *file = fopen(path, "re");
    ret_text[0] = '\0';
    if (!file)
        return;
    if (!fgets(ret_text, (int)size, file))
        ret_text[0] = '\0';
    ret_text[strcspn(ret_text, "\n")] = '\0';
    text_make_printable(ret_text);
    fclose(file);
}

/* The last part of where a link leads; "" if there is none. */
static void read_link(const char *path, char *ret_text, size_t size)
{
    char target[PATH_SIZE];
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    ret_text[0] = '\0';
    if (length <= 0)
        return;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    text_copy(ret_text, size, slash ? slash + 1 : target);
}

static void read_pci(const char *device, const char *word, char ret_text[16])
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "%.400s/%s", device, word);
    read_line(path, ret_text, 16);
}

static bool take_if_nvidia(const char *device, struct gpu_facts *facts)
{
    char vendor[16], class[16], number[16], path[PATH_SIZE];
    read_pci(device, "vendor", vendor);
    read_pci(device, "class", class);
    if (strcmp(vendor, "0x10de") != 0 || strncmp(class, "0x03", 4) != 0)
        return false;
    read_pci(device, "device", number);
    snprintf(facts->pci, sizeof(facts->pci), "10de:%.8s", strncmp(number, "0x", 2) ? "?" : number + 2);
    snprintf(path, sizeof(path), "%.400s/driver", device);
    read_link(path, facts->pci_driver, sizeof(facts->pci_driver));
    return true;
}

static void find_device(const char *root, struct gpu_facts *facts)
{
    char folder[PATH_SIZE / 2], path[PATH_SIZE];
    snprintf(folder, sizeof(folder), "%.200s/sys/bus/pci/devices", root);
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        snprintf(path, sizeof(path), "%s/%.200s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && take_if_nvidia(path, facts))
            break;
    }
    if (directory)
        closedir(directory);
}

static enum gpu_files look_at_files(const char *root)
{
    static const char *const names[] = {"nvidiactl", "nvidia0"};
    bool denied = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof(path), "%.200s/dev/%s", root, names[i]);
        if (access(path, F_OK) != 0)
            return GPU_FILES_MISSING;
        denied |= access(path, R_OK | W_OK) != 0;
    }
    return denied ? GPU_FILES_DENIED : GPU_FILES_THERE;
}

void gpu_read_files(const char *root, struct gpu_facts *ret_facts)
{
    char path[PATH_SIZE];
    *ret_facts = (struct gpu_facts){.files = look_at_files(root)};
    find_device(root, ret_facts);
    snprintf(path, sizeof(path), "%.200s/sys/module/nvidia/version", root);
    read_line(path, ret_facts->module_version, sizeof(ret_facts->module_version));
    snprintf(path, sizeof(path), "%.200s/sys/class/drm/renderD128/device/driver", root);
    read_link(path, ret_facts->render_driver, sizeof(ret_facts->render_driver));
}

void gpu_read(const char *root, struct gpu_facts *ret_facts)
{
    gpu_read_files(root, ret_facts);
    nvml_read(&ret_facts->nvml);
}

/* --- what is wrong --- */

struct findings {
    const struct gpu_facts *facts;
    struct gpu_finding *list;
    int count;
};

__attribute__((format(printf, 3, 4))) static void add(struct findings *self, const char *todo, const char *format, ...)
{
    va_list arguments;
    if (self->count == GPU_FINDINGS_MAX)
        return;
    struct gpu_finding *finding = &self->list[self->count++];
    va_start(arguments, format);
    vsnprintf(finding->what, sizeof(finding->what), format, arguments);
    va_end(arguments);
    text_copy(finding->todo, sizeof(finding->todo), todo);
}

static const char silent_todo[] =
    "`dmesg` may say more (Xid). Restart the guest; if that does not help, its host has to look after the GPU.";

/* The kernel's side. True: the rest would only repeat it. */
static bool find_in_kernel(struct findings *self)
{
    const struct gpu_facts *facts = self->facts;
    if (!strcmp(facts->pci_driver, "nouveau"))
        add(self,
            "Install NVIDIA's driver (for a vGPU the guest driver of the hypervisor's vGPU release) and keep nouveau "
            "from loading.",
            "The NVIDIA GPU is run by nouveau, which has no NVENC.");
    else if (facts->pci[0] && !facts->pci_driver[0])
        add(self,
            "Install NVIDIA's driver. If it is: after a new kernel its module must be built again (dkms status), and "
            "Secure Boot wants it signed; `dmesg` says more.",
            "There is an NVIDIA GPU (%s), but no kernel module runs it.", facts->pci);
    else if (facts->module_version[0] && facts->files == GPU_FILES_MISSING)
        add(self, "Run `nvidia-modprobe -u -c 0` or `nvidia-smi` once as root; a container must be given them.",
            "NVIDIA's kernel module is loaded, but /dev/nvidiactl or /dev/nvidia0 is missing.");
    else if (facts->files == GPU_FILES_DENIED)
        add(self, "Become a member of the group that `ls -l /dev/nvidia*` shows.",
            "This user may not open /dev/nvidiactl or /dev/nvidia0.");
    return self->count > 0;
}

/* "450.248.02"; true for what is no version. */
static bool is_new_enough(const char *version)
{
    int major, minor;
    if (sscanf(version, "%d.%d", &major, &minor) != 2)
        return true;
    return major > DRIVER_MAJOR || (major == DRIVER_MAJOR && minor >= DRIVER_MINOR);
}

static bool find_in_libraries(struct findings *self)
{
    const struct nvml_report *nvml = &self->facts->nvml;
    const char *module = self->facts->module_version;
    if (nvml->state == NVML_SILENT)
        add(self, silent_todo, "NVIDIA's driver does not answer. Streams go on in software.");
    else if (nvml->state == NVML_MISMATCH)
        add(self, "Reboot: the driver was changed while it ran. If that does not help, install it anew as a whole.",
            "NVIDIA's kernel module%s%s and its libraries are of different versions.", module[0] ? " " : "", module);
    else if (nvml->state == NVML_NOT_INSTALLED && module[0])
        add(self, "Install them in the version of the module: in Debian libnvidia-ml1, libcuda1, libnvidia-encode1.",
            "NVIDIA's kernel module %s is loaded, but its libraries are not installed.", module);
    else if (nvml->state == NVML_NO_GPU || (nvml->state == NVML_NO_DRIVER && module[0]))
        add(self, "`dmesg` says why; a vGPU's driver must fit the hypervisor's vGPU release.",
            "NVIDIA's driver finds no GPU.");
    else if (!is_new_enough(nvml->driver))
        add(self, "Install 470.57.02 or a newer one; for a vGPU one that fits the hypervisor's vGPU release.",
            "NVIDIA's driver %s is too old: its NVENC has an API before 11.1.", nvml->driver);
    return self->count > 0;
}

static void find_in_licence(struct findings *self)
{
    const struct nvml_report *nvml = &self->facts->nvml;
    if (nvml->kind != NVML_VGPU || nvml->licence != NVML_LICENCE_MISSING)
        return;
    add(self,
        "Put the licence server's token into /etc/nvidia/ClientConfigToken, or its address into "
        "/etc/nvidia/gridd.conf, restart nvidia-gridd, and look at `nvidia-smi -q | grep -i license`.",
        "This vGPU (%s) has no licence%s%s: some time after boot its driver slows it down, in the end to a few "
        "pictures a second, and may refuse CUDA and NVENC.",
        nvml->gpu, nvml->product[0] ? " for " : "", nvml->product);
}

static void find_in_memory(struct findings *self)
{
    const struct nvml_report *nvml = &self->facts->nvml;
    long long total_mb = (long long)nvml->memory_bytes >> 20, free_mb = (long long)nvml->memory_free_bytes >> 20;
    if (!total_mb || free_mb >= MEMORY_LEAST_MB)
        return;
    add(self, "End programs that use the GPU (`nvidia-smi` lists them), or give the guest a larger profile.",
        "The GPU's memory is nearly full: %lld of %lld MB are free. Encoder sessions may be refused.", free_mb,
        total_mb);
}

/* NVENC's, when it was tried and makes nothing; else NULL. */
static const struct encoder_report *find_refusal(const struct encoder_report *reports, int count)
{
    const struct encoder_report *refusal = NULL;
    for (int i = 0; i < count; i++) {
        if (strcmp(reports[i].name, "nvenc") != 0)
            continue;
        if (reports[i].usable)
            return NULL;
        if (!refusal)
            refusal = &reports[i];
    }
    return refusal;
}

/* All else is in order. */
static void find_in_encoder(struct findings *self, const struct encoder_report *reports, int count)
{
    const struct nvml_report *nvml = &self->facts->nvml;
    const struct encoder_report *refusal = find_refusal(reports, count);
    if (!refusal)
        return;
    const char *todo = "The GPU may have no encoder: see NVIDIA's Video Encode and Decode GPU Support Matrix.";
    if (refusal->silent)
        todo = silent_todo;
    else if (nvml->sessions > 0)
        todo = "Other programs of this guest encode on the GPU: end them if their number is what is limited.";
    else if (nvml->kind == NVML_VGPU)
        todo = "Ask whoever runs the hypervisor whether this vGPU's profile has NVENC; not all have.";
    add(self, todo, "%s is there, but NVENC cannot be used: %s.", nvml->gpu[0] ? nvml->gpu : "The GPU",
        refusal->reason);
}

int gpu_find(const struct gpu_facts *facts, const struct encoder_report *reports, int count,
             struct gpu_finding ret_findings[GPU_FINDINGS_MAX])
{
    struct findings self = {.facts = facts, .list = ret_findings};
    if (find_in_kernel(&self) || find_in_libraries(&self) || facts->nvml.state != NVML_WORKS)
        return self.count;
    find_in_licence(&self);
    find_in_memory(&self);
    if (!self.count)
        find_in_encoder(&self, reports, count);
    return self.count;
}

/* --- for people and reports --- */

static const char *const kinds[] = {
    [NVML_KIND_UNKNOWN] = "", [NVML_BARE] = "whole GPU",          [NVML_PASSTHROUGH] = "passed through",
    [NVML_VGPU] = "vGPU",     [NVML_HYPERVISOR] = "hypervisor's",
};
static const char *const licences[] = {
    [NVML_LICENCE_UNKNOWN] = "unknown",
    [NVML_LICENCE_NOT_NEEDED] = "not needed",
    [NVML_LICENCE_MISSING] = "missing",
    [NVML_LICENCE_HELD] = "held",
};
static const char *const states[] = {
    [NVML_NOT_INSTALLED] = "not installed",
    [NVML_NO_DRIVER] = "no driver",
    [NVML_MISMATCH] = "versions differ",
    [NVML_FAILED] = "failed",
    [NVML_NO_GPU] = "no GPU",
    [NVML_SILENT] = "silent",
    [NVML_WORKS] = "works",
};

__attribute__((format(printf, 2, 3))) static void append(char text[GPU_SENTENCE_MAX], const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, GPU_SENTENCE_MAX - used, format, arguments);
    va_end(arguments);
}

static void describe_nvml(const struct nvml_report *nvml, char text[GPU_SENTENCE_MAX])
{
    append(text, "%s%s%s, driver %s", nvml->gpu, nvml->kind ? ", " : "", kinds[nvml->kind], nvml->driver);
    if (nvml->licence == NVML_LICENCE_HELD || nvml->licence == NVML_LICENCE_MISSING)
        append(text, ", licence %s", licences[nvml->licence]);
    if (nvml->memory_bytes)
        append(text, ", %lld of %lld MB free", (long long)nvml->memory_free_bytes >> 20,
               (long long)nvml->memory_bytes >> 20);
    if (nvml->encoder_percent >= 0)
        append(text, ", encoder %d %% busy", nvml->encoder_percent);
    if (nvml->sessions >= 0)
        append(text, ", %d encoder sessions", nvml->sessions);
}

void gpu_sentence(const struct gpu_facts *facts, char ret_text[GPU_SENTENCE_MAX])
{
    ret_text[0] = '\0';
    if (facts->nvml.state == NVML_WORKS)
        describe_nvml(&facts->nvml, ret_text);
    else if (facts->pci[0])
        append(ret_text, "NVIDIA %s, kernel module %s", facts->pci, facts->pci_driver[0] ? facts->pci_driver : "none");
    else if (facts->render_driver[0])
        append(ret_text, "kernel module %s", facts->render_driver);
    else
        append(ret_text, "no GPU is known");
}

static json_t *nvml_json(const struct nvml_report *nvml)
{
    return json_pack("{ss ss ss ss si ss ss ss sI sI si si si}", "state", states[nvml->state], "error", nvml->error,
                     "driver", nvml->driver, "gpu", nvml->gpu, "gpus", nvml->gpus, "kind", kinds[nvml->kind], "licence",
                     licences[nvml->licence], "product", nvml->product, "memory_mb",
                     (json_int_t)(nvml->memory_bytes >> 20), "memory_free_mb",
                     (json_int_t)(nvml->memory_free_bytes >> 20), "encoder_percent", nvml->encoder_percent, "sessions",
                     nvml->sessions, "sessions_fps", nvml->sessions_fps);
}

json_t *gpu_to_json(const struct gpu_facts *facts, const struct gpu_finding *findings, int count)
{
    static const char *const files[] = {"missing", "denied", "there"};
    char sentence[GPU_SENTENCE_MAX];
    json_t *list = json_array();
    gpu_sentence(facts, sentence);
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{ss ss}", "what", findings[i].what, "todo", findings[i].todo));
    return json_pack("{ss ss ss ss ss ss so so}", "sentence", sentence, "pci", facts->pci, "pci_driver",
                     facts->pci_driver, "module_version", facts->module_version, "device_files", files[facts->files],
                     "render_driver", facts->render_driver, "nvml", nvml_json(&facts->nvml), "findings", list);
}

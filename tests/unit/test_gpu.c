/* SPDX-License-Identifier: Apache-2.0 */
/* What is found wrong with a GPU: by facts written down here, by a made-up /sys and /dev, and with the driver double.
 */
#include "host/gpu.h"
#include "host/gpu_watch.h"

#include "base/clock.h"
#include "base/text.h"
#include "host/driver_thread.h"
#include "net/loop.h"
#include "tests/fakegpu/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct encoder_report refused = {.name = "nvenc", .hardware = true, .reason = "no encoder session"};
static const struct encoder_report usable = {.name = "nvenc", .hardware = true, .usable = true};

/* A licensed vGPU, all in order. */
static struct gpu_facts good_facts(void)
{
    return (struct gpu_facts){
        .pci = "10de:1bb3",
        .pci_driver = "nvidia",
        .module_version = "535.161.05",
        .files = GPU_FILES_THERE,
        .nvml = {.state = NVML_WORKS,
                 .driver = "535.161.05",
                 .gpu = "GRID P4-4Q",
                 .gpus = 1,
                 .kind = NVML_VGPU,
                 .licence = NVML_LICENCE_HELD,
                 .product = "NVIDIA RTX Virtual Workstation",
                 .memory_bytes = INT64_C(4096) << 20,
                 .memory_free_bytes = INT64_C(3000) << 20,
                 .encoder_percent = 12,
                 .sessions = 0},
    };
}

/* Exactly one finding, with these words. */
static void assert_found(const struct gpu_facts *facts, const struct encoder_report *report, const char *what,
                         const char *todo)
{
    struct gpu_finding findings[GPU_FINDINGS_MAX];
    int count = gpu_find(facts, report, 1, findings);
    assert_int_equal(count, 1);
    if (!strstr(findings[0].what, what) || !strstr(findings[0].todo, todo))
        fail_msg("found: %s / %s", findings[0].what, findings[0].todo);
    assert_true(strlen(findings[0].what) + 1 < sizeof(findings[0].what)); /* not cut */
    assert_true(strlen(findings[0].todo) + 1 < sizeof(findings[0].todo));
}

static void nothing_is_wrong_with_a_good_one_nor_without_any(void **state)
{
    (void)state;
    struct gpu_finding findings[GPU_FINDINGS_MAX];
    struct gpu_facts facts = good_facts(), none = {.nvml = {.state = NVML_NOT_INSTALLED}};
    struct gpu_facts intel = {.render_driver = "i915", .nvml = {.state = NVML_NOT_INSTALLED}};
    struct gpu_facts rest = {.nvml = {.state = NVML_NO_DRIVER}}; /* libraries without a GPU, as in an image */
    assert_int_equal(gpu_find(&facts, &usable, 1, findings), 0);
    assert_int_equal(gpu_find(&none, &refused, 1, findings), 0);
    assert_int_equal(gpu_find(&intel, &refused, 1, findings), 0);
    assert_int_equal(gpu_find(&rest, &refused, 1, findings), 0);
}

static void what_the_kernel_lacks_is_found(void **state)
{
    (void)state;
    struct gpu_facts facts = good_facts();
    facts.nvml = (struct nvml_report){.state = NVML_NOT_INSTALLED};
    facts.module_version[0] = '\0';
    facts.files = GPU_FILES_MISSING;
    text_copy(facts.pci_driver, sizeof(facts.pci_driver), "nouveau");
    assert_found(&facts, &refused, "nouveau, which has no NVENC", "Install NVIDIA's driver");
    facts.pci_driver[0] = '\0';
    assert_found(&facts, &refused, "(10de:1bb3), but no kernel module", "dkms");
    facts = good_facts();
    facts.files = GPU_FILES_MISSING;
    facts.nvml.state = NVML_NO_DRIVER;
    assert_found(&facts, &refused, "/dev/nvidia0 is missing", "nvidia-modprobe");
    facts.files = GPU_FILES_DENIED;
    assert_found(&facts, &refused, "may not open", "ls -l /dev/nvidia*");
}

static void what_the_libraries_lack_is_found(void **state)
{
    (void)state;
    struct gpu_facts facts = good_facts();
    facts.nvml.state = NVML_MISMATCH;
    assert_found(&facts, &refused, "kernel module 535.161.05 and its libraries are of different versions", "Reboot");
    facts.nvml.state = NVML_NOT_INSTALLED;
    assert_found(&facts, &refused, "its libraries are not installed", "libnvidia-encode1");
    facts.nvml.state = NVML_NO_GPU;
    assert_found(&facts, &refused, "finds no GPU", "dmesg");
    facts.nvml.state = NVML_SILENT;
    assert_found(&facts, &refused, "does not answer", "Xid");
    facts.nvml.state = NVML_NO_DRIVER;
    assert_found(&facts, &refused, "finds no GPU", "dmesg");
    facts = good_facts();
    text_copy(facts.nvml.driver, sizeof(facts.nvml.driver), "450.248.02");
    assert_found(&facts, &refused, "driver 450.248.02 is too old", "470.57.02");
    text_copy(facts.nvml.driver, sizeof(facts.nvml.driver), "470.42.01");
    assert_found(&facts, &refused, "driver 470.42.01 is too old", "470.57.02");
}

static void what_the_vgpu_lacks_is_found(void **state)
{
    (void)state;
    struct gpu_facts facts = good_facts();
    facts.nvml.licence = NVML_LICENCE_MISSING;
    assert_found(&facts, &usable, "no licence for NVIDIA RTX Virtual Workstation", "gridd.conf");
    facts.nvml.kind = NVML_PASSTHROUGH; /* of a whole GPU the licence is no matter of speed */
    struct gpu_finding findings[GPU_FINDINGS_MAX];
    assert_int_equal(gpu_find(&facts, &usable, 1, findings), 0);

    facts = good_facts();
    facts.nvml.memory_free_bytes = INT64_C(100) << 20;
    assert_found(&facts, &usable, "100 of 4096 MB are free", "nvidia-smi");

    facts = good_facts();
    assert_found(&facts, &refused, "GRID P4-4Q is there, but NVENC cannot be used: no encoder session.", "profile");
    facts.nvml.sessions = 2;
    assert_found(&facts, &refused, "NVENC cannot be used", "Other programs");
    facts.nvml.kind = NVML_PASSTHROUGH;
    facts.nvml.sessions = -1;
    assert_found(&facts, &refused, "NVENC cannot be used", "Support Matrix");
    const struct encoder_report reports[] = {refused, usable}; /* of two codecs */
    assert_int_equal(gpu_find(&facts, reports, 2, findings), 0);
}

static void the_sentence_says_what_is_known(void **state)
{
    (void)state;
    char text[GPU_SENTENCE_MAX];
    struct gpu_facts facts = good_facts();
    gpu_sentence(&facts, text);
    assert_string_equal(text, "GRID P4-4Q, vGPU, driver 535.161.05, licence held, 3000 of 4096 MB free, "
                              "encoder 12 % busy, 0 encoder sessions");
    facts.nvml.state = NVML_MISMATCH;
    gpu_sentence(&facts, text);
    assert_string_equal(text, "NVIDIA 10de:1bb3, kernel module nvidia");
    facts.pci[0] = '\0';
    gpu_sentence(&facts, text);
    assert_string_equal(text, "no GPU is known");
}

/* --- a made-up /sys and /dev --- */

struct tree {
    char root[32];
};

static void tree_run(const struct tree *self, const char *command)
{
    char line[512];
    snprintf(line, sizeof(line), "cd %s && %s", self->root, command);
    assert_int_equal(system(line), 0);
}

static void tree_init(struct tree *self)
{
    snprintf(self->root, sizeof(self->root), "/tmp/es-gpu-XXXXXX");
    assert_non_null(mkdtemp(self->root));
    tree_run(self, "mkdir -p sys/bus/pci/devices/0000:00:1f.3 sys/bus/pci/devices/0000:00:05.0 dev");
    tree_run(self, "cd sys/bus/pci/devices; echo 0x8086 > 0000:00:1f.3/vendor; echo 0x030000 > 0000:00:1f.3/class;"
                   "cd 0000:00:05.0; echo 0x10de > vendor; echo 0x1bb3 > device; echo 0x030200 > class");
}

static void tree_finish(const struct tree *self)
{
    tree_run(self, "rm -r sys dev");
    assert_int_equal(rmdir(self->root), 0);
}

static void sys_and_dev_are_read(void **state)
{
    (void)state;
    struct tree tree;
    struct gpu_facts facts;
    rig_script("");
    tree_init(&tree);
    gpu_read(tree.root, &facts);
    assert_string_equal(facts.pci, "10de:1bb3");
    assert_string_equal(facts.pci_driver, "");
    assert_string_equal(facts.module_version, "");
    assert_int_equal(facts.files, GPU_FILES_MISSING);
    tree_run(&tree,
             "ln -s ../../../drivers/nvidia sys/bus/pci/devices/0000:00:05.0/driver;"
             "mkdir -p sys/module/nvidia sys/class/drm/renderD128/device; echo 535.161.05 > sys/module/nvidia/version;"
             "ln -s ../i915 sys/class/drm/renderD128/device/driver; touch dev/nvidiactl dev/nvidia0");
    gpu_read(tree.root, &facts);
    assert_string_equal(facts.pci_driver, "nvidia");
    assert_string_equal(facts.module_version, "535.161.05");
    assert_string_equal(facts.render_driver, "i915");
    assert_int_equal(facts.files, GPU_FILES_THERE);
    assert_int_equal(facts.nvml.state, NVML_WORKS);
    tree_run(&tree, "echo 0x020000 > sys/bus/pci/devices/0000:00:05.0/class"); /* a network card */
    gpu_read(tree.root, &facts);
    assert_string_equal(facts.pci, "");
    tree_finish(&tree);
}

static void nothing_at_all_is_read_as_nothing(void **state)
{
    (void)state;
    struct gpu_facts facts;
    rig_script("");
    gpu_read("/nonexistent", &facts);
    assert_string_equal(facts.pci, "");
    assert_int_equal(facts.files, GPU_FILES_MISSING);
    assert_string_equal(facts.render_driver, "");
}

/* --- while the host runs --- */

struct rig {
    struct encoders encoders;
    struct gpu_watch watch;
    int changes;
};

static void on_change(void *ctx)
{
    ((struct rig *)ctx)->changes++;
}

static void rig_start(struct rig *self, const char *script)
{
    *self = (struct rig){.changes = 0};
    rig_script(script);
    self->watch = (struct gpu_watch){
        .root = "/nonexistent", .loop = loop_create(), .encoders = &self->encoders, .changed = on_change, .ctx = self};
    assert_non_null(self->watch.loop);
    self->watch.drivers = driver_thread_create(self->watch.loop);
    assert_non_null(self->watch.drivers);
    gpu_watch_read(&self->watch);
    assert_true(gpu_watch_start(&self->watch));
}

static void rig_end(struct rig *self)
{
    gpu_watch_stop(&self->watch);
    driver_thread_destroy(self->watch.drivers);
    loop_destroy(self->watch.loop);
}

static void stop_when_idle(void *arg)
{
    struct rig *self = arg;
    if (!self->watch.busy)
        loop_stop(self->watch.loop);
}

static void settle(struct rig *self)
{
    struct loop_timer *timer = loop_timer_create(self->watch.loop, CLOCK_MS_NS, true, stop_when_idle, self);
    loop_run(self->watch.loop);
    loop_timer_destroy(timer);
}

static size_t count_findings(const struct rig *self)
{
    json_t *json = gpu_watch_to_json(&self->watch);
    size_t count = json_array_size(json_object_get(json, "findings"));
    json_decref(json);
    return count;
}

static void a_licence_that_comes_and_goes_is_told(void **state)
{
    (void)state;
    static const char *const scripts[] = {"licence=unlicensed\n", "licence=licensed\n"};
    struct rig rig;
    rig_start(&rig, scripts[0]);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rig.watch.told_count, i % 2 == 0);
        rig_script(scripts[(i + 1) % 2]);
        gpu_watch_look(&rig.watch);
        gpu_watch_look(&rig.watch); /* while it looks */
        settle(&rig);
        assert_int_equal(rig.watch.told_count, i % 2);
        assert_int_equal(rig.changes, i + 1);
        assert_int_equal(rig_count("nvmlInit"), 1);
        assert_int_equal(count_findings(&rig), i % 2);
    }
    rig_end(&rig);
}

static void a_driver_that_begins_to_hang_is_told_and_holds_up_nobody(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "");
    assert_int_equal(count_findings(&rig), 0);
    rig_script("hang_call=nvmlInit\n");
    int64_t now_ns = clock_now_ns();
    gpu_watch_tick(&rig.watch, now_ns);
    assert_true(rig.watch.busy);
    assert_int_equal(count_findings(&rig), 0);
    while (!rig_count("hang"))
        clock_sleep_until_ns(clock_now_ns() + CLOCK_MS_NS);
    loop_finish_work(rig.watch.loop); /* the workers are free */
    gpu_watch_tick(&rig.watch, now_ns + 60 * CLOCK_SECOND_NS);
    assert_int_equal(rig.watch.facts.nvml.state, NVML_SILENT);
    assert_int_equal(count_findings(&rig), 1);
    assert_int_equal(rig.changes, 1);
    gpu_watch_tick(&rig.watch, now_ns + 120 * CLOCK_SECOND_NS);
    assert_int_equal(rig.changes, 1); /* nothing new */
    rig_change("");
    settle(&rig);
    assert_int_equal(count_findings(&rig), 0);
    assert_int_equal(rig.changes, 2);
    rig_end(&rig);
}

static void a_driver_that_hangs_at_the_start_is_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "hang_call=nvmlInit\n");
    assert_int_equal(rig.watch.facts.nvml.state, NVML_SILENT);
    assert_int_equal(rig.watch.facts.nvml.sessions, -1);
    assert_int_equal(count_findings(&rig), 1);
    rig_change("");
    gpu_watch_look(&rig.watch);
    settle(&rig);
    assert_int_equal(count_findings(&rig), 0);
    rig_end(&rig);
}

int main(int argc, char **argv)
{
    (void)argc;
    rig_enter(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wrong_with_a_good_one_nor_without_any),
        cmocka_unit_test(what_the_kernel_lacks_is_found),
        cmocka_unit_test(what_the_libraries_lack_is_found),
        cmocka_unit_test(what_the_vgpu_lacks_is_found),
        cmocka_unit_test(the_sentence_says_what_is_known),
        cmocka_unit_test(sys_and_dev_are_read),
        cmocka_unit_test(nothing_at_all_is_read_as_nothing),
        cmocka_unit_test(a_licence_that_comes_and_goes_is_told),
        cmocka_unit_test(a_driver_that_begins_to_hang_is_told_and_holds_up_nobody),
        cmocka_unit_test(a_driver_that_hangs_at_the_start_is_told),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    rig_leave();
    return failures;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Against the double of NVML (tests/fakegpu/nvml.c): calls and layouts, not what NVIDIA's library tells. */
#include "encode/nvml.h"

#include "tests/fakegpu/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct nvml_report read_with(const char *script)
{
    struct nvml_report report;
    rig_script(script);
    nvml_read(&report);
    return report;
}

static void a_licensed_vgpu_is_known(void **state)
{
    (void)state;
    struct nvml_report report = read_with("driver=R470\ngpu=GRID T4-2Q\nmemory_mb=2048\nmemory_used_mb=512\n");
    assert_int_equal(report.state, NVML_WORKS);
    assert_string_equal(report.error, "");
    assert_string_equal(report.driver, "470.256.02");
    assert_string_equal(report.gpu, "GRID T4-2Q");
    assert_int_equal(report.gpus, 1);
    assert_int_equal(report.kind, NVML_VGPU);
    assert_int_equal(report.licence, NVML_LICENCE_HELD);
    assert_string_equal(report.product, "NVIDIA RTX Virtual Workstation");
    assert_int_equal(report.memory_bytes >> 20, 2048);
    assert_int_equal(report.memory_free_bytes >> 20, 1536);
    assert_int_equal(report.encoder_percent, 10);
    assert_int_equal(report.sessions, 2);
    assert_int_equal(report.sessions_fps, 60);
}

static void licences_are_told_apart(void **state)
{
    (void)state;
    struct nvml_report missing = read_with("licence=unlicensed\n"), none = read_with("licence=none\n");
    assert_int_equal(missing.kind, NVML_VGPU);
    assert_int_equal(missing.licence, NVML_LICENCE_MISSING);
    assert_string_equal(missing.product, "NVIDIA RTX Virtual Workstation");
    assert_int_equal(none.kind, NVML_BARE);
    assert_int_equal(none.licence, NVML_LICENCE_NOT_NEEDED);
    assert_string_equal(none.product, "");
}

static void what_is_wrong_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *script, *error;
        enum nvml_state state;
    } rows[] = {
        {"gpu=none\n", "Driver Not Loaded (9)", NVML_NO_DRIVER},
        {"nvml_error=18\n", "Unknown Error (18)", NVML_MISMATCH},
        {"nvml_error=999\n", "Unknown Error (999)", NVML_FAILED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct nvml_report report = read_with(rows[i].script);
        assert_int_equal(report.state, rows[i].state);
        assert_string_equal(report.error, rows[i].error);
        assert_string_equal(report.gpu, "");
        assert_int_equal(report.encoder_percent, -1);
        assert_int_equal(report.licence, NVML_LICENCE_UNKNOWN);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    rig_enter(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_licensed_vgpu_is_known),
        cmocka_unit_test(licences_are_told_apart),
        cmocka_unit_test(what_is_wrong_is_told_apart),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    rig_leave();
    return failures;
}

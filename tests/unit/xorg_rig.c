/* SPDX-License-Identifier: Apache-2.0 */
#include "xorg_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/xtest.h>

#include <cmocka.h>

static const char configuration[] = "Section \"ServerFlags\"\n"
                                    "  Option \"AutoAddDevices\" \"false\"\n"
                                    "  Option \"AutoEnableDevices\" \"false\"\n"
                                    "  Option \"DontVTSwitch\" \"true\"\n"
                                    "  Option \"AllowMouseOpenFail\" \"true\"\n"
                                    "EndSection\n"
                                    "Section \"Device\"\n"
                                    "  Identifier \"card\"\n"
                                    "  Driver \"dummy\"\n"
                                    "  VideoRam 256000\n"
                                    "EndSection\n"
                                    "Section \"Monitor\"\n"
                                    "  Identifier \"monitor\"\n"
                                    "  HorizSync 5.0-1000.0\n"
                                    "  VertRefresh 5.0-300.0\n"
                                    "EndSection\n"
                                    "Section \"Screen\"\n"
                                    "  Identifier \"screen\"\n"
                                    "  Device \"card\"\n"
                                    "  Monitor \"monitor\"\n"
                                    "  DefaultDepth 24\n"
                                    "  SubSection \"Display\"\n"
                                    "    Depth 24\n"
                                    "    Virtual %d %d\n"
                                    "    Modes \"1920x1080\"\n"
                                    "  EndSubSection\n"
                                    "EndSection\n";

bool xorg_rig_is_possible(void)
{
    return geteuid() == 0 && system("command -v Xorg xrandr >/dev/null 2>&1") == 0 &&
           access("/usr/lib/xorg/modules/drivers/dummy_drv.so", R_OK) == 0;
}

static void exec_server(const struct xorg_rig *self, int report_fd)
{
    char path[96], log[96], report[16];
    snprintf(path, sizeof(path), "%s/xorg.conf", self->folder);
    snprintf(log, sizeof(log), "%s/log", self->folder);
    snprintf(report, sizeof(report), "%d", report_fd);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    execlp("Xorg", "Xorg", "-displayfd", report, "-config", path, "-logfile", log, "-noreset", "-nolisten", "tcp",
           "-novtswitch", NULL);
    _exit(127);
}

static void write_configuration(struct xorg_rig *self, int max_width, int max_height)
{
    char path[96];
    snprintf(self->folder, sizeof(self->folder), "/tmp/es-xorg-XXXXXX");
    assert_non_null(mkdtemp(self->folder));
    snprintf(path, sizeof(path), "%s/xorg.conf", self->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, configuration, max_width, max_height);
    fclose(file);
}

void xorg_rig_start(struct xorg_rig *self, int max_width, int max_height)
{
    int ends[2];
    char text[16] = "";
    *self = (struct xorg_rig){0};
    signal(SIGPIPE, SIG_IGN);
    write_configuration(self, max_width, max_height);
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    self->pid = fork();
    assert_true(self->pid >= 0);
    if (self->pid == 0)
        exec_server(self, ends[1]);
    close(ends[1]);
    for (size_t used = 0; used < sizeof(text) - 1 && read(ends[0], text + used, 1) == 1 && text[used] != '\n';)
        used++;
    close(ends[0]);
    assert_true(text[0] >= '0' && text[0] <= '9');
    snprintf(self->name, sizeof(self->name), ":%d", atoi(text));
    self->connection = xcb_connect(self->name, NULL);
    assert_int_equal(xcb_connection_has_error(self->connection), 0);
    self->root = xcb_setup_roots_iterator(xcb_get_setup(self->connection)).data->root;
}

void xorg_rig_stop(struct xorg_rig *self)
{
    char command[128];
    if (!self->pid)
        return;
    kill(self->pid, SIGCONT);
    kill(self->pid, SIGTERM);
    waitpid(self->pid, NULL, 0);
    xcb_disconnect(self->connection);
    snprintf(command, sizeof(command), "rm -rf %s", self->folder);
    assert_int_equal(system(command), 0);
    self->pid = 0;
    self->connection = NULL;
}

char *xorg_rig_xrandr(const struct xorg_rig *self, const char *words)
{
    char command[256];
    size_t size = 65536, used = 0, got;
    char *text = calloc(1, size);
    assert_non_null(text);
    snprintf(command, sizeof(command), "xrandr -display %s %s", self->name, words);
    FILE *pipe_end = popen(command, "r");
    assert_non_null(pipe_end);
    while ((got = fread(text + used, 1, size - used - 1, pipe_end)) > 0)
        used += got;
    assert_int_equal(pclose(pipe_end), 0);
    return text;
}

static void sync_with(struct xorg_rig *self)
{
    free(xcb_get_input_focus_reply(self->connection, xcb_get_input_focus(self->connection), NULL));
}

void xorg_rig_move_by(struct xorg_rig *self, int x, int y)
{
    xcb_test_fake_input(self->connection, XCB_MOTION_NOTIFY, 1, XCB_CURRENT_TIME, XCB_NONE, (int16_t)x, (int16_t)y, 0);
    sync_with(self);
}

void xorg_rig_pointer(struct xorg_rig *self, int *ret_x, int *ret_y)
{
    xcb_query_pointer_reply_t *reply =
        xcb_query_pointer_reply(self->connection, xcb_query_pointer(self->connection, self->root), NULL);
    assert_non_null(reply);
    *ret_x = reply->root_x;
    *ret_y = reply->root_y;
    free(reply);
}

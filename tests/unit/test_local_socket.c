/* SPDX-License-Identifier: Apache-2.0 */
#include "net_rig.h"

#include "base/clock.h"
#include "net/local_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct rig rig;
    char folder[32], path[64];
    struct local_socket *server, *second;
    struct local_call *held;
    int64_t deadline_ns;
};

static void handle(void *ctx, struct local_call *call, const char *request)
{
    struct fixture *self = ctx;
    char reply[LOCAL_SOCKET_REQUEST_MAX + 16];
    if (!strcmp(request, "hold")) {
        self->held = call;
        return;
    }
    snprintf(reply, sizeof(reply), "echo %s", request);
    local_call_reply(call, reply);
}

static struct local_socket *make(struct fixture *self)
{
    struct local_socket_config config = {
        .path = self->path, .handle = handle, .ctx = self, .deadline_ns = self->deadline_ns};
    return local_socket_create(self->rig.loop, &config);
}

static void create_server(void *arg)
{
    struct fixture *self = arg;
    self->server = make(self);
}

static void create_second(void *arg)
{
    struct fixture *self = arg;
    self->second = make(self);
}

static void destroy_server(void *arg)
{
    struct fixture *self = arg;
    local_socket_destroy(self->server);
    self->server = NULL;
}

static void reply_held(void *arg)
{
    struct fixture *self = arg;
    local_call_reply(self->held, "late");
    self->held = NULL;
}

static void begin(struct fixture *self, int64_t deadline_ns)
{
    *self = (struct fixture){.folder = "/tmp/earthshine-test-XXXXXX", .deadline_ns = deadline_ns};
    assert_non_null(mkdtemp(self->folder));
    snprintf(self->path, sizeof(self->path), "%s/control.sock", self->folder);
    rig_start(&self->rig);
    rig_call(&self->rig, create_server, self);
    assert_non_null(self->server);
}

static void finish(struct fixture *self)
{
    rig_call(&self->rig, destroy_server, self);
    rig_stop(&self->rig);
    assert_int_not_equal(access(self->path, F_OK), 0);
    rmdir(self->folder);
}

static int connect_raw(const struct fixture *self)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", self->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void a_request_gets_its_reply_and_the_file_is_private(void **state)
{
    (void)state;
    struct fixture self;
    char *reply = NULL;
    struct stat info;
    begin(&self, 0);
    assert_int_equal(stat(self.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(local_socket_call(self.path, "{\"a\":1}", 20 * CLOCK_SECOND_NS, &reply), LOCAL_CALL_OK);
    assert_string_equal(reply, "echo {\"a\":1}");
    free(reply);
    finish(&self);
    assert_int_equal(local_socket_call(self.path, "x", CLOCK_SECOND_NS, &reply), LOCAL_CALL_NO_HOST);
}

static void a_request_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct fixture self;
    char *reply = NULL, *request = malloc(LOCAL_SOCKET_REQUEST_MAX + 2);
    begin(&self, 0);
    memset(request, 'x', LOCAL_SOCKET_REQUEST_MAX + 1);
    request[LOCAL_SOCKET_REQUEST_MAX + 1] = 0;
    assert_int_equal(local_socket_call(self.path, request, 20 * CLOCK_SECOND_NS, &reply), LOCAL_CALL_FAILED);
    request[LOCAL_SOCKET_REQUEST_MAX] = 0;
    assert_int_equal(local_socket_call(self.path, request, 20 * CLOCK_SECOND_NS, &reply), LOCAL_CALL_OK);
    free(reply);
    free(request);
    finish(&self);
}

static void a_reply_to_a_peer_that_has_gone_is_harmless(void **state)
{
    (void)state;
    struct fixture self;
    char *reply = NULL;
    begin(&self, 0);
    assert_int_equal(local_socket_call(self.path, "hold", 50 * CLOCK_MS_NS, &reply), LOCAL_CALL_FAILED);
    assert_int_equal(local_socket_call(self.path, "x", 20 * CLOCK_SECOND_NS, &reply), LOCAL_CALL_OK);
    free(reply);
    rig_call(&self.rig, reply_held, &self);
    finish(&self);
}

static void a_silent_peer_is_closed_and_the_ninth_waits_for_nothing(void **state)
{
    (void)state;
    struct fixture self;
    int fds[9];
    char byte;
    begin(&self, 300 * CLOCK_MS_NS);
    for (int i = 0; i < 9; i++)
        fds[i] = connect_raw(&self);
    for (int i = 8; i >= 0; i--)
        assert_int_equal(read(fds[i], &byte, 1), 0);
    for (int i = 0; i < 9; i++)
        close(fds[i]);
    finish(&self);
}

static void a_stale_file_is_replaced_and_a_living_host_is_not(void **state)
{
    (void)state;
    struct fixture self;
    begin(&self, 0);
    rig_call(&self.rig, create_second, &self);
    assert_null(self.second);
    rig_call(&self.rig, destroy_server, &self);

    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", self.path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&at, sizeof(at)), 0);
    close(dead);
    rig_call(&self.rig, create_server, &self);
    assert_non_null(self.server);
    finish(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_gets_its_reply_and_the_file_is_private),
        cmocka_unit_test(a_request_that_is_too_long_is_refused),
        cmocka_unit_test(a_reply_to_a_peer_that_has_gone_is_harmless),
        cmocka_unit_test(a_silent_peer_is_closed_and_the_ninth_waits_for_nothing),
        cmocka_unit_test(a_stale_file_is_replaced_and_a_living_host_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

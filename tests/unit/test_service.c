/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager is played by a datagram socket; the login manager by python3-dbusmock on a bus of its own. Tests
 * with the latter are skipped where that is not installed.
 */
#include "host/service.h"

#include "base/clock.h"
#include "base/log.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the loop runs on the test's thread until a condition holds --- */

struct wait {
    struct loop *loop;
    bool (*holds)(void *arg);
    void *arg;
    int64_t until_ns;
};

static void look(void *arg)
{
    struct wait *wait = arg;
    if (wait->holds(wait->arg) || clock_now_ns() > wait->until_ns)
        loop_stop(wait->loop);
}

static void run_until(struct loop *loop, bool (*holds)(void *arg), void *arg)
{
    struct wait wait = {.loop = loop, .holds = holds, .arg = arg, .until_ns = clock_now_ns() + 30 * CLOCK_SECOND_NS};
    struct loop_timer *timer = loop_timer_create(loop, 10 * CLOCK_MS_NS, true, look, &wait);
    loop_run(loop);
    loop_timer_destroy(timer);
    assert_true(holds(arg));
}

/* --- the service manager --- */

static int open_unix(int type, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void expect(int fd, const char *text)
{
    char found[256];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    ssize_t size = recv(fd, found, sizeof(found) - 1, 0);
    assert_true(size > 0);
    found[size] = 0;
    assert_string_equal(found, text);
}

static void the_service_manager_is_told(void **state)
{
    (void)state;
    char path[64], number[32];
    snprintf(path, sizeof(path), "/tmp/es-notify-%d", (int)getpid());
    int fd = open_unix(SOCK_DGRAM, path);
    snprintf(number, sizeof(number), "%d", (int)getpid());
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "20000000", 1);
    setenv("WATCHDOG_PID", number, 1);
    struct loop *loop = loop_create();
    struct service *service = service_create(loop);
    assert_non_null(service);
    assert_int_equal(service_watch_interval_ns(service), 10 * CLOCK_SECOND_NS);
    service_ready(service, "Waiting for clients on port 47989");
    expect(fd, "READY=1\nSTATUS=Waiting for clients on port 47989");
    service_alive(service);
    expect(fd, "WATCHDOG=1");
    service_stopping(service);
    expect(fd, "STOPPING=1");
    service_destroy(service);
    loop_destroy(loop);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    close(fd);
    unlink(path);
}

static void without_a_service_manager_nothing_happens(void **state)
{
    (void)state;
    struct loop *loop = loop_create();
    struct service *service = service_create(loop);
    assert_int_equal(service_watch_interval_ns(service), 0);
    service_ready(service, "Ready");
    service_alive(service);
    service_stopping(service);
    assert_string_equal(service_awake_text(service), "not held");
    service_destroy(service);
    service_destroy(NULL);
    loop_destroy(loop);
}

/* --- the login manager --- */

struct rig {
    pid_t bus_pid, mock_pid;
    sd_bus *bus; /* the test's own */
    struct loop *loop;
    struct service *service;
    char held[128]; /* what the login manager lists: "what who why mode", or empty; "?": it does not answer */
};

static pid_t start(const char *const *arguments, int output)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(output, STDOUT_FILENO);
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    return pid;
}

static void end(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static bool start_bus(struct rig *rig)
{
    const char *const arguments[] = {"dbus-daemon", "--session", "--nofork", "--print-address", NULL};
    char address[256] = "";
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    rig->bus_pid = start(arguments, ends[1]);
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    bool started = fgets(address, sizeof(address), output) != NULL;
    fclose(output);
    address[strcspn(address, "\n")] = 0;
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    return started && sd_bus_open_system(&rig->bus) >= 0;
}

static void list_held(struct rig *rig)
{
    sd_bus_message *reply = NULL;
    const char *what, *who, *why, *mode;
    snprintf(rig->held, sizeof(rig->held), "?");
    if (sd_bus_call_method(rig->bus, "org.freedesktop.login1", "/org/freedesktop/login1",
                           "org.freedesktop.login1.Manager", "ListInhibitors", NULL, &reply, "") >= 0) {
        rig->held[0] = 0;
        sd_bus_message_enter_container(reply, 'a', "(ssssuu)");
        while (sd_bus_message_read(reply, "(ssssuu)", &what, &who, &why, &mode, NULL, NULL) > 0) {
            size_t size = strlen(rig->held);
            snprintf(rig->held + size, sizeof(rig->held) - size, "%s|%s|%s|%s;", what, who, why, mode);
        }
    }
    sd_bus_message_unref(reply);
}

static bool mock_answers(struct rig *rig)
{
    for (int tries = 0; tries < 1000 && waitpid(rig->mock_pid, NULL, WNOHANG) == 0; tries++) {
        list_held(rig);
        if (rig->held[0] != '?')
            return true;
        clock_sleep_until_ns(clock_now_ns() + 20 * CLOCK_MS_NS);
    }
    rig->mock_pid = 0;
    return false;
}

static bool start_login_manager(struct rig *rig)
{
    const char *const arguments[] = {"/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "logind", NULL};
    rig->mock_pid = start(arguments, STDERR_FILENO);
    return mock_answers(rig);
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    service_destroy(rig->service);
    loop_destroy(rig->loop);
    sd_bus_close_unref(rig->bus);
    end(&rig->mock_pid);
    end(&rig->bus_pid);
    unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
    free(rig);
    return 0;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->loop = loop_create();
    rig->service = service_create(rig->loop);
    *state = rig;
    return rig->service && start_bus(rig) ? 0 : -1;
}

static bool is_held(void *arg)
{
    struct rig *rig = arg;
    return strcmp(service_awake_text(rig->service), "held") == 0;
}

static bool is_refused(void *arg)
{
    struct rig *rig = arg;
    const char *text = service_awake_text(rig->service);
    return strstr(text, "said no") || strstr(text, "no answer");
}

static bool is_listed_once(void *arg)
{
    list_held(arg);
    return strcmp(((struct rig *)arg)->held, "idle:sleep|Earthshine|A Moonlight client is streaming|block;") == 0;
}

static bool is_listed_nowhere(void *arg)
{
    list_held(arg);
    return strcmp(((struct rig *)arg)->held, "") == 0;
}

static void the_system_is_kept_awake_while_wanted(void **state)
{
    struct rig *rig = *state;
    if (!start_login_manager(rig))
        skip();
    for (int i = 0; i < 2; i++) {
        service_keep_awake(rig->service, true);
        service_keep_awake(rig->service, true);
        run_until(rig->loop, is_held, rig);
        assert_true(is_listed_once(rig));
        service_keep_awake(rig->service, false);
        assert_string_equal(service_awake_text(rig->service), "not held");
        run_until(rig->loop, is_listed_nowhere, rig);
    }
}

static void changes_of_mind_end_in_what_was_wanted_last(void **state)
{
    struct rig *rig = *state;
    if (!start_login_manager(rig))
        skip();
    for (int i = 0; i < 10; i++) {
        service_keep_awake(rig->service, true);
        service_keep_awake(rig->service, false);
    }
    service_keep_awake(rig->service, true);
    run_until(rig->loop, is_held, rig);
    run_until(rig->loop, is_listed_once, rig);
    service_keep_awake(rig->service, false);
    service_keep_awake(rig->service, true);
    service_keep_awake(rig->service, false);
    loop_finish_work(rig->loop); /* the answer has come */
    assert_string_equal(service_awake_text(rig->service), "not held");
    run_until(rig->loop, is_listed_nowhere, rig);
}

static void the_end_lets_go(void **state)
{
    struct rig *rig = *state;
    if (!start_login_manager(rig))
        skip();
    service_keep_awake(rig->service, true);
    run_until(rig->loop, is_held, rig);
    service_destroy(rig->service);
    rig->service = service_create(rig->loop);
    run_until(rig->loop, is_listed_nowhere, rig);
    service_keep_awake(rig->service, true);
    service_destroy(rig->service); /* while it is being asked for */
    rig->service = NULL;
    loop_finish_work(rig->loop);
    run_until(rig->loop, is_listed_nowhere, rig);
}

static void a_bus_without_a_login_manager_is_told(void **state)
{
    struct rig *rig = *state;
    service_keep_awake(rig->service, true);
    run_until(rig->loop, is_refused, rig);
    assert_non_null(strstr(service_awake_text(rig->service), "login manager"));
    service_keep_awake(rig->service, false);
    assert_string_equal(service_awake_text(rig->service), "not held");
    if (!start_login_manager(rig))
        skip();
    service_keep_awake(rig->service, true);
    run_until(rig->loop, is_held, rig);
}

static void a_bus_that_is_not_there_is_told(void **state)
{
    struct rig *rig = *state;
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    service_keep_awake(rig->service, true);
    run_until(rig->loop, is_refused, rig);
    assert_non_null(strstr(service_awake_text(rig->service), "no answer"));
}

static void a_bus_that_does_not_answer_is_given_up(void **state)
{
    struct rig *rig = *state;
    char path[64], address[96];
    snprintf(path, sizeof(path), "/tmp/es-bus-%d", (int)getpid());
    snprintf(address, sizeof(address), "unix:path=%s", path);
    int fd = open_unix(SOCK_STREAM, path);
    assert_int_equal(listen(fd, 4), 0); /* takes connections, says nothing */
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    service_keep_awake(rig->service, true);
    run_until(rig->loop, is_refused, rig);
    assert_non_null(strstr(service_awake_text(rig->service), "no answer"));
    close(fd);
    unlink(path);
}

#define BUS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_manager_is_told),
        cmocka_unit_test(without_a_service_manager_nothing_happens),
        BUS_TEST(the_system_is_kept_awake_while_wanted),
        BUS_TEST(changes_of_mind_end_in_what_was_wanted_last),
        BUS_TEST(the_end_lets_go),
        BUS_TEST(a_bus_without_a_login_manager_is_told),
        BUS_TEST(a_bus_that_is_not_there_is_told),
        BUS_TEST(a_bus_that_does_not_answer_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

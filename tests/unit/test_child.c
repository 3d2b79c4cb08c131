/* SPDX-License-Identifier: Apache-2.0 */
/* Real processes. What needs another user runs as root only, with "nobody", whom every Debian has. */
#include "base/child.h"

#include "base/clock.h"
#include "tests/unit/gone.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LIMIT_MS = 20000, TEXT_MAX = 16384 };

struct run {
    struct child_end end;
    char text[TEXT_MAX];
};

static void wait_end(struct child *child, struct child_end *ret_end)
{
    struct pollfd wait = {child->exit_fd, POLLIN, 0};
    assert_int_equal(poll(&wait, 1, LIMIT_MS), 1);
    assert_true(child_reap(child, ret_end));
    assert_int_equal(child->pid, 0);
}

static void read_all(int fd, char *ret_text)
{
    size_t used = 0;
    ssize_t got;
    while ((got = read(fd, ret_text + used, TEXT_MAX - 1 - used)) > 0)
        used += (size_t)got;
    ret_text[used] = 0;
}

/* `spec` with its output caught, to its end. */
static void run(struct child_spec spec, struct run *ret_run)
{
    int ends[2];
    char reason[CHILD_REASON_MAX] = "";
    struct child child;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spec.output = ends[1];
    bool started = child_start(&child, &spec, reason);
    close(ends[1]);
    if (!started)
        fail_msg("%s", reason);
    read_all(ends[0], ret_run->text);
    close(ends[0]);
    wait_end(&child, &ret_run->end);
}

static void run_shell(const char *command, struct run *ret_run)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    run((struct child_spec){.argv = argv, .pass = -1}, ret_run);
}

static void its_exit_code_is_told(void **state)
{
    (void)state;
    struct run result;
    char text[64];
    run_shell("echo out; echo err >&2; exit 3", &result);
    assert_false(result.end.by_signal);
    assert_int_equal(result.end.code, 3);
    assert_string_equal(result.text, "out\nerr\n");
    child_end_text(&result.end, text, sizeof(text));
    assert_string_equal(text, "exit code 3");
}

static void its_signal_is_told(void **state)
{
    (void)state;
    struct run result;
    char text[64];
    run_shell("kill -SEGV $$", &result);
    assert_true(result.end.by_signal);
    child_end_text(&result.end, text, sizeof(text));
    assert_string_equal(text, "signal 11 (Segmentation fault)");
}

static void it_leads_a_session_and_a_group_with_signals_as_new(void **state)
{
    (void)state;
    struct run result;
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    const char *argv[] = {"cat", "/proc/self/stat", "/proc/self/status", NULL};
    run((struct child_spec){.argv = argv, .pass = -1}, &result);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    int pid, group, session;
    assert_int_equal(sscanf(result.text, "%d (cat) %*c %*d %d %d", &pid, &group, &session), 3);
    assert_int_equal(pid, group);
    assert_int_equal(pid, session);
    assert_non_null(strstr(result.text, "SigBlk:\t0000000000000000"));
    const char *ignored = strstr(result.text, "SigIgn:");
    assert_non_null(ignored);
    unsigned long long of_the_c_library = 3ull << 31; /* 32 and 33: posix_spawn leaves them ignored */
    assert_int_equal(strtoull(ignored + 7, NULL, 16) & ~of_the_c_library, 0);
}

static void it_has_no_descriptor_of_ours_but_the_one_passed(void **state)
{
    (void)state;
    struct run result;
    int leaks = open("/dev/zero", O_RDONLY);            /* without close-on-exec */
    const char *list[] = {"ls", "/proc/self/fd", NULL}; /* the last one is its own, for the folder */
    run((struct child_spec){.argv = list, .pass = -1}, &result);
    assert_string_equal(result.text, "0\n1\n2\n3\n");

    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const char *argv[] = {"sh", "-c", "readlink /proc/self/fd/0; echo ready >&3; exec ls /proc/self/fd", NULL};
    run((struct child_spec){.argv = argv, .pass = ends[1]}, &result);
    close(ends[1]);
    char passed[TEXT_MAX];
    read_all(ends[0], passed);
    assert_string_equal(passed, "ready\n");
    assert_string_equal(result.text, "/dev/null\n0\n1\n2\n3\n4\n");
    close(ends[0]);
    close(leaks);
}

static void its_environment_is_ours_with_what_is_added_and_taken(void **state)
{
    (void)state;
    struct run result;
    const char *added[] = {"ES_ADDED=1=2", "ES_TAKEN", "ES_CHANGED=new", NULL};
    const char *argv[] = {"sh", "-c", "echo $ES_ADDED,${ES_TAKEN-none},$ES_CHANGED,$ES_OURS,${NOTIFY_SOCKET-none}",
                          NULL};
    setenv("ES_TAKEN", "x", 1);
    setenv("ES_CHANGED", "old", 1);
    setenv("ES_OURS", "ours", 1);
    setenv("NOTIFY_SOCKET", "/run/x", 1);
    run((struct child_spec){.argv = argv, .environment = added, .pass = -1}, &result);
    unsetenv("NOTIFY_SOCKET");
    assert_string_equal(result.text, "1=2,none,new,ours,none\n");
}

static void it_runs_in_the_folder_given(void **state)
{
    (void)state;
    struct run result;
    const char *argv[] = {"pwd", NULL};
    run((struct child_spec){.argv = argv, .directory = "/usr", .pass = -1}, &result);
    assert_string_equal(result.text, "/usr\n");
}

static void assert_refused(struct child_spec spec, const char *expected)
{
    struct child child;
    char reason[CHILD_REASON_MAX];
    spec.output = spec.pass = -1;
    assert_false(child_start(&child, &spec, reason));
    assert_string_equal(reason, expected);
    assert_int_equal(child.pid, 0);
}

static void what_cannot_be_started_is_said_for_people(void **state)
{
    (void)state;
    const char *missing[] = {"es-no-such-program", NULL}, *path[] = {"/usr/bin/es-no-such", NULL},
               *yes[] = {"true", NULL};
    assert_refused((struct child_spec){.argv = missing}, "the program es-no-such-program is not installed");
    assert_refused((struct child_spec){.argv = path}, "the program /usr/bin/es-no-such is not installed");
    assert_refused((struct child_spec){.argv = yes, .directory = "/es/none"}, "there is no folder /es/none");
    assert_refused((struct child_spec){.argv = yes, .user = "es-nobody-here"}, "there is no user es-nobody-here");
    assert_true(child_user_exists("root"));
    assert_false(child_user_exists("es-nobody-here"));
}

/* Starts a shell whose grandchild sleeps, and says the grandchild's process id. */
static pid_t start_family(struct child *ret_child, const char *command)
{
    int ends[2];
    char reason[CHILD_REASON_MAX], text[32] = "";
    const char *argv[] = {"sh", "-c", command, NULL};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(child_start(ret_child, &(struct child_spec){.argv = argv, .output = -1, .pass = ends[1]}, reason));
    close(ends[1]);
    for (size_t used = 0; !strchr(text, '\n'); used++)
        assert_int_equal(read(ends[0], text + used, 1), 1);
    close(ends[0]);
    return (pid_t)atoi(text);
}

static void a_signal_reaches_the_whole_group(void **state)
{
    (void)state;
    struct child child;
    struct child_end end;
    pid_t grandchild = start_family(&child, "sleep 600 & echo $! >&3; wait");
    assert_false(child_reap(&child, &end));
    child_signal(&child, CHILD_TERMINATE);
    wait_end(&child, &end);
    assert_true(end.by_signal);
    assert_int_equal(end.code, SIGTERM);
    assert_goes(grandchild);
    child_signal(&child, CHILD_KILL); /* nobody there: nothing happens */
}

static void what_is_left_of_the_group_is_killed_at_the_end(void **state)
{
    (void)state;
    struct child child;
    struct child_end end;
    pid_t grandchild = start_family(&child, "(trap '' TERM; exec sleep 600) & echo $! >&3; exit 7");
    wait_end(&child, &end);
    assert_int_equal(end.code, 7);
    assert_goes(grandchild);
}

static void a_stopped_one_hears_that_it_is_to_end(void **state)
{
    (void)state;
    struct child child;
    struct child_end end;
    pid_t grandchild = start_family(&child, "sleep 600 & echo $! >&3; wait");
    assert_int_equal(kill(-child.pid, SIGSTOP), 0);
    child_signal(&child, CHILD_TERMINATE);
    wait_end(&child, &end);
    assert_int_equal(end.code, SIGTERM);
    assert_goes(grandchild);
}

static void it_ends_with_the_process_that_started_it(void **state)
{
    (void)state;
    int ends[2];
    pid_t started = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t host = fork();
    if (host == 0) {
        struct child child;
        start_family(&child, "echo 0 >&3; exec sleep 600");
        if (write(ends[1], &child.pid, sizeof(child.pid)) != sizeof(child.pid))
            _exit(1);
        pause();
    }
    assert_int_equal(read(ends[0], &started, sizeof(started)), sizeof(started));
    assert_false(process_is_gone(started));
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    assert_goes(started);
    close(ends[0]);
    close(ends[1]);
}

static void another_user_has_an_identity_and_a_clean_environment(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct run result;
    const char *argv[] = {"sh", "-c", "id -u; id -un; id -G; echo $HOME,$USER,$LOGNAME,$ES_ADDED,${ES_OURS-none}; pwd",
                          NULL};
    const char *added[] = {"ES_ADDED=yes", NULL};
    setenv("ES_OURS", "secret", 1);
    run((struct child_spec){.argv = argv, .environment = added, .user = "nobody", .pass = -1}, &result);
    assert_int_equal(result.end.code, 0);
    char expected[256];
    unsigned uid, gid;
    assert_true(child_user_ids("nobody", &uid, &gid));
    snprintf(expected, sizeof(expected), "%u\nnobody\n%u\n/nonexistent,nobody,nobody,yes,none\n/\n", uid, gid);
    assert_string_equal(result.text, expected);
}

/* The loader tells which libraries it looks for: not those of setpriv, which is root's still. */
static void what_loads_code_is_not_heeded_before_the_user_is_changed(void **state)
{
    (void)state;
    struct run result;
    if (geteuid() != 0)
        skip();
    const char *argv[] = {"sh", "-c", "echo $LD_DEBUG $TMPDIR $MORE", NULL};
    const char *added[] = {"LD_DEBUG=libs", "MORE=too", "TMPDIR=/tmp", NULL};
    run((struct child_spec){.argv = argv, .environment = added, .user = "nobody", .pass = -1}, &result);
    assert_int_equal(result.end.code, 0);
    assert_non_null(strstr(result.text, "libs /tmp too\n"));
    assert_non_null(strstr(result.text, "libc.so"));
    assert_null(strstr(result.text, "libcap-ng"));
}

static void another_users_program_ends_with_us_too(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    int ends[2];
    pid_t started = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t host = fork();
    if (host == 0) {
        int inner[2];
        char reason[CHILD_REASON_MAX], byte;
        const char *argv[] = {"sh", "-c", "echo >&3; exec sleep 600", NULL};
        struct child child;
        if (pipe2(inner, O_CLOEXEC) != 0)
            _exit(1);
        struct child_spec spec = {.argv = argv, .user = "nobody", .output = -1, .pass = inner[1]};
        if (!child_start(&child, &spec, reason) || read(inner[0], &byte, 1) != 1 ||
            write(ends[1], &child.pid, sizeof(child.pid)) != sizeof(child.pid))
            _exit(1);
        pause();
    }
    assert_int_equal(read(ends[0], &started, sizeof(started)), sizeof(started));
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    assert_goes(started);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_exit_code_is_told),
        cmocka_unit_test(its_signal_is_told),
        cmocka_unit_test(it_leads_a_session_and_a_group_with_signals_as_new),
        cmocka_unit_test(it_has_no_descriptor_of_ours_but_the_one_passed),
        cmocka_unit_test(its_environment_is_ours_with_what_is_added_and_taken),
        cmocka_unit_test(it_runs_in_the_folder_given),
        cmocka_unit_test(what_cannot_be_started_is_said_for_people),
        cmocka_unit_test(a_signal_reaches_the_whole_group),
        cmocka_unit_test(what_is_left_of_the_group_is_killed_at_the_end),
        cmocka_unit_test(a_stopped_one_hears_that_it_is_to_end),
        cmocka_unit_test(it_ends_with_the_process_that_started_it),
        cmocka_unit_test(another_user_has_an_identity_and_a_clean_environment),
        cmocka_unit_test(what_loads_code_is_not_heeded_before_the_user_is_changed),
        cmocka_unit_test(another_users_program_ends_with_us_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

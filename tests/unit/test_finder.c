/* SPDX-License-Identifier: Apache-2.0 */
/* Which display is preferred, and what is said of the others: from made-up facts. */
#include "capture/finder_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROOT = 0, ANNA = 1000, BERT = 1001, GDM = 120 };

struct world {
    struct finder_facts facts;
    struct finder_candidate candidates[FINDER_MAX];
    struct finder_origin origins[FINDER_MAX];
    size_t count;
};

static const char *name_of(unsigned uid)
{
    return uid == ROOT ? "root" : uid == ANNA ? "anna" : uid == BERT ? "bert" : "gdm";
}

static struct finder_server *add_server(struct world *self, int number, unsigned uid)
{
    struct finder_server *server = &self->facts.servers[self->facts.server_count++];
    *server = (struct finder_server){.number = number, .known = true, .uid = uid};
    snprintf(server->user, sizeof(server->user), "%s", name_of(uid));
    return server;
}

/* On seat0, in front; `display` -1: not told. */
static struct finder_session *add_session(struct world *self, const char *type, unsigned uid, int display)
{
    struct finder_session *session = &self->facts.sessions[self->facts.session_count++];
    *session = (struct finder_session){.uid = uid, .display = display, .is_active = true};
    snprintf(session->id, sizeof(session->id), "c%d", self->facts.session_count);
    snprintf(session->type, sizeof(session->type), "%s", type);
    snprintf(session->class, sizeof(session->class), uid == GDM ? "greeter" : "user");
    snprintf(session->seat, sizeof(session->seat), "seat0");
    snprintf(session->user, sizeof(session->user), "%s", name_of(uid));
    return session;
}

static void judge(struct world *self)
{
    self->count = finder_judge(&self->facts, self->candidates, self->origins);
    for (size_t i = 0; i < self->count; i++)
        finder_refuse_foreign(&self->facts, &self->candidates[i], &self->origins[i]);
    finder_sort(self->candidates, self->origins, self->count);
}

static void assert_candidate(const struct world *self, size_t i, const char *name, bool usable, const char *word)
{
    assert_true(i < self->count);
    assert_string_equal(self->candidates[i].name, name);
    assert_int_equal(self->candidates[i].usable, usable);
    if (!strstr(self->candidates[i].reason, word))
        fail_msg("\"%s\" is not in \"%s\"", word, self->candidates[i].reason);
}

static void nothing_gives_nothing(void **state)
{
    (void)state;
    struct world world = {.count = 0};
    judge(&world);
    assert_int_equal(world.count, 0);
}

static void the_order_is_front_environment_greeter_behind_and_sockets(void **state)
{
    (void)state;
    struct world world = {.facts = {.environment = ":7.0"}};
    add_server(&world, 9, ANNA);
    add_server(&world, 8, BERT);
    add_server(&world, 7, ROOT);
    add_server(&world, 5, ROOT);
    add_server(&world, 4, BERT);
    add_server(&world, 3, ANNA);
    add_server(&world, 2, ROOT);
    add_session(&world, "x11", GDM, 5);
    add_session(&world, "x11", BERT, 4)->is_active = false;
    add_session(&world, "x11", ANNA, 3)->seat[0] = 0;
    add_session(&world, "x11", ANNA, 9);
    judge(&world);
    assert_int_equal(world.count, 7);
    assert_candidate(&world, 0, ":9", true, "active session of anna");
    assert_candidate(&world, 1, ":3", true, "active session of anna");
    assert_candidate(&world, 2, ":7", true, "$DISPLAY");
    assert_candidate(&world, 3, ":5", true, "login screen");
    assert_candidate(&world, 4, ":4", true, "session of bert that is not in front");
    assert_candidate(&world, 5, ":2", true, "X server of root");
    assert_candidate(&world, 6, ":8", false, "X server of bert");
}

static void a_session_is_matched_by_the_process_the_terminal_or_the_user(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = ROOT}};
    snprintf(add_server(&world, 0, ANNA)->session, FINDER_WORD_MAX, "c1");
    add_server(&world, 1, ROOT)->vt = 3;
    add_server(&world, 2, BERT);
    add_session(&world, "x11", ANNA, -1)->is_active = false;
    add_session(&world, "tty", ANNA, -1)->vt = 3; /* startx */
    add_session(&world, "x11", BERT, -1)->is_active = false;
    add_session(&world, "tty", BERT, -1)->vt = 4;
    judge(&world);
    assert_int_equal(world.count, 3);
    assert_candidate(&world, 0, ":1", true, "active session of anna");
    assert_candidate(&world, 1, ":0", true, "session of anna that");
    assert_candidate(&world, 2, ":2", true, "session of bert that");
}

static void a_users_own_server_comes_before_those_that_let_everybody_in(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = ANNA}};
    add_server(&world, 1, ROOT);
    add_server(&world, 2, ANNA);
    judge(&world);
    assert_candidate(&world, 0, ":2", true, "X server of anna");
    assert_candidate(&world, 1, ":1", true, "X server of root");
}

/* Else the session's cookies would be tried on it. */
static void a_session_is_not_at_a_server_of_another_user(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = ROOT}};
    add_server(&world, 0, BERT);
    add_server(&world, 1, BERT)->vt = 2;
    add_session(&world, "x11", ANNA, 0)->vt = 2;
    judge(&world);
    assert_int_equal(world.count, 3);
    assert_candidate(&world, 0, "session c1", false, "not to be found");
    assert_candidate(&world, 1, ":0", false,
                     "X server of bert without a session: root takes it only by name, display = :0");
    assert_candidate(&world, 2, ":1", false, "X server of bert");
}

static void one_user_with_two_servers_has_the_session_at_one_of_them(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = ROOT}};
    add_server(&world, 0, ANNA);
    add_server(&world, 1, ANNA);
    add_session(&world, "x11", ANNA, 1);
    judge(&world);
    assert_candidate(&world, 0, ":1", true, "active session");
    assert_candidate(&world, 1, ":0", false, "X server of anna without a session");
}

static void wayland_is_refused_with_advice(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = ROOT}};
    add_server(&world, 0, ANNA)->is_xwayland = true;
    add_session(&world, "wayland", ANNA, -1);
    add_session(&world, "wayland", BERT, -1);
    add_session(&world, "wayland", GDM, -1);
    judge(&world);
    assert_int_equal(world.count, 3);
    assert_candidate(&world, 0, ":0", false, "Xwayland of a Wayland session: its screen cannot be read; log in");
    assert_candidate(&world, 1, "session c2", false, "Wayland session of bert: its screen");
    assert_candidate(&world, 2, "session c3", false, "login screen on Wayland");
    for (size_t i = 0; i < 3; i++)
        assert_non_null(strstr(world.candidates[i].reason, "or set virtual_display"));
}

static void sessions_that_end_or_have_no_screen_do_not_count(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = ROOT}};
    add_session(&world, "x11", ANNA, 0)->is_closing = true;
    add_session(&world, "tty", ANNA, -1);
    snprintf(add_session(&world, "x11", BERT, 1)->class, FINDER_WORD_MAX, "manager");
    judge(&world);
    assert_int_equal(world.count, 0);
    add_session(&world, "x11", BERT, 1);
    judge(&world);
    assert_candidate(&world, 0, "session c4", false, "its X server is not to be found");
}

static void another_users_display_needs_a_cookie_unless_we_are_root(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = BERT, .environment = ":1"}};
    add_server(&world, 0, ROOT); /* a display manager's server, with anna's session */
    add_server(&world, 1, ANNA);
    add_server(&world, 2, BERT);
    add_server(&world, 3, ROOT); /* nobody knows whose: the cookie decides */
    add_session(&world, "x11", ANNA, 0);
    judge(&world);
    assert_candidate(&world, 0, ":2", true, "X server of bert");
    assert_candidate(&world, 1, ":3", true, "X server of root");
    assert_candidate(&world, 2, ":0", false, "belongs to user anna");
    assert_candidate(&world, 3, ":1", false, "belongs to user anna");
    world.facts.uid = ROOT;
    judge(&world);
    assert_candidate(&world, 0, ":0", true, "active session of anna");
    assert_candidate(&world, 1, ":1", true, "$DISPLAY");
}

static void a_readable_cookie_opens_another_users_display(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = BERT}};
    add_server(&world, 0, ANNA);
    world.count = finder_judge(&world.facts, world.candidates, world.origins);
    world.candidates[0].cookie_count = 1;
    finder_refuse_foreign(&world.facts, &world.candidates[0], &world.origins[0]);
    assert_candidate(&world, 0, ":0", true, "X server of anna");
}

static void a_display_of_another_computer_or_one_that_is_gone_is_said_to_be_so(void **state)
{
    (void)state;
    struct world world = {.facts = {.environment = "localhost:10.0"}};
    judge(&world);
    assert_candidate(&world, 0, "localhost:10.0", false, "ssh -X");
    snprintf(world.facts.environment, sizeof(world.facts.environment), ":4");
    judge(&world);
    assert_candidate(&world, 0, ":4", false, "no such X server");
}

static void our_own_private_display_is_no_candidate(void **state)
{
    (void)state;
    struct world world = {.facts = {.environment = ":4"}};
    add_server(&world, 4, ROOT)->is_ours = true;
    judge(&world);
    assert_int_equal(world.count, 0);
}

static void of_many_the_best_are_kept(void **state)
{
    (void)state;
    struct world world = {.facts = {.uid = ROOT}};
    for (int i = 0; i < FINDER_FACTS_MAX; i++)
        add_server(&world, 100 - i, ROOT)->is_xwayland = i % 2;
    judge(&world);
    assert_int_equal(world.count, FINDER_MAX);
    assert_candidate(&world, 0, ":70", true, "");
    assert_candidate(&world, 11, ":92", true, "");
}

static void names_of_local_displays_are_told_from_others(void **state)
{
    (void)state;
    static const char *const good[] = {":0", ":12.1", "unix:3", ":65535"};
    static const char *const bad[] = {"", "0", ":", ":x", ":1.", ":1.x", "host:0", "localhost:10.0", ":-1", ":65536"};
    static const int numbers[] = {0, 12, 3, 65535};
    int number;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(finder_parse_local(good[i], &number));
        assert_int_equal(number, numbers[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(finder_parse_local(bad[i], &number));
}

static void the_arguments_of_a_server_tell_its_cookie_and_terminal(void **state)
{
    (void)state;
    static const char words[] = "/usr/lib/xorg/Xorg\0vt2\0-displayfd\0"
                                "3\0-auth\0/run/user/1000/gdm/Xauthority\0-nolisten\0tcp";
    struct finder_server server = {.number = 0};
    finder_read_arguments(words, sizeof(words), &server);
    assert_int_equal(server.vt, 2);
    assert_string_equal(server.authority, "/run/user/1000/gdm/Xauthority");
    for (size_t cut = 0; cut < sizeof(words); cut++) {
        char copy[sizeof(words)];
        struct finder_server partly = {.number = 0};
        memcpy(copy, words, cut);
        finder_read_arguments(copy, cut, &partly);
        assert_true(!partly.authority[0] || !strcmp(partly.authority, server.authority));
    }
    finder_read_arguments("X\0-auth", 8, &server);
}

static struct finder_candidate of_kind(enum finder_kind kind)
{
    return (struct finder_candidate){.usable = true, .kind = kind};
}

static void the_desktop_changes_only_to_what_is_in_front_from_what_is_not(void **state)
{
    (void)state;
    static const struct {
        enum finder_kind present, other;
        bool changes;
    } cases[] = {
        {FINDER_GREETER, FINDER_ACTIVE_SEAT0, true},
        {FINDER_SESSION, FINDER_ACTIVE_SEAT0, true},
        {FINDER_SESSION, FINDER_GREETER, true},
        {FINDER_SOCKET, FINDER_ACTIVE, true},
        {FINDER_ENVIRONMENT, FINDER_ACTIVE_SEAT0, true},
        {FINDER_ENVIRONMENT, FINDER_GREETER, false},
        {FINDER_ACTIVE, FINDER_ACTIVE_SEAT0, false},
        {FINDER_ACTIVE_SEAT0, FINDER_ACTIVE, false},
        {FINDER_ACTIVE_SEAT0, FINDER_ACTIVE_SEAT0, false},
        {FINDER_ACTIVE_SEAT0, FINDER_GREETER, false},
        {FINDER_SOCKET, FINDER_SESSION, false},
        {FINDER_SOCKET, FINDER_ENVIRONMENT, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct finder_candidate present = of_kind(cases[i].present), other = of_kind(cases[i].other);
        assert_int_equal(finder_is_better(&other, &present), cases[i].changes);
        assert_false(finder_is_better(&other, &present) && finder_is_better(&present, &other));
        other.usable = false;
        assert_false(finder_is_better(&other, &present));
    }
    struct finder_candidate front = of_kind(FINDER_ACTIVE_SEAT0), socket = of_kind(FINDER_SOCKET);
    assert_true(finder_is_better(&front, NULL));
    assert_false(finder_is_better(&socket, NULL));
}

static void the_sentence_tells_what_was_looked_at_and_fits(void **state)
{
    (void)state;
    static const char *const names[] = {":0", ":1", ":2", ":3", ":4", ":5"};
    static const char *const reasons[] = {
        "refused our cookie", "belongs to user anna",   "Xwayland of a Wayland session: its screen cannot be read",
        "does not answer",    "lacks DAMAGE or XFIXES", "does not answer"};
    char sentence[160], tight[90];
    finder_tell(names, reasons, 0, sentence, sizeof(sentence));
    assert_string_equal(sentence, "No desktop: $DISPLAY is not set, nobody is logged in, no X server runs. Log in, "
                                  "start X, or set virtual_display.");
    finder_tell(names, reasons, 2, sentence, sizeof(sentence));
    assert_string_equal(sentence, "No desktop: :0 refused our cookie; :1 belongs to user anna. Log in, start X, or set "
                                  "virtual_display.");
    finder_tell(names, reasons, 6, sentence, sizeof(sentence));
    assert_non_null(strstr(sentence, "more. Log in, start X, or set virtual_display."));
    for (int count = 0; count <= 6; count++) {
        finder_tell(names, reasons, count, sentence, sizeof(sentence));
        assert_non_null(strstr(sentence, "set virtual_display."));
        finder_tell(names, reasons, count, tight, sizeof(tight));
        assert_true(strlen(tight) < sizeof(tight));
    }
}

/* On this machine, whatever is on it. */
static void a_survey_ends_and_orders_what_it_finds(void **state)
{
    (void)state;
    struct finder_candidate candidates[FINDER_MAX];
    int64_t cost_ns = -1;
    size_t count = finder_survey(candidates, &cost_ns);
    assert_true(count <= FINDER_MAX && cost_ns >= 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(candidates[i].name[0] && candidates[i].reason[0]);
        if (i)
            assert_true(candidates[i - 1].usable >= candidates[i].usable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_gives_nothing),
        cmocka_unit_test(the_order_is_front_environment_greeter_behind_and_sockets),
        cmocka_unit_test(a_session_is_matched_by_the_process_the_terminal_or_the_user),
        cmocka_unit_test(a_users_own_server_comes_before_those_that_let_everybody_in),
        cmocka_unit_test(a_session_is_not_at_a_server_of_another_user),
        cmocka_unit_test(one_user_with_two_servers_has_the_session_at_one_of_them),
        cmocka_unit_test(wayland_is_refused_with_advice),
        cmocka_unit_test(sessions_that_end_or_have_no_screen_do_not_count),
        cmocka_unit_test(another_users_display_needs_a_cookie_unless_we_are_root),
        cmocka_unit_test(a_readable_cookie_opens_another_users_display),
        cmocka_unit_test(a_display_of_another_computer_or_one_that_is_gone_is_said_to_be_so),
        cmocka_unit_test(our_own_private_display_is_no_candidate),
        cmocka_unit_test(of_many_the_best_are_kept),
        cmocka_unit_test(names_of_local_displays_are_told_from_others),
        cmocka_unit_test(the_arguments_of_a_server_tell_its_cookie_and_terminal),
        cmocka_unit_test(the_desktop_changes_only_to_what_is_in_front_from_what_is_not),
        cmocka_unit_test(the_sentence_tells_what_was_looked_at_and_fits),
        cmocka_unit_test(a_survey_ends_and_orders_what_it_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

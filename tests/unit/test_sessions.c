/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions with a real loop, control host and encoder, up to the moment before a client's control connection: who owns
 * the mode, what the rest of the host is told, whose ping it is. What follows is tested end to end.
 * The linker hands us the wishes meant for the display (--wrap).
 */
#include "host/sessions.h"

#include "audio/source.h"
#include "base/clock.h"
#include "base/text.h"
#include "host/session.h"
#include "host/sessions_internal.h"
#include "net/gso.h"
#include "net/udp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DESKTOP = 7, GAME = 8, ALICE = 1, BOB = 2, CAROL = 3 };

struct rig {
    struct config config;
    struct loop *loop;
    struct display *display;
    struct control_host *control;
    struct udp_socket *socket;
    struct gso_policy *gso;
    struct audio_source *audio;
    struct encoder_report reports[ENCODER_REPORTS_MAX];
    struct sessions *sessions;
    char events[4096];
    uint8_t keys_used;
};

static struct display_wish wish;
static int wishes;

void __wrap_display_set_wish(struct display *display, const struct display_wish *wanted);
void __wrap_display_set_wish(struct display *display, const struct display_wish *wanted)
{
    (void)display;
    wish = *wanted;
    wishes++;
}

static void on_changed(void *ctx)
{
    (void)ctx;
}

/* "LAUNCHED 7 alice 1/1": kind, app, client, other sessions / of the same app. */
static void on_event(void *ctx, const struct sessions_event *event)
{
    static const char *const kinds[] = {"LAUNCHED", "ANNOUNCED", "FIRST_PICTURE", "ENDED", "QUIT"};
    struct rig *rig = ctx;
    size_t used = strlen(rig->events);
    snprintf(rig->events + used, sizeof(rig->events) - used, "%s %u %s %d/%d\n", kinds[event->kind], event->app_id,
             event->client ? event->client : "-", event->others, event->others_of_app);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

/* What other threads have posted is done. */
static void pump(struct rig *rig)
{
    struct loop_timer *timer = loop_timer_create(rig->loop, 50 * CLOCK_MS_NS, false, stop_loop, rig->loop);
    loop_run(rig->loop);
    loop_timer_destroy(timer);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct address any;
    const struct display_config display = {.name = "none", .output = "auto"};
    assert_true(address_parse("127.0.0.1", 0, &any));
    config_init(&rig->config);
    rig->loop = loop_create();
    rig->display = display_create(&display);
    rig->control = control_host_create(&any);
    rig->socket = udp_socket_create(&any);
    rig->gso = gso_policy_create(NULL, 0);
    rig->audio = audio_source_create(&(struct audio_source_config){.backend = "silence"});
    const struct sessions_config config = {
        .config = &rig->config,
        .loop = rig->loop,
        .display = rig->display,
        .control = rig->control,
        .video_socket = rig->socket,
        .audio_socket = rig->socket,
        .audio = rig->audio,
        .gso = rig->gso,
        .reports = rig->reports,
        .report_count = encoder_probe("x264", rig->reports),
        .changed = on_changed,
        .gso_off = on_changed,
        .event = on_event,
        .ctx = rig,
    };
    wish = (struct display_wish){0};
    wishes = 0;
    rig->sessions = sessions_create(&config);
    assert_non_null(rig->sessions);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    control_host_destroy(rig->control);
    sessions_lose_control(rig->sessions);
    loop_finish_work(rig->loop);
    sessions_destroy(rig->sessions);
    audio_source_destroy(rig->audio);
    gso_policy_destroy(rig->gso);
    udp_socket_destroy(rig->socket);
    display_destroy(rig->display);
    loop_destroy(rig->loop);
    free(rig);
    return 0;
}

/* --- clients --- */

static const uint8_t *certificate(int client)
{
    static uint8_t sha256[256][32];
    memset(sha256[client], client, 32);
    return sha256[client];
}

static struct sessions_caller caller(int client)
{
    static const char *const names[] = {"", "alice", "bob", "carol"};
    struct sessions_caller caller = {0};
    char ip[32];
    text_copy(caller.name, sizeof(caller.name), client <= CAROL ? names[client] : "another");
    memcpy(caller.sha256, certificate(client), 32);
    snprintf(ip, sizeof(ip), "192.0.2.%d", client);
    address_parse(ip, 1000, &caller.peer);
    return caller;
}

struct launch {
    uint32_t app_id;
    int width, height, fps;
    bool change_mode, resume, behind_one_address;
};

static enum sessions_result launch_with(struct rig *rig, int client, const struct launch *with)
{
    struct nvhttp_launch launch = {.app_id = with->resume   ? 0
                                             : with->app_id ? with->app_id
                                                            : DESKTOP,
                                   .width = with->width,
                                   .height = with->height,
                                   .fps_x100 = with->fps * 100,
                                   .change_mode = with->change_mode};
    memset(launch.rikey, ++rig->keys_used, sizeof(launch.rikey));
    struct sessions_caller from = caller(client);
    if (with->behind_one_address)
        from.peer = caller(ALICE).peer;
    return sessions_launch(rig->sessions, &from, &launch, with->resume, false);
}

static enum sessions_result launch(struct rig *rig, int client, uint32_t app_id)
{
    return launch_with(rig, client, &(struct launch){.app_id = app_id});
}

/* The status of the answer. */
static int request(struct rig *rig, const struct address *peer, const char *line, const char *body)
{
    int status = 0;
    char text[2048], reply[RTSP_SERVER_REPLY_MAX + 1];
    int size = snprintf(text, sizeof(text), "%s RTSP/1.0\r\nCSeq: 1\r\nContent-length: %zu\r\n\r\n%s", line,
                        strlen(body), body);
    const struct rtsp_server_message message = {.bytes = (uint8_t *)text, .size = (size_t)size, .peer = peer};
    size_t got = sessions_rtsp(rig->sessions, &message, (uint8_t *)reply, sizeof(reply) - 1);
    reply[got] = '\0';
    assert_int_equal(sscanf(reply, "RTSP/1.0 %d", &status), 1);
    return status;
}

static const char hevc[] = "a=x-nv-vqos[0].bitStreamFormat:1 \r\n";
static const char chroma444[] = "a=x-ss-video[0].chromaSamplingType:1 \r\n";

/* The whole dialog of a client that knows no session ids; the status of its end. */
static int announce_as(struct rig *rig, int client, const char *kind, int width, int height, int fps)
{
    char body[1024];
    struct address peer = caller(client).peer;
    snprintf(
        body, sizeof(body),
        "a=x-ss-general.encryptionEnabled:1 \r\n"
        "a=x-nv-video[0].clientViewportWd:%d \r\na=x-nv-video[0].clientViewportHt:%d \r\na=x-nv-video[0].maxFPS:%d "
        "\r\na=x-nv-video[0].packetSize:1392 \r\na=x-nv-vqos[0].bw.maximumBitrateKbps:8000 \r\n"
        "a=x-nv-audio.surround.numChannels:2 \r\na=x-nv-audio.surround.channelMask:3 \r\n"
        "a=x-nv-general.useReliableUdp:13 \r\n%s",
        width, height, fps, kind);
    assert_int_equal(request(rig, &peer, "SETUP streamid=audio/0/0", ""), 200);
    assert_int_equal(request(rig, &peer, "SETUP streamid=video/0/0", ""), 200);
    assert_int_equal(request(rig, &peer, "SETUP streamid=control/13/0", ""), 200);
    return request(rig, &peer, "ANNOUNCE streamid=control/13/0", body);
}

static void announce(struct rig *rig, int client, int width, int height, int fps)
{
    assert_int_equal(announce_as(rig, client, "", width, height, fps), 200);
}

static void told(struct rig *rig, const char *events)
{
    assert_string_equal(rig->events, events);
    rig->events[0] = '\0';
}

static const struct session *session_of(struct rig *rig, int client)
{
    return sessions_live_of(rig->sessions, certificate(client), NULL);
}

/* --- what the rest of the host is told --- */

static void each_moment_of_a_session_is_told(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(launch(rig, ALICE, DESKTOP), SESSIONS_OK);
    announce(rig, ALICE, 1280, 720, 60);
    sessions_cancel(rig->sessions, certificate(ALICE));
    told(rig, "LAUNCHED 7 alice 0/0\nANNOUNCED 7 alice 0/0\nENDED 7 alice 0/0\nQUIT 7 - 0/0\n");
    sessions_cancel(rig->sessions, certificate(ALICE));
    told(rig, "");
}

static void an_app_is_quit_when_its_last_client_quits(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, DESKTOP);
    launch(rig, BOB, DESKTOP);
    launch(rig, CAROL, GAME);
    told(rig, "LAUNCHED 7 alice 0/0\nLAUNCHED 7 bob 1/1\nLAUNCHED 8 carol 2/0\n");
    sessions_cancel(rig->sessions, certificate(ALICE));
    told(rig, "ENDED 7 alice 2/1\n");
    sessions_end(rig->sessions, session_of(rig, BOB)->id); /* the stream only: bob may resume */
    told(rig, "ENDED 7 bob 1/0\n");
    assert_int_equal(sessions_running_app(rig->sessions, certificate(BOB)), DESKTOP);
    sessions_cancel(rig->sessions, certificate(BOB));
    told(rig, "QUIT 7 - 0/0\n");
    assert_int_equal(sessions_running_app(rig->sessions, certificate(CAROL)), GAME);
}

static void an_app_goes_with_its_last_session(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, GAME);
    sessions_end(rig->sessions, session_of(rig, ALICE)->id); /* alice's phone has run dry: she has not quit */
    launch(rig, BOB, GAME);
    launch(rig, CAROL, DESKTOP);
    told(rig, "LAUNCHED 8 alice 0/0\nENDED 8 alice 0/0\nLAUNCHED 8 bob 0/0\nLAUNCHED 7 carol 1/0\n");
    sessions_cancel(rig->sessions, certificate(BOB));
    told(rig, "ENDED 8 bob 1/0\nQUIT 8 - 0/0\n");
    assert_int_equal(sessions_running_app(rig->sessions, certificate(ALICE)), 0);
    assert_int_equal(sessions_running_app(rig->sessions, certificate(CAROL)), DESKTOP);
}

static void who_comes_back_to_its_app_does_not_end_it(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, DESKTOP);
    assert_int_equal(launch(rig, ALICE, DESKTOP), SESSIONS_OK);
    assert_int_equal(launch_with(rig, ALICE, &(struct launch){.resume = true}), SESSIONS_OK);
    told(rig, "LAUNCHED 7 alice 0/0\nLAUNCHED 7 alice 0/1\nENDED 7 alice 1/1\nLAUNCHED 7 alice 0/1\nENDED 7 alice "
              "1/1\n");
    assert_int_equal(sessions_running_app(rig->sessions, certificate(ALICE)), DESKTOP);
}

static void another_app_begins_after_the_first_one_is_over(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, DESKTOP);
    launch(rig, ALICE, GAME);
    told(rig, "LAUNCHED 7 alice 0/0\nENDED 7 alice 1/0\nQUIT 7 - 0/0\nLAUNCHED 8 alice 0/0\n");
}

static void an_app_that_ended_by_itself_takes_its_sessions_along(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, GAME);
    launch(rig, BOB, GAME);
    launch(rig, CAROL, DESKTOP);
    rig->events[0] = '\0';
    sessions_app_over(rig->sessions, GAME);
    told(rig, "ENDED 8 bob 2/1\nENDED 8 alice 1/0\n");
    assert_int_equal(sessions_running_app(rig->sessions, certificate(ALICE)), 0);
    assert_int_equal(launch_with(rig, BOB, &(struct launch){.resume = true}), SESSIONS_NOT_RUNNING);
    assert_non_null(session_of(rig, CAROL));
}

static void the_seventeenth_client_is_refused(void **state)
{
    struct rig *rig = *state;
    for (int client = 1; client <= SESSIONS_LIVE_MAX; client++)
        assert_int_equal(launch(rig, client, DESKTOP), SESSIONS_OK);
    assert_int_equal(launch(rig, 99, DESKTOP), SESSIONS_FULL);
    assert_int_equal(launch(rig, 5, DESKTOP), SESSIONS_OK);
    assert_int_equal(sessions_running_app(rig->sessions, certificate(99)), 0);
}

static void who_launches_in_a_loop_waits_for_what_is_ending(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i <= SESSIONS_DYING_MAX; i++) {
        assert_int_equal(launch(rig, ALICE, DESKTOP), SESSIONS_OK);
        announce(rig, ALICE, 640, 360, 30);
    }
    const struct session *kept = session_of(rig, ALICE);
    assert_int_equal(launch(rig, ALICE, DESKTOP), SESSIONS_BUSY);
    assert_ptr_equal(session_of(rig, ALICE), kept);
    for (int i = 0; i < 100 && launch(rig, BOB, DESKTOP) == SESSIONS_BUSY; i++)
        pump(rig);
    assert_non_null(session_of(rig, BOB));
}

static void of_many_clients_those_are_forgotten_that_run_nothing(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, GAME);
    sessions_end(rig->sessions, session_of(rig, ALICE)->id);
    for (int client = 10; client < 10 + 2 * SESSIONS_RUNS_MAX; client++) {
        assert_int_equal(launch(rig, client, DESKTOP), SESSIONS_OK);
        sessions_cancel(rig->sessions, certificate(client));
    }
    assert_int_equal(sessions_running_app(rig->sessions, certificate(ALICE)), GAME);
}

static void an_app_whose_last_client_is_forgotten_is_quit(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, GAME);
    sessions_end(rig->sessions, session_of(rig, ALICE)->id);
    for (int client = 10; client < 10 + SESSIONS_RUNS_MAX; client++) {
        rig->events[0] = '\0';
        launch(rig, client, DESKTOP);
        sessions_end(rig->sessions, session_of(rig, client)->id);
    }
    told(rig, "QUIT 8 - 0/0\nLAUNCHED 7 another 0/0\nENDED 7 another 0/0\n");
}

/* --- the mode --- */

static void wished(int width, int height, int fps_x100, bool awake)
{
    assert_int_equal(wish.width, width);
    assert_int_equal(wish.height, height);
    assert_int_equal(wish.fps_x100, fps_x100);
    assert_int_equal(wish.awake, awake);
    assert_int_equal(wish.clip, awake);
}

static void the_first_session_owns_the_mode_and_the_next_inherits_it(void **state)
{
    struct rig *rig = *state;
    rig->config.match_mode = CONFIG_MATCH_ALWAYS;
    launch_with(rig, ALICE, &(struct launch){.width = 2560, .height = 1440, .fps = 60});
    wished(2560, 1440, 6000, true);
    launch_with(rig, BOB, &(struct launch){.width = 800, .height = 600, .fps = 30});
    wished(2560, 1440, 6000, true);
    assert_int_equal(wishes, 1);
    sessions_cancel(rig->sessions, certificate(ALICE));
    wished(800, 600, 3000, true);
    sessions_cancel(rig->sessions, certificate(BOB));
    wished(0, 0, 0, false);
    assert_int_equal(wishes, 3);
}

static void what_is_announced_counts_more_than_what_was_launched(void **state)
{
    struct rig *rig = *state;
    rig->config.match_mode = CONFIG_MATCH_ALWAYS;
    launch_with(rig, ALICE, &(struct launch){.width = 2560, .height = 1440, .fps = 60});
    announce(rig, ALICE, 1920, 1080, 30);
    wished(1920, 1080, 3000, true);
}

static void who_comes_back_is_the_owner_still(void **state)
{
    struct rig *rig = *state;
    rig->config.match_mode = CONFIG_MATCH_ALWAYS;
    launch_with(rig, ALICE, &(struct launch){.width = 2560, .height = 1440, .fps = 60});
    launch_with(rig, BOB, &(struct launch){.width = 800, .height = 600, .fps = 30});
    launch_with(rig, ALICE, &(struct launch){.width = 1920, .height = 1080, .fps = 60});
    wished(1920, 1080, 6000, true);
    assert_int_equal(wishes, 2);
}

static void the_mode_is_matched_as_configured(void **state)
{
    static const struct {
        enum config_match_mode mode;
        bool is_private, change_mode, matched;
    } rows[] = {
        {CONFIG_MATCH_NEVER, true, true, false},   {CONFIG_MATCH_VIRTUAL, false, true, false},
        {CONFIG_MATCH_VIRTUAL, true, false, true}, {CONFIG_MATCH_CLIENT, false, false, false},
        {CONFIG_MATCH_CLIENT, false, true, true},  {CONFIG_MATCH_CLIENT, true, false, true},
        {CONFIG_MATCH_ALWAYS, false, false, true},
    };
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig->config.match_mode = rows[i].mode;
        rig->config.virtual_width = rows[i].is_private ? 1920 : 0;
        launch_with(rig, ALICE,
                    &(struct launch){.width = 1280, .height = 800, .fps = 60, .change_mode = rows[i].change_mode});
        if (rows[i].matched)
            wished(1280, 800, 6000, true);
        else
            wished(0, 0, 0, true);
        sessions_cancel(rig->sessions, certificate(ALICE));
        wished(0, 0, 0, false);
    }
}

static void the_pointer_is_not_confined_when_all_outputs_are_streamed(void **state)
{
    struct rig *rig = *state;
    text_copy(rig->config.output, sizeof(rig->config.output), "all");
    launch(rig, ALICE, DESKTOP);
    assert_true(wish.awake);
    assert_false(wish.clip);
}

/* --- lookups --- */

static void ping(struct rig *rig, const struct address *peer, uint16_t port)
{
    struct address from = *peer;
    address_set_port(&from, port);
    sessions_video_ping(rig->sessions, (const uint8_t *)"PING", 4, &from);
}

static uint64_t unknown_pings(struct rig *rig)
{
    json_t *counters = json_object();
    sessions_counters(rig->sessions, counters);
    uint64_t count = (uint64_t)json_integer_value(json_object_get(counters, "pings_unknown"));
    json_decref(counters);
    return count;
}

static void launch_and_announce_behind_one_address(struct rig *rig, int client)
{
    launch_with(rig, client, &(struct launch){.behind_one_address = true});
    announce(rig, ALICE, 640, 360, 30);
    assert_true(session_of(rig, client)->announced);
}

static void a_ping_without_a_payload_is_the_waiting_sessions(void **state)
{
    struct rig *rig = *state;
    struct address peer = caller(ALICE).peer, stranger = caller(CAROL).peer;
    launch_and_announce_behind_one_address(rig, ALICE);
    ping(rig, &stranger, 5000);
    assert_int_equal(unknown_pings(rig), 1);
    ping(rig, &peer, 5000);
    launch_and_announce_behind_one_address(rig, BOB);
    ping(rig, &peer, 5000); /* alice's, again */
    assert_false(session_of(rig, BOB)->pinged);
    ping(rig, &peer, 6000);
    assert_int_equal(address_port(&session_of(rig, ALICE)->video_peer), 5000);
    assert_int_equal(address_port(&session_of(rig, BOB)->video_peer), 6000);
    ping(rig, &peer, 7000); /* somebody's port has changed: whose? */
    assert_int_equal(unknown_pings(rig), 2);
}

static void of_two_waiting_sessions_none_is_guessed(void **state)
{
    struct rig *rig = *state;
    struct address peer = caller(ALICE).peer;
    launch_and_announce_behind_one_address(rig, ALICE);
    launch_and_announce_behind_one_address(rig, BOB);
    ping(rig, &peer, 5000);
    assert_int_equal(unknown_pings(rig), 1);
    assert_false(session_of(rig, ALICE)->pinged || session_of(rig, BOB)->pinged);
}

static void a_payload_tells_sessions_behind_one_address_apart(void **state)
{
    struct rig *rig = *state;
    struct address peer = caller(ALICE).peer;
    launch_and_announce_behind_one_address(rig, ALICE);
    launch_and_announce_behind_one_address(rig, BOB);
    sessions_video_ping(rig->sessions, (const uint8_t *)session_of(rig, ALICE)->video_ping, 16, &peer);
    assert_true(session_of(rig, ALICE)->pinged);
    assert_false(session_of(rig, BOB)->pinged);
}

static void a_dialog_that_is_over_does_not_take_the_next_clients(void **state)
{
    struct rig *rig = *state;
    launch_with(rig, ALICE, &(struct launch){0});
    launch_with(rig, BOB, &(struct launch){.behind_one_address = true});
    announce(rig, ALICE, 640, 360, 30); /* the newest launch: bob's */
    assert_true(session_of(rig, BOB)->announced);
    assert_false(session_of(rig, ALICE)->announced);
    announce(rig, ALICE, 1280, 720, 30);
    assert_true(session_of(rig, ALICE)->announced);
}

/* --- sound --- */

static void sound_ping(struct rig *rig, const void *payload, size_t size, const struct address *peer, uint16_t port)
{
    struct address from = *peer;
    address_set_port(&from, port);
    sessions_audio_ping(rig->sessions, payload, size, &from);
}

/* Both pings and the control peer have come. */
static void run(struct rig *rig, int client)
{
    struct session *session = (struct session *)session_of(rig, client);
    struct address peer = caller(client).peer;
    session->control_connected = true;
    ping(rig, &peer, 5000);
    assert_int_equal(session->state, SESSION_RUNNING);
}

static void sound_starts_with_the_picture_when_its_ping_came_before(void **state)
{
    struct rig *rig = *state;
    struct address peer = caller(ALICE).peer;
    launch(rig, ALICE, DESKTOP);
    sound_ping(rig, session_of(rig, ALICE)->audio_ping, 16, &peer, 6000); /* clients do that from SETUP on */
    announce(rig, ALICE, 640, 360, 30);
    assert_null(session_of(rig, ALICE)->sound);
    run(rig, ALICE);
    assert_non_null(session_of(rig, ALICE)->sound);
    json_t *list = sessions_to_json(rig->sessions);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(list, 0), "audio"), "channels")),
                     2);
    json_decref(list);
    sessions_cancel(rig->sessions, certificate(ALICE));
    pump(rig);
}

static void sound_starts_with_its_ping_and_follows_its_port(void **state)
{
    struct rig *rig = *state;
    struct address peer = caller(ALICE).peer, stranger = caller(CAROL).peer;
    launch(rig, ALICE, DESKTOP);
    announce(rig, ALICE, 640, 360, 30);
    run(rig, ALICE);
    const struct session *alice = session_of(rig, ALICE);
    sound_ping(rig, "PING", 4, &stranger, 6000);
    assert_null(alice->sound);
    sound_ping(rig, "PING", 4, &peer, 6000);
    assert_non_null(alice->sound);
    sound_ping(rig, alice->audio_ping, 16, &peer, 7000);
    assert_int_equal(address_port(&alice->sound_peer), 7000);
    sound_ping(rig, alice->audio_ping, 16, &stranger, 8000);
    assert_int_equal(address_port(&alice->sound_peer), 7000);
}

static void of_two_sessions_that_wait_for_sound_none_is_guessed(void **state)
{
    struct rig *rig = *state;
    struct address peer = caller(ALICE).peer;
    launch_and_announce_behind_one_address(rig, ALICE);
    launch_and_announce_behind_one_address(rig, BOB);
    uint64_t unknown = unknown_pings(rig);
    sound_ping(rig, "PING", 4, &peer, 6000);
    assert_false(session_of(rig, ALICE)->sound_pinged || session_of(rig, BOB)->sound_pinged);
    sound_ping(rig, session_of(rig, BOB)->audio_ping, 16, &peer, 6000);
    assert_true(session_of(rig, BOB)->sound_pinged);
    sound_ping(rig, "PING", 4, &peer, 7000); /* now it can only be alice's */
    assert_int_equal(address_port(&session_of(rig, ALICE)->sound_peer), 7000);
    sound_ping(rig, "0123456789abcdef", 16, &peer, 8000);
    assert_true(unknown_pings(rig) > unknown);
}

/* --- the end --- */

static void on_all_ended(void *ctx)
{
    *(bool *)ctx = true;
}

static void all_end_with_the_host(void **state)
{
    struct rig *rig = *state;
    bool over = false;
    launch(rig, ALICE, DESKTOP);
    launch(rig, BOB, DESKTOP);
    announce(rig, BOB, 640, 360, 30);
    rig->events[0] = '\0';
    sessions_end_all(rig->sessions, on_all_ended, &over);
    told(rig, "ENDED 7 bob 1/1\nENDED 7 alice 0/0\n");
    for (int i = 0; i < 100 && !over; i++)
        pump(rig);
    assert_true(over);
    assert_int_equal(launch(rig, CAROL, DESKTOP), SESSIONS_FAILED);
}

static void the_page_is_told_who_owns_the_mode(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, DESKTOP);
    launch(rig, BOB, GAME);
    json_t *list = sessions_to_json(rig->sessions); /* newest first */
    assert_int_equal(json_array_size(list), 2);
    const json_t *bob = json_array_get(list, 0), *alice = json_array_get(list, 1);
    assert_true(json_is_false(json_object_get(bob, "owns_mode")));
    assert_true(json_is_true(json_object_get(alice, "owns_mode")));
    assert_int_equal(json_integer_value(json_object_get(bob, "app_id")), GAME);
    assert_string_equal(json_string_value(json_object_get(bob, "rate_reason")), "");
    json_decref(list);
}

static json_int_t bitrate_told(struct rig *rig, const char *name)
{
    json_t *list = sessions_to_json(rig->sessions);
    json_int_t kbps = json_integer_value(json_object_get(json_array_get(list, 0), name));
    json_decref(list);
    return kbps;
}

static void the_rate_of_a_session_is_at_most_what_its_client_asked_for(void **state)
{
    struct rig *rig = *state;
    launch(rig, ALICE, DESKTOP);
    const char *id = session_of(rig, ALICE)->id;
    assert_int_equal(sessions_set_bitrate(rig->sessions, id, 5000), SESSIONS_BITRATE_NO_SESSION);
    announce(rig, ALICE, 640, 360, 30);
    json_int_t most = bitrate_told(rig, "bitrate_max_kbps");
    assert_int_equal(most, bitrate_told(rig, "bitrate_kbps"));
    assert_true(most > 5000);
    assert_int_equal(sessions_set_bitrate(rig->sessions, id, 5000), SESSIONS_BITRATE_SET);
    assert_int_equal(bitrate_told(rig, "bitrate_kbps"), 5000);
    run(rig, ALICE);
    static const int wrong[] = {-1, 1, SESSIONS_BITRATE_MIN_KBPS - 1, 800001};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sessions_set_bitrate(rig->sessions, id, wrong[i]), SESSIONS_BITRATE_OUT_OF_RANGE);
    assert_int_equal(sessions_set_bitrate(rig->sessions, id, (int)most + 1), SESSIONS_BITRATE_OUT_OF_RANGE);
    assert_int_equal(sessions_set_bitrate(rig->sessions, id, SESSIONS_BITRATE_MIN_KBPS), SESSIONS_BITRATE_SET);
    assert_int_equal(bitrate_told(rig, "bitrate_kbps"), SESSIONS_BITRATE_MIN_KBPS);
    assert_int_equal(sessions_set_bitrate(rig->sessions, id, 0), SESSIONS_BITRATE_SET);
    assert_int_equal(bitrate_told(rig, "bitrate_kbps"), most);
    assert_int_equal(sessions_set_bitrate(rig->sessions, "nobody", 5000), SESSIONS_BITRATE_NO_SESSION);
    sessions_cancel(rig->sessions, certificate(ALICE));
    pump(rig);
}

/* --- what is offered --- */

static void add_report(struct rig *rig, const struct encoder_report *report)
{
    rig->reports[rig->sessions->config.report_count++] = *report;
}

/* Of a session whose encoder nobody makes. */
static void await_end(struct rig *rig)
{
    while (session_of(rig, ALICE))
        pump(rig);
}

static const struct launch at_720p60 = {.width = 1280, .height = 720, .fps = 60};

static void no_more_of_a_codec_is_announced_than_software_holds(void **state)
{
    struct rig *rig = *state;
    rig->config.codecs = CONFIG_CODECS_HEVC;
    add_report(rig, &(struct encoder_report){.name = "software",
                                             .usable = true,
                                             .codec = ENCODER_HEVC,
                                             .pixels_per_s = INT64_C(2) * 1280 * 720 * 60});
    assert_int_equal(launch_with(rig, ALICE, &at_720p60), SESSIONS_OK);
    assert_int_equal(announce_as(rig, ALICE, hevc, 1280, 720, 120), 400);
    assert_int_equal(announce_as(rig, ALICE, hevc, 1920, 1080, 60), 400);
    assert_int_equal(announce_as(rig, ALICE, hevc, 1280, 720, 60), 200);
    await_end(rig);
}

static void no_larger_pictures_are_announced_than_the_gpu_makes(void **state)
{
    struct rig *rig = *state;
    add_report(rig, &(struct encoder_report){.name = "gpu",
                                             .hardware = true,
                                             .usable = true,
                                             .codec = ENCODER_HEVC,
                                             .limits = {.width_max = 1280, .height_max = 1080}});
    assert_int_equal(launch_with(rig, ALICE, &at_720p60), SESSIONS_OK);
    assert_int_equal(announce_as(rig, ALICE, hevc, 1920, 1080, 60), 400);
    assert_int_equal(announce_as(rig, ALICE, hevc, 1280, 1080, 60), 200);
    await_end(rig);
    assert_int_equal(launch_with(rig, ALICE, &(struct launch){.width = 5120, .height = 1440, .fps = 60}),
                     SESSIONS_TOO_LARGE);
}

static void all_samples_of_444_are_counted(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(launch_with(rig, ALICE, &at_720p60), SESSIONS_OK);
    announce(rig, ALICE, 1280, 720, 60);
    assert_int_equal(session_of(rig, ALICE)->budget.pixels, 1280 * 720);
    assert_int_equal(launch_with(rig, ALICE, &at_720p60), SESSIONS_OK);
    assert_int_equal(announce_as(rig, ALICE, chroma444, 1280, 720, 60), 200);
    assert_int_equal(session_of(rig, ALICE)->budget.pixels, 2 * 1280 * 720);
    sessions_cancel(rig->sessions, certificate(ALICE));
    pump(rig);
}

static void on_encoder_failed(void *ctx, const char *name, bool hung)
{
    struct rig *rig = ctx;
    char *end = rig->events + strlen(rig->events);
    snprintf(end, sizeof(rig->events) - (size_t)(end - rig->events), "%s %s\n", name, hung ? "hung" : "failed");
}

static void an_encoder_that_cannot_be_made_is_told_before_the_session_ends(void **state)
{
    struct rig *rig = *state;
    rig->sessions->config.encoder_failed = on_encoder_failed;
    add_report(rig, &(struct encoder_report){
                        .name = "gpu", .hardware = true, .usable = true, .codec = ENCODER_HEVC}); /* nobody makes it */
    assert_int_equal(launch_with(rig, ALICE, &at_720p60), SESSIONS_OK);
    assert_int_equal(announce_as(rig, ALICE, hevc, 1280, 720, 60), 200);
    await_end(rig);
    told(rig, "LAUNCHED 7 alice 0/0\nANNOUNCED 7 alice 0/0\ngpu failed\nENDED 7 alice 0/0\n");
}

static void a_stream_that_fails_while_the_host_ends_does_no_harm(void **state)
{
    struct rig *rig = *state;
    add_report(rig, &(struct encoder_report){
                        .name = "gpu", .hardware = true, .usable = true, .codec = ENCODER_HEVC}); /* nobody makes it */
    assert_int_equal(launch_with(rig, ALICE, &at_720p60), SESSIONS_OK);
    assert_int_equal(announce_as(rig, ALICE, hevc, 1280, 720, 60), 200); /* what it posts is found by tear_down() */
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIGGED(each_moment_of_a_session_is_told),
        RIGGED(a_stream_that_fails_while_the_host_ends_does_no_harm),
        RIGGED(an_app_is_quit_when_its_last_client_quits),
        RIGGED(an_app_goes_with_its_last_session),
        RIGGED(who_comes_back_to_its_app_does_not_end_it),
        RIGGED(another_app_begins_after_the_first_one_is_over),
        RIGGED(an_app_that_ended_by_itself_takes_its_sessions_along),
        RIGGED(the_seventeenth_client_is_refused),
        RIGGED(who_launches_in_a_loop_waits_for_what_is_ending),
        RIGGED(of_many_clients_those_are_forgotten_that_run_nothing),
        RIGGED(an_app_whose_last_client_is_forgotten_is_quit),
        RIGGED(the_first_session_owns_the_mode_and_the_next_inherits_it),
        RIGGED(what_is_announced_counts_more_than_what_was_launched),
        RIGGED(who_comes_back_is_the_owner_still),
        RIGGED(the_mode_is_matched_as_configured),
        RIGGED(the_pointer_is_not_confined_when_all_outputs_are_streamed),
        RIGGED(a_ping_without_a_payload_is_the_waiting_sessions),
        RIGGED(of_two_waiting_sessions_none_is_guessed),
        RIGGED(a_payload_tells_sessions_behind_one_address_apart),
        RIGGED(a_dialog_that_is_over_does_not_take_the_next_clients),
        RIGGED(sound_starts_with_the_picture_when_its_ping_came_before),
        RIGGED(sound_starts_with_its_ping_and_follows_its_port),
        RIGGED(of_two_sessions_that_wait_for_sound_none_is_guessed),
        RIGGED(all_end_with_the_host),
        RIGGED(the_page_is_told_who_owns_the_mode),
        RIGGED(no_more_of_a_codec_is_announced_than_software_holds),
        RIGGED(no_larger_pictures_are_announced_than_the_gpu_makes),
        RIGGED(all_samples_of_444_are_counted),
        RIGGED(an_encoder_that_cannot_be_made_is_told_before_the_session_ends),
        RIGGED(the_rate_of_a_session_is_at_most_what_its_client_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

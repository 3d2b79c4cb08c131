/* SPDX-License-Identifier: Apache-2.0 */
/* What host.c (start, stop), host_wiring.c (who tells whom) and host_backend.c (page and commands) share. Main thread.
 */
#pragma once

#include "audio/source.h"
#include "base/log.h"
#include "capture/display.h"
#include "encode/encoder.h"
#include "host/encoders.h"
#include "host/apps.h"
#include "host/commands.h"
#include "host/config.h"
#include "host/desktop.h"
#include "host/gamestream.h"
#include "host/gpu_watch.h"
#include "host/identity.h"
#include "host/saver.h"
#include "host/service.h"
#include "host/sessions.h"
#include "host/watchdog.h"
#include "input/guard.h"
#include "input/seat.h"
#include "net/control_host.h"
#include "net/discovery.h"
#include "net/gso.h"
#include "net/http_server.h"
#include "net/local_socket.h"
#include "net/ping_listener.h"
#include "net/rtsp_server.h"
#include "net/tls.h"
#include "net/udp.h"
#include "web/web.h"

struct host {
    const struct config *config;
    const char *sysroot;
    char hostname[128];
    int exit_code;

    struct loop *loop;
    struct driver_thread *drivers;
    struct state *state;
    struct saver saver;
    struct identity identity, web_identity; /* made or read by a worker before the stages start */
    struct crypto_key *key;
    char fingerprint[65]; /* SHA-256 of the host's certificate */
    struct encoders encoders;
    struct gpu_watch gpu;
    bool prepared;

    struct service *service;
    struct watchdog *watchdog;
    struct loop_timer *alive_timer, *look_timer;
    struct display *display;
    struct desktop *desktop; /* NULL: no private display is configured */
    int64_t silent_since_ns; /* the private display's server; 0: it answers */
    struct apps *apps;
    struct injector_report injectors[INJECTOR_REPORTS_MAX];
    int injector_count;
    struct injector *injector;        /* NULL: none works, or input = off */
    struct stats_summary input_delay; /* from an event's arrival to its being written, when there were any last */
    struct seat *seat;
    struct guard *guard; /* may be NULL */
    unsigned screen_changes;
    char environment[2][CONFIG_PATH_MAX]; /* DISPLAY and XAUTHORITY of a display that was found */
    const char *environment_list[3];
    struct gso_policy *gso;
    struct udp_socket *video_socket, *audio_socket;
    struct audio_source *audio; /* NULL: off */
    struct ping_listener *video_pings, *audio_pings;
    struct control_host *control;
    struct sessions *sessions;
    struct gamestream *gamestream;
    struct rtsp_server *rtsp;
    struct tls_context *tls, *web_tls;
    struct http_server *http, *https, *web_server;
    struct web *web;
    struct log_limit page_log;
    struct web_backend backend;
    struct commands commands;
    struct local_socket *local_socket;
    struct discovery *discovery;

    size_t stages_running;
    struct event *signals[3]; /* SIGINT, SIGTERM, SIGHUP */
    struct loop_timer *stop_timer;
    bool stopping;
};

/* Callbacks of the parts, in host_wiring.c; `ctx` is the struct host. */
void host_changed(void *ctx);
void host_encoders_changed(void *ctx);
void host_encoder_failed(void *ctx, const char *name, bool hung);
void host_keep_note(void *ctx, const char *note);       /* any thread */
void host_screen_moved(void *ctx);                      /* any thread */
void host_keep_sound_note(void *ctx, const char *note); /* any thread */
void host_sound_changed(void *ctx);                     /* any thread */
unsigned host_feature_flags(void *ctx);
void host_desktop_moved(void *ctx, const char *display, const char *xauthority, const char *sentence);
void host_session_event(void *ctx, const struct sessions_event *event);
void host_app_over(void *ctx, uint32_t app_id);
const char *const *host_environment(void *ctx);
const char *host_program_user(void *ctx);
bool host_desktop_is_away(void *ctx);
void host_capture_hung(void *ctx, int64_t age_ns);
void host_say_alive(void *ctx);
void host_look_after_desktop(void *ctx);

void host_own_address(const struct host *self, char ret_text[ADDRESS_TEXT_MAX]); /* to be typed into a client */

/* What the page and the command line may ask for. */
void host_fill_backend(struct host *self);

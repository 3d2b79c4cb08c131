/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: the state is read, a worker makes or reads the keys and probes the encoders, then the stages below come up one
 * by one. The end walks the same table upwards. Nothing is announced before every port answers.
 */
#include "host/host.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "host/cli.h"
#include "host/codec_offer.h"
#include "host/driver_thread.h"
#include "host/host_internal.h"
#include "net/interfaces.h"
#include "protocol/nvhttp.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORT_HTTPS = -5, PORT_WEB = 1, PORT_VIDEO = 9, PORT_CONTROL = 10, PORT_AUDIO = 11, PORT_RTSP = 21 };
enum { STOP_TIMEOUT_S = 4, STOP_HANG_S = 25 };

static struct address bind_address(const struct host *self, int offset)
{
    struct address address = {0};
    address_parse(self->config->bind, (uint16_t)(self->config->port + offset), &address); /* checked by config */
    return address;
}

/* --- before the stages: on a worker --- */

static bool load_or_make(struct host *self, enum identity_kind kind, const struct identity_names *names,
                         struct identity *ret_identity)
{
    switch (identity_load(self->config->state_dir, kind, ret_identity)) {
    case IDENTITY_OK:
        return true;
    case IDENTITY_MISSING:
        return identity_make(self->config->state_dir, kind, names, ret_identity);
    case IDENTITY_BROKEN:
        break;
    }
    return false;
}

static void prepare(void *arg)
{
    struct host *self = arg;
    struct address addresses[INTERFACES_MAX];
    char texts[INTERFACES_MAX][ADDRESS_TEXT_MAX];
    const char *list[INTERFACES_MAX + 1] = {NULL};
    size_t count = interfaces_addresses(addresses);
    for (size_t i = 0; i < count; i++) {
        address_text(&addresses[i], texts[i]);
        list[i] = texts[i];
    }
    const struct identity_names names = {
        .hostname = self->hostname,
        .addresses = list,
        .now_s = clock_wall_ms() / 1000,
    };
    self->prepared = load_or_make(self, IDENTITY_GAMESTREAM, &names, &self->identity) &&
                     load_or_make(self, IDENTITY_WEB, &names, &self->web_identity);
    static const char *const wishes[] = {
        [CONFIG_INPUT_AUTO] = "auto", [CONFIG_INPUT_UINPUT] = "uinput", [CONFIG_INPUT_XTEST] = "xtest"};
    if (self->prepared) {
        encoders_probe(&self->encoders, self->config->encoder);
        encoders_measure(&self->encoders);
        gpu_watch_read(&self->gpu);
    }
    if (self->prepared && self->config->input != CONFIG_INPUT_OFF)
        self->injector_count = injector_probe(wishes[self->config->input], self->injectors);
}

/* The same refusal for another codec. */
static bool is_said_already(const struct encoder_report *report, const struct encoder_report *before)
{
    return !report->usable && !before->usable && !strcmp(report->name, before->name) &&
           !strcmp(report->reason, before->reason);
}

/* `codecs` names a codec that nobody here makes. */
static void log_unmet_wish(const struct host *self)
{
    static const enum encoder_codec wished[] = {[CONFIG_CODECS_HEVC] = ENCODER_HEVC, [CONFIG_CODECS_AV1] = ENCODER_AV1};
    enum config_codecs codecs = self->config->codecs;
    bool names_one = codecs == CONFIG_CODECS_HEVC || codecs == CONFIG_CODECS_AV1;
    if (names_one && !encoder_choose(self->encoders.reports, self->encoders.count, wished[codecs]))
        log_warn("encoder: none makes %s: clients are offered H.264 alone", codec_name(wished[codecs]));
}

static void log_backends(const struct host *self)
{
    for (int i = 0; i < self->encoders.count; i++) {
        const struct encoder_report *report = &self->encoders.reports[i];
        if (i > 0 && is_said_already(report, report - 1))
            continue;
        log_info("encoder: %s %s for %s%s%s", report->name, report->usable ? "works" : "cannot be used",
                 codec_name(report->codec), report->usable ? "" : ": ", report->reason);
    }
    for (int i = 0; i < self->injector_count; i++) {
        const struct injector_report *report = &self->injectors[i];
        log_info("input: %s %s%s%s", report->name, report->usable ? "works" : "cannot be used",
                 report->usable ? "" : ": ", report->reason);
    }
    if (codec_offer_is_empty(self->config, self->encoders.reports, self->encoders.count, NULL))
        log_error("encoder: none works: clients can pair, but every launch is refused");
    else
        log_unmet_wish(self);
}

/* --- stages --- */

static bool start_identity(struct host *self)
{
    const char *pem = self->identity.certificate_pem;
    struct crypto_certificate certificate;
    self->key = crypto_key_from_pem(self->identity.key_pem, strlen(self->identity.key_pem));
    if (!self->key || !crypto_certificate_parse(pem, strlen(pem), &certificate))
        return false;
    text_hex(certificate.sha256, sizeof(certificate.sha256), self->fingerprint);
    return true;
}

static void stop_identity(struct host *self)
{
    crypto_key_destroy(self->key);
}

static bool start_supervision(struct host *self)
{
    self->service = service_create(self->loop);
    self->watchdog = watchdog_create(self->loop);
    return self->service && self->watchdog;
}

static void stop_supervision(struct host *self)
{
    watchdog_destroy(self->watchdog);
    service_destroy(self->service);
}

static bool start_gpu(struct host *self)
{
    return gpu_watch_start(&self->gpu);
}

static void stop_gpu(struct host *self)
{
    gpu_watch_stop(&self->gpu);
}

static bool start_display(struct host *self)
{
    const struct display_config config = {
        .name = self->config->virtual_width ? "" : self->config->display,
        .output = self->config->output,
        .left_note = state_mode_note(self->state),
        .note = host_keep_note,
        .moved = host_screen_moved,
        .ctx = self,
    };
    self->display = display_create(&config);
    return self->display &&
           watchdog_add(self->watchdog, "capture", display_heartbeat(self->display), host_capture_hung, self);
}

static void stop_display(struct host *self)
{
    if (self->display)
        watchdog_remove(self->watchdog, display_heartbeat(self->display));
    display_destroy(self->display); /* puts the mode back, and wants the note forgotten */
    self->display = NULL;
    loop_finish_work(self->loop); /* hears that */
}

static bool start_desktop(struct host *self)
{
    if (!self->config->virtual_width)
        return true;
    const struct desktop_config config = {
        .config = self->config,
        .loop = self->loop,
        .moved = host_desktop_moved,
        .changed = host_changed,
        .ctx = self,
    };
    self->desktop = desktop_create(&config);
    self->look_timer = loop_timer_create(self->loop, CLOCK_SECOND_NS, true, host_look_after_desktop, self);
    return self->desktop && self->look_timer;
}

static void stop_desktop(struct host *self)
{
    loop_timer_destroy(self->look_timer);
    desktop_destroy(self->desktop);
    self->desktop = NULL;
}

static bool start_apps(struct host *self)
{
    const struct apps_config config = {
        .config = self->config,
        .loop = self->loop,
        .state = self->state,
        .saver = &self->saver,
        .environment = host_environment,
        .user = host_program_user,
        .desktop_is_away = host_desktop_is_away,
        .command_ended = host_app_over,
        .changed = host_changed,
        .ctx = self,
    };
    self->apps = apps_create(&config);
    return self->apps != NULL;
}

static void stop_apps(struct host *self)
{
    apps_destroy(self->apps);
    self->apps = NULL;
}

static void on_video_ping(void *ctx, const uint8_t *data, size_t size, const struct address *peer,
                          const struct address *local)
{
    (void)local;
    sessions_video_ping(((struct host *)ctx)->sessions, data, size, peer);
}

static void on_audio_ping(void *ctx, const uint8_t *data, size_t size, const struct address *peer,
                          const struct address *local)
{
    (void)local;
    sessions_audio_ping(((struct host *)ctx)->sessions, data, size, peer);
}

static bool start_input(struct host *self)
{
    for (int i = 0; i < self->injector_count && !self->injector; i++) {
        if (self->injectors[i].usable)
            self->injector = injector_create(self->injectors[i].name);
    }
    self->seat = seat_create(self->injector);
    self->guard = self->injector ? guard_start() : NULL;
    host_screen_moved(self); /* what it has missed */
    return self->seat != NULL;
}

static void stop_input(struct host *self)
{
    seat_destroy(self->seat);
    self->seat = NULL;
    if (self->injector)
        self->injector->ops->destroy(self->injector);
    self->injector = NULL;
    guard_stop(self->guard);
    self->guard = NULL;
}

/* Control thread, in each of its rounds. */
static void settle_seat(void *ctx)
{
    seat_settle(((struct host *)ctx)->seat);
}

static bool start_sockets(struct host *self)
{
    const char *off[STATE_GSO_OFF_MAX];
    size_t off_count = state_gso_off(self->state, off);
    struct address video = bind_address(self, PORT_VIDEO), audio = bind_address(self, PORT_AUDIO);
    return (self->gso = gso_policy_create(off, off_count)) && (self->video_socket = udp_socket_create(&video)) &&
           (self->audio_socket = udp_socket_create(&audio));
}

static void stop_sockets(struct host *self)
{
    udp_socket_destroy(self->audio_socket);
    udp_socket_destroy(self->video_socket);
    gso_policy_destroy(self->gso);
}

static void on_gso_off(void *ctx)
{
    struct host *self = ctx;
    char names[GSO_INTERFACES_MAX][GSO_NAME_MAX];
    const char *list[GSO_INTERFACES_MAX];
    size_t count = gso_policy_list(self->gso, names);
    for (size_t i = 0; i < count; i++)
        list[i] = names[i];
    if (state_set_gso_off(self->state, list, count))
        saver_save(&self->saver, NULL, NULL);
}

enum { SOUND_SERVER_MAX = 64 };

/* As root, whose sound it is says session_user, and where its server listens the convention of systemd. "": where the
 * library looks by itself. */
static void find_sound_server(const struct host *self, char ret_server[SOUND_SERVER_MAX])
{
    unsigned uid, gid;
    const char *user = self->config->session_user;
    ret_server[0] = '\0';
    if (config_is_service() && user[0] && !getenv("PULSE_SERVER") && child_user_ids(user, &uid, &gid) && uid)
        snprintf(ret_server, SOUND_SERVER_MAX, "unix:/run/user/%u/pulse/native", uid);
}

static bool start_sound(struct host *self)
{
    char server[SOUND_SERVER_MAX];
    if (self->config->audio == CONFIG_AUDIO_OFF)
        return true;
    find_sound_server(self, server);
    const struct audio_source_config config = {
        .server = server,
        .note = host_keep_sound_note,
        .left_note = state_sound_note(self->state),
        .changed = host_sound_changed,
        .ctx = self,
    };
    self->audio = audio_source_create(&config);
    return true; /* a picture without sound is better than none */
}

static void stop_sound(struct host *self)
{
    audio_source_destroy(self->audio); /* puts the default sink back, and wants the note forgotten */
    self->audio = NULL;
    loop_finish_work(self->loop); /* hears that */
}

static bool start_sessions(struct host *self)
{
    const struct address control = bind_address(self, PORT_CONTROL);
    self->control = control_host_create(&control);
    if (!self->control || !watchdog_add(self->watchdog, "control", control_host_heartbeat(self->control), NULL, NULL))
        return false;
    control_host_every_round(self->control, settle_seat, self);
    const struct sessions_config config = {
        .config = self->config,
        .seat = self->seat,
        .feature_flags = host_feature_flags,
        .loop = self->loop,
        .display = self->display,
        .control = self->control,
        .video_socket = self->video_socket,
        .audio_socket = self->audio_socket,
        .audio = self->audio,
        .gso = self->gso,
        .reports = self->encoders.reports,
        .report_count = self->encoders.count,
        .changed = host_changed,
        .gso_off = on_gso_off,
        .encoder_failed = host_encoder_failed,
        .event = host_session_event,
        .watchdog = self->watchdog,
        .ctx = self,
    };
    self->sessions = sessions_create(&config);
    return self->sessions &&
           (self->video_pings = ping_listener_create(self->loop, self->video_socket, on_video_ping, self)) &&
           (self->audio_pings = ping_listener_create(self->loop, self->audio_socket, on_audio_ping, self));
}

static void stop_sessions(struct host *self)
{
    ping_listener_destroy(self->audio_pings);
    ping_listener_destroy(self->video_pings);
    if (self->control)
        watchdog_remove(self->watchdog, control_host_heartbeat(self->control));
    control_host_destroy(self->control); /* the sessions are its callbacks' ctx */
    self->control = NULL;
    if (self->sessions)
        sessions_lose_control(self->sessions);
    loop_finish_work(self->loop); /* what it posted to them */
    sessions_destroy(self->sessions);
    self->sessions = NULL;
}

static bool start_gamestream(struct host *self)
{
    const struct gamestream_config config = {
        .config = self->config,
        .loop = self->loop,
        .state = self->state,
        .saver = &self->saver,
        .sessions = self->sessions,
        .apps = self->apps,
        .key = self->key,
        .certificate_pem = self->identity.certificate_pem,
        .hostname = self->hostname,
        .encoders = &self->encoders,
        .changed = host_changed,
        .ctx = self,
    };
    self->gamestream = gamestream_create(&config);
    return self->gamestream != NULL;
}

static void stop_gamestream(struct host *self)
{
    gamestream_destroy(self->gamestream);
}

static bool start_rtsp(struct host *self)
{
    const struct rtsp_server_config config = {
        .bind = bind_address(self, PORT_RTSP),
        .handle = sessions_rtsp,
        .expects = sessions_expect_rtsp,
        .ctx = self->sessions,
    };
    self->rtsp = rtsp_server_create(self->loop, &config);
    return self->rtsp != NULL;
}

static void stop_rtsp(struct host *self)
{
    rtsp_server_destroy(self->rtsp);
}

static bool start_servers(struct host *self)
{
    const struct http_server_config http = {
        .name = "http",
        .bind = bind_address(self, 0),
        .handle = gamestream_handle_http,
        .ctx = self->gamestream,
    };
    struct http_server_config https = http;
    https.name = "https";
    https.bind = bind_address(self, PORT_HTTPS);
    https.handle = gamestream_handle_https;
    https.tls = self->tls = tls_context_create(self->identity.certificate_pem, self->identity.key_pem, true);
    if (!https.tls || !(self->http = http_server_create(self->loop, &http)) ||
        !(self->https = http_server_create(self->loop, &https)))
        return false;
    gamestream_set_https(self->gamestream, self->https);
    return true;
}

static void stop_servers(struct host *self)
{
    http_server_destroy(self->https);
    http_server_destroy(self->http);
    tls_context_destroy(self->tls);
}

static bool admit_to_page(void *ctx, const struct address *peer)
{
    struct host *self = ctx;
    char text[ADDRESS_TEXT_MAX];
    unsigned swallowed;
    if (web_admits(self->config->web_allow, peer))
        return true;
    if (log_limit_pass(&self->page_log, 1, clock_now_ns(), &swallowed)) {
        address_text(peer, text);
        log_info("page: %s is refused by web_allow (%u before it not shown)", text, swallowed);
    }
    return false;
}

/* The server gives one ctx to `admit` and `handle`. */
static void handle_page(void *ctx, struct http_exchange *exchange)
{
    web_handle(((struct host *)ctx)->web, exchange);
}

static bool start_web(struct host *self)
{
    self->web = web_create(self->loop, &self->backend);
    self->web_tls = tls_context_create(self->web_identity.certificate_pem, self->web_identity.key_pem, false);
    if (!self->web || !self->web_tls || !web_add_name(self->web, self->hostname))
        return false;
    const struct http_server_config config = {
        .name = "page",
        .bind = bind_address(self, PORT_WEB),
        .tls = self->web_tls,
        .body_max = WEB_BODY_MAX,
        .admit = admit_to_page,
        .handle = handle_page,
        .ctx = self,
    };
    self->web_server = http_server_create(self->loop, &config);
    return self->web_server != NULL;
}

static void stop_web(struct host *self)
{
    http_server_destroy(self->web_server);
    web_destroy(self->web);
    self->web = NULL;
    tls_context_destroy(self->web_tls);
}

static bool start_local_socket(struct host *self)
{
    char path[CONFIG_PATH_MAX + 16];
    snprintf(path, sizeof(path), "%s/control.sock", self->config->state_dir);
    const struct local_socket_config config = {.path = path, .handle = commands_handle, .ctx = &self->commands};
    self->local_socket = local_socket_create(self->loop, &config);
    return self->local_socket != NULL;
}

static void stop_local_socket(struct host *self)
{
    local_socket_destroy(self->local_socket);
}

static bool start_discovery(struct host *self)
{
    char name[DISCOVERY_NAME_MAX];
    discovery_instance_name(self->hostname, name);
    self->discovery = discovery_start(name, (uint16_t)self->config->port);
    return true; /* clients can be given the address by hand */
}

static void stop_discovery(struct host *self)
{
    discovery_stop(self->discovery);
}

/* Every port answers: the service manager may know, and hears of us from now on. */
static bool start_notices(struct host *self)
{
    int64_t interval_ns = service_watch_interval_ns(self->service);
    if (interval_ns)
        self->alive_timer = loop_timer_create(self->loop, interval_ns, true, host_say_alive, self);
    service_ready(self->service, "streaming to paired clients");
    return true;
}

static void stop_notices(struct host *self)
{
    service_stopping(self->service);
    loop_timer_destroy(self->alive_timer);
}

struct stage {
    const char *name;
    bool (*start)(struct host *self);
    void (*stop)(struct host *self); /* also right for a stage that came up half */
};

static const struct stage stages[] = {
    {"identity", start_identity, stop_identity},
    {"supervision", start_supervision, stop_supervision},
    {"gpu", start_gpu, stop_gpu},
    {"display", start_display, stop_display},
    {"desktop", start_desktop, stop_desktop},
    {"apps", start_apps, stop_apps},
    {"input", start_input, stop_input},
    {"sockets", start_sockets, stop_sockets},
    {"sound", start_sound, stop_sound},
    {"sessions", start_sessions, stop_sessions},
    {"gamestream", start_gamestream, stop_gamestream},
    {"rtsp", start_rtsp, stop_rtsp},
    {"servers", start_servers, stop_servers},
    {"page", start_web, stop_web},
    {"commands", start_local_socket, stop_local_socket},
    {"discovery", start_discovery, stop_discovery},
    {"notices", start_notices, stop_notices},
};
enum { STAGE_COUNT = sizeof(stages) / sizeof(stages[0]) };

static bool start_stages(struct host *self)
{
    while (self->stages_running < STAGE_COUNT) {
        const struct stage *stage = &stages[self->stages_running++];
        if (!stage->start(self)) {
            log_error("host: cannot start (%s)", stage->name);
            return false;
        }
    }
    return true;
}

static void stop_stages(struct host *self)
{
    while (self->stages_running > 0)
        stages[--self->stages_running].stop(self);
}

/* Where clients find us, the likeliest first; at least one. */
static size_t own_addresses(const struct host *self, struct address ret_addresses[INTERFACES_MAX])
{
    bool everywhere = strcmp(self->config->bind, "0.0.0.0") == 0;
    size_t count = everywhere ? interfaces_addresses(ret_addresses) : 0;
    if (!count)
        address_parse(everywhere ? "127.0.0.1" : self->config->bind, 0, &ret_addresses[0]);
    return count ? count : 1;
}

void host_own_address(const struct host *self, char ret_text[ADDRESS_TEXT_MAX])
{
    struct address addresses[INTERFACES_MAX];
    own_addresses(self, addresses);
    address_text(&addresses[0], ret_text);
}

/* For the person who started it; not part of the log, and in one piece between its lines. */
static void print_welcome(const struct host *self)
{
    struct address addresses[INTERFACES_MAX];
    char address[ADDRESS_TEXT_MAX], page[ADDRESS_TEXT_MAX];
    size_t count = own_addresses(self, addresses), open = 0;
    address_text(&addresses[0], address);
    while (open < count && !web_admits(self->config->web_allow, &addresses[open]))
        open++;
    bool none = open == count && strcmp(self->config->bind, "0.0.0.0") == 0;
    address_text(&addresses[open < count ? open : 0], page);
    setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
    const char *code = state_setup_code(self->state);
    int port = self->config->port;
    printf(
        "Earthshine is ready.\n  Page:        https://%s:%d   (the browser warns once: the certificate is the host's "
        "own)\n",
        none ? "127.0.0.1" : page, port + PORT_WEB);
    if (none)
        printf("               It opens on this machine only; web_allow says who else may.\n");
    if (code)
        printf("  Setup code:  %s\n", code);
    printf("  Next:        %s; add %s%s in Moonlight; type the PIN it shows into the page.\n",
           code ? "open the page and choose a password" : "open the page", address,
           port == 47989 ? "" : " with its port");
    if (port != 47989)
        printf("               The address with its port: %s:%d\n", address, port);
    fflush(stdout);
}

static void fail(struct host *self)
{
    self->exit_code = EXIT_FAILED;
    loop_stop(self->loop);
}

static void prepared(void *arg)
{
    struct host *self = arg;
    if (self->stopping)
        return;
    if (!self->prepared) {
        fail(self);
        return;
    }
    log_backends(self);
    if (!start_stages(self)) {
        fail(self);
        return;
    }
    log_info("host: %s is ready, ports from %d, state in %s", self->hostname, self->config->port,
             self->config->state_dir);
    print_welcome(self);
}

/* --- the end --- */

static void all_sessions_over(void *ctx)
{
    loop_stop(((struct host *)ctx)->loop);
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    (void)what;
    struct host *self = ctx;
    if (self->stopping) {
        loop_stop(self->loop); /* asked twice: do not wait for clients */
        return;
    }
    self->stopping = true;
    log_info("host: stopping (signal %d)", (int)number);
    if (!self->sessions) {
        loop_stop(self->loop);
        return;
    }
    self->stop_timer = loop_timer_create(self->loop, STOP_TIMEOUT_S * CLOCK_SECOND_NS, false, all_sessions_over, self);
    sessions_end_all(self->sessions, all_sessions_over, self);
}

static bool watch_signals(struct host *self)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        self->signals[i] = evsignal_new(loop_base(self->loop), numbers[i], on_signal, self);
        if (!self->signals[i] || event_add(self->signals[i], NULL) != 0)
            return false;
    }
    return true;
}

static bool open_state(struct host *self)
{
    self->state = state_open(self->config->state_dir);
    if (!self->state)
        return false;
    bool fixed = self->config->identity == CONFIG_IDENTITY_FIXED;
    if (identity_check_machine(self->state, self->sysroot, fixed) == IDENTITY_MACHINE_FAILED)
        return false;
    self->saver.state = self->state;
    return state_save_now(self->state);
}

static void name_host(struct host *self)
{
    text_copy(self->hostname, sizeof(self->hostname), self->config->name);
    if (!self->hostname[0] && gethostname(self->hostname, sizeof(self->hostname) - 1) != 0)
        self->hostname[0] = 0;
    if (!self->hostname[0])
        text_copy(self->hostname, sizeof(self->hostname), "Earthshine");
}

int host_run(const struct config *config, const char *sysroot)
{
    struct host self = {.config = config, .sysroot = sysroot, .exit_code = EXIT_FINE};
    name_host(&self);
    host_fill_backend(&self);
    self.loop = self.saver.loop = self.gpu.loop = loop_create();
    self.drivers = self.encoders.drivers = self.gpu.drivers = self.loop ? driver_thread_create(self.loop) : NULL;
    self.encoders.changed = host_encoders_changed;
    self.encoders.codecs = config->codecs;
    self.gpu.changed = host_changed;
    self.encoders.ctx = self.gpu.ctx = &self;
    self.gpu.root = sysroot;
    self.gpu.encoders = &self.encoders;
    if (self.drivers && open_state(&self) && watch_signals(&self) && loop_work(self.loop, prepare, prepared, &self))
        loop_run(self.loop);
    else
        self.exit_code = EXIT_FAILED;

    self.stopping = true;
    process_end_within(STOP_HANG_S); /* should a driver hang */
    self.saver.at_end = true;        /* from the next line on there are no workers */
    if (self.loop)
        loop_finish_work(self.loop); /* the work's `done` needs what the stages made */
    driver_thread_destroy(self.drivers);
    self.drivers = self.encoders.drivers = self.gpu.drivers = NULL; /* sessions that end still tell of their encoders */
    stop_stages(&self);
    if (self.state && self.prepared)
        state_save_now(self.state); /* what was only remembered: when clients were seen */
    loop_timer_destroy(self.stop_timer);
    for (int i = 0; i < 3; i++) {
        if (self.signals[i])
            event_free(self.signals[i]);
    }
    loop_destroy(self.loop);
    identity_finish(&self.identity);
    identity_finish(&self.web_identity);
    state_close(self.state);
    if (self.exit_code == EXIT_FINE)
        log_info("host: stopped");
    return self.exit_code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread owns the ENet host and everything about peers. Other threads only leave things in a session's mailbox
 * (messages to send, the wish to end) under the lock and wake it. Only the control thread removes sessions, so it uses
 * its pointers without the lock, and calls back without it.
 *
 * libenet reads the wall clock; a clock that is set while a client streams would look like seconds of silence. So its
 * time is kept on the monotonic clock (sync_time). A send error makes its service call return before it has looked at
 * the other peers, so the call is repeated then: one unreachable client must not hold up the rest.
 */
#include "net/control_host.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/heartbeat.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/wake.h"
#include "protocol/control.h"

#include <assert.h>
#include <enet/enet.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SESSIONS_MAX = 32,
    PEERS_MAX = 64,
    CHANNELS_MAX = 64, /* clients ask for 48 */
    /* Of one address: clients behind one NAT, and what is left of one that comes back. A session waits for each. */
    DUPLICATE_PEERS = SESSIONS_MAX,
    MTU = 900, /* what clients ask for */
    OUT_MAX = 64,
    SERVICE_MS = 5,
    IDLE_SERVICE_MS = 50,
    ROUND_EVENTS_MAX = 256,
    ROUND_ERRORS_MAX = 16,
    BAD_MAX = 64,
};
static const int64_t bad_window_ns = 10 * CLOCK_SECOND_NS;
static const int64_t silence_max_ns = 10 * CLOCK_SECOND_NS;
static const int64_t leave_max_ns = 2 * CLOCK_SECOND_NS;
/* ENet ends a peer after 5 s at least without acknowledgement; a client that says goodbye was heard from just before.
 */
static const int64_t silence_of_timeout_ns = 4 * CLOCK_SECOND_NS;

struct out_message {
    uint16_t type;
    size_t size;
    uint8_t payload[CONTROL_PAYLOAD_MAX];
};

struct session {
    uint32_t id; /* this and the next: fixed */
    struct control_session_config config;

    /* control thread */
    struct control_seal *seal;
    ENetPeer *peer; /* NULL: waiting for its client */
    bool leaving;
    int64_t leave_by_ns, last_message_ns, bad_since_ns;
    unsigned bad;

    /* under the host's lock */
    bool end_wanted;
    uint32_t end_code;
    int out_count;
    struct out_message out[OUT_MAX]; /* oldest first */
};

struct control_host {
    struct thread thread;
    struct heartbeat heartbeat;
    ENetHost *enet; /* control thread only, as is the next */
    uint8_t plain[CONTROL_PACKET_MAX];
    struct wake news;
    uint16_t port;
    struct address bind;

    struct mutex lock; /* guards what follows */
    struct session *sessions[SESSIONS_MAX];
    uint32_t last_id;
    bool stopping;
    void (*round)(void *ctx); /* may be NULL */
    void *round_ctx;
    struct control_counters counters;
};

/* --- small helpers --- */

static void count(struct control_host *self, uint64_t *counter)
{
    mutex_lock(&self->lock);
    ++*counter;
    mutex_unlock(&self->lock);
}

void control_host_wake(struct control_host *self)
{
    wake_signal(&self->news);
}

static struct address from_enet(const ENetAddress *enet)
{
    struct address address = {.size = sizeof(struct sockaddr_in)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(enet->port), .sin_addr.s_addr = enet->host};
    memcpy(&address.os, &in, sizeof(in));
    return address;
}

static ENetAddress to_enet(const struct address *address)
{
    struct sockaddr_in in;
    memcpy(&in, &address->os, sizeof(in));
    return (ENetAddress){.host = in.sin_addr.s_addr, .port = ntohs(in.sin_port)};
}

/* The address that this machine shows to `peer`: the socket itself is bound to any, so a scratch one is asked. */
static struct address local_address_for(const struct control_host *self, const struct address *peer)
{
    struct address local = self->bind;
    if (to_enet(&self->bind).host == ENET_HOST_ANY) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        local.size = sizeof(local.os);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&peer->os, peer->size) != 0 ||
            getsockname(fd, (struct sockaddr *)&local.os, &local.size) != 0)
            local = self->bind;
        if (fd >= 0)
            close(fd);
    }
    address_set_port(&local, self->port);
    return local;
}

static void sync_time(void)
{
    uint32_t now_ms = (uint32_t)(clock_now_ns() / CLOCK_MS_NS);
    int32_t apart_ms = (int32_t)(enet_time_get() - now_ms);
    if (apart_ms > 20 || apart_ms < -20)
        enet_time_set(now_ms);
}

static size_t snapshot(struct control_host *self, struct session *ret_sessions[SESSIONS_MAX])
{
    size_t found = 0;
    mutex_lock(&self->lock);
    for (int i = 0; i < SESSIONS_MAX; i++) {
        if (self->sessions[i])
            ret_sessions[found++] = self->sessions[i];
    }
    mutex_unlock(&self->lock);
    return found;
}

/* --- sessions, control thread --- */

/* The session that a CONNECT with `data` from `peer` belongs to, if it is still waiting. */
static struct session *find_waiting(struct control_host *self, uint32_t data, const struct address *peer)
{
    struct session *by_data = NULL, *by_ip = NULL;
    mutex_lock(&self->lock);
    for (int i = 0; i < SESSIONS_MAX && !by_data; i++) {
        struct session *session = self->sessions[i];
        if (!session || session->peer)
            continue;
        if (session->config.connect_data == data)
            by_data = session;
        else if (session->config.match_by_ip && address_same_ip(&session->config.peer_ip, peer))
            by_ip = session;
    }
    mutex_unlock(&self->lock);
    return by_data ? by_data : by_ip;
}

static void session_free(struct session *session)
{
    control_seal_destroy(session->seal);
    OPENSSL_cleanse(session, sizeof(*session));
    free(session);
}

/* The peer is dealt with already. */
static void session_finish(struct control_host *self, struct session *session, enum control_end why)
{
    mutex_lock(&self->lock);
    for (int i = 0; i < SESSIONS_MAX; i++) {
        if (self->sessions[i] == session)
            self->sessions[i] = NULL;
    }
    mutex_unlock(&self->lock);
    session->config.ended(session->config.ctx, why);
    session_free(session);
}

static void session_drop(struct control_host *self, struct session *session, enum control_end why)
{
    session->peer->data = NULL;
    enet_peer_disconnect_now(session->peer, 0);
    session->peer = NULL;
    session_finish(self, session, why);
}

static void session_send(struct session *session, const struct out_message *message)
{
    uint8_t sealed[CONTROL_ENVELOPE + CONTROL_PAYLOAD_MAX];
    size_t size = control_write(session->seal, message->type, message->payload, message->size, sealed, sizeof(sealed));
    ENetPacket *packet = size ? enet_packet_create(sealed, size, ENET_PACKET_FLAG_RELIABLE) : NULL;
    if (packet && enet_peer_send(session->peer, 0, packet) != 0)
        enet_packet_destroy(packet);
}

static bool take_message(struct control_host *self, struct session *session, struct out_message *ret_message)
{
    mutex_lock(&self->lock);
    bool found = session->out_count > 0;
    if (found) {
        *ret_message = session->out[0];
        session->out_count--;
        memmove(session->out, session->out + 1, (size_t)session->out_count * sizeof(session->out[0]));
    }
    mutex_unlock(&self->lock);
    return found;
}

/* Messages stay in our bounded queue while the client does not acknowledge: ENet's own is not bounded. */
static bool has_room(const ENetPeer *peer)
{
    return enet_list_size((ENetList *)&peer->outgoingCommands) +
               enet_list_size((ENetList *)&peer->sentReliableCommands) <
           OUT_MAX;
}

static void session_begin_end(struct control_host *self, struct session *session, uint32_t code)
{
    session->leaving = true;
    if (!session->peer) {
        session_finish(self, session, CONTROL_END_OURS);
        return;
    }
    struct out_message message;
    while (take_message(self, session, &message))
        session_send(session, &message);
    struct control_payload termination = control_termination(code);
    message.type = termination.type;
    message.size = termination.size;
    memcpy(message.payload, termination.bytes, termination.size);
    session_send(session, &message);
    enet_host_flush(self->enet);
    enet_peer_disconnect_later(session->peer, 0);
    session->leave_by_ns = clock_now_ns() + leave_max_ns;
}

static void session_work(struct control_host *self, struct session *session, int64_t now_ns)
{
    mutex_lock(&self->lock);
    bool end = session->end_wanted;
    uint32_t code = session->end_code;
    mutex_unlock(&self->lock);
    if (session->leaving) {
        if (now_ns < session->leave_by_ns)
            return;
        session->peer->data = NULL;
        enet_peer_reset(session->peer);
        session_finish(self, session, CONTROL_END_OURS);
        return;
    }
    if (end) {
        session_begin_end(self, session, code);
        return;
    }
    if (!session->peer)
        return;
    if (now_ns - session->last_message_ns >= silence_max_ns) {
        session_drop(self, session, CONTROL_END_TIMEOUT);
        return;
    }
    struct out_message message;
    while (has_room(session->peer) && take_message(self, session, &message))
        session_send(session, &message);
}

/* --- events, control thread --- */

static void on_connect(struct control_host *self, ENetPeer *peer, uint32_t data)
{
    struct address address = from_enet(&peer->address);
    struct session *session = find_waiting(self, data, &address);
    peer->data = session;
    if (!session) { /* another peer was faster with the same data, or the session has ended meanwhile */
        count(self, &self->counters.connects_refused);
        enet_peer_disconnect_now(peer, 0);
        return;
    }
    enet_peer_timeout(peer, 32, 5000, 10000);
    session->peer = peer;
    session->last_message_ns = clock_now_ns();
    struct address local = local_address_for(self, &address);
    session->config.connected(session->config.ctx, &address, &local);
}

static void note_bad(struct control_host *self, struct session *session)
{
    int64_t now_ns = clock_now_ns();
    if (!session->bad || now_ns - session->bad_since_ns > bad_window_ns) {
        session->bad = 0;
        session->bad_since_ns = now_ns;
    }
    if (++session->bad < BAD_MAX)
        return;
    log_warn("control: %d broken messages within 10 s, the session ends", BAD_MAX);
    session_drop(self, session, CONTROL_END_ABUSE);
}

static void on_receive(struct control_host *self, struct session *session, const ENetPacket *packet)
{
    if (!session || session->leaving)
        return;
    uint16_t type;
    const uint8_t *payload;
    size_t size;
    switch (control_open(session->seal, packet->data, packet->dataLength, self->plain, &type, &payload, &size)) {
    case CONTROL_OPEN_OK:
        break;
    case CONTROL_OPEN_BAD_TAG:
        count(self, &self->counters.tags_bad);
        note_bad(self, session);
        return;
    case CONTROL_OPEN_REPLAY:
        count(self, &self->counters.replays);
        note_bad(self, session);
        return;
    default:
        count(self, &self->counters.envelopes_bad);
        note_bad(self, session);
        return;
    }
    session->last_message_ns = clock_now_ns();
    struct control_message message;
    if (!control_decode(type, payload, size, &message))
        count(self, &self->counters.unknown);
    count(self, &self->counters.messages);
    session->config.message(session->config.ctx, type, payload, size);
    OPENSSL_cleanse(self->plain, packet->dataLength); /* may be what somebody typed */
}

static void on_disconnect(struct control_host *self, ENetPeer *peer)
{
    struct session *session = peer->data;
    peer->data = NULL;
    if (!session)
        return;
    session->peer = NULL;
    bool silent = clock_now_ns() - session->last_message_ns >= silence_of_timeout_ns;
    session_finish(self, session,
                   session->leaving ? CONTROL_END_OURS
                   : silent         ? CONTROL_END_TIMEOUT
                                    : CONTROL_END_PEER);
}

/*
 * Sees every datagram before libenet does. Those without a peer id must be a CONNECT that a session waits for: each one
 * that passes takes a peer for seconds. Returns 1 to drop.
 */
static int on_datagram(const ENetHost *host, struct control_host *self)
{
    enum { PEER_MASK = 0x0fff, SENT_TIME = 0x8000, TYPE_MASK = 0x0f, CONNECT = 2, CONNECT_SIZE = 48, DATA_AT = 44 };
    const uint8_t *bytes = host->receivedData;
    size_t size = host->receivedDataLength;
    bool fine = size >= 2;
    if (fine && (bytes_get_u16be(bytes) & PEER_MASK) != PEER_MASK)
        return 0;
    size_t head = fine && bytes[0] & SENT_TIME >> 8 ? 4 : 2;
    fine = fine && size >= head + CONNECT_SIZE && (bytes[head] & TYPE_MASK) == CONNECT;
    if (fine) {
        uint32_t data = bytes_get_u32be(bytes + head + DATA_AT);
        struct address peer = from_enet(&host->receivedAddress);
        fine = find_waiting(self, data, &peer) != NULL;
    }
    if (!fine)
        count(self, &self->counters.connects_refused);
    return fine ? 0 : 1;
}

/* libenet gives the callback no context of ours; a compressor without functions is never called and carries one. */
static int ENET_CALLBACK intercept(ENetHost *host, ENetEvent *event)
{
    (void)event;
    return on_datagram(host, host->compressor.context);
}

static void on_event(struct control_host *self, ENetEvent *event)
{
    switch (event->type) {
    case ENET_EVENT_TYPE_CONNECT:
        on_connect(self, event->peer, event->data);
        break;
    case ENET_EVENT_TYPE_RECEIVE:
        on_receive(self, event->peer->data, event->packet);
        enet_packet_destroy(event->packet);
        break;
    case ENET_EVENT_TYPE_DISCONNECT:
        on_disconnect(self, event->peer);
        break;
    default:
        break;
    }
}

/* --- the thread --- */

/*
 * How long the thread may sleep when nothing comes; packets and others wake it. libenet needs ticks to send again what
 * is not acknowledged, seldom ones for its pings and for who fell silent, and none without peers.
 */
static int64_t sleep_ms(const ENetHost *enet)
{
    int64_t longest = INT64_MAX;
    for (size_t i = 0; i < enet->peerCount; i++) {
        ENetPeer *peer = &enet->peers[i];
        if (peer->state == ENET_PEER_STATE_DISCONNECTED)
            continue;
        bool owes = peer->state != ENET_PEER_STATE_CONNECTED || !enet_list_empty(&peer->sentReliableCommands) ||
                    !enet_list_empty(&peer->outgoingCommands) || !enet_list_empty(&peer->acknowledgements);
        if (owes)
            return SERVICE_MS;
        longest = IDLE_SERVICE_MS;
    }
    return longest;
}

static void wait_for_work(struct control_host *self)
{
    int64_t ms = sleep_ms(self->enet);
    wake_wait(&self->news, self->enet->socket, ms == INT64_MAX ? INT64_MAX : clock_now_ns() + ms * CLOCK_MS_NS);
}

static void service(struct control_host *self)
{
    int events = 0, errors = 0;
    sync_time();
    while (events < ROUND_EVENTS_MAX && errors < ROUND_ERRORS_MAX) {
        ENetEvent event;
        int result = enet_host_service(self->enet, &event, 0);
        if (result == 0)
            return;
        if (result > 0) {
            on_event(self, &event);
            events++;
        } else {
            errors++;
        }
    }
}

static bool is_stopping(struct control_host *self)
{
    mutex_lock(&self->lock);
    bool stopping = self->stopping;
    mutex_unlock(&self->lock);
    return stopping;
}

void control_host_every_round(struct control_host *self, void (*round)(void *ctx), void *ctx)
{
    mutex_lock(&self->lock);
    self->round = round;
    self->round_ctx = ctx;
    mutex_unlock(&self->lock);
}

static void call_round(struct control_host *self)
{
    mutex_lock(&self->lock);
    void (*round)(void *ctx) = self->round;
    void *ctx = self->round_ctx;
    mutex_unlock(&self->lock);
    if (round)
        round(ctx);
}

static void run(void *arg)
{
    struct control_host *self = arg;
    struct session *sessions[SESSIONS_MAX];
    for (;;) {
        size_t session_count = snapshot(self, sessions);
        int64_t now_ns = clock_now_ns();
        heartbeat_begin(&self->heartbeat, now_ns);
        for (size_t i = 0; i < session_count; i++)
            session_work(self, sessions[i], now_ns);
        service(self);
        call_round(self);
        heartbeat_end(&self->heartbeat);
        if (is_stopping(self) && snapshot(self, sessions) == 0)
            break;
        wait_for_work(self);
    }
    enet_host_flush(self->enet);
}

/* --- any thread --- */

static bool open_enet(struct control_host *self)
{
    ENetAddress address = to_enet(&self->bind);
    char text[ADDRESS_TEXT_MAX];
    address_text(&self->bind, text);
    errno = 0;
    sync_time(); /* before the first peer: a leap later on would look like its silence */
    if (enet_initialize() == 0)
        self->enet = enet_host_create(&address, PEERS_MAX, CHANNELS_MAX, 0, 0);
    if (!self->enet) {
        log_error("control: cannot use UDP port %u on %s: %s", address.port, text,
                  errno ? strerror(errno) : "no memory");
        return false;
    }
    self->enet->mtu = MTU;
    self->enet->maximumPacketSize = CONTROL_PACKET_MAX;
    self->enet->duplicatePeers = DUPLICATE_PEERS;
    ENetCompressor carrier = {.context = self};
    enet_host_compress(self->enet, &carrier);
    self->enet->intercept = intercept;
    struct sockaddr_in bound = {0};
    socklen_t size = sizeof(bound);
    getsockname(self->enet->socket, (struct sockaddr *)&bound, &size);
    self->port = ntohs(bound.sin_port);
    return true;
}

struct control_host *control_host_create(const struct address *bind)
{
    assert(bind->os.ss_family == AF_INET);
    struct control_host *self = calloc(1, sizeof(*self));
    if (!self)
        return log_oom("control");
    mutex_init(&self->lock);
    self->bind = *bind;
    if (!wake_init(&self->news) || !open_enet(self) || !thread_start(&self->thread, "control", run, self)) {
        control_host_destroy(self);
        return NULL;
    }
    return self;
}

void control_host_destroy(struct control_host *self)
{
    if (!self)
        return;
    mutex_lock(&self->lock);
    self->stopping = true;
    for (int i = 0; i < SESSIONS_MAX; i++) {
        struct session *session = self->sessions[i];
        if (session && !session->end_wanted) {
            session->end_wanted = true;
            session->end_code = CONTROL_CODE_GRACEFUL;
        }
    }
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
    thread_join(&self->thread);
    if (self->enet)
        enet_host_destroy(self->enet);
    wake_finish(&self->news);
    mutex_finish(&self->lock);
    free(self);
}

uint16_t control_host_port(const struct control_host *self)
{
    return self->port;
}

const struct heartbeat *control_host_heartbeat(const struct control_host *self)
{
    return &self->heartbeat;
}

/* Under the lock. A free place, or -1: none, or the connect data is taken. */
static int find_place(const struct control_host *self, uint32_t connect_data)
{
    int place = -1;
    for (int i = 0; i < SESSIONS_MAX; i++) {
        if (self->sessions[i] && self->sessions[i]->config.connect_data == connect_data)
            return -1;
        if (!self->sessions[i] && place < 0)
            place = i;
    }
    return place;
}

uint32_t control_host_add(struct control_host *self, const struct control_session_config *config)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session) {
        log_oom("control");
        return 0;
    }
    session->config = *config;
    session->seal = control_seal_create(config->key);
    OPENSSL_cleanse(session->config.key, sizeof(session->config.key));
    if (!session->seal) {
        session_free(session);
        return 0;
    }
    uint32_t id = 0;
    mutex_lock(&self->lock);
    int place = self->stopping ? -1 : find_place(self, config->connect_data);
    if (place >= 0) {
        id = ++self->last_id ? self->last_id : ++self->last_id; /* never 0 */
        session->id = id;
        self->sessions[place] = session;
    }
    mutex_unlock(&self->lock);
    if (!id)
        session_free(session);
    return id;
}

/* Under the lock. NULL: it has ended. */
static struct session *find_id(struct control_host *self, uint32_t id)
{
    for (int i = 0; i < SESSIONS_MAX; i++) {
        if (self->sessions[i] && self->sessions[i]->id == id)
            return self->sessions[i];
    }
    return NULL;
}

/* Full: the oldest of the same type gives way, or the oldest of all. */
static void make_room(struct session *session, uint16_t type)
{
    int victim = 0;
    while (victim < session->out_count && session->out[victim].type != type)
        victim++;
    if (victim == session->out_count)
        victim = 0;
    session->out_count--;
    memmove(session->out + victim, session->out + victim + 1,
            (size_t)(session->out_count - victim) * sizeof(session->out[0]));
}

void control_host_send(struct control_host *self, uint32_t id, uint16_t type, const void *payload, size_t size)
{
    assert(size <= CONTROL_PAYLOAD_MAX);
    mutex_lock(&self->lock);
    struct session *session = find_id(self, id);
    if (session && !session->end_wanted && size <= CONTROL_PAYLOAD_MAX) {
        if (session->out_count == OUT_MAX)
            make_room(session, type);
        struct out_message *message = &session->out[session->out_count++];
        message->type = type;
        message->size = size;
        if (size)
            memcpy(message->payload, payload, size);
    }
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

void control_host_end(struct control_host *self, uint32_t id, uint32_t code)
{
    mutex_lock(&self->lock);
    struct session *session = find_id(self, id);
    if (session && !session->end_wanted) {
        session->end_wanted = true;
        session->end_code = code;
    }
    mutex_unlock(&self->lock);
    wake_signal(&self->news);
}

struct control_counters control_host_counters(struct control_host *self)
{
    mutex_lock(&self->lock);
    struct control_counters counters = self->counters;
    mutex_unlock(&self->lock);
    return counters;
}

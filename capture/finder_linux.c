/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is on a Linux machine: X servers by their sockets, what /proc tells of their processes, and the sessions
 * of logind. To learn whose a server is, a connection is opened and closed again without a word; a server neither
 * resets nor logs anything because of that.
 *
 * Other users' files are read here with our rights, which may be root's, and a server may be a trap: a cookie file is
 * only taken when it is a regular file of the server's or session's owner (or root's, for a server of root's).
 */
#include "capture/finder_facts.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/x11_socket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-login.h>
#endif

enum { ANCESTORS = 8 };

struct person {
    char name[FINDER_WORD_MAX];
    char home[FINDER_PATH_MAX]; /* "": unknown */
};

/* For logs and the page, which take plain characters only. */
static void copy_plain(char *ret_text, size_t capacity, const char *text)
{
    text_copy(ret_text, capacity, text);
    for (char *c = ret_text; *c; c++)
        *c = *c < ' ' || *c > '~' ? '?' : *c;
}

static struct person look_up(unsigned uid)
{
    struct person person = {.home = ""};
    struct passwd entry, *found = NULL;
    char buffer[4096];
    snprintf(person.name, sizeof(person.name), "user number %u", uid);
    if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found) {
        copy_plain(person.name, sizeof(person.name), found->pw_name);
        if (!text_copy(person.home, sizeof(person.home), found->pw_dir))
            person.home[0] = 0;
    }
    return person;
}

/* Up to `capacity` bytes of a file of /proc. 0: none. */
static size_t read_proc(int pid, const char *what, char *ret_bytes, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t size = 0;
    ssize_t got;
    while (size < capacity && (got = read(fd, ret_bytes + size, capacity - size)) > 0)
        size += (size_t)got;
    close(fd);
    return size;
}

static int parent_of(int pid)
{
    char text[512];
    size_t size = read_proc(pid, "stat", text, sizeof(text) - 1);
    text[size] = 0;
    const char *after_name = strrchr(text, ')');
    int parent;
    return after_name && sscanf(after_name + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool descends_from_us(int pid)
{
    int self = (int)getpid();
    for (int i = 0; i < ANCESTORS && pid > 1; i++) {
        if (pid == self)
            return true;
        pid = parent_of(pid);
    }
    return false;
}

static void look_at_process(int pid, struct finder_server *server)
{
    char bytes[4096];
    size_t size = read_proc(pid, "cmdline", bytes, sizeof(bytes));
    finder_read_arguments(bytes, size, server);
    size = read_proc(pid, "comm", bytes, 32);
    server->is_xwayland = size >= 8 && memcmp(bytes, "Xwayland", 8) == 0;
    server->is_ours = descends_from_us(pid);
#ifdef HAVE_SYSTEMD
    char *session = NULL;
    if (sd_pid_get_session(pid, &session) >= 0 && session)
        text_copy(server->session, sizeof(server->session), session);
    free(session);
#endif
}

static void add_server(struct finder_facts *facts, int number)
{
    int error = 0;
    for (int i = 0; i < facts->server_count; i++) {
        if (facts->servers[i].number == number)
            return;
    }
    if (facts->server_count == FINDER_FACTS_MAX)
        return;
    struct finder_server server = {.number = number};
    int fd = x11_socket_open(number, &error);
    if (fd < 0 && error != EAGAIN)
        return; /* a socket that a dead server has left */
    struct ucred owner;
    socklen_t size = sizeof(owner);
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0) {
        server.known = true;
        server.uid = owner.uid;
        server.pid = owner.pid;
        struct person person = look_up(owner.uid);
        text_copy(server.user, sizeof(server.user), person.name);
        if (owner.pid > 0)
            look_at_process(owner.pid, &server);
    }
    if (fd >= 0)
        close(fd);
    facts->servers[facts->server_count++] = server;
}

static void add_named(struct finder_facts *facts, const char *name)
{
    int64_t number;
    if (name[0] == 'X' && text_parse_i64(name + 1, strcspn(name + 1, "\n"), 0, 65535, &number))
        add_server(facts, (int)number);
}

static void collect_servers(struct finder_facts *facts)
{
    static const char folder[] = "/tmp/.X11-unix/";
    char line[256];
    int wished;
    if (finder_parse_local(facts->environment, &wished))
        add_server(facts, wished);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        add_named(facts, entry->d_name);
    if (dir)
        closedir(dir);
    /* A server in a container, or one whose file was swept away, may be reachable by its abstract socket alone. */
    FILE *sockets = fopen("/proc/net/unix", "re");
    while (sockets && fgets(line, sizeof(line), sockets)) {
        const char *name = strstr(line, " @");
        if (name && strncmp(name + 2, folder, sizeof(folder) - 1) == 0)
            add_named(facts, name + 2 + sizeof(folder) - 1);
    }
    if (sockets)
        fclose(sockets);
}

#ifdef HAVE_SYSTEMD
static void take_word(char *ret_word, int (*get)(const char *session, char **ret), const char *id)
{
    char *word = NULL;
    if (get(id, &word) >= 0 && word)
        text_copy(ret_word, FINDER_WORD_MAX, word);
    free(word);
}

static void add_session(struct finder_facts *facts, const char *id)
{
    struct finder_session session = {.display = -1};
    char state[FINDER_WORD_MAX] = "", display[FINDER_WORD_MAX] = "";
    uid_t uid;
    unsigned vt;
    if (facts->session_count == FINDER_FACTS_MAX || sd_session_get_uid(id, &uid) < 0)
        return;
    session.uid = uid;
    copy_plain(session.id, sizeof(session.id), id);
    take_word(session.type, sd_session_get_type, id);
    take_word(session.class, sd_session_get_class, id);
    take_word(session.seat, sd_session_get_seat, id);
    take_word(state, sd_session_get_state, id);
    take_word(display, sd_session_get_display, id);
    session.is_active = sd_session_is_active(id) > 0;
    session.is_closing = strcmp(state, "closing") == 0;
    if (!finder_parse_local(display, &session.display))
        session.display = -1;
    if (sd_session_get_vt(id, &vt) >= 0)
        session.vt = (int)vt;
    struct person person = look_up(uid);
    text_copy(session.user, sizeof(session.user), person.name);
    facts->sessions[facts->session_count++] = session;
}

static void collect_sessions(struct finder_facts *facts)
{
    char **ids = NULL;
    int count = sd_get_sessions(&ids);
    for (int i = 0; i < count; i++) {
        add_session(facts, ids[i]);
        free(ids[i]);
    }
    free(ids);
}
#else
static void collect_sessions(struct finder_facts *facts)
{
    (void)facts;
}
#endif

/* --- cookies --- */

/* Who may own a cookie file of a server. */
struct owners {
    unsigned uids[2];
    int count;
};

/* Only looked at, not opened: to open some devices is to do something. The reader looks again. */
static void add_cookie(struct finder_candidate *candidate, const char *path, const struct owners *owners)
{
    struct stat file;
    if (candidate->cookie_count == FINDER_COOKIES_MAX || *path != '/' || stat(path, &file) != 0 ||
        !S_ISREG(file.st_mode) || eaccess(path, R_OK) != 0)
        return;
    bool allowed = false;
    for (int i = 0; i < owners->count; i++)
        allowed |= file.st_uid == owners->uids[i];
    for (int i = 0; i < candidate->cookie_count; i++)
        allowed &= strcmp(candidate->cookies[i], path) != 0;
    if (!allowed || !text_copy(candidate->cookies[candidate->cookie_count], FINDER_PATH_MAX, path))
        return;
    candidate->cookie_owners[candidate->cookie_count++] = file.st_uid;
}

static void add_usual_place(struct finder_candidate *candidate)
{
    if (candidate->cookie_count < FINDER_COOKIES_MAX)
        candidate->cookies[candidate->cookie_count++][0] = 0;
}

/* KDE's login manager: /run/user/1000/xauth_aBcDeF, a new one for each session; the newest counts. */
static void add_newest(struct finder_candidate *candidate, const char *folder, const struct owners *owners)
{
    char newest[FINDER_PATH_MAX] = "";
    struct timespec best = {0};
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat file;
        if (strncmp(entry->d_name, "xauth_", 6) != 0 || fstatat(dirfd(dir), entry->d_name, &file, AT_SYMLINK_NOFOLLOW))
            continue;
        bool newer = file.st_mtim.tv_sec > best.tv_sec ||
                     (file.st_mtim.tv_sec == best.tv_sec && file.st_mtim.tv_nsec > best.tv_nsec);
        if (!newer || file.st_uid != owners->uids[0])
            continue;
        best = file.st_mtim;
        snprintf(newest, sizeof(newest), "%.40s/%.200s", folder, entry->d_name);
    }
    if (dir)
        closedir(dir);
    add_cookie(candidate, newest, owners);
}

static void add_cookies_of(struct finder_candidate *candidate, unsigned uid)
{
    char path[FINDER_PATH_MAX + 16], folder[32];
    struct owners owners = {.uids = {uid}, .count = 1};
    struct person person = look_up(uid);
    snprintf(path, sizeof(path), "%s/.Xauthority", person.home);
    add_cookie(candidate, path, &owners);
    snprintf(path, sizeof(path), "/run/user/%u/gdm/Xauthority", uid);
    add_cookie(candidate, path, &owners);
    snprintf(folder, sizeof(folder), "/run/user/%u", uid);
    add_newest(candidate, folder, &owners);
}

static void collect_cookies(const struct finder_facts *facts, struct finder_candidate *candidate,
                            const struct finder_origin *origin)
{
    const struct finder_server *server = &facts->servers[origin->server];
    const struct finder_session *session = origin->session < 0 ? NULL : &facts->sessions[origin->session];
    struct owners owners = {.uids = {server->uid, session ? session->uid : server->uid}, .count = 2};
    /* Our own cookies are not for a server that another user has started. */
    bool trusted = !origin->is_foreign && (server->uid == facts->uid || server->uid == 0);
    if (!server->known)
        return; /* nor are any, as long as it is not known whose it is */
    /* Who sets both $DISPLAY and $XAUTHORITY means them. */
    const char *named = getenv("XAUTHORITY");
    if (origin->by_environment && (trusted || (named && eaccess(named, R_OK) == 0)))
        add_usual_place(candidate);
    add_cookie(candidate, server->authority, &owners);
    if (session)
        add_cookies_of(candidate, session->uid);
    if (!session || server->uid != session->uid)
        add_cookies_of(candidate, server->uid);
    if (!origin->by_environment && trusted)
        add_usual_place(candidate);
}

static void stir(uint64_t *hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        *hash = (*hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3; /* FNV-1a */
}

static uint64_t fingerprint(const struct finder_candidate *candidate, int pid)
{
    uint64_t hash = 0xcbf29ce484222325;
    const char *wish = getenv("XAUTHORITY"), *home = getenv("HOME");
    char usual[FINDER_PATH_MAX];
    snprintf(usual, sizeof(usual), "%s%s", wish ? wish : home ? home : "", wish ? "" : "/.Xauthority");
    stir(&hash, &pid, sizeof(pid));
    for (int i = 0; i < candidate->cookie_count; i++) {
        struct stat file;
        const char *path = *candidate->cookies[i] ? candidate->cookies[i] : usual;
        stir(&hash, path, strlen(path));
        if (stat(path, &file) != 0)
            continue;
        stir(&hash, &file.st_ino, sizeof(file.st_ino));
        stir(&hash, &file.st_size, sizeof(file.st_size));
        stir(&hash, &file.st_mtim, sizeof(file.st_mtim));
    }
    return hash;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec used = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * CLOCK_SECOND_NS + used.tv_nsec;
}

size_t finder_survey(struct finder_candidate ret_candidates[FINDER_MAX], int64_t *ret_cost_ns)
{
    int64_t before_ns = thread_cpu_ns();
    *ret_cost_ns = 0;
    struct finder_facts *facts = calloc(1, sizeof(*facts));
    struct finder_origin origins[FINDER_MAX];
    if (!facts)
        return 0;
    const char *environment = getenv("DISPLAY");
    copy_plain(facts->environment, sizeof(facts->environment), environment ? environment : "");
    facts->uid = geteuid();
    collect_servers(facts);
    collect_sessions(facts);
    size_t count = finder_judge(facts, ret_candidates, origins);
    for (size_t i = 0; i < count; i++) {
        if (!ret_candidates[i].usable)
            continue;
        collect_cookies(facts, &ret_candidates[i], &origins[i]);
        ret_candidates[i].fingerprint = fingerprint(&ret_candidates[i], facts->servers[origins[i].server].pid);
        finder_refuse_foreign(facts, &ret_candidates[i], &origins[i]);
    }
    finder_sort(ret_candidates, origins, count);
    free(facts);
    *ret_cost_ns = thread_cpu_ns() - before_ns;
    return count;
}

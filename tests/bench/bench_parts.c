/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_parts: when the last packet of a picture arrives that takes 6 ms to encode, in four slices of the same size:
 * if it is sent as a whole, and if each slice is sent when it is there. Loopback at 60 pictures a second, whole and in
 * parts by turns; and, reckoned from the arrivals, behind a link of 100 Mbit/s. Medians; nothing is judged.
 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/thread.h"
#include "net/gso.h"
#include "net/udp.h"
#include "net/video_sender.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { PICTURES = 400, SLICES = 4, PACKET_SIZE = 1392, DATAGRAM_MAX = 2048, LINK_NS_PER_BYTE = 80 };
#define ENCODE_NS   (6 * CLOCK_MS_NS)
#define INTERVAL_NS (CLOCK_SECOND_NS / 60)

struct arrivals {
    struct udp_socket *socket;
    int64_t link_ns; /* the link is busy until then */
    int64_t last_ns[PICTURES + 1], behind_ns[PICTURES + 1];
    int packets[PICTURES + 1];
};

/* Until nothing has come for a second. */
static void receive_all(void *arg)
{
    struct arrivals *self = arg;
    struct pollfd wait = {.fd = udp_socket_fd(self->socket), .events = POLLIN};
    uint8_t datagram[DATAGRAM_MAX];
    struct address peer, local;
    size_t size;
    while (poll(&wait, 1, 1000) == 1) {
        if (udp_receive(self->socket, datagram, sizeof(datagram), &size, &peer, &local) != UDP_RECEIVED)
            continue;
        int64_t now_ns = clock_now_ns(), start_ns = now_ns > self->link_ns ? now_ns : self->link_ns;
        uint32_t frame = bytes_get_u32le(datagram + 20);
        self->link_ns = start_ns + (int64_t)size * LINK_NS_PER_BYTE;
        self->last_ns[frame] = now_ns;
        self->behind_ns[frame] = self->link_ns;
        self->packets[frame]++;
    }
}

static void give(struct video_sender *sender, const uint8_t *data, size_t size, bool in_parts, int64_t begin_ns)
{
    int parts = in_parts ? SLICES : 1;
    for (int i = 0; i < parts; i++) {
        size_t from = size * (size_t)i / (size_t)parts, to = size * (size_t)(i + 1) / (size_t)parts;
        struct au_part part = {.data = data + from,
                               .size = to - from,
                               .type = PART_PREDICTED,
                               .part = i,
                               .parts = parts,
                               .last = i == parts - 1,
                               .captured_ns = begin_ns,
                               .timestamp_ns = begin_ns};
        clock_sleep_until_ns(begin_ns + ENCODE_NS * (i + 1) / parts);
        (i ? video_sender_submit_next : video_sender_submit)(sender, &part);
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Of every second picture, in ms. */
static double median_ms(const int64_t *times_ns, const int64_t *begins_ns, int first)
{
    int64_t samples[PICTURES];
    int count = 0;
    for (int i = first; i <= PICTURES; i += 2)
        samples[count++] = times_ns[i] - begins_ns[i];
    qsort(samples, (size_t)count, sizeof(samples[0]), compare);
    return (double)samples[count / 2] / 1e6;
}

static struct udp_socket *open_loopback(void)
{
    struct address bind;
    struct udp_socket *socket = address_parse("127.0.0.1", 0, &bind) ? udp_socket_create(&bind) : NULL;
    if (!socket)
        exit(1);
    return socket;
}

static void run(int kbps, const uint8_t *data)
{
    static struct arrivals arrivals;
    int64_t begins_ns[PICTURES + 1] = {0};
    size_t size = (size_t)kbps * 125 / 60 * 78 / 100; /* with parity and headers somewhat less than the rate */
    struct thread thread = {0};
    arrivals = (struct arrivals){.socket = open_loopback()};
    struct gso_policy *gso = gso_policy_create(NULL, 0);
    struct video_sender_config config = {.socket = open_loopback(),
                                         .gso = gso,
                                         .packet_size = PACKET_SIZE,
                                         .fec_percent = 20,
                                         .min_parity = 2,
                                         .bitrate_kbps = kbps,
                                         .fps_x100 = 6000};
    udp_socket_local(arrivals.socket, &config.destination);
    udp_socket_local(config.socket, &config.source);
    struct video_sender *sender = video_sender_create(&config);
    if (!sender || !thread_start(&thread, "receive", receive_all, &arrivals))
        exit(1);
    for (int i = 1; i <= PICTURES; i++) {
        begins_ns[i] = clock_now_ns();
        give(sender, data, size, i % 2, begins_ns[i]);
        clock_sleep_until_ns(begins_ns[i] + INTERVAL_NS);
        video_sender_wait_free(sender, INT64_MAX);
    }
    thread_join(&thread);
    for (int parts = 0; parts < 2; parts++)
        printf("%3d Mbit/s %-9s %3d packets; after %.2f ms the last one, behind 100 Mbit/s after %.2f ms\n",
               kbps / 1000, parts ? "in parts:" : "whole:", arrivals.packets[PICTURES - parts],
               median_ms(arrivals.last_ns, begins_ns, 2 - parts), median_ms(arrivals.behind_ns, begins_ns, 2 - parts));
    video_sender_destroy(sender);
    gso_policy_destroy(gso);
    udp_socket_destroy(config.socket);
    udp_socket_destroy(arrivals.socket);
}

int main(void)
{
    static uint8_t data[1 << 20];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    run(20000, data);
    run(50000, data);
    run(80000, data);
    return 0;
}

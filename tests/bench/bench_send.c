/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_send: what a frame costs the send thread: copying and FEC, the same with encryption, and handing the packets to
 * the kernel by each of the three ways. Loopback; nobody reads. Prints medians; nothing is judged.
 * usage: bench_send [frame bytes]
 */
#include "base/clock.h"
#include "net/udp.h"
#include "protocol/video_packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 301, FRAME_BYTES = 100000, PACKET_PLAIN = 1392, PACKET_SEALED = 1360 };

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double median_us(int64_t *samples_ns)
{
    qsort(samples_ns, ROUNDS, sizeof(samples_ns[0]), compare);
    return (double)samples_ns[ROUNDS / 2] / 1000;
}

static struct udp_socket *open_loopback(void)
{
    struct address bind;
    struct udp_socket *socket = address_parse("127.0.0.1", 0, &bind) ? udp_socket_create(&bind) : NULL;
    if (!socket)
        exit(1);
    return socket;
}

/* Leaves the packets of the last round in `packetiser`. */
static struct video_packetiser *packetise(const uint8_t *frame, size_t size, const uint8_t *key)
{
    static int64_t load_ns[ROUNDS], build_ns[ROUNDS];
    struct video_packetiser *packetiser = video_packetiser_create(&(struct video_packetiser_config){
        .packet_size = key ? PACKET_SEALED : PACKET_PLAIN, .fec_percent = 20, .min_parity = 2, .key = key});
    if (!packetiser)
        exit(1);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start_ns = clock_now_ns();
        video_packetiser_begin(packetiser);
        int blocks = video_packetiser_load(packetiser, frame, size, 0, 1, &(struct video_frame_info){.type = 1});
        load_ns[i] = clock_now_ns() - start_ns;
        struct video_datagrams datagrams;
        for (int b = 0; b < blocks; b++) {
            if (!video_packetiser_build(packetiser, b, &datagrams))
                exit(1);
        }
        build_ns[i] = clock_now_ns() - start_ns - load_ns[i];
    }
    printf("%-9s copy %6.1f us, FEC and headers%s %6.1f us\n", key ? "sealed:" : "plain:", median_us(load_ns),
           key ? " and GCM" : "", median_us(build_ns));
    return packetiser;
}

static void send_frames(const struct video_datagrams *datagrams, enum udp_mode mode, const char *name)
{
    static int64_t send_ns[ROUNDS];
    struct udp_socket *sender = open_loopback(), *receiver = open_loopback();
    struct udp_path path = {0};
    int sent = 0;
    udp_socket_local(receiver, &path.destination);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t start_ns = clock_now_ns();
        sent += udp_send(sender, &path, datagrams->base, datagrams->size, datagrams->count, mode);
        send_ns[i] = clock_now_ns() - start_ns;
    }
    printf("%-9s %6.1f us for %d packets of %zu bytes, %d lost\n", name, median_us(send_ns), datagrams->count,
           datagrams->size, ROUNDS * datagrams->count - sent);
    udp_socket_destroy(sender);
    udp_socket_destroy(receiver);
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? (size_t)atol(argv[1]) : FRAME_BYTES;
    uint8_t *frame = malloc(size ? size : 1);
    if (!frame || !size)
        return 2;
    for (size_t i = 0; i < size; i++)
        frame[i] = (uint8_t)(i * 2654435761u >> 24);
    struct video_packetiser *packetiser = packetise(frame, size, NULL);
    struct video_datagrams datagrams;
    video_packetiser_begin(packetiser);
    if (video_packetiser_load(packetiser, frame, size, 0, 1, &(struct video_frame_info){.type = 1}) < 1 ||
        !video_packetiser_build(packetiser, 0, &datagrams))
        return 1;
    send_frames(&datagrams, UDP_GSO, "GSO:");
    send_frames(&datagrams, UDP_MMSG, "sendmmsg:");
    send_frames(&datagrams, UDP_SINGLE, "sendto:");
    video_packetiser_destroy(packetiser);
    video_packetiser_destroy(packetise(frame, size, (const uint8_t *)"0123456789abcdef"));
    free(frame);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Real sockets on the loopback interface. */
#include "net/udp.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 1408, COUNT = 150 };

static struct address loopback(const char *ip, uint16_t port)
{
    struct address address;
    assert_true(address_parse(ip, port, &address));
    return address;
}

static struct udp_socket *open_at(const char *ip)
{
    struct address bind = loopback(ip, 0);
    struct udp_socket *socket = udp_socket_create(&bind);
    assert_non_null(socket);
    return socket;
}

static struct udp_path path_to(const struct udp_socket *receiver)
{
    struct udp_path path = {0};
    udp_socket_local(receiver, &path.destination);
    return path;
}

static bool wait_readable(const struct udp_socket *socket)
{
    struct pollfd wait = {.fd = udp_socket_fd(socket), .events = POLLIN};
    return poll(&wait, 1, 5000) == 1;
}

static size_t receive(struct udp_socket *socket, uint8_t *buffer, size_t capacity, struct address *ret_peer,
                      struct address *ret_local)
{
    size_t size = 0;
    assert_true(wait_readable(socket));
    assert_int_equal(udp_receive(socket, buffer, capacity, &size, ret_peer, ret_local), UDP_RECEIVED);
    return size;
}

/* Sends and receives in steps that a default receive buffer holds, in order. */
static void check_mode(enum udp_mode mode, size_t size)
{
    struct udp_socket *sender = open_at("127.0.0.1"), *receiver = open_at("127.0.0.1");
    struct udp_path path = path_to(receiver);
    struct address peer, local, expected;
    uint8_t *datagrams = malloc(COUNT * size), *buffer = malloc(size + 1);
    assert_non_null(datagrams);
    assert_non_null(buffer);
    for (size_t i = 0; i < COUNT * size; i++)
        datagrams[i] = (uint8_t)(i * 31 + i / size);
    udp_socket_local(sender, &expected);
    for (int at = 0; at < COUNT; at += 50) {
        assert_int_equal(udp_send(sender, &path, datagrams + (size_t)at * size, size, 50, mode), 50);
        for (int i = at; i < at + 50; i++) {
            assert_int_equal(receive(receiver, buffer, size + 1, &peer, &local), size);
            assert_memory_equal(buffer, datagrams + (size_t)i * size, size);
            assert_true(address_equal(&peer, &expected));
        }
    }
    size_t none;
    assert_int_equal(udp_receive(receiver, buffer, size, &none, &peer, &local), UDP_EMPTY);
    assert_false(path.gso_refused);
    free(buffer);
    free(datagrams);
    udp_socket_destroy(sender);
    udp_socket_destroy(receiver);
}

static void datagrams_arrive_whole_and_in_order_in_every_mode(void **state)
{
    (void)state;
    static const enum udp_mode modes[] = {UDP_SINGLE, UDP_MMSG, UDP_GSO};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        check_mode(modes[i], SIZE);
        check_mode(modes[i], 144);
        check_mode(modes[i], 1);
    }
}

static void the_source_address_goes_with_the_message(void **state)
{
    (void)state;
    static const enum udp_mode modes[] = {UDP_SINGLE, UDP_MMSG, UDP_GSO};
    struct udp_socket *sender = open_at("0.0.0.0"), *receiver = open_at("127.0.0.1");
    struct udp_path path = path_to(receiver);
    struct address peer, local;
    uint8_t datagrams[2 * 100] = {0}, buffer[100];
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        path.source = loopback("127.0.0.5", 0);
        assert_int_equal(udp_send(sender, &path, datagrams, 100, 2, modes[i]), 2);
        for (int n = 0; n < 2; n++) {
            receive(receiver, buffer, sizeof(buffer), &peer, &local);
            assert_true(address_same_ip(&peer, &path.source));
        }
    }
    udp_socket_destroy(sender);
    udp_socket_destroy(receiver);
}

static void the_address_a_datagram_was_sent_to_is_told(void **state)
{
    (void)state;
    struct udp_socket *sender = open_at("127.0.0.1"), *receiver = open_at("0.0.0.0");
    struct udp_path path = path_to(receiver);
    struct address peer, local, to = loopback("127.0.0.9", address_port(&path.destination));
    uint8_t buffer[3];
    path.destination = to;
    assert_int_equal(udp_send(sender, &path, (const uint8_t *)"abcdef", 6, 1, UDP_MMSG), 1);
    assert_int_equal(receive(receiver, buffer, sizeof(buffer), &peer, &local), 3); /* cut */
    assert_memory_equal(buffer, "abc", 3);
    assert_true(address_equal(&local, &to));
    udp_socket_destroy(sender);
    udp_socket_destroy(receiver);
}

/* The TOS byte of the next datagram. */
static int receive_tos(int fd)
{
    uint8_t byte;
    _Alignas(struct cmsghdr) uint8_t control[256];
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    assert_true(recvmsg(fd, &message, 0) >= 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
            return *CMSG_DATA(c);
    }
    return -1;
}

static void the_mark_goes_with_the_message(void **state)
{
    (void)state;
    struct udp_socket *sender = open_at("127.0.0.1"), *receiver = open_at("127.0.0.1");
    struct udp_path path = path_to(receiver);
    uint8_t datagrams[4] = {0};
    int fd = udp_socket_fd(receiver), on = 1;
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
    for (int marked = 1; marked >= 0; marked--) {
        path.tos = marked ? UDP_TOS_VIDEO : 0;
        assert_int_equal(udp_send(sender, &path, datagrams, 2, 2, UDP_GSO), 2);
        assert_int_equal(udp_send(sender, &path, datagrams, 2, 2, UDP_MMSG), 2);
        for (int i = 0; i < 4; i++) {
            assert_true(wait_readable(receiver));
            assert_int_equal(receive_tos(fd), path.tos);
        }
    }
    udp_socket_destroy(sender);
    udp_socket_destroy(receiver);
}

/* Checksums switched off: the kernel refuses segmentation (EIO) but takes the datagrams one by one. */
static void refused_segmentation_falls_back_and_is_remembered(void **state)
{
    (void)state;
    struct udp_socket *sender = open_at("127.0.0.1"), *receiver = open_at("127.0.0.1");
    struct udp_path path = path_to(receiver);
    struct address peer, local;
    uint8_t datagrams[10 * 100], buffer[101];
    int on = 1;
    assert_int_equal(setsockopt(udp_socket_fd(sender), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
    for (size_t i = 0; i < sizeof(datagrams); i++)
        datagrams[i] = (uint8_t)(i / 7);
    assert_int_equal(udp_send(sender, &path, datagrams, 100, 10, UDP_GSO), 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(receive(receiver, buffer, sizeof(buffer), &peer, &local), 100);
        assert_memory_equal(buffer, datagrams + i * 100, 100);
    }
    assert_true(path.gso_refused);
    udp_socket_destroy(sender);
    udp_socket_destroy(receiver);
}

static void a_way_that_does_not_exist_loses_all_and_blames_nothing(void **state)
{
    (void)state;
    struct udp_socket *sender = open_at("127.0.0.1");
    struct udp_path path = {.destination = loopback("192.0.2.1", 9)}; /* not from a loopback address */
    uint8_t datagrams[200] = {0};
    assert_int_equal(udp_send(sender, &path, datagrams, 100, 2, UDP_GSO), 0);
    assert_false(path.gso_refused);
    udp_socket_destroy(sender);
}

static void batches_stay_below_64_segments_and_64_kib(void **state)
{
    (void)state;
    assert_int_equal(udp_batch_max(1408), 46);
    assert_int_equal(udp_batch_max(1040), 62);
    assert_int_equal(udp_batch_max(144), 64);
    assert_int_equal(udp_batch_max(40000), 1);
    assert_int_equal(udp_batch_max(70000), 1);
}

static void a_port_in_use_is_refused(void **state)
{
    (void)state;
    struct udp_socket *first = open_at("127.0.0.1");
    struct address taken;
    udp_socket_local(first, &taken);
    assert_null(udp_socket_create(&taken));
    udp_socket_destroy(first);
    udp_socket_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_arrive_whole_and_in_order_in_every_mode),
        cmocka_unit_test(the_source_address_goes_with_the_message),
        cmocka_unit_test(the_address_a_datagram_was_sent_to_is_told),
        cmocka_unit_test(the_mark_goes_with_the_message),
        cmocka_unit_test(refused_segmentation_falls_back_and_is_remembered),
        cmocka_unit_test(a_way_that_does_not_exist_loses_all_and_blames_nothing),
        cmocka_unit_test(batches_stay_below_64_segments_and_64_kib),
        cmocka_unit_test(a_port_in_use_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

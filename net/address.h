/* SPDX-License-Identifier: Apache-2.0 */
/* address: socket addresses as values. IPv4 today; the type has room for more. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    struct sockaddr_storage os; /* ss_family 0: none */
    socklen_t size;
};

enum { ADDRESS_TEXT_MAX = 64 };

enum address_scope { ADDRESS_LOOPBACK, ADDRESS_LAN, ADDRESS_WAN };

bool address_parse(const char *ip, uint16_t port, struct address *ret_address); /* numeric only */
void address_text(const struct address *self, char ret_text[ADDRESS_TEXT_MAX]); /* "192.0.2.1" */
uint16_t address_port(const struct address *self);
void address_set_port(struct address *self, uint16_t port);
bool address_same_ip(const struct address *a, const struct address *b);
bool address_equal(const struct address *a, const struct address *b); /* with the port */
/* LAN: private (RFC 1918), link-local, carrier-grade NAT (100.64/10) addresses. */
enum address_scope address_scope(const struct address *self);

/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static struct sockaddr_in *ipv4(struct address *self)
{
    return (struct sockaddr_in *)&self->os;
}

static const struct sockaddr_in *ipv4_const(const struct address *self)
{
    return (const struct sockaddr_in *)&self->os;
}

bool address_parse(const char *ip, uint16_t port, struct address *ret_address)
{
    struct in_addr parsed;
    if (inet_pton(AF_INET, ip, &parsed) != 1)
        return false;
    *ret_address = (struct address){.size = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = ipv4(ret_address);
    in->sin_family = AF_INET;
    in->sin_addr = parsed;
    in->sin_port = htons(port);
    return true;
}

void address_text(const struct address *self, char ret_text[ADDRESS_TEXT_MAX])
{
    if (self->os.ss_family != AF_INET || !inet_ntop(AF_INET, &ipv4_const(self)->sin_addr, ret_text, ADDRESS_TEXT_MAX))
        snprintf(ret_text, ADDRESS_TEXT_MAX, "(none)");
}

uint16_t address_port(const struct address *self)
{
    return self->os.ss_family == AF_INET ? ntohs(ipv4_const(self)->sin_port) : 0;
}

void address_set_port(struct address *self, uint16_t port)
{
    if (self->os.ss_family == AF_INET)
        ipv4(self)->sin_port = htons(port);
}

bool address_same_ip(const struct address *a, const struct address *b)
{
    return a->os.ss_family == AF_INET && b->os.ss_family == AF_INET &&
           ipv4_const(a)->sin_addr.s_addr == ipv4_const(b)->sin_addr.s_addr;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return address_same_ip(a, b) && address_port(a) == address_port(b);
}

/* RFC 1122 (127/8), RFC 1918, RFC 3927 (169.254/16), RFC 6598 (100.64/10). */
enum address_scope address_scope(const struct address *self)
{
    static const struct {
        uint32_t net;
        int bits;
    } lan[] = {{0x0a000000, 8}, {0xac100000, 12}, {0xc0a80000, 16}, {0xa9fe0000, 16}, {0x64400000, 10}};
    if (self->os.ss_family != AF_INET)
        return ADDRESS_WAN;
    uint32_t ip = ntohl(ipv4_const(self)->sin_addr.s_addr);
    if (ip >> 24 == 127)
        return ADDRESS_LOOPBACK;
    for (size_t i = 0; i < sizeof(lan) / sizeof(lan[0]); i++) {
        if ((ip ^ lan[i].net) >> (32 - lan[i].bits) == 0)
            return ADDRESS_LAN;
    }
    return ADDRESS_WAN;
}

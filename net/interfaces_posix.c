/* SPDX-License-Identifier: Apache-2.0 */
#include "net/interfaces.h"

#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool to_address(const struct ifaddrs *entry, struct address *ret_address)
{
    if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_INET || !(entry->ifa_flags & IFF_UP))
        return false;
    *ret_address = (struct address){.size = sizeof(struct sockaddr_in)};
    memcpy(&ret_address->os, entry->ifa_addr, sizeof(struct sockaddr_in));
    return true;
}

size_t interfaces_addresses(struct address ret_addresses[INTERFACES_MAX])
{
    struct ifaddrs *list;
    size_t count = 0;
    if (getifaddrs(&list) != 0)
        return 0;
    for (const struct ifaddrs *entry = list; entry && count < INTERFACES_MAX; entry = entry->ifa_next) {
        if (to_address(entry, &ret_addresses[count]) && address_scope(&ret_addresses[count]) != ADDRESS_LOOPBACK)
            count++;
    }
    freeifaddrs(list);
    return count;
}

static bool link_mac(const struct ifaddrs *list, const char *name, char ret_mac[INTERFACE_MAC_TEXT])
{
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
        if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_PACKET || strcmp(entry->ifa_name, name) != 0)
            continue;
        const struct sockaddr_ll *link = (const struct sockaddr_ll *)(const void *)entry->ifa_addr;
        const unsigned char *b = link->sll_addr;
        if (link->sll_halen != 6)
            return false;
        snprintf(ret_mac, INTERFACE_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
        return true;
    }
    return false;
}

bool interfaces_mac(const struct address *local, char ret_mac[INTERFACE_MAC_TEXT])
{
    struct ifaddrs *list;
    bool found = false;
    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *entry = list; entry && !found; entry = entry->ifa_next) {
        struct address address;
        if (to_address(entry, &address) && address_same_ip(&address, local))
            found = link_mac(list, entry->ifa_name, ret_mac);
    }
    freeifaddrs(list);
    return found;
}

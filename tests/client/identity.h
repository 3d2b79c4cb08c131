/* SPDX-License-Identifier: Apache-2.0 */
/* identity: the client's own key and certificate, and the host certificate it pinned, kept in a state folder. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

struct identity {
    char *folder;
    EVP_PKEY *key;
    X509 *certificate;
    char *certificate_pem; /* as sent: its text, LF line ends */
    X509 *host;            /* pinned by pairing, NULL: not paired */
};

/* Loads what `folder` has, makes the folder, RSA-2048 key and certificate when they are missing. NULL: logged. */
struct identity *identity_open(const char *folder);
void identity_close(struct identity *self);
bool identity_pin_host(struct identity *self, const char *pem);
void identity_forget_host(struct identity *self);
/* One certificate in PEM, or NULL. */
X509 *identity_parse_pem(const char *pem);

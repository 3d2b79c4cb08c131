# SPDX-License-Identifier: Apache-2.0
import json
import os
import unittest

from harness import VECTORS, FreshHostTest, Page, wait_for


def status_of(reply):
    return int(reply.text.split('status_code="')[1].split('"')[0])


class Pairing(FreshHostTest):
    def waiting(self, page, count=1):
        return wait_for(lambda: len(page.pairings()) == count and page.pairings(), 20, f"{count} waiting requests")

    def test_right_pin_pairs_and_opens_https(self):
        client = self.new_client()
        self.assertEqual(client.pair("0471")["result"], "ok")
        text = client.xml("serverinfo", "--https")
        self.assertIn("<PairStatus>1</PairStatus>", text)
        self.assertIn("<AppTitle>Desktop</AppTitle>", client.xml("applist"))
        self.assertEqual(client.run("appasset", "--appid", 1)["exit"], 0)

    def test_pairing_survives_a_restart(self):
        client = self.new_client()
        client.pair()
        self.host.process.terminate()
        self.assertEqual(self.host.process.wait(20), 0)
        self.host.start()
        self.assertIn("<PairStatus>1</PairStatus>", client.xml("serverinfo", "--https"))

    def test_client_that_checks_sees_a_wrong_pin(self):
        client = self.new_client()
        self.assertEqual(client.pair("0471", typed="0472")["result"], "wrong pin")
        self.assertIn('status_code="401"', client.xml("serverinfo", "--https", "--no-pinning"))

    def test_host_refuses_a_wrong_pin_of_a_client_that_does_not_check(self):
        client = self.new_client()
        outcome = client.pair("0471", "0472", "--unchecked")
        self.assertEqual((outcome["result"], outcome["phase"], outcome["status"]), ("refused", 4, 200))
        self.assertIn('status_code="401"', client.xml("serverinfo", "--https", "--no-pinning"))

    def test_three_wrong_pins_close_the_address(self):
        for _ in range(3):
            self.new_client().pair("0471", "0472", "--unchecked")
        outcome = self.new_client().start_pairing("0471").report(30)
        self.assertEqual((outcome["result"], outcome["phase"]), ("refused", 1))
        self.assertIn(outcome["status"], (403, 503))

    def test_two_at_once_each_by_its_request(self):
        page = Page(self.host)
        clients = [self.new_client(), self.new_client()]
        dialogs = [clients[0].start_pairing("1111", "--uniqueid", "a1"),
                   clients[1].start_pairing("2222", "--uniqueid", "b2")]
        self.addCleanup(lambda: [dialog.dispose() for dialog in dialogs])
        waiting = self.waiting(page, 2)
        self.assertEqual(self.host.cli("pin", "1111", check=False).returncode, 2)
        fingerprints = {}
        for client, pin in zip(clients, ("1111", "2222")):
            fingerprints[pin] = os.popen(f"openssl x509 -in {client.folder}/client.pem -noout -fingerprint -sha256"
                                         ).read().split("=")[1].strip().replace(":", "").lower()
        for entry in waiting:
            short = entry["fingerprint"].replace(":", "").replace(" ", "").lower()
            pin = next(pin for pin, full in fingerprints.items() if full.startswith(short))
            self.host.cli("pin", "--request", entry["id"], pin)
        self.assertEqual([dialog.report(60)["result"] for dialog in dialogs], ["ok", "ok"])

    def test_same_uniqueid_by_another_device_is_told_to_wait(self):
        page = Page(self.host)
        first = self.new_client().start_pairing("1111")
        self.addCleanup(first.dispose)
        self.waiting(page)
        outcome = self.new_client().start_pairing("2222").report(30)
        self.assertEqual((outcome["result"], outcome["phase"], outcome["status"]), ("refused", 1, 409))
        self.host.cli("pin", "1111")
        self.assertEqual(first.report(60)["result"], "ok")

    def test_pairing_again_updates_the_entry(self):
        page, client = Page(self.host), self.new_client()
        client.pair()
        client.pair("9999")
        self.assertEqual(len(page.clients()), 1)

    def test_pin_and_name_by_the_page(self):
        page, client = Page(self.host), self.new_client()
        dialog = client.start_pairing("0007")
        entry = self.waiting(page)[0]
        page.call("POST", "pairings/pin", {"id": entry["id"], "pin": "0007", "name": "<tablet> & co"})
        self.assertEqual(dialog.report(60)["result"], "ok")
        self.assertEqual([c["name"] for c in page.clients()], ["<tablet> & co"])

    def test_operator_cancels(self):
        page = Page(self.host)
        dialog = self.new_client().start_pairing()
        entry = self.waiting(page)[0]
        page.call("POST", "pairings/cancel", {"id": entry["id"]})
        outcome = dialog.report(30)
        self.assertEqual((outcome["result"], outcome["status"]), ("refused", 400))

    def test_client_that_goes_away_is_forgotten(self):
        page = Page(self.host)
        dialog = self.new_client().start_pairing()
        self.waiting(page)
        dialog.dispose()
        wait_for(lambda: not page.pairings(), 20, "the request to vanish")
        self.assertNotEqual(self.host.cli("pin", "0471", check=False).returncode, 0)

    def test_at_most_four_wait_from_one_address(self):
        page = Page(self.host)
        for i in range(4):
            dialog = self.new_client().start_pairing("1111", "--uniqueid", f"id{i}")
            self.addCleanup(dialog.dispose)
        self.waiting(page, 4)
        outcome = self.new_client().start_pairing("1111", "--uniqueid", "id5").report(30)
        self.assertEqual((outcome["result"], outcome["status"]), ("refused", 503))

    def test_unpair_over_http_removes_nobody(self):
        client = self.new_client()
        client.pair()
        self.assertEqual(client.run("unpair")["status"], 200)
        self.assertIn("<PairStatus>1</PairStatus>", client.xml("serverinfo", "--https"))

    def test_removed_client_is_refused_at_once(self):
        client, page = self.new_client(), Page(self.host)
        client.pair()
        self.host.cli("clients", "remove", page.clients()[0]["id"])
        self.assertIn('status_code="401"', client.xml("serverinfo", "--https"))


class MalformedPairing(FreshHostTest):
    def ask(self, query, unique="zz"):
        reply = self.host.get_http(f"/pair?uniqueid={unique}&{query}")
        self.assertEqual(reply.status, 200)
        self.assertIn("<paired>0</paired>", reply.text)
        return status_of(reply)

    def test_phases_without_a_session_are_refused(self):
        for query in ("clientchallenge=" + "00" * 16, "serverchallengeresp=" + "00" * 32,
                      "clientpairingsecret=" + "00" * 272):
            self.assertEqual(self.ask(query), 400, query)

    def test_missing_uniqueid_and_unknown_request(self):
        self.assertEqual(status_of(self.host.get_http("/pair?phrase=getservercert")), 400)
        self.assertEqual(self.ask("nothing=1"), 404)

    def test_bad_salt_and_certificate_are_refused_before_the_pin(self):
        with open(os.path.join(VECTORS, "pairing.json"), encoding="utf-8") as file:
            vectors = json.load(file)
        bad, good = vectors["bad_params"], vectors["phase1"]
        for salt in (bad["salt_too_short"], bad["salt_odd_length"], bad["salt_not_hex"], ""):
            self.assertEqual(self.ask(f"phrase=getservercert&salt={salt}&clientcert={good['clientcert']}"), 400)
        for certificate in (bad["clientcert_not_pem"], "zz", "00" * 2000, ""):
            self.assertEqual(self.ask(f"phrase=getservercert&salt={good['salt']}&clientcert={certificate}"), 400)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The page's API as a stranger, a careless page and a rightful user see it. usage: test_api.py WEB_HOST"""
import json
import sys
import threading
import unittest

import scenes
from web_host import PASSWORD, SETUP_CODE, Caller, WebHost

PROGRAM = None
GETS = ["pairings", "clients", "status", "desktop/log", "events"]
POSTS = {
    "logout": {},
    "password": {"old": PASSWORD, "new": "another password"},
    "pairings/pin": {"id": "a", "pin": "1234", "name": ""},
    "pairings/cancel": {"id": "a"},
    "pairings/reopen": {},
    "clients/rename": {"id": "tv", "name": "x"},
    "clients/remove": {"id": "tv"},
    "clients/rights": {"id": "tv", "rights": "mouse"},
    "sessions/end": {"id": "s1"},
    "sessions/bitrate": {"id": "s1", "kbps": "5000"},
    "desktop/restart-session": {},
    "desktop/restart-server": {},
}
LOG_MAX = 32768


class ApiTest(unittest.TestCase):
    password = PASSWORD
    old = False

    def setUp(self):
        self.host = WebHost(PROGRAM, self.password, self.old)
        self.caller = Caller(self.host)

    def tearDown(self):
        self.assertEqual(self.host.stop(), 0)

    def assert_error(self, reply, status, code=None):
        self.assertEqual(reply[0], status, reply)
        self.assertTrue(reply[1]["error"]["message"])
        if code:
            self.assertEqual(reply[1]["error"]["code"], code)


class Strangers(ApiTest):
    def test_get_nothing_from_any_route(self):
        for route in GETS + ["nothing", ""]:
            self.assert_error(self.caller.get(route), 401, "login")
        for route, body in POSTS.items():
            self.assert_error(self.caller.post(route, body), 401, "login")
        self.caller.cookie = f"__Host-earthshine-{self.host.port}=" + "0" * 64
        self.caller.csrf = "0" * 64
        for route in GETS:
            self.assert_error(self.caller.get(route), 401, "login")
        self.assertEqual(self.caller.get("session"), (200, {"state": "login"}))

    def test_get_no_files_but_those_of_the_table(self):
        for path in ["/", "/app.css", "/app.js", "/desktop.js", "/icon.svg"]:
            self.assertEqual(self.caller.send("GET", path)[0], 200)
        for path in ["/../etc/passwd", "/%2e%2e/", "/app.js/", "/app.js%00", "/index.html", "//", "/web_host", "/api"]:
            self.assertEqual(self.caller.send("GET", path)[0], 404, path)
        self.assertEqual(self.caller.send("POST", "/", {})[0], 405)

    def test_every_reply_has_the_security_headers(self):
        for path in ["/", "/app.js", "/nothing", "/api/v1/session", "/api/v1/status"]:
            _, headers, _ = self.caller.send("GET", path)
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(headers["X-Frame-Options"], "DENY")
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertIsNone(headers["Access-Control-Allow-Origin"])
            self.assertEqual(len(headers.get_all("Cache-Control")), 1)
            if path.startswith("/api"):
                self.assertEqual(headers["Cache-Control"], "no-store")

    def test_other_host_names_are_refused(self):
        for name in ["evil.example", f"evil.example:{self.host.port}", "127.0.0.1.evil.example"]:
            self.assertEqual(self.caller.send("GET", "/", headers={"Host": name})[0], 403)
            self.assertEqual(self.caller.send("GET", "/api/v1/session", headers={"Host": name})[0], 403)
        for name in ["localhost", f"workstation-3:{self.host.port}", "Workstation-3.local", "192.168.1.5", "[::1]:9"]:
            self.assertEqual(self.caller.send("GET", "/", headers={"Host": name})[0], 200, name)

    def test_logging_in_needs_our_own_page(self):
        for headers in [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": None},
                        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]:
            self.assert_error(self.caller.post("login", {"password": PASSWORD}, headers=headers), 403, "origin")
        self.assert_error(self.caller.post("login", {"password": PASSWORD}, headers={"Content-Type": "text/plain"}),
                          415)
        self.assert_error(self.caller.get("login"), 405)

    def test_wrong_passwords_are_slowed_down(self):
        for _ in range(5):
            self.assert_error(self.caller.post("login", {"password": "wrong"}), 403, "password")
        for password in ["wrong", PASSWORD]:
            status, headers, text = self.caller.send("POST", "/api/v1/login", {"password": password})
            self.assertEqual(status, 429, text)
            self.assertTrue(1 <= int(headers["Retry-After"]) <= 60)

    def test_many_wrong_passwords_at_once_are_no_way_around(self):
        answers = []

        def guess():
            answers.append(Caller(self.host).post("login", {"password": "wrong"})[0])

        threads = [threading.Thread(target=guess) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual(answers.count(403), 5)
        self.assertEqual(answers.count(403) + answers.count(429) + answers.count(503), 12)


class FirstRun(ApiTest):
    password = None

    def test_the_setup_code_opens_once(self):
        self.assertEqual(self.caller.get("session"), (200, {"state": "setup"}))
        self.assert_error(self.caller.post("login", {"password": PASSWORD}), 409, "state")
        good = {"code": SETUP_CODE, "password": PASSWORD}
        self.assert_error(self.caller.post("setup", good, headers={"Origin": "https://evil.example"}), 403, "origin")
        self.assert_error(self.caller.post("setup", {"code": SETUP_CODE, "password": "short"}), 400)
        self.assert_error(self.caller.post("setup", {"code": "AAAA-AAAA", "password": PASSWORD}), 403, "code")
        status, headers, text = self.caller.send("POST", "/api/v1/setup", good)
        self.assertEqual(status, 200, text)
        self.host.expect("stored")
        self.assert_error(Caller(self.host).post("setup", good), 409, "state")
        self.caller.take_login(headers, text)
        self.assertEqual(self.caller.get("clients")[0], 200)
        Caller(self.host).log_in()

    def test_two_setups_at_once_make_one_password(self):
        answers = []

        def set_up(password):
            answers.append(Caller(self.host).post("setup", {"code": SETUP_CODE, "password": password})[0])

        threads = [threading.Thread(target=set_up, args=(f"password {i}",)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [200, 409, 409])

    def test_wrong_codes_are_slowed_down(self):
        for _ in range(5):
            self.assert_error(self.caller.post("setup", {"code": "AAAA-AAAA", "password": PASSWORD}), 403, "code")
        self.assert_error(self.caller.post("setup", {"code": SETUP_CODE, "password": PASSWORD}), 429, "wait")


class LoggedIn(ApiTest):
    def setUp(self):
        super().setUp()
        self.headers = self.caller.log_in()

    def test_the_cookie_is_kept_from_scripts_and_other_sites(self):
        cookie = self.headers["Set-Cookie"]
        self.assertRegex(cookie, r"^__Host-earthshine-\d+=[0-9a-f]{64}; ")
        for flag in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]:
            self.assertIn("; " + flag, cookie)
        self.assertNotIn("Domain", cookie)
        self.assertEqual(self.caller.get("session")[1]["csrf"], self.caller.csrf)

    def test_each_post_needs_the_token_and_our_page(self):
        for route, body in POSTS.items():
            for token in [None, "", "0" * 64, self.caller.csrf[:-1]]:
                self.assert_error(self.caller.post(route, body, headers={"X-CSRF-Token": token}), 403, "csrf")
            for headers in [{"Origin": "https://evil.example"}, {"Origin": None}, {"Sec-Fetch-Site": "cross-site"}]:
                self.assert_error(self.caller.post(route, body, headers=headers), 403, "origin")
        self.assertTrue(self.host.lines.empty())

    def test_the_token_of_another_log_in_is_worth_nothing(self):
        other = Caller(self.host)
        other.log_in()
        self.assert_error(self.caller.post("logout", {}, headers={"X-CSRF-Token": other.csrf}), 403, "csrf")

    def test_wrong_methods_types_and_sizes_are_told_apart(self):
        self.assert_error(self.caller.post("status", {}), 405)
        self.assert_error(self.caller.get("logout"), 405)
        self.assert_error(self.caller.get("nothing"), 404)
        self.assert_error(self.caller.get("desktop/restart-session"), 405, "method")
        self.assert_error(self.caller.get("desktop/restart-server"), 405, "method")
        self.assert_error(self.caller.post("desktop/log", {}), 405, "method")
        self.assertEqual(self.caller.send("POST", "/api/v1/desktop/restart-server", raw=b" " * 5000)[0], 413)
        self.assert_error(self.caller.post("clients/remove", {"id": "tv"}, headers={"Content-Type": "text/plain"}), 415)
        self.assertEqual(self.caller.send("POST", "/api/v1/clients/remove", raw=b" " * 5000)[0], 413)

    def test_anything_but_the_expected_json_is_refused(self):
        for raw in [b"", b"{", b"[]", b"null", b'{"id":1}', b'{"id":"tv","id":"tv"}', b'{"id":"tv","x":"y"}',
                    b'{"id":"\xff"}', b'{"id":""}', b'{"id":"a\\u0000"}', b"[" * 4000, b'{"id":"' + b"a" * 200 + b'"}']:
            status, _, text = self.caller.send("POST", "/api/v1/clients/remove", raw=raw)
            self.assertEqual(status, 400, raw)
            self.assertIn("error", json.loads(text))
        for pin in ["123", "12345", "12a4", "１２３４", " 123"]:
            self.assert_error(self.caller.post("pairings/pin", {"id": "a", "pin": pin, "name": ""}), 400)
        self.assertTrue(self.host.lines.empty())

    def test_requests_reach_the_host(self):
        self.host.tell("ask one 192.168.1.40")
        self.host.tell("ask two 192.168.1.41")
        while len(self.caller.get("pairings")[1]) < 2:
            pass
        self.assertEqual(self.caller.post("pairings/pin", {"id": "two", "pin": "1234", "name": "Télé"}), (200, {}))
        self.host.expect("pin two 1234 Télé")
        self.assertEqual(self.caller.post("pairings/cancel", {"id": "one"})[0], 200)
        self.host.expect("cancel one")
        self.assert_error(self.caller.post("pairings/cancel", {"id": "one"}), 404)
        self.assertEqual(self.caller.post("clients/rename", {"id": "tv", "name": "New"})[0], 200)
        self.host.expect("rename tv New")
        self.assertEqual(self.caller.post("clients/remove", {"id": "deck"})[0], 200)
        self.host.expect("remove deck")
        self.assertEqual([c["name"] for c in self.caller.get("clients")[1]], ["New", "Télé"])
        self.assert_error(self.caller.post("sessions/end", {"id": "s1"}), 404)
        self.assertEqual(self.caller.get("status")[1]["host"], "workstation-3")

    def test_the_rate_of_a_stream_is_a_number(self):
        self.host.tell("stream on")
        while not self.caller.get("status")[1]["sessions"]:
            pass
        for kbps in ["5000", "0", "20000"]:
            self.assertEqual(self.caller.post("sessions/bitrate", {"id": "s1", "kbps": kbps}), (200, {}))
            self.host.expect("bitrate s1 " + kbps)
        self.assert_error(self.caller.post("sessions/bitrate", {"id": "nobody", "kbps": "5000"}), 404)
        for kbps in ["499", "20001", "-1", "5e3", " 5000", "5000000"]:
            self.assert_error(self.caller.post("sessions/bitrate", {"id": "s1", "kbps": kbps}), 400, "bad_value")
        for body in [{"id": "s1"}, {"id": "s1", "kbps": 5000}, {"id": "s1", "kbps": ""}, {"id": "s1", "kbps": "5" * 8}]:
            self.assert_error(self.caller.post("sessions/bitrate", body), 400, "bad_request")
        self.assertTrue(self.host.lines.empty())

    def test_rights_are_a_list_of_words(self):
        for rights in ["mouse", "keyboard mouse touch gamepad", ""]:
            self.assertEqual(self.caller.post("clients/rights", {"id": "tv", "rights": rights}), (200, {}))
            self.host.expect("rights tv " + rights)
            self.assertEqual(self.caller.get("clients")[1][0]["rights"], rights)
        self.assert_error(self.caller.post("clients/rights", {"id": "nobody", "rights": ""}), 404)
        self.assert_error(self.caller.post("clients/rights", {"id": "tv", "rights": "magic"}), 400)
        for body in [{"id": "tv"}, {"rights": ""}, {"id": "tv", "rights": ["mouse"]}, {"id": "tv", "rights": "m" * 65}]:
            self.assert_error(self.caller.post("clients/rights", body), 400)
        self.assertTrue(self.host.lines.empty())

    def test_restarts_reach_a_private_display_only(self):
        for route, told in [("desktop/restart-session", "restart session"), ("desktop/restart-server", "restart server")]:
            self.assert_error(self.caller.post(route, {}), 404, "not_found")
            self.host.tell_status(desktop=scenes.DESKTOP)
            while "desktop" not in self.caller.get("status")[1]:
                pass
            for raw in [b"", b"[]", b'{"id":"x"}', b'"x"', b"null"]:
                self.assertEqual(self.caller.send("POST", "/api/v1/" + route, raw=raw)[0], 400, raw)
            self.assertTrue(self.host.lines.empty())
            self.assertEqual(self.caller.post(route, {}), (200, {}))
            self.host.expect(told)
            self.host.tell_status(desktop={**scenes.DESKTOP, "session": None})
            while self.caller.get("status")[1]["desktop"]["session"]:
                pass
            self.assertEqual(self.caller.post(route, {})[0], 404 if route.endswith("session") else 200)
            if route.endswith("session"):
                self.host.tell("status {\"desktop\": null}")
                while self.caller.get("status")[1]["desktop"]:
                    pass

    def log_after(self, text):
        """The log as the API gives it, once the host has this one."""
        self.host.tell_log(text)
        self.host.tell("ask mark 192.168.1.40")  # lines are obeyed in turn
        while not self.caller.get("pairings")[1]:
            pass
        self.host.tell("gone mark")
        while self.caller.get("pairings")[1]:
            pass
        return self.caller.send("GET", "/api/v1/desktop/log")

    def test_the_log_is_text_in_json_and_its_end_only(self):
        self.assert_error(self.caller.get("desktop/log"), 404, "not_found")
        odd = "(EE) </script><img src=x> \" \\ \x1b[31m\x7f é\n"
        status, headers, text = self.log_after(odd)
        self.assertEqual((status, json.loads(text)), (200, {"log": odd}))
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertNotIn(b"\x1b", text)
        full = "x" * LOG_MAX
        self.assertEqual(json.loads(self.log_after(full)[2]), {"log": full})
        lines = "".join(f"line {i}\n" for i in range(9000))
        log = json.loads(self.log_after(lines)[2])["log"]
        self.assertLessEqual(len(log), LOG_MAX)
        self.assertGreater(len(log), LOG_MAX - 20)
        self.assertTrue(log.startswith("line ") and log.endswith("line 8999\n"))
        log = json.loads(self.log_after("a" + "é" * LOG_MAX)[2])["log"]  # one line: cut between characters
        self.assertEqual(log, "é" * (LOG_MAX // 2))
        log = json.loads(self.log_after("é" * LOG_MAX + "z")[2])["log"]
        self.assertEqual(log, "é" * (LOG_MAX // 2 - 1) + "z")
        self.assertEqual(json.loads(self.log_after("")[2]), {"log": ""})

    def test_a_new_password_ends_all_other_log_ins(self):
        other = Caller(self.host)
        other.log_in()
        change = {"old": "wrong", "new": "a new password"}
        self.assert_error(self.caller.post("password", change), 403, "password")
        change["old"] = PASSWORD
        status, headers, text = self.caller.send("POST", "/api/v1/password", change)
        self.assertEqual(status, 200, text)
        self.assert_error(other.get("status"), 401)
        self.assert_error(self.caller.get("status"), 401)
        self.caller.take_login(headers, text)
        self.assertEqual(self.caller.get("status")[0], 200)
        self.assert_error(other.post("login", {"password": PASSWORD}), 403)
        other.log_in("a new password")

    def open_events(self):
        connection = self.caller.connect()
        connection.request("GET", "/api/v1/events", headers={"Cookie": self.caller.cookie})
        reply = connection.getresponse()
        self.assertEqual(reply.status, 200)
        self.assertTrue(reply.headers["Content-Type"].startswith("text/event-stream"))
        return connection, reply

    @staticmethod
    def next_event(reply):
        while True:
            line = reply.readline()
            if not line:
                return None
            if line.startswith(b"data:"):
                return json.loads(line[5:])

    def test_events_tell_the_whole_state_and_what_is_new(self):
        connection, reply = self.open_events()
        self.assertEqual(reply.headers["Cache-Control"], "no-store")
        self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(reply.headers["Cross-Origin-Resource-Policy"], "same-origin")
        self.assertIn("default-src 'none'", reply.headers["Content-Security-Policy"])
        first = self.next_event(reply)
        self.assertEqual(sorted(first), ["clients", "now_ms", "pairings", "status"])
        self.host.tell("ask one 192.168.1.40")
        while [p["id"] for p in self.next_event(reply)["pairings"]] != ["one"]:
            pass
        connection.close()

    def test_events_end_with_the_log_in(self):
        connection, reply = self.open_events()
        self.next_event(reply)
        status, headers, _ = self.caller.send("POST", "/api/v1/logout", {})
        self.assertEqual(status, 200)
        self.assertIn("Max-Age=0", headers["Set-Cookie"])
        while self.next_event(reply) is not None:
            pass
        connection.close()
        self.assert_error(self.caller.get("events"), 401)

    def test_the_host_ends_well_in_the_middle_of_things(self):
        streams = [self.open_events() for _ in range(3)]
        pending = self.caller.connect()
        pending.request("POST", "/api/v1/login", json.dumps({"password": "wrong"}),
                        {"Content-Type": "application/json", "Origin": f"https://127.0.0.1:{self.host.port}"})
        self.addCleanup(lambda: [one.close() for one in [pending] + [s[0] for s in streams]])


class OldHost(ApiTest):
    old = True

    def test_knows_nothing_of_desktops(self):
        self.caller.log_in()
        self.assert_error(self.caller.get("desktop/log"), 404, "not_found")
        for route in ["desktop/restart-session", "desktop/restart-server"]:
            self.assert_error(self.caller.post(route, {}), 404, "not_found")
        self.assert_error(self.caller.post("clients/rights", {"id": "tv", "rights": ""}), 404, "not_found")
        self.assertEqual(self.caller.get("status")[0], 200)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()

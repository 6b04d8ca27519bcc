"""A plugin beside a real bot."""

import asyncio
import json
import os
import subprocess
import unittest
from importlib.util import find_spec

MISSING = [p for p in ("nats", "nkeys") if find_spec(p) is None]
REASON = f"not installed: {', '.join(MISSING)} (pip install 'nats-py[nkeys]')" if MISSING else "ROSEY_TEST_PROGRAM does not name a built rosey" if not os.environ.get("ROSEY_TEST_PROGRAM") else ""

CHAT, LETTER = "cytube.send.chat", "plugin.probe.event.dead_letter"


@unittest.skipIf(REASON, REASON)
class TestPlugin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from tests.bot import Bot

        cls.loop, cls.bot = asyncio.new_event_loop(), Bot()
        cls.do(cls.bot.start())
        cls.do(cls.bot.start_plugin())

    @classmethod
    def tearDownClass(cls):
        cls.do(cls.bot.stop())
        cls.loop.close()

    @classmethod
    def do(cls, work):
        return cls.loop.run_until_complete(asyncio.wait_for(work, 60))

    def ask(self, line):
        return self.do(self.bot.ask(line))

    def next(self, start, subject, message=None):
        return self.do(self.bot.next(start, subject, message))

    def test_answers_in_the_conversation_of_the_command(self):
        start = len(self.bot.lines)
        self.assertEqual(self.ask("!hello  big   world"), "hello big   world")
        body, headers = next((b, h) for s, _, b, h in self.bot.lines[start:] if s == CHAT)
        self.assertRegex(headers["Nats-Msg-Id"], r"^plugin-probe/PLUGIN:\d+/1~[\w-]{16}$")
        self.assertEqual(headers["Rosey-Correlation-Id"], body["correlation_id"])
        self.assertRegex(body["metadata"]["causation_id"], r"^PLUGIN:\d+$")
        self.assertEqual(self.ask("!hi"), "hello operator")

    def test_tells_users_what_they_did_wrong(self):
        self.assertEqual(self.ask("!mistyped"), "❌ write it right")
        start = len(self.bot.lines)
        self.assertEqual(self.ask("!flaky"), "operator: !flaky did not work yet, trying again")
        self.next(start, CHAT, "worked at 2")
        self.assertEqual(self.ask("!slow"), "operator: !slow took longer than 0.2s, trying again")
        self.assertEqual(self.next(start, LETTER)["error_code"], "TIMEOUT")

    def test_makes_dead_letters(self):
        start = len(self.bot.lines)
        self.bot.say("!broken")
        letter = self.next(start, LETTER)
        self.assertEqual([letter[k] for k in ("error", "attempts", "consumer", "subject")], ["never works", 3, "plugin-probe", "plugin.probe.command"])
        self.next(start, CHAT, "operator: !broken failed, an operator can see why (rosey dead ls)")
        for body in (b"not JSON", b"null", b'{"command":"hello"}'):
            start = len(self.bot.lines)
            self.do(self.bot.nc.publish("plugin.probe.command", body))
            letter = self.next(start, LETTER)
            self.assertTrue(letter["error"].startswith("malformed event: ") and letter["attempts"] == 1, letter)

    def test_handles_an_event_once_that_its_process_died_with(self):
        self.assertEqual(self.ask("!count"), "counted 1")
        start = len(self.bot.lines)
        self.bot.say("!count die")
        self.do(self.bot.plugin.wait())
        self.do(self.bot.start_plugin())
        self.next(start, CHAT, "counted 2")
        self.assertEqual(self.ask("!count"), "counted 3")
        self.assertEqual([d["message"] for s, d, _, _ in self.bot.lines[start:] if s == CHAT], ["counted 2", "counted 3"])

    def test_takes_settings_while_it_runs(self):
        from tests.bot import until

        async def says(text):
            return await self.bot.ask("!hello") == text

        self.bot.rosey("settings", "set", "probe", "greeting", "ahoy", "--channel", "local")
        self.do(until(lambda: says("ahoy operator")))
        with self.assertRaises(subprocess.CalledProcessError):
            self.bot.rosey("settings", "set", "probe", "times", "9")
        self.bot.rosey("settings", "unset", "probe", "greeting", "--channel", "local")
        self.do(until(lambda: says("hello operator")))

    def test_stores_records_sets_timers_handles_events(self):
        self.assertEqual(self.ask("!store"), "1 2 1 RECORD_NOT_FOUND")
        start = len(self.bot.lines)
        self.bot.say("!tea")
        self.next(start, CHAT, "tea for operator")
        self.assertFalse([s for s, *_ in self.bot.lines[start:] if s.endswith(".coffee")])
        self.do(self.bot.nc.publish("plugin.other.event.thing", b'{"thing": "it", "channel": "local"}'))
        self.next(start, CHAT, "saw it")
        self.assertNotEqual(self.ask("!lots"), self.ask("!lots"))

    def test_is_told_what_it_may_not_ask(self):
        start = len(self.bot.lines)
        self.bot.say("!vote")
        letter = self.next(start, LETTER)
        self.assertRegex(letter["error"], "rosey plugin grant probe poll[.]vote")
        self.assertEqual(letter["attempts"], 1)

    def test_answers_requests(self):
        def ask(data):
            return json.loads(self.do(self.bot.nc.request("plugin.probe.request.double", json.dumps(data).encode(), timeout=60)).data)

        self.assertEqual(ask({"n": 21}), {"success": True, "n": 42})
        self.assertEqual(ask({}), {"success": False, "error": "n must be a number", "error_code": "INVALID_INPUT", "details": {}})

    def test_reads_what_is_no_envelope_in_the_conversation_that_others_take_it_for(self):
        start = len(self.bot.lines)
        self.do(self.bot.nc.publish("plugin.probe.command", b'{"command": "hello", "user": "bare"}'))
        self.next(start, CHAT, "hello bare")
        conversation = next(b["correlation_id"] for _, d, b, _ in self.bot.lines[start:] if d.get("message") == "hello bare")
        stored = self.bot.rosey("replay", "--subject", "plugin.probe.command", "--correlation", conversation, "--output", "json")
        self.assertEqual(json.loads(stored)["data"]["user"], "bare")

    def test_is_listed_while_it_runs(self):
        row = next(line.split() for line in self.bot.rosey("plugin", "ls").splitlines() if line.split()[:1] == ["probe"])
        self.assertEqual(row[1:4], ["1.0", "running", "1"])

    def test_registers_again_when_its_registration_is_gone(self):
        from rosey.bus import Bus
        from tests.bot import until

        bus = Bus(self.bot.nc, "test")
        self.do(self.bot.nc.request("$KV.plugins.probe", b"", headers={"KV-Operation": "DEL"}))
        self.do(until(lambda: bus.read("plugins", "probe")))

    def test_z_finishes_what_it_handles_when_it_is_stopped(self):
        start = len(self.bot.lines)
        self.bot.say("!pause")
        self.next(start, "plugin.nobody.request")
        self.bot.say("!hello")  # waits for the next process
        self.assertEqual(self.do(self.bot.stop_plugin()), 0)
        self.next(start, CHAT, "TIMEOUT")
        self.do(self.bot.start_plugin(PROBE_MAX_AGE="0.001"))
        self.assertEqual(self.next(start, "plugin.probe.event.expired")["max_age"], 0.001)

    def test_zz_ends_when_it_is_stopped_and_the_server_is_away(self):
        self.bot.kill()
        self.assertEqual(self.do(self.bot.stop_plugin()), 0)

    def test_the_examples_of_the_contract(self):
        from rosey import EventBus
        from rosey.bus import Bus

        event_bus, seen = EventBus(Bus(self.bot.nc, "example")), asyncio.Queue()

        async def handle_command(event):
            if "command" not in event.data or "user" not in event.data:
                return
            response = await event_bus.request("database.get", {"collection": "quotes", "id": 999}, timeout=5)
            await event_bus.publish(CHAT, {"message": f"{response['success']} {response['error_code']}"})
            await seen.put(event.correlation_id)

        self.do(event_bus.subscribe("plugin.*.command", handle_command))
        start = len(self.bot.lines)
        self.do(event_bus.publish("plugin.dice-roller.command", {"command": "roll", "args": ["2d6"], "user": "alice"}, correlation_id="c-1"))
        self.next(start, CHAT, "False RECORD_NOT_FOUND")
        self.assertEqual(self.do(seen.get()), "c-1")
        said = next(b for s, d, b, _ in self.bot.lines[start:] if d.get("message") == "False RECORD_NOT_FOUND")
        self.assertEqual(said["correlation_id"], "c-1")


if __name__ == "__main__":
    unittest.main()

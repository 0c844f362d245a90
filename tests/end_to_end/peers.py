#!/usr/bin/env python3
"""What goes wrong in other servers of many models, as 44 lines: which test shows that it does not here, and those that have no other place.

A test that bears a line's number is of that line. None of the lines is refused.
"""
import os
import re
import subprocess
import tempfile
import threading
import time
import unittest

import headroomd
from fleet import DEMO, Daemon, footprint, in_parallel, large_model, tearDownModule
from headroomd import BUILD, ENGINE, ROOT, ask, chat, eventually

FLEET, FLEET_UNIT = "tests/end_to_end/fleet.py", "tests/unit/daemon/models/test_models.c"
FAILING, ADMISSION = "tests/unit/daemon/models/test_models_failing.c", "tests/unit/policy/test_policy_admission.c"
LOADS, DECIDE = "tests/unit/policy/test_policy_loads.c", "tests/unit/policy/test_policy_decide.c"
PEERS, SERVING, OLLAMA, SCENARIOS = "tests/end_to_end/peers.py", "tests/end_to_end/serving.py", "tests/end_to_end/ollama.py", "tests/scenarios"

# The line, and where it is shown: a test, a row of one by its first words, or a scenario that `headroomctl simulate` replays.
LINES = {
    1: ("the first request loads, waits and is served", (FLEET, "test_the_first_request_loads_waits_and_is_answered")),
    2: ("ten first requests at once start one process", (FLEET, "test_ten_at_once_start_one_process")),
    3: ("a load fails: all who wait hear the same, and its place is free", (PEERS, "test_03_a_load_fails_for_all_who_wait")),
    4: ("a client leaves while its model loads: nothing leaks", (FLEET, "test_a_client_that_leaves_while_loading_leaves_nothing_behind")),
    5: ("a request during the stop loads it again", (FLEET_UNIT, "a_request_during_the_stop_loads_it_again")),
    6: ("the idle time counts when idle, begins anew with a request, and races with none", (PEERS, "test_06_the_time_of_an_idle_model")),
    7: ("an engine that ignores the request to stop is killed, its group too", (FLEET_UNIT, "an_engine_that_ignores_us_is_killed"),
        (FLEET, "test_an_engine_that_does_not_stop_is_killed_and_makes_room")),
    8: ("what an engine has started goes with it", (PEERS, "test_08_what_an_engine_has_started_goes_with_it")),
    9: ("the daemon dies: the engines exit", (FLEET, "test_no_engine_outlives_the_daemon"), ("tests/end_to_end/worker.py", "test_it_dies_with_its_parent")),
    10: ("an engine dies amid a stream: told there, the next request starts it, and after the third it rests",
         (FLEET, "test_a_killed_engine_ends_streams_in_band_or_answers_anew"), (FLEET, "test_repeated_deaths_back_off")),
    11: ("exactly the budget fits, a byte more does not", (FLEET_UNIT, "exactly_the_budget_fits"), (ADMISSION, "one byte over the budget")),
    12: ("a busy one is never cut", (FLEET, "test_a_busy_model_is_never_cut_and_the_waiter_gets_its_turn")),
    13: ("who has just been loaded answers before it leaves", (PEERS, "test_13_who_has_been_loaded_answers_first")),
    14: ("two who wait share one eviction", (FLEET_UNIT, "two_waiters_share_one_eviction")),
    15: ("loads that fit beside each other run at once, others do not", (FLEET_UNIT, "loads_that_fit_run_at_once"),
         (LOADS, "room that is being made is promised")),
    16: ("pinned ones stay, and where only those are it is said", (FLEET, "test_pinned_stays_and_the_refusal_says_so")),
    17: ("the least recently finished leaves", (FLEET, "test_the_least_recently_finished_leaves")),
    18: ("a size that was told wrong: what is measured counts", (FAILING, "a_model_that_lied_about_its_size_is_found_out"),
         (FLEET, "test_what_was_measured_is_remembered")),
    19: ("bytes of an engine that stops are free when it is gone", (ADMISSION, "a stopping one still counts"),
         (FLEET, "test_two_models_in_a_budget_for_one_alternate")),
    20: ("one who waits beside a hot model is served in time", (FLEET_UNIT, "a_hot_model_gives_way_in_time"),
         ("tests/unit/policy/test_policy_schedule.c", "a_rare_model_beside_a_hot_one")),
    21: ("a victim that is asked all the time leaves nevertheless", (FLEET, "test_a_busy_model_is_never_cut_and_the_waiter_gets_its_turn")),
    22: ("what never fits is refused on the processor too", (FLEET, "test_what_can_never_fit_is_refused_at_once_with_the_numbers")),
    23: ("pressure rises: steps, then all back, without swinging", (DECIDE, "all_is_given_back"), (DECIDE, "who_changes_too_often_stays_low"),
         (SCENARIOS, "precision-that-flaps-stays-low")),
    24: ("pressure of another group costs us nothing", (SCENARIOS, "others-stall-is-not-ours")),
    25: ("pages that a load reads are that load's", (DECIDE, "a model reads its weights for the first time"), (SCENARIOS, "a-load-is-no-decline")),
    26: ("swap that is full and quiet is no reason to act", (SCENARIOS, "swap-used-is-history")),
    27: ("nothing can be evicted: it stands still, and is said once", (DECIDE, "nothing to give at all"), (DECIDE, "all are pinned"),
         ("tests/unit/daemon/governor/test_governor.c", "the_same_refusal_is_no_news")),
    28: ("precision falls while a stream goes on", ("tests/end_to_end/downshift.py", "test_memory_falls_while_the_answer_goes_on")),
    29: ("what is kept of prompts counts, and goes first", ("tests/end_to_end/governor.py", "test_prefix_caches_go_first")),
    30: ("hot: it is throttled, and let go below the limit", ("tests/end_to_end/governor.py", "test_it_gets_hot_and_the_sensor_is_lost"),
         (SCENARIOS, "five-degrees-from-critical")),
    31: ("a stream says what a whole answer does", (OLLAMA, "test_31_a_stream_says_what_a_whole_answer_does"),
         (SERVING, "test_stream_says_what_the_whole_answer_says")),
    32: ("the role once, one id and time, usage only where asked for", (SERVING, "test_stream_says_what_the_whole_answer_says")),
    33: ("[DONE] at the end of every stream", (SERVING, "test_stream_says_what_the_whole_answer_says")),
    34: ("401 in its form, X-Api-Key, OPTIONS of a page", (PEERS, "test_34_keys_and_pages")),
    35: ("an unknown model is a 404, as OpenAI and as Ollama say it", (OLLAMA, "test_35_an_unknown_model")),
    36: ("a full service says 503 and when to come back", (FAILING, "a_full_service_is_said_at_once")),
    37: ("a full model says 429 and when to come back", (PEERS, "test_37_a_full_model_says_when_to_come_back")),
    38: ("a prompt that is too long is a 400", (SERVING, "test_prompt_too_long")),
    39: ("keep_alive as 0, -1, \"10m\" and a number", (OLLAMA, "test_39_keep_alive")),
    40: ("expires_at is a time as ISO 8601 has it", (OLLAMA, "test_40_expiry_is_a_time_as_iso_8601_has_it")),
    41: ("looking wakes nothing", (OLLAMA, "test_41_looking_wakes_nothing_and_resets_no_time")),
    42: ("a damaged file of a state is no crash", ("tests/end_to_end/levers.py", "test_bad_files"), ("tests/end_to_end/prompts.py", "test_damage")),
    43: ("a reload leaves what has not changed", ("tests/end_to_end/reload.py", "test_a_changed_one_counts_from_its_next_load"),
         (PEERS, "test_43_a_reload_leaves_what_has_not_changed")),
    44: ("/health tells whether the scheduler lives", ("tests/unit/daemon/api/test_api.c", "stalled")),
}


class Peers(unittest.TestCase):
    def test_each_line_is_shown(self):
        self.assertEqual(list(LINES), list(range(1, 45)))
        for number, (_, *shown) in LINES.items():
            for path, name in shown:
                with self.subTest(number=number, path=path, name=name):
                    if path == SCENARIOS:
                        self.assertTrue(os.path.exists(os.path.join(ROOT, path, name + ".scenario")))
                        continue
                    with open(os.path.join(ROOT, path)) as f:
                        self.assertRegex(f.read(), rf"(def|void) {name}\b|\"[^\"]*{re.escape(name)}")

    def engine(self, script):
        """Stands before the real one when it is to serve."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "engine")
        with open(path, "w") as f:
            f.write(f"#!/bin/sh\ncd {folder.name}\ntest $1 != worker || {{ {script}; }}\nexec {ENGINE} \"$@\"\n")
        os.chmod(path, 0o755)
        return path

    def test_03_a_load_fails_for_all_who_wait(self):
        engine = self.engine("test -e good || { sleep 1; echo no luck >&2; exit 3; }")
        with Daemon({"demo": DEMO, "other": DEMO}, engine=engine) as d:
            answers = in_parallel(5, lambda i: d.ask("demo"))
            self.assertEqual({(a.status, a.error["code"]) for a in answers}, {(502, "engine_died")})
            self.assertEqual(len({a.error["message"] for a in answers}), 1)
            self.assertIn("ended while it loaded", answers[0].error["message"])
            status = d.status()
            self.assertEqual((status["requests_waiting"], status["requests_running"], status["reserved_bytes"]), (0, 0, 0))
            with open(os.path.join(os.path.dirname(engine), "good"), "w"):
                self.assertEqual(d.ask("other").status, 200)

    def test_06_the_time_of_an_idle_model(self):
        with Daemon({"demo": (DEMO, "keep_alive = 20s"), "brief": (large_model(), "keep_alive = 300ms")}) as d:
            d.ask("demo")
            time.sleep(1)
            before = d.model("demo")["expires_in_ms"]
            d.ask("demo")
            self.assertGreater(d.model("demo")["expires_in_ms"], before)

            stream = d.stream("brief", max_tokens=2000).read_some()  # which it does not read for longer than the time
            time.sleep(1)
            self.assertEqual(d.model("brief")["running"], 1)
            stream.read_all()
            self.assertTrue(stream.done, stream.error)
            for late_ms in range(260, 360, 8):  # just as the time is over
                time.sleep(late_ms / 1000)
                self.assertEqual(d.ask("brief", max_tokens=1).status, 200)

    def test_08_what_an_engine_has_started_goes_with_it(self):
        engine = self.engine("sleep 1000 & echo $! >child; sleep 1000 & echo $! >>child")
        with Daemon({"demo": DEMO}, engine=engine) as d:
            self.assertEqual(d.ask("demo").status, 200)
            with open(os.path.join(os.path.dirname(engine), "child")) as f:
                children = f.read().split()
            self.assertEqual(len(children), 2)
            d.control("POST", "/control/unload", {"model": "demo"})
            eventually(lambda: not any(self.lives(pid) for pid in children))

    @staticmethod
    def lives(pid):
        try:
            with open(f"/proc/{pid}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def test_13_who_has_been_loaded_answers_first(self):
        size = footprint(DEMO)
        with Daemon({"a": DEMO, "b": DEMO}, budget=size + size // 2, limits="min_residency = 0", defaults="context = 512") as d:
            for round_ in range(1, 4):
                answers = in_parallel(2, lambda i: d.ask("ab"[i]))
                self.assertEqual([a.status for a in answers], [200, 200])
                self.assertLessEqual(d.model("a")["loads"] + d.model("b")["loads"], 2 * round_)

    def test_34_keys_and_pages(self):
        page = "https://app.example.org"
        daemon = headroomd.Daemon(f"[server]\norigins = {page}\n")
        self.addCleanup(daemon.done)
        made = subprocess.run([BUILD + "/headroomctl", "--socket", daemon.control_path, "key", "add", "a"], capture_output=True, text=True, check=True)
        refused = ask(daemon, "POST", "/v1/chat/completions", chat(), Origin=page, Content_Type="application/json")
        self.assertEqual((refused.status, refused.headers["access-control-allow-origin"]), (401, page))
        self.assertEqual((refused.json()["error"]["type"], refused.json()["error"]["code"]), ("authentication_error", "invalid_api_key"))
        self.assertEqual(ask(daemon, "POST", "/v1/chat/completions", chat(), X_Api_Key=made.stdout.strip()).status, 200)
        asked = ask(daemon, "OPTIONS", "/v1/chat/completions", Origin=page, Access_Control_Request_Method="POST", Access_Control_Request_Headers="x-api-key")
        self.assertEqual((asked.status, asked.headers["access-control-allow-origin"]), (204, page))
        self.assertIn("POST", asked.headers["access-control-allow-methods"])

    def test_37_a_full_model_says_when_to_come_back(self):
        with Daemon({"large": (large_model(), "parallel = 1\nqueue = 1")}) as d:
            stream = d.stream("large", max_tokens=3000).read_some()  # and no more until it drains, so it is not over
            waiter = threading.Thread(target=lambda: d.ask("large", max_tokens=1))
            waiter.start()
            eventually(lambda: d.model("large")["waiting"] == 1)
            refused = d.ask("large")
            self.assertEqual((refused.status, refused.error["type"], refused.error["code"]), (429, "rate_limit_error", "concurrency_limit"))
            self.assertGreater(int(refused.headers["Retry-After"]), 0)
            self.assertEqual(refused.headers["x-should-retry"], "true")
            stream.connection.close()
            waiter.join()

    def test_43_a_reload_leaves_what_has_not_changed(self):
        with Daemon({"demo": DEMO, "other": DEMO}) as d:
            d.ask("demo"), d.ask("other")
            before = d.model("demo")
            d.write("models.d/other.conf", f"[model]\npath = {DEMO}\nkeep_alive = 9m\n")
            told = d.control("POST", "/control/reload")
            self.assertTrue(told["taken"], told)
            self.assertFalse([change for change in told["changes"] if "demo" in change])
            after = d.model("demo")
            self.assertEqual((after["pid"], after["loads"], after["state"]), (before["pid"], 1, "ready"))


if __name__ == "__main__":
    unittest.main()

"""The page at /ui/, as somebody sees and works it in a real browser."""
import os
import pathlib
import re
import tempfile
import time
import unittest

from chromium import Chromium
from system import UNKNOWN, Guarded, System

TAB, ENTER, ESCAPE, RIGHT, LEFT = "\ue004", "\ue007", "\ue00c", "\ue014", "\ue012"
HTML = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=2</script>"
VIEWS = ("#/queues", "#/queues/orders", "#/services", "#/dead", "#/find?status=", "#/charts")


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Chromium()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.expected_lines = []
        self.browser.open("about:blank")
        self.browser.console(), self.browser.requested()

    def start(self, *sets):
        system = System(*sets)
        self.addCleanup(system.__exit__)
        return system

    def open(self, system, view=""):
        self.browser.open("about:blank")
        self.browser.open(system.page + view)
        self.browser.until(lambda: self.browser.find_all("h1"), "a heading")
        self.addCleanup(self.check_what_the_browser_noted, system)

    def check_what_the_browser_noted(self, system):
        """Nothing was asked of anybody else, and the console is empty but for what a test says."""
        elsewhere = [url for url in self.browser.requested() if not url.startswith((system.page[:-len("ui/")], "about:", "data:"))]
        self.assertEqual(elsewhere, [])
        lines = [line for line in self.browser.console() if not any(re.search(known, line) for known in self.expected_lines)]
        self.assertEqual(lines, [])

    def pretend(self, path, value, status=200):
        """From now on the page is answered this, at paths that end so."""
        self.browser.run("const [path, value, status] = arguments, ask = fetch; window.fetch = (url, how) => new URL(url).pathname.endsWith(path) ? "
                         "Promise.resolve(new Response(JSON.stringify(value), {status})) : ask(url, how)", path, value, status)

    def row(self, name):
        """What the cells of a row say."""
        return self.browser.run("return [...document.querySelectorAll('tbody tr')].filter(r => r.cells[0].innerText === arguments[0])"
                                ".map(r => Object.fromEntries([...r.cells].map(c => [c.dataset.title, c.innerText])))[0]", name) or {}

    def fact(self, name):
        return self.browser.run("return [...document.querySelectorAll('dl > div')].filter(d => d.firstChild.innerText === arguments[0])"
                                ".map(d => d.lastChild.innerText)[0]", name)

    def in_zone(self, name):
        self.browser.protocol("Emulation.setTimezoneOverride", timezoneId=name)
        self.addCleanup(self.browser.protocol, "Emulation.setTimezoneOverride", timezoneId="")

    def confirm(self, answer):
        self.browser.click("dialog button", answer)

    def picture(self, name):
        if "AMC_SCREENSHOTS" in os.environ:
            folder = pathlib.Path(os.environ["AMC_SCREENSHOTS"])
            folder.mkdir(parents=True, exist_ok=True)
            self.browser.screenshot(folder / f"{name}.png")


class Looking(PageTest):
    def test_an_empty_system_says_so_and_what_to_do(self):
        system = self.start()
        self.open(system)
        self.browser.until_says("Nothing waits")
        self.browser.until_says(f"curl {system.page[:-len('ui/')]}queues/hello/messages")
        self.picture("empty")
        system.post("hello", "Hello")
        self.browser.until_says("hello", "tbody th")
        self.assertNotIn("Nothing waits", self.browser.text("main"))

    def test_without_a_slash_it_is_the_same_page(self):
        system = self.start()
        self.browser.open(system.page[:-1])
        self.browser.until(lambda: self.browser.url().startswith(system.page), "the page's own address")

    def test_queues_tell_what_waits_in_them(self):
        system = self.start()
        system.post_many("orders", [{"message": {"order": n}} for n in range(5)])
        system.post("later", deliver_at="2999-01-01T00:00:00Z")
        system.kill("fragile", [{"message": "x"}] * 3, "no paper")
        system.take("orders", 2)
        self.open(system)
        row = lambda name: self.browser.run(
            "return [...document.querySelectorAll('tbody tr')].filter(r => r.cells[0].innerText === arguments[0])"
            ".map(r => [...r.cells].slice(0, 5).map(c => c.innerText))[0]", name)
        self.browser.until(lambda: row("orders") == ["orders", "5", "3", "2", "0"], "the figures of orders")
        self.assertEqual(row("fragile"), ["fragile", "0", "0", "0", "3"])
        self.assertEqual(row("later")[:4], ["later", "1", "0", "1"])
        self.browser.click("th button", "Dead")
        self.browser.until(lambda: self.browser.text("tbody th").startswith("fragile"), "the queue with the most dead letters first")

    def test_under_load_it_goes_on_without_losing_focus_or_scroll(self):
        system = self.start()
        system.post_many("orders", [{"message": f"order {n}"} for n in range(45)])
        self.open(system, "#/queues/orders")
        self.browser.until(lambda: len(self.browser.find_all("tbody tr")) == 45, "45 rows")
        self.browser.run("document.querySelectorAll('tbody a')[30].focus(); scrollTo(0, 600)")
        # Not scrollY: what grows above moves that, so that what is seen stays where it is.
        focus = "return [document.activeElement.textContent, document.activeElement.getBoundingClientRect().top]"
        seen = self.browser.run(focus)
        with system.service("others", lambda delivery: None):
            for _ in range(20):
                system.post_many("others", [{"message": "x"}] * 50)
        system.post_many("orders", [{"message": "one more"}])
        self.browser.until_says("46 messages shown")
        self.assertEqual(self.browser.run(focus), seen)

    def test_of_many_messages_a_page_is_read_at_a_time(self):
        system = self.start()
        for _ in range(3):
            system.post_many("orders", [{"message": f"order {n}"} for n in range(1000)])
        self.open(system, "#/queues/orders")
        self.browser.until_says("50 messages shown, the oldest first; there are more")
        self.browser.click("button", "Show more")
        self.browser.until_says("100 messages shown")
        self.assertEqual(self.browser.text("dl.tiles dd").split("\n")[0], "3,000")

    def test_it_says_that_the_broker_does_not_answer_and_goes_on_when_it_does(self):
        self.expected_lines = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "503"]
        system = self.start()
        system.post("orders")
        self.open(system)
        self.browser.until_says("orders", "tbody")
        system.stop()
        self.browser.until_says("The broker does not answer", "[role=alert]")
        self.assertIn("orders", self.browser.text("tbody"))
        self.picture("silent")
        system.start(system.port)
        system.post("invoices")
        self.browser.until_says("invoices", "tbody")
        self.browser.until_says("The broker answers again", "[role=status]")
        self.assertEqual(self.browser.shown("#banner"), [])

    def test_it_says_that_the_engine_is_unreachable(self):
        system = self.start()
        self.open(system)
        self.pretend("readyz", {"status": "degraded"})
        self.browser.until_says("The queue engine is unreachable", "[role=alert]")

    def test_it_says_why_the_engine_is_unreachable_where_it_is_told(self):
        system = self.start()
        self.open(system)
        self.pretend("readyz", {"status": "degraded", "platform": "away", "platform_because": "nats at nats://127.0.0.1:4222: Connection refused"})
        self.browser.until_says("until it is back. (nats at nats://127.0.0.1:4222: Connection refused)", "[role=alert]")

    def test_it_says_what_is_wrong_with_the_store_where_it_is_told(self):
        system = self.start()
        self.open(system)
        self.pretend("readyz", {"status": "unavailable", "store": "away", "store_because": "no room on the disk: /var/lib/amc"}, 503)
        self.browser.until_says("changed until it can. (no room on the disk: /var/lib/amc)", "[role=alert]")

    def test_a_queue_that_waits_for_nobody_is_marked_in_words(self):
        system = self.start()
        self.open(system)
        queue = {"pending": 1, "due": 0, "held": 0, "dead": 0, "oldest_age_ms": 9_000, "engine_depth": 1, "rate_in_per_s": 0, "rate_out_per_s": 0,
                 "rate_failed_per_s": 0, "receivers": 0, "services": [], "paused": None}
        gone, here = {"name": "mailer", "seen_ago_ms": 370_000}, {"name": "packer", "seen_ago_ms": 500}
        self.pretend("queues", {"queues": [{"queue": name, **queue, **more} for name, more in {
            "rung": {}, "left-behind": {"held": 1}, "gone": {"services": [gone]}, "received": {"services": [here, gone]}, "parked": {"receivers": 1},
            "scheduled": {"held": 1, "oldest_age_ms": None}, "empty": {"pending": 0, "oldest_age_ms": None, "services": [gone]}}.items()]})
        self.browser.until_says("rung", "tbody")
        marked = self.browser.run("return [...document.querySelectorAll('tbody td[data-mark=bad]')].map(c => c.parentElement.cells[0].innerText)")
        self.assertEqual(marked, ["rung", "left-behind", "gone"])
        self.assertEqual([self.row(name)["Received by"] for name in ("rung", "gone", "received", "scheduled", "empty")],
                         ["nobody, though messages wait", "mailer (6 min ago): nobody now, though messages wait", "packer, mailer (6 min ago)", "nobody",
                          "mailer (6 min ago)"])
        self.picture("nobody")
        self.browser.run("location.hash = '#/queues/gone'")
        self.browser.until_says("mailer (6 min ago): nobody now, though messages wait", ".tiles [data-mark=bad]")

    def test_what_fails_more_than_it_succeeds_is_marked(self):
        system = self.start()
        self.open(system)
        queue = {"pending": 0, "due": 0, "held": 0, "dead": 0, "oldest_age_ms": None, "engine_depth": 0, "rate_in_per_s": 3, "receivers": 1, "services": []}
        self.pretend("queues", {"queues": [{"queue": "poison", **queue, "rate_out_per_s": 0.5, "rate_failed_per_s": 2.5},
                                           {"queue": "fair", **queue, "rate_out_per_s": 3, "rate_failed_per_s": 0.5}]})
        self.browser.until_says("poison", "tbody")
        self.assertEqual([self.row("poison")["Failed /s"], self.row("fair")["Failed /s"]], ["2.5\nmore than out", "0.5"])
        self.assertEqual(self.browser.text("tbody td[data-mark=bad]"), "2.5\nmore than out")
        self.browser.run("location.hash = '#/queues/poison'")
        self.browser.until_says("2.5, more than out", ".tiles [data-mark=bad]")

    def test_a_queue_tells_why_its_oldest_message_waits(self):
        system = self.start()
        for _ in range(3):
            system.post("orders", deliver_at="2999-01-01T00:00:00Z")
        id = system.post("orders")
        self.open(system, "#/queues/orders")
        self.browser.until_says("The oldest message that waits: nobody has received from orders through this broker", ".oldest")
        self.picture("oldest")
        self.browser.click("a", "Its charts")
        self.browser.until(lambda: "#/charts?queue=orders" in self.browser.url(), "the charts of this queue")
        self.browser.run("location.hash = '#/queues/orders'")
        self.browser.click(".oldest a")
        self.browser.until_says(id, "h1")

    def test_of_an_empty_queue_nothing_is_explained(self):
        system = self.start()
        system.kill("orders", [{"message": "x"}], "no")
        self.open(system, "#/queues/orders")
        self.browser.requested()
        asked = []
        self.browser.until(lambda: asked.extend(self.browser.requested()) or sum(url.endswith("/queues") for url in asked) >= 3, "two more looks")
        self.assertEqual([url for url in asked if "explain" in url or "status=pending" in url], [])
        self.assertEqual(self.browser.shown(".oldest"), [])

    def test_times_are_utc_and_say_so(self):
        system = self.start()
        id = system.post("orders", deliver_at="2999-01-01T23:30:00Z")
        self.open(system)
        self.in_zone("Asia/Tokyo")
        self.browser.run(f"location.hash = '#/messages/{id}'")
        self.browser.until_says("2999-01-01 23:30:00 UTC", ".reason")
        self.browser.until(lambda: self.fact("Due") == "2999-01-01 23:30:00.000 UTC", "when it is due, in UTC")
        self.assertIn("Times are UTC", self.browser.text("footer"))
        self.browser.run("location.hash = '#/charts'")
        self.browser.until_says("Messages a second", ".chart:not([hidden])")
        axis = lambda: self.browser.run("return document.querySelector('.chart:not([hidden]) text[text-anchor=end]:last-of-type').textContent")
        self.browser.until(lambda: axis()[:2] in (time.strftime("%H", time.gmtime(time.time() - n)) for n in (0, 60)) and axis().endswith(" UTC"), "UTC at the axis")

    def test_services_tell_what_they_hold(self):
        system = self.start()
        system.post_many("orders", [{"message": f"order {n}"} for n in range(3)])
        system.post("orders", deliver_at="2999-01-01T00:00:00Z")
        system.post("mails")
        first, second = [one["id"] for one in system.take("orders", 2)]
        system.call("POST", "/queues/mails/receive", {"max": 1})
        self.open(system)
        self.browser.click("nav a", "Services")
        self.browser.until(lambda: self.row("packer").get("Holds") == "2", "what the packer holds")
        self.assertEqual(self.row("packer")["Receives from"], "orders")
        self.assertRegex(self.row("packer")["Seen last"], r"\d+ m?s ago")
        self.assertEqual([self.row("No name told")[title] for title in ("Receives from", "Holds")], ["mails", "1"])
        self.browser.until_says(first, "section")
        for id in (first, second):
            row = self.row(id)
            self.assertEqual((row["Held by"], row["Queue"]), ("packer/w1", "orders"))
            self.assertRegex(row["Since"] + row["Lease ends"], r"^\d\d:\d\d:\d\d UTC[\d:]{8} UTC$")
        self.browser.until_says("3 messages held.", "section")
        self.assertIn("a service that told no name", self.browser.text("section tbody"))
        self.picture("services")
        self.browser.click("td a", "2")
        self.browser.until_says(": 2 found, and there are no more")
        self.assertEqual(set(self.browser.text("tbody th").split()), {first, second})

    def test_a_service_that_is_gone_and_left_something_is_marked(self):
        system = self.start()
        self.open(system, "#/services")
        self.pretend("queues", {"queues": [
            {"queue": "mails", "pending": 1, "due": 0, "held": 0, "dead": 0, "oldest_age_ms": 9_000, "receivers": 0,
             "services": [{"name": "mailer", "seen_ago_ms": 370_000}]},
            {"queue": "idle", "pending": 0, "due": 0, "held": 0, "dead": 0, "oldest_age_ms": None, "receivers": 0,
             "services": [{"name": "cleaner", "seen_ago_ms": 370_000}]}]})
        self.browser.until(lambda: self.row("mailer").get("Seen last") == "not for 6 min", "the service that is gone")
        self.assertEqual(self.browser.run("return [...document.querySelectorAll('td[data-mark=bad]')].map(c => c.parentElement.cells[0].innerText)"), ["mailer"])

    def test_rates_and_who_receives_are_shown_where_the_broker_tells_them(self):
        system = self.start()
        system.post("orders")
        self.open(system)
        self.pretend("queues", {"queues": [
            {"queue": "orders", "pending": 7, "due": 7, "held": 0, "dead": 0, "oldest_age_ms": 65_000, "engine_depth": 0, "rate_in_per_s": 12.34,
             "rate_out_per_s": 0.5, "rate_failed_per_s": 0.25, "receivers": 2, "services": [{"name": "packer", "seen_ago_ms": 5}, {"name": "", "seen_ago_ms": 5}]},
            {"queue": "misspelt", "pending": 1, "due": 1, "held": 0, "dead": 0, "oldest_age_ms": 9_000, "engine_depth": 0, "rate_in_per_s": 0,
             "rate_out_per_s": 0, "rate_failed_per_s": 0, "receivers": 0, "services": []}]})
        self.browser.until_says("packer", "tbody tr:first-child")
        orders = self.row("orders")
        self.assertEqual([orders[title] for title in ("Pending", "In /s", "Out /s", "Failed /s", "Oldest")], ["7\ngrows", "12", "0.5", "0.3", "65 s"])
        self.assertIn("nobody", self.browser.text("tbody td[data-mark=bad]"))
        self.browser.run("location.hash = '#/charts'")
        self.browser.until_says("Messages a second", ".chart:not([hidden])")

    def test_charts_go_back_to_what_the_broker_has_kept(self):
        system = self.start()
        system.post("orders")
        self.open(system)
        self.browser.until_says("orders", "tbody")
        now = time.time()
        self.pretend("openapi.json", {"paths": {"/queues/{queue}/rates": {}}})
        self.pretend("/rates", {"queue": "orders", "point_ms": 30_000, "points": [
            {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 30 * (60 - n))), "in": 30 * n, "out": 60, "failed": 0, "p50_ms": 20,
             "p99_ms": 400, "pending": n, "oldest_age_ms": 1000 * n} for n in range(60)]})
        self.browser.run("location.hash = '#/charts?queue=orders&span=30'")
        self.browser.until_says("Half within 20 ms", "figcaption")
        in_words = lambda: [name for role, name in self.browser.tree() if role == "image" and name.startswith("Messages a second")]
        self.browser.until(lambda: re.search(r"In now .*, between .* and 58; Out", "".join(in_words())), "what came in before the page was opened")
        self.picture("kept")

    def test_charts_are_drawn_from_what_was_seen(self):
        system = self.start()
        system.post_many("orders", [{"message": "x"}] * 7)
        self.open(system, "#/charts")
        self.browser.until(lambda: self.browser.run("return document.querySelector('.chart:not([hidden]) path').getAttribute('d').includes('L')"), "a line")
        self.browser.until(lambda: any(role == "image" and "Pending now 7" in name for role, name in self.browser.tree()), "the chart in words")
        self.browser.run("document.querySelector('.chart:not([hidden]) svg').focus()")
        self.browser.press(LEFT)
        self.browser.until(lambda: re.search(r"at \d\d:\d\d:\d\d", self.browser.text("figcaption")), "the value of one moment")
        self.browser.run("const s = document.querySelector('#chart-queue'); s.value = 'orders'; s.dispatchEvent(new Event('change'))")
        self.browser.until(lambda: "queue=orders" in self.browser.url(), "the chart of one queue")


class Messages(PageTest):
    def test_one_is_found_by_its_id_and_tells_what_it_says(self):
        system = self.start()
        body = b'{"message": {"total": 19.90, "id": 12345678901234567890, "empty": [], "lines": [{"n": 1}]}, "headers": {"tenant": "north"}}'
        id = system.ask("POST", "/queues/orders/messages", (), body).json()["id"]
        self.open(system)
        self.browser.click("#search-text")
        self.browser.press(*id.upper(), ENTER)
        self.browser.until_says("waiting", ".badge")
        for text in ('"total": 19.90,', '"id": 12345678901234567890,', '"empty": [],', '      "n": 1'):
            self.assertIn(text, self.browser.text("pre"))
        self.browser.until_says("orders", ".reason")
        self.assertIn("tenant", self.browser.text("dl.pairs dt"))
        self.browser.until_says("accepted", ".timeline")

    def test_one_tells_its_way(self):
        system = self.start()
        id = system.post("orders", "one")
        system.answer(system.take("orders")[0], message="two", queue="fragile")
        system.fail(system.take("fragile")[0], "no paper")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("no paper", ".timeline")
        self.assertIn("no paper", self.browser.text(".reason"))
        steps = self.browser.text(".timeline li")
        for text in ("accepted", "answered in orders by packer/w1", "dead in fragile", "no paper", "revision 2"):
            self.assertIn(text, steps)
        self.picture("message")

    def test_one_tells_what_each_revision_said_and_what_has_changed(self):
        system = self.start()
        body = b'{"message": {"total": 19.90, "boxes": 2}}'
        id = system.ask("POST", "/queues/orders/messages", (), body).json()["id"]
        system.answer(system.take("orders")[0], message={"total": 19.9, "boxes": 3}, queue="fragile")
        self.open(system, f"#/messages/{id}")
        self.browser.click("summary", "Revision 1 in orders")
        self.browser.until_says('"total": 19.90', ".revisions pre")
        self.assertIn("worked on for", self.browser.text(".revisions summary"))
        self.browser.click("summary", "Revision 2 in fragile")
        self.browser.click(".revisions details[data-revision='2'] label")
        self.browser.until_says('-   "boxes": 2', ".revisions del")
        self.browser.until_says('+   "boxes": 3', ".revisions ins")
        self.picture("revisions")

    def test_what_one_said_is_erased_for_good_once_that_is_agreed_to(self):
        system = self.start()
        id = system.post("orders", "a secret")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("a secret", "pre")
        self.assertFalse([b for b in self.browser.shown(".actions button") if "Erase" in self.browser.text_of(b)])
        system.call("DELETE", f"/messages/{id}")
        self.browser.until_says("Erase …", ".actions")
        self.browser.click("button", "Erase …")
        self.confirm("Keep it")
        self.assertEqual(system.find(id)["message"], "a secret")
        self.browser.click("button", "Erase …")
        self.confirm("Erase for good")
        self.browser.until_says("What it said was erased at")
        self.assertEqual(system.find(id)["message"], "")
        self.assertNotIn("a secret", self.browser.text("main"))
        self.browser.until_says("erased", ".timeline")
        self.assertEqual(self.browser.shown("main .actions button"), [])

    def test_the_broker_s_own_reason_is_shown_where_it_tells_one(self):
        system = self.start()
        id = system.post("orders")
        self.open(system)
        self.pretend("openapi.json", {"paths": {"/messages/{id}/explain": {}}})
        self.pretend("/explain", {"id": id, "revision": 1, "status": "pending", "queue": "orders", "reason": "backlog", "sentence":
                                  "waits in orders: 1,204 older ones; about 30 s", "data": {"older": 1204, "taken_in_ms": {"low": 24000, "high": 37000}}})
        self.browser.run(f"location.hash = '#/messages/{id}'")
        self.browser.until_says("Waits in orders: 1,204 older ones; about 30 s.", ".reason")
        self.browser.click("summary", "What this is drawn from")
        self.browser.until_says("low 24 s", "details")

    def test_bytes_are_shown_as_such(self):
        system = self.start()
        id = system.call("POST", "/queues/images/messages", {"message_base64": "AAEC/w==", "content_type": "image/png"})["id"]
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("AAEC/w==", "pre")
        self.browser.until_says("image/png, 4 bytes, shown in base64")

    def test_a_large_one_is_shown_in_part_at_first(self):
        system = self.start()
        id = system.post("orders", "y" * 100_000 + " the end")
        self.open(system, f"#/messages/{id}")
        self.browser.click("button", "Show all of it")
        self.browser.until(lambda: self.browser.run("return document.querySelector('pre').textContent.endsWith(' the end')"), "its end")

    def test_one_that_is_not_there_is_told_so(self):
        self.expected_lines = [f"{UNKNOWN}.* 404"]
        system = self.start()
        self.open(system, f"#/messages/{UNKNOWN}")
        self.browser.until_says("not found")
        self.browser.run("location.hash = '#/messages/nonsense'")
        self.browser.until_says("is no id of a message")

    def test_one_is_cancelled_and_retried_once_that_is_agreed_to(self):
        system = self.start()
        id = system.post("orders")
        self.open(system, f"#/messages/{id}")
        self.browser.click("button", "Cancel …")
        self.confirm("Keep it")
        self.assertEqual(system.find(id)["status"], "pending")
        self.browser.click("button", "Cancel …")
        self.confirm("Cancel the message")
        self.browser.until_says("cancelled", ".badge")
        self.assertEqual(system.find(id)["status"], "cancelled")
        self.browser.click("button", "Retry …")
        self.confirm("Retry")
        self.browser.until_says("waiting", ".badge")
        self.assertEqual(system.find(id)["status"], "pending")

    def test_one_whose_lease_is_over_was_left_and_can_be_moved(self):
        system = self.start("broker.lease_ms=1000")
        id = system.post("orders")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("waiting", ".badge")
        system.take("orders")
        self.browser.until_says("left unanswered", ".badge")
        self.browser.until_says("was claimed once and not answered, last by packer", ".reason")
        self.browser.until_says("left unanswered in orders by packer/w1", ".timeline li[aria-current]")
        self.assertNotIn("until", self.browser.text(".timeline li[aria-current]"))
        self.assertEqual([self.fact(name) and name for name in ("Due", "Due again", "Held by", "Held last by")], ["Due", None, None, "Held last by"])
        self.assertEqual([self.browser.text_of(one) for one in self.browser.shown("article .actions button")], ["Move …", "Cancel …"])
        self.picture("left-unanswered")
        self.browser.run("location.hash = '#/queues/orders'")
        self.browser.until_says("left by packer/w1", "tbody")

    def test_one_whose_back_off_is_over_waits(self):
        system = self.start("broker.queues=[{name: orders, max_failures: 5, back_off_initial_ms: 1000, back_off_max_ms: 1000}]")
        id = system.post("orders")
        self.open(system, f"#/messages/{id}")
        system.fail(system.take("orders")[0], "no paper")
        self.browser.until_says("failed", ".timeline")
        self.browser.until_says("waiting", ".badge")
        self.assertEqual([self.browser.text_of(one) for one in self.browser.shown("article .actions button")], ["Move …", "Cancel …"])
        self.assertIsNone(self.fact("Due again"))

    def test_what_is_over_is_told_by_the_broker_s_clock(self):
        system = self.start()
        id = system.post("orders")
        system.take("orders")
        self.open(system)
        self.browser.run("const now = Date.now; Date.now = () => now() + 3600000")
        self.browser.run(f"location.hash = '#/messages/{id}'")
        self.browser.until_says("packer", ".reason")
        self.assertEqual(self.browser.text(".badge"), "held")

    def test_ages_are_cut_as_the_broker_s_sentences_cut_them(self):
        system = self.start()
        id = system.post("orders")
        self.open(system)
        self.pretend("/explain", {"id": id, "revision": 1, "status": "pending", "reason": "next", "sentence": "waits", "data": {
            f"a{ms}_ms": ms for ms in (999, 9_990, 119_999, 7_199_999, 172_799_999, 259_199_999)}})
        self.browser.run(f"location.hash = '#/messages/{id}'")
        self.browser.click("summary", "What this is drawn from")
        self.browser.until(lambda: set(self.browser.text("details dd").split("\n")) == {"999 ms", "9.9 s", "119 s", "119 min", "47 h", "2 days"}, "ages that are cut")

    def test_one_goes_on_while_it_is_looked_at(self):
        system = self.start()
        id = system.post("orders")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("waiting", ".badge")
        delivery = system.take("orders")[0]
        self.browser.until_says("held", ".badge")
        self.browser.until_says("packer", ".reason")
        system.answer(delivery, message="packed", done=True)
        self.browser.until_says("done", ".badge")
        self.browser.until_says("packed", "pre")

    def test_texts_that_try_to_be_html_stay_texts(self):
        system = self.start()
        [id] = system.kill("fragile", [{"message": {HTML: HTML}, "headers": {"h": HTML}, "content_type": "text/html"}], HTML)
        text = system.post("orders", HTML)
        system.call("POST", "/queues/orders/receive", {"worker": HTML, "service": HTML})
        for view in (*VIEWS, "#/dead?queue=fragile", f"#/messages/{id}", f"#/messages/{text}", "#/find?text=" + HTML.replace(" ", "%20").replace("#", "%23"),
                     "#/queues/%3Cb%3Ebold%3C%2Fb%3E"):
            self.open(system, view)
            self.browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            self.browser.until(lambda: "Asking" not in self.browser.text("main"), "the view")
            self.assertEqual(self.browser.run("return [window.hacked, document.querySelectorAll('main img, main script, main b > b').length]"), [None, 0], view)
        self.open(system, f"#/messages/{id}")
        self.browser.until_says(HTML, ".timeline")
        self.open(system, f"#/messages/{text}")
        self.browser.until_says(HTML, "pre")


class Operating(PageTest):
    def test_a_queue_is_paused_once_that_is_agreed_to_and_resumed(self):
        system = self.start()
        system.post("orders")
        self.open(system, "#/queues/orders")
        self.browser.click("button", "Pause …")
        self.confirm("Let it go on")
        self.assertIsNone(system.call("GET", "/queues/orders")["paused"])
        self.browser.click("button", "Pause …")
        self.confirm("Pause the queue")
        self.browser.until_says("orders is paused.", "#told")
        self.browser.until_says("Paused since", ".paused")
        self.assertIsNotNone(system.call("GET", "/queues/orders")["paused"])
        self.picture("paused")
        self.browser.run("location.hash = '#/queues'")
        self.browser.until_says("paused since", "tbody th")
        self.browser.run("location.hash = '#/queues/orders'")
        self.browser.click("button", "Resume")
        self.browser.until_says("orders goes on.", "#told")
        self.assertEqual(self.browser.shown(".paused"), [])
        self.assertIsNone(system.call("GET", "/queues/orders")["paused"])

    def test_what_waits_in_a_queue_is_cancelled_once_its_name_is_typed(self):
        system = self.start()
        ids = system.post_many("orders", [{"message": f"order {n}"} for n in range(150)])
        [held] = system.take("orders")
        self.open(system, "#/queues/orders")
        self.browser.until_says("150", "dl.tiles dd")
        self.browser.click("button", "Purge …")
        self.browser.type("#asked-queue", "order")
        self.confirm("Cancel all of it")
        self.browser.until_says("That is not the name", "dialog [role=alert]")
        self.assertEqual(system.call("GET", "/queues/orders")["pending"], 150)
        self.picture("purge")
        self.browser.type("#asked-queue", "orders")
        self.browser.press(ENTER)
        self.browser.until_says("149 messages of orders cancelled, 1 left alone.", "#told")
        self.assertEqual({system.find(id)["status"] for id in ids if id != held["id"]}, {"cancelled"})
        self.assertEqual(system.find(held["id"])["status"], "pending")

    def test_what_the_broker_runs_with_is_shown_with_its_origins(self):
        system = self.start("broker.lease_ms=4321")
        self.open(system, "#/configuration")
        self.browser.until_says("--set", "tbody")
        shown = self.browser.text("tbody")
        self.assertIn("broker.lease_ms", shown)
        self.assertIn("4321", shown)
        self.assertNotIn("broker.retention_ms", shown)
        self.browser.click("label", "Defaults, too")
        self.browser.type("#configuration-text", "retention")
        self.browser.until_says("broker.retention_ms", "tbody")
        self.picture("configuration")

    def test_what_waits_for_its_date_is_run_now(self):
        system = self.start()
        id = system.post("orders", deliver_at="2999-01-01T00:00:00Z")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("scheduled", ".badge")
        self.browser.click("button", "Run now …")
        self.confirm("Run it now")
        self.browser.until_says("The message is due now.", "#told")
        self.browser.until_says("waiting", ".badge")
        self.assertEqual([one["id"] for one in system.take("orders")], [id])
        self.browser.until_says("held", ".badge")
        self.assertEqual([self.browser.text_of(one) for one in self.browser.shown("article .actions button")], ["Cancel …"])

    def test_what_waits_in_a_misspelt_queue_is_moved(self):
        system = self.start()
        id = system.post("ordres")
        system.post("orders")
        self.open(system, f"#/messages/{id}")
        self.browser.click("button", "Move …")
        self.browser.until(lambda: self.browser.run("return [...document.querySelectorAll('datalist option')].some(o => o.value === 'orders')"), "known queues")
        self.browser.type("#asked-queue", "no queue")
        self.confirm("Move it")
        self.browser.until_says("A queue's name has", "dialog [role=alert]")
        self.picture("move")
        self.browser.type("#asked-queue", "orders")
        self.confirm("Move it")
        self.browser.until_says("The message waits in orders.", "#told")
        self.browser.until_says("moved from ordres", ".timeline")
        self.assertEqual(system.find(id)["queue"], "orders")
        self.expected_lines = [f"{id}/move.* 422"]

    def test_a_poison_message_is_edited_and_retried(self):
        system = self.start()
        body = b'{"message": {"order": 12345678901234567890, "boxes": -1}}'
        big = system.ask("POST", "/queues/fragile/messages", (), body).json()["id"]
        system.fail(system.take("fragile")[0], "-1 boxes", final=True)
        self.open(system, f"#/messages/{big}")
        self.browser.click("button", "Edit and retry …")
        content = lambda: self.browser.run("return document.querySelector('#asked-content').value")
        self.assertIn('"order": 12345678901234567890', content())
        self.browser.type("#asked-content", content().replace("-1", "-"))
        self.confirm("Retry it so")
        self.browser.until_says("That is no JSON", "dialog [role=alert]")
        self.picture("edit")
        self.browser.type("#asked-content", content().replace("-", "2"))
        self.confirm("Retry it so")
        self.browser.until_says("The message is edited", "#told")
        self.browser.until_says("edited in fragile", ".timeline")
        raw = system.ask("GET", f"/messages/{big}").body.decode()
        self.assertIn("12345678901234567890", raw)
        self.assertEqual((system.find(big)["revision"], system.find(big)["message"]["boxes"]), (2, 2))

    def test_what_somebody_else_has_edited_meanwhile_is_not_edited_over(self):
        system = self.start()
        [id] = system.kill("fragile", [{"message": "two boxs"}], "what is a boxs?")
        self.open(system, f"#/messages/{id}")
        self.browser.click("button", "Edit and retry …")
        self.browser.type("#asked-content", "two bottles")
        system.call("POST", f"/messages/{id}/retry", {"message": "two boxes"})
        system.fail(system.take("fragile")[0], "no boxes", final=True)
        self.confirm("Retry it so")
        self.browser.until_says("Somebody has edited it meanwhile: it is at revision 2 now. Copy what you typed, close this, and look at what it says.",
                                "dialog [role=alert]")
        self.assertEqual(self.browser.run("return document.querySelector('#asked-content').value"), "two bottles")
        self.picture("conflict")
        self.browser.run("window.setTimeout = () => 0")  # nothing is asked for but by what is pressed
        self.confirm("Leave it as it is")
        self.browser.until_says("two boxes", "pre.content")
        self.browser.click("button", "Edit and retry …")
        self.assertEqual(self.browser.run("return document.querySelector('#asked-content').value"), "two boxes")
        self.expected_lines = [f"{id}/retry.* 412"]

    def test_erasing_stands_apart_from_what_brings_a_message_back(self):
        system = self.start()
        [id] = system.kill("fragile", [{"message": "x"}], "no")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("dead", ".badge")
        self.assertEqual([self.browser.text_of(one) for one in self.browser.shown("article .actions button")], ["Retry …", "Edit and retry …", "Erase …"])
        apart = self.browser.run("const of = text => [...document.querySelectorAll('article .actions button')].find(b => b.textContent === text)"
                                 ".getBoundingClientRect(); return of('Erase …').left - of('Edit and retry …').right")
        self.assertGreater(apart, 100)

    def test_a_text_is_edited_for_another_queue_by_the_keyboard_alone(self):
        system = self.start()
        [id] = system.kill("fragile", [{"message": "two boxs"}], "what is a boxs?")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("dead", ".badge")
        for _ in range(40):
            if self.browser.focused()[2] == "Edit and retry …":
                break
            self.browser.press(TAB)
        self.browser.press(ENTER)
        self.browser.until(lambda: self.browser.focused()[1] == "asked-content", "the content to have the focus")
        self.browser.run("document.activeElement.select()")
        self.browser.press(*"two boxes", TAB, TAB)
        self.assertEqual(self.browser.focused()[1], "asked-queue")
        self.browser.run("document.activeElement.select()")
        self.browser.press(*"orders", ENTER)
        self.browser.until_says("The message is edited", "#told")
        self.assertEqual([one["message"] for one in system.take("orders")], ["two boxes"])

    def test_who_may_not_operate_has_none_of_these(self):
        with tempfile.TemporaryDirectory() as folder:
            system = Guarded(folder, chief="send:*,serve:*,read:*,operate:*", reader="read:*")
            self.addCleanup(system.__exit__)
            [id] = system.kill("orders", [{"message": "x"}], "no")
            self.open(system)
            self.browser.until(lambda: self.browser.shown("#token"), "a field for the token")
            self.browser.type("#token", system.tokens["reader"])
            self.browser.press(ENTER)
            self.browser.until_says("orders", "tbody")
            for view in ("#/queues/orders", f"#/messages/{id}"):
                self.browser.run("location.hash = arguments[0]", view)
                self.browser.until(lambda: self.browser.text("h1").startswith(("orders", id)), view)
                self.browser.until_says("orders")
                self.assertEqual([self.browser.text_of(one) for one in self.browser.shown(".actions button")], [])


class Finding(PageTest):
    def setUp(self):
        super().setUp()
        self.system = self.start()
        self.gold = self.system.post("orders", {"level": "gold", "number": 7}, headers={"Tenant": "North"})
        self.system.post_many("orders", [{"message": f"order {n}"} for n in range(300)])
        self.dead = self.system.kill("fragile", [{"message": "torn"}], "no paper")[0]

    def found(self, query, count):
        self.open(self.system, f"#/find?{query}")
        self.browser.until_says(f": {count} found, and there are no more")
        return self.browser.text("tbody th").split()

    def test_by_what_a_message_says(self):
        self.assertEqual(self.found("text=GOLD", 1), [self.gold])
        self.assertEqual(self.found("text=no+paper", 1), [self.dead])

    def test_by_header(self):
        self.assertEqual(self.found("header=tenant", 1), [self.gold])
        self.assertEqual(self.found("header=tenant:+north", 1), [self.gold])
        self.assertEqual(self.found("header=tenant:+south", 0), [])

    def test_by_status_and_queue(self):
        self.assertEqual(self.found("status=dead", 1), [self.dead])
        self.assertEqual(self.found("queue=orders&text=gold", 1), [self.gold])
        self.assertEqual(self.found("queue=fragile&status=pending", 0), [])

    def test_by_time(self):
        self.assertEqual(self.found("from=2999-01-01T00:00:00", 0), [])
        self.assertEqual(self.found("to=2000-01-01T00:00:00", 0), [])
        self.assertEqual(self.found("from=2000-01-01T00:00:00&to=2999-01-01T00:00:00&status=dead", 1), [self.dead])

    def test_by_time_as_it_is_in_utc(self):
        self.in_zone("Asia/Tokyo")
        soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 60))
        self.assertEqual(self.found(f"to={soon}&status=dead", 1), [self.dead])
        self.assertIn("Accepted until (UTC)", self.browser.text("label"))

    def test_by_who_holds_it(self):
        held = self.system.take("orders")[0]["id"]
        self.assertEqual(self.found("holder=PACKER/w1", 1), [held])
        self.assertEqual(self.found("holder=nobody", 0), [])

    def test_further_than_a_page(self):
        self.open(self.system, "#/find?text=order")
        self.browser.until_says("There are more to look at")
        self.browser.click("button", "Look further")
        self.browser.until_says(": 300 found, and there are no more")

    def test_with_the_form(self):
        self.open(self.system, "#/find")
        self.browser.type("#find-text", "gold")
        self.browser.click("form.find button", "Find")
        self.browser.until_says(": 1 found, and there are no more")
        self.picture("find")


class DeadLetters(PageTest):
    def make_dead(self, system, count=20):
        messages = [{"message": {"order": n}} for n in range(count)]
        return system.kill("orders", messages, "connection refused: billing:443 (try #)")

    def test_are_grouped_by_error(self):
        system = self.start()
        self.make_dead(system)
        system.kill("fragile", [{"message": "x"}] * 3, "no paper")
        self.open(system, "#/dead")
        self.browser.until(lambda: len(self.browser.find_all(".group")) == 2, "two groups")
        first, second = self.browser.run("return [...document.querySelectorAll('.group')].map(g => g.innerText)")
        self.assertIn("20 messages in orders", first)
        self.assertIn("3 messages in fragile", second)
        self.assertIn("no paper", second)
        self.assertIn("23 dead messages", self.browser.text("main"))
        self.browser.until_says("23", "#dead-count")
        self.picture("dead")
        self.browser.click("summary", "Messages")
        self.browser.until(lambda: len(self.browser.shown(".group tbody tr")) == 20, "the messages of the first")

    def test_a_group_is_retried(self):
        system = self.start()
        ids = self.make_dead(system)
        self.open(system, "#/dead?queue=orders")
        self.browser.click("button", "Retry all 20 …")
        self.confirm("Retry all")
        self.browser.until_says("20 of 20 retried. All are pending again")
        self.assertEqual({system.find(id)["status"] for id in ids}, {"pending"})
        self.browser.until_says("No message is dead")

    def test_all_of_a_queue_are_retried_by_the_broker(self):
        system = self.start()
        ids = self.make_dead(system)
        self.open(system, "#/dead?queue=orders")
        self.browser.click("button", "Retry all 20 of orders …")
        self.confirm("Retry all")
        self.browser.until_says("last run: 20 retried, 0 refused")
        self.assertEqual({system.find(id)["status"] for id in ids}, {"pending"})

    def test_a_canary_goes_on_while_they_succeed(self):
        system = self.start()
        ids = self.make_dead(system)
        self.open(system, "#/dead")
        with system.service("orders", lambda delivery: None):
            self.browser.click("button", "Retry as a canary …")
            self.confirm("Begin")
            self.browser.until_says("20 of 20 retried, 20 succeeded. All have succeeded")
        self.assertEqual({system.find(id)["status"] for id in ids}, {"done"})
        self.assertEqual(self.browser.focused()[0], "SECTION", "the focus is where the end is told")
        self.browser.click(".progress button", "Close")
        self.browser.until(lambda: self.browser.focused()[0] == "H1", "the focus on the heading")

    def test_a_canary_of_which_nothing_is_left_does_not_count_what_is_left(self):
        system = self.start()
        self.make_dead(system, 2)
        self.open(system, "#/dead")
        with system.service("orders", lambda delivery: "still refused"):
            self.browser.click("button", "Retry as a canary …")
            self.confirm("Begin")
            self.browser.until_says("Stopped: one has failed again (still refused).")

    def test_what_was_erased_is_told_so_and_not_offered_to_be_retried(self):
        system = self.start()
        [id] = system.kill("orders", [{"message": "secret"}], "no paper")
        system.call("POST", f"/messages/{id}/erase")
        self.open(system, "#/dead")
        self.browser.until_says("Their contents were erased: they cannot be retried", ".group h2")
        self.assertEqual(self.browser.shown(".group button"), [])

    def test_a_screen_reader_is_told_to_what_each_button_belongs(self):
        system = self.start()
        self.make_dead(system, 2)
        system.kill("fragile", [{"message": "x"}] * 3, "no paper")
        self.open(system, "#/dead")
        self.browser.until(lambda: len(self.browser.find_all(".group")) == 2, "two groups")
        tree = self.browser.tree()
        for node in (("group", "no paper"), ("button", "Retry as a canary … no paper, in fragile"), ("button", "Retry all 3 … no paper, in fragile"),
                     ("DisclosureTriangle", "Messages no paper, in fragile")):
            self.assertIn(node, tree)

    def test_a_canary_stops_by_itself_when_one_fails_again(self):
        system = self.start()
        ids = self.make_dead(system)
        self.open(system, "#/dead")
        with system.service("orders", lambda delivery: "still refused"):
            self.browser.click("button", "Retry as a canary …")
            self.confirm("Begin")
            self.browser.until_says("Stopped: one has failed again (still refused); 17 were not touched")
        touched = [id for id in ids if system.find(id)["attempts"][-1]["error"] == "still refused"]
        self.assertEqual(len(touched), 3)
        self.picture("canary")

    def test_a_canary_goes_on_in_another_view_and_can_be_stopped(self):
        system = self.start()
        self.make_dead(system)
        self.open(system, "#/dead")
        self.browser.click("button", "Retry as a canary …")
        self.confirm("Begin")
        self.browser.until_says("3 of 20 retried")
        self.browser.run("location.hash = '#/queues'")
        self.browser.until(lambda: self.browser.title() == "Queues · AMC", "another view")
        self.browser.run("location.hash = '#/dead'")
        self.browser.click(".progress button", "Stop")
        self.browser.until_says("Stopped; 17 were not touched")


class SignIn(PageTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.system = Guarded(folder.name, chief="send:*,serve:*,read:*,operate:*", reader="read:orders", sender="send:orders")
        self.addCleanup(self.system.__exit__)

    def sign_in(self, name):
        self.browser.until(lambda: self.browser.shown("#token"), "a field for the token")
        self.browser.type("#token", self.system.tokens[name])
        self.browser.click("button", "Sign in")
        self.browser.until_says("Sign out", ".who")

    def test_a_token_opens_the_page_and_no_script_sees_it(self):
        self.expected_lines = ["ui/session.* 401"]
        self.open(self.system)
        self.browser.until(lambda: self.browser.shown("#token"), "a field for the token")
        self.assertEqual(self.browser.focused()[1], "token")
        self.picture("sign-in")
        self.browser.type("#token", "nonsense")
        self.browser.click("button", "Sign in")
        self.browser.until_says("This token is not valid here", "[role=alert]")
        self.sign_in("chief")
        self.assertEqual(self.browser.run("return [document.cookie, localStorage.length, sessionStorage.length]"), ["", 0, 0])
        self.browser.until_says("chief", "#who-name")
        self.system.post("orders")
        self.browser.until_says("orders", "tbody")

    def test_one_is_offered_only_what_one_may(self):
        [dead] = self.system.kill("orders", [{"message": "x"}], "no paper")
        self.system.post("secret")
        self.open(self.system)
        self.sign_in("reader")
        self.browser.until_says("orders", "tbody")
        self.assertNotIn("secret", self.browser.text())
        self.browser.run(f"location.hash = '#/messages/{dead}'")
        self.browser.until_says("in orders", ".reason")
        self.assertEqual(self.browser.shown("main .actions button"), [])
        self.browser.run("location.hash = '#/dead'")
        self.browser.until_says("no paper")
        self.assertEqual([b for b in self.browser.shown("main button") if "Retry" in self.browser.text_of(b)], [])

    def test_who_may_read_nothing_sees_nothing(self):
        self.open(self.system)
        self.sign_in("sender")
        self.browser.until_says("may not read", "main")
        self.assertEqual(self.browser.shown("nav"), [])

    def test_who_posted_a_message_sees_it_and_may_cancel_it(self):
        answer = self.system.ask("POST", "/messages", [("Authorization", f"Bearer {self.system.tokens['sender']}")], b'{"message": "mine", "queue": "orders"}')
        id = answer.json()["id"]
        self.open(self.system, f"#/messages/{id}")
        self.sign_in("sender")
        self.browser.until_says("mine", "pre")
        self.browser.until_says("its queue is not for you to read", ".reason")
        self.browser.click("button", "Cancel …")
        self.confirm("Cancel the message")
        self.browser.until_says("cancelled", ".badge")
        self.assertEqual(self.browser.shown("main .actions button"), [])

    def test_what_is_changed_is_changed_in_its_name(self):
        [dead] = self.system.kill("orders", [{"message": "x"}], "no paper")
        self.open(self.system, f"#/messages/{dead}")
        self.sign_in("chief")
        self.browser.click("button", "Retry …")
        self.confirm("Retry")
        self.browser.until_says("waiting", ".badge")
        self.assertIn("chief from 127.0.0.1: POST /messages/*/retry", self.system.told())

    def test_it_ends_with_its_token(self):
        self.expected_lines = [" 401 "]
        self.open(self.system)
        self.sign_in("reader")
        self.browser.until_says("Queues", "h1")
        self.system.write(without="reader")
        self.browser.until(lambda: self.browser.shown("#token"), "the question for a token")

    def test_one_signs_out(self):
        self.open(self.system)
        self.sign_in("chief")
        self.browser.click("#sign-out")
        self.browser.until(lambda: self.browser.shown("#token"), "the question for a token")
        self.browser.open(self.system.page)
        self.browser.until(lambda: self.browser.shown("#token"), "the question for a token")

    def test_what_is_under_way_ends_before_one_signs_out(self):
        self.open(self.system)
        self.sign_in("chief")
        self.browser.until_says("As of", "#state")
        self.browser.run("window.asked = []; window.held = 0; const ask = fetch; window.fetch = (url, how) => {"
                         "const path = new URL(url).pathname; asked.push(`${how.method} ${path}`);"
                         "if (!path.endsWith('/queues')) return ask(url, how); ++held;"
                         "return new Promise((_, refuse) => how.signal.addEventListener('abort', () => { asked.push('ended'); refuse(how.signal.reason); })) }")
        self.browser.until(lambda: self.browser.run("return held"), "a look at the queues under way")
        self.browser.click("#sign-out")
        self.browser.until_says("Signed out.", "#told")
        self.assertEqual(self.browser.run("return asked.slice(-2)"), ["ended", "DELETE /ui/session"])
        self.assertTrue(self.browser.shown("#token"))

    def test_one_is_told_where_signing_out_has_failed(self):
        self.open(self.system)
        self.sign_in("chief")
        self.pretend("/ui/session", {"detail": "not now"}, 503)
        self.browser.click("#sign-out")
        self.browser.until_says("Still signed in: not now", "#told")
        self.assertTrue(self.browser.shown("#sign-out"))


class ForEverybody(PageTest):
    def filled(self):
        system = self.start()
        long = "x" * 400
        system.kill("orders", [{"message": {"order": n, "long": long}, "headers": {"trace": long[:200]}} for n in range(5)], f"connection refused {long}")
        system.kill("fragile", [{"message": "torn"}] * 2, "no paper")
        system.post_many("orders", [{"message": {"order": n, "total": 19.5}} for n in range(12)])
        system.post("a-queue-with-quite-a-long-name.of-another-team.that-nobody-can-remember.in-the-third-region")
        system.take("orders", 3)
        return system

    def test_on_a_phone_nothing_sticks_out(self):
        system = self.filled()
        dead = system.call("GET", "/messages?status=dead")["messages"][0]["id"]
        self.browser.width(320, 640)
        self.addCleanup(self.browser.width, None)
        for view in (*VIEWS, f"#/messages/{dead}"):
            self.open(system, view)
            self.browser.until(lambda: self.browser.find_all("main table tbody tr, main .group, main pre, main figure"), "the view")
            self.browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            out = self.browser.run("return [...document.querySelectorAll('body *')].filter(e => !e.closest('.unseen, thead, .skip') && "
                                   "e.getBoundingClientRect().right > 321).map(e => e.outerHTML.slice(0, 100))")
            self.assertEqual((self.browser.run("return document.documentElement.scrollWidth"), out), (320, []), view)
            self.picture("phone-" + (re.sub(r"\W+.*", "", view[2:].split("/")[-1].replace(dead, "message")) or "queues"))

    def test_on_a_phone_each_cell_has_its_label_and_keeps_to_its_place(self):
        system = self.start("broker.lease_ms=1000")
        system.post("orders")
        system.take("orders")
        self.browser.width(390)
        self.addCleanup(self.browser.width, None)
        self.open(system, "#/queues/orders")
        self.browser.until_says("left unanswered", "td.status")
        self.assertLessEqual(*self.browser.run("const cell = document.querySelector('td.status'), box = e => e.getBoundingClientRect();"
                                               "return [box(cell.firstChild).right, box(cell.nextSibling).left]"))
        self.picture("phone-left-unanswered")
        self.browser.run("location.hash = '#/queues'")
        self.browser.until_says("packer", "td.few")
        self.assertEqual(self.browser.run("return getComputedStyle(document.querySelector('td.few'), '::before').content"), '"Received by"')
        self.picture("phone-received-by")

    def test_a_reason_is_read_out_when_it_changes_and_not_each_second(self):
        system = self.start()
        id = system.post("orders")
        self.open(system, f"#/messages/{id}")
        self.browser.until_says("nobody has received".capitalize(), "#announced")
        self.browser.run("window.heard = []; new MutationObserver(() => heard.push(document.querySelector('#announced').textContent))"
                         ".observe(document.querySelector('#announced'), {childList: true, subtree: true})")
        before = self.browser.text(".reason")
        self.browser.until(lambda: self.browser.text(".reason") != before, "its seconds to tick")
        self.assertEqual([text for text in self.browser.run("return heard") if text], [])
        system.take("orders")
        self.browser.until(lambda: any("held in orders by packer" in text for text in self.browser.run("return heard")), "the new reason")
        self.assertIn(("region", "What the message says"), self.browser.tree())

    def test_with_the_keyboard_alone(self):
        system = self.start()
        id = system.post("orders")
        self.open(system)
        self.browser.until_says("orders", "tbody")

        def tab_to(text):
            for _ in range(40):
                self.browser.press(TAB)
                if text in self.browser.focused()[2]:
                    return self.assertTrue(self.browser.run("const s = getComputedStyle(document.activeElement);"
                                                            "return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2"), f"{text} shows no focus")
            self.fail(f"Tab never comes to {text}")

        self.browser.press(TAB)
        self.assertIn("Skip to the content", self.browser.focused()[2])
        self.browser.press(ENTER)
        self.assertEqual(self.browser.focused()[1], "view")
        tab_to("orders")
        self.browser.press(ENTER)
        self.browser.until(lambda: self.browser.focused()[:1] == ["H1"], "the focus on the new heading")
        self.browser.until_says(id, "tbody")
        tab_to(id)
        self.browser.press(ENTER)
        self.browser.until_says("waiting", ".badge")
        tab_to("Cancel …")
        self.browser.press(ENTER)
        self.browser.until(lambda: self.browser.focused()[2] == "Keep it", "the focus on the answer that changes nothing")
        self.browser.press(ESCAPE)
        self.browser.until(lambda: self.browser.focused()[2] == "Cancel …", "the focus back on what asked")
        self.browser.press(ENTER)
        tab_to("Cancel the message")
        self.browser.press(ENTER)
        self.browser.until_says("cancelled", ".badge")
        self.assertEqual(system.find(id)["status"], "cancelled")

    def test_a_screen_reader_is_told_what_is_what(self):
        system = self.filled()
        self.open(system)
        self.browser.until_says("orders", "tbody")
        tree = self.browser.tree()
        for node in (("banner", ""), ("navigation", "Views"), ("main", ""), ("contentinfo", ""), ("heading", "Queues"), ("table", "Queues"),
                     ("columnheader", "Pending"), ("rowheader", "orders"), ("link", "orders"), ("searchbox", "Message id, or a text to look for")):
            self.assertIn(node, tree)
        unnamed = [role for role, name in tree if role in ("link", "button", "textbox", "searchbox", "combobox") and not name]
        self.assertEqual(unnamed, [])
        self.browser.width(320)
        self.addCleanup(self.browser.width, None)
        for node in (("table", "Queues"), ("rowheader", "orders")):
            self.assertIn(node, self.browser.tree(), "a table stays a table on a phone")
        for view in VIEWS:
            self.open(system, view)
            self.browser.until(lambda: self.browser.find_all("main table tbody tr, main .group, main pre, main figure"), "the view")
            self.assertEqual([role for role, name in self.browser.tree() if role in ("link", "button", "textbox", "searchbox", "combobox", "image") and not name
                              ], [], view)

    def test_is_read_as_well_in_the_dark(self):
        system = self.filled()
        dead = system.call("GET", "/messages?status=dead")["messages"][0]["id"]
        self.addCleanup(self.browser.scheme, "light")
        for scheme in ("light", "dark"):
            self.browser.scheme(scheme)
            for view in (*VIEWS, f"#/messages/{dead}"):
                self.open(system, view)
                self.browser.until(lambda: self.browser.find_all("main table tbody tr, main .group, main pre, main figure"), "the view")
                ground = self.browser.run("return getComputedStyle(document.body).backgroundColor")
                self.assertEqual(sum(int(n) for n in re.findall(r"\d+", ground)[:3]) < 200, scheme == "dark")
                self.assertEqual(self.browser.run(WEAK_CONTRAST), [], f"{view} in the {scheme}")
                self.picture(f"{scheme}-" + (re.sub(r"\W+.*", "", view[2:].split("/")[-1].replace(dead, "message"))))


@unittest.skipUnless("AMC_SCREENSHOTS" in os.environ, "pictures are for AMC_SCREENSHOTS")
class Pictures(PageTest):
    """Of a shop that has lived for a minute; for the README."""

    def test_of_a_shop(self):
        system = self.start()
        system.kill("invoices", [{"message": {"invoice": n}} for n in range(14)], "connection refused: billing.internal:443 (try #)")
        system.kill("orders", [{"message": {"order": n}} for n in range(3)], "no such customer: 8#")
        system.post_many("mails", [{"message": "Good morning", "deliver_at": "2999-01-01T08:00:00Z"}] * 12)
        order = {"order": 4711, "customer": {"name": "Eni", "level": "gold"}, "lines": [{"article": "lamp", "count": 2, "price": 19.95}]}
        id = system.post("orders", order, headers={"tenant": "north"})
        system.fail(system.take("orders")[0], "no room in the van")
        system.call("POST", f"/messages/{id}/retry")
        [delivery] = system.take("orders")
        system.answer(delivery, message={**order, "packed": True}, queue="invoices")
        system.fail(system.take("invoices")[0], "connection refused: billing.internal:443 (try 14)", final=True)
        self.browser.width(1100, 640)
        self.addCleanup(self.browser.width, None)
        self.open(system)
        with system.service("orders", lambda delivery: time.sleep(0.02)):
            for n in range(60):
                system.post_many("orders", [{"message": {"order": n}}] * (10 + 9 * (n % 9)))
                time.sleep(1)
            for scheme in ("light", "dark"):
                self.browser.scheme(scheme)
                for view in ("queues", "charts", "dead", f"messages/{id}", "queues/orders"):
                    self.browser.run(f"location.hash = '#/{view}'")
                    time.sleep(5)
                    self.picture(f"shop-{scheme}-{view.replace('/', '-').replace(id, 'one')}")
            self.browser.scheme("light")
            self.browser.width(320, 640)
            for view in ("queues", "dead", f"messages/{id}"):
                self.browser.run(f"location.hash = '#/{view}'")
                time.sleep(5)
                self.picture(f"shop-phone-{view.replace('/', '-').replace(id, 'one')}")


# Each text whose colour is too near to what is behind it (WCAG 2.2, AA: 4.5 to 1).
WEAK_CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
const pixel = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
const light = color => { const [r, g, b] = pixel(color).map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (pixel(c)[3] === 255) return c; } return 'white'; };
const has_text = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
return [...document.querySelectorAll('body *')].filter(e => has_text(e) && e.checkVisibility() && !e.closest('svg, noscript')).map(e => {
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
  return [((a + .05) / (b + .05)).toFixed(2), e.outerHTML.slice(0, 90)];
}).filter(([ratio]) => ratio < 4.5);
"""


if __name__ == "__main__":
    unittest.main(verbosity=2)

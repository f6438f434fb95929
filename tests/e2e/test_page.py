# SPDX-License-Identifier: Apache-2.0
"""The page at GET / in a real browser: what it shows, to whom, and what it may do.

INTAKED_SHOTS names a folder for pictures of it.
"""

import json
import os
from contextlib import ExitStack

import pytest

from browser import Browser
from certificates import Ca
from client import encode, request_bytes
from harness import wait_until
from reports import smallest_report

STATE = "document.querySelector('#state-text').textContent"
IS_DRAWN = "document.querySelectorAll('.plot canvas').length === 4"
SCHEMES = ("light", "dark")
WIDTHS = (1280, 400)
FAR_AHEAD_DAYS = 300


@pytest.fixture(scope="module")
def authority(world):
    return Ca(world.folder / "long-lived", days=FAR_AHEAD_DAYS + 30)


@pytest.fixture(scope="module")
def daemon(world, authority):
    """Nothing of it expires soon."""
    server = authority.issue(
        alternative_names=["DNS:localhost", "IP:127.0.0.1"],
        extended_key_usage="serverAuth",
        valid_to_days=FAR_AHEAD_DAYS,
    )
    running = world.daemon(
        {
            "tls.certificate": server.certificate,
            "tls.key": server.key,
            "tls.partner_ca": authority.certificate,
        }
    )
    running.authority = authority
    for partner in ("alpha", "beta"):
        running.add_partner(partner)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def credentials(authority):
    return {name: authority.issue(name) for name in ("alpha", "beta")}


@pytest.fixture(scope="module")
def browser():
    started = Browser()
    yield started
    started.close()


@pytest.fixture(scope="module")
def traffic(daemon, credentials):
    """Some reports and refusals, and a step of the history that has them."""
    with daemon.client(credentials["alpha"]) as client:
        report = smallest_report()
        assert [client.post(report).status for _ in range(2)] == [201, 200]
        for _ in range(20):
            client.post(smallest_report())
        client.post(smallest_report(severity={"level": 9}, colour="red"))
    daemon.refusal_of(None)
    wait_until(lambda: sum(daemon.history()["stored"]) >= 21, "a step with the reports", timeout=12)


def show(browser, daemon, **how):
    browser.open(f"http://127.0.0.1:{daemon.admin_port}/", **how)
    browser.wait(f"{STATE}.startsWith('serving')")
    browser.wait(IS_DRAWN)


def shot(browser, name):
    if folder := os.environ.get("INTAKED_SHOTS"):
        browser.ask("shot", file=f"{folder}/{name}.png")


def assert_quiet(browser, daemon):
    """Nothing on the console, and nobody asked but the daemon."""
    seen = browser.ask("seen")
    assert seen["errors"] == []
    assert seen["requests"]
    home = f"http://127.0.0.1:{daemon.admin_port}/"
    others = [url for url in seen["requests"] if not url.startswith((home, "data:"))]
    assert others == []


# --- what it does ---


def test_a_page_from_elsewhere_reads_nothing(daemon, browser, traffic):
    """In a browser that is at another origin, whatever it tries."""
    show(browser, daemon)
    port = daemon.admin_port
    browser.open(f"http://localhost:{port}/healthz")
    tried = browser.evaluate(
        "Promise.all(['status.json', 'metrics', ''].map("
        f"(path) => fetch('http://127.0.0.1:{port}/' + path).then(() => 'read', () => 'refused')))"
    )
    assert tried == ["refused"] * 3


def test_page_shows_what_the_status_says(daemon, browser, traffic):
    show(browser, daemon)
    browser.wait("document.querySelectorAll('#partners tbody tr').length === 2")
    status = daemon.status()
    assert f"{status['reports']['stored']} stored" in browser.text("#total-reports")
    assert "in use" in browser.text("#database")
    assert "in 299 days" in browser.text("#certificates") or "in 300 days" in browser.text("#certificates")
    assert "alpha" in browser.text("#partners tbody tr:first-child")
    latest = browser.text("#refusals tbody tr:first-child")
    assert "422 report-invalid" in latest
    assert "member-unknown" in latest and "too-large" in latest
    assert "report-invalid" in browser.text("#reasons")
    assert "no certificate" in browser.text("#handshakes")
    assert browser.text("#taxonomy").endswith(status["taxonomy"])
    shot(browser, "wide")
    assert_quiet(browser, daemon)


def test_charts_are_drawn_with_what_happened(daemon, browser, traffic):
    """Pixels of a series' colour are in each canvas, and its table has the numbers."""
    wait_until(lambda: len(daemon.history()["stored"]) > 2, "a few steps", timeout=15)
    show(browser, daemon)
    painted = browser.evaluate("""
        [...document.querySelectorAll('.plot canvas')].map((canvas) => {
            const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let colourful = 0;
            for (let i = 0; i < data.length; i += 4) {
                const [r, g, b] = data.slice(i, i + 3);
                colourful += data[i + 3] > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 80 ? 1 : 0;
            }
            return colourful;
        })""")
    assert len(painted) == 4 and min(painted) > 5, painted
    browser.ask("click", selector="#charts figure:first-child summary")
    browser.wait("document.querySelector('#charts figure:first-child table tbody tr') !== null")
    cells = browser.evaluate(
        "[...document.querySelectorAll('#charts figure:first-child td:nth-child(2)')]"
        ".map((cell) => Number(cell.textContent.replaceAll(',', '')))"
    )
    assert sum(cells) == sum(daemon.history()["stored"])
    assert f"{sum(cells)} stored" in browser.text("#reports-summary")


def test_page_renews_itself(daemon, browser, credentials, traffic):
    show(browser, daemon)
    before = daemon.status()["reports"]["stored"]
    with daemon.client(credentials["beta"]) as client:
        assert client.post(smallest_report()).status == 201
    browser.wait(f"document.querySelector('#total-reports').textContent.startsWith('{before + 1} ')")


def test_page_asks_nothing_while_nobody_looks(daemon, browser, traffic):
    show(browser, daemon)
    hide = (
        "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    browser.evaluate(hide % "true")
    browser.ask("forget")
    # The page's own clock runs: a poll would have come meanwhile.
    browser.wait("document.querySelector('#age').textContent.startsWith('as of')", timeout=20)
    assert browser.ask("seen")["requests"] == []
    browser.evaluate(hide % "false")
    browser.wait("document.querySelector('#age').textContent === 'up to date'")


def test_text_of_the_daemon_is_never_markup(daemon, browser):
    """A fault that quotes the configuration comes out as it is."""
    good = daemon.conf.read_text()
    try:
        daemon.conf.write_text(good + "log {\n\tlevel = \"<img src=x onerror='alert(1)'>\"\n}\n")
        daemon.ask("reload")
        show(browser, daemon)
        browser.wait("document.querySelectorAll('#reload-faults li').length === 1")
        assert "<img src=x onerror='alert(1)'>" in browser.text("#reload-faults")
        assert "The last reload was refused" in browser.text("#notices")
        assert browser.evaluate("document.querySelectorAll('img').length") == 0
        shot(browser, "reload-refused")
        assert browser.ask("violations") == []
        assert_quiet(browser, daemon)
    finally:
        daemon.conf.write_text(good)
        assert daemon.ask("reload")["reloaded"]


# --- for everybody ---


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_violation(daemon, browser, traffic, scheme, width):
    show(browser, daemon, scheme=scheme, width=width)
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.wait("document.querySelectorAll('details table').length === 4")
    shot(browser, f"{scheme}-{width}")
    assert browser.ask("violations") == []
    assert_quiet(browser, daemon)


def test_schemes_differ_and_follow_the_reader(daemon, browser, traffic):
    show(browser, daemon, scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = browser.evaluate(colour)
    browser.ask("scheme", scheme="dark")
    browser.wait(f"{colour} !== {json.dumps(light)}")
    browser.wait(IS_DRAWN)


@pytest.mark.parametrize("width", [320, 400, 768])
def test_nothing_is_wider_than_the_window(daemon, browser, traffic, width):
    show(browser, daemon, width=width)
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.wait("document.documentElement.scrollWidth <= innerWidth")


def test_keyboard_reaches_everything_and_shows_where_it_is(daemon, browser, traffic):
    show(browser, daemon)
    stops = browser.ask("stops")
    assert [stop["name"] for stop in stops if not stop["isMarked"]] == []
    names = [stop["name"] for stop in stops]
    assert names[0] == "To the figures"
    assert len([stop for stop in stops if stop["tag"] == "summary"]) == 4
    assert names[-3:] == ["status.json", "history.json", "metrics"]
    reachable = browser.evaluate(
        "document.querySelectorAll('a[href], button, summary, input:checked').length"
    )
    assert len(stops) == reachable


def test_keyboard_works_what_it_reaches(daemon, browser, traffic):
    show(browser, daemon)
    browser.evaluate("document.querySelector('input[name=span]:checked').focus()")
    browser.ask("press", key="ArrowRight")
    browser.wait("document.querySelector('input[name=span]:checked').value === '3600'")
    browser.evaluate("document.querySelector('#charts summary').focus()")
    browser.ask("press", key="Enter")
    browser.wait("document.querySelector('#charts table caption') !== null")
    caption = browser.text("#charts table caption")
    assert "6 minutes" in caption


def test_charts_have_words_and_one_region_is_spoken(daemon, browser, traffic):
    show(browser, daemon)
    described = browser.evaluate("""
        [...document.querySelectorAll('[role=img]')].map((chart) =>
            [chart.getAttribute('aria-label'),
                document.getElementById(chart.getAttribute('aria-describedby')).textContent])""")
    assert len(described) == 4 and all(label and words for label, words in described)
    live = browser.evaluate(
        "[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')]"
        ".map((one) => one.id)"
    )
    assert live == ["state"]
    landmarks = browser.evaluate(
        "['header', 'main', 'footer', 'h1'].map((tag) => document.querySelectorAll(tag).length)"
    )
    assert landmarks == [1, 1, 1, 1]


def test_nothing_moves_for_who_does_not_want_it(daemon, browser, traffic):
    show(browser, daemon, motion="reduce")
    browser.evaluate("document.querySelector('#state').className = 'state bad'")
    assert browser.evaluate("document.getAnimations().length") == 0


# --- trouble ---


def test_a_database_that_is_away_is_seen_and_spoken(daemon, browser, traffic):
    """While the page is open, without a reload of it."""
    show(browser, daemon)
    daemon.postgres.stop()
    try:
        browser.wait(f"{STATE} === 'database away'")
        assert "The database has been away" in browser.text("#notices")
        assert browser.evaluate("document.title").startswith("database away")
        assert "Because" in browser.text("#database")
        shot(browser, "database-away")
        assert browser.ask("violations") == []
        assert_quiet(browser, daemon)
    finally:
        daemon.postgres.start()
    browser.wait(f"{STATE} === 'serving'", timeout=20)
    assert browser.evaluate("document.querySelector('#notices').hidden")


@pytest.mark.parametrize(
    ("limits", "tile"),
    [
        ({"database.max_queued_reports": 4}, "4 that may"),
        ({"database.max_queued_bytes": 65536}, "0.06 MiB"),
    ],
    ids=["reports", "bytes"],
)
def test_a_queue_that_fills_by_number_or_by_bytes_is_seen(world, browser, limits, tile):
    settings = {**limits, "database.store_wait_ms": 60000, "listen.workers": 1}
    with world.running(settings) as daemon, ExitStack() as open_now:
        lock = open_now.enter_context(daemon.locked_reports())
        for _ in range(4):
            client = open_now.enter_context(daemon.raw_client(daemon.authority.issue("alpha")))
            body = encode(smallest_report(narrative="Long. " * 2000))
            client.send(request_bytes("POST", "/v1/reports", body))
        wait_until(lambda: daemon.status()["queue"]["reports"] == 4, "four wait")
        show(browser, daemon)
        assert "The queue for commits fills" in browser.text("#notices")
        assert tile in browser.text("#queue-limit")
        lock.rollback()


def test_reports_that_are_answered_503_are_seen_while_it_is_ready(world, browser):
    """As where the queue is full, whatever it holds by the time of the next look."""
    settings = {"database.max_queued_reports": 1, "database.store_wait_ms": 60000, "listen.workers": 1}
    with world.running(settings) as daemon, ExitStack() as open_now:
        lock = open_now.enter_context(daemon.locked_reports())
        for _ in range(2):
            client = open_now.enter_context(daemon.raw_client(daemon.authority.issue("alpha")))
            client.send(request_bytes("POST", "/v1/reports", encode(smallest_report())))
        wait_until(lambda: daemon.status()["refusals"].get("unavailable"), "one is refused")
        lock.rollback()
        wait_until(lambda: daemon.status()["queue"]["reports"] == 0, "the other is stored")
        show(browser, daemon)
        assert "answered 503 within the last minute" in browser.text("#notices")


def test_a_certificate_that_has_expired_says_what_to_do(world, browser):
    """It is taken by a reload: a start may take longer than it lasts."""
    with world.running() as daemon:
        server = world.authority.issue(
            alternative_names=["DNS:localhost", "IP:127.0.0.1"],
            extended_key_usage="serverAuth",
            valid_to_days=4 / 86400,
        )
        daemon.configure({"tls.certificate": server.certificate, "tls.key": server.key})
        assert daemon.ask("reload")["reloaded"]
        browser.open(f"http://127.0.0.1:{daemon.admin_port}/")
        browser.wait(f"{STATE} === 'the server\\'s certificate has expired'", timeout=20)
        said = browser.text("#notices")
        assert "Partners cannot connect. Put a new one in place and run intakectl reload." in said


def test_a_certificate_that_expires_soon_needs_attention(world, browser):
    """The usual one of these tests lasts a week."""
    with world.running() as daemon:
        show(browser, daemon)
        assert "The server’s certificate expires in" in browser.text("#notices")
        assert "attention" in browser.evaluate(STATE)
        shot(browser, "empty")
        assert browser.ask("violations") == []


def test_an_answer_that_cannot_be_shown_does_not_end_the_page(world, browser):
    """As of another version: it is said, and the page goes on asking."""
    with world.running() as daemon:
        show(browser, daemon)
        browser.evaluate("window.realFetch = fetch, window.fetch = async () => new Response('{}'), 0")
        browser.wait(f"{STATE} === 'not reachable'")
        assert "it may be another version" in browser.text("#notices")
        browser.evaluate("window.fetch = realFetch, 0")
        browser.wait(f"{STATE}.startsWith('serving')")
        assert_quiet(browser, daemon)


def test_a_daemon_that_is_gone_is_said_with_the_age_of_what_is_shown(world, browser):
    with world.running() as daemon:
        show(browser, daemon)
        daemon.kill()
        browser.wait(f"{STATE} === 'not reachable'")
        assert "The daemon does not answer" in browser.text("#notices")
        browser.wait("/^as of .* ago$/.test(document.querySelector('#age').textContent)")
        shot(browser, "not-reachable")
        assert browser.ask("violations") == []
        daemon.start()
        browser.wait(f"{STATE}.startsWith('serving')", timeout=20)

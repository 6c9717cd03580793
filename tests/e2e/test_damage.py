"""Flash with flipped bits in both regions: a start ends idle (or where the panel says what has to
be done first: sign on, batch numbers, the administrator) or in the service menu, never in a crash.
"""

import random

import pytest

from host_tools.bench import stories, wiring
from tests.e2e.desk import ADMINISTRATOR, log_in

IMAGES = 200
SHARE = 20
REGIONS = (wiring.JOURNAL, wiring.VAULT)


@pytest.fixture
def sold(bench):
    """A terminal that has sold, one slip of it is owed, and has no power now."""
    bench.power_on()
    bench.sign_on()
    stories.sale(bench, 1000)
    stories.sale(bench, 2000)
    bench.rig.paper.runs_out_after(12)
    stories.sale(bench, 3000, wait=False)
    bench.wait_for(stories.text(bench, "no_paper"))
    bench.power_cut()
    bench.rig.load_paper()
    return bench


def flip(image, rng):
    """``image`` with 1 to 8 wrong bits in what is written of it."""
    image = bytearray(image)
    written = [at for at, byte in enumerate(image) if byte != 0xFF]
    for _ in range(rng.randint(1, 8)):
        image[rng.choice(written)] ^= 1 << rng.randrange(8)
    return bytes(image)


def where(b):
    """Where a start ends: "idle" or "service"; AssertionError when it ends nowhere."""
    b.power_on()
    for _ in range(60):
        if b.crashes:
            break
        if b.shows("维护") and not b.shows("操作员"):
            return "service"
        if b.shows("操作员登录"):
            log_in(b)
            return _on(b)
        b.clock.advance(0.5)
    raise AssertionError((b.crashes, b.screen()))


def _on(b):
    # Behind the log-in: says yes to every slip that is offered.
    for _ in range(40):
        if b.crashes:
            break
        if b.shows("请刷卡") or b.shows("按任意键签到") or b.shows("批次号不一致"):
            return "idle"  # with the reason why it does not sell, if it does not
        if b.shows("终端参数"):
            return "administrator"
        if b.shows("操作员登录") and b.shows("操作员号"):
            # The operator's account is lost: the administrator makes another.
            log_in(b, *ADMINISTRATOR)
        elif b.shows("操作员登录") and b.shows("密码"):
            b.press("CANCEL")
        elif b.shows("确认=打印") or b.shows("维护"):
            b.press("ENTER")
        b.clock.advance(1)
    raise AssertionError((b.crashes, b.screen()))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(IMAGES // SHARE))
def test_flipped_bits_end_idle_or_in_the_service_menu(sold, share):
    b = sold
    images = [bytes(b.rig.flash[region].mem) for region in REGIONS]
    wrong = []
    for seed in range(share * SHARE, (share + 1) * SHARE):
        rng = random.Random(seed)
        for region, image in zip(REGIONS, images, strict=True):
            b.rig.flash[region].load(flip(image, rng))
        try:
            where(b)
            b.clock.advance(5)
            assert not b.crashes, b.crashes
        except AssertionError as error:
            wrong.append((seed, repr(error)[:400]))
        b.expect_crashes()
        b.power_cut()
    assert not wrong, "\n".join(map(str, wrong))

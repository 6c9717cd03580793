"""Help (帮助): what each thing is for and how to do it, three pages a topic.

In test mode the last topic lists the magic amounts of the test acquirer: the last two digits of an
amount decide what becomes of a sale or refund (`mobi host --amounts` prints the same).
"""

from mobi.acquiring import codes
from mobi.ui.text import page, wrap

_TOPICS = ("sale", "void", "refund", "unfinished", "settle", "print", "keys", "line", "safety")

# Tails that are response codes of their own.
DECLINED = (
    "01", "03", "04", "05", "12", "13", "14", "15", "21", "22", "25", "34", "38", "41", "43", "45",
    "51", "54", "55", "57", "58", "59", "61", "62", "64", "65", "68", "77", "91", "92", "94", "96",
    "97", "98",
)
# Other tails: what the acquirer does.
DONE = (
    ("71", "成功但有缺陷", "Approved, flawed"),
    ("72", "批准一半金额", "Half approved"),
    ("73", "成功,应答损坏", "Reply damaged"),
    ("74", "成功,金额不符", "Reply: amount"),
    ("76", "成功,流水不符", "Reply: trace"),
    ("78", "成功,校验错", "Reply: bad MAC"),
    ("79", "成功,无校验", "Reply: no MAC"),
    ("81", "5秒后成功", "After 5 s"),
    ("82", "25秒后成功", "After 25 s"),
    ("83", "超时后才成功", "Too late"),
    ("84", "请求丢失", "Request lost"),
    ("85", "成功,应答丢失", "Reply lost"),
    ("86", "断线20秒", "Line cut 20 s"),
    ("87", "成功,应答两次", "Replied twice"),
    ("89", "冲正后才成功", "After reversal"),
)


async def run(t):
    """Let the operator choose a topic and read it."""
    title = t.tr("help")
    topics = list(_TOPICS)
    labels = [t.tr("help_title_" + name) for name in topics]
    labels.append(t.tr("step_call"))
    if t.settings.get("test_mode"):
        labels.append(t.tr("test_amounts"))
    at = 0
    while True:
        at = await t.ui.choose(title, labels, at)
        if at < len(topics):
            rows = []
            for number in (1, 2, 3):
                rows += page(t.tr("help_%s_%d" % (topics[at], number)))
        elif at == len(topics):
            rows = _service(t)
        else:
            rows = amounts(t.language)
        try:
            await t.ui.pages(labels[at], rows)
        except t.Leave as left:
            if left.timed_out:
                raise


def _service(t):
    phone = t.settings.get("service_phone") or t.tr("no_phone")
    rows = page(t.tr("service_call") % phone, t.tr("p_terminal"), t.settings.get("terminal"))
    rows += page(t.tr("p_merchant"), t.settings.get("merchant"))
    return rows + page(t.tr("help_service"))


def amounts(language):
    """What the tails of amounts do on the test acquirer, in rows of 16 columns."""
    rows = []
    for code in DECLINED:
        rows += wrap(".%s %s" % (code, codes.text(code, language)))
    for tail, *texts in DONE:
        rows += wrap(".%s %s" % (tail, texts[language]))
    return rows

"""The page of `mobi demo`: a day at the terminal, chapter by chapter, in both languages.

One file without scripts; pictures and texts lie beside it, in a folder for each language.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from host_tools.journal.words import KINDS, STATES, money

if TYPE_CHECKING:
    from host_tools.bench.demo import Chapter, Played

# By this a folder is known as a demo's.
MARK = '<meta name="generator" content="mobi demo">'
_WORDS = {
    "title": ("末笔的一天", "A day with Mobi"),
    "name": ("中文", "English"),
    "lead": (
        "一台终端、一台收单主机、虚拟时间。每幅画面都是固件经 I2C 画出的像素，每张签购单都由打印机"
        + "模型解释固件的 ESC/POS 得来，账目取自闪存映像和主机账本。",
        "One terminal, one acquirer, virtual time. Every screen is the pixels the firmware drew "
        + "over I2C, every slip what the printer model made of its ESC/POS; the books are read "
        + "from the flash image and from the acquirer's ledger."),
    "traded": ("交易时间", "of trading"), "played": ("实际用时", "of real time"),
    "ops": ("次闪存操作", "flash operations"), "heap": ("空闲堆", "of heap free"),
    "merchant": ("商户账户", "on the merchant's account"), "entries": ("笔分录，合计为零",
                                                          "postings that sum to zero"),
    "slips": ("打印出来的", "What was printed"), "messages": ("线上报文", "Messages on the line"),
    "books": ("终端流水 | 主机账本", "terminal's journal | acquirer's books"),
    "files": ("留下的文件", "What is left"),
    "evidence": ("断电那一笔的证据", "The evidence about the sale that the power cut off"),
    "not_there": ("没有", "not there"),
}
_FILES = (
    ("journal.txt", "流水，由独立解码器读出", "the journal, by a decoder of its own"),
    ("story.txt", "流水，每条记录一句话", "the journal, a sentence for every record"),
    ("journal.json", "流水，供程序读取", "the journal, for programs"),
    ("ledger.txt", "主机账本", "the acquirer's books"),
    ("trace.txt", "全部报文，已解码、脱敏", "every message, decoded and masked"),
    ("paper.txt", "全部打印内容", "everything that was printed"),
    ("journal.bin", "流水的闪存映像，供 mobi journal 使用", "its flash image, for mobi journal"),
)
_OPEN = ("pending", "reversal_due", "unknown")
_GOOD = ("approved", "settled", "voided", "refunded")


def page(days: list[Played]) -> str:
    """The whole page."""
    switches = "".join(
        f'<input type="radio" name="language" id="{day.language}"'
        + f'{" checked" if day is days[0] else ""}><label for="{day.language}">'
        + f"{_word(day, 'name')}</label>" for day in days)
    bodies = "".join(_day(day) for day in days)
    return (
        '<!doctype html>\n<html lang="zh"><head><meta charset="utf-8">'
        + f'{MARK}<meta name="viewport" content="width=device-width, initial-scale=1">'
        + f"<title>Mobi 末笔</title><style>{_STYLE}</style></head>\n"
        + f'<body><nav><b>Mobi 末笔</b><span class="switch">{switches}</span></nav>\n'
        + f"{bodies}</body></html>\n")


def unfinished() -> str:
    """The page while the day is being played, and for good when that is interrupted."""
    return (
        f'<!doctype html>\n<html lang="zh"><head><meta charset="utf-8">{MARK}<title>Mobi 末笔'
        + "</title></head>\n<body><p>演示尚未完成，请重新运行 mobi demo。</p>"
        + "<p>This demo is not finished. Run mobi demo again.</p></body></html>\n")


def _word(day: Played, name: str) -> str:
    return escape(_WORDS[name][day.language == "en"])


def _day(day: Played) -> str:
    facts = (
        (_duration(day.virtual_s), "traded"), (f"{day.real_s:.1f} s", "played"),
        (str(day.flash_ops), "ops"), (f"{day.heap_free // 1024} KiB", "heap"),
        (money(day.merchant), "merchant"), (str(day.entries), "entries"))
    return (
        f'<main lang="{day.language}"><h1>{_word(day, "title")}</h1>'
        + f'<p class="lead">{_word(day, "lead")}</p><ul class="facts">'
        + "".join(f"<li><b>{value}</b> {_word(day, name)}</li>" for value, name in facts)
        + "</ul>\n" + "".join(_chapter(day, n, c) for n, c in enumerate(day.chapters, 1))
        + _left(day) + "</main>\n")


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _chapter(day: Played, number: int, chapter: Chapter) -> str:
    shots = "".join(
        f'<figure><img src="{file}" width="256" height="128" alt=""><figcaption>{escape(caption)}'
        + "</figcaption></figure>" for file, caption in chapter.shots)
    return (
        f'<section><header><span class="number">{number}</span><h2>{escape(chapter.title)}</h2>'
        + f"<time>{chapter.begins}</time></header><p>{escape(chapter.text)}</p>"
        + f'<div class="shots">{shots}</div><div class="after">{_books(day, chapter)}'
        + f"{_slips(day, chapter)}</div>{_messages(day, chapter)}</section>\n")


def _books(day: Played, chapter: Chapter) -> str:
    rows = "".join(
        f"<li><span>{trace:06d} {KINDS[day.language][kind]} {money(amount)}</span>"
        + f"{_state(day, here)}{_state(day, there)}</li>"
        for trace, kind, amount, here, there in chapter.books)
    return f'<div class="books"><h3>{_word(day, "books")}</h3><ul>{rows}</ul></div>' if rows else ""


def _state(day: Played, state: str) -> str:
    look = "open" if state in _OPEN else "good" if state in _GOOD else ""
    return f'<em class="{look}">{STATES[day.language].get(state) or _word(day, "not_there")}</em>'


def _slips(day: Played, chapter: Chapter) -> str:
    if not chapter.slips:
        return ""
    links = "".join(
        f'<a href="{name}.png"><img src="{name}.png" alt="{number + 1}"></a>'
        + f'<a class="text" href="{name}.txt">txt</a>'
        for number in chapter.slips for name in [f"{day.language}/receipt-{number + 1:02}"])
    return f'<div><h3>{_word(day, "slips")}</h3><div class="slips">{links}</div></div>'


def _messages(day: Played, chapter: Chapter) -> str:
    if not chapter.messages:
        return ""
    lines = escape("\n".join(entry.text() for entry in chapter.messages))
    return (
        f"<details><summary>{_word(day, 'messages')} ({len(chapter.messages)})</summary>"
        + f"<pre>{lines}</pre></details>")


def _left(day: Played) -> str:
    files = "".join(
        f'<li><a href="{day.language}/{name}">{name}</a> {escape(what[day.language == "en"])}</li>'
        for name, *what in _FILES)
    return (
        f'<section><h2>{_word(day, "files")}</h2><ul class="files">{files}'
        + f'<li><a href="{day.language}/{day.evidence}">evidence/</a> {_word(day, "evidence")}</li>'
        + "</ul></section>")


_STYLE = """
:root { --desk: #e9e7e1; --sheet: #fbfaf6; --ink: #1f2329; --soft: #666c75; --rule: #d6d2c8;
  --green: #2e8b57; --amber: #9a6207; font: 16px/1.6 system-ui, "Segoe UI", "Noto Sans",
  "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--desk); color: var(--ink); }
nav { position: sticky; top: 0; z-index: 1; background: #262b33; color: #fff; display: flex;
  justify-content: space-between; align-items: center;
  padding: .5rem max(1.2rem, 50vw - 37.3rem); }
.switch { display: flex; } .switch input { position: absolute; opacity: 0; }
.switch label { padding: .15rem .9rem; border: 1px solid #566; cursor: pointer; }
.switch label:first-of-type { border-radius: 6px 0 0 6px; }
.switch label:last-of-type { border-radius: 0 6px 6px 0; }
.switch input:checked + label { background: #a9dcff; color: #10202c; border-color: #a9dcff; }
.switch input:focus-visible + label { outline: 3px solid #4a90e2; outline-offset: 2px; }
body:has(#en:checked) main[lang=zh], body:has(#zh:checked) main[lang=en] { display: none; }
main { max-width: 77rem; margin: 0 auto; padding: 1.5rem 1.2rem 4rem; }
h1 { font-size: 2.1rem; margin: .5rem 0 .3rem; } h2 { font-size: 1.3rem; margin: 0; }
h3 { font-size: .85rem; font-weight: 600; color: var(--soft); margin: 1.2rem 0 .3rem; }
.lead { max-width: 48rem; color: #40464f; margin: 0 0 1rem; }
.facts { list-style: none; display: flex; flex-wrap: wrap; gap: .5rem 1.8rem; padding: 0;
  color: var(--soft); font-size: .9rem; }
.facts b { color: var(--ink); font-size: 1.15rem; font-variant-numeric: tabular-nums; }
section { background: var(--sheet); border: 1px solid var(--rule); border-radius: 14px;
  padding: 1.3rem 1.5rem 1.4rem; margin: 1.3rem 0; }
section > header { display: flex; align-items: center; gap: .8rem; }
section > header time { margin-left: auto; color: var(--soft); font-variant-numeric: tabular-nums; }
.number { background: #262b33; color: #fff; border-radius: 50%; width: 2rem; height: 2rem;
  display: grid; place-items: center; font-size: .95rem; flex: none; }
section > p { margin: .5rem 0 1.1rem; max-width: 50rem; }
.shots { display: grid; grid-template-columns: repeat(auto-fill, 272px); gap: 1rem 14px; }
figure { margin: 0; }
figure img { display: block; background: #05070a; padding: 6px; border: 2px solid #2b313a;
  box-sizing: content-box; border-radius: 9px; image-rendering: pixelated; }
figcaption { font-size: .86rem; color: var(--soft); padding: .3rem .2rem 0; line-height: 1.4; }
.after { display: flex; flex-wrap: wrap; gap: 0 3rem; } .after > div { max-width: 100%; }
.books { flex: 1 1 24rem; }
.books ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .25rem;
  font-size: .88rem; font-variant-numeric: tabular-nums; }
.books li { display: flex; gap: .5rem; align-items: center; }
.books li span { flex: 1; white-space: nowrap; }
em { font-style: normal; background: #e6e3db; border-radius: 1rem; padding: .02rem .65rem;
  font-size: .8rem; min-width: 5.2rem; text-align: center; }
em.good { background: #d5ecdd; color: #1d6b3e; } em.open { background: #fbe6c3; color: #85540c; }
.slips { display: flex; gap: .3rem; overflow-x: auto; padding: .2rem .2rem .8rem;
  align-items: start; }
.slips a { flex: none; } .slips img { width: 9.5rem; display: block; border-radius: 2px;
  box-shadow: 0 1px 5px rgb(0 0 0 / 25%); }
.slips .text { font-size: .75rem; margin-right: .9rem; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
pre { overflow: auto; font: .78rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace;
  background: #f1efe8; padding: .8rem 1rem; border-radius: 8px; max-height: 26rem; }
.files { columns: 2 22rem; margin: .6rem 0 0; padding-left: 1.2rem; }
a { color: #1f5fae; }
@media (max-width: 40rem) { .books li { flex-wrap: wrap; } section { padding: 1rem; } }
"""

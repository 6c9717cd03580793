"""Columns, wrapping and money as the panel and the paper show them."""

from mobi.ui.text import PAGE, cut, money, pad, page, priced, spread, width, wrap


def test_chinese_characters_take_two_columns():
    assert width("撤销") == 4 and width("RMB 金额") == 8 and width("") == 0


def test_cut_never_splits_a_wide_character():
    assert cut("撤销", 3) == "撤" and cut("a撤销", 3) == "a撤" and cut("abc", 2) == "ab"


def test_pad_gives_exactly_the_columns():
    assert pad("金额", 6) == "金额  " and pad("金额", 3) == "金 "


def test_spread_puts_both_ends_and_lets_the_left_give_way():
    assert spread("金额", "1.00", 12) == "金额    1.00"
    assert spread("A very long label", "1.00", 12) == "A very  1.00"


def test_wrap_breaks_english_at_spaces_and_chinese_anywhere():
    assert wrap("Nothing was charged. Try again.") == ["Nothing was", "charged. Try", "again."]
    assert wrap("没有扣款可以放心重新交易请再刷卡") == ["没有扣款可以放心", "重新交易请再刷卡"]
    assert wrap("a\nb") == ["a", "b"]


def test_wrap_breaks_two_rows_at_a_pause():
    assert wrap("勿重刷同一笔,先查询或冲正") == ["勿重刷同一笔,", "先查询或冲正"]
    assert wrap("款项未动。请重刷，不行则换卡") == ["款项未动。请重刷", "不行则换卡"]
    assert wrap("If charged, you get it back") == ["If charged,", "you get it back"]
    # Not where that would make three rows, and not within a number or a time.
    assert wrap("余额不足，请换卡或换方式付款") == ["余额不足，请换卡", "或换方式付款"]
    assert wrap("Not before 09:10 today at all") == ["Not before 09:10", "today at all"]


def test_no_character_is_left_alone():
    assert wrap("请先处理未完成交易") == ["请先处理未完成", "交易"]
    assert wrap("此卡已连续被拒12次") == ["此卡已连续被拒", "12次"]
    assert wrap("请输入12-12位数字") == ["请输入12-12位", "数字"]


def test_no_row_begins_with_a_pause():
    for text in ("一二三四五六七八，九十一二三四五六七八",
                 "一二三四五六七八。九十一二三四五六七。八"):
        for row in wrap(text):
            assert row[0] not in "，。" and width(row) <= 16


def test_a_page_has_the_rows_of_the_panel():
    assert page("告知顾客:", "付款成功") == ["告知顾客:", "付款成功", ""]
    assert len(page("a\nb", "c", "d")) == 2 * PAGE and page() == []


def test_wrap_keeps_a_word_longer_than_a_row():
    assert wrap("123456789012345678") == ["1234567890123456", "78"]


def test_wrap_loses_no_character():
    text = "余额不足 insufficient funds 请换卡 or pay by code"
    assert "".join(wrap(text)).replace(" ", "") == text.replace(" ", "")


def test_money():
    assert money(0) == "0.00" and money(5) == "0.05" and money(123456) == "1,234.56"
    assert money(100000000) == "1,000,000.00" and money(-150) == "-1.50"


AMOUNTS = (0, 1, 99999, 100000, 999999999, -999999999, 10000000000, -10000000000,
           999999999999, -999999999999, 1999999998000, -1999999998000)


def test_money_gives_up_its_commas_and_never_a_digit():
    assert money(999999999, 12) == "9,999,999.99" and money(999999999, 11) == "9999999.99"
    for fen in AMOUNTS:
        for columns in range(1, 20):
            text = money(fen, columns)
            assert text.replace(",", "") == money(fen).replace(",", "")
            assert len(text) <= columns or "," not in text


def test_an_amount_and_its_label_are_both_whole():
    assert priced("净额", 123456) == ["净额    1,234.56"]
    for label in ("净额", "Net", "000001", "退手续费约", "Asked for", "撤销"):
        for columns in (16, 32):
            for fen in AMOUNTS:
                rows = priced(label, fen, columns)
                assert all(width(row) <= columns for row in rows), rows
                assert rows[0].startswith(label)
                rest = "".join(rows)[len(label):].strip().replace(",", "")
                assert rest == money(fen).replace(",", "")
    assert priced("000001", 999999999) == ["000001", "    9,999,999.99"]

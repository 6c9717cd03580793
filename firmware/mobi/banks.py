"""Names of banks by the first four digits of their institution number (field 44), for receipts.

The numbers are those of the Chinese card network. An institution that is not listed stands on the
receipt with its number.
"""

TABLE = (
    ("0100", "邮储银行", "Postal Savings"),
    ("0102", "工商银行", "ICBC"),
    ("0103", "农业银行", "ABC"),
    ("0104", "中国银行", "Bank of China"),
    ("0105", "建设银行", "CCB"),
    ("0301", "交通银行", "BOCOM"),
    ("0302", "中信银行", "CITIC"),
    ("0303", "光大银行", "Everbright"),
    ("0304", "华夏银行", "Hua Xia"),
    ("0305", "民生银行", "Minsheng"),
    ("0306", "广发银行", "Guangfa"),
    ("0307", "平安银行", "Ping An"),
    ("0308", "招商银行", "CMB"),
    ("0309", "兴业银行", "Industrial"),
    ("0310", "浦发银行", "SPDB"),
    ("0403", "邮储银行", "Postal Savings"),
    ("4802", "银联商务", "ChinaUMS"),
)


def name(number, language):
    """The bank's name with its number behind it, or the number alone. ``language``: 0 zh, 1 en."""
    for row in TABLE:
        if number[:4] == row[0]:
            return "%s %s" % (row[1 + language], number)
    return number

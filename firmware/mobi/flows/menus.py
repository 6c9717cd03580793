"""The menus as data: a label, and either a submenu or the name of a flow.

`docs/menu-tree.txt` is printed from these tables; a test keeps it current, and the bench finds its
way through the menus by it.
"""

# Label (id of a text), what it opens (a table, or the name of a flow in FLOWS).
PRINT = (
    ("reprint_last", "reprint_last"),  # 重打最后一笔
    ("reprint_any", "reprint_any"),  # 重打任意一笔
    ("print_detail", "print_detail"),  # 交易明细
    ("print_totals", "print_totals"),  # 交易汇总
    ("reprint_settlement", "reprint_settlement"),  # 重打结算单
    ("reprint_details", "reprint_details"),  # 上批明细
)
QUERY = (
    ("browse", "browse"),  # 交易明细
    ("totals", "totals"),  # 交易汇总
    ("by_voucher", "by_voucher"),  # 按凭证号查询
    ("check_voucher", "check_voucher"),  # 凭证核对
)
MANAGE = (
    ("sign_on", "sign_on"),  # 签到
    ("sign_off", "sign_off"),  # 签退
    ("query", QUERY),  # 交易查询
    ("operators", "operators"),  # 柜员管理
    ("echo", "echo"),  # 回响测试
    ("settle", "settle"),  # 结算
    ("lock", "lock"),  # 锁定终端
    ("version", "version"),  # 版本
    ("change_password", "change_password"),  # 修改密码
    ("change_operator", "change_operator"),  # 换操作员
    ("download", "download"),  # 参数下载
    ("audit_trail", "audit_trail"),  # 审计记录
    ("self_check", "self_check"),  # 自检
    ("statistics", "statistics"),  # 原因统计
)
OTHER = (
    ("balance", "balance"),  # 余额查询
    ("sale_code", "sale_code"),  # 扫码付款
    ("refund_code", "refund_code"),  # 扫码退货
    ("correct_amount", "correct_amount"),  # 金额有误
    ("help", "help"),  # 帮助
    ("language", "language"),  # 语言
)
MAIN = (
    ("sale", "sale"),  # 消费
    ("void", "void"),  # 撤销
    ("refund", "refund"),  # 退货
    ("void_last", "void_last"),  # 末笔撤销
    ("unfinished", "unfinished"),  # 未完成交易
    ("print", PRINT),  # 打印
    ("manage", MANAGE),  # 管理
    ("other", OTHER),  # 其它
)
# What the system administrator (99) sees instead.
SYSTEM = (
    ("parameters", "parameters"),  # 终端参数
    ("print_parameters", "print_parameters"),  # 参数打印
    ("download", "download"),  # 参数下载
    ("master_key", "master_key"),  # 主密钥
    ("operators", "operators"),  # 柜员管理
    ("audit_trail", "audit_trail"),  # 审计记录
    ("clear_journal", "clear_journal"),  # 清除流水
    ("change_password", "change_password"),
    ("version", "version"),
    ("change_operator", "change_operator"),
    ("self_check", "self_check"),  # 自检
)
# Keys that open a flow straight from the idle screen and from every menu of an operator.
KEYS = (("VOID", "void"), ("LAST", "void_last"), ("REFUND", "refund"))


async def walk(t, title, entries):
    """Let the operator walk through ``entries``; the name of the flow that was chosen.

    CANCEL in a submenu goes one level up; on the top level ``Leave`` passes on. The keys of
    ``KEYS`` do what they do on the idle screen.
    """
    at = 0
    keys = () if entries is SYSTEM else [key for key, _ in KEYS]
    while True:
        at = await t.ui.choose(title, [t.tr(entry[0]) for entry in entries], at, keys)
        for key, name in KEYS:
            if at == key:
                return name
        label, target = entries[at]
        if isinstance(target, str):
            return target
        try:
            return await walk(t, t.tr(label), target)
        except t.Leave as left:
            if left.timed_out:
                raise

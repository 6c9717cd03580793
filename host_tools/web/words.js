// Every word of the page in both languages.

export const WORDS = {
  en: {
    other: "中文", terminal: "terminal", paper: "paper", keypad: "keypad", time: "speed of time", skip: "skip time",
    tear: "tear off", keyboard: "Keyboard: 0-9, Enter, Esc cancels, Backspace, Delete clears, arrows, F function, V void, L last, R refund, S swipes the chosen card, Q shows its payment code.",
    hands: "The operator's hands", signon: "Log in and sign on", card: "Card", swipe: "Swipe", damage: "Swipe is",
    balance: "Balance", paycode: "Show QR code", magicon: "Magic amounts are on", magicoff: "Magic amounts are off",
    magictable: "Amounts that end in ...", code: "Any code", scan: "Scan", power: "Power", poweron: "Power is on", poweroff: "Power is off",
    cutop: "Cut at flash operation", torn: "torn", arm: "Arm", line: "Line to the acquirer", linegood: "Line is good",
    linebad: "Line is cut", noise: "Bit errors", next: "Next", reply: "reply", request: "request", drop: "Lose",
    duplicate: "Twice", delay: "Later by", cutbytes: "Cut after bytes", host: "Acquirer", character: "Character",
    nextone: "Next", set: "Set", honest: "Honest again", devices: "Printer and panel", paperin: "Paper is in",
    paperout: "Paper is out", coverclosed: "Cover is closed", coveropen: "Cover is open", printerlive: "Printer answers",
    printerdead: "Printer is silent", cablein: "Panel is connected", cableout: "Panel is unplugged",
    ends: "Paper ends after lines", bothbooks: "Terminal's journal and acquirer's ledger", voucher: "Trace",
    kind: "Kind", amount: "Amount", cardnumber: "Card", atterminal: "Terminal", athost: "Acquirer",
    messages: "Messages", events: "Events", merchant: "merchant", fee: "fee", zero: "all postings sum to zero",
    notzero: "POSTINGS DO NOT SUM TO ZERO", batch: "batch", nothing: "nothing yet", ended: "The bench has ended. Start it again with: mobi run",
    armedpower: "the power will be cut at flash operation", ops: "flash operations so far", pin: "PIN", effect: "what goes wrong",
    agree: "both ends agree", open: "unfinished", differ: "THE TWO ENDS DIFFER", pause: "stop time", whole: "whole",
    half: "cut short", bit: "one wrong bit", error: "unreadable", realtime: "another program has the line", port: "line",
    kinds: { sale: "sale", void: "void", refund: "refund", balance: "balance", qr: "QR" },
    states: { pending: "pending", approved: "approved", declined: "declined", reversal_due: "reversal due",
      reversed: "reversed", unknown: "unknown", released: "released", absent: "not done", voided: "voided",
      refunded: "refunded", settled: "settled" },
    matches: { money: "sale, void or refund", sale: "sale", void: "void", refund: "refund", reversal: "reversal", "sign-on": "sign-on", settlement: "settlement", any: "any request" },
    effects: { code51: "declined: no funds (51)", code55: "declined: wrong PIN (55)", code91: "declined: issuer down (91)",
      drop: "booked, never answered", drop_request: "never seen by the host", delay: "answered after 75 s", cut: "booked, then line dead for 20 s",
      approve_after_reversal: "approved only after the reversal", wrong_mac: "wrong MAC", no_mac: "no MAC", wrong_amount: "wrong amount in the reply",
      wrong_trace: "wrong trace in the reply", garble: "damaged reply", duplicate: "answered twice", demand: "demands a new sign-on", verdict: "finds totals unequal" },
  },
  zh: {
    other: "English", terminal: "终端", paper: "打印纸", keypad: "键盘", time: "时间速度", skip: "快进",
    tear: "撕纸", keyboard: "电脑键盘：0-9，回车=确认，Esc=取消，退格键=退格，Delete=清除，方向键=上下，F=功能，V=撤销，L=末笔，R=退货，S=刷所选卡，Q=出示付款码。",
    hands: "操作员的手", signon: "登录并签到", card: "卡", swipe: "刷卡", damage: "刷卡效果",
    balance: "余额", paycode: "出示付款码", magicon: "魔术金额已开", magicoff: "魔术金额已关",
    magictable: "金额尾数与结果", code: "任意条码", scan: "扫码", power: "电源", poweron: "已通电", poweroff: "已断电",
    cutop: "断电于闪存操作", torn: "写到一半", arm: "设置", line: "到收单主机的线路", linegood: "线路正常",
    linebad: "线路已断", noise: "误码率", next: "下一条", reply: "应答", request: "请求", drop: "丢失",
    duplicate: "重复", delay: "推迟", cutbytes: "过多少字节后断线", host: "收单主机", character: "性格",
    nextone: "下一笔", set: "设置", honest: "恢复正常", devices: "打印机与屏幕", paperin: "有纸",
    paperout: "缺纸", coverclosed: "机盖已关", coveropen: "机盖打开", printerlive: "打印机有应答",
    printerdead: "打印机无应答", cablein: "屏幕已连接", cableout: "屏幕排线已拔",
    ends: "再打几行后缺纸", bothbooks: "终端流水与主机账本对照", voucher: "凭证号",
    kind: "类型", amount: "金额", cardnumber: "卡号", atterminal: "终端", athost: "主机",
    messages: "报文", events: "事件", merchant: "商户", fee: "手续费", zero: "全部分录借贷相等",
    notzero: "分录借贷不等", batch: "批次", nothing: "暂无", ended: "测试台已结束，请重新运行 mobi run",
    armedpower: "将在此次闪存操作时断电：", ops: "闪存操作次数", pin: "密码", effect: "故障",
    agree: "两端一致", open: "未完成", differ: "两端不一致", pause: "暂停", whole: "正常",
    half: "刷到一半", bit: "错一位", error: "读不出", realtime: "线路接在外部程序上", port: "线路",
    kinds: { sale: "消费", void: "撤销", refund: "退货", balance: "余额查询", qr: "扫码" },
    states: { pending: "处理中", approved: "成功", declined: "被拒绝", reversal_due: "待冲正", reversed: "已冲正",
      unknown: "结果未知", released: "已人工解除", absent: "未成功", voided: "已撤销", refunded: "已退货", settled: "已结算" },
    matches: { money: "消费、撤销或退货", sale: "消费", void: "撤销", refund: "退货", reversal: "冲正", "sign-on": "签到", settlement: "结算", any: "任何请求" },
    effects: { code51: "拒绝：余额不足(51)", code55: "拒绝：密码错(55)", code91: "拒绝：发卡行故障(91)",
      drop: "已记账，不应答", drop_request: "主机收不到", delay: "75 秒后才应答", cut: "已记账，断线 20 秒",
      approve_after_reversal: "冲正之后才来批准", wrong_mac: "MAC 错", no_mac: "没有 MAC", wrong_amount: "应答金额不符",
      wrong_trace: "应答流水号不符", garble: "应答损坏", duplicate: "应答两次", demand: "要求重新签到", verdict: "对账不平" },
  },
};

export const EFFECTS = {
  code51: { code: "51" }, code55: { code: "55" }, code91: { code: "91" }, drop: { drop: true },
  drop_request: { drop_request: true }, delay: { delay: 75 }, cut: { cut: 20 },
  approve_after_reversal: { approve_after_reversal: true }, wrong_mac: { wrong_mac: true }, no_mac: { no_mac: true },
  wrong_amount: { wrong_field: [4, "000000000001"] }, wrong_trace: { wrong_field: [11, "999999"] },
  garble: { garble: true }, duplicate: { duplicate: true }, demand: { demand: 3 }, verdict: { verdict: "2" },
};

// The acquirer's own English words in Chinese.
export const NOTES = {
  "does everything right": "一切正常", "answers money requests after 75 s": "资金交易 75 秒后才应答",
  "answers everything twice": "每次应答两遍", "answers money requests with another trace number": "资金交易应答的流水号不符",
  "spoils the MAC of answers to money requests": "资金交易应答的 MAC 错", "leaves the MAC out of answers to money requests": "资金交易应答没有 MAC",
  "finds every settlement unbalanced": "每次结算都对账不平", "answers a sale or void only after its reversal was answered": "冲正应答之后才批准消费或撤销",
  "books money requests and never answers them": "资金交易记账后从不应答",
  "the standard card": "标准卡", "another customer": "另一位顾客", "for large amounts": "大额用", "51 above 10.00": "超过 10.00 应答 51",
  "51 for any amount": "任何金额应答 51", "61 above 100.00 in one transaction": "单笔超过 100.00 应答 61", "55 without a PIN": "无密码应答 55",
  "a PIN of four digits": "四位密码", "a number of 16 digits": "16 位卡号", "call the issuer": "联系发卡行", "keep the card": "没收卡",
  "not honoured": "不予承兑", "no such issuer": "无此发卡行", "not activated": "未激活", "suspected fraud": "有作弊嫌疑",
  "PIN tries used up": "密码次数超限", "lost card": "挂失卡", "stolen card": "被窃卡", "not for this kind of transaction": "不允许此交易",
  "restricted card": "受限制的卡", "used too often": "次数超限", "the issuer's system is down": "发卡行系统故障", "the issuer does not answer": "发卡行无应答",
  "approved, flawed (A2)": "批准，有缺陷(A2)", "a sale is approved in part, half of it (10)": "消费部分批准一半(10)",
  "approved; the answer is damaged": "批准，应答损坏", "approved; the answer has a wrong amount": "批准，应答金额不符",
  "approved; the answer has a wrong trace": "批准，应答流水号不符", "declined with 77, the batch differs": "拒绝，应答码 77，批次号不符",
  "approved; the answer's MAC is wrong": "批准，应答 MAC 错", "approved; the answer has no MAC": "批准，应答没有 MAC",
  "approved after 5 s": "5 秒后批准", "approved after 25 s": "25 秒后批准", "late approval: answered after 75 s": "75 秒后才批准",
  "the request gets lost before the host": "请求丢失，主机收不到", "approved; the answer gets lost": "批准，应答丢失",
  "approved; the line is cut for 20 s before the answer": "批准，应答前断线 20 秒", "approved; answered twice": "批准，应答两次",
  "late approval: answered right after the reversal": "冲正之后才来批准",
};

// What is printed on the keys: large and small.
export const CAPTIONS = {
  FN: ["功能", "FN"], VOID: ["撤销", "VOID"], LAST: ["末笔", "LAST"], REFUND: ["退货", "REFUND"],
  CANCEL: ["取消", "CANCEL"], BACK: ["退格", "BACK"], CLEAR: ["清除", "CLEAR"], ENTER: ["确认", "ENTER"],
  UP: ["↑", "UP"], DOWN: ["↓", "DOWN"],
};
export const LOOKS = { CANCEL: "cancel", BACK: "back", CLEAR: "clear", ENTER: "enter", FN: "fn", VOID: "fn", LAST: "fn",
  REFUND: "fn", UP: "clear", DOWN: "clear" };

export const KEYBOARD = { Enter: "ENTER", Escape: "CANCEL", Backspace: "BACK", Delete: "CLEAR", ArrowUp: "UP",
  ArrowDown: "DOWN", f: "FN", v: "VOID", l: "LAST", r: "REFUND" };

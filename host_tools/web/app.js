// The page of the bench: shows what the server tells, sends what the hands do.
import { CAPTIONS, EFFECTS, KEYBOARD, LOOKS, NOTES, WORDS } from "./words.js";

const $ = (id) => document.getElementById(id);
const MOVED = ["approved", "voided", "refunded", "settled"];
const OPEN = ["pending", "reversal_due", "unknown"];
let language = navigator.language.startsWith("zh") ? "zh" : "en";  // until the bench says which
let facts = null, status = {}, books = null, beeps = null, socket = null;
const trace = [];
const word = (name) => WORDS[language][name] ?? name;
// The acquirer's own words, which are English.
const note = (text) => (language === "zh" ? NOTES[text] : "") || text;
const money = (fen) => (fen / 100).toLocaleString("en", { minimumFractionDigits: 2 });

function element(name, content = "", className = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(content);
  return made;
}

function toast(text) {
  $("toast").textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $("toast").textContent = ""; }, 6000);
}

// -- the socket ------------------------------------------------------------------------------------

function send(command, values = {}) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ do: command, ...values }));
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onmessage = (event) => hear(JSON.parse(event.data));
  socket.onclose = () => {
    document.body.classList.add("ended");
    toast(word("ended"));
    setTimeout(connect, 2000);
  };
  socket.onopen = () => {
    document.body.classList.remove("ended");
    $("toast").textContent = "";
    trace.length = 0;
    $("trace").replaceChildren();
  };
}

function hear(news) {
  if (news.facts) { facts = news.facts; status = {}; build(); }
  if (news.error) toast(news.error);
  if (news.panel) drawPanel(news.panel);
  if (news.paper) drawPaper(news.paper);
  if (news.status) drawStatus(news.status);
  if (news.books) { books = news.books; drawBooks(); }
  if (news.trace) drawTrace(news.trace);
}

// -- the terminal ----------------------------------------------------------------------------------

function drawPanel({ pixels, text }) {
  const bytes = atob(pixels);
  const canvas = $("panel").getContext("2d");
  const picture = canvas.createImageData(128, 64);
  for (let at = 0; at < 128 * 64; at++) {
    const lit = bytes.charCodeAt(at >> 3) >> (7 - (at & 7)) & 1;
    picture.data.set(lit ? [196, 232, 255, 255] : [5, 8, 12, 255], 4 * at);
  }
  canvas.putImageData(picture, 0, 0);
  const spoken = text.map((row) => row.trim()).filter(Boolean).join("\n");
  if ($("spoken").textContent !== spoken) $("spoken").textContent = spoken;
}

function drawPaper({ from, lines }) {
  const roll = $("roll");
  while (roll.children.length > from) roll.lastChild.remove();
  for (const line of lines) {
    const item = element("div");
    const ink = new Image();
    ink.src = `data:image/png;base64,${line.png}`;
    ink.alt = line.text;
    ink.width = 768;
    ink.height = 2 * line.height;
    ink.style.aspectRatio = `384 / ${line.height}`;
    ink.style.height = "auto";
    item.append(ink);
    if (line.cut) item.append(element("hr"));
    roll.append(item);
  }
}

function press(key) {
  send("press", { key });
  const button = document.querySelector(`[data-key="${key}"]`);
  button?.classList.add("down");
  setTimeout(() => button?.classList.remove("down"), 120);
}

// -- status ----------------------------------------------------------------------------------------

function toggle(id, on, words) {
  $(id).setAttribute("aria-checked", String(on));
  $(id).textContent = word(words[on ? 0 : 1]);
}

function list(id, items) {
  $(id).replaceChildren(...items.map(([text, look]) => element("li", text, look)));
}

function drawStatus(news) {
  if (beeps !== null && news.beeps > beeps) {
    $("lamp").classList.add("beep");
    setTimeout(() => $("lamp").classList.remove("beep"), 200);
  }
  beeps = news.beeps;
  const same = JSON.stringify({ ...news, now: 0, seconds: 0 }) === JSON.stringify({ ...status, now: 0, seconds: 0 });
  status = news;
  if (news.language !== language) speak(news.language);
  $("now").textContent = news.now.replace("T", " ");
  $("now").dateTime = news.now;
  if (same) return;
  $("lamp").classList.toggle("on", news.power);
  $("where").textContent = `${news.board} · ${news.terminal} · seed ${news.seed}` +
    (news.leads_to ? ` · ${word("port")} ${news.leads_to}` : "");
  for (const button of $("speeds").children) {
    button.setAttribute("aria-pressed", String(Number(button.value) === news.speed));
    button.disabled = news.real_time;
  }
  for (const button of $("skips").children) button.disabled = news.real_time;
  toggle("power", news.power, ["poweron", "poweroff"]);
  toggle("linecut", !news.line_cut, ["linegood", "linebad"]);
  toggle("paperout", !news.paper_out, ["paperin", "paperout"]);
  toggle("cover", !news.cover_open, ["coverclosed", "coveropen"]);
  toggle("printer", !news.printer_silent, ["printerlive", "printerdead"]);
  toggle("cable", news.panel_plugged, ["cablein", "cableout"]);
  $("powernote").textContent = news.power_cut_in !== null ? `${word("armedpower")} ${news.power_cut_in}`
    : `${word("ops")}: ${news.flash_ops}`;
  $("noise").value = String(news.ber);
  $("personality").value = news.personality;
  toggle("magic", news.amounts, ["magicon", "magicoff"]);
  for (const id of ["personality", "rule", "clearrules", "magic"]) $(id).disabled = Boolean(news.leads_to);
  for (const button of document.querySelectorAll("[data-fault]")) button.disabled = news.real_time;
  list("linelog", [...news.line_log.slice(-4).map((text) => [text, ""]), ...news.armed.map((text) => [text, "armed"])]);
  list("rules", news.rules.map((text) => [text, "armed"]));
  list("events", news.events.length ? news.events.map((text) => [text, "bad"]) : [[word("nothing"), ""]]);
  $("signon").disabled = !news.log_in;
}

// -- books and messages ----------------------------------------------------------------------------

function stateOf(txn) {
  if (!txn) return element("span", "–");
  const look = OPEN.includes(txn.state) ? "open" : MOVED.includes(txn.state) ? "moved" : "";
  return element("span", WORDS[language].states[txn.state] ?? txn.state, `state ${look}`);
}

function verdict(here, there) {
  if (here && OPEN.includes(here.state)) return ["open", "…", word("open")];
  const paid = (txn) => Boolean(txn) && txn.kind !== "balance" && MOVED.includes(txn.state);
  return paid(here) === paid(there) ? ["good", "✓", word("agree")] : ["bad", "✗", word("differ")];
}

function drawBooks() {
  if (!books) return;
  const { journal, ledger } = books;
  const key = (txn) => `${txn.batch}/${txn.trace}`;
  const both = new Map();
  for (const txn of ledger.transactions.filter((t) => t.terminal === status.terminal)) both.set(key(txn), { there: txn });
  for (const txn of journal) both.set(key(txn), { ...both.get(key(txn)), here: txn });
  const sorted = [...both.values()].sort((a, b) => {
    const [x, y] = [a.here ?? a.there, b.here ?? b.there];
    return y.batch - x.batch || y.trace - x.trace;
  });
  $("rows").replaceChildren(...sorted.map(({ here, there }) => {
    const txn = here ?? there;
    // What a journal no longer holds was settled and its room used again; of the books of somebody
    // else's acquirer nothing is known here.
    const [look, mark, text] = here && !status.leads_to ? verdict(here, there) : ["", "", ""];
    const row = element("tr", "", look === "good" ? "" : look);
    const sign = element("span", mark, `mark ${look}`);
    sign.title = text;
    sign.setAttribute("aria-label", text);
    const cells = [String(txn.trace).padStart(6, "0"), WORDS[language].kinds[txn.kind] ?? txn.kind, money(txn.amount),
      txn.masked_pan, stateOf(here), stateOf(there), sign];
    cells.forEach((content, at) => row.append(element("td", content, at === 2 ? "number" : "")));
    return row;
  }));
  if (!sorted.length) {
    const cell = element("td", word("nothing"), "empty");
    cell.colSpan = 7;
    $("rows").append(element("tr"));
    $("rows").lastChild.append(cell);
  }
  $("sums").replaceChildren(`${word("merchant")} `, element("b", money(ledger.merchant)),
    ...(ledger.fee ? [` · ${word("fee")} `, element("b", money(ledger.fee))] : []),
    ...Object.entries(ledger.cards).flatMap(([name, held]) => [` · ${name} `, element("b", money(held))]),
    ` · ${word(ledger.sum === 0 ? "zero" : "notzero")}`);
  if (facts) drawCard();
}

function drawTrace(entries) {
  const box = $("trace");
  for (const entry of entries) {
    const item = element("details");
    const arrow = element("span", entry.direction === ">" ? "→ " : "← ", entry.direction === ">" ? "to" : "from");
    const head = element("summary");
    head.append(`${entry.time} `, arrow, element("b", entry.mti), ` ${entry.operation}`,
      entry.trace ? ` ${entry.trace}` : "", entry.code ? ` [${entry.code}]` : "", entry.verdict ? `: ${entry.verdict}` : "");
    const fields = element("dl");
    for (const [number, name, value] of entry.fields) {
      fields.append(element("dt", number), element("dd", name), element("dd", value));
    }
    item.append(head, fields);
    box.prepend(item);
    trace.push(item);
  }
  while (trace.length > 200) trace.shift().remove();
}

// -- building the page -----------------------------------------------------------------------------

function options(id, pairs) {
  const chosen = $(id).value;
  $(id).replaceChildren(...pairs.map(([value, text]) => new Option(text, value)));
  if (pairs.some(([value]) => value === chosen)) $(id).value = chosen;
}

function build() {
  document.documentElement.lang = language;
  for (const item of document.querySelectorAll("[data-word]")) item.textContent = word(item.dataset.word);
  for (const item of document.querySelectorAll("[data-label]")) item.setAttribute("aria-label", word(item.dataset.label));
  $("language").textContent = word("other");
  if (!facts) return;
  options("card", facts.cards.map((card) => [card.name, `${card.masked.slice(-4)} ${card.name}` + (card.note ? `: ${note(card.note)}` : "")]));
  options("personality", facts.personalities.map((one) => [one.name, `${one.name}: ${note(one.text)}`]));
  $("magictable").replaceChildren(...facts.amounts.flatMap(([tail, text]) => [
    element("dt", `.${String(tail).padStart(2, "0")}`), element("dd", magic(text))]));
  options("damage", ["", "half", "bit", "error"].map((name) => [name, word(name || "whole")]));
  options("match", Object.entries(WORDS[language].matches));
  options("effect", Object.entries(WORDS[language].effects));
  $("speeds").replaceChildren(...[0, ...facts.speeds].map((times) => {
    const button = element("button", times ? `${times}×` : "❚❚");
    button.value = times;
    button.title = times ? word("time") : word("pause");
    button.setAttribute("aria-label", times ? `${times} ×` : word("pause"));
    button.onclick = () => send("speed", { times });
    return button;
  }));
  $("skips").replaceChildren(...[[30, "+30 s"], [300, "+5 min"], [3600, "+1 h"]].map(([seconds, text]) => {
    const button = element("button", text);
    button.onclick = () => send("advance", { seconds });
    return button;
  }));
  $("keys").replaceChildren(...facts.keys.flat().map((name) => {
    const [zh, en] = CAPTIONS[name] ?? [name, ""];
    const [large, small] = language === "en" && en ? [zh === "↑" || zh === "↓" ? zh : en, ""] : [zh, en];
    const button = element("button", large, LOOKS[name] ?? "");
    if (large.length > 2) button.classList.add("word");
    if (small) button.append(element("small", small));
    button.dataset.key = name;
    button.setAttribute("aria-label", small ? `${large} ${small}` : name);
    button.onclick = () => press(name);
    return button;
  }));
  drawCard();
}

function speak(name) {
  language = name;
  build();
  const now = status;
  status = {};
  drawStatus(now);
  drawBooks();
}

function magic(text) {
  const declined = /^declined with (..)$/.exec(text);
  return declined && language === "zh" ? `拒绝，应答码 ${declined[1]}` : note(text);
}

function drawCard() {
  const card = facts.cards.find((one) => one.name === $("card").value);
  if (!card) return;
  $("pan").textContent = card.masked.replace(/(.{4})(?=.)/g, "$1 ");
  $("cardname").textContent = card.name;
  $("expiry").textContent = `${card.expiry.slice(2)}/${card.expiry.slice(0, 2)}`;
  const balance = books?.ledger.cards[card.name] ?? card.balance;
  $("cardnote").textContent = `${word("pin")} ${card.pin}\n${word("balance")}\n${money(balance)}`;
  $("swipe").setAttribute("aria-label", `${word("swipe")} ${card.name}`);
}

function swipe() {
  send("swipe", { card: $("card").value, damage: $("damage").value });
  $("swipe").classList.add("swiped");
  setTimeout(() => $("swipe").classList.remove("swiped"), 400);
}

function bind() {
  const flip = (id, command, name, value) => {
    $(id).onclick = () => send(command, { [name]: value($(id).getAttribute("aria-checked") === "true") });
  };
  flip("power", "power", "on", (on) => !on);
  flip("linecut", "line_cut", "cut", (good) => good);
  flip("paperout", "paper_out", "out", (inside) => inside);
  flip("cover", "cover", "open", (closed) => closed);
  flip("printer", "printer_silent", "silent", (answers) => answers);
  flip("magic", "amounts", "on", (on) => !on);
  flip("cable", "panel_plug", "plugged", (plugged) => !plugged);
  const form = (id, run) => { $(id).onsubmit = (event) => { event.preventDefault(); run(); }; };
  form("cutform", () => send("power_cut_at", { flash_op: Number($("op").value), torn: $("torn").checked }));
  form("bytesform", () => send("line_cut_after", { bytes: Number($("bytes").value) }));
  form("linesform", () => send("paper_ends_after", { lines: Number($("lines").value) }));
  form("scanform", () => send("scan", { text: $("scan").value }));
  for (const button of document.querySelectorAll("[data-fault]")) {
    button.onclick = () => send("line_fault", { fault: button.dataset.fault, what: $("what").value, seconds: Number($("seconds").value) });
  }
  $("noise").onchange = () => send("noise", { ber: Number($("noise").value) });
  $("personality").onchange = () => send("personality", { name: $("personality").value });
  $("rule").onclick = () => send("rule", { match: $("match").value, ...EFFECTS[$("effect").value] });
  $("clearrules").onclick = () => send("clear_rules");
  $("signon").onclick = () => send("sign_on");
  $("tear").onclick = () => send("tear_off");
  $("swipe").onclick = swipe;
  $("paycode").onclick = () => send("pay_by_code", { card: $("card").value });
  $("card").onchange = drawCard;
  // One switch for page, console and terminal: what the bench says is taken over.
  $("language").onclick = () => send("language", { name: language === "zh" ? "en" : "zh" });
  // A button that a mouse or a finger has pressed gives the keyboard back to the keypad.
  document.addEventListener("click", (event) => {
    if (event.detail) event.target.closest?.("button")?.blur();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const field = event.target.closest?.("input, select, summary, #paper, .scroll");
    // Enter on a button that the keyboard has reached presses that button; all else is the keypad.
    if (field || (event.key === "Enter" && event.target.closest?.("button"))) return;
    const key = /^[0-9]$/.test(event.key) ? event.key : KEYBOARD[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (key) { event.preventDefault(); if (!event.repeat) press(key); }
    else if (event.key.toLowerCase() === "s") swipe();
    else if (event.key.toLowerCase() === "q") $("paycode").click();
  });
}

bind();
build();
connect();

// The characters that the recogniser knows, and how often training and validation show each.

const SHOWN = 1000;
const root = document.getElementById("dictionary");
const words = JSON.parse(root.dataset.words);
const said = document.getElementById("dictionary-said");
const body = root.querySelector("tbody");
const order = document.getElementById("order");
const ORDERS = {
  often: (a, b) => b.training - a.training || b.validation - a.validation,
  seldom: (a, b) => a.training - b.training || a.validation - b.validation,
  code: (a, b) => a.character.codePointAt(0) - b.character.codePointAt(0),
};
let items = [];

function cell(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function row(item, most) {
  const made = document.createElement("tr");
  const shown = item.character.trim() ? item.character : words.space;
  const head = cell("th", shown, "character");
  head.scope = "row";
  head.title = `U+${item.character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  const bar = cell("td", "", "bar");
  bar.ariaHidden = "true";
  const filled = document.createElement("i");
  filled.style.width = `${100 * item.training / most}%`;
  bar.append(filled);
  const known = cell("td", item.known ? words.known : words.unknown, item.known ? "" : "bad");
  const numbers = [item.training, item.validation].map((n) => cell("td", n.toLocaleString(), "number"));
  made.append(head, ...numbers, bar, known);
  return made;
}

function draw() {
  const most = Math.max(1, ...items.map((item) => item.training));
  const sorted = [...items].sort(ORDERS[order.value]).slice(0, SHOWN);
  body.replaceChildren(...sorted.map((item) => row(item, most)));
  said.textContent = words.shown.replace("{shown}", sorted.length).replace("{total}", items.length);
}

export async function showDictionary(api) {
  const answer = await fetch(`${api}/dictionary`).catch(() => null);
  items = answer?.ok ? (await answer.json()).items : [];
  const empty = items.length === 0;
  for (const one of root.querySelectorAll("form, .scroll")) one.hidden = empty;
  if (empty) said.textContent = words.none;
  else draw();
}

order.addEventListener("change", draw);
order.form.addEventListener("submit", (event) => event.preventDefault());

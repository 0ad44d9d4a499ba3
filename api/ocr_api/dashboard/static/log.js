// The log's end, and its new lines while one follows it. Old lines go, so that a page left open stays small.

const MAX_LINES = 5000;
const TAIL = 200;
const root = document.getElementById("log");
const lines = document.getElementById("lines");
const button = document.getElementById("follow");
const whole = document.getElementById("log-whole");
const said = document.getElementById("log-said");
const words = JSON.parse(root.dataset.words);
let count = 0;
let following = null;

function clear() {
  lines.textContent = "";
  count = 0;
}

function append(text) {
  if (!text) return;
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30;
  for (const line of text.split(/(?<=\n)/)) {
    const last = lines.lastChild;
    if (last && !last.data.endsWith("\n")) last.data += line;
    else { lines.append(document.createTextNode(line)); count += 1; }
  }
  for (; count > MAX_LINES; count -= 1) lines.firstChild.remove();
  if (atEnd) lines.scrollTop = lines.scrollHeight;
}

async function load(api) {
  const answer = await fetch(`${api}/log?lines=${TAIL}`).catch(() => null);
  if (following) return;
  clear();
  if (answer?.ok) append(await answer.text());
  if (!count) said.textContent = words.none;
  lines.hidden = whole.hidden = !count;
  lines.scrollTop = lines.scrollHeight;
}

async function follow(api) {
  const stop = new AbortController();
  following = stop;
  button.setAttribute("aria-pressed", "true");
  said.textContent = words.following;
  let end = words.ended;
  try {
    const answer = await fetch(`${api}/log?follow=true&lines=${TAIL}`, { signal: stop.signal });
    if (!answer.ok) end = words.none;
    else {
      clear();
      lines.hidden = false;
      lines.scrollTop = 0;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) append(part.value);
    }
  } catch {
    end = stop.signal.aborted ? "" : words.cut;
  }
  if (following !== stop) return;
  following = null;
  button.setAttribute("aria-pressed", "false");
  said.textContent = end;
}

export function showLog(api) {
  load(api);
  button.addEventListener("click", () => {
    if (following) following.abort();
    else follow(api);
  });
}

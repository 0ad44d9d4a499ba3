// The list: rows that the stream replaces, and a filter that stays in the address.
import { element, listen } from "./live.js";

const rows = document.getElementById("rows");
const filter = document.getElementById("filter");
const phase = document.getElementById("phase");
const shown = document.getElementById("shown");

function apply() {
  const wanted = filter.value.trim().toLowerCase();
  let count = 0;
  for (const row of rows.rows) {
    const fits = row.dataset.filter.includes(wanted) && (!phase.value || row.dataset.phase === phase.value);
    row.hidden = !fits;
    count += fits;
  }
  const words = shown.dataset.words;
  shown.textContent = words.replace("{shown}", count).replace("{total}", rows.rows.length);
  document.getElementById("empty").hidden = rows.rows.length > 0;
  document.getElementById("list").hidden = rows.rows.length === 0;
}

function remember() {
  const address = new URL(location.href);
  for (const field of [filter, phase]) {
    if (field.value) address.searchParams.set(field.id, field.value);
    else address.searchParams.delete(field.id);
  }
  history.replaceState(null, "", address);
}

let waiting = false;
function applySoon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; apply(); });
}

function find(name) {
  return rows.querySelector(`tr[data-name="${CSS.escape(name)}"]`);
}

for (const field of [filter, phase]) {
  field.value = new URL(location.href).searchParams.get(field.id) ?? "";
  field.addEventListener("input", () => { apply(); remember(); });
}
filter.form.addEventListener("submit", (event) => event.preventDefault());
apply();

listen(`/live/projects?since=${rows.dataset.since}`, document.getElementById("live"), {
  row: ({ name, html }) => {
    const fresh = element(html), old = find(name);
    if (old) {
      const focused = old.contains(document.activeElement);
      old.replaceWith(fresh);
      if (focused) fresh.querySelector("a").focus();
    } else {
      rows.prepend(fresh);
    }
    applySoon();
  },
  deleted: ({ name }) => { find(name)?.remove(); applySoon(); },
});

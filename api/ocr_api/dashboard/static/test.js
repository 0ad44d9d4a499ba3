// A test: its scores as a chart of the table beside it, the test under way, the way back from an image.
import { element, listen } from "./live.js";
import { chart } from "./plot.js";

const KINDS = { right: ["good", ""], wrong: ["bad", "/"], unknown: ["found", "."] };

function histogram(place, table) {
  const heads = [...table.tHead.rows[0].cells].slice(1);
  const rows = [...table.tBodies[0].rows];
  const bars = heads.map((head, column) => ({
    kind: head.dataset.kind, name: head.textContent,
    counts: rows.map((row) => Number(row.cells[column + 1].textContent)),
  })).filter(({ counts }) => counts.some((count) => count > 0));
  const middles = rows.map((_, n) => (n + 0.5) / rows.length);
  const make = (colour) => bars.map(({ kind, name, counts }) => ({
    type: "bar", name, x: middles, y: counts, width: 1 / rows.length,
    marker: { color: colour(KINDS[kind][0]), pattern: { shape: KINDS[kind][1] } },
  }));
  chart(place, make, { x: place.dataset.x, y: place.dataset.y, barmode: "stack", showlegend: true });
}

const place = document.getElementById("histogram");
if (place) histogram(place, document.getElementById("scores"));

const following = document.getElementById("following");
if (following?.dataset.live) {
  listen(following.dataset.live, document.getElementById("live"), {
    standing: ({ html }) => document.getElementById("standing").replaceWith(element(html)),
    ended: () => location.reload(),
  });
}

// Somebody who comes back from an image goes on from there.
if (location.hash.startsWith("#at-")) document.getElementById(location.hash.slice(1))?.focus();

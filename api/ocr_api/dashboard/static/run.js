// A run's page: its parts, each fetched again when the stream tells that there is something new.
import { offerActions } from "./actions.js";
import { Curves } from "./curves.js";
import { showDictionary } from "./dictionary.js";
import { Findings } from "./findings.js";
import { showLog } from "./log.js";
import { keepTrue } from "./page_part.js";

const run = document.getElementById("run");
const api = run.dataset.api;
const curves = new Curves(api);
const findings = new Findings(api);
const parts = {
  detection: () => curves.fetch("detection"),
  recognition: () => curves.fetch("recognition"),
  dataset: () => { findings.fetch(); showDictionary(api); },
};
let known = {};

function heed(marks) {
  for (const [part, fetchIt] of Object.entries(parts)) {
    if (known[part] !== marks[part]) fetchIt();
  }
  known = marks;
}

heed(JSON.parse(run.dataset.marks));
keepTrue(run, (news) => heed(news.marks));
offerActions();
showLog(api);

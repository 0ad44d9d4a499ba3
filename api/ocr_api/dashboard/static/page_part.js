// The part of a page that its stream replaces; focus stays where it was, times are told as the browser does.
import { element, listen } from "./live.js";

const LOCALE = document.documentElement.lang;

export function tellTimes(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    const shown = new Date(time.dateTime);
    time.textContent = shown.toLocaleString(LOCALE, { dateStyle: "medium", timeStyle: "short" });
    time.title = shown.toISOString();
  }
}

function replace(old, html) {
  const fresh = element(html);
  tellTimes(fresh);
  const scrolled = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : null;
  old.replaceWith(fresh);
  fresh.querySelectorAll(".scroll").forEach((one, place) => { one.scrollLeft = scrolled[place] ?? 0; });
  if (focused === null) return;
  const again = focused && document.getElementById(focused);
  (again && !again.disabled ? again : document.getElementById("content")).focus({ preventScroll: true });
}

/** news: called with the event's data after the part has been replaced. */
export function keepTrue(container, news = () => {}) {
  const live = document.getElementById("live");
  tellTimes(document);
  const source = listen(container.dataset.stream, live, {
    part: (data) => { replace(document.getElementById("part"), data.html); news(data); },
    deleted: () => {
      source.close();
      live.textContent = live.dataset.gone;
      live.classList.add("cut");
      for (const button of container.querySelectorAll("button")) button.disabled = true;
    },
  });
}

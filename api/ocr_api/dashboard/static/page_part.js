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

const asSent = (part) => [...part.children].map((child) => child.outerHTML);
let before = [];

/** Only what differs from what was sent before, so that no button goes from under a finger. */
function replace(html) {
  const old = document.getElementById("part"), fresh = element(html);
  const sent = asSent(fresh);
  tellTimes(fresh);
  const focused = old.contains(document.activeElement) ? document.activeElement.id : null;
  if (sent.length !== before.length) {
    old.replaceWith(fresh);
  } else {
    const [there, coming] = [old, fresh].map((part) => [...part.children]);
    sent.forEach((text, place) => {
      if (text === before[place]) return;
      const left = there[place].scrollLeft;
      there[place].replaceWith(coming[place]);
      coming[place].scrollLeft = left;
    });
  }
  before = sent;
  if (focused === null || document.activeElement !== document.body) return;
  const again = focused && document.getElementById(focused);
  (again && !again.disabled ? again : document.getElementById("content")).focus({ preventScroll: true });
}

/** news: called with the event's data after the part has been replaced. */
export function keepTrue(container, news = () => {}) {
  const live = document.getElementById("live");
  before = asSent(document.getElementById("part"));
  tellTimes(document);
  const source = listen(container.dataset.stream, live, {
    part: (data) => { replace(data.html); news(data); },
    deleted: () => {
      source.close();
      live.textContent = live.dataset.gone;
      live.classList.add("cut");
      for (const button of container.querySelectorAll("button")) button.disabled = true;
    },
  });
}

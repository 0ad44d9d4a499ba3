// A stream of server-sent events that says whether it still holds.

/** handlers: what to do with each kind of event, given its data. */
export function listen(url, status, handlers) {
  const source = new EventSource(url);
  const show = (alive) => {
    if (!status) return;
    status.textContent = alive ? status.dataset.live : status.dataset.cut;
    status.classList.toggle("cut", !alive);
  };
  source.addEventListener("open", () => show(true));
  source.addEventListener("error", () => show(false));
  for (const [kind, handle] of Object.entries(handlers)) {
    source.addEventListener(kind, (event) => handle(JSON.parse(event.data), event));
  }
  window.addEventListener("pagehide", () => source.close());
  return source;
}

/** The element that the server has sent; rows come in a table of their own, or the parser drops them. */
export function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// Buttons that change something by /api/v1: they ask where it matters, and say what came of it.

const said = document.getElementById("said");
const words = JSON.parse(said.dataset.words);
const ask = document.getElementById("ask");

function say(text, bad = false) {
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

/** What the API says in a refusal, for people. */
async function refusal(answer) {
  try {
    const problem = await answer.json();
    return problem.errors?.map((error) => `${error.field}: ${error.message}`).join("; ") || problem.detail;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

async function post(path, body, done) {
  say(words.wait);
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      ...(body && { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
  } catch {
    say(words["no-answer"], true);
    return;
  }
  if (!answer.ok) {
    say(await refusal(answer), true);
    return;
  }
  say(done);
  return answer.json();
}

function agreed(question, verb) {
  document.getElementById("ask-text").textContent = question;
  document.getElementById("ask-yes").textContent = verb;
  ask.returnValue = "no";
  ask.showModal();
  return new Promise((resolve) => {
    ask.addEventListener("close", () => resolve(ask.returnValue === "yes"), { once: true });
  });
}

async function press(button) {
  const { post: path, ask: question, said: done, dialog } = button.dataset;
  if (dialog) document.getElementById(dialog).showModal();
  else if (!question || await agreed(question, button.textContent)) await post(path, null, done);
}

async function startTest(form) {
  const id = form.elements.id.value.trim();
  const started = await post(form.dataset.post, { id }, form.dataset.said);
  if (!started) return;
  const link = document.createElement("a");
  link.href = form.dataset.leads + encodeURIComponent(started.id);
  link.textContent = started.id;
  said.append(" ", link);
}

/** Buttons come anew with each part, so the page listens, not they. */
export function offerActions() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-post], button[data-dialog]");
    if (button && !button.disabled) press(button);
  });
  const dialog = document.getElementById("test-dialog");
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close("no"));
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") startTest(dialog.querySelector("form"));
    dialog.returnValue = "";
  });
}

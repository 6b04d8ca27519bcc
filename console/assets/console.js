// What every page needs: the state of the connection, forms that are sent without
// leaving the page, and a place for what is said about that.

let csrf = document.body.dataset.csrf;
const link = document.getElementById("link");
const toast = document.getElementById("toast");
let hush;

// On a narrow window the pages' tabs scroll.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// say tells the reader something for a while.
export function say(text, bad = false) {
  toast.textContent = text;
  toast.className = text ? (bad ? "shown bad" : "shown") : "";
  clearTimeout(hush);
  if (text) hush = setTimeout(() => say(""), bad ? 8000 : 4000);
}

// connect keeps a page up to date: handlers are called with the data of the
// server's events by their names. The browser reconnects by itself and says
// which event it saw last; a tab that is hidden does not hold a connection.
export function connect(path, handlers, after) {
  let source, retry, last = after, wait = 1000;

  function open() {
    shut();
    const url = new URL(path, location.href);
    if (last !== undefined) url.searchParams.set("after", last);
    source = new EventSource(url);
    source.addEventListener("hello", (ev) => {
      const [token, boot] = ev.data.split(" ");
      csrf = token;
      document.body.dataset.boot = boot;
      for (const input of document.querySelectorAll("input[name=csrf]")) input.value = token;
      link.hidden = true;
      document.body.dataset.live = "yes";
      wait = 1000;
    });
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (ev) => {
        if (ev.lastEventId) last = ev.lastEventId;
        handle(ev.data);
      });
    }
    source.addEventListener("error", () => {
      link.hidden = false;
      document.body.dataset.live = "no";
      if (source.readyState === EventSource.CLOSED) again();
    });
  }

  async function again() {
    shut();
    try {
      const answer = await fetch(location.href, { method: "HEAD", headers: { "X-Rosey": "1" } });
      if (answer.status === 401) {
        location.assign("/login?to=" + encodeURIComponent(location.pathname + location.search));
        return;
      }
    } catch {
      // The server is away.
    }
    retry = setTimeout(open, wait);
    wait = Math.min(wait * 2, 15000);
  }

  function shut() {
    clearTimeout(retry);
    if (source) source.close();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? shut() : open()));
  addEventListener("pagehide", shut);
  if (!document.hidden) open();
}

const busy = new WeakSet();
const sure = document.getElementById("sure");

// ask puts a question, and resolves to whether it was answered by yes.
function ask(question) {
  sure.querySelector("p").textContent = question;
  sure.returnValue = "";
  sure.showModal();
  return new Promise((resolve) => sure.addEventListener("close", () => resolve(sure.returnValue === "yes"), { once: true }));
}

// A form with data-fetch is sent by this script; without it the browser does it.
document.addEventListener("submit", async (ev) => {
  const form = ev.target;
  if (!("fetch" in form.dataset)) return;
  ev.preventDefault();
  if (busy.has(form)) return;
  const button = ev.submitter, body = new URLSearchParams(new FormData(form));
  if (button?.name) body.set(button.name, button.value);
  if (button?.dataset.confirm) {
    if (!(await ask(button.dataset.confirm.replace("%s", body.get("user"))))) return;
    body.set("confirm", "yes");
  }
  busy.add(form); // a button that is disabled would lose the focus
  try {
    const answer = await fetch(button?.hasAttribute("formaction") ? button.formAction : form.action, {
      method: "POST",
      body,
      headers: { "X-Rosey": "1", "X-CSRF-Token": csrf },
    });
    const text = (await answer.text()).trim();
    say(text, !answer.ok);
    form.dispatchEvent(new CustomEvent("sent", { detail: answer.ok }));
  } catch {
    say("The bot does not answer. Try again in a moment.", true);
  } finally {
    busy.delete(form);
  }
});

document.addEventListener("click", async (ev) => {
  const button = ev.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say("Copied");
  } catch {
    say("The browser does not let this page copy: select the text instead.", true);
  }
});

// The chat as it happens.
import { connect } from "./console.js";

const scroll = document.getElementById("scroll");
const lines = document.getElementById("lines");
const none = document.getElementById("none");
const newest = document.getElementById("newest");
const side = document.getElementById("side");
const most = 600; // lines that stay on the page

const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
const toEnd = () => (scroll.scrollTop = scroll.scrollHeight);

// The markup is the server's own; what people wrote is text in it.
function parse(html) {
  const t = document.createElement("template");
  t.innerHTML = html;
  return t.content.firstElementChild;
}

function add(html) {
  const line = parse(html);
  if (document.getElementById(line.id)) return;
  const follow = atEnd();
  line.classList.add("new");
  lines.append(line);
  none.hidden = true;
  if (follow) {
    while (lines.children.length > most) lines.firstElementChild.remove();
    toEnd();
  } else {
    newest.hidden = false;
  }
}

scroll.addEventListener("scroll", () => {
  if (atEnd()) newest.hidden = true;
});
newest.addEventListener("click", () => {
  toEnd();
  newest.hidden = true;
});
new ResizeObserver(() => newest.hidden && toEnd()).observe(scroll);

// The command that an answer answers: on this page, or else in its trace.
lines.addEventListener("click", (ev) => {
  const a = ev.target.closest("a.answer");
  if (!a) return;
  ev.preventDefault();
  const line = document.querySelector(a.hash);
  if (!line) return location.assign(a.dataset.trace);
  line.scrollIntoView({ block: "center" });
  for (const old of lines.querySelectorAll(".found")) old.classList.remove("found");
  line.classList.add("found");
});

const form = document.getElementById("say");
if (form) {
  form.addEventListener("sent", (ev) => {
    if (ev.detail) form.reset();
    form.elements.text.focus();
    toEnd();
  });
}

toEnd();
connect("/events?channel=" + encodeURIComponent(lines.dataset.channel), {
  line: add,
  side: (html) => (side.innerHTML = html),
  reset: () => location.reload(),
}, lines.dataset.after);

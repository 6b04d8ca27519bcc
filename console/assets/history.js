// Endless history: chunks are loaded as the reader comes near an edge, and those
// far away keep their height but give up their lines.
import "./console.js";

const scroll = document.getElementById("scroll");
const chunks = document.getElementById("chunks");
const edges = { older: document.getElementById("older"), newer: document.getElementById("newer") };
const filtered = scroll.dataset.filtered === "true";
const near = 1500; // pixels around what is seen in which lines are kept
const busy = { older: false, newer: false };
const kept = new WeakMap(); // markup of chunks that are out of sight

function has(side) {
  const c = side === "older" ? chunks.firstElementChild : chunks.lastElementChild;
  return c.dataset[side] === "true";
}

function describe(side) {
  const edge = edges[side];
  if (has(side)) {
    const c = side === "older" ? chunks.firstElementChild : chunks.lastElementChild;
    if (!filtered) {
      edge.textContent = "Loading…";
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = side === "older" ? "Search further back" : "Search further on";
    button.addEventListener("click", () => load(side));
    const reached = c.dataset.reached ? (side === "older" ? "Searched back to " : "Searched from ") + c.dataset.reached + ". " : "";
    edge.replaceChildren(reached, button);
    return;
  }
  const lines = chunks.querySelector(".line") || [...chunks.children].some((c) => kept.has(c));
  if (side === "older") edge.textContent = lines ? "This is where the history begins." : filtered ? "Nothing matches." : "There is no history yet.";
  else edge.textContent = lines ? "This is the present." : "";
}

async function load(side) {
  if (busy[side] || !has(side)) return;
  busy[side] = true;
  if (filtered) edges[side].textContent = "Searching…";
  try {
    const url = new URL("/history/rows?" + scroll.dataset.query, location.href);
    if (side === "older") url.searchParams.set("before", chunks.firstElementChild.dataset.first);
    else url.searchParams.set("after", chunks.lastElementChild.dataset.last);
    const answer = await fetch(url, { headers: { "X-Rosey": "1" } });
    if (!answer.ok) throw new Error(await answer.text());
    const t = document.createElement("template");
    t.innerHTML = await answer.text();
    place(side, t.content.firstElementChild);
    describe(side);
  } catch (err) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Try again";
    button.addEventListener("click", () => load(side));
    edges[side].replaceChildren("That could not be loaded. ", button);
  } finally {
    busy[side] = false;
  }
  look();
}

// place puts a chunk at an edge without moving what is being read.
function place(side, chunk) {
  if (side === "newer") {
    chunks.append(chunk);
  } else {
    const before = scroll.scrollHeight - scroll.scrollTop;
    chunks.prepend(chunk);
    scroll.scrollTop = scroll.scrollHeight - before;
  }
  watch.observe(chunk);
}

const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting, boundingClientRect } of entries) {
    if (isIntersecting && kept.has(target)) {
      target.innerHTML = kept.get(target);
      kept.delete(target);
      target.style.height = "";
    } else if (!isIntersecting && !kept.has(target) && target.children.length && !target.contains(document.activeElement)) {
      target.style.height = boundingClientRect.height + "px";
      kept.set(target, target.innerHTML);
      target.replaceChildren();
    }
  }
}, { root: scroll, rootMargin: near + "px 0px" });

function look() {
  // A search goes on when it is asked to, and not by itself.
  if (filtered) return;
  if (scroll.scrollTop < near) load("older");
  if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < near) load("newer");
}

// A width that changes makes kept heights wrong: show everything once.
let width = scroll.clientWidth;
new ResizeObserver(() => {
  if (scroll.clientWidth === width) return;
  width = scroll.clientWidth;
  for (const c of chunks.children) c.style.height = "";
}).observe(scroll);

watch.observe(chunks.firstElementChild);
describe("older");
describe("newer");
scroll.scrollTop = scroll.dataset.at ? edges.older.offsetHeight : scroll.scrollHeight;
scroll.addEventListener("scroll", look, { passive: true });
look();

// A part of the page that the server sends again when it has changed.
import { connect } from "./console.js";

const part = document.getElementById("part");
const pieces = "tr, p.sum, p.empty, dl, h2";
let pressed = false, held = null;

// Only what differs is replaced, and nothing under a finger that is down: a click
// begins and ends on the same button.
function update(html) {
  if (pressed) {
    held = html;
    return;
  }
  const id = part.contains(document.activeElement) ? document.activeElement.id : "";
  const t = document.createElement("template");
  t.innerHTML = html;
  const old = [...part.querySelectorAll(pieces)], fresh = [...t.content.querySelectorAll(pieces)];
  if (old.length === fresh.length && old.every((piece, i) => piece.tagName === fresh[i].tagName)) {
    old.forEach((piece, i) => piece.outerHTML !== fresh[i].outerHTML && piece.replaceWith(fresh[i]));
  } else {
    part.replaceChildren(t.content);
  }
  if (!id || document.activeElement?.id === id) return;
  // Pause becomes Resume under the reader's hand.
  const other = id.startsWith("pause-") ? id.replace("pause-", "resume-") : id.replace("resume-", "pause-");
  (document.getElementById(id) || document.getElementById(other))?.focus();
}

part.addEventListener("pointerdown", () => (pressed = true));
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => {
    pressed = false;
    // After the click that comes of it.
    setTimeout(() => {
      if (held === null || pressed) return;
      const html = held;
      held = null;
      update(html);
    });
  });
}

connect(part.dataset.events, { part: update });

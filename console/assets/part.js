// A part of the page that the server sends again when it has changed.
import { connect } from "./console.js";

const part = document.getElementById("part");

connect(part.dataset.events, {
  part(html) {
    const id = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.innerHTML = html;
    if (!id) return;
    // Pause becomes Resume under the reader's hand.
    const other = id.startsWith("pause-") ? id.replace("pause-", "resume-") : id.replace("resume-", "pause-");
    (document.getElementById(id) || document.getElementById(other))?.focus();
  },
});

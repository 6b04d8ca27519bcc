// The channel as it is, and the forms by which an operator asks for changes.
import "./part.js";

// A user's button puts the name into the form, where the reason is typed.
document.getElementById("part").addEventListener("click", (ev) => {
  const button = ev.target.closest("[data-fill]");
  if (!button) return;
  document.getElementById("user").value = button.dataset.fill;
  document.getElementById("reason").focus();
});

// What was asked for is typed once.
for (const id of ["queue", "poll"]) {
  document.getElementById(id)?.addEventListener("sent", (ev) => {
    if (ev.detail) ev.target.reset();
  });
}

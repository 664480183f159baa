// The pages of people and tokens: forms and buttons that speak JSON to the API; a secret is shown once, in a dialog.
"use strict";
function tell(field, found, done) {
  if (!field || !found || !found[field]) { toast(done || "Done"); later("reload", () => location.reload(), 400); return; }
  const secret = field === "login_path" ? location.origin + found[field] : found[field];
  $("#secret").textContent = secret;
  $("#copy").dataset.copy = secret;
  $("#shown").showModal();
  $("#shown").addEventListener("close", () => location.reload(), { once: true });
}

async function ask(method, url, body, show, done) {
  const answer = await send(method, url, body);
  const text = await answer.text();
  tell(show, text ? JSON.parse(text) : null, done);
}

ACTIONS.ask = async (button) => {
  if (button.dataset.confirm && !confirm(button.dataset.confirm)) return;
  button.disabled = true;
  try { await ask(button.dataset.method, button.dataset.url, button.dataset.body, button.dataset.show, button.dataset.done); }
  catch (problem) { toast(problem.message, true); }
  button.disabled = false;
};

function said(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled) continue;
    if (field.type === "checkbox") body[field.name] = field.checked;
    else if (field.type === "number") body[field.name] = Number(field.value);
    else if (field.value !== "") body[field.name] = field.value;
  }
  return JSON.stringify(body);
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-api]");
  if (!form) return;
  event.preventDefault();
  try { await ask(form.dataset.method || "POST", form.dataset.api, said(form), form.dataset.show, form.dataset.done); }
  catch (problem) { toast(problem.message, true); }
});

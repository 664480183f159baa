// The calibration library: components on demand, what a deletion would do before it is done, reasons, settings.
"use strict";
ACTIONS.expand = async (button) => {
  const row = document.getElementById(button.getAttribute("aria-controls"));
  const open = row.hidden;
  button.setAttribute("aria-expanded", String(open));
  row.hidden = !open;
  if (open && !row.dataset.read) {
    row.dataset.read = "1";
    await htmx.ajax("GET", row.dataset.url, { target: $("td", row), swap: "innerHTML" });
  }
};

// What a deletion takes along is said by the server, line by line; only then is there a button that deletes.
ACTIONS.remove = async (button) => {
  button.disabled = true;
  try {
    const found = await (await fetch(`/calibration/impact/${button.dataset.id}`, { credentials: "same-origin" })).json();
    $("#impact-name").textContent = button.dataset.name;
    $("#impact-lines").replaceChildren(...found.lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
    $("#impact-go").dataset.id = button.dataset.id;
    $("#impact").showModal();
  } catch (problem) { toast(problem.message, true); }
  button.disabled = false;
};

ACTIONS["remove-now"] = async (button) => {
  button.disabled = true;
  try {
    await send("DELETE", `/api/v1/calibration/frames/${button.dataset.id}`);
    $("#impact").close();
    toast("Deleted");
    const away = location.pathname.startsWith("/calibration/masters/");
    later("reload", () => (away ? location.assign("/calibration") : location.reload()), 400);
  } catch (problem) { toast(problem.message, true); }
  button.disabled = false;
};

ACTIONS.because = (button) => {
  const go = $("#because-go");
  $("#because-title").textContent = button.dataset.title;
  $("#because-text").textContent = button.dataset.text;
  Object.assign(go.dataset, { url: button.dataset.url, field: button.dataset.field || "", value: button.dataset.value || "" });
  $("#because").showModal();
};

ACTIONS["because-now"] = async (button) => {
  const why = $("#because-why");
  if (!why.reportValidity()) return;
  const body = { because: why.value };
  if (button.dataset.field) body[button.dataset.field] = button.dataset.value;
  try { await ask("POST", button.dataset.url, JSON.stringify(body), null, "Done"); $("#because").close(); }
  catch (problem) { toast(problem.message, true); }
};

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

// What a deletion takes along is shown first; only then is there a button that deletes.
function impactLines(found) {
  const rows = Object.entries(found.rows).filter(([, count]) => count).map(([name, count]) => `${count} × ${name.replaceAll("_", " ")}`);
  const lines = [...found.warnings, `Goes for ever: ${found.objects} stored objects (${(found.size / 1e6).toFixed(1)} MB)`
    + (rows.length ? `, rows: ${rows.join(", ")}.` : ".")];
  if (found.lights_changed) lines.push(`${found.lights_changed} light frames of the last 30 days would get another master.`);
  if (found.calibrated_lights) lines.push(`${found.calibrated_lights} cached calibrated lights go; they are made anew when asked for.`);
  return lines;
}

ACTIONS.remove = async (button) => {
  button.disabled = true;
  try {
    const found = await (await send("GET", `/api/v1/calibration/frames/${button.dataset.id}/impact`)).json();
    $("#impact-name").textContent = button.dataset.name;
    $("#impact-lines").replaceChildren(...impactLines(found).map((line) => {
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

// Settings: only what differs from the default is sent; what the server refuses is said beside its field.
function chosenSettings(form) {
  const settings = {};
  for (const field of form.elements) {
    if (!field.name || field.value === field.dataset.default) continue;
    settings[field.name] = field.type === "number" ? (field.value === "" ? null : Number(field.value)) : field.value;
  }
  return JSON.stringify({ settings });
}

function complain(form, problem) {
  for (const field of form.elements) {
    if (!field.name) continue;
    const about = problem ? problem.fields.filter((one) => one.field.split(".").includes(field.name)) : [];
    const told = about.map((one) => one.message).join("; ");
    form.querySelector(`output[for="${field.id}"]`).textContent = told;
    field.setAttribute("aria-invalid", String(Boolean(told)));
  }
  if (!problem) return;
  toast(problem.message, true);
  form.querySelector("[aria-invalid=true]")?.focus();
}

ACTIONS["save-settings"] = async (button) => {
  const form = button.form;
  button.disabled = true;
  try {
    complain(form, null);
    await send("PUT", form.dataset.url, chosenSettings(form), { "If-Match": `"${form.dataset.version}"` });
    toast("Settings saved");
    later("reload", () => location.reload(), 400);
  } catch (problem) { complain(form, problem); }
  button.disabled = false;
};

ACTIONS.defaults = (button) => {
  for (const field of button.form.elements) if (field.name) field.value = field.dataset.default;
  toast("Defaults filled in; save to use them");
};

document.addEventListener("submit", (event) => { if (event.target.id === "settings") event.preventDefault(); });

ACTIONS["dry-run"] = async (button) => {
  const form = button.form;
  button.disabled = true;
  try {
    complain(form, null);
    const told = await (await send("POST", `${form.dataset.url}/dry-run`, chosenSettings(form))).json();
    $("#dry-run-sum").textContent = `Of ${told.lights} lights of the last 30 days, ${told.gaining} would gain a master, `
      + `${told.losing} would lose one, ${told.changing} would get another; ${told.unchanged} stay as they are.`;
    $("#dry-run-lines").replaceChildren(...told.effects.slice(0, 50).map((one) => {
      const item = document.createElement("li");
      const what = [one.exposure_s !== null && `${one.exposure_s} s`, one.filter, one.temp_c !== null && `${one.temp_c} °C`];
      item.textContent = `${one.night}, ${one.lights} × ${what.filter(Boolean).join(" · ")}: ${one.place} ${one.effect}: ${one.reason}`;
      return item;
    }));
    $("#dry-run").hidden = false;
    $("#dry-run").scrollIntoView({ block: "nearest" });
  } catch (problem) { complain(form, problem); }
  button.disabled = false;
};

// A calibrated light is made on demand: ask until it is there, then let the browser download it.
ACTIONS.calibrated = async (button) => {
  button.disabled = true;
  try {
    for (let tries = 0; tries < 90; tries += 1) {
      const stop = new AbortController();
      const answer = await fetch(button.dataset.url, { credentials: "same-origin", signal: stop.signal });
      if (answer.status === 200) { stop.abort(); location.assign(button.dataset.url); break; }
      const told = await answer.json();
      if (answer.status !== 202) throw new Error(told.detail || answer.statusText);
      if (tries === 0) toast("The light is being calibrated");
      await new Promise((go) => setTimeout(go, 1000 * (Number(answer.headers.get("Retry-After")) || 2)));
    }
  } catch (problem) { toast(problem.message, true); }
  button.disabled = false;
};

function maintained(told) {
  const would = told.dry_run ? "would be " : "";
  if ("calibrated" in told) return [`${told.calibrated} calibrated lights ${would}removed.`];
  if ("expired" in told) return [`${told.expired} masters ${would}warned of, ${told.taken_back} warnings ${would}taken back.`,
    ...told.masters.map((one) => `${one.observatory}: ${one.group_key} is ${one.age_days.toFixed(0)} days old, ${one.max_age_days} are allowed`)];
  return [`${told.frame_count} individual frames and ${told.master_count} superseded masters ${would}deleted, ${(told.size / 1e6).toFixed(1)} MB.`,
    ...[...told.masters, ...told.frames].map((one) => `${one.name}, ${(one.size / 1e6).toFixed(1)} MB, kept ${one.days} days since ${one.since.slice(0, 10)}`)];
}

ACTIONS.maintain = async (button) => {
  if (button.dataset.confirm && !confirm(button.dataset.confirm)) return;
  const list = $(".told", button.closest(".task"));
  button.disabled = true;
  try {
    const told = await (await send("POST", button.dataset.url + (button.dataset.dry ? "?dry_run=true" : ""))).json();
    list.replaceChildren(...maintained(told).map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
    list.hidden = false;
    if (!told.dry_run) toast("Done");
  } catch (problem) { toast(problem.message, true); }
  button.disabled = false;
};

// A ready-made master goes up as it is; what its header lacks is stated beside it.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-upload]");
  if (!form) return;
  event.preventDefault();
  const file = form.elements.file.files[0], said = new URLSearchParams({ observatory: form.dataset.observatory, name: file.name });
  if (form.elements.frame_type.value) said.set("frame_type", form.elements.frame_type.value);
  const button = $("button", form);
  button.disabled = true;
  try {
    const told = await (await send("POST", `${form.dataset.upload}?${said}`, file, { "Content-Type": "application/fits" })).json();
    toast(told.job_id ? "Uploaded; the gate judges it now" : `These bytes were judged before: ${told.state || "a frame"}`);
    form.reset();
  } catch (problem) { toast(problem.message, true); }
  button.disabled = false;
});

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
const TABLES = { frame: "frame", master: "master", product: "stored product", job: "job", master_component: "record of a source frame",
  detector_reading: "reading of the detector diary", light_set: "set of masters of a night" };
const several = (count, word) => `${count} ${word}${count === 1 ? "" : word.endsWith("y") ? "" : "s"}`;
const megabytes = (size) => (size === 0 ? "0 MB" : size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`);

function impactLines(found) {
  const rows = Object.entries(found.rows).filter(([, count]) => count).map(([name, count]) => (TABLES[name] ? `${count} × ${TABLES[name]}` : `${count} × ${name.replaceAll("_", " ")}`));
  const lines = [...found.warnings, `Goes for ever: ${several(found.objects, "stored file")} (${megabytes(found.size)})`
    + (rows.length ? `; from the database ${rows.join(", ")}.` : ".")];
  if (found.lights_changed) lines.push(`${several(found.lights_changed, "light frame")} of the last 30 days would get another master.`);
  if (found.calibrated_lights) lines.push(`${several(found.calibrated_lights, "cached calibrated light")} would go; each is made anew when somebody asks.`);
  return lines;
}

function impactLights(found) {
  const list = $("#impact-lights"), lights = found.lights || [];
  list.parentElement.hidden = !lights.length;
  $("#impact-lights-sum").textContent = `Which lights (${lights.reduce((sum, one) => sum + one.lights, 0)})`;
  list.replaceChildren(...lights.map((one) => {
    const item = document.createElement("li"), to = document.createElement("a");
    to.href = `/frames/${one.example_id}`;
    to.textContent = one.sentence;
    item.append(to);
    return item;
  }));
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
    impactLights(found);
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
  $("#because-lines").replaceChildren();
  $("#because").showModal();
  if (button.dataset.look) recallLines(button.dataset.url);
};

// What a recall would do, told by the server before it is done.
async function recallLines(url) {
  let told;
  try { told = await (await send("POST", `${url}?dry_run=true`, JSON.stringify({ because: "a look before the recall" }))).json(); }
  catch (problem) { toast(problem.message, true); return; }
  const line = (text, ids = []) => {
    const item = document.createElement("li");
    item.append(text, ...ids.slice(0, 5).flatMap((id) => {
      const to = document.createElement("a");
      to.href = `/calibration/masters/${id}`;
      to.textContent = id.slice(0, 8);
      return [" ", to];
    }));
    return item;
  };
  $("#because-lines").replaceChildren(
    line(told.light_count ? `${several(told.light_count, "light")} ${told.light_count === 1 ? "is" : "are"} processed again, when nothing else waits.` : "No light was measured with it."),
    told.reinstated ? line("In use again:", [told.reinstated]) : line("No older master of its group takes its place."),
    line(`Its ${several(told.frames.length, "individual frame")} ${told.frames.length === 1 ? "is" : "are"} not stacked again unless asked for.`),
    ...(told.flats?.length ? [line(`${several(told.flats.length, "master flat")} had this dark taken off and stay in use; stack them again:`, told.flats)] : []),
  );
}

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
    $("#dry-run-sum").textContent = !told.lights ? "No light was taken in the last 30 days: no light would change." : `Of ${told.lights} lights of the last 30 days, ${told.gaining} would gain a master, `
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
  if ("calibrated" in told) return [`${several(told.calibrated, "calibrated light")} ${would}removed.`];
  if ("expired" in told) return [`${several(told.expired, "master")} ${would}warned of, ${several(told.taken_back, "warning")} ${would}taken back.`,
    ...told.masters.map((one) => `${one.observatory}: ${one.group_key} is ${several(Math.round(one.age_days), "day")} old, ${one.max_age_days} are allowed`)];
  return [`${several(told.frame_count, "individual frame")} and ${several(told.master_count, "superseded master")} ${would}deleted, ${megabytes(told.size)}.`,
    ...[...told.masters, ...told.frames].map((one) => `${one.name}, ${megabytes(one.size)}, kept ${several(one.days, "day")} since ${one.since.slice(0, 10)}`)];
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

// A ready-made master goes up as it is; what its header lacks is stated beside it, and only what was filled in is sent.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-upload]");
  if (!form) return;
  event.preventDefault();
  const file = form.elements.file.files[0], said = new URLSearchParams({ observatory: form.dataset.observatory, name: file.name });
  for (const field of form.elements) if (field.name && field.name !== "file" && field.value.trim() !== "") said.set(field.name, field.value.trim());
  const button = $("button", form), output = $("output", form);
  button.disabled = true;
  output.textContent = `Uploading ${megabytes(file.size)}…`;
  try {
    const told = await (await send("POST", `${form.dataset.upload}?${said}`, file, { "Content-Type": "application/fits" })).json();
    const sentence = told.job_id ? "Uploaded; the gate judges it now, the verdict appears under stacking jobs." : `These bytes were judged before: ${told.state || "they are known as a frame"}.`;
    form.reset();
    output.textContent = sentence;
    toast(sentence);
  } catch (problem) { output.textContent = problem.message; toast(problem.message, true); }
  button.disabled = false;
});

// Lights that were measured with the masters before this one: ordered in parts until none is left.
ACTIONS["reprocess-lights"] = async (button) => {
  if (!confirm(button.dataset.confirm)) return;
  button.disabled = true;
  try {
    let ordered = 0, left = 1;
    while (left > 0) {
      const told = await (await send("POST", button.dataset.url)).json();
      ordered += told.ordered;
      left = told.ordered ? told.left : 0;
      button.textContent = `${ordered} ordered…`;
    }
    toast(`${several(ordered, "light")} will be processed again, when nothing else waits`);
    htmx.trigger("#succession", "pictor:succession");
  } catch (problem) { toast(problem.message, true); }
  button.disabled = false;
};

// Live: what the library shows is fetched again when a master, a stack or an individual frame changes. Forms outside of
// the live parts are never touched; inside, ticked boxes, open lines, the focus and the place on the page stay.
const LIBRARY_EVENT = /^(master\.|stacking\.)/;
const FRAMES_EVENT = /^(frame\.ingested|frame\.quarantined|job\.finished)$/;
let due = 0, fetched = 0;

function keyOf(element) {
  const form = element.closest("form.create"), id = element.dataset.id || element.getAttribute("aria-controls") || element.getAttribute("href");
  return form ? `${form.elements.group_key.value} ${element.name || element.tagName}` : id ? `${element.dataset.action || element.tagName} ${id}` : null;
}

function keepState(old, fresh) {
  for (const box of $$("form.create input:checked", old)) {
    const same = $$("form.create input[name=force]", fresh).find((other) => keyOf(other) === keyOf(box));
    if (same) same.checked = true;
  }
  for (const line of $$("tr.parts:not([hidden])", old)) {
    const same = fresh.querySelector(`[id="${line.id}"]`);
    if (!same) continue;
    fresh.querySelector(`[aria-controls="${line.id}"]`)?.setAttribute("aria-expanded", "true");
    same.replaceWith(line);
  }
  for (const [number, open] of $$("details", old).entries()) if (open.open && $$("details", fresh)[number]) $$("details", fresh)[number].open = true;
}

async function freshen() {
  due = 0;
  fetched = Date.now();
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok || new URL(answer.url).pathname !== location.pathname) return;
  const text = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of $$("[data-live]")) {
    const found = text.getElementById(old.id);
    if (!found || found.innerHTML === old.dataset.last) continue;
    const last = found.innerHTML, fresh = document.importNode(found, true);
    const focus = old.contains(document.activeElement) ? keyOf(document.activeElement) : null;
    keepState(old, fresh);
    old.replaceWith(fresh);
    fresh.dataset.last = last;
    htmx.process(fresh);
    if (focus) $$("button, a, input, summary", fresh).find((element) => keyOf(element) === focus)?.focus({ preventScroll: true });
  }
  document.dispatchEvent(new Event("pictor:library"));
}

// At most every so often: a night of uploads is hundreds of events.
function freshenSoon(pause) {
  if (due || !($("[data-live]") || $("#diary"))) return;
  due = setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", freshen, { once: true }) : freshen()), Math.max(600, fetched + pause - Date.now()));
}

document.addEventListener("pictor:event", (event) => {
  const { kind, frame } = event.detail;
  if (LIBRARY_EVENT.test(kind)) freshenSoon(2000);
  else if (FRAMES_EVENT.test(kind) && ["frames", "needs", "jobs", "coverage"].includes($("#room")?.dataset.tab)) freshenSoon(8000);
  if ($("#calibration[data-url]") && (kind.startsWith("master.") || (kind === "job.finished" && frame === $("#look")?.dataset.id))) {
    later("explain", () => htmx.ajax("GET", $("#calibration").dataset.url, { target: "#calibration > div", swap: "outerHTML" }), 1500);
  }
});

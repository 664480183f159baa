// Bad pixels of a rig: checked while they are written, drawn over a master dark, kept only by Save.
"use strict";
(() => {
  const root = document.getElementById("pixels");
  if (!root) return;
  const area = $("#pixels-body"), told = $("#pixels-told"), canvas = $("#pixels-canvas");
  const writable = area.tagName === "TEXTAREA";
  let boxes = [], binning = 1, asked = 0;

  function draw() {
    if (!canvas) return;
    const image = $("img", canvas.parentElement), ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(image.clientWidth * ratio);
    canvas.height = Math.round(image.clientHeight * ratio);
    const pen = canvas.getContext("2d");
    pen.globalAlpha = 0.8;
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--mark").trim();
    // Both the list and the picture are brought to unbinned pixels of the sensor.
    const unbinned = Number(root.dataset.binning), width = root.dataset.width * unbinned, height = root.dataset.height * unbinned;
    const x = canvas.width / width, y = canvas.height / height, least = 2 * ratio, top = root.dataset.top === "true";
    for (const box of boxes) {
      const left = (box.column1 - 1) * binning, right = box.column2 ? box.column2 * binning : width;
      const first = (box.row1 - 1) * binning, last = box.row2 ? box.row2 * binning : height;
      const wide = Math.max(least, (right - left) * x), tall = Math.max(least, (last - first) * y);
      pen.fillRect(left * x - (wide - (right - left) * x) / 2, (top ? first : height - last) * y - (tall - (last - first) * y) / 2, wide, tall);
    }
  }

  function say(text, bad) {
    told.textContent = text;
    told.className = bad ? "bad" : "";
    if (writable) area.setAttribute("aria-invalid", String(Boolean(bad)));
  }

  function show(found) {
    boxes = found.boxes;
    binning = found.binning;
    const sensor = found.columns ? `; the sensor has ${found.columns} columns and ${found.rows} rows` : "; the size of the sensor is not known yet";
    $("#pixels-count").textContent = found.dry_run || !found.version ? "" : `version ${found.version}`;
    say(found.entries ? `${found.entries} ${found.entries === 1 ? "entry" : "entries"}${binning > 1 ? `, in pixels of binning ${binning}` : ""}${sensor}.` : "Nothing is listed.");
    draw();
  }

  // A refusal names the line; the cursor goes there when the person asked for the check.
  function complain(problem, jump) {
    say(problem.message, true);
    boxes = [];
    draw();
    const line = Number(/line (\d+)/.exec(problem.message)?.[1]);
    if (!jump || !line) return;
    const lines = area.value.split("\n"), start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] || "").length);
  }

  async function put(query, jump) {
    const turn = (asked += 1);
    try {
      const found = await (await send("PUT", root.dataset.url + query, JSON.stringify({ body: area.value }))).json();
      if (turn === asked) show(found);
      return turn === asked;
    } catch (problem) { if (turn === asked) complain(problem, jump); return false; }
  }

  ACTIONS["check-pixels"] = () => put("?dry_run=true", true);
  ACTIONS["save-pixels"] = async (button) => {
    button.disabled = true;
    if (await put("", true)) { toast("Saved"); area.dataset.saved = area.value; later("reload", () => location.reload(), 600); }
    button.disabled = false;
  };
  ACTIONS["forget-pixels"] = async () => {
    if (!confirm("Delete the list of this rig?")) return;
    try { await send("DELETE", root.dataset.url); area.dataset.saved = area.value; location.reload(); }
    catch (problem) { toast(problem.message, true); }
  };

  if (writable) {
    area.dataset.saved = area.value;
    area.addEventListener("input", () => later("pixels", () => put("?dry_run=true", false), 700));
    $("#pixels-file").addEventListener("change", async (event) => {
      const file = event.target.files[0];
      if (!file) return;
      if (file.size > 100000) { toast("The file is longer than 100 000 characters; use rectangles", true); return; }
      area.value = await file.text();
      event.target.value = "";
      put("?dry_run=true", true);
    });
    addEventListener("beforeunload", (event) => { if (area.value !== area.dataset.saved) event.preventDefault(); });
  }
  // Where the pointer is, in pixels of the unbinned sensor: what to write into the list.
  if (canvas) {
    const image = $("img", canvas.parentElement), place = $("output", canvas.parentElement), unbinned = Number(root.dataset.binning);
    image.addEventListener("pointermove", (event) => {
      const across = event.offsetX / image.clientWidth, down = event.offsetY / image.clientHeight;
      const column = Math.min(root.dataset.width * unbinned, 1 + Math.floor(across * root.dataset.width * unbinned));
      const row = Math.min(root.dataset.height * unbinned, 1 + Math.floor((root.dataset.top === "true" ? down : 1 - down) * root.dataset.height * unbinned));
      place.textContent = `column ${column}, row ${row}`;
    });
    image.addEventListener("pointerleave", () => { place.textContent = ""; });
  }
  document.addEventListener("pictor:theme", draw);
  if (canvas) new ResizeObserver(draw).observe(canvas.parentElement);
  send("GET", root.dataset.url).then((answer) => answer.json()).then(show).catch((problem) => say(problem.message, true));
})();

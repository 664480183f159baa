// The detector diary: what masters measured of a camera over time; charts over a table, both from the API.
"use strict";
(() => {
  const root = document.getElementById("diary");
  if (!root || !window.uPlot) return;
  const KINDS = {
    "read-noise": ["Read noise", 2], "gain": ["Gain", 3], "bias-level": ["Bias level", 1],
    "dark-current": ["Dark current", 4], "hot-pixels": ["Hot pixels", 0],
  };
  const UNITS = { "e-": "e⁻", "e-/ADU": "e⁻/ADU", "e-/s": "e⁻/s per pixel", "pixels": "pixels", "ADU": "ADU" };
  const COLOURS = ["busy", "warn", "sii", "good", "oiii", "red", "other", "blue"];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
  const moment = (text) => Date.parse(text) / 1000;
  const modes = $("#diary-mode"), period = $("#diary-period"), kind = $("#diary-kind");
  let series = [], charts = [];

  const modeOf = (one) => `${one.rig_id}|${one.camera_mode}`;
  function nameOf(one) {
    const parts = [one.rig || one.camera_name || "unknown rig"];
    if (one.rig && one.camera_name) parts.push(one.camera_name);
    if (one.gain_setting !== null) parts.push(`gain ${one.gain_setting}`);
    if (one.offset_setting !== null) parts.push(`offset ${one.offset_setting}`);
    if (one.binning_x) parts.push(`bin ${one.binning_x}×${one.binning_x}`);
    return parts.join(" · ");
  }

  // Dark current and hot pixels depend on temperature and exposure: one line for each, never one through all.
  function linesOf(one) {
    const split = one.kind === "dark-current" || one.kind === "hot-pixels" ? (r) => [r.temp_c, r.exposure_s] : () => [];
    const lines = new Map();
    for (const reading of one.readings) {
      const [temp, exposure] = split(reading);
      const name = [temp !== undefined && temp !== null && `${Math.round(2 * temp) / 2} °C`, exposure !== undefined && exposure !== null && `${exposure} s`].filter(Boolean).join(" · ");
      lines.set(name, [...(lines.get(name) || []), reading]);
    }
    return [...lines].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true })).slice(0, 8);
  }

  function dataOf(lines, gaps) {
    const times = [...new Set([...lines.flatMap(([, readings]) => readings.map((r) => moment(r.taken_at))), ...gaps.map((g) => moment(g.taken_at))])].sort((a, b) => a - b);
    const broken = new Set(gaps.map((gap) => moment(gap.taken_at)));
    return [times, ...lines.map(([, readings]) => {
      const known = new Map(readings.map((r) => [moment(r.taken_at), r.value]));
      return times.map((time) => (known.has(time) ? known.get(time) : broken.has(time) ? null : undefined));
    })];
  }

  function spread(low, high) {
    if (low === null || low === undefined) return [0, 1];
    const room = (high - low || Math.abs(high) || 1) * 0.15;
    return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
  }

  const seen = (reading) => !period.value || moment(reading.taken_at) >= Date.now() / 1000 - 86400 * Number(period.value);

  function figure(one) {
    const [title, digits] = KINDS[one.kind];
    const gaps = one.gaps.filter(seen), lines = linesOf({ ...one, readings: one.readings.filter(seen) });
    const box = document.createElement("figure"), head = document.createElement("figcaption"), place = document.createElement("div");
    const output = document.createElement("output"), name = document.createElement("b"), unit = document.createElement("small");
    name.textContent = title;
    unit.textContent = UNITS[one.unit] || one.unit;
    head.append(name, unit);
    lines.forEach(([label], number) => {
      if (!label) return;
      const key = document.createElement("span");
      key.className = `key c${number}`;
      key.textContent = label;
      head.append(key);
    });
    head.append(output);
    box.append(head, place);
    box.setAttribute("aria-label", `${title} over time, ${lines.reduce((sum, [, r]) => sum + r.length, 0)} readings; the table below has the numbers`);
    $("#diary-charts").append(box);
    const axis = { stroke: css("soft"), grid: { stroke: css("line"), width: 0.5 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const chart = new uPlot({
      width: place.clientWidth, height: place.clientHeight, legend: { show: false }, padding: [12, 10, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time: true, range: (self, low, high) => (low === null ? [0, 86400] : self.data[0].length < 2 ? [self.data[0][0] - 43200, self.data[0][0] + 43200] : [low, high]) }, y: { range: (_, low, high) => spread(low, high) } },
      cursor: { y: false, drag: { x: true, y: false } },
      axes: [{ ...axis, size: 22, space: 76, values: (_, splits) => splits.map(splits[splits.length - 1] - splits[0] < 3 * 86400 ? (at) => new Date(at * 1000).toISOString().slice(5, 16).replace("T", " ") : day) }, { ...axis, size: 58, space: 26, values: (_, splits) => splits.map((v) => String(Number(v.toPrecision(5)))) }],
      series: [{}, ...lines.map((_, number) => ({ stroke: css(COLOURS[number]), width: 1.5, spanGaps: false, points: { show: true, size: 6, fill: css(COLOURS[number]) } }))],
      hooks: {
        setCursor: [(self) => {
          const at = self.cursor.idx, told = [];
          if (at !== null && at !== undefined) lines.forEach(([label], number) => { const value = self.data[number + 1][at]; if (typeof value === "number") told.push(`${label ? `${label}: ` : ""}${value.toFixed(digits)}`); });
          const gap = at === null || at === undefined ? null : gaps.find((g) => moment(g.taken_at) === self.data[0][at]);
          output.textContent = told.length ? `${told.join("  ")}  ${day(self.data[0][at])}` : gap ? `${gap.state}  ${day(self.data[0][at])}` : "";
        }],
        draw: [(self) => {
          const { ctx, bbox } = self;
          ctx.save();
          ctx.strokeStyle = css("bad");
          ctx.setLineDash([4, 4]);
          for (const gap of gaps) {
            const x = Math.round(self.valToPos(moment(gap.taken_at), "x", true));
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
          }
          ctx.restore();
        }],
      },
    }, dataOf(lines, gaps), place);
    charts.push({ chart, place });
  }

  function cell(row, text, kind = "") {
    const place = row.insertCell();
    if (kind) place.className = kind;
    place.append(text);
    return place;
  }

  function link(id, text, kind) {
    if (!id) return document.createTextNode("deleted since");
    const to = document.createElement("a");
    to.href = `/calibration/masters/${id}`;
    to.textContent = text;
    if (kind) to.className = `badge ${kind}`;
    return to;
  }

  function table(shown) {
    const lines = shown.filter((one) => !kind.value || one.kind === kind.value).flatMap((one) => [...one.readings.map((r) => ({ ...r, one })), ...one.gaps.map((gap) => ({ ...gap, one, gap: true }))])
      .filter(seen).sort((a, b) => moment(b.taken_at) - moment(a.taken_at));
    const body = $("#diary-table tbody");
    body.replaceChildren();
    for (const line of lines.slice(0, 500)) {
      const row = body.insertRow(), [title, digits] = KINDS[line.one.kind];
      cell(row, line.taken_at.replace("T", " ").slice(0, 16), "time");
      cell(row, title, "name");
      if (line.gap) {
        cell(row, "–", "num unsaid"); cell(row, "", "num"); cell(row, "", "num");
        const why = document.createElement("small");
        why.textContent = line.reasons.join("; ");
        cell(row, link(line.id, line.state === "rejected" ? "rejected" : "needs review", line.state === "rejected" ? "rejected" : "review"), "standing").append(why);
        continue;
      }
      const unit = document.createElement("small");
      unit.textContent = ` ${UNITS[line.one.unit] || line.one.unit}`;
      cell(row, line.value.toFixed(digits), "num").append(unit);
      const narrow = (text) => Object.assign(document.createElement("small"), { className: "narrow", textContent: text });
      cell(row, line.temp_c === null ? "–" : line.temp_c.toFixed(1), line.temp_c === null ? "num unsaid" : "num").append(narrow(" °C"));
      cell(row, line.exposure_s === null ? "–" : `${line.exposure_s} s`, line.exposure_s === null ? "num unsaid" : "num");
      cell(row, link(line.master_id, line.superseded ? "superseded" : "in use", line.superseded ? "superseded" : "active"), "standing");
    }
    $("#diary-table").hidden = !lines.length;
    $("#diary-count").textContent = lines.length > 500 ? `the newest 500 of ${lines.length} readings` : `${lines.filter((line) => !line.gap).length} readings`;
  }

  function draw() {
    for (const { chart } of charts) chart.destroy();
    charts = [];
    $("#diary-charts").replaceChildren();
    const order = Object.keys(KINDS);
    const shown = series.filter((one) => modeOf(one) === modes.value && KINDS[one.kind]).sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
    for (const one of shown) if (one.readings.some(seen)) figure(one);
    table(shown);
    for (const part of ["choices", "hint"]) $(`#diary-${part}`).hidden = !series.length;
    $("#diary-empty").hidden = series.length > 0;
  }

  async function read() {
    try { series = (await (await send("GET", root.dataset.url)).json()).series; }
    catch (problem) { toast(problem.message, true); return; }
    const before = modes.value, counts = new Map();
    for (const one of series) counts.set(modeOf(one), [nameOf(one), (counts.get(modeOf(one))?.[1] || 0) + one.readings.length]);
    const choices = [...counts].sort((a, b) => b[1][1] - a[1][1]);
    const twice = (name) => choices.filter(([, [other]]) => other === name).length > 1;
    modes.replaceChildren(...choices.map(([key, [name]]) => new Option(twice(name) ? `${name} · ${key.split("|")[1].slice(0, 8)}` : name, key)));
    if (counts.has(before)) modes.value = before;
    draw();
  }

  kind.append(...Object.entries(KINDS).map(([name, [title]]) => new Option(title, name)));
  for (const field of [modes, period, kind]) field.addEventListener("change", draw);
  document.addEventListener("pictor:theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("pictor:library", read);
  new ResizeObserver(() => { for (const { chart, place } of charts) if (place.clientWidth) chart.setSize({ width: place.clientWidth, height: place.clientHeight }); }).observe(root);
  read();
})();

// Four small charts over the table, one point per frame; they read what the rows say and follow them.
"use strict";
(() => {
  const figures = [...document.querySelectorAll("#charts figure")];
  if (!figures.length || !window.uPlot) return;
  const COLOURS = ["lum", "red", "green", "blue", "ha", "oiii", "sii", "other"];
  const DIGITS = { fwhm: 2, eccentricity: 2, stars: 0, background: 0 };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const utc = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 16);
  const sync = uPlot.sync("night");
  let rows = [], charts = [], fwhm = "fwhm";

  function read() {
    rows = [...document.querySelectorAll("#rows tr")].filter((row) => !row.hidden).reverse();
    rows.sort((a, b) => a.dataset.time - b.dataset.time);
    // One unit per chart: arcseconds once most frames are solved, pixels before.
    const measured = rows.filter((row) => row.dataset.fwhm), solved = measured.filter((row) => row.dataset.fwhmArcsec);
    fwhm = solved.length && 2 * solved.length >= measured.length ? "fwhmArcsec" : "fwhm";
    const times = rows.map((row) => Number(row.dataset.time));
    return figures.map((figure) => {
      const name = figure.dataset.metric === "fwhm" ? fwhm : figure.dataset.metric;
      const value = (row) => { const text = row.dataset[name]; return text === "" || text === undefined ? null : Number(text); };
      const kept = (row) => (row.dataset.grade === "rejected" ? null : value(row));
      return [times, rows.map(value), rows.map(kept), ...COLOURS.map((colour) => rows.map((row) => (row.dataset.colour === colour ? value(row) : null))),
        rows.map((row) => (row.dataset.grade === "rejected" ? value(row) : null)),
        rows.map((row) => (row.classList.contains("selected") ? value(row) : null))];
    });
  }

  function options(figure) {
    const axis = { stroke: css("soft"), grid: { stroke: css("line"), width: 0.5 }, ticks: { show: false }, font: "10px system-ui, sans-serif" };
    const dot = (colour, size, fill) => ({ stroke: colour, width: 0, paths: () => null, points: { show: true, size, width: 1.5, stroke: colour, fill } });
    const place = figure.querySelector("div");
    const digits = DIGITS[figure.dataset.metric];
    return {
      width: place.clientWidth, height: place.clientHeight, legend: { show: false }, padding: [6, 8, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time: true, range: (self, low, high) => (low === null ? [0, 86400] : self.data[0].length < 2 ? [self.data[0][0] - 1800, self.data[0][0] + 1800] : [low, high]) }, y: { range: (_, low, high) => { if (low === null) return [0, 1]; const room = (high - low || Math.abs(high) || 1) * 0.12; return [low - room, high + room]; } } },
      cursor: { sync: { key: sync.key }, y: false, points: { show: false }, drag: { x: true, y: false } },
      axes: [
        { ...axis, size: 20, space: 54, values: (_, splits) => splits.map(utc) },
        { ...axis, size: 40, space: 26, values: (_, splits) => splits.map((v) => (Math.abs(v) >= 10000 ? `${v / 1000}k` : String(Number(v.toFixed(4))))) },
      ],
      series: [{}, { paths: () => null, points: { show: false } }, { stroke: css("faint"), width: 0.75, spanGaps: true, points: { show: false } }, ...COLOURS.map((colour) => dot(css(colour), 5, css(colour))),
        dot(css("bad"), 10, "transparent"), dot(css("accent"), 13, "transparent")],
      hooks: { setCursor: [(chart) => {
        const at = chart.cursor.idx, value = at === null || at === undefined ? null : chart.data[1][at];
        figure.querySelector("output").textContent = value === null || value === undefined ? "" : `${value.toFixed(digits)}  ${utc(chart.data[0][at])}`;
      }] },
    };
  }

  function draw() {
    const data = read();
    const unit = document.querySelector("#charts .unit");
    if (unit) unit.textContent = fwhm === "fwhm" ? "px" : "arcsec";
    figures.forEach((figure, number) => {
      figure.classList.toggle("bare", data[number][1].every((value) => value === null));
      if (charts[number]) { charts[number].setData(data[number]); return; }
      const place = figure.querySelector("div");
      const chart = new uPlot(options(figure), data[number], place);
      chart.over.addEventListener("click", () => { const row = rows[chart.cursor.idx]; if (row) select(row); });
      charts[number] = chart;
    });
  }
  function again() { for (const chart of charts) chart.destroy(); charts = []; draw(); }

  let pending = 0;
  const soon = (work) => { cancelAnimationFrame(pending); pending = requestAnimationFrame(work); };
  for (const name of ["pictor:rows", "pictor:select"]) document.addEventListener(name, () => soon(draw));
  document.addEventListener("pictor:theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  new ResizeObserver(() => charts.forEach((chart, number) => { const place = figures[number].querySelector("div"); if (place.clientWidth) chart.setSize({ width: place.clientWidth, height: place.clientHeight }); })).observe(document.getElementById("charts"));
  draw();
})();

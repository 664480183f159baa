// The zoomable picture: tiles of the frame, read by range on the server; keeps its place when the next frame comes.
"use strict";
(() => {
  const box = document.getElementById("viewer");
  if (!box || !window.OpenSeadragon || box.classList.contains("none")) return;
  const viewer = OpenSeadragon({
    element: box, drawer: "canvas", showNavigationControl: false, showNavigator: box.dataset.follow === undefined,
    navigatorPosition: "BOTTOM_RIGHT", navigatorSizeRatio: 0.16, animationTime: 0.35, maxZoomPixelRatio: 8, minZoomImageRatio: 0.8,
    visibilityRatio: 0.5, imageSmoothingEnabled: true, preserveImageSizeOnResize: true, crossOriginPolicy: false,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true }, keyboardNavEnabled: false, immediateRender: true,
  });
  const blind = document.getElementById("blind");
  let shown = null, asked = null;

  function source(id, tiles) {
    return {
      width: tiles.width, height: tiles.height, tileSize: tiles.tile_size, tileOverlap: 0, minLevel: Math.min(8, tiles.levels - 1), maxLevel: tiles.levels - 1,
      getTileUrl: (level, x, y) => `/api/v1/frames/${id}/tiles/${level}/${x}_${y}`,
    };
  }

  // The new frame is drawn above the old one and the old one leaves only then: blinking keeps place and zoom.
  function show(id, text) {
    if (blind) blind.hidden = Boolean(text);
    if (!text) { asked = shown = null; viewer.close(); return; }
    if (id === asked) return;
    asked = id;
    const tiles = JSON.parse(text), shape = `${tiles.width}x${tiles.height}`, old = viewer.world.getItemAt(0);
    const keep = shown === shape && old;
    shown = shape;
    if (!keep) { viewer.open(source(id, tiles)); return; }
    viewer.addTiledImage({ tileSource: source(id, tiles), success: (event) => {
      if (asked !== id) { viewer.world.removeItem(event.item); return; }
      const leave = () => { while (viewer.world.getItemCount() > 1) viewer.world.removeItem(viewer.world.getItemAt(0)); };
      if (event.item.getFullyLoaded()) leave(); else event.item.addOnceHandler("fully-loaded-change", leave);
    } });
  }

  viewer.addHandler("zoom", () => {
    const item = viewer.world.getItemAt(0);
    if (item) viewer.drawer.setImageSmoothingEnabled(item.viewportToImageZoom(viewer.viewport.getZoom(false)) < 1.01);
  });

  ACTIONS.fit = () => viewer.viewport.goHome();
  ACTIONS.full = () => { const item = viewer.world.getItemAt(0); if (item) viewer.viewport.zoomTo(item.imageToViewportZoom(1 / (window.devicePixelRatio || 1))); };
  ACTIONS.zoom = (by) => viewer.viewport.zoomBy(by);
  ACTIONS.invert = () => box.classList.toggle("inverted");

  document.addEventListener("pictor:select", (event) => {
    const row = event.detail;
    document.getElementById("look-name").textContent = row.querySelector(".name a").textContent;
    document.getElementById("look-open").href = `/frames/${row.dataset.id}`;
    if (box.offsetParent) show(row.dataset.id, row.dataset.tiles);
  });
  document.addEventListener("pictor:rows", () => {
    const row = document.querySelector("#rows .selected");
    if (row && box.offsetParent) show(row.dataset.id, row.dataset.tiles);
  });
  if (box.dataset.id) show(box.dataset.id, box.dataset.tiles);
})();
